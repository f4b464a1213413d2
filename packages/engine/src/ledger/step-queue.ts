/**
 * Whose turn it is with the ledger: one at a time, in the order asked. Steps that may be written
 * together and wait one after another have one turn: the more there is to do, the more goes into
 * one write; a step that nothing is before has its turn at once.
 *
 * Source: DESIGN, "How replication works" (under load a queue gathers entries into one span).
 *
 * @module
 */

import { Mutex } from "../waiting/mutex.ts"
import type { OpenStep, Step } from "./ledger-step.ts"

/** Steps in one turn: a bound on how long others wait. */
export const STEPS_TOGETHER_MAX = 128

/** Bytes of changes after which a write takes no further step. */
export const BYTES_TOGETHER_MAX: number = 256 * 1024

/** What is done with steps, by the one who owns the queue. */
export interface StepKeeper {
  open(): OpenStep
  /** Before a step is made: what is shown must be what is on the disk. */
  mend(): Promise<void>
  /** Makes steps durable together. @throws Then none of them is kept, or nobody knows. */
  write(steps: readonly OpenStep[]): Promise<void>
  /** After steps were given up. */
  gaveUp(): Promise<void>
  /** At the end of a turn, when no step is half made. */
  ended(): Promise<void>
}

/** A step that waits for its turn. */
interface QueuedStep {
  /** @returns What tells the caller that it is durable. */
  readonly work: (step: Step) => Promise<() => void>
  fail(error: unknown): void
}

/** One that was made, and not written yet. */
interface MadeStep {
  readonly step: OpenStep
  tell(): void
  fail(error: unknown): void
}

export class StepQueue {
  readonly #mutex = new Mutex()
  readonly #keeper: StepKeeper
  /** The last in the queue, if its turn has not come and it may take more. */
  #open: QueuedStep[] | undefined

  constructor(keeper: StepKeeper) {
    this.#keeper = keeper
  }

  /** Runs `work` in a turn of its own. */
  turn<T>(work: () => Promise<T>): Promise<T> {
    this.#open = undefined
    return this.#mutex.run(work)
  }

  /** Makes a step that is written by itself. */
  alone<T>(work: (step: Step) => Promise<T>): Promise<T> {
    const { queued, result } = queue(work)
    void this.turn(() => this.#run([queued]))
    return result
  }

  /** Makes a step that may be written with others, up to and with the first that is not plain. */
  gather<T>(work: (step: Step) => Promise<T>): Promise<T> {
    const { queued, result } = queue(work)
    if (this.#open !== undefined && this.#open.length < STEPS_TOGETHER_MAX) {
      this.#open.push(queued)
      return result
    }
    const together = [queued]
    void this.turn(() => {
      if (this.#open === together) this.#open = undefined
      return this.#run(together)
    })
    this.#open = together
    return result
  }

  async #run(steps: readonly QueuedStep[]): Promise<void> {
    try {
      await this.#make(steps)
    } catch (error) {
      // Those that were told already do not hear of it.
      for (const { fail } of steps) fail(error)
    }
  }

  async #make(queued: readonly QueuedStep[]): Promise<void> {
    let made: MadeStep[] = []
    let bytes = 0
    for (const { work, fail } of queued) {
      if (made.length === 0) {
        bytes = 0
        await this.#keeper.mend()
      }
      const step = this.#keeper.open()
      let tell: () => void
      try {
        tell = await work(step)
        // What no entry holds is found out here, where it costs nobody else anything.
        step.bodies()
      } catch (error) {
        // Those before it are made durable first: what it did to the same documents is forgotten.
        await this.#keep(made)
        made = []
        await this.#giveUp([{ step, fail }], error)
        continue
      }
      made.push({ step, tell, fail })
      bytes += step.bytes
      if (step.isPlain && bytes < BYTES_TOGETHER_MAX) continue
      await this.#keep(made)
      made = []
    }
    await this.#keep(made)
    await this.#keeper.ended()
  }

  async #keep(made: readonly MadeStep[]): Promise<void> {
    if (made.length === 0) return
    try {
      await this.#keeper.write(made.map(({ step }) => step))
    } catch (error) {
      await this.#giveUp(made, error)
      return
    }
    for (const { tell } of made) tell()
  }

  async #giveUp(given: readonly Pick<MadeStep, "step" | "fail">[], error: unknown): Promise<void> {
    try {
      await Promise.all(given.map(({ step }) => step.abandon()))
    } finally {
      try {
        await this.#keeper.gaveUp()
      } finally {
        for (const { fail } of given) fail(error)
      }
    }
  }
}

function queue<T>(work: (step: Step) => Promise<T>): {
  readonly queued: QueuedStep
  readonly result: Promise<T>
} {
  const { promise, resolve, reject } = Promise.withResolvers<T>()
  const queued: QueuedStep = {
    work: async (step) => {
      const result = await work(step)
      return () => resolve(result)
    },
    fail: reject,
  }
  return { queued, result: promise }
}
