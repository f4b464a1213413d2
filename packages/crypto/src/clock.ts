/**
 * Time, as something that is passed in: the system's clock here, a virtual one
 * in the simulator.
 *
 * @module
 */

export interface Clock {
  /** Milliseconds since 1970 in UTC. May step back or be years off: nothing safe rests on it. */
  now(): number
  /**
   * Resolves after `ms` milliseconds, at once if that is not above zero.
   *
   * @throws The signal's reason, as soon as it is aborted.
   */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

/** The longest that platforms' timers take; a longer sleep is made of several. */
const TIMER_MS_MAX = 2 ** 31 - 1

/** The machine's own clock and timers. */
export function systemClock(): Clock {
  return {
    now: () => Date.now(),
    async sleep(ms, signal) {
      signal?.throwIfAborted()
      // A turn for others, which a timer gives a millisecond late.
      if (ms <= 0) return nextTurn()
      let left = ms
      do {
        await sleepOnce(Math.min(left, TIMER_MS_MAX), signal)
        left -= TIMER_MS_MAX
      } while (left > 0)
    },
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    if (typeof setImmediate === "function") setImmediate(resolve)
    else setTimeout(resolve, 0)
  })
}

function sleepOnce(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      clearTimeout(timer)
      reject(signal?.reason)
    }
    const timer = setTimeout(
      () => {
        signal?.removeEventListener("abort", abort)
        resolve()
      },
      Math.max(0, ms),
    )
    signal?.addEventListener("abort", abort, { once: true })
  })
}
