/**
 * What is wrong with something that the other side sent, or that a person asked for, by code.
 *
 * @module
 */

export type RelationsErrorCode =
  /** Not an invitation of ours, or cut short. */
  | "INVITATION_MALFORMED"
  /** Of a version that this program does not know. */
  | "INVITATION_VERSION"
  | "REQUEST_MALFORMED"
  /** Not signed by the key that the invitation names, or not the one that it names. */
  | "REQUEST_UNSIGNED"
  | "AGREEMENT_MALFORMED"
  | "AGREEMENT_UNSIGNED"
  /** The agreement says something that the request does not allow. */
  | "AGREEMENT_MISMATCH"
  | "CONNECT_MALFORMED"
  | "CONNECT_UNSIGNED"
  | "CERTIFICATE_INVALID"
  | "DISCLOSURE_INVALID"
  | "MOVE_INVALID"

export class RelationsError extends Error {
  override readonly name = "RelationsError"
  readonly code: RelationsErrorCode
  /** JSON pointer of the fault, where there is one. */
  readonly pointer: string | undefined

  constructor(
    code: RelationsErrorCode,
    message: string,
    options?: ErrorOptions & { readonly pointer?: string },
  ) {
    super(message, options)
    this.code = code
    this.pointer = options?.pointer
  }
}
