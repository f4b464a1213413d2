/**
 * The records of one space's log, as they lie in its tables (`log-tables.ts`).
 *
 * @module
 */
import {
  branded,
  bytes,
  decodeAs,
  oneOf,
  optional,
  type Schema,
  struct,
  uint,
} from "@fulcrum/codec/schema"
import type { PublicKey } from "@fulcrum/crypto/ed25519"
import { type ChainHash, chainHashSchema, type IncarnationId, incarnationIdSchema } from "./ids.ts"
import { SPAN_ENTRIES, SPAN_KEY } from "./span.ts"
import { type VectorRow, vectorRowSchema } from "./vector.ts"

/** What is in a log: snapshots stand beside it. */
export type LoggedKind = typeof SPAN_ENTRIES | typeof SPAN_KEY

export interface TreeRecord {
  readonly incarnation: IncarnationId
  readonly writer: PublicKey
  readonly parent?: VectorRow | undefined
  readonly arrival: number
}

export interface SpanRecord {
  /** Number of the span's last entry that is here: the span is kept under it. */
  readonly arrival: number
  /** Number of the earliest entry of this incarnation that it is kept for: it goes to peers by this. */
  readonly first: number
  /** Where the span starts, in this incarnation or one before it. */
  readonly start: number
  /** Sequence at which the run begins that the span is kept with; 0: a later incarnation's. */
  readonly from: number
  readonly chainEnd: ChainHash
  readonly size: number
  readonly kind: LoggedKind
}

/** A record with the key it stands under: the sequence of the incarnation's last entry that is here. */
export interface PlacedRecord extends SpanRecord {
  readonly incarnation: IncarnationId
  readonly end: number
}

/** What is here of one incarnation's entries in a span. */
export interface SpanPart {
  readonly incarnation: IncarnationId
  /** Sequence of the last, and the chain hash there. */
  readonly end: number
  readonly chainEnd: ChainHash
  readonly runs: readonly Run[]
  /** Number of the earliest; absent: of the runs. */
  readonly first?: number
}

/** A span as it is kept: its entries from `skipped` on, before `kept`, are one run. */
export interface StoredSpan {
  readonly arrival: number
  readonly skipped: number
  readonly kept: number
  readonly bytes: Uint8Array
}

/** Entries of one log that arrived one after the other, the last of them at `arrival`. */
export interface Run {
  readonly arrival: number
  readonly from: number
  readonly end: number
}

/** A run of which another place has the span. */
export interface NamedRun extends Run {
  readonly incarnation: IncarnationId
}

/** The place of a span in its log. */
export interface SpanPlace {
  readonly incarnation: IncarnationId
  readonly start: number
  readonly end: number
}

export interface WriterRecord {
  readonly incarnation: IncarnationId
  readonly seed: Uint8Array
}

export const treeSchema: Schema<TreeRecord> = struct({
  incarnation: incarnationIdSchema,
  writer: branded<PublicKey>(bytes(32)),
  parent: optional(vectorRowSchema),
  arrival: uint(),
})

export const spanSchema: Schema<SpanRecord> = struct({
  arrival: uint(),
  first: uint(),
  start: uint(),
  from: uint(),
  chainEnd: chainHashSchema,
  size: uint(),
  kind: oneOf([SPAN_ENTRIES, SPAN_KEY]),
})

export const runSchema: Schema<{
  readonly incarnation: IncarnationId
  readonly from: number
  readonly end: number
}> = struct({ incarnation: incarnationIdSchema, from: uint(), end: uint() })

export const placeSchema: Schema<SpanPlace> = struct({
  incarnation: incarnationIdSchema,
  start: uint(),
  end: uint(),
})

export const writerSchema: Schema<WriterRecord> = struct({
  incarnation: incarnationIdSchema,
  seed: bytes(32),
})

export const RECORD_BYTES_MAX = 512
export const PREFIX_BYTES = 9
export const WITH_SPAN = 0
export const NAMED = 1

export function readSpanRecord(value: Uint8Array): SpanRecord {
  return decodeAs(spanSchema, value, { bytesMax: RECORD_BYTES_MAX })
}

export function readStored(arrival: number, value: Uint8Array): StoredSpan | NamedRun {
  if (value[0] === NAMED) {
    const run = decodeAs(runSchema, value.subarray(1), { bytesMax: RECORD_BYTES_MAX })
    return { arrival, ...run }
  }
  const view = new DataView(value.buffer, value.byteOffset)
  const bytes = value.subarray(PREFIX_BYTES)
  return { arrival, skipped: view.getUint32(1), kept: view.getUint32(5), bytes }
}
