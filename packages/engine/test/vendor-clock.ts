/**
 * A clock that a test moves: sleepers wake in order, and what they start gets time to happen.
 *
 * @module
 */
import type { Clock } from "@fulcrum/crypto/clock"

/** Turns of the event loop in which nothing but timers may be left to do. */
const SETTLE_TURNS = 6

export interface TestClock extends Clock {
  /** How wrong it reads; sleepers sleep as long as they would. */
  offsetMs: number
  /** How many wait for a time to come. */
  readonly sleeping: number
  /** Lets this much time pass. */
  advance(ms: number): Promise<void>
  /** Lets time pass until it is so. @throws After `mostMs`, with what was waited for. */
  until(what: string, isSo: () => boolean | Promise<boolean>, mostMs?: number): Promise<void>
  /** Called between two steps of `until`, to set things right that went wrong. */
  tend: (() => Promise<void>) | undefined
  /** Lets time pass until the promise settles. */
  during<T>(work: Promise<T>, mostMs?: number): Promise<T>
}

interface Sleeper {
  readonly at: number
  readonly order: number
  wake(): void
}

/** @param patienceMs - Real time given to each step: for disks that are real. */
export function testClock(
  start: number = Date.UTC(2026, 10, 20, 9),
  patienceMs: number = 0,
): TestClock {
  let now = start
  let order = 0
  const sleepers = new Set<Sleeper>()

  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < SETTLE_TURNS; turn++) {
      await new Promise((resolve) => setImmediate(resolve))
    }
    if (patienceMs > 0) await new Promise((resolve) => setTimeout(resolve, patienceMs))
  }

  function next(): Sleeper | undefined {
    let first: Sleeper | undefined
    for (const one of sleepers) {
      if (
        first === undefined ||
        one.at < first.at ||
        (one.at === first.at && one.order < first.order)
      )
        first = one
    }
    return first
  }

  function wake(sleeper: Sleeper): void {
    now = Math.max(now, sleeper.at)
    sleeper.wake()
  }

  const clock: TestClock = {
    get sleeping() {
      return sleepers.size
    },
    tend: undefined,
    offsetMs: 0,
    now: () => now + clock.offsetMs,
    sleep(ms, signal) {
      return new Promise((resolve, reject) => {
        if (signal?.aborted) return reject(signal.reason)
        const abort = (): void => {
          sleepers.delete(sleeper)
          reject(signal?.reason)
        }
        const sleeper: Sleeper = {
          at: now + Math.max(0, ms),
          order: order++,
          wake() {
            sleepers.delete(sleeper)
            signal?.removeEventListener("abort", abort)
            resolve()
          },
        }
        sleepers.add(sleeper)
        signal?.addEventListener("abort", abort, { once: true })
      })
    },
    async advance(ms) {
      const until = now + ms
      for (;;) {
        await settle()
        const due = next()
        if (due === undefined || due.at > until) break
        wake(due)
      }
      now = until
      await settle()
    },
    async until(what, isSo, mostMs = 60_000) {
      const until = now + mostMs
      for (;;) {
        await settle()
        const { tend } = clock
        clock.tend = undefined
        await tend?.()
        clock.tend = tend
        if (await isSo()) return
        const due = next()
        if (due === undefined || due.at > until) throw new Error(`never came: ${what}`)
        wake(due)
      }
    },
    // An hour: time here jumps from sleeper to sleeper while a real disk is still at work.
    async during<T>(work: Promise<T>, mostMs = 3_600_000) {
      let isDone = false
      const done = work.finally(() => {
        isDone = true
      })
      done.catch(() => undefined)
      await clock.until("the end of the work", () => isDone, mostMs)
      return done
    },
  }
  return clock
}
