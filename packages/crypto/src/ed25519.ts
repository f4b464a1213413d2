/**
 * Ed25519 (RFC 8032) with one verdict everywhere, a rule and not a library's habit:
 *
 * 1. S is below the group's order L;
 * 2. the key A and the point R are canonical encodings (y below p), and neither
 *    has small order;
 * 3. R is, byte for byte, the encoding of S·B - H(R, A, message)·A: the equation
 *    without the cofactor.
 *
 * Rules 1 and 2 are checked here, before any library is asked. Of the 914 CCTV
 * vectors this accepts 43, on every platform.
 *
 * `sign` and `verify` cover UTF-8(context), a zero byte, then the message; a
 * context holds no zero byte. `signRaw` and `verifyRaw` cover the message alone,
 * where another program's format asks for that.
 *
 * @module
 */
import type { Brand } from "@fulcrum/codec/brand"
import { concatBytes, hexToBytes, utf8ToBytes } from "@fulcrum/codec/bytes"
import type { Context } from "./contexts.ts"
import { primitives } from "./platform.ts"
import type { Random } from "./random.ts"

/** 32 bytes that passed `isPublicKey`, or that we made. */
export type PublicKey = Brand<Uint8Array, "Ed25519PublicKey">

export interface SigningKey {
  readonly publicKey: PublicKey
  /** The secret: 32 bytes (RFC 8032 calls them the private key). */
  readonly seed: Uint8Array
}

export const PUBLIC_KEY_BYTES = 32
export const SEED_BYTES = 32
export const SIGNATURE_BYTES = 64

// Little-endian, as on the wire.
const L = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010"
const P = "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"

/** The y of the eight points of small order, their sign bit left out: 0, 1, -1, and two more. */
const SMALL_ORDER_Y = [
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
]

const order = hexToBytes(L)
const prime = hexToBytes(P)
const smallOrderYs = SMALL_ORDER_Y.map(hexToBytes)
const prefixByContext = new Map<Context, Uint8Array>()

/** Draws a new key. */
export function generateSigningKey(random: Random): SigningKey {
  return signingKeyFromSeed(random.bytes(SEED_BYTES))
}

/** The key of a stored seed, which it copies. */
export function signingKeyFromSeed(seed: Uint8Array): SigningKey {
  if (seed.length !== SEED_BYTES) throw new RangeError("an Ed25519 seed has 32 bytes")
  const own = Uint8Array.from(seed)
  const publicKey = primitives.ed25519PublicKey(own)
  if (!isPublicKey(publicKey)) throw new TypeError("a seed cannot give a key of small order")
  return Object.freeze({ publicKey, seed: own })
}

/** Whether these bytes may stand as a key: 32 of them, canonical, not of small order. */
export function isPublicKey(bytes: Uint8Array): bytes is PublicKey {
  return bytes.length === PUBLIC_KEY_BYTES && isAllowedPoint(bytes)
}

/** Signs the message in its context. */
export function sign(context: Context, key: SigningKey, message: Uint8Array): Uint8Array {
  return signRaw(key, inContext(context, message))
}

/** Whether the key's holder signed this message in this context. Never throws. */
export function verify(
  context: Context,
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  return verifyRaw(publicKey, inContext(context, message), signature)
}

/** A signature over the message alone. For our own formats use `sign`. */
export function signRaw(key: SigningKey, message: Uint8Array): Uint8Array {
  return primitives.ed25519Sign(key, message)
}

/** The one verdict, over the message alone. */
export function verifyRaw(
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  return (
    passesPrechecks(publicKey, signature) &&
    primitives.ed25519Equation(publicKey, message, signature)
  )
}

/** Rules 1 and 2 of the verdict. */
export function passesPrechecks(publicKey: Uint8Array, signature: Uint8Array): boolean {
  return (
    publicKey.length === PUBLIC_KEY_BYTES &&
    signature.length === SIGNATURE_BYTES &&
    isBelow(signature, 32, order, 0xff) &&
    isAllowedPoint(publicKey) &&
    isAllowedPoint(signature)
  )
}

/** Whether the first 32 bytes are a canonical y, and not that of a point of small order. */
function isAllowedPoint(bytes: Uint8Array): boolean {
  if (!isBelow(bytes, 0, prime, 0x7f)) return false
  for (const y of smallOrderYs) if (hasY(bytes, y)) return false
  return true
}

/** Whether the little-endian number at `at`, its last byte masked, is below `bound`. */
function isBelow(bytes: Uint8Array, at: number, bound: Uint8Array, topMask: number): boolean {
  for (let i = 31; i >= 0; i--) {
    const byte = (bytes[at + i] ?? 0) & (i === 31 ? topMask : 0xff)
    const limit = bound[i] ?? 0
    if (byte !== limit) return byte < limit
  }
  return false
}

function hasY(bytes: Uint8Array, y: Uint8Array): boolean {
  for (let i = 0; i < 31; i++) if (bytes[i] !== y[i]) return false
  return ((bytes[31] ?? 0) & 0x7f) === y[31]
}

function inContext(context: Context, message: Uint8Array): Uint8Array {
  let prefix = prefixByContext.get(context)
  if (prefix === undefined) {
    prefix = utf8ToBytes(`${context}\0`)
    prefixByContext.set(context, prefix)
  }
  return concatBytes([prefix, message])
}
