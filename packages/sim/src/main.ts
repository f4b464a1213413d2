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
import { type FailedSeed, runCampaign } from "./campaign/campaign.ts"
import {
  describeFailure,
  type FailureReport,
  failureLine,
  replayCommand,
  reportFailure,
} from "./campaign/failure-report.ts"
import { ProgressLines } from "./campaign/progress-lines.ts"
import type { PlanText } from "./campaign/seed-messages.ts"
import { SeedWorker } from "./campaign/seed-worker.ts"
import { planOptions, readPlan, WHOLE } from "./plan.ts"
import { SCENARIO_NAMES, type ScenarioName } from "./scenario-names.ts"

/** Longest that one seed may take, in real time, on a machine that does other things too. */
const SEED_SECONDS = 300
const SHRINK_SECONDS = 60
const USAGE =
  "usage: npm run sim -- --scenario NAME --seeds COUNT [--from SEED] [--workers COUNT]\n" +
  "         [--keep-going] [--json] [--seed-seconds SECONDS] [--shrink-seconds SECONDS | --no-shrink]\n" +
  "         [--profile] [--trace] [--steps COUNT] [--skip STEP,FIRST-LAST,…] [--calm TROUBLE,…]\n" +
  `scenarios: ${SCENARIO_NAMES.join(", ")}`

interface Arguments {
  readonly scenario: ScenarioName
  readonly from: number
  readonly seeds: number
  readonly workers: number
  readonly keepGoing: boolean
  readonly trace: boolean
  readonly json: boolean
  readonly profiles: boolean
  readonly seedMsMax: number
  /** 0: runs that fail are not made shorter. */
  readonly shrinkMsMax: number
  readonly plan: PlanText
}

async function main(): Promise<number> {
  const given = readArguments()
  if (given === undefined) {
    process.stderr.write(`${USAGE}\n`)
    return 2
  }
  if (given.profiles) return await profile(given)
  const isWhole = Object.values(given.plan).every((part) => part === undefined)
  return given.trace || !isWhole ? await repeat(given) : await campaign(given)
}

async function campaign(given: Arguments): Promise<number> {
  const { scenario, from, seeds, workers, keepGoing, json, seedMsMax } = given
  const begun = performance.now()
  const lines = new ProgressLines(scenario, workers, (line) => {
    if (!json) process.stdout.write(`${line}\n`)
  })
  const result = await runCampaign({
    ...{ scenario, from, seeds, workers, keepGoing },
    worker: { seedMsMax },
    progress: (progress) => lines.show(progress),
    failed: (seed) => tellFailed(scenario, seed),
  })
  const seconds = Math.round(performance.now() - begun) / 1000
  if (!json) process.stdout.write(`${lines.last(result)}\n`)
  const [first] = result.failures
  const shortest = first && (await tellShortest(given, first))
  const all = { scenario, from, ...result, seconds, workers, ...(shortest && { shortest }) }
  if (json) process.stdout.write(`${JSON.stringify(all)}\n`)
  return result.failed > 0 ? 1 : 0
}

/** In this process, one seed after another. */
async function profile({ scenario, from, seeds, json }: Arguments): Promise<number> {
  // It loads the scenarios, which otherwise only the processes that run seeds do.
  const { describeProfile, profileRuns } = await import("./campaign/profile.ts")
  const profiled = await profileRuns({ scenario, from, seeds })
  const text = json ? JSON.stringify(profiled) : describeProfile(profiled)
  process.stdout.write(`${text}\n`)
  return 0
}

function tellFailed(scenario: ScenarioName, failed: FailedSeed): void {
  process.stderr.write(`${failureLine(scenario, failed).split("\n")[0]}\n`)
  process.stderr.write(`again: ${replayCommand(scenario, failed, [])}\n`)
}

/** Makes a run that failed shorter. */
async function tellShortest(
  { scenario, shrinkMsMax, seedMsMax, json }: Arguments,
  first: FailedSeed,
): Promise<FailureReport> {
  if (shrinkMsMax > 0 && !json) {
    process.stderr.write(`seed ${first.seed} fails with ${first.code}; a shorter run is sought\n`)
  }
  const report = await reportFailure({
    ...{ scenario, shrinkMsMax, failed: first, worker: { seedMsMax } },
  })
  // Without a shorter run all of it was told when it failed.
  if (shrinkMsMax > 0) process.stderr.write(describeFailure(scenario, report))
  return report
}

/** Runs single seeds, by a plan or with their traces. */
async function repeat({ scenario, from, seeds, plan, trace, seedMsMax }: Arguments) {
  using worker = new SeedWorker({ seedMsMax })
  for (let seed = from; seed < from + seeds; seed++) {
    const report = await worker.run({ scenario, seed, plan, trace })
    for (const line of report.trace) process.stdout.write(`${line}\n`)
    const { failure, hash } = report
    if (failure !== undefined) {
      const options = planOptions(readPlan(plan) ?? WHOLE)
      const command = replayCommand(scenario, { seed, ...failure }, options)
      const told = { seed, ...failure, plan: options, command, trace: [] }
      process.stderr.write(describeFailure(scenario, told))
      return 1
    }
    process.stdout.write(`${scenario}: seed ${seed} ends well: ${hash}\n`)
  }
  return 0
}

function readArguments(): Arguments | undefined {
  try {
    const { values } = parseArgs({
      options: {
        scenario: { type: "string", default: "bare" },
        seeds: { type: "string", default: "100" },
        from: { type: "string", default: "1" },
        workers: { type: "string", default: String(availableParallelism()) },
        "seed-seconds": { type: "string", default: String(SEED_SECONDS) },
        "shrink-seconds": { type: "string", default: String(SHRINK_SECONDS) },
        "keep-going": { type: "boolean", default: false },
        trace: { type: "boolean", default: false },
        json: { type: "boolean", default: false },
        profile: { type: "boolean", default: false },
        "no-shrink": { type: "boolean", default: false },
        steps: { type: "string" },
        skip: { type: "string" },
        calm: { type: "string" },
      },
    })
    const { scenario, trace, json, profile: profiles, steps, skip, calm } = values
    const { seeds: many, from: first, workers: lanes } = values
    const numbers = [many, first, lanes, values["seed-seconds"], values["shrink-seconds"]]
    const [seeds = 0, from = 0, workers = 0, seedSeconds = 0, shrinkSeconds = 0] =
      numbers.map(Number)
    if (!isScenario(scenario) || !numbers.map(Number).every(Number.isInteger)) return undefined
    const plan = { steps, skip, calm }
    if (seeds < 1 || workers < 1 || seedSeconds < 1 || shrinkSeconds < 0) return undefined
    if (readPlan(plan) === undefined) return undefined
    const shrinkMsMax = values["no-shrink"] ? 0 : shrinkSeconds * 1000
    const times = { seedMsMax: seedSeconds * 1000, shrinkMsMax }
    const flags = { keepGoing: values["keep-going"], trace, json, profiles }
    return { ...{ scenario, seeds, from, workers }, ...flags, ...times, plan }
  } catch (error) {
    if (error instanceof TypeError) return undefined
    throw error
  }
}

function isScenario(name: string): name is ScenarioName {
  return SCENARIO_NAMES.some((known) => known === name)
}

process.exitCode = await main()
