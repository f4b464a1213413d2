/**
 * A clock that a test moves by hand: sleepers wake in order when their time has come.
 *
 * @module
 */
import type { Clock } from "@fulcrum/crypto/clock"

export interface ManualClock extends Clock {
  /** Moves time on, step by step from sleeper to sleeper, and lets each do what it then does. */
  advance(ms: number): Promise<void>
  /** Moves time on at once: whoever sleeps and is due wakes late, and once. */
  jump(ms: number): Promise<void>
}

export function manualClock(start: number = Date.UTC(2026, 5, 1)): ManualClock {
  let now = start
  const sleepers = new Set<{ readonly at: number; wake(): void }>()

  const settle = (): Promise<void> =>
    new Promise((resolve) => {
      setImmediate(() => setImmediate(resolve))
    })

  return {
    now: () => now,
    sleep(ms, signal) {
      if (signal?.aborted) return Promise.reject(signal.reason)
      if (ms <= 0) return settle()
      return new Promise((resolve, reject) => {
        const abort = (): void => {
          sleepers.delete(sleeper)
          reject(signal?.reason)
        }
        const sleeper = {
          at: now + ms,
          wake(): void {
            sleepers.delete(sleeper)
            signal?.removeEventListener("abort", abort)
            resolve()
          },
        }
        sleepers.add(sleeper)
        signal?.addEventListener("abort", abort, { once: true })
      })
    },
    async jump(ms) {
      now += ms
      for (const one of [...sleepers]) if (one.at <= now) one.wake()
      await settle()
    },
    async advance(ms) {
      const until = now + ms
      for (;;) {
        await settle()
        const due = [...sleepers].filter((one) => one.at <= until).sort((a, b) => a.at - b.at)[0]
        if (due === undefined) break
        now = Math.max(now, due.at)
        due.wake()
      }
      now = until
      await settle()
    },
  }
}
