/**
 * HKDF-SHA-256 (RFC 5869), bare, over either set of primitives. Not Node's own,
 * which refuses an `info` above 1,024 bytes where others do not.
 *
 * Internal: `hash.ts` binds it to contexts, `hpke.ts` to RFC 9180's labels.
 *
 * @module
 */
import { concatBytes } from "@fulcrum/codec/bytes"
import type { Primitives } from "./primitives.ts"

const HASH_BYTES = 32

/** The most that one derivation gives (RFC 5869, section 2.3). */
export const HKDF_BYTES_MAX: number = 255 * HASH_BYTES

const EMPTY = new Uint8Array(0)

/** HKDF-Extract. An empty salt is 32 zeros. */
export function hkdfExtract(over: Primitives, salt: Uint8Array, key: Uint8Array): Uint8Array {
  return over.hmacSha256(salt.length === 0 ? new Uint8Array(HASH_BYTES) : salt, key)
}

/** HKDF-Expand, at most `HKDF_BYTES_MAX`. */
export function hkdfExpand(
  over: Primitives,
  pseudorandomKey: Uint8Array,
  info: Uint8Array,
  length: number,
): Uint8Array {
  if (!Number.isInteger(length) || length < 0 || length > HKDF_BYTES_MAX) {
    throw new RangeError("HKDF gives at most 8160 bytes")
  }
  const derived = new Uint8Array(Math.ceil(length / HASH_BYTES) * HASH_BYTES)
  let block: Uint8Array = EMPTY
  for (let at = 0; at < length; at += HASH_BYTES) {
    const counter = Uint8Array.of(at / HASH_BYTES + 1)
    block = over.hmacSha256(pseudorandomKey, concatBytes([block, info, counter]))
    derived.set(block, at)
  }
  return derived.subarray(0, length)
}
