/**
 * How cost grows with history: the same work on records of 1,000, 10,000 and 100,000 edits, two
 * processes on loopback as in the comparison, and each measure held against n log n.
 *
 * @module
 */
import { mkdir, mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { startChild } from "../child.ts"
import { readCloneResult, readServerReady, writeTask } from "../compare/messages.ts"
import { type RecordShape, shapeName } from "../seeded-record.ts"
import { type Summary, summarise } from "../statistics.ts"
import { formatNumber, formatSummary, formatTable } from "../table.ts"

export const GROWTH = "growth"

/** Edits in one record. */
const SIZES: readonly number[] = [1_000, 10_000, 100_000]
/** After one in which everything is met for the first time. */
const ROUNDS = 5

/** How many documents so many edits are dealt out to. */
const SHAPES: readonly ((edits: number) => RecordShape)[] = [
  (edits) => ({ edits, documents: 1 }),
  (edits) => ({ edits, documents: Math.max(1, edits / 100) }),
]

export interface GrowthPoint {
  readonly shape: RecordShape
  /** Until its edits were made, one entry each, 64 under way at a time, and merged. */
  readonly madeMs: number
  /** Until a new device could read all of it. */
  readonly readableMs: Summary
  /** Until it had all of the history, on its disk. */
  readonly wholeMs: Summary
  /** What the new device received and sent. */
  readonly wireBytes: number
  /** The new device's process. */
  readonly peakMiB: number
}

export interface GrowthReport {
  /** Of one kind of record each, by size. */
  readonly series: readonly (readonly GrowthPoint[])[]
}

/** What is plotted, and held against n log n. */
export const MEASURES: readonly {
  readonly name: string
  readonly of: (point: GrowthPoint) => number
}[] = [
  { name: "made, ms", of: ({ madeMs }) => madeMs },
  { name: "readable, ms", of: ({ readableMs }) => readableMs.median },
  { name: "whole, ms", of: ({ wholeMs }) => wholeMs.median },
  { name: "on the wire, bytes", of: ({ wireBytes }) => wireBytes },
  { name: "peak memory, MiB", of: ({ peakMiB }) => peakMiB },
]

export interface GrowthOptions {
  progress(what: string): void
  /** Absent: {@link SIZES}. */
  readonly sizes?: readonly number[]
  /** Absent: {@link ROUNDS}. */
  readonly rounds?: number
}

export async function runGrowth(options: GrowthOptions): Promise<GrowthReport> {
  const { sizes = SIZES } = options
  const series: GrowthPoint[][] = []
  for (const shapeOf of SHAPES) {
    const points: GrowthPoint[] = []
    for (const edits of sizes) points.push(await measure(shapeOf(edits), options))
    series.push(points)
  }
  return { series }
}

async function measure(
  shape: RecordShape,
  { progress, rounds = ROUNDS }: GrowthOptions,
): Promise<GrowthPoint> {
  const folder = await mkdtemp(join(tmpdir(), "fulcrum-growth-"))
  try {
    const task = async (name: string): Promise<string> => {
      const own = join(folder, name)
      await mkdir(own)
      return writeTask({ contestant: "fulcrum", shape, folder: own })
    }
    progress(`${shapeName(shape)}: making it`)
    const begun = performance.now()
    const script = (name: string) => `compare/${name}-process.ts`
    await using server = startChild({ script: script("server"), argument: await task("first") })
    const { port, invitation } = readServerReady(await server.line())
    const madeMs = performance.now() - begun
    await using newcomer = startChild({
      script: script("newcomer"),
      argument: await task("second"),
    })
    newcomer.send(JSON.stringify(invitation))
    await newcomer.line()
    const results = []
    for (let round = 0; round <= rounds; round++) {
      progress(`${shapeName(shape)}: a new device, round ${round} of ${rounds}`)
      newcomer.send(String(port))
      results.push(readCloneResult(await newcomer.line()))
    }
    const warm = results.slice(1)
    return {
      shape,
      madeMs,
      readableMs: summarise(warm.map((one) => one.readableMs)),
      wholeMs: summarise(warm.map((one) => one.wholeMs)),
      wireBytes: summarise(warm.map((one) => one.bytesIn + one.bytesOut)).median,
      peakMiB: Math.max(...results.map((one) => one.peakBytes)) / 2 ** 20,
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** How many times n log n grew, from one size to another. */
export function logLinear(from: number, to: number): number {
  return (to * Math.log2(to)) / (from * Math.log2(from))
}

/** Of each measure, where it grew more than n log n from one size to the next. */
export function steeper(points: readonly GrowthPoint[]): readonly string[] {
  return MEASURES.flatMap(({ name, of }) =>
    points.slice(1).flatMap((point, at) => {
      const before = points[at]
      if (before === undefined) return []
      const grew = of(point) / of(before)
      const may = logLinear(before.shape.edits, point.shape.edits)
      const edits = point.shape.edits.toLocaleString("en")
      return grew > may
        ? [`${name}, to ${edits}: ${formatNumber(grew)} times, n log n ${formatNumber(may)}`]
        : []
    }),
  )
}

export function formatGrowth({ series }: GrowthReport): string {
  const rows = series
    .flat()
    .map(({ shape, madeMs, readableMs, wholeMs, wireBytes, peakMiB }) => [
      shapeName(shape),
      formatNumber(madeMs),
      formatSummary(readableMs),
      formatSummary(wholeMs),
      formatNumber(wireBytes),
      formatNumber(peakMiB),
    ])
  const steep = series.flatMap(steeper)
  return [
    formatTable([
      ["a record of", "made, ms", "readable, ms", "whole, ms", "on the wire, bytes", "MiB"],
      ...rows,
    ]),
    steep.length === 0
      ? "nothing grows more than n log n"
      : `more than n log n:\n${steep.join("\n")}`,
  ].join("\n")
}
