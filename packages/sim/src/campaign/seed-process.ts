/**
 * A process of a campaign: runs the seeds that it is told to, one after another, until its parent
 * has gone.
 *
 * @module
 */
import { rememberSignatures } from "@fulcrum/crypto/remembering"
import { readPlan, WHOLE } from "../plan.ts"
import { runSeed } from "../run-seed.ts"
import { endWithParent } from "./parent-watch.ts"
import type { SeedEnd, SeedFailure, SeedMessage, SeedRequest } from "./seed-messages.ts"
import { turns } from "./turn.ts"

const say = (message: SeedMessage) => process.send?.(message)

endWithParent()
rememberSignatures()
process.on("message", (request: SeedRequest) => {
  void run(request).then((end) => say({ ...end, memoryBytes: process.memoryUsage.rss() }))
})

async function run({ scenario, seed, plan, trace }: SeedRequest): Promise<SeedEnd> {
  const show = (line: string) => say({ line })
  // A failure that nobody takes care of would end a real program.
  const untended = Promise.withResolvers<never>()
  const fail = (reason: unknown) => untended.reject(reason)
  process.on("unhandledRejection", fail)
  process.on("uncaughtException", fail)
  try {
    const given = {
      scenario,
      seed,
      turn: turns(),
      plan: readPlan(plan) ?? WHOLE,
      ...(trace && { show }),
    }
    const result = await Promise.race([runSeed(given), untended.promise])
    // What the run left behind fails now, as this seed's, and not while the next one runs.
    await Promise.race([new Promise((resolve) => setImmediate(resolve)), untended.promise])
    return result
  } catch (error) {
    return { failure: failureOf(error) }
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
