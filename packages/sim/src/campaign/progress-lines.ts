/**
 * What a campaign shows while it runs: how far it is, how fast, and how long it will take.
 *
 * @module
 */
import type { CampaignResult, Progress } from "./campaign.ts"

const EVERY_MS = 5_000

export class ProgressLines {
  readonly #scenario: string
  readonly #workers: number
  readonly #print: (line: string) => void
  readonly #begunMs = performance.now()
  #shownMs = performance.now()

  constructor(scenario: string, workers: number, print: (line: string) => void) {
    this.#scenario = scenario
    this.#workers = workers
    this.#print = print
  }

  show(progress: Progress): void {
    const nowMs = performance.now()
    if (nowMs - this.#shownMs < EVERY_MS || progress.done === progress.seeds) return
    this.#shownMs = nowMs
    const { done, seeds } = progress
    const left = ((nowMs - this.#begunMs) / done) * (seeds - done)
    this.#print(`${this.#line(progress)}, ${durationOf(left)} left`)
  }

  last(result: CampaignResult): string {
    const { repeated } = result
    return `${this.#line(result)}; ${repeated} run twice, alike; ${durationOf(performance.now() - this.#begunMs)}`
  }

  #line({ done, seeds, failed, virtualMs }: Progress): string {
    const seconds = (performance.now() - this.#begunMs) / 1000
    const rate = done / seconds
    const each = this.#workers > 1 ? ` (${(rate / this.#workers).toFixed(1)} a process)` : ""
    const hours = (virtualMs / 3_600_000).toFixed(1)
    const bad = failed === 0 ? "" : `, ${failed} failed`
    return `${this.#scenario}: ${done} of ${seeds} seeds${bad}, ${rate.toFixed(1)} a second${each}, ${hours} hours of virtual time`
  }
}

function durationOf(ms: number): string {
  const seconds = Math.round(ms / 1000)
  if (seconds < 120) return `${seconds} s`
  const minutes = Math.round(seconds / 60)
  return minutes < 120 ? `${minutes} min` : `${Math.round(minutes / 6) / 10} h`
}
