/**
 * The simulator's program.
 *
 * `npm run sim -- --scenario bare --seeds 200 [--from 1] [--trace]` runs seeds one after another;
 * the first that fails is told with the command that repeats it, and ends the program with 1.
 *
 * @module
 */
import { parseArgs } from "node:util"
import { runSeed, SCENARIOS, type ScenarioName } from "./run-seed.ts"

const PROGRESS_MS = 2_000
const USAGE =
  "usage: npm run sim -- --scenario NAME --seeds COUNT [--from SEED] [--trace]\n" +
  `scenarios: ${Object.keys(SCENARIOS).join(", ")}`

interface Arguments {
  readonly scenario: ScenarioName
  readonly from: number
  readonly seeds: number
  readonly trace: boolean
}

async function main(): Promise<number> {
  const given = readArguments()
  if (given === undefined) {
    process.stderr.write(`${USAGE}\n`)
    return 2
  }
  const { scenario, from, seeds } = given
  const startedMs = Date.now()
  let shownMs = startedMs
  let virtualMs = 0
  for (let seed = from; seed < from + seeds; seed++) {
    const failure = await tryOne(given, seed, (ms) => {
      virtualMs += ms
    })
    if (failure !== undefined) {
      process.stderr.write(`${scenario}: seed ${seed} fails: ${describe(failure)}\n`)
      process.stderr.write(
        `again: npm run sim -- --scenario ${scenario} --seeds 1 --from ${seed} --trace\n`,
      )
      return 1
    }
    if (Date.now() - shownMs > PROGRESS_MS || seed === from + seeds - 1) {
      shownMs = Date.now()
      const done = seed - from + 1
      const seconds = (shownMs - startedMs) / 1000
      process.stdout.write(
        `${scenario}: ${done} of ${seeds} seeds, ${(done / seconds).toFixed(1)} a second, ` +
          `${(virtualMs / 3_600_000).toFixed(1)} hours of virtual time\n`,
      )
    }
  }
  return 0
}

/** @returns What went wrong with a seed, if anything did. */
async function tryOne(
  { scenario, trace }: Arguments,
  seed: number,
  took: (virtualMs: number) => void,
): Promise<unknown> {
  // A failure that nobody takes care of would end a real program.
  const untended = Promise.withResolvers<never>()
  const fail = (reason: unknown) => untended.reject(reason)
  process.on("unhandledRejection", fail)
  process.on("uncaughtException", fail)
  try {
    const run = runSeed({
      scenario,
      seed,
      turn: () => new Promise((resolve) => setImmediate(resolve)),
      ...(trace && { show: (line: string) => void process.stdout.write(`${line}\n`) }),
    })
    const result = await Promise.race([run, untended.promise])
    took(result.virtualMs)
    if (trace) process.stdout.write(`seed ${seed}: ${result.hash}\n`)
    return undefined
  } catch (error) {
    return error
  } finally {
    process.off("unhandledRejection", fail)
    process.off("uncaughtException", fail)
  }
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const code = "code" in error ? `${error.code}: ` : ""
  const cause = error.cause === undefined ? "" : `\n  because ${describe(error.cause)}`
  const where = error.name === "SimError" ? "" : `\n${error.stack}`
  return `${code}${error.message}${where}${cause}`
}

function readArguments(): Arguments | undefined {
  try {
    const { values } = parseArgs({
      options: {
        scenario: { type: "string", default: "bare" },
        seeds: { type: "string", default: "100" },
        from: { type: "string", default: "1" },
        trace: { type: "boolean", default: false },
      },
    })
    const { scenario } = values
    const [seeds, from] = [Number(values.seeds), Number(values.from)]
    if (!isScenario(scenario) || !Number.isInteger(seeds) || seeds < 1) return undefined
    return Number.isInteger(from) ? { scenario, seeds, from, trace: values.trace } : undefined
  } catch (error) {
    if (error instanceof TypeError) return undefined
    throw error
  }
}

function isScenario(name: string): name is ScenarioName {
  return Object.hasOwn(SCENARIOS, name)
}

process.exitCode = await main()
