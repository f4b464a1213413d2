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
  /** Not a request, or one that breaks its bounds; `pointer` says where. */
  | "REQUEST_MALFORMED"
  /** Of a version that this program does not know. */
  | "REQUEST_VERSION"
  /** Not signed by the key that the invitation names. */
  | "REQUEST_UNSIGNED"
  /** Signed, but another request than the one that the invitation names. */
  | "CONNECT_REQUEST_MISMATCH"
  /** Not an agreement, or one that breaks its bounds; `pointer` says where. */
  | "AGREEMENT_MALFORMED"
  | "AGREEMENT_UNSIGNED"
  /** The agreement says something that the request does not allow. */
  | "AGREEMENT_MISMATCH"
  /** No such agreement among the thirteen. */
  | "AGREEMENT_UNKNOWN"
  | "CONNECT_MALFORMED"
  | "CONNECT_UNSIGNED"
  /** Not a path, or a part that nobody knows. */
  | "DISCLOSURE_INVALID"
  /** The vendor did not ask for it. */
  | "DISCLOSURE_NOT_REQUESTED"
  | "MOVE_INVALID"
  /** Planned, and not there yet. */
  | "NOT_YET"

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
