/**
 * What is told of a seed that fails: the shortest run found that fails so, its trace, and the
 * command that repeats it.
 *
 * @module
 */
import { type Plan, planOptions, WHOLE } from "../plan.ts"
import type { ScenarioName } from "../scenario-names.ts"
import { STEP_MARK } from "../trace.ts"
import type { FailedSeed } from "./campaign.ts"
import type { PlanText, SeedReport } from "./seed-messages.ts"
import { SeedWorker, type SeedWorkerOptions } from "./seed-worker.ts"
import { shrink } from "./shrink.ts"

/** Lines from the end of a trace that are shown whole; of earlier ones only acts are. */
const LAST_SHOWN_MAX = 80
const ACTS_SHOWN_MAX = 80

export interface FailureReport extends FailedSeed {
  /** As options of the command line. */
  readonly plan: readonly string[]
  readonly command: string
  /** What is to be shown of the trace. */
  readonly trace: readonly string[]
}

export interface ReportOptions {
  readonly scenario: ScenarioName
  readonly failed: FailedSeed
  /** Longest that shorter runs are looked for, in real time; 0: not at all. */
  readonly shrinkMsMax: number
  readonly worker: SeedWorkerOptions
}

export async function reportFailure(options: ReportOptions): Promise<FailureReport> {
  const { scenario, failed, shrinkMsMax } = options
  // Not a matter of what the run does; a campaign of this seed alone runs it twice again.
  const isTorn = failed.code === "SIM_UNREPEATABLE"
  if (isTorn || shrinkMsMax === 0) return told(scenario, failed, { plan: WHOLE, trace: [] })
  const plan = await shortestPlan(options)
  const { failure, trace } = await runOnce(options, plan)
  if (failure?.code === failed.code) {
    return told(scenario, { ...failed, ...failure }, { plan, trace: excerpt(trace) })
  }
  const message = `${failed.message}\n(alone in a new process it ends otherwise: ${failure?.code ?? "well"})`
  return told(scenario, { ...failed, message }, { plan, trace: excerpt(trace) })
}

function told(
  scenario: ScenarioName,
  failed: FailedSeed,
  { plan, trace }: { readonly plan: Plan; readonly trace: readonly string[] },
): FailureReport {
  const options = planOptions(plan)
  const command = replayCommand(scenario, failed, options)
  return { ...failed, plan: options, command, trace }
}

/** The command that runs a seed again, by a plan, and shows its trace. */
export function replayCommand(
  scenario: ScenarioName,
  { seed, code }: Pick<FailedSeed, "seed" | "code">,
  plan: readonly string[],
): string {
  const traced = code === "SIM_UNREPEATABLE" ? [] : ["--trace"]
  const options = ["--scenario", scenario, "--from", String(seed), "--seeds", "1"]
  return `npm run sim -- ${[...options, ...traced, ...plan].join(" ")}`
}

/** As shown to people: what happened, then how to see it again. */
export function describeFailure(scenario: ScenarioName, report: FailureReport): string {
  const { trace, command } = report
  const begin =
    trace.length === 0 ? "" : `the shortest run found that fails so:\n${trace.join("\n")}\n`
  return `${begin}${failureLine(scenario, report)}\nagain: ${command}\n`
}

/** What failed and how, the code once. */
export function failureLine(
  scenario: ScenarioName,
  { seed, code, message }: Pick<FailedSeed, "seed" | "code" | "message">,
): string {
  const text = message.startsWith(`${code}:`) ? message : `${code}: ${message}`
  return `${scenario}: seed ${seed} fails: ${text}`
}

/** The end of a trace, and of what is before it the acts. */
export function excerpt(trace: readonly string[]): readonly string[] {
  const end = trace.slice(-LAST_SHOWN_MAX)
  const before = trace.slice(0, trace.length - end.length)
  const acts = before.filter((line) => line.includes(STEP_MARK)).slice(-ACTS_SHOWN_MAX)
  const left = before.length - acts.length
  return left === 0 ? trace : [`(${left} lines are left out)`, ...acts, ...end]
}

async function shortestPlan({ scenario, failed, shrinkMsMax }: ReportOptions): Promise<Plan> {
  // Each try would take as long as a seed may.
  if (failed.code === "SIM_HUNG") return WHOLE
  using worker = new SeedWorker({ seedMsMax: shrinkMsMax })
  const begun = performance.now()
  return await shrink({
    hasTime: () => performance.now() - begun < shrinkMsMax,
    fails: async (plan) => {
      const request = { scenario, seed: failed.seed, plan: textOf(plan), trace: false }
      return (await worker.run(request)).failure?.code === failed.code
    },
  })
}

async function runOnce(
  { scenario, failed, worker }: ReportOptions,
  plan: Plan,
): Promise<SeedReport> {
  using alone = new SeedWorker(worker)
  return await alone.run({ scenario, seed: failed.seed, plan: textOf(plan), trace: true })
}

function textOf(plan: Plan): PlanText {
  const [texts, options] = [new Map<string, string>(), planOptions(plan)]
  for (let at = 0; at < options.length; at += 2) {
    texts.set(options[at] ?? "", options[at + 1] ?? "")
  }
  return { steps: texts.get("--steps"), skip: texts.get("--skip"), calm: texts.get("--calm") }
}
