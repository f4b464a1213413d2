/**
 * A few at a time, in the order asked: whoever asks again goes to the end of the line.
 *
 * @module
 */

export class Turns {
  readonly #waiting: (() => void)[] = []
  #free: number

  /** @param width - How many may be at it. */
  constructor(width: number) {
    this.#free = width
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--
    else await new Promise<void>((resolve) => this.#waiting.push(resolve))
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#free++
      else next()
    }
  }
}
