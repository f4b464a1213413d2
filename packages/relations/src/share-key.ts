/**
 * The key span of a share space: how the vendor gets the space's key.
 *
 * The clear part is the canonical CBOR array `[tag(16), sealed]`, one wrap of the new epoch's key:
 * the tag is found by its addressee alone, `sealed` is HPKE to the vendor's X-Wing key with the
 * space tag as associated data. The entry's body is the array `[1]`: a share's key entry says
 * nothing but that there is a new key. Own devices find the key in the record space.
 *
 * Source: DESIGN, "Keys" (a share space has two members).
 *
 * @module
 */
import { CodecError } from "@fulcrum/codec/codec-error"
import {
  bytes,
  bytesMax,
  decodeAs,
  encodeAs,
  literal,
  type Schema,
  struct,
} from "@fulcrum/codec/schema"
import { contexts } from "@fulcrum/crypto/contexts"
import type { Random } from "@fulcrum/crypto/random"
import { SealError } from "@fulcrum/crypto/seal-error"
import { unwrapTagged, type WrapKey, wrapTagged } from "@fulcrum/crypto/wrap"

interface Wrap {
  readonly tag: Uint8Array
  readonly sealed: Uint8Array
}

const wrapSchema: Schema<Wrap> = struct({ tag: bytes(16), sealed: bytesMax(2048) })
const bodySchema: Schema<{ readonly version: 1 }> = struct({ version: literal(1) })

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
export function shareKeyBody(): Uint8Array {
  return encodeAs(bodySchema, { version: 1 })
}
