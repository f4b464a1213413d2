/**
 * Which refusal a failure below becomes. What is none of these is a mistake in our own code.
 *
 * @module
 */
import { LogError, type LogErrorCode } from "@fulcrum/log/log-error"
import { StoreError } from "@fulcrum/store"
import { VaultError } from "@fulcrum/store/vault-error"
import { RelayError, type RelayRefusal } from "./relay-error.ts"

const BY_LOG_CODE: Partial<Record<LogErrorCode, RelayRefusal>> = {
  CAPABILITY_EXPIRED: "RELAY_CAPABILITY_EXPIRED",
  CAPABILITY_INVALID: "RELAY_FORBIDDEN",
  LOG_SIGNATURE: "RELAY_FORBIDDEN",
  LOG_TOO_LARGE: "RELAY_TOO_LARGE",
}

export function asRelayError(cause: unknown): RelayError | undefined {
  if (cause instanceof RelayError) return cause
  if (cause instanceof LogError) {
    const code = BY_LOG_CODE[cause.code] ?? "RELAY_MALFORMED"
    return new RelayError(code, "a span or capability that does not hold", { cause })
  }
  if (cause instanceof StoreError && cause.code === "STORE_FULL") {
    return new RelayError("RELAY_FULL", "the relay's disk is full", { cause })
  }
  if (cause instanceof StoreError || cause instanceof VaultError) {
    return new RelayError("RELAY_STORE", "the relay's disk failed", { cause })
  }
  return undefined
}
