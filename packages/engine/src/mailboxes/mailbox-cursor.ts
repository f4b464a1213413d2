/**
 * Where a link to a mailbox stands, durably.
 *
 * | table            | group                     | order | value                          |
 * | ---------------- | ------------------------- | ----- | ------------------------------ |
 * | `engine.cursors` | hash of mailbox and relay | 0     | `cursorSchema`, canonical CBOR |
 *
 * @module
 */
import { concatBytes, utf8ToBytes } from "@fulcrum/codec/bytes"
import {
  array,
  bytes,
  bytesMax,
  decodeAs,
  encodeAs,
  optional,
  type Schema,
  struct,
  uint,
} from "@fulcrum/codec/schema"
import { sha256 } from "@fulcrum/crypto/hash"
import { type VersionVector, vectorSchema } from "@fulcrum/log/vector"
import type { PositionRange } from "@fulcrum/relay/open-mailbox"
import type { Table, Vault, VaultOp } from "@fulcrum/store/vault"

/** Under what is kept what is known of a mailbox on a relay: a hash of both. */
export function linkGroup(mailbox: Uint8Array, address: string): Uint8Array {
  return sha256(concatBytes([mailbox, utf8ToBytes(address)]))
}

export interface Cursor {
  readonly sequenceId: Uint8Array
  readonly next: number
  /** What the relay holds or held: whoever appends to it brings each line without gaps. */
  readonly held: VersionVector
  readonly head?: Uint8Array | undefined
  /** Up to which position what was past retention has been brought again. */
  readonly expired: number
  /** Before `next`, and neither seen nor said to be gone. Ascending. */
  readonly gaps: readonly Gap[]
  /** Up to which of this device's merges the relay has those that it made. */
  readonly merges: number
}

export interface Gap extends PositionRange {
  /** How often it was asked for again. */
  readonly tries: number
}

export const NOTHING_KNOWN: Pick<Cursor, "held" | "expired" | "gaps"> = {
  held: [],
  expired: 0,
  gaps: [],
}

/** Of those that are asked for again; above, the oldest two are taken for one. */
const GAPS_MAX = 16

const cursorSchema: Schema<Cursor> = struct({
  sequenceId: bytes(16),
  next: uint(),
  held: vectorSchema,
  head: optional(bytesMax(2048)),
  expired: uint(),
  gaps: array(struct({ from: uint(), to: uint(), tries: uint() }), GAPS_MAX),
  merges: uint(),
})

/** One link's cursor, read once and kept. */
export class StoredCursor {
  readonly #vault: Vault
  readonly #table: Table
  readonly #group: Uint8Array
  #cursor: Cursor | undefined
  /** There is none, whatever the disk has until that is written. */
  #isForgotten = false

  constructor(vault: Vault, group: Uint8Array) {
    this.#vault = vault
    this.#table = vault.table("engine.cursors")
    this.#group = group
  }

  /** @throws {TypeError} The mailbox was never aligned. */
  get current(): Cursor {
    if (this.#cursor === undefined) throw new TypeError("a mailbox that was never aligned")
    return this.#cursor
  }

  /** Whether there is one, and it was read. */
  get isKnown(): boolean {
    return this.#cursor !== undefined
  }

  /** `undefined`: there is none. */
  async load(): Promise<Cursor | undefined> {
    if (this.#cursor === undefined && !this.#isForgotten) {
      const stored = await this.#table.get(this.#group)
      // Another may have come meanwhile, or been forgotten.
      if (stored !== undefined && this.#cursor === undefined && !this.#isForgotten) {
        this.#cursor = decodeAs(cursorSchema, stored, { bytesMax: 256 * 1024 })
      }
    }
    return this.#cursor
  }

  /** @param ops - What is to be written with it. */
  async save(cursor: Cursor, ops: readonly VaultOp[] = []): Promise<void> {
    const put = this.#table.put(this.#group, 0, encodeAs(cursorSchema, cursor))
    await this.#vault.write([...ops, put])
    this.#cursor = cursor
    this.#isForgotten = false
  }

  /** From now on there is none. @returns What makes it so on the disk. */
  forget(): VaultOp {
    this.#cursor = undefined
    this.#isForgotten = true
    return this.#table.del(this.#group, 0)
  }
}

/** As few gaps as are kept: the oldest two become one, with what lies between. */
export function atMost(gaps: readonly Gap[]): readonly Gap[] {
  const [first, second, ...rest] = gaps
  if (gaps.length <= GAPS_MAX || first === undefined || second === undefined) return gaps
  const tries = Math.min(first.tries, second.tries)
  return atMost([{ from: first.from, to: second.to, tries }, ...rest])
}
