/**
 * The one error of this package. `code` is stable; messages may change and never carry a key, a
 * word that was typed, or a name.
 *
 * @module
 */

/** How a pairing ends otherwise than well. */
export type PairingFailure =
  /** What was typed is no number and three words. */
  | "PAIR_CODE_MALFORMED"
  /** A word is not on the list; the error's `position` and `nearest` say which and what is. */
  | "PAIR_WORD_UNKNOWN"
  /** Another code was typed, or somebody in between interferes: nobody can tell the two apart. */
  | "PAIR_CODE_WRONG"
  /** The code was claimed before, or its device was restarted: ask there for a new one. */
  | "PAIR_CODE_USED"
  /** Nobody claimed the code within its two minutes: ask for a new one. */
  | "PAIR_CODE_EXPIRED"
  /** The other device does not answer. */
  | "PAIR_PEER_ABSENT"
  /** The two programs have no version of pairing in common: update the older one. */
  | "PAIR_VERSION"
  /** The relay has no room for a meeting: try again later or use another relay. */
  | "PAIR_RELAY_FULL"
  /** The person said no on the existing device. */
  | "PAIR_REFUSED"

export type AccessErrorCode =
  | PairingFailure
  /** What was typed is not 24 words. */
  | "RECOVERY_WORDS_COUNT"
  /** A word is not on the list; the error's `position` and `nearest` say which and what is. */
  | "RECOVERY_WORD_UNKNOWN"
  /** All words are on the list, but not together: one is wrong, or two changed places. */
  | "RECOVERY_CHECKSUM"
  /** A device's or recovery key's certificate is not signed by the key it names. */
  | "ACCESS_CERTIFICATE_INVALID"
  /** Bytes that are not of the format they should be. */
  | "ACCESS_MALFORMED"
  /** A key span does not follow the epochs that its header names. */
  | "ACCESS_FOLLOWS_MISMATCH"
  /** A key span's wraps are not those of its members. */
  | "ACCESS_WRAPS_WRONG"
  /** Stored state that this version cannot read. */
  | "ACCESS_STATE_UNREADABLE"

export interface AccessErrorOptions extends ErrorOptions {
  /** Which word, counted from one. */
  readonly position?: number
  /** The word on the list that is nearest to what was typed. A secret: for its owner's screen. */
  readonly nearest?: string
}

/** What was typed, received or stored is not what it should be. */
export class AccessError extends Error {
  override readonly name = "AccessError"
  readonly code: AccessErrorCode
  readonly position: number | undefined
  readonly nearest: string | undefined

  constructor(code: AccessErrorCode, message: string, options: AccessErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.position = options.position
    this.nearest = options.nearest
  }
}
