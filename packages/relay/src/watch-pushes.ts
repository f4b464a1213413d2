/**
 * What a connection that watches mailboxes is told: many appends between two pushes make one push, for
 * it says how far, not what.
 *
 * @module
 */
export class WatchPushes {
  readonly #push: (handle: number) => Promise<void>
  readonly #dirty = new Set<number>()
  #isPushing = false

  constructor(push: (handle: number) => Promise<void>) {
    this.#push = push
  }

  /** There is something new in the mailbox that is open by this handle. */
  mark(handle: number): void {
    this.#dirty.add(handle)
    if (this.#isPushing) return
    this.#isPushing = true
    void this.#pushAll()
  }

  async #pushAll(): Promise<void> {
    try {
      for (const handle of this.#dirty) {
        this.#dirty.delete(handle)
        await this.#push(handle)
      }
    } catch {
      // The channel is gone, which its loop notices by itself.
    } finally {
      this.#isPushing = false
    }
  }
}
