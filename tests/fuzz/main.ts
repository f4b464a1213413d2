/**
 * The fuzzer's program.
 *
 * `npm run fuzz -- --target cbor --runs 1000000 [--seed 1]` runs a target, or `all`, on all cores;
 * what is found is kept as a fixture and told with the command that repeats it, and the program
 * ends with 1. `npm run fuzz -- --replay FILE` runs one input.
 *
 * @module
 */
import { parseArgs } from "node:util"
import { type JobState, runCampaign } from "./campaign.ts"
import { keepFixture, readFixture } from "./fixtures.ts"
import { ProgressLines, summary } from "./progress-lines.ts"
import { TARGETS } from "./targets.ts"
import { WorkerThread } from "./worker-thread.ts"

const USAGE =
  "usage: npm run fuzz -- --target NAME[,NAME…]|all [--runs COUNT] [--seed SEED] [--workers COUNT]\n" +
  "       npm run fuzz -- --replay FILE\n" +
  `targets: ${TARGETS.map(({ name }) => name).join(", ")}\n`

async function main(): Promise<number> {
  const given = readArguments()
  if (given === undefined) {
    process.stderr.write(USAGE)
    return 2
  }
  if (given.replay !== undefined) return await replay(given.replay)
  const lines = new ProgressLines()
  const jobs = await runCampaign({
    ...given,
    progress: (jobs) => {
      const line = lines.line(jobs)
      if (line !== undefined) process.stdout.write(`${line}\n`)
    },
  })
  process.stdout.write(`${summary(jobs).join("\n")}\n`)
  for (const job of jobs) tell(job)
  return jobs.every(({ report }) => report?.finds.length === 0) ? 0 : 1
}

function tell({ target, seed, runs, report }: JobState): void {
  for (const { message, input, at } of report?.finds ?? []) {
    const file = keepFixture(target, input)
    process.stderr.write(`\n${target}: seed ${seed}, input ${at}: ${message}\n`)
    process.stderr.write(`again: npm run fuzz -- --replay ${file}\n`)
    process.stderr.write(
      `found by: npm run fuzz -- --target ${target} --seed ${seed} --runs ${runs}\n`,
    )
  }
}

async function replay(file: string): Promise<number> {
  const { target, input } = readFixture(file)
  await using thread = new WorkerThread()
  const { finds } = await thread.run({ target, seed: "replay", runs: 0, only: input })
  for (const { message } of finds) process.stderr.write(`${target}: ${message}\n`)
  if (finds.length === 0) process.stdout.write(`${target}: nothing is found with this input\n`)
  return finds.length === 0 ? 0 : 1
}

function readArguments() {
  try {
    const { values } = parseArgs({
      options: {
        target: { type: "string", default: "all" },
        runs: { type: "string", default: "10000" },
        seed: { type: "string", default: "1" },
        workers: { type: "string" },
        replay: { type: "string" },
      },
    })
    const names = TARGETS.map(({ name }) => name)
    const targets = values.target === "all" ? names : values.target.split(",")
    const [runs = 0, seed = 0, workers = 0] = [values.runs, values.seed, values.workers ?? 2].map(
      Number,
    )
    const isWhole = [runs, seed, workers].every((number) => Number.isInteger(number) && number > 0)
    if (!isWhole || !targets.every((target) => names.includes(target))) return undefined
    const { replay } = values
    return { targets, runs, seed, replay, ...(values.workers !== undefined && { workers }) }
  } catch (error) {
    if (error instanceof TypeError) return undefined
    throw error
  }
}

process.exitCode = await main()
