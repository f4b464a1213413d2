/**
 * A process of a campaign whose seeds do what their numbers say.
 *
 * @module
 */
import type { SeedReport, SeedRequest } from "../../src/campaign/seed-messages.ts"

process.on("disconnect", () => process.exit(0))
process.on("message", ({ seed }: SeedRequest) => {
  if (seed === 5) process.kill(process.pid, "SIGKILL")
  // Seed 7 never answers.
  else if (seed !== 7) process.send?.(reportOf(seed))
})

function reportOf(seed: number): SeedReport {
  if (seed % 10 === 3) return { failure: { code: "SIM_LOST", message: "lost" }, trace: [] }
  const hash = seed >= 1000 ? `${process.pid}` : `${seed}`
  return { hash, virtualMs: 1, trace: [] }
}
