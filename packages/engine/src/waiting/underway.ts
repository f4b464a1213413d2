/**
 * What is going on in something that will be closed: it is told to stop, and waited for.
 *
 * @module
 */

export class Underway {
  readonly #stop = new AbortController()
  readonly #work = new Set<Promise<unknown>>()

  /** Fires when all of it is to end. */
  get signal(): AbortSignal {
    return this.#stop.signal
  }

  /** @param work - Ends soon after the signal fires. */
  run<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const running = work(this.signal)
    const ended = running.then(
      () => undefined,
      () => undefined,
    )
    this.#work.add(ended)
    void ended.then(() => this.#work.delete(ended))
    return running
  }

  stop(): void {
    this.#stop.abort(new Error("closing"))
  }

  /** Resolves once nothing is going on. */
  async ended(): Promise<void> {
    await Promise.all(this.#work)
  }
}
