/**
 * The key encapsulation that wraps are made with, by which the simulator's processes remember what
 * they made: `remembering.ts`.
 *
 * @module
 */
import {
  xwingDecapsulate,
  xwingEncapsulate,
  xwingEncapsulateAnew,
  xwingPublicKey,
} from "./xwing.ts"

export interface Kem {
  /** The public key of a secret. */
  publicKey(secret: Uint8Array): Uint8Array
  /** @throws {SealError} `SEAL_KEY`. */
  encapsulate(
    publicKey: Uint8Array,
    randomness: Uint8Array,
  ): { readonly ciphertext: Uint8Array; readonly shared: Uint8Array }
  /** With randomness of the platform's own. @throws {SealError} `SEAL_KEY`. */
  encapsulateAnew(publicKey: Uint8Array): {
    readonly ciphertext: Uint8Array
    readonly shared: Uint8Array
  }
  /** @throws {SealError} `SEAL_TRUNCATED`, `SEAL_KEY`. */
  decapsulate(ciphertext: Uint8Array, secret: Uint8Array): Uint8Array
}

export const kem: Kem = {
  publicKey: xwingPublicKey,
  encapsulate: xwingEncapsulate,
  encapsulateAnew: xwingEncapsulateAnew,
  decapsulate: xwingDecapsulate,
}
