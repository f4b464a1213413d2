/**
 * What a refusal says of whoever earned it.
 *
 * @module
 */
import { RelayError, type RelayRefusal } from "./relay-error.ts"

/** Refusals that an honest client earns a few of at most. */
export const SUSPECT: ReadonlySet<RelayRefusal> = new Set<RelayRefusal>([
  "RELAY_FORBIDDEN",
  "RELAY_MALFORMED",
  "RELAY_TOKEN_UNKNOWN",
  "RELAY_TOKEN_SPENT",
  "RELAY_WORK",
  "RELAY_TOO_LARGE",
])

/** When to try again, in seconds. */
export const RETRY_SECONDS: Partial<Record<RelayRefusal, number>> = {
  RELAY_FULL: 300,
  RELAY_QUOTA: 300,
  RELAY_RATE: 60,
  RELAY_STORE: 10,
}

export function malformed(detail: string): RelayError {
  return new RelayError("RELAY_MALFORMED", detail)
}

export function tooOften(what: string): RelayError {
  return new RelayError("RELAY_RATE", `too many ${what} on one connection`)
}
