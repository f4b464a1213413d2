/**
 * A few seeds at each change; `npm run sim` runs as many as one likes.
 *
 * @module
 */
import { setImmediate } from "node:timers/promises"
import { expect, test } from "vitest"
import { runSeed } from "../src/run-seed.ts"

const SEEDS = 10
const turn = () => setImmediate()

test("[E5] bare replicas lose nothing, claim nothing false, and come to the same", {
  timeout: 60_000,
}, async () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    await runSeed({ scenario: "bare", seed, turn }).catch((cause: unknown) => {
      throw new Error(`npm run sim -- --scenario bare --seeds 1 --from ${seed}`, { cause })
    })
  }
})

test("the same seed gives the same run, another one another", async () => {
  const first = await runSeed({ scenario: "bare", seed: 4, turn })
  expect(await runSeed({ scenario: "bare", seed: 4, turn })).toEqual(first)
  expect((await runSeed({ scenario: "bare", seed: 5, turn })).hash).not.toBe(first.hash)
})
