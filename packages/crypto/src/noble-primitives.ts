/**
 * The primitives in JavaScript, for wherever there is no Node.
 *
 * @module
 */
import { concatBytes, equalBytes } from "@fulcrum/codec/bytes"
import { chacha20poly1305 } from "@noble/ciphers/chacha.js"
import { ed25519, x25519 } from "@noble/curves/ed25519.js"
import { argon2idAsync } from "@noble/hashes/argon2.js"
import { hmac } from "@noble/hashes/hmac.js"
import { sha256, sha512 } from "@noble/hashes/sha2.js"
import { sha3_256 } from "@noble/hashes/sha3.js"
import type { Primitives } from "./primitives.ts"

const { Point } = ed25519

export const noblePrimitives: Primitives = {
  sha256: (message) => sha256(message),
  sha3_256: (message) => sha3_256(message),
  hmacSha256: (key, message) => hmac(sha256, key, message),
  chachaSeal: ({ key, nonce, aad }, plaintext) =>
    chacha20poly1305(key, nonce, aad).encrypt(plaintext),
  chachaOpen({ key, nonce, aad }, sealed) {
    try {
      return chacha20poly1305(key, nonce, aad).decrypt(sealed)
    } catch {
      return undefined
    }
  },
  ed25519PublicKey: (seed) => ed25519.getPublicKey(seed),
  ed25519Sign: (key, message) => ed25519.sign(message, key.seed),
  ed25519Equation(publicKey, message, signature) {
    const r = signature.subarray(0, 32)
    const s = littleEndian(signature.subarray(32))
    const challenge = littleEndian(sha512(concatBytes([r, publicKey, message])))
    const key = decodePoint(publicKey)
    if (key === undefined) return false
    // R = s·B - k·A, with no multiplication by the cofactor anywhere.
    const expected = multiply(Point.BASE, s).add(multiply(key.negate(), challenge))
    return equalBytes(expected.toBytes(), r)
  },
  x25519PublicKey: (scalar) => x25519.getPublicKey(scalar),
  x25519(scalar, point) {
    try {
      return x25519.getSharedSecret(scalar, point)
    } catch {
      return undefined
    }
  },
  argon2id: ({ password, salt, memoryKiB, passes, length }) =>
    argon2idAsync(password, salt, { m: memoryKiB, t: passes, p: 1, dkLen: length }),
}

type EdwardsPoint = InstanceType<typeof Point>

function decodePoint(bytes: Uint8Array): EdwardsPoint | undefined {
  try {
    return Point.fromBytes(bytes)
  } catch {
    return undefined
  }
}

/** Public input only: the time it takes depends on the scalar. */
function multiply(point: EdwardsPoint, scalar: bigint): EdwardsPoint {
  return point.multiplyUnsafe(Point.Fn.create(scalar))
}

function littleEndian(bytes: Uint8Array): bigint {
  let value = 0n
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i] ?? 0)
  return value
}
