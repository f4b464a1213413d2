/**
 * A clock that goes on only when nothing else is left to do, so that the time between two events
 * is the delays between them and no work: over a network of one fixed delay, round trips.
 *
 * @module
 */
import { setImmediate as idle } from "node:timers/promises"
import type { Clock } from "@fulcrum/crypto/clock"

interface Sleeper {
  readonly atMs: number
  readonly wake: () => void
}

export class IdleClock implements Clock {
  #nowMs = 0
  #sleepers: Sleeper[] = []

  now(): number {
    return this.#nowMs
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      const sleeper: Sleeper = { atMs: this.#nowMs + Math.max(0, ms), wake: resolve }
      this.#sleepers.push(sleeper)
      const stop = () => {
        this.#sleepers = this.#sleepers.filter((other) => other !== sleeper)
        reject(signal?.reason)
      }
      signal?.addEventListener("abort", stop, { once: true })
    })
  }

  /** @throws Once everything waits and nothing is due: the work would never end. */
  async run<T>(work: Promise<T>): Promise<T> {
    let isDone = false
    const end = () => {
      isDone = true
    }
    work.then(end, end)
    for (;;) {
      await idle()
      if (isDone) return work
      const next = this.#sleepers.toSorted((a, b) => a.atMs - b.atMs)[0]
      if (next === undefined) throw new Error("nothing is left to wait for")
      this.#sleepers = this.#sleepers.filter((other) => other !== next)
      this.#nowMs = next.atMs
      next.wake()
    }
  }
}
