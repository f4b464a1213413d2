/**
 * What a campaign and its processes say to each other, one seed at a time.
 *
 * @module
 */
import type { ScenarioName } from "../scenario-names.ts"

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

/** What a process sends: lines of the trace as they come, if they are wanted, then how it ended. */
export type SeedMessage = { readonly line: string } | SeedEnd

export interface SeedEnd {
  /** What went wrong, if anything did. */
  readonly failure?: SeedFailure
  /** Of a run that ended well. */
  readonly hash?: string
  readonly virtualMs?: number
  /** Lines of the trace of a run that ended well, or that were wanted. */
  readonly lines?: number
  /** What the process that ran it takes now. */
  readonly memoryBytes?: number
}

export interface SeedReport extends SeedEnd {
  /** The last of them, if they were wanted, those of a process that died or hung among them. */
  readonly trace: readonly string[]
}

export interface SeedFailure {
  /** One of `SimErrorCode`, or the code of what the programs under test let through. */
  readonly code: string
  readonly message: string
}

/** Lines of a trace that are kept: a longer one is not read by anybody. */
export const TRACE_LINES_MAX = 100_000
