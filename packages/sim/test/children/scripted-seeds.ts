/**
 * A process of a campaign whose seeds do what their numbers say.
 *
 * @module
 */
import type { SeedEnd, SeedMessage, SeedRequest } from "../../src/campaign/seed-messages.ts"

const say = (message: SeedMessage, then: () => void = () => undefined) =>
  process.send?.(message, then)

process.on("disconnect", () => process.exit(0))
process.on("message", ({ seed, trace }: SeedRequest) => {
  if (trace) {
    say({ line: "it begins" })
    say({ line: `process ${process.pid}` }, () => end(seed))
  } else end(seed)
})

function end(seed: number): void {
  if (seed === 5) process.kill(process.pid, "SIGKILL")
  else if (seed === 29) say(endOf(seed), () => process.exit(1))
  // Seed 7 never answers.
  else if (seed !== 7) say(endOf(seed))
}

function endOf(seed: number): SeedEnd {
  if (seed % 10 === 3) return { failure: { code: "SIM_LOST", message: "lost" } }
  const hash = seed >= 1000 ? `${process.pid}` : `${seed}`
  return { hash, virtualMs: 1, lines: 2, memoryBytes: seed === 2000 ? 2 ** 31 : 2 ** 20 }
}
