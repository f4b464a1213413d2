/**
 * How one space's log lies in a vault.
 *
 * | table          | group             | order              | value                                |
 * | -------------- | ----------------- | ------------------ | ------------------------------------ |
 * | `log.tree`     | tag               | arrival at start   | `[incarnation, writer, parent, arrival]` |
 * | `log.spans`    | tag ‖ incarnation | sequence at end    | `[arrival at end, start, chain at end, bytes]` |
 * | `log.arrival`  | tag               | arrival at end     | u32 entries skipped ‖ the span       |
 * | `log.waiting`  | tag               | 1, 2, …            | the span                             |
 * | `log.forks`    | tag               | 1, 2, …            | the span that contradicts ours       |
 * | `log.writer`   | tag               | 0                  | `[incarnation, seed]`                |
 *
 * Entries are numbered in the order in which they arrived, from 1; a span's record stands under
 * its last entry's number. Entries are skipped that were here already when the span came. An
 * incarnation's head is its last record in `log.spans`, so an append rewrites nothing.
 *
 * @module
 */
import { concatBytes } from "@fulcrum/codec/bytes"
import {
  branded,
  bytes,
  decodeAs,
  encodeAs,
  optional,
  type Schema,
  struct,
  uint,
} from "@fulcrum/codec/schema"
import type { PublicKey } from "@fulcrum/crypto/ed25519"
import {
  type ChainHash,
  chainHashSchema,
  type IncarnationId,
  incarnationIdSchema,
  type SpaceTag,
} from "./ids.ts"
import type { LogOp, LogTable, LogVault } from "./log-vault.ts"
import { type VectorRow, vectorRowSchema } from "./vector.ts"

export interface TreeRecord {
  readonly incarnation: IncarnationId
  readonly writer: PublicKey
  readonly parent?: VectorRow | undefined
  readonly arrival: number
}

export interface SpanRecord {
  readonly arrival: number
  readonly start: number
  readonly chainEnd: ChainHash
  readonly size: number
}

/** A span as it is kept: the first `skipped` of its entries were here before it came. */
export interface StoredSpan {
  readonly arrival: number
  readonly skipped: number
  readonly bytes: Uint8Array
}

export interface WriterRecord {
  readonly incarnation: IncarnationId
  readonly seed: Uint8Array
}

const treeSchema: Schema<TreeRecord> = struct({
  incarnation: incarnationIdSchema,
  writer: branded<PublicKey>(bytes(32)),
  parent: optional(vectorRowSchema),
  arrival: uint(),
})

const spanSchema: Schema<SpanRecord> = struct({
  arrival: uint(),
  start: uint(),
  chainEnd: chainHashSchema,
  size: uint(),
})

const writerSchema: Schema<WriterRecord> = struct({
  incarnation: incarnationIdSchema,
  seed: bytes(32),
})

const RECORD_BYTES_MAX = 512
const PREFIX_BYTES = 4

export class LogTables {
  readonly #tag: SpaceTag
  readonly #tree: LogTable
  readonly #spans: LogTable
  readonly #arrival: LogTable
  readonly #waiting: LogTable
  readonly #forks: LogTable
  readonly #writer: LogTable

  constructor(vault: LogVault, tag: SpaceTag) {
    this.#tag = tag
    this.#tree = vault.table("log.tree")
    this.#spans = vault.table("log.spans")
    this.#arrival = vault.table("log.arrival")
    this.#waiting = vault.table("log.waiting")
    this.#forks = vault.table("log.forks")
    this.#writer = vault.table("log.writer")
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

  /** What keeps one span: its bytes in the order of arrival, its place in its log. */
  putSpan(
    span: StoredSpan & { readonly incarnation: IncarnationId; readonly end: number } & Omit<
        SpanRecord,
        "size"
      >,
  ): readonly LogOp[] {
    const { arrival, start, chainEnd, skipped } = span
    const prefix = new Uint8Array(PREFIX_BYTES)
    new DataView(prefix.buffer).setUint32(0, skipped)
    const record = encodeAs(spanSchema, { arrival, start, chainEnd, size: span.bytes.length })
    return [
      this.#arrival.put(this.#tag, arrival, concatBytes([prefix, span.bytes])),
      this.#spans.put(this.#line(span.incarnation), span.end, record),
    ]
  }

  /** The spans of one incarnation that end at `from` or later, at most `limit` of them. */
  async spansFrom(
    incarnation: IncarnationId,
    from: number,
    limit: number,
  ): Promise<readonly (SpanRecord & { readonly end: number })[]> {
    const found: (SpanRecord & { readonly end: number })[] = []
    for await (const { order, value } of this.#spans.list(this.#line(incarnation), {
      from,
      limit,
    })) {
      found.push({ ...readSpanRecord(value), end: order })
    }
    return found
  }

  /** The last span of an incarnation. */
  async lastSpan(
    incarnation: IncarnationId,
  ): Promise<(SpanRecord & { readonly end: number }) | undefined> {
    const range = { reverse: true, limit: 1 }
    for await (const { order, value } of this.#spans.list(this.#line(incarnation), range)) {
      return { ...readSpanRecord(value), end: order }
    }
    return undefined
  }

  /** The spans whose last entries have these arrivals, in that order. */
  async spansAt(arrivals: readonly number[]): Promise<readonly StoredSpan[]> {
    const places = arrivals.map((order) => ({ group: this.#tag, order }))
    const values = await this.#arrival.getMany(places)
    return values.flatMap((value, i) => (value ? [readStored(arrivals[i] ?? 0, value)] : []))
  }

  /** Spans whose last entry arrived at `from` or later, in the order of arrival. */
  async *spansByArrival(from: number, to?: number): AsyncIterable<StoredSpan> {
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

  #line(incarnation: IncarnationId): Uint8Array {
    return concatBytes([this.#tag, incarnation])
  }
}

function readSpanRecord(value: Uint8Array): SpanRecord {
  return decodeAs(spanSchema, value, { bytesMax: RECORD_BYTES_MAX })
}

function readStored(arrival: number, value: Uint8Array): StoredSpan {
  const skipped = new DataView(value.buffer, value.byteOffset).getUint32(0)
  return { arrival, skipped, bytes: value.subarray(PREFIX_BYTES) }
}
