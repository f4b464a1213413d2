/**
 * `npm run bench`: runs every bench, prints what it found, writes it to `bench/results/`, and holds
 * the exact counts against `bench/baseline.json`.
 *
 * - `--quick`: small records only; writes no results.
 * - `--counts`: counts every record and times none; writes no results.
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
import {
  type CountsByShape,
  compareCounts,
  readBaseline,
  UPDATE_COMMAND,
  updateBaseline,
} from "./baseline.ts"
import { countFirstSyncs, FIRST_SYNC, formatFirstSync, runFirstSync } from "./first-sync.bench.ts"
import { describeMachine } from "./machine.ts"

const { values } = parseArgs({
  options: {
    counts: { type: "boolean", default: false },
    quick: { type: "boolean", default: false },
    "update-baseline": { type: "boolean", default: false },
    profile: { type: "string" },
  },
})

const begun = performance.now()
const progress = (what: string) => void process.stderr.write(`${what} …\n`)
const counted = values.counts ? await countFirstSyncs(progress) : await timeAndCount()

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

async function timeAndCount(): Promise<CountsByShape> {
  const machine = await describeMachine()
  console.log(`${machine.processor}, ${machine.cores} cores, Node ${machine.node}\n`)
  const isQuick = values.quick
  const report = await runFirstSync({ isQuick, profileFolder: values.profile, progress })
  console.log(`\n${formatFirstSync(report)}\n`)
  if (!isQuick && values.profile === undefined) await writeResults({ machine, ...report })
  return Object.fromEntries(
    [...report.rows, ...report.engines].map(({ shape, counts }) => [shape, counts]),
  )
}

async function writeResults(results: object): Promise<void> {
  const folder = join(import.meta.dirname, "results")
  await mkdir(folder, { recursive: true })
  const path = join(folder, `${FIRST_SYNC}.json`)
  await writeFile(path, `${JSON.stringify(results, undefined, 2)}\n`)
  console.log(`written to ${path}`)
}
