/**
 * A clock whose time passes only when nothing is left to do.
 *
 * Ready work is run to its end by *turns*: between two of them Node runs every promise job that
 * there is, so one quiet turn (nobody went to sleep or woke, nothing was noted) means that all
 * that runs in memory waits for the clock. Then the earliest sleeper is woken, alone, and time is
 * where it wanted it: by time, and by who went to sleep first.
 *
 * The limit of the method: what waits for the real world (files, sockets, workers, compiling
 * WebAssembly, asynchronous native code) ends when it likes and is not waited for. Nothing of that
 * may happen in a run; what must be loaded is loaded before.
 *
 * @module
 */
import type { Clock } from "@fulcrum/crypto/clock"
import { SimError } from "./sim-error.ts"

/** 2026-03-01: virtual time begins here, so that dates look like dates. */
export const START_MS: number = Date.UTC(2026, 2, 1)

export interface VirtualClockOptions {
  /** Resolves once no promise job is left, as `setImmediate` does. */
  readonly turn: () => Promise<void>
  /** When time begins, in milliseconds since 1970; absent: at `START_MS`. */
  readonly startMs?: number | undefined
}

interface Sleeper {
  readonly untilMs: number
  readonly order: number
  readonly wake: () => void
}

export class VirtualClock implements Clock {
  readonly #turn: () => Promise<void>
  /** Latest first, so that the next one is taken from the end. */
  readonly #sleepers: Sleeper[] = []
  readonly startMs: number
  #nowMs: number
  #order = 0
  #stirred = 0

  constructor({ turn, startMs = START_MS }: VirtualClockOptions) {
    this.#turn = turn
    this.startMs = startMs
    this.#nowMs = startMs
  }

  now(): number {
    return this.#nowMs
  }

  /** Says that something happened, so that a turn is not taken for quiet. */
  stir(): void {
    this.#stirred++
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted()
      this.stir()
      const abort = () => {
        this.#remove(sleeper)
        this.stir()
        reject(signal?.reason)
      }
      const wake = () => {
        signal?.removeEventListener("abort", abort)
        resolve()
      }
      const sleeper = { untilMs: this.#nowMs + Math.max(0, ms), order: this.#order++, wake }
      this.#add(sleeper)
      signal?.addEventListener("abort", abort, { once: true })
    })
  }

  /** Runs what is ready now. */
  async settle(): Promise<void> {
    for (let before = -1; before !== this.#stirred; ) {
      before = this.#stirred
      await this.#turn()
    }
  }

  /**
   * Lets time pass until `work` is done.
   *
   * @throws {SimError} `SIM_STUCK`: it waits for nothing that will happen; `SIM_SLOW`: it was not
   * done after `limitMs` of virtual time.
   */
  async run<T>(work: Promise<T>, limitMs: number): Promise<T> {
    let isDone = false
    const settle = () => {
      isDone = true
    }
    work.then(settle, settle)
    const lastMs = this.#nowMs + limitMs
    for (;;) {
      await this.settle()
      if (isDone) return work
      const next = this.#sleepers.pop()
      if (next === undefined) throw new SimError("SIM_STUCK", "nothing is left that could happen")
      if (next.untilMs > lastMs) {
        throw new SimError("SIM_SLOW", `not done after ${limitMs / 1000} s of virtual time`)
      }
      this.#nowMs = next.untilMs
      next.wake()
    }
  }

  #add(sleeper: Sleeper): void {
    let low = 0
    let high = this.#sleepers.length
    while (low < high) {
      const middle = (low + high) >> 1
      const other = this.#sleepers[middle]
      if (other && other.untilMs > sleeper.untilMs) low = middle + 1
      else high = middle
    }
    this.#sleepers.splice(low, 0, sleeper)
  }

  #remove(sleeper: Sleeper): void {
    const at = this.#sleepers.indexOf(sleeper)
    if (at >= 0) this.#sleepers.splice(at, 1)
  }
}
