/**
 * What can go wrong between a relay and whoever uses it.
 *
 * A relay's refusals travel as their code alone; the last group is raised by the client itself.
 *
 * @module
 */

/** Codes that a relay answers with. Anything else from a relay is `RELAY_PROTOCOL`. */
export const RELAY_REFUSALS = [
  /** The relay as a whole, or its share for strangers, has no room. */
  "RELAY_FULL",
  /** This mailbox, or the front door's owner, has used up its room. */
  "RELAY_QUOTA",
  /** No right to do this: wrong key, wrong right, wrong kind of mailbox. */
  "RELAY_FORBIDDEN",
  /** The capability's end date is past; a renewed one will do. */
  "RELAY_CAPABILITY_EXPIRED",
  /** Not held here: never made, or this relay lost its disk. Make it again and refill it. */
  "RELAY_UNKNOWN_MAILBOX",
  /** Its maker removed this mailbox. */
  "RELAY_GONE",
  /** The token was already used for something else. */
  "RELAY_TOKEN_SPENT",
  "RELAY_TOKEN_UNKNOWN",
  /** The front door takes no message without a token or more proof of work. */
  "RELAY_WORK",
  /** Too much at once on this connection; try again later. */
  "RELAY_RATE",
  /** Bytes that are not what the protocol says. */
  "RELAY_MALFORMED",
  "RELAY_TOO_LARGE",
  /** The relay's disk failed; nothing was acknowledged. */
  "RELAY_STORE",
  /** Nobody waits at this nameplate, or the other side has gone. */
  "RELAY_PEER_ABSENT",
  "RELAY_MEET_EXPIRED",
  /** Somebody has already come to this nameplate. */
  "RELAY_MEET_USED",
] as const

export type RelayRefusal = (typeof RELAY_REFUSALS)[number]

export type RelayErrorCode =
  | RelayRefusal
  /** The other end is no relay, or broke the protocol. */
  | "RELAY_PROTOCOL"
  /** The relay speaks only versions that this program does not. */
  | "RELAY_VERSION"
  | "RELAY_TIMEOUT"
  /** The connection ended; ask again on a new one. */
  | "RELAY_CLOSED"
  /** More requests are waiting here than `CLIENT_WAITING_MAX`. */
  | "RELAY_BUSY"
  /** The relay signed two statements that cannot both be true: see `proofs`. */
  | "RELAY_EQUIVOCATION"
  /** A stored record of this relay cannot be read as its format says. */
  | "RELAY_DAMAGED"

export class RelayError extends Error {
  override readonly name = "RelayError"
  readonly code: RelayErrorCode
  /** When trying again may help, in seconds from now. */
  readonly retryAfterSeconds: number | undefined
  /** `RELAY_EQUIVOCATION`: the two signed receipts that contradict each other. */
  readonly proofs: readonly Uint8Array[]

  constructor(
    code: RelayErrorCode,
    message: string,
    options: ErrorOptions & {
      readonly retryAfterSeconds?: number | undefined
      readonly proofs?: readonly Uint8Array[]
    } = {},
  ) {
    super(message, options)
    this.code = code
    this.retryAfterSeconds = options.retryAfterSeconds
    this.proofs = options.proofs ?? []
  }
}

const refusals: ReadonlySet<string> = new Set(RELAY_REFUSALS)

export function isRelayRefusal(code: string): code is RelayRefusal {
  return refusals.has(code)
}
