/**
 * What a campaign shows: how far it is, how fast, and how long it will take.
 *
 * @module
 */
import type { JobState } from "./campaign.ts"

const EVERY_MS = 5_000

export class ProgressLines {
  readonly #begunMs = performance.now()
  #shownMs = performance.now()

  /** A line now and then. */
  line(jobs: readonly JobState[]): string | undefined {
    const nowMs = performance.now()
    if (nowMs - this.#shownMs < EVERY_MS) return undefined
    this.#shownMs = nowMs
    const runs = jobs.reduce((sum, { report }) => sum + (report?.runs ?? 0), 0)
    const all = jobs.reduce((sum, job) => sum + job.runs, 0)
    const seconds = (nowMs - this.#begunMs) / 1000
    const rate = Math.max(runs / seconds, 0.1)
    const finds = jobs.reduce((sum, { report }) => sum + (report?.finds.length ?? 0), 0)
    const busy = jobs.filter(({ report, isDone }) => report && !isDone)
    const which = busy.map(({ target, seed }) => `${target}/${seed}`).join(", ")
    const found = finds === 0 ? "" : `, ${finds} found`
    return `${runs} of ${all} inputs${found}, ${Math.round(rate)} a second, ${durationOf((all - runs) / rate)} left; now ${which}`
  }
}

/** One line for each target. */
export function summary(jobs: readonly JobState[]): readonly string[] {
  const byTarget = Map.groupBy(jobs, ({ target }) => target)
  return [...byTarget].map(([target, own]) => {
    const sum = (pick: (job: JobState) => number) => own.reduce((all, job) => all + pick(job), 0)
    const most = (pick: (job: JobState) => number) => Math.max(...own.map(pick))
    const runs = sum(({ report }) => report?.runs ?? 0)
    const seconds = sum(({ report }) => report?.cpuMs ?? 0) / 1000
    const again = sum(({ report }) => report?.again ?? 0)
    const heap = most(({ report }) => (report?.heapMost ?? 0) - (report?.heapFirst ?? 0))
    return [
      target.padEnd(22),
      `${runs} inputs`.padStart(15),
      `${Math.round(runs / seconds)}/s`.padStart(9),
      `${seconds.toFixed(1)} s of CPU`.padStart(15),
      `${again} again`.padStart(14),
      `${most(({ report }) => report?.corpus ?? 0)} kept`.padStart(10),
      `${most(({ report }) => report?.covered ?? 0)} covered`.padStart(15),
      `${(heap / 1e6).toFixed(1)} MB grown`.padStart(14),
      `${sum(({ report }) => report?.finds.length ?? 0)} found`.padStart(8),
    ].join(" ")
  })
}

function durationOf(seconds: number): string {
  if (seconds < 120) return `${Math.round(seconds)} s`
  const minutes = seconds / 60
  return minutes < 120 ? `${Math.round(minutes)} min` : `${(minutes / 60).toFixed(1)} h`
}
