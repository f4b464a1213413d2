/**
 * Content: how suite 1 seals one span or record.
 *
 * | step       | is                                                                  |
 * | ---------- | ------------------------------------------------------------------- |
 * | derived    | HKDF-SHA-256(key, salt, frame(context), SHA-256(header)), 64 bytes  |
 * | key        | its first 32 bytes, used for this one ciphertext                    |
 * | commitment | its last 32 bytes, sent along and compared before anything else     |
 * | ciphertext | ChaCha20-Poly1305, nonce zero, the header as associated data        |
 *
 * The commitment binds the ciphertext to one key, so that nobody can make one
 * that opens differently for two readers. The salt is drawn for each.
 *
 * Source: DESIGN, "Keys".
 *
 * @module
 */
import { AEAD_KEY_BYTES, AEAD_NONCE_BYTES, AEAD_TAG_BYTES } from "./aead.ts"
import { equalInConstantTime } from "./constant-time.ts"
import type { Context } from "./contexts.ts"
import { hkdf, sha256 } from "./hash.ts"
import { primitives } from "./platform.ts"
import { SealError } from "./seal-error.ts"

export const CONTENT_SALT_BYTES = 32
export const CONTENT_COMMITMENT_BYTES = 32

/** How much longer a ciphertext is than its plaintext, salt and commitment not counted. */
export const CONTENT_TAG_BYTES: number = AEAD_TAG_BYTES

const ZERO_NONCE = new Uint8Array(AEAD_NONCE_BYTES)

export interface ContentKey {
  readonly context: Context
  /** The epoch's key, 32 bytes. */
  readonly key: Uint8Array
  /** 32 random bytes, drawn for this content alone. */
  readonly salt: Uint8Array
  /** The clear header, whole: every byte of it is authenticated. */
  readonly header: Uint8Array
}

export interface SealedContent {
  /** 32 bytes. */
  readonly commitment: Uint8Array
  /** As long as the plaintext and 16 bytes more. */
  readonly ciphertext: Uint8Array
}

/** Seals one piece of content. */
export function sealContent(input: ContentKey & { readonly plaintext: Uint8Array }): SealedContent {
  const { key, commitment } = derive(input)
  const aead = { key, nonce: ZERO_NONCE, aad: input.header }
  return { commitment, ciphertext: primitives.chachaSeal(aead, input.plaintext) }
}

/**
 * Opens what `sealContent` sealed.
 *
 * @throws {SealError} `SEAL_TRUNCATED`; `SEAL_COMMITMENT` if the key, the salt, the context or the
 * header is another; `SEAL_TAG` if the ciphertext was changed.
 */
export function openContent(input: ContentKey & SealedContent): Uint8Array {
  if (input.ciphertext.length < AEAD_TAG_BYTES) {
    throw new SealError("SEAL_TRUNCATED", "too short to be anything sealed")
  }
  const { key, commitment } = derive(input)
  if (!equalInConstantTime(commitment, input.commitment)) {
    throw new SealError("SEAL_COMMITMENT", "sealed with another key or header")
  }
  const aead = { key, nonce: ZERO_NONCE, aad: input.header }
  const plaintext = primitives.chachaOpen(aead, input.ciphertext)
  if (plaintext === undefined) throw new SealError("SEAL_TAG", "the ciphertext was changed")
  return plaintext
}

function derive(input: ContentKey): { key: Uint8Array; commitment: Uint8Array } {
  if (input.key.length !== AEAD_KEY_BYTES) throw new RangeError("a content key has 32 bytes")
  if (input.salt.length !== CONTENT_SALT_BYTES) throw new RangeError("a salt has 32 bytes")
  const length = AEAD_KEY_BYTES + CONTENT_COMMITMENT_BYTES
  const derived = hkdf(input.context, input.key, input.salt, sha256(input.header), length)
  return {
    key: derived.subarray(0, AEAD_KEY_BYTES),
    commitment: derived.slice(AEAD_KEY_BYTES),
  }
}
