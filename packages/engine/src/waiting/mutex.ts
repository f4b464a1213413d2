/**
 * One at a time, in the order asked.
 *
 * @module
 */

export class Mutex {
  #last: Promise<unknown> = Promise.resolve()

  /** Runs `work` once all that was asked before has ended, however that ended. */
  run<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work, work)
    this.#last = result.catch(() => undefined)
    return result
  }
}
