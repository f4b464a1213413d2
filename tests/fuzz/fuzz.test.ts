/**
 * Fuzzing of everything that takes bytes from outside, as much as fits; `npm run fuzz` does more.
 *
 * @module
 */
import { expect, test } from "vitest"
import { runCampaign } from "./campaign.ts"
import type { FuzzTarget } from "./target.ts"
import { TARGETS } from "./targets.ts"

/** Of each target, where thousands are done in a second; and where hundreds are. */
const QUICK_RUNS = Number(process.env.FULCRUM_FUZZ_RUNS ?? 3_000)
const SLOW_RUNS = Number(process.env.FULCRUM_FUZZ_RUNS ?? 100)
/** Of those, guided by coverage, which is what takes the time. */
const QUICK_GUIDED = 300
const SLOW_GUIDED = 50

const isSlow = ({ batch }: FuzzTarget) => batch !== undefined
const QUICK = TARGETS.filter((target) => !isSlow(target))
const SLOW = TARGETS.filter(isSlow)

test.each([
  { runs: QUICK_RUNS, guided: QUICK_GUIDED, kind: "quick", chosen: QUICK },
  { runs: SLOW_RUNS, guided: SLOW_GUIDED, kind: "slow", chosen: SLOW },
])(
  "[E7] $runs inputs of each $kind target raise nothing but coded errors, and quickly",
  {
    timeout: 600_000,
  },
  async ({ runs, guided: first, chosen }) => {
    // Who asks for many wants them all guided.
    const guided = process.env.FULCRUM_FUZZ_RUNS === undefined ? first : runs
    const targets = chosen.map(({ name }) => name)
    expect(targets.length).toBeGreaterThan(0)
    const jobs = await runCampaign({ targets, seed: 1, runs, guided })
    const found = jobs.flatMap(({ target, report }) =>
      (report?.finds ?? [{ what: "no report" }]).map(
        (find) => `${target}: ${JSON.stringify(find)}`,
      ),
    )
    expect(found).toEqual([])
    expect(new Set(jobs.map(({ target }) => target)).size).toBe(targets.length)
  },
)
