/**
 * Spans: runs of consecutive entries of one log, sealed and signed. The unit that is stored,
 * sent and relayed.
 *
 * A span is the canonical CBOR array `[header, clear, commitment, ciphertext, signature]`, all
 * byte strings. `header` holds a canonical CBOR array of its own:
 *
 * | field        | type         | notes                                                        |
 * | ------------ | ------------ | ------------------------------------------------------------ |
 * | version      | 1            |                                                              |
 * | suite        | 1            |                                                              |
 * | kind         | 0, 1, 2      | entries, key, snapshot                                       |
 * | space        | 32 bytes     | the space tag: the audience                                  |
 * | writer       | 32 bytes     | Ed25519 key that signs                                       |
 * | incarnation  | 16 bytes     |                                                              |
 * | start, end   | integers     | sequences of the first and last entry                        |
 * | chainBefore  | 32 bytes     | keyed chain hash before `start`                              |
 * | chainEnd     | 32 bytes     | and at `end`                                                 |
 * | tier         | integer      | by number of entries: 0 under 8, 1 under 64, 2 under 512 …   |
 * | epoch        | 32 bytes     | whose key seals it                                           |
 * | paddedLength | integer      | of the plaintext; the ciphertext has 16 bytes more           |
 * | salt         | 32 bytes     | random                                                       |
 *
 * - Once a writer has enough spans of one tier it seals their entries again as one (`tiers.ts`);
 *   entries and chain stay, so the boundary hashes are those of the first and the last. Such a span
 *   may reach over several of its writer's incarnations, each of which continues the one before:
 *   `incarnation` is then the newest, and each begin entry inside says which one came before it.
 * - `clear` is empty but in a key span, where it holds the wraps of the new key.
 * - The plaintext is packed and padded (`packing.ts`); its content is the CBOR array of the
 *   entries, each a byte string, so that what was chained is what is read; a merged span may have
 *   them in columns (`entry-columns.ts`).
 * - It is sealed by suite 1 (`crypto/content`); the authenticated header is `header` followed by
 *   the hash of `clear`.
 * - `signature` is the writer's over the hash of the four other parts.
 * - A *key span* holds one key entry, after the entry that begins its incarnation if it is the
 *   first of that. It is sealed under the new key; the new epoch's id is the hash of the whole
 *   span; its `epoch` field is the hash of the sorted epochs that it follows, zeros for none.
 * - A *snapshot* (`snapshot.ts`) stands at its writer's newest entry: `start` and `end` are that
 *   sequence, both chain hashes that entry's, tier 0.
 *
 * A span of another version or suite is kept by whoever gets it, opaque, for a newer program.
 *
 * @module
 */
import { compareBytes, concatBytes } from "@fulcrum/codec/bytes"
import { decodeCbor, encodeCbor } from "@fulcrum/codec/cbor"
import {
  branded,
  bytes,
  encodeAs,
  int,
  literal,
  oneOf,
  type Schema,
  struct,
  uint,
} from "@fulcrum/codec/schema"
import { CONTENT_TAG_BYTES, openContent, sealContent } from "@fulcrum/crypto/content"
import { type Context, contexts } from "@fulcrum/crypto/contexts"
import { type PublicKey, type SigningKey, sign, verify } from "@fulcrum/crypto/ed25519"
import { hash } from "@fulcrum/crypto/hash"
import type { Random } from "@fulcrum/crypto/random"
import type { Deflate } from "./deflate.ts"
import {
  type ChainHash,
  chainHashSchema,
  type EpochId,
  type EpochKey,
  epochIdSchema,
  type IncarnationId,
  incarnationIdSchema,
  NO_EPOCH,
  type SpaceTag,
  spaceTagSchema,
} from "./ids.ts"
import { LogError, readAs } from "./log-error.ts"
import { packContent, unpackContent } from "./packing.ts"
import type { Verified } from "./verified.ts"

/** Largest span, in bytes: what one message of the transport carries. */
export const SPAN_BYTES_MAX: number = 4 * 1024 * 1024

/** Most entries in one span. */
export const SPAN_ENTRIES_MAX = 8192

/** Largest clear part, in bytes: several hundred wraps. */
export const SPAN_CLEAR_BYTES_MAX: number = 1024 * 1024

const HEADER_BYTES_MAX = 512
const TIER_MAX = 20
const VERSION = 1 as const
/** What this program seals spans by. */
export const SUITE = 1 as const

export const SPAN_ENTRIES = 0 as const
export const SPAN_KEY = 1 as const
export const SPAN_SNAPSHOT = 2 as const
export type SpanKind = typeof SPAN_ENTRIES | typeof SPAN_KEY | typeof SPAN_SNAPSHOT

export interface SpanHeader {
  readonly version: typeof VERSION
  readonly suite: typeof SUITE
  readonly kind: SpanKind
  readonly space: SpaceTag
  readonly writer: PublicKey
  readonly incarnation: IncarnationId
  readonly start: number
  readonly end: number
  readonly chainBefore: ChainHash
  readonly chainEnd: ChainHash
  readonly tier: number
  readonly epoch: EpochId
  readonly paddedLength: number
  readonly salt: Uint8Array
}

/** A span taken apart; what is in it is not checked yet. */
export interface Span {
  readonly header: SpanHeader
  readonly headerBytes: Uint8Array
  readonly clear: Uint8Array
  readonly commitment: Uint8Array
  readonly ciphertext: Uint8Array
  readonly signature: Uint8Array
  /** All of it. */
  readonly bytes: Uint8Array
}

export interface SpanToSeal {
  readonly kind: SpanKind
  readonly space: SpaceTag
  readonly signer: SigningKey
  readonly incarnation: IncarnationId
  readonly start: number
  readonly end: number
  readonly chainBefore: ChainHash
  readonly chainEnd: ChainHash
  /** What the header names: the epoch, or for a key span what it follows. */
  readonly epoch: EpochId
  readonly epochKey: EpochKey
  readonly clear?: Uint8Array
  readonly content: Uint8Array
  readonly random: Random
  readonly deflate: Deflate
}

const headerSchema: Schema<SpanHeader> = struct({
  version: literal(VERSION),
  suite: literal(SUITE),
  kind: oneOf([SPAN_ENTRIES, SPAN_KEY, SPAN_SNAPSHOT]),
  space: spaceTagSchema,
  writer: branded<PublicKey>(bytes(32)),
  incarnation: incarnationIdSchema,
  start: int(1, Number.MAX_SAFE_INTEGER),
  end: int(1, Number.MAX_SAFE_INTEGER),
  chainBefore: chainHashSchema,
  chainEnd: chainHashSchema,
  tier: uint(TIER_MAX),
  epoch: epochIdSchema,
  paddedLength: uint(SPAN_BYTES_MAX),
  salt: bytes(32),
})

const EMPTY = new Uint8Array(0)
const EMPTY_CLEAR_HASH = hash(contexts.spanClear, EMPTY)

/** The tier of a span with this many entries. */
export function tierOf(count: number): number {
  let tier = 0
  for (let limit = 8; count >= limit && tier < TIER_MAX; limit *= 8) tier++
  return tier
}

/** Seals and signs one span. */
export function sealSpan(input: SpanToSeal): Uint8Array {
  const { signer, clear = EMPTY } = input
  const isRandom = input.kind === SPAN_KEY
  const plaintext = packContent(input.content, input.deflate, { isRandom })
  const salt = input.random.bytes(32)
  const headerBytes = encodeAs(headerSchema, {
    version: VERSION,
    suite: SUITE,
    kind: input.kind,
    space: input.space,
    writer: signer.publicKey,
    incarnation: input.incarnation,
    start: input.start,
    end: input.end,
    chainBefore: input.chainBefore,
    chainEnd: input.chainEnd,
    tier: tierOf(input.end - input.start + 1),
    epoch: input.epoch,
    paddedLength: plaintext.length,
    salt,
  })
  const { commitment, ciphertext } = sealContent({
    context: contentContext(input.kind),
    key: input.epochKey,
    salt,
    header: sealedHeader(headerBytes, clear),
    plaintext,
  })
  const body = hash(contexts.spanBody, headerBytes, clear, commitment, ciphertext)
  const signature = sign(contexts.spanSignature, signer, body)
  const span = encodeCbor([headerBytes, clear, commitment, ciphertext, signature])
  if (span.length > SPAN_BYTES_MAX) throw new RangeError("too much for one span")
  return span
}

/**
 * Takes a span apart and checks its structure, not its signature.
 *
 * @throws {LogError} `LOG_MALFORMED`, `LOG_TOO_LARGE`, `LOG_VERSION` (keep such a span as it is).
 */
export function readSpan(encoded: Uint8Array): Span {
  if (encoded.length > SPAN_BYTES_MAX) throw new LogError("LOG_TOO_LARGE", "too large for a span")
  return readAs("LOG_MALFORMED", "not a span", () => {
    const parts = decodeCbor(encoded, { bytesMax: SPAN_BYTES_MAX, depthMax: 1 })
    if (!Array.isArray(parts) || parts.length !== 5) throw malformed()
    const [headerBytes, clear, commitment, ciphertext, signature] = parts
    if (
      !(headerBytes instanceof Uint8Array) ||
      !(clear instanceof Uint8Array) ||
      !(commitment instanceof Uint8Array) ||
      !(ciphertext instanceof Uint8Array) ||
      !(signature instanceof Uint8Array)
    ) {
      throw malformed()
    }
    const header = readHeader(headerBytes)
    const span = { header, headerBytes, clear, commitment, ciphertext, signature, bytes: encoded }
    checkShape(span)
    return span
  })
}

/** The clear header of a span. @throws {LogError} as `readSpan`. */
export function readSpanHeader(encoded: Uint8Array): SpanHeader {
  return readSpan(encoded).header
}

/**
 * Checks a span's structure and signature: all that somebody without its key can check.
 *
 * @throws {LogError} as `readSpan`, and `LOG_SIGNATURE`.
 */
export function verifySpan(encoded: Uint8Array): Verified<Span> {
  const span = readSpan(encoded)
  if (!isSigned(span)) throw new LogError("LOG_SIGNATURE", "a span's signature does not verify")
  return span
}

/** Whether the writer that a span names signed it. */
export function isSigned(span: Span): span is Verified<Span> {
  const { header, headerBytes, clear, commitment, ciphertext, signature } = span
  const body = hash(contexts.spanBody, headerBytes, clear, commitment, ciphertext)
  return verify(contexts.spanSignature, header.writer, body, signature)
}

/** The content of a span of any kind. @throws {LogError} `LOG_SEAL`, `LOG_MALFORMED`. */
export function openSpanContent(
  span: Verified<Span>,
  secrets: { readonly epochKey: EpochKey; readonly deflate: Deflate },
): Uint8Array {
  const { header, headerBytes, clear, commitment, ciphertext } = span
  const plaintext = readAs("LOG_SEAL", "a span that does not open", () =>
    openContent({
      context: contentContext(header.kind),
      key: secrets.epochKey,
      salt: header.salt,
      header: sealedHeader(headerBytes, clear),
      commitment,
      ciphertext,
    }),
  )
  return unpackContent(plaintext, secrets.deflate)
}

/** What receipts and relays call a span: a hash of all its bytes. */
export function spanHash(encoded: Uint8Array): Uint8Array {
  return hash(contexts.spanHash, encoded)
}

/** The epoch that a key span announces. */
export function epochIdOf(keySpan: Uint8Array): EpochId {
  return epochIdSchema.decode(hash(contexts.epochId, keySpan))
}

/** What a key span names as its epoch: the epochs that it follows. */
export function followsDigest(follows: readonly EpochId[]): EpochId {
  if (follows.length === 0) return NO_EPOCH
  const sorted = follows.toSorted(compareBytes)
  return epochIdSchema.decode(hash(contexts.epochFollows, ...sorted))
}

function readHeader(headerBytes: Uint8Array): SpanHeader {
  const fields = decodeCbor(headerBytes, { bytesMax: HEADER_BYTES_MAX, depthMax: 1 })
  if (!Array.isArray(fields)) throw malformed()
  const [version, suite] = fields
  const isNewer = (value: unknown) => typeof value === "number" && value > 1
  if (isNewer(version) || (version === VERSION && isNewer(suite))) {
    throw new LogError("LOG_VERSION", "a span of a newer version or suite")
  }
  return headerSchema.decode(fields)
}

function checkShape({ header, clear, commitment, ciphertext, signature }: Span): void {
  const count = header.end - header.start + 1
  const isKey = header.kind === SPAN_KEY
  const fits =
    count >= 1 &&
    count <= (isKey ? 2 : header.kind === SPAN_SNAPSHOT ? 1 : SPAN_ENTRIES_MAX) &&
    header.tier === tierOf(count) &&
    clear.length <= (isKey ? SPAN_CLEAR_BYTES_MAX : 0) &&
    commitment.length === 32 &&
    ciphertext.length === header.paddedLength + CONTENT_TAG_BYTES &&
    signature.length === 64
  if (!fits) throw malformed()
}

function contentContext(kind: SpanKind): Context {
  return kind === SPAN_SNAPSHOT ? contexts.snapshotContent : contexts.spanContent
}

function sealedHeader(headerBytes: Uint8Array, clear: Uint8Array): Uint8Array {
  const clearHash = clear.length === 0 ? EMPTY_CLEAR_HASH : hash(contexts.spanClear, clear)
  return concatBytes([headerBytes, clearHash])
}

export function malformed(): LogError {
  return new LogError("LOG_MALFORMED", "not a span")
}
