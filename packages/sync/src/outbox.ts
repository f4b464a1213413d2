/**
 * Gathers what a session says in one step into as few messages as it fits.
 *
 * @module
 */
import { encodeMessage, MESSAGE_ITEMS_MAX, type SyncItem } from "./messages.ts"

/** Rows gathered in one message: `have` with many rows is large. */
const GATHERED_ROWS_MAX = 1024

export class Outbox {
  readonly #send: (message: Uint8Array) => void
  #items: SyncItem[] = []
  #rows = 0

  constructor(send: (message: Uint8Array) => void) {
    this.#send = send
  }

  /** @param rows - Of vectors in it. */
  say(item: SyncItem, rows = 0): void {
    if (this.#items.length >= MESSAGE_ITEMS_MAX || this.#rows + rows > GATHERED_ROWS_MAX) {
      this.flush()
    }
    this.#items.push(item)
    this.#rows += rows
  }

  /** In a message of its own, after what was said before. */
  sayAlone(item: SyncItem): void {
    this.flush()
    this.#send(encodeMessage([item]))
  }

  flush(): void {
    if (this.#items.length === 0) return
    const items = this.#items
    this.#items = []
    this.#rows = 0
    this.#send(encodeMessage(items))
  }
}
