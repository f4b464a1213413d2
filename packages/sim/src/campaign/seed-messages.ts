/**
 * What a campaign and its processes say to each other, one seed at a time.
 *
 * @module
 */
import type { ScenarioName } from "../run-seed.ts"

export interface SeedRequest {
  readonly scenario: ScenarioName
  readonly seed: number
  /** As on the command line: see `plan.ts`. */
  readonly plan: PlanText
  /** Whether the lines of the trace are wanted. */
  readonly trace: boolean
}

export interface PlanText {
  readonly steps?: string | undefined
  readonly skip?: string | undefined
  readonly calm?: string | undefined
}

export interface SeedReport {
  /** What went wrong, if anything did. */
  readonly failure?: SeedFailure
  /** Of a run that ended well. */
  readonly hash?: string
  readonly virtualMs?: number
  /** The last of them, if they were wanted. */
  readonly trace: readonly string[]
}

export interface SeedFailure {
  /** One of `SimErrorCode`, or the code of what the programs under test let through. */
  readonly code: string
  readonly message: string
}

/** Lines of a trace that are kept: a longer one is not read by anybody. */
export const TRACE_LINES_MAX = 20_000
