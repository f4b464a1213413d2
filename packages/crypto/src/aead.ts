/**
 * Authenticated encryption of single pieces.
 *
 * `seal` is ChaCha20-Poly1305 (RFC 8439) for keys that are used once or count
 * their nonces. `sealRecord` is XChaCha20-Poly1305
 * (draft-irtf-cfrg-xchacha) for many records under one key: its nonce is long
 * enough to be drawn at random.
 *
 * | a sealed record | bytes       |
 * | --------------- | ----------: |
 * | nonce           |          24 |
 * | ciphertext      | as the text |
 * | tag             |          16 |
 *
 * The context of a key used here is that of the `hkdf` that made it. Neither
 * commits to its key; what strangers seal is opened by `content`, which does.
 *
 * @module
 */
import { concatBytes } from "@fulcrum/codec/bytes"
import { primitives } from "./platform.ts"
import type { AeadInput } from "./primitives.ts"
import type { Random } from "./random.ts"
import { SealError } from "./seal-error.ts"
import { xchachaOpen, xchachaSeal } from "./xchacha.ts"

export const AEAD_KEY_BYTES = 32
export const AEAD_NONCE_BYTES = 12
export const AEAD_TAG_BYTES = 16
export const RECORD_NONCE_BYTES = 24

/** How much longer a sealed record is than its plaintext. */
export const RECORD_OVERHEAD_BYTES: number = RECORD_NONCE_BYTES + AEAD_TAG_BYTES

/**
 * Seals once under this key and nonce; a second time with the same two would give both away.
 *
 * @param input.key - 32 bytes.
 * @param input.nonce - 12 bytes.
 * @returns Ciphertext, then the 16-byte tag.
 */
export function seal(input: AeadInput & { readonly plaintext: Uint8Array }): Uint8Array {
  checkInput(input, AEAD_NONCE_BYTES)
  return primitives.chachaSeal(input, input.plaintext)
}

/**
 * Undoes `seal`.
 *
 * @throws {SealError} `SEAL_TRUNCATED`, `SEAL_TAG`.
 */
export function open(input: AeadInput & { readonly sealed: Uint8Array }): Uint8Array {
  checkInput(input, AEAD_NONCE_BYTES)
  if (input.sealed.length < AEAD_TAG_BYTES) throw truncated()
  const plaintext = primitives.chachaOpen(input, input.sealed)
  if (plaintext === undefined) throw wrongTag()
  return plaintext
}

/**
 * Seals a record; any number may be sealed under one key.
 *
 * @param input.key - 32 bytes.
 * @returns Nonce, ciphertext and tag: `RECORD_OVERHEAD_BYTES` longer than the plaintext.
 */
export function sealRecord(input: {
  readonly key: Uint8Array
  readonly aad: Uint8Array
  readonly plaintext: Uint8Array
  readonly random: Random
}): Uint8Array {
  const nonce = input.random.bytes(RECORD_NONCE_BYTES)
  const { key, aad } = input
  checkInput({ key, nonce }, RECORD_NONCE_BYTES)
  return concatBytes([nonce, xchachaSeal(primitives, { key, nonce, aad }, input.plaintext)])
}

/**
 * Undoes `sealRecord`.
 *
 * @throws {SealError} `SEAL_TRUNCATED`, `SEAL_TAG`.
 */
export function openRecord(input: {
  readonly key: Uint8Array
  readonly aad: Uint8Array
  readonly sealed: Uint8Array
}): Uint8Array {
  const { key, aad, sealed } = input
  if (sealed.length < RECORD_OVERHEAD_BYTES) throw truncated()
  const nonce = sealed.subarray(0, RECORD_NONCE_BYTES)
  checkInput({ key, nonce }, RECORD_NONCE_BYTES)
  const ciphertext = sealed.subarray(RECORD_NONCE_BYTES)
  const plaintext = xchachaOpen(primitives, { key, nonce, aad }, ciphertext)
  if (plaintext === undefined) throw wrongTag()
  return plaintext
}

function checkInput(
  input: { readonly key: Uint8Array; readonly nonce: Uint8Array },
  nonceBytes: number,
): void {
  if (input.key.length !== AEAD_KEY_BYTES) throw new RangeError("an AEAD key has 32 bytes")
  if (input.nonce.length !== nonceBytes) throw new RangeError("a nonce of a wrong length")
}

function truncated(): SealError {
  return new SealError("SEAL_TRUNCATED", "too short to be anything sealed")
}

function wrongTag(): SealError {
  return new SealError("SEAL_TAG", "changed, or sealed with another key")
}
