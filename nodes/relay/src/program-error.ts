/**
 * What ends the program with status 1, and how it is said: one line with what happened, a stable
 * code in capitals, and what to do.
 *
 * @module
 */

export type ProgramErrorCode =
  /** The data folder cannot be made or used. */
  | "HOME_UNUSABLE"
  /** It holds what is not a relay's. */
  | "HOME_FOREIGN"
  | "KEY_MALFORMED"
  /** Others on this machine may read the key file. */
  | "KEY_EXPOSED"
  /** There is a store, and not the key that it was made with. */
  | "KEY_MISSING"
  | "CONFIG_MALFORMED"
  | "HTTP_ADDRESS_IN_USE"
  | "HTTP_ADDRESS_INVALID"
  | "NOT_YET"

export class ProgramError extends Error {
  override readonly name = "ProgramError"
  readonly code: ProgramErrorCode
  readonly remedy: string

  constructor(code: ProgramErrorCode, message: string, remedy: string, options: ErrorOptions = {}) {
    super(message, options)
    this.code = code
    this.remedy = remedy
  }
}

export const REMEDIES: Readonly<Record<string, readonly [happened: string, remedy: string]>> = {
  STORE_LOCKED: [
    "another fulcrum-relay has this data folder open",
    "stop it, or choose another folder with --home",
  ],
  STORE_CORRUPT: [
    "the store is damaged",
    "restore the data folder from a backup, or move it away: clients fill a new relay again",
  ],
  STORE_FULL: ["the disk is full", "make room and start again"],
  STORE_DENIED: [
    "the data folder, or its disk, may not be written to",
    "make both writable for this program's user, or choose another folder with --home",
  ],
  STORE_IO: ["the disk failed", "check the disk"],
  VAULT_DAMAGED: [
    "the store has holes or foreign records",
    "restore the data folder from a backup, or move it away: clients fill a new relay again",
  ],
  VAULT_KEY_WRONG: [
    "the key file is not the one that the store was made with",
    "put the right relay.key back",
  ],
  NET_ADDRESS_IN_USE: [
    "another program listens at this address",
    "stop it, or choose another address with --listen",
  ],
  NET_ADDRESS_INVALID: [
    "not an address to listen at",
    "give a multiaddr such as /ip4/0.0.0.0/tcp/4001 with --listen",
  ],
}

/** The line to print for a failure, and nothing for a mistake of our own. */
export function describeFailure(error: unknown): string | undefined {
  if (error instanceof ProgramError) return line(error.code, error.message, error.remedy)
  if (!(error instanceof Error) || !("code" in error) || typeof error.code !== "string") {
    return undefined
  }
  const known = REMEDIES[error.code]
  return known && line(error.code, ...known)
}

function line(code: string, happened: string, remedy: string): string {
  return `fulcrum-relay: ${code} ${happened}; ${remedy}`
}
