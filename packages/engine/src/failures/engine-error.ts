/**
 * What goes wrong in an open record or a vendor's books, with codes that stay.
 *
 * @module
 */

export type EngineErrorCode =
  /** The folder holds no record yet. */
  | "RECORD_ABSENT"
  /** The folder holds a record already. */
  | "RECORD_EXISTS"
  /** This device has joined and has not seen the record yet. */
  | "RECORD_AWAITED"
  /** Another device asked for newer cryptography than this program has: it writes no more. */
  | "RECORD_SUITE"
  /** The history of what this device shows is still coming. */
  | "RECORD_BEHIND"
  /** Nothing to undo. */
  | "UNDO_NOTHING"
  /** What would be undone was changed since. */
  | "UNDO_CHANGED"
  /** Several relationships, or none, go by that name. */
  | "VENDOR_UNKNOWN"
  | "VENDOR_AMBIGUOUS"
  /** No device goes by that name, or several do. */
  | "DEVICE_UNKNOWN"
  | "DEVICE_AMBIGUOUS"
  | "DEVICE_IS_THIS"
  /** Another device goes by that name; nothing can go by it. */
  | "DEVICE_NAME_TAKEN"
  | "PAIR_WORDS_DIFFER"
  | "DEVICE_NAME_INVALID"
  /** The record has as many devices as one may have. */
  | "DEVICES_FULL"
  /** This device was removed from the record. */
  | "DEVICE_REMOVED"
  /** Nothing that was set aside goes by that id, or several do; or it holds no field. */
  | "ASIDE_UNKNOWN"
  | "ASIDE_AMBIGUOUS"
  | "ASIDE_NO_FIELDS"
  /** Neither the vendor nor a relay of the invitation answered. */
  | "CONNECT_UNREACHABLE"
  /** The relay has let somebody else in with this invitation, which was for one person. */
  | "CONNECT_INVITATION_USED"
  /** A field that the vendor requires was not disclosed. */
  | "CONNECT_FIELD_REQUIRED"
  /** The record has no value there. */
  | "CONNECT_FIELD_EMPTY"
  /** A company that follows this field cannot be told so much. */
  | "VALUE_TOO_LARGE"
  /** The record says so already: nothing to tell. */
  | "MOVE_UNCHANGED"
  /** Several moves, or none, go by that id. */
  | "MOVE_UNKNOWN"
  /** No attachment goes by that id, name or path; several do; this program keeps none. */
  | "ATTACHMENT_UNKNOWN"
  | "ATTACHMENT_AMBIGUOUS"
  | "ATTACHMENT_NOWHERE"
  /** It is not here, and no device that has it can be reached. */
  | "ATTACHMENT_AWAY"
  /** Nothing can be attached at that path. */
  | "ATTACHMENT_PLACE"
  | "RELAY_ADDRESS_INVALID"
  | "RELAY_UNKNOWN"
  /** The keys by which a device belongs are among what is damaged. */
  | "REPAIR_KEYS_LOST"
  /** Nothing of the record can be read, and nobody else is known to have it. */
  | "REPAIR_RECORD_LOST"
  /** No relay that was asked has anything for these recovery words. */
  | "RECOVERY_NOT_FOUND"
  /** None of them could be reached. */
  | "RECOVERY_UNREACHABLE"
  /** What the relays hold of the record is too little to go on from. */
  | "RECOVERY_INCOMPLETE"
  /** No relay took the entry that adds this device. */
  | "RECOVERY_NOT_STORED"
  /** The words are not those of this record, or were replaced. */
  | "RECOVERY_WORDS_OTHER"
  /** A backup was made for other recovery words; it is none, or not as it was written. */
  | "BACKUP_WORDS_OTHER"
  | "BACKUP_DAMAGED"
  /** The company knows of one key of hers: there is nothing to decide. */
  | "RELATIONSHIP_NOT_FROZEN"
  /** Built later; listed in the README. */
  | "NOT_YET"

/** A failure that a caller branches on by its `code`; the message may change. */
export class EngineError extends Error {
  override readonly name = "EngineError"
  readonly code: EngineErrorCode

  constructor(code: EngineErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** `RECORD_BEHIND`, of one document. */
export class RecordBehindError extends EngineError {
  readonly document: string

  constructor(document: string) {
    super("RECORD_BEHIND", "the history of what is shown here is still coming")
    this.document = document
  }
}

/** For an invitation made for one person that somebody else has followed. */
export function invitationUsed(): EngineError {
  return new EngineError("CONNECT_INVITATION_USED", "this invitation was used already")
}

/** For what DESIGN describes and the README lists as not built. */
export function notYet(what: string): EngineError {
  return new EngineError("NOT_YET", `${what} is not built yet`)
}

export function recordOutdated(): EngineError {
  return new EngineError("RECORD_SUITE", "the record asks for newer cryptography than this has")
}
