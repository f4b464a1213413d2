/**
 * How long, and how many bytes, messages, round trips and spans does it take until a second device
 * has the whole record?
 *
 * Times: two processes over libp2p on 127.0.0.1, the second one durable on disk. Counts: the same
 * code over the network in memory, exact (`first-sync-counts.ts`).
 *
 * @module
 */
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { startChild } from "./child.ts"
import { countFirstSync, type FirstSyncCounts } from "./first-sync-counts.ts"
import { type ReceiverResult, readReady, readResult, writeTask } from "./first-sync-process.ts"
import { type RecordShape, shapeName } from "./seeded-record.ts"
import { type Summary, summarise } from "./statistics.ts"
import { formatNumber, formatTable } from "./table.ts"

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
const QUICK_EDITS_MAX = 100
const QUICK: Effort = { roundsMin: 3, roundsMax: 3, budgetMs: 1000 }
const FULL: Effort = { roundsMin: 1, roundsMax: 7, budgetMs: 4000 }

export async function runFirstSync(options: FirstSyncOptions): Promise<readonly FirstSyncRow[]> {
  const { isQuick, profileFolder, progress } = options
  const rows: FirstSyncRow[] = []
  for (const shape of SHAPES) {
    if (isQuick && shape.edits > QUICK_EDITS_MAX) continue
    progress(shapeName(shape))
    const effort = isQuick ? QUICK : FULL
    const { counts, result } = await measure(shape, effort, profileFolder)
    rows.push({ shape: shapeName(shape), counts, times: timesOf(result) })
  }
  return rows
}

export function formatFirstSync(rows: readonly FirstSyncRow[]): string {
  const ms = ({ median, least, most }: Summary): string =>
    `${formatNumber(median)} (${formatNumber(least)}–${formatNumber(most)})`
  const times = formatTable([
    ["", "first sync, ms", "cold", "bare stream", "×", "Automerge load", "×", "noise ×", "MiB"],
    ...rows.map(({ shape, times }) => [
      shape,
      ms(times.firstSyncMs),
      formatNumber(times.coldMs),
      ms(times.bareStreamMs),
      formatNumber(times.timesBareStream),
      ms(times.automergeLoadMs),
      formatNumber(times.timesAutomergeLoad),
      formatNumber(times.noise),
      formatNumber(times.peakMiB),
    ]),
  ])
  const parts = formatTable([
    ["", "dialed, ms", "durable", "read", "channel alone", "others' cores"],
    ...rows.map(({ shape, times }) => [
      shape,
      ms(times.dialedMs),
      ms(times.durableMs),
      ms(times.readMs),
      ms(times.channelAloneMs),
      times.foreignCores < 0 ? "unknown" : formatNumber(times.foreignCores),
    ]),
  ])
  const counts = formatTable([
    ["", "bytes to it", "from it", "messages", "round trips", "spans", "flushes", "bytes stored"],
    ...rows.map(({ shape, counts }) => [
      shape,
      counts.bytesToNewDevice.toLocaleString("en"),
      counts.bytesFromNewDevice.toLocaleString("en"),
      `${counts.messagesToNewDevice} + ${counts.messagesFromNewDevice}`,
      String(counts.roundTrips),
      counts.spans.toLocaleString("en"),
      counts.storeWrites.toLocaleString("en"),
      counts.storeBytes.toLocaleString("en"),
    ]),
  ])
  return [
    "Time until the second device has the whole record: median (least–most)",
    times,
    "Where it goes",
    parts,
    "Counts: exact",
    counts,
  ].join("\n\n")
}

async function measure(
  shape: RecordShape,
  effort: Effort,
  profileFolder: string | undefined,
): Promise<{ readonly counts: FirstSyncCounts; readonly result: ReceiverResult }> {
  const folder = await mkdtemp(join(tmpdir(), "fulcrum-bench-"))
  try {
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
    const result = readResult(await receiver.line())
    return { counts, result }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
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
