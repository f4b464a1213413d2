/**
 * Every canary is caught by the seed that is known to catch it; `find-canaries.ts` searches.
 *
 * @module
 */
import { afterAll, test } from "vitest"
import { CANARIES } from "./canaries.ts"
import { runKnownSeed } from "./run-canary.ts"

const caught: string[] = []

test.for(CANARIES.filter(({ isStale }) => isStale !== true))(
  "$name: caught",
  { timeout: 120_000 },
  async (canary, { expect }) => {
    const { seed, name } = canary
    const { failure } = await runKnownSeed(canary)
    expect(failure?.code).toMatch(/^SIM_/)
    // A program that does not even run is caught by nothing.
    expect(failure?.code).not.toBe("SIM_DIED")
    caught.push(`${failure?.code.padEnd(16)} seed ${String(seed).padStart(4)}  ${name}`)
  },
)

afterAll(() => console.log(`canaries, and which check caught each:\n  ${caught.join("\n  ")}`))
