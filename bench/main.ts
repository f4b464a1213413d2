/**
 * `npm run bench`: runs every bench, prints what it found, writes it to `bench/results/`, and holds
 * the exact counts against `bench/baseline.json`.
 *
 * - `--quick`: small records only; writes no results.
 * - `--update-baseline`: takes the counts as the new baseline.
 * - `--profile FOLDER`: writes a processor profile of each process there; writes no results.
 *
 * Exit status 1 if a count got worse.
 *
 * @module
 */
import { mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { compareCounts, readBaseline, UPDATE_COMMAND, updateBaseline } from "./baseline.ts"
import { FIRST_SYNC, formatFirstSync, runFirstSync } from "./first-sync.bench.ts"
import { describeMachine } from "./machine.ts"

const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    "update-baseline": { type: "boolean", default: false },
    profile: { type: "string" },
  },
})

const begun = performance.now()
const machine = await describeMachine()
console.log(`${machine.processor}, ${machine.cores} cores, Node ${machine.node}\n`)
const report = await runFirstSync({
  isQuick: values.quick,
  profileFolder: values.profile,
  progress: (what) => process.stderr.write(`${what} …\n`),
})
console.log(`\n${formatFirstSync(report)}\n`)

if (!values.quick && values.profile === undefined) {
  const folder = join(import.meta.dirname, "results")
  await mkdir(folder, { recursive: true })
  const path = join(folder, `${FIRST_SYNC}.json`)
  await writeFile(path, `${JSON.stringify({ machine, ...report }, undefined, 2)}\n`)
  console.log(`written to ${path}`)
}

const counted = Object.fromEntries(report.rows.map(({ shape, counts }) => [shape, counts]))
if (values["update-baseline"]) {
  await updateBaseline(FIRST_SYNC, counted)
  console.log("the baseline is updated")
} else {
  const { worse, better } = compareCounts(counted, await readBaseline(FIRST_SYNC))
  if (worse.length > 0) {
    console.error(`worse than the baseline:\n${worse.join("\n")}`)
    process.exitCode = 1
  }
  if (better.length > 0) {
    console.log(`better than the baseline; keep it with: ${UPDATE_COMMAND}\n${better.join("\n")}`)
  }
  if (worse.length + better.length === 0) console.log("counts: as the baseline")
}
console.log(`took ${((performance.now() - begun) / 1000).toFixed(0)} s`)
