/**
 * What goes wrong with documents, paths and cards, by stable code.
 *
 * Messages never hold a value of the record (they may name a path that the person typed).
 *
 * @module
 */

export type RecordErrorCode =
  /** The worker died, stalled or outgrew its bounds in this call, and was started again. */
  | "RECORD_WORKER"
  /** More calls waiting than `CALLS_WAITING_MAX`. */
  | "RECORD_BUSY"
  /** Closed. */
  | "RECORD_CLOSED"
  /** A foreign change (or saved form) that is no change of this format, or cannot be kept. */
  | "RECORD_CHANGE_REFUSED"
  /** A foreign change above a named limit. */
  | "RECORD_CHANGE_LIMIT"
  /** A foreign change whose predecessors are not here. */
  | "RECORD_CHANGE_MISSING"
  /** An edit whose path or value cannot be stored. */
  | "RECORD_EDIT_REFUSED"
  /** Not a document of a record. */
  | "DOCUMENT_UNKNOWN"
  | "PATH_MALFORMED"
  | "PATH_UNKNOWN"
  | "VALUE_INVALID"
  | "UNDO_CHANGED"
  | "VCARD_INVALID"
  | "VCARD_TOO_LARGE"

export class RecordError extends Error {
  override readonly name = "RecordError"
  readonly code: RecordErrorCode
  /** The path concerned, as the person would type it; for `PATH_UNKNOWN` the nearest known one. */
  readonly path: string | undefined

  constructor(
    code: RecordErrorCode,
    message: string,
    options?: ErrorOptions & { readonly path?: string },
  ) {
    super(message, options)
    this.code = code
    this.path = options?.path
  }
}
