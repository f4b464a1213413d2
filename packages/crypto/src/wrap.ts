/**
 * Wrapping: sealing a short secret to somebody's public key, so that it stays
 * sealed for as long as either X25519 or ML-KEM-768 holds.
 *
 * HPKE (RFC 9180), base mode, one message for each encapsulation:
 * KEM X-Wing (0x647a), KDF HKDF-SHA-256 (0x0001), AEAD ChaCha20-Poly1305
 * (0x0003); `info` is the UTF-8 of the registered context.
 *
 * | a wrap     | bytes       |
 * | ---------- | ----------: |
 * | enc        |        1120 |
 * | ciphertext | as the text |
 * | tag        |          16 |
 *
 * @module
 */
import type { Brand } from "@fulcrum/codec/brand"
import { concatBytes, utf8ToBytes } from "@fulcrum/codec/bytes"
import { AEAD_KEY_BYTES, AEAD_NONCE_BYTES, AEAD_TAG_BYTES, open, seal } from "./aead.ts"
import type { Context } from "./contexts.ts"
import { type HpkeSuite, hpkeKeys } from "./hpke.ts"
import type { Random } from "./random.ts"
import { SealError } from "./seal-error.ts"
import {
  XWING_CIPHERTEXT_BYTES,
  XWING_PUBLIC_KEY_BYTES,
  XWING_RANDOM_BYTES,
  XWING_SECRET_BYTES,
  xwingDecapsulate,
  xwingEncapsulate,
  xwingPublicKey,
} from "./xwing.ts"

/** 1216 bytes: an X-Wing encapsulation key. */
export type WrapPublicKey = Brand<Uint8Array, "WrapPublicKey">

export interface WrapKey {
  readonly publicKey: WrapPublicKey
  /** 32 bytes. */
  readonly secret: Uint8Array
}

export const WRAP_PUBLIC_KEY_BYTES: number = XWING_PUBLIC_KEY_BYTES
export const WRAP_SECRET_BYTES: number = XWING_SECRET_BYTES

/** How much longer a wrap is than what it wraps. */
export const WRAP_OVERHEAD_BYTES: number = XWING_CIPHERTEXT_BYTES + AEAD_TAG_BYTES

const SUITE: HpkeSuite = {
  kemId: 0x647a,
  kdfId: 0x0001,
  aeadId: 0x0003,
  keyBytes: AEAD_KEY_BYTES,
  nonceBytes: AEAD_NONCE_BYTES,
}

/** Draws a new key. */
export function generateWrapKey(random: Random): WrapKey {
  return wrapKeyFromSecret(random.bytes(WRAP_SECRET_BYTES))
}

/** The key of a stored secret, which it copies. Takes about a millisecond. */
export function wrapKeyFromSecret(secret: Uint8Array): WrapKey {
  const own = Uint8Array.from(secret)
  const publicKey = xwingPublicKey(own)
  if (!isWrapPublicKey(publicKey)) throw new TypeError("X-Wing gave a key of another length")
  return Object.freeze({ publicKey, secret: own })
}

/** Whether the length is right; whether the key is good shows when something is wrapped to it. */
export function isWrapPublicKey(bytes: Uint8Array): bytes is WrapPublicKey {
  return bytes.length === WRAP_PUBLIC_KEY_BYTES
}

/**
 * Seals a secret to `to`.
 *
 * @returns `WRAP_OVERHEAD_BYTES` more than the plaintext.
 * @throws {SealError} `SEAL_KEY`: `to` is not a key, or one that must not be used.
 */
export function wrap(input: {
  readonly context: Context
  readonly to: Uint8Array
  readonly aad: Uint8Array
  readonly plaintext: Uint8Array
  readonly random: Random
}): Uint8Array {
  const randomness = input.random.bytes(XWING_RANDOM_BYTES)
  const { ciphertext, shared } = xwingEncapsulate(input.to, randomness)
  const { key, baseNonce } = hpkeKeys(SUITE, shared, utf8ToBytes(input.context))
  const { aad, plaintext } = input
  return concatBytes([ciphertext, seal({ key, nonce: baseNonce, aad, plaintext })])
}

/**
 * Opens a wrap.
 *
 * @throws {SealError} `SEAL_TRUNCATED`; `SEAL_KEY`, for an encapsulation that must not be used;
 * `SEAL_TAG`, if it was wrapped to another key, in another context, or changed.
 */
export function unwrap(input: {
  readonly context: Context
  readonly key: WrapKey
  readonly aad: Uint8Array
  readonly sealed: Uint8Array
}): Uint8Array {
  const { key: wrapKey, aad, sealed } = input
  if (sealed.length < WRAP_OVERHEAD_BYTES) {
    throw new SealError("SEAL_TRUNCATED", "too short to be a wrap")
  }
  const shared = xwingDecapsulate(sealed.subarray(0, XWING_CIPHERTEXT_BYTES), wrapKey.secret)
  const { key, baseNonce } = hpkeKeys(SUITE, shared, utf8ToBytes(input.context))
  return open({ key, nonce: baseNonce, aad, sealed: sealed.subarray(XWING_CIPHERTEXT_BYTES) })
}
