/**
 * One task at a time, in the order in which they were asked for.
 *
 * @module
 */
export class Mutex {
  #last: Promise<unknown> = Promise.resolve()

  run<T>(task: () => Promise<T>): Promise<T> {
    const mine = this.#last.then(task)
    // Whoever comes next waits for this task, but is not told how it went.
    this.#last = mine.then(
      () => undefined,
      () => undefined,
    )
    return mine
  }
}
