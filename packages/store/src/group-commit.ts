/**
 * Group commit: while one flush is under way, what is submitted gathers for the next.
 *
 * A flush costs the disk the same for one write as for a thousand, so under load this turns
 * many small writes into few flushes, and adds no delay when there is no load. Order is kept,
 * one flush runs at a time, and a flush that fails is told to exactly those in it.
 *
 * @module
 */
import { GROUP_BYTES_MAX, QUEUE_BYTES_MAX, StoreError } from "./contract.ts"

interface Waiting<T> {
  readonly item: T
  readonly bytes: number
  readonly resolve: () => void
  readonly reject: (reason: unknown) => void
}

export class GroupCommit<T> {
  readonly #commit: (items: readonly T[]) => Promise<void>
  #waiting: Waiting<T>[] = []
  #waitingBytes = 0
  #running: Promise<void> | undefined

  /** @param commit - Makes all items durable, in order, or throws; never called twice at once. */
  constructor(commit: (items: readonly T[]) => Promise<void>) {
    this.#commit = commit
  }

  /**
   * @returns Settles with the flush that holds the item.
   * @throws {StoreError} `STORE_BUSY`, or whatever `commit` threw.
   */
  submit(item: T, bytes: number): Promise<void> {
    if (this.#waitingBytes + bytes > QUEUE_BYTES_MAX) {
      return Promise.reject(
        new StoreError("STORE_BUSY", `${this.#waitingBytes} bytes wait for the disk already`),
      )
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, bytes, resolve, reject })
      this.#waitingBytes += bytes
      this.#running ??= this.#run()
    })
  }

  /** Resolves when nothing waits and nothing is being flushed. */
  async drained(): Promise<void> {
    while (this.#running !== undefined) await this.#running
  }

  async #run(): Promise<void> {
    // Whoever submits in this same turn still gets into the first flush.
    await Promise.resolve()
    while (this.#waiting.length > 0) {
      const group = this.#takeGroup()
      try {
        await this.#commit(group.map((waiting) => waiting.item))
        for (const waiting of group) waiting.resolve()
      } catch (error) {
        for (const waiting of group) waiting.reject(error)
      }
    }
    this.#running = undefined
  }

  /** The longest run from the front that fits `GROUP_BYTES_MAX`, at least one. */
  #takeGroup(): Waiting<T>[] {
    let bytes = 0
    let count = 0
    for (const waiting of this.#waiting) {
      if (count > 0 && bytes + waiting.bytes > GROUP_BYTES_MAX) break
      bytes += waiting.bytes
      count++
    }
    this.#waitingBytes -= bytes
    return this.#waiting.splice(0, count)
  }
}
