/**
 * A few seeds at each change; `npm run sim -- --scenario members` runs as many as one likes.
 *
 * @module
 */
import { setImmediate } from "node:timers/promises"
import { expect, test } from "vitest"
import { runSeed } from "../src/run-seed.ts"

const SEEDS = 10
const turn = () => setImmediate()

test("[E5] devices that change who belongs at once come to the same, and nobody reads on", {
  timeout: 120_000,
}, async () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    await runSeed({ scenario: "members", seed, turn }).catch((cause: unknown) => {
      throw new Error(`npm run sim -- --scenario members --seeds 1 --from ${seed}`, { cause })
    })
  }
})

test("the same seed gives the same run of members", { timeout: 60_000 }, async () => {
  const first = await runSeed({ scenario: "members", seed: 3, turn })
  expect(await runSeed({ scenario: "members", seed: 3, turn })).toEqual(first)
  expect((await runSeed({ scenario: "members", seed: 5, turn })).hash).not.toBe(first.hash)
})
