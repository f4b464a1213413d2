/**
 * Searches, for each canary, the first seed that catches it, and prints which check did:
 *
 *     npm run canaries [-- PART-OF-A-NAME] [--seeds 2000]
 *
 * Ends with 1 if one is not caught.
 *
 * @module
 */
import { availableParallelism } from "node:os"
import { parseArgs } from "node:util"
import { CANARIES } from "./canaries.ts"
import { searchSeed } from "./run-canary.ts"

const { values, positionals } = parseArgs({
  options: { seeds: { type: "string", default: "2000" } },
  allowPositionals: true,
})
const wanted = CANARIES.filter(({ name }) => positionals.every((part) => name.includes(part)))
let missed = 0
for (const canary of wanted) {
  const begun = performance.now()
  const workers = availableParallelism()
  const seeds = Number(values.seeds)
  const { failures, done } = await searchSeed(canary, { from: 1, seeds, workers })
  const [failure] = failures
  const seconds = ((performance.now() - begun) / 1000).toFixed(0)
  if (failure === undefined) missed++
  const how =
    failure === undefined
      ? `NOT CAUGHT in ${done} seeds`
      : `${failure.code} at seed ${failure.seed} of ${canary.scenario}`
  process.stdout.write(`${canary.name}: ${how}, ${seconds} s\n`)
}
process.stdout.write(`${wanted.length - missed} of ${wanted.length} canaries caught\n`)
process.exitCode = missed === 0 ? 0 : 1
