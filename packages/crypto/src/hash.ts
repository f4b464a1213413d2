/**
 * Hashes, keyed hashes and derived keys, each bound to its registered context.
 *
 * | function | is                                                             |
 * | -------- | -------------------------------------------------------------- |
 * | `sha256` | SHA-256 of the parts joined; only where a standard asks for it, or as a part of `hash` |
 * | `hash`   | SHA-256 of frame(context, parts)                               |
 * | `hmac`   | HMAC-SHA-256 of frame(context, parts)                          |
 * | `hkdf`   | HKDF-SHA-256 (RFC 5869) with info = frame(context) then info   |
 *
 * `frame` writes the context and each part after its length (8 bytes, the
 * highest first), so no two lists of parts give the same bytes.
 *
 * @module
 */
import { concatBytes, uint64ToBytes, utf8ToBytes } from "@fulcrum/codec/bytes"
import type { Context } from "./contexts.ts"
import { hkdfExpand, hkdfExtract } from "./hkdf.ts"
import { primitives } from "./platform.ts"

/** Bytes in a SHA-256 hash, and in all that is made of one here. */
export const HASH_BYTES = 32

const LENGTH_BYTES = 8

const framedByContext = new Map<Context, Uint8Array>()
/** Of one call at a time, for what is short: memory of its own costs more than the hash of it. */
const shortFrame = new Uint8Array(4096)

/** SHA-256 of the parts, one after another. For our own formats use `hash`. */
export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  return primitives.sha256(joined(parts))
}

/**
 * SHA-256 of what is long, in a thread of the platform's where it has one for it: the same as
 * {@link sha256}, later.
 *
 * @param bytes - Not to be changed before it resolves.
 */
export async function sha256Later(bytes: Uint8Array): Promise<Uint8Array> {
  // A page that was not served securely has none.
  const { subtle } = globalThis.crypto
  if (subtle === undefined || !isPlain(bytes)) return sha256(bytes)
  return new Uint8Array(await subtle.digest("SHA-256", bytes))
}

function isPlain(bytes: Uint8Array): bytes is Uint8Array<ArrayBuffer> {
  return bytes.buffer instanceof ArrayBuffer
}

export function hash(context: Context, ...parts: readonly Uint8Array[]): Uint8Array {
  return primitives.sha256(frame(context, parts))
}

/** @param key - At least 16 secret bytes. */
export function hmac(
  context: Context,
  key: Uint8Array,
  ...parts: readonly Uint8Array[]
): Uint8Array {
  return primitives.hmacSha256(checkedKey(key), frame(context, parts))
}

/**
 * @param key - At least 16 secret bytes: not a password, for which see `password`.
 * @param salt - May be empty.
 * @param length - At most 8,160.
 */
export function hkdf(
  context: Context,
  key: Uint8Array,
  salt: Uint8Array,
  info: Uint8Array,
  length: number,
): Uint8Array {
  const pseudorandomKey = hkdfExtract(primitives, salt, checkedKey(key))
  return hkdfExpand(
    primitives,
    pseudorandomKey,
    concatBytes([framedContext(context), info]),
    length,
  )
}

/** @returns Good until the next call. */
function frame(context: Context, parts: readonly Uint8Array[]): Uint8Array {
  const head = framedContext(context)
  let length = head.length
  for (const part of parts) length += LENGTH_BYTES + part.length
  const framed =
    length <= shortFrame.length ? shortFrame.subarray(0, length) : new Uint8Array(length)
  framed.set(head)
  let at = head.length
  for (const part of parts) {
    // No part has 2^32 bytes.
    framed.fill(0, at, at + 4)
    for (let i = 1; i <= 4; i++) framed[at + LENGTH_BYTES - i] = part.length >>> (8 * (i - 1))
    framed.set(part, at + LENGTH_BYTES)
    at += LENGTH_BYTES + part.length
  }
  return framed
}

function framedContext(context: Context): Uint8Array {
  const known = framedByContext.get(context)
  if (known !== undefined) return known
  const bytes = utf8ToBytes(context)
  const framed = concatBytes([uint64ToBytes(bytes.length), bytes])
  framedByContext.set(context, framed)
  return framed
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const [only] = parts
  return parts.length === 1 && only !== undefined ? only : concatBytes(parts)
}

function checkedKey(key: Uint8Array): Uint8Array {
  if (key.length < 16) throw new RangeError("a key has at least 16 bytes")
  return key
}
