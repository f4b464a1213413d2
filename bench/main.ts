/**
 * `npm run bench`: runs every bench, prints what it found, writes it to `bench/results/`, and holds
 * the exact counts against `bench/baseline.json`.
 *
 * - `--quick`: small records only; writes no results.
 * - `--counts`: counts every record and times none; writes no results.
 * - `--history EDITS`: only what a merged history of so many edits takes.
 * - `--later EDITS`: only what later syncs of so many edits take.
 * - `--compare`: only this engine beside others.
 * - `--relayed`: only what goes through a relay.
 * - `--growth`: only how cost grows with history.
 * - `--devices`: only what pairing and removing a device take.
 * - `--opening DOCUMENTS`: only how a device with so many documents opens; writes no results.
 * - `--idle DEVICES`: only what so many devices take at a relay that have nothing to do; writes no
 *   results.
 * - `--attachment MIB`: only how quickly an attachment of this size goes to another device.
 * - `--update-baseline`: takes the counts as the new baseline.
 * - `--profile FOLDER`: writes a processor profile of each process there; writes no results.
 *
 * Exit status 1 if a count got worse.
 *
 * @module
 */
import { mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { type BenchArguments, readBenchArguments, USAGE } from "./arguments.ts"
import { ATTACHMENT, formatAttachment, runAttachment } from "./attachment/attachment.ts"
import {
  type CountsByShape,
  compareCounts,
  readBaseline,
  UPDATE_COMMAND,
  updateBaseline,
} from "./baseline.ts"
import { drawCompare } from "./compare/chart.ts"
import { COMPARE, formatWork, runCompare } from "./compare/compare.ts"
import { DEVICES, formatDevices, runDevices } from "./devices/devices.ts"
import { countFirstSyncs, FIRST_SYNC, formatFirstSync, runFirstSync } from "./first-sync.bench.ts"
import { drawGrowth } from "./growth/chart.ts"
import { formatGrowth, GROWTH, runGrowth } from "./growth/growth.ts"
import { countHistory, describeHistory, HISTORY, type HistoryCounts } from "./history.ts"
import {
  countLaterSyncs,
  describeLaterSyncs,
  LATER_SYNC,
  type LaterSyncCounts,
} from "./later-sync-counts.ts"
import { describeMachine } from "./machine.ts"
import { formatOpening, runOpening } from "./opening.ts"
import { formatIdle, runIdle } from "./relayed/idle.ts"
import { formatRelayed, RELAYED, runRelayed } from "./relayed/relayed.ts"
import { shapeName } from "./seeded-record.ts"

const asked = readAsked()
if (asked !== undefined) {
  const begun = performance.now()
  if (asked.compare) await compareAndKeep()
  else if (asked.relayed) await relayAndKeep(asked)
  else if (asked.growth) await growAndKeep()
  else if (asked.devices) await changeDevicesAndKeep()
  else if (asked.attachment !== undefined) await fetchAndKeep(asked, asked.attachment)
  else if (asked.later !== undefined) await countManyLaterSyncs(asked.later)
  else if (asked.idle !== undefined) console.log(formatIdle(await runIdle(asked.idle, progress)))
  else if (asked.opening === undefined) await countAndTime(asked)
  else console.log(formatOpening(await runOpening(asked.opening, progress)))
  console.log(`took ${((performance.now() - begun) / 1000).toFixed(0)} s`)
}

function progress(what: string): void {
  process.stderr.write(`${what} …\n`)
}

/** `undefined`: there is nothing more to do. */
function readAsked(): BenchArguments | undefined {
  try {
    const read = readBenchArguments(process.argv.slice(2))
    if (read === undefined) console.log(USAGE)
    return read
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    console.error(`${error.message}\n${USAGE}`)
    process.exitCode = 2
    return undefined
  }
}

async function countAndTime(bench: BenchArguments): Promise<void> {
  const isHistoryOnly = bench.history !== undefined
  const sizes = bench.quick ? [1000] : [1000, 10_000]
  const histories = await countHistories(bench.history === undefined ? sizes : [bench.history])
  const later = isHistoryOnly ? {} : await countAllLaterSyncs(sizes)
  const counted = isHistoryOnly
    ? {}
    : bench.counts
      ? await countFirstSyncs(progress)
      : await timeAndCount(bench)
  if (bench.updateBaseline) {
    await updateBaseline(FIRST_SYNC, counted)
    await updateBaseline(HISTORY, histories)
    await updateBaseline(LATER_SYNC, later)
    console.log("the baseline is updated")
  } else if (!isHistoryOnly) {
    await compareAll({ [FIRST_SYNC]: counted, [HISTORY]: histories, [LATER_SYNC]: later })
  }
}

async function compareAll(counted: Readonly<Record<string, CountsByShape>>): Promise<void> {
  const worse: string[] = []
  const better: string[] = []
  for (const [bench, counts] of Object.entries(counted)) {
    const compared = compareCounts(counts, await readBaseline(bench))
    worse.push(...compared.worse)
    better.push(...compared.better)
  }
  if (worse.length > 0) {
    console.error(`worse than the baseline:\n${worse.join("\n")}`)
    process.exitCode = 1
  }
  if (better.length > 0) {
    console.log(`better than the baseline; keep it with: ${UPDATE_COMMAND}\n${better.join("\n")}`)
  }
  if (worse.length + better.length === 0) console.log("counts: as the baseline")
}

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

/** Of a thousand edits to each document, merged 64 at a time: the same in the end, and sooner there. */
async function countManyLaterSyncs(edits: number): Promise<void> {
  const shape = { edits, documents: Math.ceil(edits / 1000) }
  const counts = await countLaterSyncs(shape, { mergedEvery: 64 })
  console.log(describeLaterSyncs(shapeName(shape), counts))
}

async function timeAndCount({ quick: isQuick, profile }: BenchArguments): Promise<CountsByShape> {
  const machine = await describeMachine()
  console.log(`${machine.processor}, ${machine.cores} cores, Node ${machine.node}\n`)
  const report = await runFirstSync({ isQuick, profileFolder: profile, progress })
  console.log(`\n${formatFirstSync(report)}\n`)
  if (!isQuick && profile === undefined) {
    await writeResults(FIRST_SYNC, { machine, ...report })
    await compareAndKeep()
  }
  return Object.fromEntries(
    [...report.rows, ...report.engines].map(({ shape, counts }) => [shape, counts]),
  )
}

async function compareAndKeep(): Promise<void> {
  const machine = await describeMachine()
  const report = await runCompare(progress, (work) => console.log(`\n${formatWork(work)}\n`))
  await writeResults(COMPARE, { machine, ...report })
  await writeResult(`${COMPARE}.svg`, drawCompare(report))
}

async function relayAndKeep({ profile }: BenchArguments): Promise<void> {
  const machine = await describeMachine()
  const report = await runRelayed({ progress, profileFolder: profile })
  console.log(formatRelayed(report))
  if (profile === undefined) await writeResults(RELAYED, { machine, ...report })
}

async function fetchAndKeep({ profile }: BenchArguments, mib: number): Promise<void> {
  const machine = await describeMachine()
  const report = await runAttachment({ bytes: mib * 2 ** 20, profileFolder: profile, progress })
  console.log(formatAttachment(report))
  if (profile === undefined) await writeResults(ATTACHMENT, { machine, ...report })
}

async function changeDevicesAndKeep(): Promise<void> {
  const machine = await describeMachine()
  const report = await runDevices({ progress })
  console.log(formatDevices(report))
  await writeResults(DEVICES, { machine, ...report })
}

async function growAndKeep(): Promise<void> {
  const machine = await describeMachine()
  const report = await runGrowth({ progress })
  console.log(formatGrowth(report))
  await writeResults(GROWTH, { machine, ...report })
  await writeResult(`${GROWTH}.svg`, drawGrowth(report))
}

async function writeResults(name: string, results: object): Promise<void> {
  await writeResult(`${name}.json`, `${JSON.stringify(results, undefined, 2)}\n`)
}

async function writeResult(name: string, contents: string): Promise<void> {
  const folder = join(import.meta.dirname, "results")
  await mkdir(folder, { recursive: true })
  const path = join(folder, name)
  await writeFile(path, contents)
  console.log(`written to ${path}`)
}
