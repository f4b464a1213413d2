/**
 * What can go wrong when opening something sealed. The message never carries a
 * key, a plaintext or an id.
 *
 * @module
 */

export type SealErrorCode =
  /** Shorter than the least that could have been sealed. */
  | "SEAL_TRUNCATED"
  /** The key is not the one that it was sealed with (or salt, context or header are not). */
  | "SEAL_COMMITMENT"
  /** Changed since, sealed with another key, or with other associated data. */
  | "SEAL_TAG"
  /** A public key, or what was sent along in its place, that must not be used. */
  | "SEAL_KEY"

/** Something sealed that does not open. */
export class SealError extends Error {
  override readonly name = "SealError"
  readonly code: SealErrorCode

  constructor(code: SealErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
