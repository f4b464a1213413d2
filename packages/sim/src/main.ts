/**
 * The simulator's program.
 *
 * `npm run sim -- --scenario bare --seeds 20000 [--from 1]` runs seeds on all cores; a failing one
 * is made shorter and told with the command that repeats it, and the program ends with 1.
 *
 * @module
 */
import { availableParallelism } from "node:os"
import { parseArgs } from "node:util"
import { type CampaignResult, type FailedSeed, runCampaign } from "./campaign/campaign.ts"
import { ProgressLines } from "./campaign/progress-lines.ts"
import type { PlanText, SeedReport } from "./campaign/seed-messages.ts"
import { SeedWorker } from "./campaign/seed-worker.ts"
import { shrink } from "./campaign/shrink.ts"
import { type Plan, planOptions, readPlan } from "./plan.ts"
import { SCENARIOS, type ScenarioName } from "./run-seed.ts"

/** Longest that one seed may take, in real time, on a machine that does other things too. */
const SEED_MS_MAX = 300_000
const SHRINK_MS_MAX = 60_000
const TRACE_SHOWN_MAX = 120
const USAGE =
  "usage: npm run sim -- --scenario NAME --seeds COUNT [--from SEED] [--workers COUNT]\n" +
  "         [--keep-going] [--no-shrink] [--trace] [--json] [--steps COUNT] [--skip STEP,…] [--calm TROUBLE,…]\n" +
  `scenarios: ${Object.keys(SCENARIOS).join(", ")}`

interface Arguments {
  readonly scenario: ScenarioName
  readonly from: number
  readonly seeds: number
  readonly workers: number
  readonly keepGoing: boolean
  readonly trace: boolean
  readonly json: boolean
  readonly shrinks: boolean
  readonly plan: PlanText
}

async function main(): Promise<number> {
  const given = readArguments()
  if (given === undefined) {
    process.stderr.write(`${USAGE}\n`)
    return 2
  }
  const isWhole = Object.values(given.plan).every((part) => part === undefined)
  if (given.trace || !isWhole) return await repeat(given)
  const { scenario, from, seeds, workers, keepGoing } = given
  const lines = new ProgressLines(scenario, workers, (line) => {
    if (!given.json) process.stdout.write(`${line}\n`)
  })
  const result = await runCampaign({
    ...{ scenario, from, seeds, workers, keepGoing },
    worker: { seedMsMax: SEED_MS_MAX },
    progress: (progress) => lines.show(progress),
  })
  if (given.json) process.stdout.write(`${JSON.stringify({ scenario, from, ...result })}\n`)
  else process.stdout.write(`${lines.last(result)}\n`)
  return given.shrinks ? await tellFailures(scenario, result) : result.failed > 0 ? 1 : 0
}

/** Runs single seeds, by a plan or with their traces. */
async function repeat({ scenario, from, seeds, plan, trace }: Arguments): Promise<number> {
  using worker = new SeedWorker({ seedMsMax: SEED_MS_MAX })
  for (let seed = from; seed < from + seeds; seed++) {
    const report = await worker.run({ scenario, seed, plan, trace })
    for (const line of report.trace) process.stdout.write(`${line}\n`)
    if (report.failure === undefined) {
      process.stdout.write(`${scenario}: seed ${seed} ends well: ${report.hash}\n`)
      continue
    }
    const options = planOptions(readPlan(plan) ?? raise())
    tell(scenario, { seed, ...report.failure }, options)
    return 1
  }
  return 0
}

async function tellFailures(scenario: ScenarioName, result: CampaignResult): Promise<number> {
  const [first, ...others] = result.failures
  if (first === undefined) return 0
  for (const { seed, code, message } of others) {
    process.stderr.write(`${scenario}: seed ${seed} fails: ${code}: ${message.split("\n")[0]}\n`)
  }
  const { plan, report } = await shortest(scenario, first)
  const shown = report.trace.slice(-TRACE_SHOWN_MAX)
  if (shown.length > 0) {
    process.stderr.write(`the end of the shortest run that fails so:\n${shown.join("\n")}\n`)
  }
  tell(scenario, first, planOptions(plan))
  return 1
}

/** The least plan by which a seed still fails so, and its trace. */
async function shortest(
  scenario: ScenarioName,
  { seed, code }: FailedSeed,
): Promise<{ readonly plan: Plan; readonly report: SeedReport }> {
  using worker = new SeedWorker({ seedMsMax: SHRINK_MS_MAX })
  const run = (plan: Plan, trace: boolean) =>
    worker.run({ scenario, seed, plan: textOf(plan), trace })
  const begun = performance.now()
  const plan = await shrink({
    hasTime: () => performance.now() - begun < SHRINK_MS_MAX,
    fails: async (plan) => (await run(plan, false)).failure?.code === code,
  })
  return { plan, report: await run(plan, true) }
}

function textOf(plan: Plan): PlanText {
  const { values } = parseArgs({ args: [...planOptions(plan)], options: PLAN_OPTIONS })
  return values
}

function tell(scenario: ScenarioName, failed: FailedSeed, plan: readonly string[]): void {
  const { seed, code, message } = failed
  const text = message.startsWith(code) ? message : `${code}: ${message}`
  process.stderr.write(`${scenario}: seed ${seed} fails: ${text}\n`)
  const command = ["--scenario", scenario, "--seeds", "1", "--from", String(seed), "--trace"]
  process.stderr.write(`again: npm run sim -- ${[...command, ...plan].join(" ")}\n`)
}

const PLAN_OPTIONS = {
  steps: { type: "string" },
  skip: { type: "string" },
  calm: { type: "string" },
} as const

function readArguments(): Arguments | undefined {
  try {
    const { values } = parseArgs({
      options: {
        scenario: { type: "string", default: "bare" },
        seeds: { type: "string", default: "100" },
        from: { type: "string", default: "1" },
        workers: { type: "string", default: String(availableParallelism()) },
        "keep-going": { type: "boolean", default: false },
        trace: { type: "boolean", default: false },
        json: { type: "boolean", default: false },
        "no-shrink": { type: "boolean", default: false },
        ...PLAN_OPTIONS,
      },
    })
    const { scenario, trace, json, steps, skip, calm } = values
    const numbers = [values.seeds, values.from, values.workers].map(Number)
    const [seeds = 0, from = 0, workers = 0] = numbers
    if (!isScenario(scenario) || !numbers.every(Number.isInteger)) return undefined
    const plan = { steps, skip, calm }
    if (seeds < 1 || workers < 1 || readPlan(plan) === undefined) return undefined
    const shrinks = !values["no-shrink"]
    const numbered = { scenario, seeds, from, workers }
    return { ...numbered, keepGoing: values["keep-going"], trace, json, shrinks, plan }
  } catch (error) {
    if (error instanceof TypeError) return undefined
    throw error
  }
}

function isScenario(name: string): name is ScenarioName {
  return Object.hasOwn(SCENARIOS, name)
}

function raise(): never {
  throw new TypeError("a plan that was read before")
}

process.exitCode = await main()
