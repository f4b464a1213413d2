/**
 * Entries: the atomic steps of a log, and the chain that ties them.
 *
 * An entry is the canonical CBOR array
 *
 * | field   | type                                    | notes                                    |
 * | ------- | --------------------------------------- | ---------------------------------------- |
 * | version | 1                                       |                                          |
 * | kind    | 0 begin, 1 payload, 2 key               |                                          |
 * | on      | rows `[incarnation, sequence, chain]`   | sorted by incarnation; see below         |
 * | body    | bytes, at most `ENTRY_BODY_BYTES_MAX`   | the layers above say what a payload holds |
 *
 * `on` is what its writer had when it wrote: the rows of its version vector that changed since
 * the entry before it on the same line, the line's own row left out. The entry that begins an
 * incarnation names all rows, so that a reader who starts there needs nothing earlier.
 *
 * A begin entry's body is the CBOR array `[parent, actor, certificate]`: the incarnation,
 * sequence and chain hash at which it continues (or null, for the first of a line), 16 random
 * bytes for Automerge, and the writer's certificate (empty in the record space).
 *
 * `chain(n) = HMAC(chain key, chain(n-1), bytes of entry n)`. The first incarnation of a line
 * starts from `chain(0) = HMAC(chain key, space tag, incarnation)` and its first entry has
 * sequence 1; a child goes on counting and chaining from its parent.
 *
 * @module
 */
import { decodeCbor, encodeCbor } from "@fulcrum/codec/cbor"
import type { CborValue } from "@fulcrum/codec/cbor-form"
import { bytesMax, decodeAs, encodeAs, optional, type Schema, struct } from "@fulcrum/codec/schema"
import { contexts } from "@fulcrum/crypto/contexts"
import { hmac } from "@fulcrum/crypto/hash"
import {
  type ActorId,
  actorIdSchema,
  type ChainHash,
  type ChainKey,
  chainHashSchema,
  type IncarnationId,
  type SpaceTag,
} from "./ids.ts"
import { LogError, readAs } from "./log-error.ts"
import { decodeVectorValue, encodeVectorValue, type VectorRow, vectorRowSchema } from "./vector.ts"

/** Largest body, in bytes: far above any edit, far below what one message may carry. */
export const ENTRY_BODY_BYTES_MAX: number = 2 * 1024 * 1024

/** Largest certificate in a begin entry, in bytes. */
export const CERTIFICATE_BYTES_MAX = 1024

/** Largest entry, in bytes: its body, and an `on` of as many rows as a vector may have. */
export const ENTRY_BYTES_MAX: number = ENTRY_BODY_BYTES_MAX + 64 * 1024

export type EntryKind = "begin" | "payload" | "key"

export interface Entry {
  readonly kind: EntryKind
  readonly on: readonly VectorRow[]
  readonly body: Uint8Array
}

/** The body of an entry that begins an incarnation. */
export interface Begin {
  readonly parent?: VectorRow | undefined
  readonly actor: ActorId
  readonly certificate: Uint8Array
}

const VERSION = 1
const KINDS: readonly EntryKind[] = ["begin", "payload", "key"]

const beginSchema: Schema<Begin> = struct({
  parent: optional(vectorRowSchema),
  actor: actorIdSchema,
  certificate: bytesMax(CERTIFICATE_BYTES_MAX),
})

export function encodeEntry(entry: Entry): Uint8Array {
  if (entry.body.length > ENTRY_BODY_BYTES_MAX) throw new RangeError("an entry's body is too large")
  return encodeCbor([VERSION, KINDS.indexOf(entry.kind), encodeVectorValue(entry.on), entry.body])
}

/** @throws {LogError} `LOG_MALFORMED`, `LOG_VERSION`. */
export function decodeEntry(encoded: Uint8Array): Entry {
  return readAs("LOG_MALFORMED", "not an entry", () => {
    const value = decodeCbor(encoded, { bytesMax: ENTRY_BYTES_MAX, depthMax: 4 })
    if (!Array.isArray(value)) throw malformed()
    const fields: readonly CborValue[] = value
    const [version, kindNumber, on, body] = fields
    if (version !== VERSION) throw new LogError("LOG_VERSION", "an entry of another version")
    const kind = typeof kindNumber === "number" ? KINDS[kindNumber] : undefined
    if (fields.length !== 4 || kind === undefined || !(body instanceof Uint8Array))
      throw malformed()
    if (body.length > ENTRY_BODY_BYTES_MAX) throw malformed()
    return { kind, on: decodeVectorValue(on), body }
  })
}

export function encodeBegin(begin: Begin): Uint8Array {
  return encodeAs(beginSchema, begin)
}

/** @throws {LogError} `LOG_MALFORMED`. */
export function decodeBegin(body: Uint8Array): Begin {
  return readAs("LOG_MALFORMED", "not the body of a begin entry", () =>
    decodeAs(beginSchema, body, { bytesMax: CERTIFICATE_BYTES_MAX + 256 }),
  )
}

/** What a line's first entry is chained to. */
export function rootChain(
  chainKey: ChainKey,
  tag: SpaceTag,
  incarnation: IncarnationId,
): ChainHash {
  return chainHashSchema.decode(hmac(contexts.logRoot, chainKey, tag, incarnation))
}

/** The chain hash at the entry after `previous`. */
export function nextChain(chainKey: ChainKey, previous: ChainHash, entry: Uint8Array): ChainHash {
  return chainHashSchema.decode(hmac(contexts.logChain, chainKey, previous, entry))
}

function malformed(): LogError {
  return new LogError("LOG_MALFORMED", "not an entry")
}
