/**
 * The key span of a share space: how the vendor gets the space's key.
 *
 * The clear part is the canonical CBOR array `[tag(16), sealed]`, one wrap of the new epoch's key:
 * the tag is found by its addressee alone, `sealed` is HPKE to the vendor's X-Wing key with the
 * space tag as associated data. Own devices find the key in the record space. The entry's body says
 * what else is new:
 *
 * | body             | what                                                                  |
 * | ---------------- | --------------------------------------------------------------------- |
 * | `[1]`            | nothing but the key                                                   |
 * | `[2, statement]` | and the relationship's key has a successor (`successor.ts`)           |
 * | `[3, decision]`  | and the recovery key has decided which successor counts               |
 * | `[4, statement, place]` | a successor, with the mailbox that the share lies in from now on |
 * | `[5, places]`    | and how the vendor opens mailboxes that it knows from now on          |
 *
 * A place is `[mailbox key(32), append capability, read capability]`, both for the key that the connect
 * message gave the vendor, on the relay that it named.
 *
 * Source: DESIGN, "Keys" (a share space has two members, removing a device) and "Meeting".
 *
 * @module
 */
import { CodecError } from "@fulcrum/codec/codec-error"
import {
  array,
  branded,
  bytes,
  bytesMax,
  decodeAs,
  encodeAs,
  literal,
  type Schema,
  struct,
} from "@fulcrum/codec/schema"
import { contexts } from "@fulcrum/crypto/contexts"
import type { PublicKey } from "@fulcrum/crypto/ed25519"
import type { Random } from "@fulcrum/crypto/random"
import { SealError } from "@fulcrum/crypto/seal-error"
import { unwrapTagged, type WrapKey, wrapTagged } from "@fulcrum/crypto/wrap"
import { CAPABILITY_BYTES_MAX } from "@fulcrum/log/mailbox"
import { SUCCESSOR_BYTES_MAX } from "./successor.ts"

/** Places that one key span renews. */
export const RENEWED_PLACES_MAX = 8

interface Wrap {
  readonly tag: Uint8Array
  readonly sealed: Uint8Array
}

const wrapSchema: Schema<Wrap> = struct({ tag: bytes(16), sealed: bytesMax(2048) })
const signedMax: Schema<Uint8Array> = bytesMax(SUCCESSOR_BYTES_MAX)
const placeSchema: Schema<SharePlaceNote> = struct({
  mailbox: branded<PublicKey>(bytes(32)),
  appendCapability: bytesMax(CAPABILITY_BYTES_MAX),
  readCapability: bytesMax(CAPABILITY_BYTES_MAX),
})
const bodySchemas = {
  1: struct({ version: literal(1) }),
  2: struct({ version: literal(2), statement: signedMax }),
  3: struct({ version: literal(3), decision: signedMax }),
  4: struct({ version: literal(4), statement: signedMax, place: placeSchema }),
  5: struct({ version: literal(5), places: array(placeSchema, RENEWED_PLACES_MAX) }),
} as const

/** Where the vendor finds a share, not verified yet. */
export interface SharePlaceNote {
  /** Names the mailbox. */
  readonly mailbox: PublicKey
  readonly appendCapability: Uint8Array
  readonly readCapability: Uint8Array
}

/** What comes with a share's key, not verified yet. */
export interface ShareKeyNews {
  readonly statement?: Uint8Array
  /** With a statement: it belongs to the key that the statement names. */
  readonly place?: SharePlaceNote
  readonly decision?: Uint8Array
  /** Alone: mailboxes that the share lies in already, with capabilities that last longer. */
  readonly places?: readonly SharePlaceNote[]
}

/** The clear part of a key span for the vendor that holds `to`. */
export function wrapShareKey(input: {
  readonly epochKey: Uint8Array
  readonly spaceTag: Uint8Array
  readonly to: Uint8Array
  readonly random: Random
}): Uint8Array {
  const { epochKey, spaceTag, to, random } = input
  const context = contexts.shareKey
  const wrap = wrapTagged({ context, to, aad: spaceTag, plaintext: epochKey, random })
  return encodeAs(wrapSchema, wrap)
}

/** The epoch's key, 32 bytes; `undefined` if the wrap is for another key, or no wrap. */
export function unwrapShareKey(input: {
  readonly clear: Uint8Array
  readonly spaceTag: Uint8Array
  readonly key: WrapKey
}): Uint8Array | undefined {
  try {
    const { tag, sealed } = decodeAs(wrapSchema, input.clear, { bytesMax: 4096 })
    const { key, spaceTag: aad } = input
    const opened = unwrapTagged({ context: contexts.shareKey, key, aad, tag, sealed })
    return opened?.length === 32 ? opened : undefined
  } catch (error) {
    if (error instanceof CodecError || error instanceof SealError) return undefined
    throw error
  }
}

/** The body of a share's key entry. */
export function shareKeyBody(news: ShareKeyNews = {}): Uint8Array {
  const { statement, decision, place, places } = news
  if (statement !== undefined && place !== undefined) {
    return encodeAs(bodySchemas[4], { version: 4, statement, place })
  }
  if (statement !== undefined) return encodeAs(bodySchemas[2], { version: 2, statement })
  if (decision !== undefined) return encodeAs(bodySchemas[3], { version: 3, decision })
  if (places !== undefined) return encodeAs(bodySchemas[5], { version: 5, places })
  return encodeAs(bodySchemas[1], { version: 1 })
}

/** Of another version, or in no form: nothing is known to be new but the key. */
export function readShareKeyBody(body: Uint8Array): ShareKeyNews {
  const limits = { bytesMax: SUCCESSOR_BYTES_MAX + 2 * CAPABILITY_BYTES_MAX + 64 }
  const { 2: successor, 3: decision, 4: moved, 5: renewed } = bodySchemas
  for (const schema of [moved, successor, decision, renewed]) {
    try {
      return decodeAs<ShareKeyNews>(schema, body, limits)
    } catch (error) {
      if (!(error instanceof CodecError)) throw error
    }
  }
  return {}
}
