/**
 * Writes to one file, some at a time, and flushed on the way: what the last flush waits for is little.
 *
 * @module
 */
import type { BlobFile } from "@fulcrum/store/blobs"

/** Under way at once. */
const WRITES_MAX = 8
/** From one flush to the next. */
const FLUSH_BYTES: number = 32 * 1024 * 1024

export class Writes {
  readonly #file: BlobFile
  readonly #underway = new Set<Promise<void>>()
  #failure: { readonly error: unknown } | undefined
  #unflushed = 0
  #flushing: Promise<void> | undefined

  constructor(file: BlobFile) {
    this.#file = file
  }

  /**
   * @returns When there is room for another.
   * @throws {StoreError} Of this write or one before.
   */
  async add(offset: number, bytes: Uint8Array): Promise<void> {
    this.#start(this.#file.write(offset, bytes))
    this.#unflushed += bytes.length
    if (this.#unflushed >= FLUSH_BYTES && this.#flushing === undefined) {
      this.#unflushed = 0
      this.#flushing = this.#file.flush().finally(() => {
        this.#flushing = undefined
      })
      this.#start(this.#flushing)
    }
    while (this.#underway.size >= WRITES_MAX) await Promise.race(this.#underway)
    if (this.#failure !== undefined) throw this.#failure.error
  }

  /** Resolves once none is under way. @throws {StoreError} Of the first that failed. */
  async ended(): Promise<void> {
    await Promise.all(this.#underway)
    if (this.#failure !== undefined) throw this.#failure.error
  }

  #start(write: Promise<void>): void {
    const ended: Promise<void> = write.then(
      () => {
        this.#underway.delete(ended)
      },
      (error: unknown) => {
        this.#failure ??= { error }
        this.#underway.delete(ended)
      },
    )
    this.#underway.add(ended)
  }
}
