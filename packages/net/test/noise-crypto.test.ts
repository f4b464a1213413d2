/** Noise's ciphers on Node's key objects are those of the library, byte for byte and in what they refuse. */
import { defaultCrypto } from "@chainsafe/libp2p-noise/crypto"
import { seededRandom } from "@fulcrum/crypto/random"
import { Uint8ArrayList } from "uint8arraylist"
import { expect, test } from "vitest"
import { noiseCrypto } from "../src/libp2p-noise-crypto.ts"

const random = seededRandom("noise crypto")
const [key, nonce, ad] = [random.bytes(32), random.bytes(12), random.bytes(32)]
const SIZES = [0, 1, 16, 1183, 1184, 1199, 1200, 1216, 1217, 65_519]

function forms(bytes: Uint8Array): readonly (Uint8Array | Uint8ArrayList)[] {
  const half = bytes.length >> 1
  return [bytes, new Uint8ArrayList(bytes.subarray(0, half), bytes.subarray(half))]
}

test("[N24] what one seals the other opens, in one piece or several", () => {
  for (const size of SIZES) {
    const plaintext = random.bytes(size)
    const sealed = defaultCrypto.chaCha20Poly1305Encrypt(plaintext, nonce, ad, key).subarray()
    for (const form of forms(plaintext)) {
      const own = noiseCrypto.chaCha20Poly1305Encrypt(form, nonce, ad, key)
      expect(new Uint8Array(own.subarray())).toEqual(new Uint8Array(sealed))
    }
    for (const form of forms(new Uint8Array(sealed))) {
      const opened = noiseCrypto.chaCha20Poly1305Decrypt(form, nonce, ad, key)
      expect(new Uint8Array(opened.subarray())).toEqual(plaintext)
    }
  }
})

test("[N24] what was changed anywhere is refused", () => {
  for (const size of [10, 5000]) {
    const sealed = noiseCrypto.chaCha20Poly1305Encrypt(random.bytes(size), nonce, ad, key)
    for (const at of [0, size - 1, size, size + 15]) {
      const changed = new Uint8Array(sealed.subarray())
      changed[at] = (changed[at] ?? 0) ^ 1
      for (const form of forms(changed)) {
        expect(() => noiseCrypto.chaCha20Poly1305Decrypt(form, nonce, ad, key)).toThrow()
      }
    }
    const other = random.bytes(32)
    const bytes = new Uint8Array(sealed.subarray())
    expect(() => noiseCrypto.chaCha20Poly1305Decrypt(bytes, nonce, other, key)).toThrow()
    expect(() => noiseCrypto.chaCha20Poly1305Decrypt(bytes, nonce, ad, other)).toThrow()
  }
})
