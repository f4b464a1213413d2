/**
 * XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha, section 2.3): ChaCha20-Poly1305
 * under a subkey that HChaCha20 makes of the key and the nonce's first 16 bytes.
 * Over either set of primitives, so that a test can hold the two together.
 *
 * Internal: `sealRecord` in `aead.ts` is what other packages use.
 *
 * @module
 */
import { hchacha } from "@noble/ciphers/chacha.js"
import type { AeadInput, Primitives } from "./primitives.ts"

/** "expand 32-byte k", as ChaCha's first four words. */
const SIGMA = Uint32Array.of(0x61707865, 0x3320646e, 0x79622d32, 0x6b206574)

/** `nonce` has 24 bytes. Ciphertext, then the 16-byte tag. */
export function xchachaSeal(over: Primitives, input: AeadInput, plaintext: Uint8Array): Uint8Array {
  return over.chachaSeal(subkeyInput(input), plaintext)
}

/** Undoes `xchachaSeal`; `undefined` if the tag is wrong. */
export function xchachaOpen(
  over: Primitives,
  input: AeadInput,
  sealed: Uint8Array,
): Uint8Array | undefined {
  return over.chachaOpen(subkeyInput(input), sealed)
}

/** A subkey of key and the nonce's first 16 bytes, and a short nonce of its last 8. */
function subkeyInput({ key, nonce, aad }: AeadInput): AeadInput {
  const subkey = new Uint32Array(8)
  hchacha(SIGMA, wordsOf(key), wordsOf(nonce.subarray(0, 16)), subkey)
  const shortNonce = new Uint8Array(12)
  shortNonce.set(nonce.subarray(16), 4)
  return { key: bytesOf(subkey), nonce: shortNonce, aad }
}

function wordsOf(bytes: Uint8Array): Uint32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const words = new Uint32Array(bytes.length / 4)
  for (let i = 0; i < words.length; i++) words[i] = view.getUint32(4 * i, true)
  return words
}

function bytesOf(words: Uint32Array): Uint8Array {
  const view = new DataView(new ArrayBuffer(words.length * 4))
  for (let i = 0; i < words.length; i++) view.setUint32(4 * i, words[i] ?? 0, true)
  return new Uint8Array(view.buffer)
}
