/**
 * The one error of this package. Messages carry no value, key or name.
 *
 * @module
 */
import type { Sliced } from "./slices.ts"

export type LogErrorCode =
  /** Not the bytes of a span, an entry, a capability or a binding. */
  | "LOG_MALFORMED"
  /** Of a format version or suite that this program does not know; keep it, do not drop it. */
  | "LOG_VERSION"
  | "LOG_TOO_LARGE"
  /** The signature does not verify. */
  | "LOG_SIGNATURE"
  /** Commitment or authentication tag do not match: another key, or changed bytes. */
  | "LOG_SEAL"
  /** The entries do not give the chain hash that the header or a neighbour names. */
  | "LOG_CHAIN"
  /** For another space. */
  | "LOG_SPACE"
  /** By a writer that this incarnation does not have, or that may not write here. */
  | "LOG_WRITER"
  /** More incarnations or leaves than a space may have. */
  | "LOG_TOO_MANY"
  /** As much is waiting already as may wait; it must be sent again later. */
  | "LOG_WAITING_FULL"
  /** There is no epoch to write under yet. */
  | "LOG_NO_EPOCH"
  /** A capability or its proof does not hold. */
  | "CAPABILITY_INVALID"
  | "CAPABILITY_EXPIRED"

export class LogError extends Error {
  override readonly name = "LogError"
  readonly code: LogErrorCode

  constructor(code: LogErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** As {@link readAs}, in slices. */
export function* readingAs<T>(
  code: LogErrorCode,
  message: string,
  read: () => Sliced<T>,
): Sliced<T> {
  try {
    return yield* read()
  } catch (cause) {
    throw asLogError(code, message, cause)
  }
}

/** Runs `read`; what it throws for foreign bytes becomes a `LogError` with `code`. */
export function readAs<T>(code: LogErrorCode, message: string, read: () => T): T {
  try {
    return read()
  } catch (cause) {
    throw asLogError(code, message, cause)
  }
}

function asLogError(code: LogErrorCode, message: string, cause: unknown): unknown {
  if (cause instanceof LogError || !(cause instanceof Error && "code" in cause)) return cause
  return new LogError(code, message, { cause })
}
