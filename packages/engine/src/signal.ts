/**
 * Something to wait for that happens again and again; what happens while nobody waits is not lost
 * to whoever armed before.
 *
 * @module
 */

export class Signal {
  #waiters: (() => void)[] = []

  notify(): void {
    const waiters = this.#waiters
    this.#waiters = []
    for (const wake of waiters) wake()
  }

  /** Resolves at the next {@link Signal.notify} after this call. */
  arm(): Promise<void> {
    return new Promise((resolve) => this.#waiters.push(resolve))
  }

  /** The same, or when `signal` aborts. */
  wait(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve()
    return new Promise((resolve) => {
      const done = () => {
        signal.removeEventListener("abort", done)
        resolve()
      }
      signal.addEventListener("abort", done)
      this.#waiters.push(done)
    })
  }
}
