/**
 * What goes wrong with a vendor's books, with codes that stay.
 *
 * @module
 */

export type VendorErrorCode =
  /** The folder holds no vendor yet. */
  | "VENDOR_ABSENT"
  /** The folder holds a vendor already. */
  | "VENDOR_EXISTS"
  /** A stored item cannot be read back; the folder is damaged. */
  | "VENDOR_DAMAGED"
  /** There is no request yet. */
  | "REQUEST_ABSENT"
  | "REQUEST_INVALID"
  /** The request names terms that were not accepted. */
  | "TERMS_NOT_ACCEPTED"
  /** The last agreement that a published request names cannot be dropped. */
  | "TERMS_NEEDED"
  /** No relay is known to keep the front door. */
  | "RELAY_ABSENT"
  | "RELAY_ADDRESS_INVALID"
  /** As many invitations as a front door takes are out. */
  | "INVITATION_LIMIT"
  | "CUSTOMER_UNKNOWN"
  | "CUSTOMER_AMBIGUOUS"
  /** A customer has sent more than one customer may. */
  | "CUSTOMER_QUOTA"
  /** Neither https nor this machine itself. */
  | "HOOK_URL_INVALID"
  | "HOOK_LIMIT"
  | "HOOK_UNKNOWN"
  /** It answered 410; adding it again enables it. */
  | "HOOK_DISABLED"
  /** No answer in time; the event is tried again. */
  | "HOOK_TIMEOUT"
  | "EVENT_UNKNOWN"
  /** Built later; listed in the README. */
  | "NOT_YET"

/** A failure that a caller branches on by its `code`; the message may change. */
export class VendorError extends Error {
  override readonly name = "VendorError"
  readonly code: VendorErrorCode

  constructor(code: VendorErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
