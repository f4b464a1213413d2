/**
 * Time that passes only when nothing else is left to do.
 *
 * @module
 */

import { setImmediate as idle } from "node:timers/promises"
import type { Clock } from "@fulcrum/crypto/clock"

export interface VirtualClock extends Clock {
  /** Lets time pass until the work is done, or nobody waits for time any more. */
  run<T>(work: Promise<T>): Promise<T | undefined>
}

export function virtualClock(): VirtualClock {
  let now = 0
  let order = 0
  let sleepers: { readonly at: number; readonly order: number; readonly wake: () => void }[] = []
  return {
    now: () => now,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted) return reject(signal.reason)
        const sleeper = { at: now + ms, order: order++, wake: resolve }
        sleepers.push(sleeper)
        signal?.addEventListener("abort", () => {
          sleepers = sleepers.filter((other) => other !== sleeper)
          reject(signal.reason)
        })
      }),
    async run<T>(work: Promise<T>): Promise<T | undefined> {
      let result: { readonly value: T } | undefined
      const done = work.then((value) => {
        result = { value }
      })
      for (;;) {
        await idle()
        if (result) break
        sleepers.sort((a, b) => a.at - b.at || a.order - b.order)
        const next = sleepers.shift()
        if (!next) return undefined
        now = next.at
        next.wake()
      }
      await done
      return result.value
    },
  }
}
