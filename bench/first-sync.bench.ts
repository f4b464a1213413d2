/**
 * How long, and how many bytes, messages, round trips and spans does it take until a second device
 * has the whole record?
 *
 * Times: two processes over libp2p on 127.0.0.1, the second one durable on disk. Counts: the same
 * code over the network in memory, exact (`first-sync-counts.ts`).
 *
 * @module
 */
import { join } from "node:path"
import type { Counts, CountsByShape } from "./baseline.ts"
import { startChild } from "./child.ts"
import { countFirstSync, type FirstSyncCounts } from "./first-sync-counts.ts"
import { countEngineSync, engineShapeName } from "./first-sync-engine-counts.ts"
import { type EngineRow, formatEngines, timeEngines } from "./first-sync-engines.ts"
import { type ReceiverResult, readReady, readResult, writeTask } from "./first-sync-process.ts"
import { inFolder } from "./in-folder.ts"
import { type RecordShape, shapeName } from "./seeded-record.ts"
import { type Summary, summarise } from "./statistics.ts"
import { formatNumber, formatSummary, formatTable } from "./table.ts"

export const FIRST_SYNC = "first-sync"

export interface FirstSyncTimes {
  readonly coldMs: number
  /** Both runs of each round together. */
  readonly firstSyncMs: Summary
  readonly dialedMs: Summary
  readonly durableMs: Summary
  readonly readMs: Summary
  readonly channelAloneMs: Summary
  readonly bareStreamMs: Summary
  readonly automergeLoadMs: Summary
  /** The first sync's median over the other one's. */
  readonly timesBareStream: number
  readonly timesAutomergeLoad: number
  /** Its two runs against each other: a ratio nearer to 1 than this says nothing. */
  readonly noise: number
  readonly socketBytesIn: number
  readonly socketBytesOut: number
  readonly savedBytes: number
  readonly peakMiB: number
  readonly foreignCores: number
}

export interface FirstSyncRow {
  readonly shape: string
  readonly counts: FirstSyncCounts
  readonly times: FirstSyncTimes
}

export interface FirstSyncReport {
  readonly rows: readonly FirstSyncRow[]
  readonly engines: readonly EngineRow[]
}

export interface FirstSyncOptions {
  readonly isQuick: boolean
  readonly profileFolder?: string | undefined
  /** Told before each row. */
  readonly progress: (what: string) => void
}

interface Effort {
  readonly roundsMin: number
  readonly roundsMax: number
  readonly budgetMs: number
}

const SHAPES: readonly RecordShape[] = [100, 1_000, 10_000].flatMap((edits) =>
  [1, 100].map((documents) => ({ edits, documents })),
)
/** As a person makes them, each flushed by itself: many would take longer to make than to sync. */
const ENGINE_SHAPES: readonly RecordShape[] = [
  { edits: 100, documents: 1 },
  { edits: 1_000, documents: 1 },
]
const ENGINE_ROUNDS = 3
const QUICK_ENGINE_ROUNDS = 2
const QUICK_EDITS_MAX = 100
const QUICK: Effort = { roundsMin: 2, roundsMax: 2, budgetMs: 1000 }
const FULL: Effort = { roundsMin: 1, roundsMax: 7, budgetMs: 2500 }

export async function runFirstSync(options: FirstSyncOptions): Promise<FirstSyncReport> {
  const { isQuick, profileFolder, progress } = options
  const isMeant = ({ edits, documents }: RecordShape) =>
    !isQuick || (edits <= QUICK_EDITS_MAX && documents === 1)
  const rows: FirstSyncRow[] = []
  for (const shape of SHAPES.filter(isMeant)) {
    progress(shapeName(shape))
    const effort = isQuick ? QUICK : FULL
    const measured = await inFolder((folder) => measure(shape, effort, folder, profileFolder))
    const { counts, result } = measured
    rows.push({ shape: shapeName(shape), counts, times: timesOf(result) })
  }
  const engines: EngineRow[] = []
  for (const shape of ENGINE_SHAPES.filter(isMeant)) {
    progress(engineShapeName(shape))
    const rounds = isQuick ? QUICK_ENGINE_ROUNDS : ENGINE_ROUNDS
    engines.push(await inFolder((folder) => timeEngines({ shape, rounds, folder, profileFolder })))
  }
  return { rows, engines }
}

/** The counts alone, of every record: they need no quiet machine. */
export async function countFirstSyncs(progress: (what: string) => void): Promise<CountsByShape> {
  const counted: Record<string, Counts> = {}
  for (const shape of SHAPES) {
    progress(shapeName(shape))
    counted[shapeName(shape)] = await countFirstSync(shape)
  }
  for (const shape of ENGINE_SHAPES) {
    progress(engineShapeName(shape))
    counted[engineShapeName(shape)] = await countEngineSync(shape)
  }
  return counted
}

export function formatFirstSync(report: FirstSyncReport): string {
  const { rows, engines } = report
  const times = formatTable([
    ["", "first sync, ms", "cold", "bare stream", "×", "Automerge load", "×", "noise ×", "MiB"],
    ...rows.map(({ shape, times }) => [
      shape,
      formatSummary(times.firstSyncMs),
      formatNumber(times.coldMs),
      formatSummary(times.bareStreamMs),
      formatNumber(times.timesBareStream),
      formatSummary(times.automergeLoadMs),
      formatNumber(times.timesAutomergeLoad),
      formatNumber(times.noise),
      formatNumber(times.peakMiB),
    ]),
  ])
  const parts = formatTable([
    ["", "dialed, ms", "durable", "read", "channel alone", "others' cores"],
    ...rows.map(({ shape, times }) => [
      shape,
      formatSummary(times.dialedMs),
      formatSummary(times.durableMs),
      formatSummary(times.readMs),
      formatSummary(times.channelAloneMs),
      times.foreignCores < 0 ? "unknown" : formatNumber(times.foreignCores),
    ]),
  ])
  const counts = formatTable([
    ["", "bytes to it", "from it", "messages", "round trips", "spans", "flushes", "bytes stored"],
    ...[...rows, ...engines].map(({ shape, counts }) => [
      shape,
      counts.bytesToNewDevice.toLocaleString("en"),
      counts.bytesFromNewDevice.toLocaleString("en"),
      `${counts.messagesToNewDevice} + ${counts.messagesFromNewDevice}`,
      String(counts.roundTrips),
      "spans" in counts ? counts.spans.toLocaleString("en") : "",
      counts.storeWrites.toLocaleString("en"),
      counts.storeBytes.toLocaleString("en"),
    ]),
  ])
  return [
    "Time until the second device has the whole record: median (least–most)",
    times,
    "Where it goes",
    parts,
    "Two whole engines: from the typed code until the record reads right",
    formatEngines(engines),
    "Counts: exact",
    counts,
  ].join("\n\n")
}

async function measure(
  shape: RecordShape,
  effort: Effort,
  folder: string,
  profileFolder: string | undefined,
): Promise<{ readonly counts: FirstSyncCounts; readonly result: ReceiverResult }> {
  await using sender = startChild({
    script: "first-sync-sender.ts",
    argument: JSON.stringify({ ...shape, folder: join(folder, "first device") }),
    profileFolder,
  })
  // Counted while the record is written over there: neither is timed.
  const counts = await countFirstSync(shape)
  const ready = readReady(await sender.line())
  await using receiver = startChild({
    script: "first-sync-receiver.ts",
    argument: writeTask({ ...ready, ...effort, shape, folder, senderPid: sender.pid }),
    profileFolder,
  })
  return { counts, result: readResult(await receiver.line()) }
}

function timesOf({ samples, coldMs, peakBytes, ...result }: ReceiverResult): FirstSyncTimes {
  const once = summarise(samples["first sync"])
  const again = summarise(samples["first sync again"])
  const both = summarise([...samples["first sync"], ...samples["first sync again"]])
  const bareStreamMs = summarise(samples["bare stream"])
  const automergeLoadMs = summarise(samples["automerge load"])
  return {
    coldMs,
    firstSyncMs: both,
    dialedMs: summarise(samples.dialed),
    durableMs: summarise(samples.durable),
    readMs: summarise(samples.read),
    channelAloneMs: summarise(samples["channel alone"]),
    bareStreamMs,
    automergeLoadMs,
    timesBareStream: both.median / bareStreamMs.median,
    timesAutomergeLoad: both.median / automergeLoadMs.median,
    noise: Math.max(once.median / again.median, again.median / once.median),
    peakMiB: peakBytes / 2 ** 20,
    ...result,
  }
}
