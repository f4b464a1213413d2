/**
 * Work on pieces of a file that goes on for several at once, and is taken up in their order.
 *
 * @module
 */

/** Of the pieces, several are worked on while the next ones come. */
const AHEAD_MAX = 4

export class InOrder<T> {
  readonly #take: (done: T) => Promise<void>
  readonly #ahead: Promise<T>[] = []

  /** @param take - Gets what came of each piece, one after another. */
  constructor(take: (done: T) => Promise<void>) {
    this.#take = take
  }

  /** @throws What this work or some before it throws, or taking it up. */
  async add(work: Promise<T>): Promise<void> {
    // It is waited for in its turn, unless one before it fails.
    work.catch(() => undefined)
    this.#ahead.push(work)
    if (this.#ahead.length >= AHEAD_MAX) await this.#next()
  }

  /** Resolves once all of it was taken up. @throws As {@link add}. */
  async ended(): Promise<void> {
    while (this.#ahead.length > 0) await this.#next()
  }

  async #next(): Promise<void> {
    const next = this.#ahead.shift()
    if (next !== undefined) await this.#take(await next)
  }
}
