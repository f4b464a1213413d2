/**
 * Something to wait for that happens again and again; what happens while nobody waits is not lost
 * to whoever armed before.
 *
 * @module
 */

export class Signal {
  #waiters = new Set<() => void>()

  /** How many wait for it. */
  get waiting(): number {
    return this.#waiters.size
  }

  notify(): void {
    const waiters = this.#waiters
    this.#waiters = new Set()
    for (const wake of waiters) wake()
  }

  /** Resolves at the next {@link Signal.notify} after this call. */
  arm(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiters.add(resolve)
    })
  }

  /** The same, or when `signal` aborts; then nothing of it is left here. */
  wait(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve()
    return new Promise((resolve) => {
      const done = () => {
        this.#waiters.delete(done)
        signal.removeEventListener("abort", done)
        resolve()
      }
      signal.addEventListener("abort", done)
      this.#waiters.add(done)
    })
  }
}
