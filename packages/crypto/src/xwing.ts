/**
 * X-Wing (draft-connolly-cfrg-xwing-kem): ML-KEM-768 and X25519 as one key
 * encapsulation that holds if either does.
 *
 * | value      | bytes | is                                                         |
 * | ---------- | ----: | ---------------------------------------------------------- |
 * | secret     |    32 | SHAKE-256 gives ML-KEM's d and z (64), X25519's scalar (32) |
 * | public key |  1216 | ML-KEM's 1184, X25519's 32                                 |
 * | ciphertext |  1120 | ML-KEM's 1088, X25519's 32                                 |
 * | shared     |    32 | SHA3-256(ss_M, ss_X, ct_X, pk_X, label)                    |
 *
 * Beyond the draft, an all-zero X25519 result is refused on both sides (R7).
 * Randomness is passed in: 32 bytes for ML-KEM, then 32 for X25519.
 *
 * Internal: `wrap` is what other packages use.
 *
 * @module
 */
import { concatBytes } from "@fulcrum/codec/bytes"
import { shake256 } from "@noble/hashes/sha3.js"
import { ml_kem768 } from "@noble/post-quantum/ml-kem.js"
import { primitives } from "./platform.ts"
import type { Primitives } from "./primitives.ts"
import { systemRandom } from "./random.ts"
import { SealError } from "./seal-error.ts"

export const XWING_SECRET_BYTES = 32
export const XWING_PUBLIC_KEY_BYTES = 1216
export const XWING_CIPHERTEXT_BYTES = 1120
export const XWING_RANDOM_BYTES = 64

const KEM_PUBLIC_KEY_BYTES = 1184
const KEM_CIPHERTEXT_BYTES = 1088
/** Of 768 coefficients of twelve bits, each below the modulus; a seed follows. */
const KEM_COEFFICIENT_BYTES = 1152
const MODULUS = 3329

/** `\.//^\`, the draft's label. */
const LABEL = Uint8Array.of(0x5c, 0x2e, 0x2f, 0x2f, 0x5e, 0x5c)
const BASE_POINT = Uint8Array.from({ length: 32 }, (_, i) => (i === 0 ? 9 : 0))

/** The public key of a secret. */
export function xwingPublicKey(secret: Uint8Array): Uint8Array {
  const { kemPublicKey, dhPublicKey } = expand(secret)
  return concatBytes([kemPublicKey, dhPublicKey])
}

/** Whether something can be encapsulated to it (FIPS 203, section 7.2; RFC 7748, section 6.1). */
export function isXwingPublicKey(key: Uint8Array): boolean {
  if (key.length !== XWING_PUBLIC_KEY_BYTES) return false
  for (let at = 0; at < KEM_COEFFICIENT_BYTES; at += 3) {
    const [low = 0, middle = 0, high = 0] = key.subarray(at, at + 3)
    if ((low | ((middle & 15) << 8)) >= MODULUS || ((middle >> 4) | (high << 4)) >= MODULUS) {
      return false
    }
  }
  return primitives.x25519(BASE_POINT, key.subarray(KEM_PUBLIC_KEY_BYTES)) !== undefined
}

interface Encapsulated {
  readonly ciphertext: Uint8Array
  readonly shared: Uint8Array
}

/**
 * Makes a shared secret and what tells it to the key's holder.
 *
 * @param randomness - `XWING_RANDOM_BYTES`, never used again.
 * @throws {SealError} `SEAL_KEY`: no key, or one that forces the X25519 result.
 */
export function xwingEncapsulate(publicKey: Uint8Array, randomness: Uint8Array): Encapsulated {
  if (publicKey.length !== XWING_PUBLIC_KEY_BYTES) {
    throw new SealError("SEAL_KEY", "an X-Wing public key has 1216 bytes")
  }
  const dhPublicKey = publicKey.subarray(KEM_PUBLIC_KEY_BYTES)
  const kemKey = publicKey.slice(0, KEM_PUBLIC_KEY_BYTES)
  const message = randomness.slice(0, 32)
  const kem = encapsulated(() => ml_kem768.encapsulate(kemKey, message))
  return withExchange(kem, dhPublicKey, randomness.slice(32))
}

/** As {@link xwingEncapsulate}, with randomness of the platform's own. @throws {SealError} `SEAL_KEY`. */
export function xwingEncapsulateAnew(publicKey: Uint8Array): Encapsulated {
  const { mlKemEncapsulate } = primitives
  const random = systemRandom()
  if (mlKemEncapsulate === undefined || publicKey.length !== XWING_PUBLIC_KEY_BYTES) {
    return xwingEncapsulate(publicKey, random.bytes(XWING_RANDOM_BYTES))
  }
  const kem = encapsulated(() => mlKemEncapsulate(publicKey.slice(0, KEM_PUBLIC_KEY_BYTES)))
  return withExchange(kem, publicKey.subarray(KEM_PUBLIC_KEY_BYTES), random.bytes(32))
}

function withExchange(
  kem: ReturnType<NonNullable<Primitives["mlKemEncapsulate"]>>,
  dhPublicKey: Uint8Array,
  scalar: Uint8Array,
): Encapsulated {
  const dhCiphertext = primitives.x25519PublicKey(scalar)
  const dhShared = exchange(scalar, dhPublicKey)
  return {
    ciphertext: concatBytes([kem.cipherText, dhCiphertext]),
    shared: combine({ kemShared: kem.sharedSecret, dhShared, dhCiphertext, dhPublicKey }),
  }
}

/**
 * The shared secret of a ciphertext. A changed ML-KEM part gives a wrong secret, not an error.
 *
 * @throws {SealError} `SEAL_TRUNCATED`, `SEAL_KEY`.
 */
export function xwingDecapsulate(ciphertext: Uint8Array, secret: Uint8Array): Uint8Array {
  if (ciphertext.length !== XWING_CIPHERTEXT_BYTES) {
    throw new SealError("SEAL_TRUNCATED", "an X-Wing ciphertext has 1120 bytes")
  }
  const { kemSecretKey, dhScalar, dhPublicKey } = expand(secret)
  const dhCiphertext = ciphertext.subarray(KEM_CIPHERTEXT_BYTES)
  const kemShared = ml_kem768.decapsulate(ciphertext.slice(0, KEM_CIPHERTEXT_BYTES), kemSecretKey)
  const dhShared = exchange(dhScalar, dhCiphertext)
  return combine({ kemShared, dhShared, dhCiphertext, dhPublicKey })
}

function expand(secret: Uint8Array) {
  if (secret.length !== XWING_SECRET_BYTES) throw new RangeError("an X-Wing secret has 32 bytes")
  const expanded = shake256(secret, { dkLen: 96 })
  const { publicKey, secretKey } = ml_kem768.keygen(expanded.slice(0, 64))
  const dhScalar = expanded.slice(64)
  return {
    kemPublicKey: publicKey,
    kemSecretKey: secretKey,
    dhScalar,
    dhPublicKey: primitives.x25519PublicKey(dhScalar),
  }
}

function encapsulated<T>(make: () => T): T {
  try {
    return make()
  } catch (cause) {
    // Coefficients not below the modulus (FIPS 203, section 7.2).
    throw new SealError("SEAL_KEY", "not an ML-KEM-768 public key", { cause })
  }
}

function exchange(scalar: Uint8Array, point: Uint8Array): Uint8Array {
  const shared = primitives.x25519(scalar, point)
  if (shared === undefined) throw new SealError("SEAL_KEY", "an X25519 point of small order")
  return shared
}

function combine(parts: {
  readonly kemShared: Uint8Array
  readonly dhShared: Uint8Array
  readonly dhCiphertext: Uint8Array
  readonly dhPublicKey: Uint8Array
}): Uint8Array {
  const { kemShared, dhShared, dhCiphertext, dhPublicKey } = parts
  return primitives.sha3_256(concatBytes([kemShared, dhShared, dhCiphertext, dhPublicKey, LABEL]))
}
