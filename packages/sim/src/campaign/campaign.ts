/**
 * A campaign: many seeds over several processes.
 *
 * One seed of a hundred, always the same ones, is run a second time in another process, and must
 * give the same trace.
 *
 * @module
 */
import type { ScenarioName } from "../run-seed.ts"
import type { SeedFailure, SeedReport } from "./seed-messages.ts"
import { SeedWorker, type SeedWorkerOptions } from "./seed-worker.ts"

const TWICE_OF = 100
/** Failing seeds that are collected. */
const FAILURES_MAX = 50

export interface CampaignOptions {
  readonly scenario: ScenarioName
  readonly from: number
  readonly seeds: number
  readonly workers: number
  /** Whether it goes on after a seed that fails. */
  readonly keepGoing: boolean
  readonly worker: SeedWorkerOptions
  readonly progress: (progress: Progress) => void
}

export interface Progress {
  readonly done: number
  readonly seeds: number
  readonly failed: number
  readonly virtualMs: number
}

export interface FailedSeed extends SeedFailure {
  readonly seed: number
}

export interface CampaignResult extends Progress {
  readonly failures: readonly FailedSeed[]
  /** Seeds that were run twice and gave the same trace. */
  readonly repeated: number
}

export async function runCampaign(options: CampaignOptions): Promise<CampaignResult> {
  const run = new CampaignRun(options)
  const lanes = Array.from({ length: options.workers }, () => run.lane())
  await Promise.all(lanes)
  return run.result
}

class CampaignRun {
  readonly #options: CampaignOptions
  readonly #failures: FailedSeed[] = []
  #next: number
  #done = 0
  #virtualMs = 0
  #repeated = 0

  constructor(options: CampaignOptions) {
    this.#options = options
    this.#next = options.from
  }

  get result(): CampaignResult {
    const { seeds } = this.#options
    const [failures, failed] = [this.#failures, this.#failures.length]
    const done = this.#done
    return { done, seeds, failed, virtualMs: this.#virtualMs, failures, repeated: this.#repeated }
  }

  /** One process after another runs what is next, until nothing is. */
  async lane(): Promise<void> {
    const { scenario, from, seeds, worker } = this.#options
    using process = new SeedWorker(worker)
    while (this.#next < from + seeds && !this.#isOver) {
      const seed = this.#next++
      const request = { scenario, seed, plan: {}, trace: false }
      const report = await process.run(request)
      await this.#heard(seed, report)
      if (report.failure === undefined && isTwice(seed)) {
        using other = new SeedWorker(worker)
        this.#compare(seed, report, await other.run(request))
      }
      this.#done++
      this.#options.progress(this.result)
    }
  }

  get #isOver(): boolean {
    const { keepGoing } = this.#options
    return this.#failures.length >= (keepGoing ? FAILURES_MAX : 1)
  }

  async #heard(seed: number, { failure, virtualMs = 0 }: SeedReport): Promise<void> {
    this.#virtualMs += virtualMs
    if (failure !== undefined) this.#failures.push({ seed, ...failure })
  }

  #compare(seed: number, first: SeedReport, second: SeedReport): void {
    if (first.hash === second.hash) {
      this.#repeated++
      return
    }
    const message =
      second.failure === undefined
        ? "two runs of this seed gave two traces"
        : `a second run of this seed failed: ${second.failure.message}`
    this.#failures.push({ seed, code: "SIM_UNREPEATABLE", message })
  }
}

/** Whether a seed is one of those that are run twice. */
export function isTwice(seed: number): boolean {
  // Knuth's multiplicative hash (The Art of Computer Programming 3, section 6.4).
  return (Math.imul(seed, 2_654_435_761) >>> 0) % TWICE_OF === 0
}
