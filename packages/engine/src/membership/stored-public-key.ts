/** @module */
import { isPublicKey, type PublicKey } from "@fulcrum/crypto/ed25519"

/** @throws {TypeError} This program has stored what is no key. */
export function storedPublicKey(bytes: Uint8Array): PublicKey {
  if (!isPublicKey(bytes)) throw new TypeError("a stored key that is no key")
  return bytes
}
