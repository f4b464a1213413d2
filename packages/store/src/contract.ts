/**
 * The storage contract: an ordered map from bytes to bytes that keeps what it acknowledged.
 *
 * What every adapter promises, and `suite.ts` tests:
 *
 * - A `write` is atomic, and durable (flushed to disk) when it resolves, never before.
 * - Writes land in the order in which they were called. Those that wait are gathered and
 *   flushed together; if that flush fails, exactly its writers are told.
 * - A write that was refused may still be found after the store was opened again, whole or not
 *   at all: a disk that fails a flush does not say how far it got. Until it is opened again, or
 *   written again, it is not seen.
 * - Keys compare as unsigned bytes, a prefix first.
 * - A store reads what was acknowledged; of what is written meanwhile a list may show some.
 * - Bytes handed in must not change until the promise settles; bytes handed out are the caller's.
 *
 * @module
 */

/** Longest key, in bytes; the shortest has one. Index blocks hold keys, so they stay short. */
export const KEY_BYTES_MAX = 1024

/** Largest value, in bytes: several times the largest span. */
export const VALUE_BYTES_MAX: number = 32 * 1024 * 1024

/** Most bytes (keys and values) in one atomic write: it is held in memory three times over. */
export const WRITE_BYTES_MAX: number = 64 * 1024 * 1024

/** Most bytes gathered into one flush, unless a single write has more: bounds its latency. */
export const GROUP_BYTES_MAX: number = 4 * 1024 * 1024

/** Most bytes waiting for the disk. Past it a write is refused at once with `STORE_BUSY`. */
export const QUEUE_BYTES_MAX: number = 256 * 1024 * 1024

export type WriteOp =
  | { readonly type: "put"; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly type: "del"; readonly key: Uint8Array }

/** Keys from `gte` on, before `lt`, in ascending order unless `reverse`; at most `limit`. */
export interface ListRange {
  readonly gte: Uint8Array
  readonly lt: Uint8Array
  readonly reverse?: boolean | undefined
  readonly limit?: number | undefined
}

export interface Store extends AsyncDisposable {
  /** @throws {StoreError} `STORE_CLOSED`, `STORE_IO`, `STORE_CORRUPT`, like every method. */
  get(key: Uint8Array): Promise<Uint8Array | undefined>

  /** One answer for each key, in the order asked. */
  getMany(keys: readonly Uint8Array[]): Promise<readonly (Uint8Array | undefined)[]>

  list(range: ListRange): AsyncIterable<readonly [key: Uint8Array, value: Uint8Array]>

  /**
   * All of `ops` or none; of two on one key the later counts.
   *
   * @throws {StoreError} besides those of `get`: `STORE_FULL` (the disk; reading goes on, and
   * writing by itself once there is room), `STORE_BUSY` (`QUEUE_BYTES_MAX` wait already).
   * @throws {RangeError} a key, a value or the whole is larger than the limits above.
   */
  write(ops: readonly WriteOp[]): Promise<void>

  /** Finishes the writes that were called, then lets go of the disk. Further calls do nothing. */
  close(): Promise<void>
}

export type StoreErrorCode =
  | "STORE_LOCKED"
  | "STORE_CORRUPT"
  | "STORE_FULL"
  | "STORE_DENIED"
  | "STORE_BUSY"
  | "STORE_IO"
  | "STORE_CLOSED"

/** A failure of the disk or of who uses it. The message holds no key and no value. */
export class StoreError extends Error {
  override readonly name = "StoreError"
  readonly code: StoreErrorCode

  constructor(code: StoreErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/**
 * Checks a write's sizes.
 *
 * @returns Its bytes, keys and values together.
 * @throws {RangeError} past `KEY_BYTES_MAX`, `VALUE_BYTES_MAX` or `WRITE_BYTES_MAX`, or no key.
 */
export function writeBytes(ops: readonly WriteOp[]): number {
  let bytes = 0
  for (const op of ops) {
    checkKey(op.key)
    bytes += op.key.length
    if (op.type === "del") continue
    if (op.value.length > VALUE_BYTES_MAX) {
      throw new RangeError(`a value has ${op.value.length} bytes, at most ${VALUE_BYTES_MAX}`)
    }
    bytes += op.value.length
  }
  if (bytes > WRITE_BYTES_MAX) {
    throw new RangeError(`a write has ${bytes} bytes, at most ${WRITE_BYTES_MAX}`)
  }
  return bytes
}

/** @throws {RangeError} */
export function checkKey(key: Uint8Array): void {
  if (key.length === 0 || key.length > KEY_BYTES_MAX) {
    throw new RangeError(`a key has ${key.length} bytes, 1 to ${KEY_BYTES_MAX} are allowed`)
  }
}
