/**
 * Writes to one file, some at a time, and flushed on the way: what the last flush waits for is little.
 *
 * @module
 */
import type { BlobFile } from "@fulcrum/store/blobs"

/** Written at once, as long as it is one run of bytes: each write costs a thread its turn. */
const WRITE_BYTES: number = 1024 * 1024
/** Under way at once. */
const WRITES_MAX = 4
/** From one flush to the next. */
const FLUSH_BYTES: number = 32 * 1024 * 1024

export class Writes {
  readonly #file: BlobFile
  readonly #underway = new Set<Promise<void>>()
  #failure: { readonly error: unknown } | undefined
  /** What is gathered: a run of bytes from `#offset` on. */
  #parts: Uint8Array[] = []
  #offset = 0
  #gathered = 0
  #unflushed = 0
  #flushing: Promise<void> | undefined

  constructor(file: BlobFile) {
    this.#file = file
  }

  /**
   * @param bytes - Not to be changed any more.
   * @returns When there is room for another.
   * @throws {StoreError} Of this write or one before.
   */
  async add(offset: number, bytes: Uint8Array): Promise<void> {
    if (offset !== this.#offset + this.#gathered) this.#write()
    if (this.#gathered === 0) this.#offset = offset
    this.#parts.push(bytes)
    this.#gathered += bytes.length
    if (this.#gathered >= WRITE_BYTES) this.#write()
    while (this.#underway.size >= WRITES_MAX) await Promise.race(this.#underway)
    if (this.#failure !== undefined) throw this.#failure.error
  }

  /** Resolves once none is under way. @throws {StoreError} Of the first that failed. */
  async ended(): Promise<void> {
    this.#write()
    await Promise.all(this.#underway)
    if (this.#failure !== undefined) throw this.#failure.error
  }

  #write(): void {
    if (this.#gathered === 0) return
    this.#start(this.#file.write(this.#offset, ...this.#parts))
    this.#unflushed += this.#gathered
    this.#offset += this.#gathered
    this.#gathered = 0
    this.#parts = []
    if (this.#unflushed < FLUSH_BYTES || this.#flushing !== undefined) return
    this.#unflushed = 0
    this.#flushing = this.#file.flush().finally(() => {
      this.#flushing = undefined
    })
    this.#start(this.#flushing)
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
