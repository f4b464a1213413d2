/**
 * A process of a campaign: runs the seeds that it is told to, one after another, until its parent
 * has gone.
 *
 * @module
 */
import { readPlan, WHOLE } from "../plan.ts"
import { runSeed } from "../run-seed.ts"
import {
  type SeedFailure,
  type SeedReport,
  type SeedRequest,
  TRACE_LINES_MAX,
} from "./seed-messages.ts"

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

process.on("disconnect", () => process.exit(0))
process.on("message", (request: SeedRequest) => {
  void run(request).then((report) => process.send?.(report))
})

async function run({ scenario, seed, plan, trace }: SeedRequest): Promise<SeedReport> {
  const lines: string[] = []
  const show = (line: string) => {
    if (lines.length < TRACE_LINES_MAX) lines.push(line)
  }
  // A failure that nobody takes care of would end a real program.
  const untended = Promise.withResolvers<never>()
  const fail = (reason: unknown) => untended.reject(reason)
  process.on("unhandledRejection", fail)
  process.on("uncaughtException", fail)
  try {
    const given = { scenario, seed, turn, plan: readPlan(plan) ?? WHOLE, ...(trace && { show }) }
    const { hash, virtualMs } = await Promise.race([runSeed(given), untended.promise])
    return { hash, virtualMs, trace: lines }
  } catch (error) {
    return { failure: failureOf(error), trace: lines }
  } finally {
    process.off("unhandledRejection", fail)
    process.off("uncaughtException", fail)
  }
}

function failureOf(error: unknown): SeedFailure {
  const code =
    error instanceof Error && "code" in error && typeof error.code === "string"
      ? error.code
      : "SIM_BROKE"
  return { code, message: describe(error) }
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const code = "code" in error ? `${error.code}: ` : ""
  const cause = error.cause === undefined ? "" : `\n  because ${describe(error.cause)}`
  const where = error.name === "SimError" ? "" : `\n${error.stack}`
  return `${code}${error.message}${where}${cause}`
}
