/**
 * A few seeds at each change; `npm run sim -- --scenario pair` runs as many as one likes.
 *
 * @module
 */
import { setImmediate } from "node:timers/promises"
import { expect, test } from "vitest"
import { runSeed } from "../src/run-seed.ts"

const SEEDS = 6
const turn = () => setImmediate()

test("[E5] two devices of one person lose nothing and come to the same record", {
  timeout: 60_000,
}, async () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    await runSeed({ scenario: "pair", seed, turn }).catch((cause: unknown) => {
      throw new Error(`npm run sim -- --scenario pair --seeds 1 --from ${seed}`, { cause })
    })
  }
})

test("whole engines give the same run for the same seed", async () => {
  const first = await runSeed({ scenario: "pair", seed: 3, turn })
  expect(await runSeed({ scenario: "pair", seed: 3, turn })).toEqual(first)
})
