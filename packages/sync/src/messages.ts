/**
 * What two of a person's devices say to each other once each has proved who it is.
 *
 * A message is the canonical CBOR array of its items, each `[tag, [fields…]]`:
 *
 * | tag | item   | fields                                                                     |
 * | --: | ------ | -------------------------------------------------------------------------- |
 * |   0 | hello  | version, least version understood; the first item of each side, and only that |
 * |   1 | have   | space, digest of the sender's vector, the vector with trails or null        |
 * |   2 | spans  | space, spans, the rows that changed by them                                 |
 * |   3 | stored | space, the rows of the sender's vector that changed: durable there          |
 * |   4 | credit | bytes of spans that the peer may send besides                               |
 * |   5 | bye    | code: why the sender ends the session                                       |
 * |   6 | seek   | space, incarnation, start, end: entries of which merged spans are welcome   |
 * |   7 | heads  | relays' receipts for the newest that each showed the sender               |
 *
 * A space goes by `HMAC(its chain key, its tag)`, 16 bytes: its tag is not said, and who is not
 * in the space learns nothing from it. Each side may send `WINDOW_BYTES` of spans before it gets
 * credit, or a single span that is larger while nothing else is under way.
 *
 * @module
 */
import {
  array,
  bytes,
  bytesMax,
  decodeAs,
  encodeAs,
  int,
  optional,
  type Schema,
  struct,
  text,
  uint,
  variant,
} from "@fulcrum/codec/schema"
import { contexts } from "@fulcrum/crypto/contexts"
import { hmac } from "@fulcrum/crypto/hash"
import {
  type ChainKey,
  type IncarnationId,
  incarnationIdSchema,
  type SpaceTag,
} from "@fulcrum/log/ids"
import { SPAN_BYTES_MAX } from "@fulcrum/log/span"
import { trailedVectorSchema, type VersionVector, vectorSchema } from "@fulcrum/log/vector"

export const SYNC_VERSION = 1

/** The oldest version that this program still understands. */
export const SYNC_LEAST_VERSION = 1

/** Largest message, in bytes: the largest span, and what goes around it. */
export const MESSAGE_BYTES_MAX: number = SPAN_BYTES_MAX + 64 * 1024

/** Most items in one message. */
export const MESSAGE_ITEMS_MAX = 1024

/** Most spans in one item: a window of the smallest ones, with room. */
export const MESSAGE_SPANS_MAX = 4096

/** Bytes of spans that may be under way each way. */
export const WINDOW_BYTES: number = 1024 * 1024

/** Most receipts of relays in one item, and the bytes of one. */
export const HEADS_MAX = 16
export const HEAD_BYTES_MAX = 512

const SPACE_REF_BYTES = 16
const CODE_BYTES_MAX = 64

export interface Have {
  readonly space: Uint8Array
  readonly digest: Uint8Array
  readonly rows?: VersionVector | undefined
}

export interface Spans {
  readonly space: Uint8Array
  readonly spans: readonly Uint8Array[]
  readonly rows: VersionVector
}

export interface Stored {
  readonly space: Uint8Array
  readonly rows: VersionVector
}

/** Entries that the sender has in many small spans. */
export interface Seek extends SoughtPlace {
  readonly space: Uint8Array
}

export interface SoughtPlace {
  readonly incarnation: IncarnationId
  readonly start: number
  readonly end: number
}

export type SyncItem =
  | { readonly kind: "hello"; readonly value: { readonly version: number; readonly least: number } }
  | { readonly kind: "have"; readonly value: Have }
  | { readonly kind: "spans"; readonly value: Spans }
  | { readonly kind: "stored"; readonly value: Stored }
  | { readonly kind: "credit"; readonly value: { readonly bytes: number } }
  | { readonly kind: "bye"; readonly value: { readonly code: string } }
  | { readonly kind: "seek"; readonly value: Seek }
  | { readonly kind: "heads"; readonly value: { readonly receipts: readonly Uint8Array[] } }

const spaceRef = bytes(SPACE_REF_BYTES)

const itemSchema: Schema<SyncItem> = variant({
  hello: [0, struct({ version: uint(), least: uint() })],
  have: [1, struct({ space: spaceRef, digest: bytes(32), rows: optional(trailedVectorSchema) })],
  spans: [
    2,
    struct({
      space: spaceRef,
      spans: array(bytesMax(SPAN_BYTES_MAX), MESSAGE_SPANS_MAX),
      rows: vectorSchema,
    }),
  ],
  stored: [3, struct({ space: spaceRef, rows: vectorSchema })],
  credit: [4, struct({ bytes: int(1, MESSAGE_BYTES_MAX) })],
  bye: [5, struct({ code: text(CODE_BYTES_MAX) })],
  seek: [
    6,
    struct({
      space: spaceRef,
      incarnation: incarnationIdSchema,
      start: int(1, Number.MAX_SAFE_INTEGER),
      end: int(1, Number.MAX_SAFE_INTEGER),
    }),
  ],
  heads: [7, struct({ receipts: array(bytesMax(HEAD_BYTES_MAX), HEADS_MAX) })],
})

const messageSchema: Schema<readonly SyncItem[]> = array(itemSchema, MESSAGE_ITEMS_MAX)

/** What two devices call a space between them. */
export function spaceReference(chainKey: ChainKey, tag: SpaceTag): Uint8Array {
  return hmac(contexts.syncSpace, chainKey, tag).slice(0, SPACE_REF_BYTES)
}

export function encodeMessage(items: readonly SyncItem[]): Uint8Array {
  return encodeAs(messageSchema, items)
}

/** @throws {CodecError} */
export function decodeMessage(message: Uint8Array): readonly SyncItem[] {
  return decodeAs(messageSchema, message, { bytesMax: MESSAGE_BYTES_MAX })
}
