/**
 * A pace: how fast one connection may go. Whoever is faster is made to wait, not refused, so that
 * an honest burst arrives and a flood costs the others little.
 *
 * @module
 */
import type { Clock } from "@fulcrum/crypto/clock"

/** Seconds' worth of allowance that may be saved up for a burst. */
const BURST_SECONDS = 2

export interface Pace {
  /** Takes one request of so many bytes; resolves when its time has come. */
  take(bytes: number, signal: AbortSignal): Promise<void>
}

export function createPace(options: {
  readonly clock: Clock
  readonly requestsPerSecond: number
  readonly bytesPerSecond: number
}): Pace {
  const { clock } = options
  const buckets = [options.requestsPerSecond, options.bytesPerSecond].map((perSecond) => ({
    perSecond,
    left: perSecond * BURST_SECONDS,
  }))
  let filledAt = clock.now()

  return {
    async take(bytes, signal) {
      const now = clock.now()
      // A clock that steps back gives nothing and takes nothing.
      const seconds = Math.max(0, now - filledAt) / 1000
      filledAt = now
      let waitSeconds = 0
      for (const [i, bucket] of buckets.entries()) {
        const { perSecond } = bucket
        bucket.left = Math.min(perSecond * BURST_SECONDS, bucket.left + perSecond * seconds)
        bucket.left -= i === 0 ? 1 : bytes
        waitSeconds = Math.max(waitSeconds, -bucket.left / perSecond)
      }
      if (waitSeconds > 0) await clock.sleep(waitSeconds * 1000, signal)
    },
  }
}
