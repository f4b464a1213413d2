/**
 * Merged spans in an archive: this device's are brought to the relay, and of another's, once it was
 * opened and compared here, the relay is told that it replaces what it covers. A device's own are
 * confirmed by another; where there is none, the relay takes this device's word after a day.
 *
 * Where each span lies is noted, since the relay is told positions:
 *
 * | table             | group                     | order    | value                                |
 * | ----------------- | ------------------------- | -------- | ------------------------------------ |
 * | `engine.archived` | hash of mailbox and relay | position | where a span lies, its boundary hashes, by whom |
 *
 * Source: DESIGN, "How replication works" (relays drop covered spans).
 *
 * @module
 */
import { bytesToHex, equalBytes } from "@fulcrum/codec/bytes"
import { bytes, decodeAs, encodeAs, oneOf, type Schema, struct, uint } from "@fulcrum/codec/schema"
import type { Clock } from "@fulcrum/crypto/clock"
import { LogError } from "@fulcrum/log/log-error"
import type { Replica } from "@fulcrum/log/replica"
import { readSpanHeader, SPAN_ENTRIES, type SpanHeader } from "@fulcrum/log/span"
import { RELAY_LIMITS, REPLACED_MAX } from "@fulcrum/relay/limits"
import type { OpenMailbox } from "@fulcrum/relay/open-mailbox"
import { RelayError } from "@fulcrum/relay/relay-error"
import type { Table, Vault, VaultOp } from "@fulcrum/store/vault"
import type { StoredSpan } from "./linked-space.ts"

/** How long a relay waits for another device before it takes this one's word alone. */
const ALONE_MS: number = RELAY_LIMITS.mergeAloneSeconds * 1000
/** How often it is asked for that. */
const ASK_AGAIN_MS = 3_600_000
/** Merges that it may refuse before it is left alone until then: it counts what it refuses. */
const REFUSED_MAX = 16

/** Brought by this device: not its to confirm. Read here: compared, or not. */
const OURS = 0 as const
const SEEN = 1 as const
const COMPARED = 2 as const

interface Archived {
  readonly incarnation: Uint8Array
  readonly start: number
  readonly end: number
  readonly chainBefore: Uint8Array
  readonly chainEnd: Uint8Array
  readonly standing: typeof OURS | typeof SEEN | typeof COMPARED
  /** When it was noted, by the clock here. */
  readonly notedMs: number
}

const archivedSchema: Schema<Archived> = struct({
  incarnation: bytes(16),
  start: uint(),
  end: uint(),
  chainBefore: bytes(32),
  chainEnd: bytes(32),
  standing: oneOf([OURS, SEEN, COMPARED]),
  notedMs: uint(),
})

type Place = Pick<Archived, "start" | "end" | "chainBefore" | "chainEnd"> & {
  readonly incarnation: Uint8Array
}
type Placed = Archived & { readonly position: number }
/** A span among all of its writer's, by where they begin. */
interface InLine {
  readonly one: Placed
  readonly line: readonly Placed[]
  readonly at: number
}

/** What may be refused without the connection being at fault. */
const REFUSALS: readonly string[] = ["RELAY_FORBIDDEN", "RELAY_TOO_LARGE"]

const NOBODY = new Uint8Array(0)

export class ArchiveMerges {
  readonly #vault: Vault
  readonly #table: Table
  readonly #group: Uint8Array
  readonly #replica: Replica
  readonly #clock: Clock
  /** Whether there may be something of another device's to confirm. */
  #isDue = true
  /** At least the last entry that lies there, by writer; `undefined`: not looked at yet. */
  #ends: Map<string, number> | undefined
  /** When the relay is asked next to take this device's word alone, by the clock here. */
  #aloneMs = Number.NEGATIVE_INFINITY

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
    this.#ends = undefined
    if (ops.length > 0) await this.#vault.write(ops)
  }

  /** What notes where these lie, once they were admitted here. */
  async note(items: readonly StoredSpan[], isOurs: boolean): Promise<readonly VaultOp[]> {
    const ops: VaultOp[] = []
    const notedMs = Math.max(0, this.#clock.now())
    if (items.length > 0) this.#ends ??= this.#endsOf(await this.#rows())
    for (const { span, receipt } of items) {
      const place = this.#placeOf(span)
      if (place === undefined) continue
      const isCompared =
        place.start < place.end && !isOurs && (await this.#replica.merging.keeps(span))
      // What goes on where all that lies there ends covers nothing.
      if (!this.#goesOn(place) && isCompared) this.#isDue = true
      const standing = isOurs ? OURS : isCompared ? COMPARED : SEEN
      const archived = encodeAs(archivedSchema, { ...place, standing, notedMs })
      ops.push(this.#table.put(this.#group, receipt.position, archived))
    }
    return ops
  }

  /** Whether a span of these entries lies there, as far as was seen. */
  async lies(span: Uint8Array): Promise<boolean> {
    const place = this.#placeOf(span)
    if (place === undefined) return false
    const { start, end, chainEnd } = place
    return (await this.#rows()).some(
      (row) => row.start === start && row.end === end && equalBytes(row.chainEnd, chainEnd),
    )
  }

  /** Tells the relay what each merged span replaces, the smallest first. */
  async confirm(append: OpenMailbox): Promise<void> {
    const now = this.#clock.now()
    // The clock may be put back.
    this.#aloneMs = Math.min(this.#aloneMs, now + ASK_AGAIN_MS)
    const isAloneDue = now >= this.#aloneMs
    if (!this.#isDue && !isAloneDue) return
    this.#isDue = false
    if (isAloneDue) this.#aloneMs = now + ASK_AGAIN_MS
    const rows = await this.#rows()
    const byWriter = Map.groupBy(rows, (row) => this.#writerOf(row))
    const merged = [...byWriter.values()]
      .flatMap(linesOf)
      .filter(({ one: { start, end, standing, notedMs } }) => {
        const isOld = isAloneDue && Math.abs(now - notedMs) >= ALONE_MS
        return start < end && (standing === COMPARED || (isOld && standing === OURS))
      })
      .toSorted((a, b) => a.one.end - a.one.start - (b.one.end - b.one.start))
    const gone = new Set<Placed>()
    let refused = 0
    for (const { one, line, at } of merged) {
      if (gone.has(one)) continue
      const inside = insideOf(one, line, at).filter((row) => !gone.has(row))
      const covered = inside.length === 0 ? [] : onWholeLines(one, inside)
      if (covered.length === 0 || covered.length > REPLACED_MAX) continue
      if (!(await this.#replace(append, one, covered))) {
        refused++
        if (refused >= REFUSED_MAX) return
        continue
      }
      await this.#vault.write(covered.map(({ position }) => this.#table.del(this.#group, position)))
      for (const row of covered) gone.add(row)
    }
  }

  /** @returns Whether the relay did. */
  async #replace(append: OpenMailbox, one: Placed, covered: readonly Placed[]): Promise<boolean> {
    const positions = covered.map(({ position }) => position)
    try {
      await append.replace({ merged: one.position, covered: positions })
      return true
    } catch (error) {
      // Not before another device has confirmed it, or it holds something else there.
      if (error instanceof RelayError && REFUSALS.includes(error.code)) return false
      throw error
    }
  }

  /** Of a span by who wrote its entries; `undefined` for any other. */
  #placeOf(span: Uint8Array): Place | undefined {
    const header = entriesHeader(span)
    const [node] = (header && this.#replica.tree.line(header.incarnation, header.start)) ?? []
    return node && equalBytes(node.writer, header?.writer ?? NOBODY) ? header : undefined
  }

  /** Whether it begins above everything of its writer that lies there; from now on it does, too. */
  #goesOn(place: Place): boolean {
    const writer = this.#writerOf(place)
    const end = (writer === undefined ? undefined : this.#ends?.get(writer)) ?? 0
    if (writer !== undefined) this.#ends?.set(writer, Math.max(end, place.end))
    return place.start > end
  }

  #endsOf(rows: readonly Placed[]): Map<string, number> {
    const ends = new Map<string, number>()
    for (const row of rows) {
      const writer = this.#writerOf(row)
      if (writer !== undefined) ends.set(writer, Math.max(ends.get(writer) ?? 0, row.end))
    }
    return ends
  }

  #writerOf({ incarnation }: Place): string | undefined {
    const node = this.#replica.tree.byKey(bytesToHex(incarnation))
    return node && bytesToHex(node.writer)
  }

  async #rows(): Promise<readonly Placed[]> {
    const rows: Placed[] = []
    for await (const { order, value } of this.#table.list(this.#group)) {
      rows.push({ ...decodeAs(archivedSchema, value, { bytesMax: 256 }), position: order })
    }
    return rows
  }
}

/** Of one writer's. */
function linesOf(rows: readonly Placed[]): readonly InLine[] {
  const line = rows.toSorted((a, b) => a.start - b.start || a.end - b.end)
  return line.map((one, at) => ({ one, line, at }))
}

/** @param at - Where it is in the line. */
function insideOf(one: Placed, line: readonly Placed[], at: number): readonly Placed[] {
  const inside: Placed[] = []
  let from = at
  while (from > 0 && line[from - 1]?.start === one.start) from--
  for (let other = line[from]; other && other.start <= one.end; other = line[++from]) {
    if (other !== one && isWithin(other, one)) inside.push(other)
  }
  return inside
}

/** Of two that have the same entries the later one is the wider. */
function isWithin(a: Placed, b: Placed): boolean {
  const isInside = a.start >= b.start && a.end <= b.end
  const isSame = a.start === b.start && a.end === b.end
  return isInside && (!isSame || a.position < b.position)
}

/** Those that lie on unbroken lines from the merged span's start to its end: others are not named. */
function onWholeLines(merged: Place, inside: readonly Placed[]): readonly Placed[] {
  const near = (one: Place) => `${one.start - 1} ${bytesToHex(one.chainBefore)}`
  const far = (one: Place) => `${one.end} ${bytesToHex(one.chainEnd)}`
  const begun = new Set([near(merged)])
  for (const one of inside.toSorted((a, b) => a.start - b.start || a.end - b.end)) {
    if (begun.has(near(one))) begun.add(far(one))
  }
  const ended = new Set([far(merged)])
  for (const one of inside.toSorted((a, b) => b.end - a.end || b.start - a.start)) {
    if (ended.has(far(one))) ended.add(near(one))
  }
  return inside.filter((one) => begun.has(near(one)) && ended.has(far(one)))
}

function entriesHeader(span: Uint8Array): SpanHeader | undefined {
  try {
    const header = readSpanHeader(span)
    return header.kind === SPAN_ENTRIES ? header : undefined
  } catch (error) {
    if (error instanceof LogError) return undefined
    throw error
  }
}
