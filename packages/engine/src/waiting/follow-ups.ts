/**
 * When what the record's news make due is done on this device: one after another, once for all that came
 * meanwhile, and not too soon.
 *
 * Whoever removes a device writes with it what follows, and that comes right after. So a device that
 * hears of a removal gives it some seconds, a different number on each device: else each of them would
 * replace all keys once more. Nothing is told to a company meanwhile, and who edits waits for nothing.
 *
 * @module
 */
import type { Clock } from "@fulcrum/crypto/clock"
import type { Random } from "@fulcrum/crypto/random"
import { errorCode } from "../failures/error-code.ts"
import { Mutex } from "./mutex.ts"

/** When what a failing store held up is tried again. */
const STORE_RETRY_MS = 2000
const DAY_MS = 86_400_000
/** What follows a removal is waited for so long, and up to so much longer. */
const GRACE_MS = 2000
const GRACE_SPREAD_MS = 4096

export interface FollowUpsOptions {
  readonly clock: Clock
  readonly random: Random
  /** Ends it. */
  readonly signal: AbortSignal
  /** Does what is due. @returns Whether, being patient, it left what follows a removal to who made it. */
  work(how: { readonly isPatient: boolean }): Promise<boolean>
  /** Does what only time makes due: when it begins, and every day from then on. */
  daily(): Promise<void>
  /** What came was followed up. */
  followed(): void
}

export class FollowUps {
  readonly #options: FollowUpsOptions
  readonly #turns = new Mutex()
  #isDue = false
  /** Whether what follows a removal is waited for. */
  #grace: "none" | "runs" | "over" = "none"

  constructor(options: FollowUpsOptions) {
    this.#options = options
  }

  /** What news make due is done soon, once for all that come meanwhile. */
  soon(): void {
    if (this.#isDue) return
    this.#isDue = true
    this.schedule(async () => {
      this.#isDue = false
      await this.#run("patient")
      this.#options.followed()
    })
  }

  /** Does what is due; writes nothing if nothing is. @throws The store's error. */
  now(): Promise<void> {
    return this.#turns.run(() => this.#run("at once"))
  }

  /** All of it when the record is opened: what a store that fails holds up is done later. */
  async begin(): Promise<void> {
    const { daily } = this.#options
    try {
      await this.now()
      await this.#turns.run(daily)
    } catch (error) {
      if (errorCode(error) === undefined) throw error
      this.soon()
      this.schedule(daily)
    }
    this.#everyDay()
  }

  /** One after another; what fails is the store, and is done once that works again. */
  schedule(work: () => Promise<void>): void {
    const { signal, clock } = this.#options
    const run = async () => {
      if (!signal.aborted) await work()
    }
    this.#turns.run(run).catch((error: unknown) => {
      if (errorCode(error) === undefined) throw error
      clock.sleep(STORE_RETRY_MS, signal).then(
        () => this.schedule(work),
        () => undefined,
      )
    })
  }

  /** Nothing is being done any more. */
  idle(): Promise<void> {
    return this.#turns.run(async () => undefined)
  }

  #everyDay(): void {
    const { clock, signal, daily } = this.#options
    clock.sleep(DAY_MS, signal).then(
      () => {
        this.schedule(daily)
        this.#everyDay()
      },
      () => undefined,
    )
  }

  async #run(how: "at once" | "patient"): Promise<void> {
    const isPatient = how === "patient" && this.#grace !== "over"
    if (await this.#options.work({ isPatient })) this.#wait()
    else if (this.#grace === "over") this.#grace = "none"
  }

  #wait(): void {
    if (this.#grace !== "none") return
    const { clock, random, signal } = this.#options
    const [a = 0, b = 0] = random.bytes(2)
    const ms = GRACE_MS + ((a * 256 + b) % GRACE_SPREAD_MS)
    this.#grace = "runs"
    // Its end is told by the timer alone: a clock may be put back, and a timer wake a little early.
    clock.sleep(ms, signal).then(
      () => {
        this.#grace = "over"
        this.soon()
      },
      () => undefined,
    )
  }
}
