/**
 * The primitives of suite 1 that a platform may have natively. There are two
 * sets, `native-primitives.ts` and `noble-primitives.ts`; `platform.ts` chooses.
 * Both give the same bytes and reject the same input, and `primitives.test.ts`
 * holds them together.
 *
 * Internal: other packages use the functions built on top.
 *
 * @module
 */
export interface AeadInput {
  /** 32 bytes. */
  readonly key: Uint8Array
  /** 12 bytes. */
  readonly nonce: Uint8Array
  readonly aad: Uint8Array
}

export interface Argon2Input {
  readonly password: Uint8Array
  readonly salt: Uint8Array
  readonly memoryKiB: number
  readonly passes: number
  readonly length: number
}

/** Lengths of keys, nonces and signatures are the caller's to check. */
export interface Primitives {
  sha256(message: Uint8Array): Uint8Array
  sha3_256(message: Uint8Array): Uint8Array
  hmacSha256(key: Uint8Array, message: Uint8Array): Uint8Array
  /** ChaCha20-Poly1305 (RFC 8439): ciphertext, then the 16-byte tag. */
  chachaSeal(input: AeadInput, plaintext: Uint8Array): Uint8Array
  /** `undefined` if the tag is wrong. */
  chachaOpen(input: AeadInput, sealed: Uint8Array): Uint8Array | undefined
  ed25519PublicKey(seed: Uint8Array): Uint8Array
  /** The object, not its bytes, is what an imported key is remembered under. */
  ed25519Sign(key: { readonly seed: Uint8Array }, message: Uint8Array): Uint8Array
  /**
   * The cofactorless equation alone, R compared as bytes. Only for what has passed the prechecks
   * in `ed25519.ts`: outside them the two sets may differ.
   */
  ed25519Equation(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean
  /** X25519 (RFC 7748) of a scalar and the base point. */
  x25519PublicKey(scalar: Uint8Array): Uint8Array
  /** X25519 (RFC 7748); `undefined` for an all-zero result. */
  x25519(scalar: Uint8Array, point: Uint8Array): Uint8Array | undefined
  argon2id(input: Argon2Input): Promise<Uint8Array>
  /**
   * ML-KEM-768 (FIPS 203) with randomness of the platform's own; absent where the platform has none. Throws
   * for what is no key.
   */
  mlKemEncapsulate?(publicKey: Uint8Array): {
    readonly cipherText: Uint8Array
    readonly sharedSecret: Uint8Array
  }
}
