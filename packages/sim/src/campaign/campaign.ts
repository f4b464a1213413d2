/**
 * A campaign: many seeds over several processes.
 *
 * One seed of a hundred, always the same ones, and at least one, is run a second time in another
 * process, and must give the same trace.
 *
 * @module
 */
import type { ScenarioName } from "../scenario-names.ts"
import type { SeedFailure, SeedReport, SeedRequest } from "./seed-messages.ts"
import { SeedWorker, type SeedWorkerOptions } from "./seed-worker.ts"
import { traceDifference } from "./trace-difference.ts"

const TWICE_OF = 100
/** Seeds among which one that is run twice is looked for: so many are never without. */
const SEARCHED_MAX = 10_000
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
  /** Told of each seed that fails as soon as it does. */
  readonly failed: (seed: FailedSeed) => void
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
  await run.rest()
  return run.result
}

/** A seed to be run a second time, by any process but the one that ran it first. */
interface Again {
  readonly request: SeedRequest
  readonly first: SeedReport
  readonly by: SeedWorker
}

class CampaignRun {
  readonly #options: CampaignOptions
  readonly #failures: FailedSeed[] = []
  readonly #again: Again[] = []
  /** Run twice whatever its number, since no other is. */
  readonly #twice: number | undefined
  #next: number
  #done = 0
  #virtualMs = 0
  #repeated = 0

  constructor(options: CampaignOptions) {
    const { from, seeds } = options
    this.#options = options
    this.#next = from
    const hasTwice = Array.from({ length: Math.min(seeds, SEARCHED_MAX) }, (_, i) => from + i)
    this.#twice = hasTwice.some(isTwice) ? undefined : from
  }

  get result(): CampaignResult {
    const { seeds } = this.#options
    const [failures, failed] = [this.#failures, this.#failures.length]
    const done = this.#done
    return { done, seeds, failed, virtualMs: this.#virtualMs, failures, repeated: this.#repeated }
  }

  /** One process runs one seed after another, until none is left. */
  async lane(): Promise<void> {
    const { scenario, from, seeds, progress } = this.#options
    using worker = new SeedWorker(this.#options.worker)
    while (!this.#isOver) {
      const again = this.#again.findIndex(({ by }) => by !== worker)
      if (again >= 0) {
        for (const one of this.#again.splice(again, 1)) await this.#repeat(one, worker)
        continue
      }
      if (this.#next >= from + seeds) return
      const seed = this.#next++
      const request = { scenario, seed, plan: {}, trace: false }
      const report = await worker.run(request)
      this.#virtualMs += report.virtualMs ?? 0
      if (report.failure !== undefined) this.#fail({ seed, ...report.failure })
      else if (isTwice(seed) || seed === this.#twice) {
        this.#again.push({ request, first: report, by: worker })
      }
      this.#done++
      progress(this.result)
    }
  }

  /** Repeats what no other lane was there for. */
  async rest(): Promise<void> {
    using worker = new SeedWorker(this.#options.worker)
    for (const one of this.#again) if (!this.#isOver) await this.#repeat(one, worker)
  }

  get #isOver(): boolean {
    const { keepGoing } = this.#options
    return this.#failures.length >= (keepGoing ? FAILURES_MAX : 1)
  }

  async #repeat({ request, first }: Again, worker: SeedWorker): Promise<void> {
    const { seed } = request
    const { hash, lines, failure } = await worker.run(request)
    if (hash === first.hash && lines === first.lines) {
      this.#repeated++
      return
    }
    const message =
      failure === undefined
        ? `two runs of this seed gave two traces; ${await this.#difference(request)}`
        : `a second run of this seed failed: ${failure.code}: ${failure.message}`
    this.#fail({ seed, code: "SIM_UNREPEATABLE", message })
  }

  #fail(seed: FailedSeed): void {
    this.#failures.push(seed)
    this.#options.failed(seed)
  }

  async #difference(request: SeedRequest): Promise<string> {
    const traced = async () => {
      using worker = new SeedWorker(this.#options.worker)
      return await worker.run({ ...request, trace: true })
    }
    const [one, other] = await Promise.all([traced(), traced()])
    return traceDifference(one, other)
  }
}

/** Whether a seed is one of those that are run twice. */
export function isTwice(seed: number): boolean {
  // Knuth's multiplicative hash (The Art of Computer Programming 3, section 6.4).
  return (Math.imul(seed, 2_654_435_761) >>> 0) % TWICE_OF === 0
}
