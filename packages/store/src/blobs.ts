/**
 * The contract for what is too large for a store: files of bytes, each under a name, beside it.
 *
 * What every adapter promises, and `blob-suite.ts` tests:
 *
 * - What was written is durable once `flush` resolves; a name that was given, changed or taken away
 *   is durable when that resolves.
 * - After a crash what was not flushed may be there, in part, or not: whoever reads it checks it.
 * - Where nothing was written before something that was, zeros are read.
 *
 * What lies there is sealed by whoever writes it: a name and a size are all that is to be seen.
 *
 * @module
 */

/** A name is 1 to 96 small letters, digits and hyphens. */
export const BLOB_NAME: RegExp = /^[a-z0-9-]{1,96}$/

export interface BlobFile extends AsyncDisposable {
  /** Bytes up to the end of what was written. */
  size(): Promise<number>
  /**
   * @returns As many bytes as there are from there on, at most `length`; the caller's.
   * @throws {StoreError} `STORE_IO`, like every method.
   */
  read(offset: number, length: number): Promise<Uint8Array>
  /** @returns How many bytes of `into` it filled: fewer than it has only where the file ends. */
  readInto(offset: number, into: Uint8Array): Promise<number>
  /**
   * @param parts - One after another.
   * @throws {StoreError} also `STORE_FULL`: part of it may have landed.
   */
  write(offset: number, ...parts: readonly Uint8Array[]): Promise<void>
  /** Resolves once all that was written before the call is on the disk. */
  flush(): Promise<void>
  /** Several times does no harm. */
  close(): Promise<void>
}

export interface Blobs {
  /** Of all that there is, in no order. */
  names(): Promise<readonly string[]>
  /** @returns `undefined` if there is none. */
  open(name: string): Promise<BlobFile | undefined>
  /** Opens one, empty if there was none. */
  make(name: string): Promise<BlobFile>
  /** Whatever had the other name is gone. @throws {StoreError} `STORE_IO`: there is none. */
  rename(from: string, to: string): Promise<void>
  /** Also if there is none. One that is open goes on until it is closed. */
  remove(name: string): Promise<void>
}

/** @throws {RangeError} */
export function checkBlobName(name: string): void {
  if (!BLOB_NAME.test(name)) throw new RangeError("a name of small letters, digits and hyphens")
}
