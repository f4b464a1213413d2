/**
 * A little fuzzing of everything that takes bytes from outside; `npm run fuzz` does more.
 *
 * @module
 */
import { expect, test } from "vitest"
import { runCampaign } from "./campaign.ts"
import { TARGETS } from "./targets.ts"

/** Of each target. */
const RUNS = Number(process.env.FULCRUM_FUZZ_RUNS ?? 150)

test(`[E7] ${RUNS} inputs of each target raise nothing but coded errors, and quickly`, {
  timeout: 600_000,
}, async () => {
  const targets = TARGETS.map(({ name }) => name)
  const jobs = await runCampaign({ targets, seed: 1, runs: RUNS })
  const found = jobs.flatMap(({ target, report }) =>
    (report?.finds ?? [{ what: "no report" }]).map((find) => `${target}: ${JSON.stringify(find)}`),
  )
  expect(found).toEqual([])
  expect(jobs).toHaveLength(targets.length)
})
