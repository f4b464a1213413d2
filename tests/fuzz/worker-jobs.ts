/**
 * The inside of a thread that fuzzes what it is told to, one job after another. What it runs lies
 * in memory that its parent sees too, so that the input is known even if it never ends or ends the
 * thread.
 *
 * @module
 */
import { parentPort, workerData } from "node:worker_threads"
import { BlackBox } from "./black-box.ts"
import { CoverageMeter } from "./coverage.ts"
import { fixturesOf } from "./fixtures.ts"
import { type FuzzReport, fuzz, noteUntended } from "./fuzzer.ts"
import { findOf } from "./judge.ts"
import type { FuzzTarget } from "./target.ts"

export interface FuzzJob {
  readonly target: string
  readonly seed: string
  readonly runs: number
  /** So many are guided by coverage; absent: all. */
  readonly guided?: number
  /** Runs only this, and nothing made of it. */
  readonly only?: Uint8Array
  /** Keeps nothing but the seeds, as if no coverage were known. */
  readonly isBlind?: boolean
}

export type FuzzMessage =
  | { readonly type: "progress"; readonly report: FuzzReport }
  | { readonly type: "done"; readonly report: FuzzReport }

const PROGRESS_MS = 500

/** @param isOurs - Whose coverage counts, by the address of a source file. */
export function serveJobs(
  targetNamed: (name: string) => FuzzTarget,
  isOurs: (url: string) => boolean,
): void {
  process.on("unhandledRejection", (reason) => noteUntended(findOf(reason)))
  process.on("uncaughtException", (error) => noteUntended(findOf(error)))
  const box = new BlackBox(workerData)
  parentPort?.on("message", (job: FuzzJob) => void run(job, targetNamed(job.target), box, isOurs))
}

async function run(
  { target: name, seed, runs, guided, only, isBlind = false }: FuzzJob,
  target: FuzzTarget,
  box: BlackBox,
  isOurs: (url: string) => boolean,
): Promise<void> {
  const opened = await target.open()
  const open = only ? { ...opened, run: opened.run.bind(opened), seeds: [only] } : opened
  using coverage = isBlind ? undefined : new CoverageMeter(isOurs)
  let toldMs = performance.now()
  const report = await fuzz({
    target,
    open,
    kept: only ? [] : fixturesOf(name).map(({ input }) => input),
    seed,
    runs: only ? 0 : runs,
    guided,
    coverage,
    before: (input) => box.write(input),
    progress: (report) => {
      if (performance.now() - toldMs < PROGRESS_MS) return
      toldMs = performance.now()
      tell({ type: "progress", report })
    },
  })
  await opened.close?.()
  tell({ type: "done", report })
}

function tell(message: FuzzMessage): void {
  parentPort?.postMessage(message)
}
