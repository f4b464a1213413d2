/**
 * When this device spoke last with each other, by its own clock, and what of the record that one had
 * then, as it told. It is kept here and is no part of the record: each device sees others.
 *
 * | table         | group     | order | value                                                     |
 * | ------------- | --------- | ----- | --------------------------------------------------------- |
 * | `engine.seen` | device id | 0     | canonical CBOR of when, in ms, and its vector with trails |
 *
 * It is written a minute after a device was met, each minute from then on, and when it goes: whoever
 * dies in between shows a time that is a minute older.
 *
 * @module
 */
import { bytesToHex } from "@fulcrum/codec/bytes"
import { decodeAs, encodeAs, optional, type Schema, struct, uint } from "@fulcrum/codec/schema"
import type { Clock } from "@fulcrum/crypto/clock"
import type { IncarnationTree } from "@fulcrum/log/incarnation-tree"
import { trailedVectorSchema, type VersionVector } from "@fulcrum/log/vector"
import type { Table, Vault } from "@fulcrum/store/vault"
import { errorCode } from "../failures/error-code.ts"
import { DATE_MS_MAX } from "../items/record-items.ts"

/** How often it is written that a device is there still. */
const NOTE_MS = 60_000

/** Rows of a vector that are kept: more lines than a person has devices. Of a longer one nothing is said. */
const ROWS_MAX = 256

export interface Sighting {
  readonly seenMs: number
  /** What it has told to have; absent: nothing. */
  readonly has?: VersionVector | undefined
}

const sightingSchema: Schema<Sighting> = struct({
  seenMs: uint(DATE_MS_MAX),
  has: optional(trailedVectorSchema),
})

const SIGHTING_BYTES_MAX: number = 1024 * 1024

/** What a device that is connected is known to have; `undefined`: it has not told yet. */
type Known = () => VersionVector | undefined

export interface DeviceSightingsParts {
  readonly vault: Vault
  readonly clock: Clock
  /** Of the record. */
  readonly tree: IncarnationTree
}

export class DeviceSightings {
  readonly #vault: Vault
  readonly #table: Table
  readonly #clock: Clock
  readonly #tree: IncarnationTree
  /** By device id in hex: those that are connected, and those that were. */
  readonly #connected = new Map<string, Known>()
  readonly #last = new Map<string, Sighting>()

  constructor({ vault, clock, tree }: DeviceSightingsParts) {
    this.#vault = vault
    this.#table = vault.table("engine.seen")
    this.#clock = clock
    this.#tree = tree
  }

  /** When a device was spoken with last; `undefined`: never. */
  async of(device: Uint8Array): Promise<Sighting | undefined> {
    const last = this.#last.get(bytesToHex(device)) ?? (await this.#read(device))
    const known = this.#connected.get(bytesToHex(device))
    if (known === undefined) return last
    return { seenMs: this.#now(), has: known() ?? last?.has }
  }

  /** Notes that a device is spoken with, for as long as that takes. */
  async during<T>(device: Uint8Array, known: Known, speak: () => Promise<T>): Promise<T> {
    const key = bytesToHex(device)
    const stop = new AbortController()
    this.#connected.set(key, known)
    const noting = this.#noteNowAndThen(device, known, stop.signal)
    try {
      return await speak()
    } finally {
      if (this.#connected.get(key) === known) this.#connected.delete(key)
      stop.abort()
      await noting
      await this.#note(device, known())
    }
  }

  async #noteNowAndThen(device: Uint8Array, known: Known, signal: AbortSignal): Promise<void> {
    for (;;) {
      await this.#clock.sleep(NOTE_MS, signal).catch(() => undefined)
      if (signal.aborted) return
      await this.#note(device, known())
    }
  }

  /** On a disk that takes nothing it is as it was after the next start. */
  async #note(device: Uint8Array, known: VersionVector | undefined): Promise<void> {
    try {
      const rows = known === undefined ? (await this.of(device))?.has : this.#trailed(known)
      const has = rows !== undefined && rows.length <= ROWS_MAX ? rows : undefined
      const sighting: Sighting = { seenMs: this.#now(), has }
      this.#last.set(bytesToHex(device), sighting)
      await this.#vault.write([this.#table.put(device, 0, encodeAs(sightingSchema, sighting))])
    } catch (error) {
      if (errorCode(error) === undefined) throw error
    }
  }

  /** So that each row can be placed though its incarnation is not known, or not any more. */
  #trailed(vector: VersionVector): VersionVector {
    return vector.flatMap((row) =>
      this.#tree.get(row.incarnation) === undefined ? [row] : this.#tree.trailed([row]),
    )
  }

  async #read(device: Uint8Array): Promise<Sighting | undefined> {
    const stored = await this.#table.get(device)
    if (stored === undefined) return undefined
    return decodeAs(sightingSchema, stored, { bytesMax: SIGHTING_BYTES_MAX })
  }

  #now(): number {
    return Math.min(DATE_MS_MAX, Math.max(0, Math.floor(this.#clock.now())))
  }
}
