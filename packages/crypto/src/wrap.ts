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
 * Where wraps for several lie together, each has a *finding tag* beside it: 16 bytes from HKDF
 * over HPKE's exporter secret, so that only its addressee can tell which is whose.
 *
 * @module
 */
import type { Brand } from "@fulcrum/codec/brand"
import { concatBytes, utf8ToBytes } from "@fulcrum/codec/bytes"
import { AEAD_KEY_BYTES, AEAD_NONCE_BYTES, AEAD_TAG_BYTES, open, seal } from "./aead.ts"
import { equalInConstantTime } from "./constant-time.ts"
import { type Context, contexts } from "./contexts.ts"
import { hkdf } from "./hash.ts"
import { type HpkeKeys, type HpkeSuite, hpkeKeys } from "./hpke.ts"
import { kem } from "./kem.ts"
import { isSystemRandom, type Random } from "./random.ts"
import { SealError } from "./seal-error.ts"
import {
  isXwingPublicKey,
  XWING_CIPHERTEXT_BYTES,
  XWING_PUBLIC_KEY_BYTES,
  XWING_RANDOM_BYTES,
  XWING_SECRET_BYTES,
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

/** Bytes in the tag by which an addressee finds its wrap. */
export const WRAP_TAG_BYTES = 16

const EMPTY = new Uint8Array(0)

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
  const publicKey = kem.publicKey(own)
  if (!isWrapPublicKey(publicKey)) throw new TypeError("X-Wing gave a key of another length")
  return Object.freeze({ publicKey, secret: own })
}

/** Whether these bytes may stand as a key: something can be wrapped to it. */
export function isWrapPublicKey(bytes: Uint8Array): bytes is WrapPublicKey {
  return isXwingPublicKey(bytes)
}

interface WrapInput {
  readonly context: Context
  readonly to: Uint8Array
  readonly aad: Uint8Array
  readonly plaintext: Uint8Array
  readonly random: Random
}

interface UnwrapInput {
  readonly context: Context
  readonly key: WrapKey
  readonly aad: Uint8Array
  readonly sealed: Uint8Array
}

export interface TaggedWrap {
  /** `WRAP_TAG_BYTES` by which the addressee finds it. */
  readonly tag: Uint8Array
  readonly sealed: Uint8Array
}

/**
 * Seals a secret to `to`.
 *
 * @returns `WRAP_OVERHEAD_BYTES` more than the plaintext.
 * @throws {SealError} `SEAL_KEY`: `to` is not a key, or one that must not be used.
 */
export function wrap(input: WrapInput): Uint8Array {
  return wrapTagged(input).sealed
}

/**
 * Opens a wrap.
 *
 * @throws {SealError} `SEAL_TRUNCATED`; `SEAL_KEY`, for an encapsulation that must not be used;
 * `SEAL_TAG`, if it was wrapped to another key, in another context, or changed.
 */
export function unwrap(input: UnwrapInput): Uint8Array {
  return openWith(receivedKeys(input), input)
}

/**
 * Seals a secret to `to`, to lie among others' wraps. Draws its randomness in one call.
 *
 * @throws {SealError} `SEAL_KEY`: `to` is not a key, or one that must not be used.
 */
export function wrapTagged(input: WrapInput): TaggedWrap {
  const { context, to, aad, plaintext, random } = input
  const { ciphertext, shared } = isSystemRandom(random)
    ? kem.encapsulateAnew(to)
    : kem.encapsulate(to, random.bytes(XWING_RANDOM_BYTES))
  const keys = hpkeKeys(SUITE, shared, utf8ToBytes(context))
  const sealed = seal({ key: keys.key, nonce: keys.baseNonce, aad, plaintext })
  return { tag: findingTag(keys), sealed: concatBytes([ciphertext, sealed]) }
}

/**
 * Opens a wrap if its tag says that it is for this key.
 *
 * @returns `undefined` for somebody else's.
 * @throws {SealError} As `unwrap` does.
 */
export function unwrapTagged(
  input: UnwrapInput & { readonly tag: Uint8Array },
): Uint8Array | undefined {
  const keys = receivedKeys(input)
  return equalInConstantTime(findingTag(keys), input.tag) ? openWith(keys, input) : undefined
}

function receivedKeys({ context, key, sealed }: UnwrapInput): HpkeKeys {
  if (sealed.length < WRAP_OVERHEAD_BYTES) {
    throw new SealError("SEAL_TRUNCATED", "too short to be a wrap")
  }
  const shared = kem.decapsulate(sealed.subarray(0, XWING_CIPHERTEXT_BYTES), key.secret)
  return hpkeKeys(SUITE, shared, utf8ToBytes(context))
}

function openWith(keys: HpkeKeys, { aad, sealed }: UnwrapInput): Uint8Array {
  const ciphertext = sealed.subarray(XWING_CIPHERTEXT_BYTES)
  return open({ key: keys.key, nonce: keys.baseNonce, aad, sealed: ciphertext })
}

function findingTag(keys: HpkeKeys): Uint8Array {
  return hkdf(contexts.wrapTag, keys.exporterSecret, EMPTY, EMPTY, WRAP_TAG_BYTES)
}
