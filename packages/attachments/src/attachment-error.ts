/** @module */

export type AttachmentErrorCode =
  /** What lies here under an attachment's name is not it, or not all of it. */
  | "ATTACHMENT_DAMAGED"
  /** What another device sent as a part of it is not that. */
  | "ATTACHMENT_FORGED"
  /** The file that was attached became longer or shorter while it was read. */
  | "ATTACHMENT_CHANGED"
  | "ATTACHMENT_TOO_LARGE"

/** The message holds no name and no content. */
export class AttachmentError extends Error {
  override readonly name = "AttachmentError"
  readonly code: AttachmentErrorCode

  constructor(code: AttachmentErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
