/**
 * How one space's log lies in a vault.
 *
 * | table          | group             | order              | value                                |
 * | -------------- | ----------------- | ------------------ | ------------------------------------ |
 * | `log.tree`     | tag               | arrival at start   | `[incarnation, writer, parent, arrival]` |
 * | `log.spans`    | tag ‖ incarnation | sequence at end    | `[arrival of the span, first, start, from, chain at end, bytes, kind]` |
 * | `log.arrival`  | tag               | arrival at end     | `0` ‖ u32 skipped ‖ u32 kept ‖ the span; or `1` ‖ `[incarnation, from, end]` |
 * | `log.waiting`  | tag               | 1, 2, …            | the span                             |
 * | `log.forks`    | tag               | 1, 2, …            | the span that contradicts ours       |
 * | `log.writer`   | tag               | 0                  | `[incarnation, seed]`                |
 * | `log.merges`   | tag               | 1, 2, …            | `[incarnation, start, end]`          |
 *
 * Entries are numbered in the order in which they arrived, from 1, and keep their numbers for good.
 * A *run* is entries of one incarnation that follow each other both there and in arrival; it stands in
 * `log.arrival` under its last entry's number. The run of a span's last entry that is here has the span
 * with it, of which the first `skipped` entries are another run's and those after `kept` are not
 * here yet. Other runs of a merged span only name their entries: the span that has them is found in
 * `log.spans`, so that a later merge leaves them as they are.
 *
 * A span that reaches over several incarnations has a record in `log.spans` for each, with the start
 * of the whole span; that of the last holds it, and the others have 0 for `from`.
 *
 * An incarnation's head is its last record in `log.spans`, so an append rewrites nothing. Each
 * record there stands for the entries after the one before it. `log.merges` lists the spans that
 * were merged here and that no later merge has taken in.
 *
 * @module
 */
import { concatBytes, equalBytes } from "@fulcrum/codec/bytes"
import { decodeAs, encodeAs } from "@fulcrum/codec/schema"
import type { IncarnationId, SpaceTag } from "./ids.ts"
import {
  type LoggedKind,
  NAMED,
  type NamedRun,
  type PlacedRecord,
  PREFIX_BYTES,
  placeSchema,
  RECORD_BYTES_MAX,
  type Run,
  readSpanRecord,
  readStored,
  runSchema,
  type SpanPart,
  type SpanPlace,
  type StoredSpan,
  spanSchema,
  type TreeRecord,
  treeSchema,
  WITH_SPAN,
  type WriterRecord,
  writerSchema,
} from "./log-records.ts"
import type { LogOp, LogTable, LogVault } from "./log-vault.ts"
import { SPAN_ENTRIES } from "./span.ts"

export interface ForkProof {
  /** The span that contradicts ours, signed. */
  readonly span: Uint8Array
}

export class LogTables {
  readonly #tag: SpaceTag
  readonly #tree: LogTable
  readonly #spans: LogTable
  readonly #arrival: LogTable
  readonly #waiting: LogTable
  readonly #forks: LogTable
  readonly #writer: LogTable
  readonly #merges: LogTable

  constructor(vault: LogVault, tag: SpaceTag) {
    this.#tag = tag
    this.#tree = vault.table("log.tree")
    this.#spans = vault.table("log.spans")
    this.#arrival = vault.table("log.arrival")
    this.#waiting = vault.table("log.waiting")
    this.#forks = vault.table("log.forks")
    this.#writer = vault.table("log.writer")
    this.#merges = vault.table("log.merges")
  }

  putIncarnation(record: TreeRecord): LogOp {
    return this.#tree.put(this.#tag, record.arrival, encodeAs(treeSchema, record))
  }

  /** Parents before their children. */
  async *incarnations(): AsyncIterable<TreeRecord> {
    for await (const { value } of this.#tree.list(this.#tag)) {
      yield decodeAs(treeSchema, value, { bytesMax: RECORD_BYTES_MAX })
    }
  }

  /**
   * What keeps one span, or as much of it as is here.
   *
   * @param parts - What of it is here, in order; their runs are those that it brought. The last run
   * of all has the span with it.
   */
  putSpan(
    span: { readonly start: number; readonly bytes: Uint8Array; readonly kind: LoggedKind },
    parts: readonly SpanPart[],
  ): readonly LogOp[] {
    const { start, bytes, kind } = span
    const held = parts.at(-1)
    const holder = held?.runs.at(-1)
    if (held === undefined || holder === undefined) return []
    const { arrival } = holder
    const prefix = new Uint8Array(PREFIX_BYTES)
    const view = new DataView(prefix.buffer)
    view.setUint8(0, WITH_SPAN)
    view.setUint32(1, holder.from - start)
    view.setUint32(5, held.end - start + 1)
    const size = bytes.length
    const ops = parts.flatMap((part) => {
      const { incarnation, end, chainEnd, runs } = part
      const first = part.first ?? firstOf(runs)
      const from = part === held ? holder.from : 0
      const record = encodeAs(spanSchema, { arrival, first, start, from, chainEnd, size, kind })
      return [
        ...runs.filter((run) => run !== holder).map((run) => this.#putRun(incarnation, run)),
        this.#spans.put(this.#line(incarnation), end, record),
      ]
    })
    return [...ops, this.#arrival.put(this.#tag, arrival, concatBytes([prefix, bytes]))]
  }

  #putRun(incarnation: IncarnationId, { arrival, from, end }: Run): LogOp {
    const named = encodeAs(runSchema, { incarnation, from, end })
    return this.#arrival.put(this.#tag, arrival, concatBytes([Uint8Array.of(NAMED), named]))
  }

  /**
   * Puts one span in the place of those that it has all entries of, the last entry's among them. What
   * each entry's number is stays.
   *
   * @param covered - All records of these spans, as they follow each other.
   */
  replaceSpans(
    span: { readonly start: number; readonly bytes: Uint8Array },
    covered: readonly PlacedRecord[],
  ): readonly LogOp[] {
    const ops: LogOp[] = []
    const parts: SpanPart[] = []
    for (const records of byIncarnation(covered)) {
      const [{ incarnation }] = records
      const { end, chainEnd } = records.at(-1) ?? records[0]
      const runs: Run[] = []
      // Runs that the span was not kept with stand for themselves already.
      const holders = records.filter(({ from }) => from > 0)
      for (const record of holders) addRun(runs, record)
      const kept = new Set(runs.map(({ arrival }) => arrival))
      for (const { arrival } of holders) {
        if (!kept.has(arrival)) ops.push(this.#arrival.del(this.#tag, arrival))
      }
      for (const record of records) {
        if (record.end !== end) ops.push(this.#spans.del(this.#line(incarnation), record.end))
      }
      const first = Math.min(...records.map((record) => record.first))
      parts.push({ incarnation, end, chainEnd, runs, first })
    }
    return [...ops, ...this.putSpan({ ...span, kind: SPAN_ENTRIES }, parts)]
  }

  /** The spans of one incarnation that end at `from` or later, at most `limit` of them. */
  async spansFrom(
    incarnation: IncarnationId,
    from: number,
    limit: number,
  ): Promise<readonly PlacedRecord[]> {
    const found: PlacedRecord[] = []
    for await (const { order, value } of this.#spans.list(this.#line(incarnation), {
      from,
      limit,
    })) {
      found.push({ ...readSpanRecord(value), incarnation, end: order })
    }
    return found
  }

  /** The record of a span that has these entries, all of them here. */
  async recordOf(
    incarnation: IncarnationId,
    from: number,
    end: number = from,
  ): Promise<PlacedRecord | undefined> {
    for await (const { order, value } of this.#spans.list(this.#line(incarnation), { from: end })) {
      const record = readSpanRecord(value)
      if (record.start <= from) return { ...record, incarnation, end: order }
    }
    return undefined
  }

  /** The spans that start no earlier than `start`, and end in this incarnation no later than `end`. */
  async spansWithin(
    incarnation: IncarnationId,
    start: number,
    end: number,
    limit?: number,
  ): Promise<readonly PlacedRecord[]> {
    const found: PlacedRecord[] = []
    const range = { from: start, to: end + 1, limit }
    for await (const { order, value } of this.#spans.list(this.#line(incarnation), range)) {
      const record = readSpanRecord(value)
      if (record.start >= start) found.push({ ...record, incarnation, end: order })
    }
    return found
  }

  /** The last spans of an incarnation that end before `to`, at most `limit`, the newest first. */
  async lastSpans(
    incarnation: IncarnationId,
    limit: number,
    to?: number,
  ): Promise<readonly PlacedRecord[]> {
    const found: PlacedRecord[] = []
    const range = { reverse: true, limit, to }
    for await (const { order, value } of this.#spans.list(this.#line(incarnation), range)) {
      found.push({ ...readSpanRecord(value), incarnation, end: order })
    }
    return found
  }

  /**
   * The spans kept at these arrivals, in that order; `undefined` where there is none: a merge has
   * taken it in since its record was read.
   */
  async spansAt(arrivals: readonly number[]): Promise<readonly (StoredSpan | undefined)[]> {
    const places = arrivals.map((order) => ({ group: this.#tag, order }))
    const values = await this.#arrival.getMany(places)
    return values.map((value, i) => {
      const stored = value && readStored(arrivals[i] ?? 0, value)
      return stored && "bytes" in stored ? stored : undefined
    })
  }

  /** Runs whose last entry arrived at `from` or later, before `to`, in the order of arrival. */
  async *runsByArrival(from: number, to?: number): AsyncIterable<StoredSpan | NamedRun> {
    for await (const { order, value } of this.#arrival.list(this.#tag, { from, to })) {
      yield readStored(order, value)
    }
  }

  async lastArrival(): Promise<number> {
    for await (const { order } of this.#arrival.list(this.#tag, { reverse: true, limit: 1 })) {
      return order
    }
    return 0
  }

  putWaiting(order: number, span: Uint8Array): LogOp {
    return this.#waiting.put(this.#tag, order, span)
  }

  dropWaiting(order: number): LogOp {
    return this.#waiting.del(this.#tag, order)
  }

  waiting(): AsyncIterable<{ readonly order: number; readonly value: Uint8Array }> {
    return this.#waiting.list(this.#tag)
  }

  putFork(order: number, span: Uint8Array): LogOp {
    return this.#forks.put(this.#tag, order, span)
  }

  forks(): AsyncIterable<{ readonly order: number; readonly value: Uint8Array }> {
    return this.#forks.list(this.#tag)
  }

  putWriter(record: WriterRecord): LogOp {
    return this.#writer.put(this.#tag, 0, encodeAs(writerSchema, record))
  }

  async writer(): Promise<WriterRecord | undefined> {
    const value = await this.#writer.get(this.#tag, 0)
    return value && decodeAs(writerSchema, value, { bytesMax: RECORD_BYTES_MAX })
  }

  putMerge(order: number, place: SpanPlace): LogOp {
    return this.#merges.put(this.#tag, order, encodeAs(placeSchema, place))
  }

  dropMerge(order: number): LogOp {
    return this.#merges.del(this.#tag, order)
  }

  /** Spans that were merged here, from the `from`th merge on. */
  async *merges(from = 1): AsyncIterable<SpanPlace & { readonly order: number }> {
    for await (const { order, value } of this.#merges.list(this.#tag, { from })) {
      yield { ...decodeAs(placeSchema, value, { bytesMax: RECORD_BYTES_MAX }), order }
    }
  }

  async lastMerge(): Promise<number> {
    for await (const { order } of this.#merges.list(this.#tag, { reverse: true, limit: 1 })) {
      return order
    }
    return 0
  }

  #line(incarnation: IncarnationId): Uint8Array {
    return concatBytes([this.#tag, incarnation])
  }
}

/** Number of the first entry of all of these. */
export function firstOf(runs: readonly Run[]): number {
  return runs.reduce(
    (first, { arrival, from, end }) => Math.min(first, arrival - (end - from)),
    Number.POSITIVE_INFINITY,
  )
}

/** Adds a run, or makes the last one longer if it follows that in both orders. */
export function addRun(runs: Run[], { arrival, from, end }: Run): void {
  const before = runs.at(-1)
  if (before?.end === from - 1 && before.arrival === arrival - (end - from + 1)) {
    runs[runs.length - 1] = { arrival, from: before.from, end }
  } else runs.push({ arrival, from, end })
}

type AtLeastOne<T> = readonly [T, ...T[]]

/** Records of one incarnation that follow each other, together. */
function byIncarnation(records: readonly PlacedRecord[]): readonly AtLeastOne<PlacedRecord>[] {
  const groups: [PlacedRecord, ...PlacedRecord[]][] = []
  for (const record of records) {
    const group = groups.at(-1)
    if (group && equalBytes(group[0].incarnation, record.incarnation)) group.push(record)
    else groups.push([record])
  }
  return groups
}
