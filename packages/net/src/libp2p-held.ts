/**
 * What all channels of a host hold together, bounded.
 *
 * Each channel has bounds of its own, but thousands of peers that send a large message up to its
 * last byte, or ask and never read, would hold gigabytes within them. So the channels are looked
 * at four times a second, and while they hold more than there is room for, the one that has gone
 * on for longest without a whole message either way is ended. Whoever is honest goes on.
 *
 * @module
 */

/** What one channel holds, and since when. */
export interface Holding {
  /** Bytes that arrived and were not taken, or wait to leave. */
  readonly heldBytes: number
  /** When a message last came out whole or left whole, by `performance.now()`. */
  readonly progressMs: number
  abort(reason: Error): void
}

/** Of all channels of one host: thirty messages of the largest size. */
export const HELD_BYTES_MAX: number = 128 * 1024 * 1024
const LOOK_MS = 250

/** Looks at the channels until it is disposed of. */
export function watchHeld(channels: ReadonlySet<Holding>, bytesMax: number): Disposable {
  const timer = setInterval(() => endStuck(channels, bytesMax), LOOK_MS)
  timer.unref()
  return { [Symbol.dispose]: () => clearInterval(timer) }
}

/** Ends the channels that are stuck for longest, until the others hold no more than `bytesMax`. */
export function endStuck(channels: ReadonlySet<Holding>, bytesMax: number): void {
  const holding = [...channels]
    .map((channel) => ({ channel, bytes: channel.heldBytes, since: channel.progressMs }))
    .filter(({ bytes }) => bytes > 0)
  let total = holding.reduce((sum, { bytes }) => sum + bytes, 0)
  if (total <= bytesMax) return
  for (const { channel, bytes } of holding.sort((a, b) => a.since - b.since)) {
    if (total <= bytesMax) return
    channel.abort(new Error("the host has no more room for what is not taken or not ended"))
    total -= bytes
  }
}
