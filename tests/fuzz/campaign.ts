/**
 * A campaign: targets over the machine's cores, each core a thread that runs one job after another.
 *
 * @module
 */
import { availableParallelism } from "node:os"
import type { FuzzReport } from "./fuzzer.ts"
import { JOB_RUNS_MAX } from "./limits.ts"
import { WorkerThread, type WorkerThreadOptions } from "./worker-thread.ts"

export interface CampaignOptions extends WorkerThreadOptions {
  readonly targets: readonly string[]
  readonly seed: number
  readonly runs: number
  /** Of each job, so many are guided by coverage; absent: all. */
  readonly guided?: number
  readonly workers?: number
  readonly progress?: (jobs: readonly JobState[]) => void
}

export interface JobState {
  readonly target: string
  readonly seed: number
  readonly runs: number
  readonly report: FuzzReport | undefined
  readonly isDone: boolean
}

type Job = { -readonly [K in keyof JobState]: JobState[K] }

/** @returns Each job's last report, in the order in which the targets were given. */
export async function runCampaign(options: CampaignOptions): Promise<readonly JobState[]> {
  const { targets, seed, guided, workers = availableParallelism() } = options
  const jobs: Job[] = targets.flatMap((target) => jobsOf(target, seed, options.runs))
  const waiting = [...jobs]
  const lane = async () => {
    await using thread = new WorkerThread(options)
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const current = next
      const { target, runs } = current
      const job = { target, seed: `${current.seed}`, runs, ...(guided !== undefined && { guided }) }
      current.report = await thread.run(job, (report) => {
        current.report = report
        options.progress?.(jobs)
      })
      current.isDone = true
      options.progress?.(jobs)
    }
  }
  await Promise.all(Array.from({ length: Math.min(workers, jobs.length) }, lane))
  return jobs
}

/** Many inputs are several jobs, whose seeds follow one another, whatever the machine. */
function jobsOf(target: string, seed: number, runs: number): Job[] {
  const count = Math.ceil(runs / JOB_RUNS_MAX)
  return Array.from({ length: count }, (_, i) => ({
    target,
    seed: seed + i,
    runs: Math.min(JOB_RUNS_MAX, runs - i * JOB_RUNS_MAX),
    report: undefined,
    isDone: false,
  }))
}
