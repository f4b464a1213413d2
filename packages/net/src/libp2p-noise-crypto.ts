/**
 * Noise's ciphers with Node's own key objects: given raw bytes, Node makes one of them for each message,
 * which takes as long as sealing some 20 KiB. The rest is as `@chainsafe/libp2p-noise` has it, short
 * messages too, for which its WebAssembly is quicker.
 *
 * @module
 */
import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from "node:crypto"
import type { ICryptoInterface } from "@chainsafe/libp2p-noise"
import { defaultCrypto } from "@chainsafe/libp2p-noise/crypto"
import { Uint8ArrayList } from "uint8arraylist"

const CIPHER = "chacha20-poly1305"
const TAG_BYTES = 16
/** From here on Node's cipher is quicker than WebAssembly: measured by the library. */
const NATIVE_BYTES_MIN = 1200

/** By the bytes that a connection keeps its key in, which it never changes. */
const keys = new WeakMap<Uint8Array, KeyObject>()

export const noiseCrypto: ICryptoInterface = {
  ...defaultCrypto,
  chaCha20Poly1305Encrypt(plaintext, nonce, ad, k) {
    if (plaintext.byteLength < NATIVE_BYTES_MIN) {
      return defaultCrypto.chaCha20Poly1305Encrypt(plaintext, nonce, ad, k)
    }
    const cipher = createCipheriv(CIPHER, keyOf(k), nonce, { authTagLength: TAG_BYTES })
    cipher.setAAD(ad, { plaintextLength: plaintext.byteLength })
    const sealed = new Uint8ArrayList()
    for (const part of partsOf(plaintext)) sealed.append(cipher.update(part))
    cipher.final()
    sealed.append(cipher.getAuthTag())
    return sealed
  },
  chaCha20Poly1305Decrypt(ciphertext, nonce, ad, k, dst) {
    if (ciphertext.byteLength < NATIVE_BYTES_MIN) {
      return defaultCrypto.chaCha20Poly1305Decrypt(ciphertext, nonce, ad, k, dst)
    }
    const end = ciphertext.byteLength - TAG_BYTES
    const sealed =
      ciphertext instanceof Uint8Array ? ciphertext.subarray(0, end) : ciphertext.sublist(0, end)
    const decipher = createDecipheriv(CIPHER, keyOf(k), nonce, { authTagLength: TAG_BYTES })
    decipher.setAAD(ad, { plaintextLength: end })
    decipher.setAuthTag(ciphertext.subarray(end))
    const plaintext = new Uint8ArrayList()
    for (const part of partsOf(sealed)) plaintext.append(decipher.update(part))
    decipher.final()
    return plaintext
  },
}

function keyOf(bytes: Uint8Array): KeyObject {
  const known = keys.get(bytes)
  if (known !== undefined) return known
  const key = createSecretKey(bytes)
  keys.set(bytes, key)
  return key
}

function partsOf(bytes: Uint8Array | Uint8ArrayList): Iterable<Uint8Array> {
  return bytes instanceof Uint8Array ? [bytes] : bytes
}
