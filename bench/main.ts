/**
 * `npm run bench`: runs every bench, prints what it found, writes it to `bench/results/`, and holds
 * the exact counts against `bench/baseline.json`.
 *
 * - `--quick`: small records only; writes no results.
 * - `--counts`: counts every record and times none; writes no results.
 * - `--history EDITS`: only what a merged history of so many edits takes.
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
import { countHistory, describeHistory, HISTORY, type HistoryCounts } from "./history.ts"
import {
  countLaterSyncs,
  describeLaterSyncs,
  LATER_SYNC,
  type LaterSyncCounts,
} from "./later-sync-counts.ts"
import { describeMachine } from "./machine.ts"
import { shapeName } from "./seeded-record.ts"

const { values } = parseArgs({
  options: {
    counts: { type: "boolean", default: false },
    quick: { type: "boolean", default: false },
    history: { type: "string" },
    "update-baseline": { type: "boolean", default: false },
    profile: { type: "string" },
  },
})

const begun = performance.now()
const progress = (what: string) => void process.stderr.write(`${what} …\n`)
const isHistoryOnly = values.history !== undefined
const histories = await countHistories(
  isHistoryOnly ? [Number(values.history)] : values.quick ? [1000] : [1000, 10_000],
)
const later = isHistoryOnly ? {} : await countAllLaterSyncs(values.quick ? [1000] : [1000, 10_000])
const counted = isHistoryOnly
  ? {}
  : values.counts
    ? await countFirstSyncs(progress)
    : await timeAndCount()

if (values["update-baseline"]) {
  await updateBaseline(FIRST_SYNC, counted)
  await updateBaseline(HISTORY, histories)
  await updateBaseline(LATER_SYNC, later)
  console.log("the baseline is updated")
} else if (!isHistoryOnly) {
  const firstSync = compareCounts(counted, await readBaseline(FIRST_SYNC))
  const history = compareCounts(histories, await readBaseline(HISTORY))
  const laterSync = compareCounts(later, await readBaseline(LATER_SYNC))
  const worse = [firstSync, history, laterSync].flatMap((compared) => compared.worse)
  const better = [firstSync, history, laterSync].flatMap((compared) => compared.better)
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

async function countHistories(sizes: readonly number[]): Promise<CountsByShape> {
  const counts: Record<string, HistoryCounts> = {}
  for (const edits of sizes) {
    const shape = { edits, documents: 1 }
    progress(`a history of ${edits.toLocaleString("en")} edits`)
    const one = await countHistory(shape)
    console.log(describeHistory(shape, one))
    counts[shapeName(shape)] = one
  }
  return counts
}

/** Of one document, and of so many that each edit has one of its own. */
async function countAllLaterSyncs(sizes: readonly number[]): Promise<CountsByShape> {
  const counts: Record<string, LaterSyncCounts> = {}
  for (const edits of sizes) {
    for (const documents of [1, edits]) {
      const name = shapeName({ edits, documents })
      progress(`later syncs of ${name}`)
      counts[name] = await countLaterSyncs({ edits, documents })
      console.log(describeLaterSyncs(name, counts[name]))
    }
  }
  return counts
}

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
