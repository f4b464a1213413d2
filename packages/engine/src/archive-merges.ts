/**
 * Merged spans in an archive: this device's are brought to the relay, and of another's, once it was
 * opened and compared here, the relay is told that it replaces what it covers. A device's own are
 * confirmed by another; where there is none, the relay takes this device's word after a day.
 *
 * Where each span lies is noted, since the relay is told positions:
 *
 * | table             | group                     | order    | value                                |
 * | ----------------- | ------------------------- | -------- | ------------------------------------ |
 * | `engine.archived` | hash of mailbox and relay | position | `[incarnation, start, end, standing]` |
 *
 * Source: DESIGN, "How replication works" (relays drop covered spans).
 *
 * @module
 */
import { equalBytes } from "@fulcrum/codec/bytes"
import { bytes, decodeAs, encodeAs, oneOf, type Schema, struct, uint } from "@fulcrum/codec/schema"
import type { Clock } from "@fulcrum/crypto/clock"
import { LogError } from "@fulcrum/log/log-error"
import type { Replica } from "@fulcrum/log/replica"
import { readSpanHeader } from "@fulcrum/log/span"
import { REPLACED_MAX } from "@fulcrum/relay/limits"
import type { OpenMailbox } from "@fulcrum/relay/open-mailbox"
import { RelayError } from "@fulcrum/relay/relay-error"
import type { Table, Vault, VaultOp } from "@fulcrum/store/vault"
import type { StoredSpan } from "./mailbox-link.ts"

/** How often the relay is asked again to take this device's word alone. */
const ASK_AGAIN_MS = 3_600_000

/** Brought by this device: not its to confirm. Read here: compared, or not. */
const OURS = 0 as const
const SEEN = 1 as const
const COMPARED = 2 as const

interface Archived {
  readonly incarnation: Uint8Array
  readonly start: number
  readonly end: number
  readonly standing: typeof OURS | typeof SEEN | typeof COMPARED
}

const archivedSchema: Schema<Archived> = struct({
  incarnation: bytes(16),
  start: uint(),
  end: uint(),
  standing: oneOf([OURS, SEEN, COMPARED]),
})

type Placed = Archived & { readonly position: number }

export class ArchiveMerges {
  readonly #vault: Vault
  readonly #table: Table
  readonly #group: Uint8Array
  readonly #replica: Replica
  readonly #clock: Clock
  /** When there may be something to confirm, by the clock here. */
  #dueMs = Number.NEGATIVE_INFINITY

  constructor(options: {
    readonly vault: Vault
    readonly group: Uint8Array
    readonly replica: Replica
    readonly clock: Clock
  }) {
    this.#vault = options.vault
    this.#table = options.vault.table("engine.archived")
    this.#group = options.group
    this.#replica = options.replica
    this.#clock = options.clock
  }

  /** The relay has another mailbox than before, or none. */
  async forget(): Promise<void> {
    const ops: VaultOp[] = []
    for await (const { order } of this.#table.list(this.#group)) {
      ops.push(this.#table.del(this.#group, order))
    }
    if (ops.length > 0) await this.#vault.write(ops)
  }

  /** What notes where these lie, once they were admitted here. */
  async note(items: readonly StoredSpan[], isOurs: boolean): Promise<readonly VaultOp[]> {
    const ops: VaultOp[] = []
    for (const { span, receipt } of items) {
      const place = placeOf(span)
      if (place === undefined) continue
      const isCompared = place.start < place.end && !isOurs && (await this.#replica.keeps(span))
      if (isCompared || (isOurs && place.start < place.end)) this.#dueMs = this.#clock.now()
      const standing = isOurs ? OURS : isCompared ? COMPARED : SEEN
      const archived = encodeAs(archivedSchema, { ...place, standing })
      ops.push(this.#table.put(this.#group, receipt.position, archived))
    }
    return ops
  }

  /** Tells the relay what each merged span replaces, the smallest first. */
  async confirm(append: OpenMailbox): Promise<void> {
    const now = this.#clock.now()
    // The clock may be put back.
    this.#dueMs = Math.min(this.#dueMs, now + ASK_AGAIN_MS)
    if (now < this.#dueMs) return
    this.#dueMs = now + ASK_AGAIN_MS
    let rows = await this.#rows()
    const merged = rows
      .filter(({ start, end, standing }) => start < end && standing !== SEEN)
      .toSorted((a, b) => a.end - a.start - (b.end - b.start))
    for (const one of merged) {
      const covered = rows.filter((other) => other !== one && isWithin(other, one))
      if (covered.length === 0 || covered.length > REPLACED_MAX) continue
      if (!(await this.#replace(append, one, covered))) continue
      await this.#vault.write(covered.map(({ position }) => this.#table.del(this.#group, position)))
      rows = rows.filter((row) => !covered.includes(row))
    }
  }

  /** @returns Whether the relay did. */
  async #replace(append: OpenMailbox, one: Placed, covered: readonly Placed[]): Promise<boolean> {
    const positions = covered.map(({ position }) => position)
    try {
      await append.replace({ merged: one.position, covered: positions })
      return true
    } catch (error) {
      // Not before another device has confirmed it, or it holds a fork of them.
      if (error instanceof RelayError && error.code === "RELAY_FORBIDDEN") return false
      throw error
    }
  }

  async #rows(): Promise<readonly Placed[]> {
    const rows: Placed[] = []
    for await (const { order, value } of this.#table.list(this.#group)) {
      rows.push({ ...decodeAs(archivedSchema, value, { bytesMax: 128 }), position: order })
    }
    return rows
  }
}

/** Of two that have the same entries the later one is the wider. */
function isWithin(a: Placed, b: Placed): boolean {
  const isInside = a.start >= b.start && a.end <= b.end && equalBytes(a.incarnation, b.incarnation)
  const isSame = a.start === b.start && a.end === b.end
  return isInside && (!isSame || a.position < b.position)
}

function placeOf(
  span: Uint8Array,
): { readonly incarnation: Uint8Array; readonly start: number; readonly end: number } | undefined {
  try {
    const { incarnation, start, end } = readSpanHeader(span)
    return { incarnation, start, end }
  } catch (error) {
    if (error instanceof LogError) return undefined
    throw error
  }
}
