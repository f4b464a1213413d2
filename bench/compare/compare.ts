/**
 * This engine beside others, on the same work in one run: a table, and what is kept of it.
 *
 * @module
 */
import { mkdtemp, readFile, rm } from "node:fs/promises"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { formatNumber, formatSummary, formatTable } from "../table.ts"
import { AGAIN } from "./contestants/all.ts"
import { runWork, WORKS, type WorkReport, type WorkRow } from "./works.ts"

export const COMPARE = "compare"

export interface CompareReport {
  readonly works: readonly WorkReport[]
  /** By package. */
  readonly versions: Readonly<Record<string, string>>
}

/** @param done - Told of each work as it is over. */
export async function runCompare(
  progress: (what: string) => void,
  done: (report: WorkReport) => void,
): Promise<CompareReport> {
  const works: WorkReport[] = []
  for (const work of WORKS) {
    const folder = await mkdtemp(join(tmpdir(), "fulcrum-compare-"))
    try {
      const report = await runWork(work, folder, progress)
      done(report)
      works.push(report)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  }
  const packages = works.flatMap(({ rows }) => rows.flatMap((row) => row.packages))
  return { works, versions: await versionsOf([...new Set(packages)].toSorted()) }
}

export function formatWork({ work, rows, foreignCores }: WorkReport): string {
  const ours = rows.find(({ id }) => id === "fulcrum")
  const { edits, documents } = work.shape
  const head = `${work.name}: ${edits.toLocaleString("en")} edits in ${documents.toLocaleString("en")}`
  const table = formatTable([
    [
      "",
      "readable, ms",
      "×",
      "whole, ms",
      "cold",
      "bytes in",
      "out",
      "round trips",
      "MiB",
      "one edit seen, ms: p50",
      "p99",
      "leaves out",
    ],
    ...rows.map((row) => cellsOf(row, ours)),
  ])
  const busy = foreignCores < 0 ? "" : `\nothers' cores: ${formatNumber(foreignCores)}`
  return `${head}\n${table}${busy}`
}

function cellsOf(row: WorkRow, ours: WorkRow | undefined): readonly string[] {
  const times = ours === undefined ? 0 : row.readableMs.median / ours.readableMs.median
  return [
    row.id === AGAIN ? `${row.name}, again (noise)` : row.name,
    formatSummary(row.readableMs),
    formatNumber(times),
    formatSummary(row.wholeMs),
    formatNumber(row.coldMs),
    row.bytesIn.toLocaleString("en"),
    row.bytesOut.toLocaleString("en"),
    row.roundTrips === undefined ? "" : String(row.roundTrips),
    formatNumber(row.peakMiB),
    row.seenMs === undefined ? "" : formatNumber(row.seenMs.median),
    row.seenMs === undefined ? "" : formatNumber(row.seenMs.p99),
    row.leavesOut.join(", "),
  ]
}

/** Of those that are installed; of this one its commit tells. */
async function versionsOf(names: readonly string[]): Promise<Record<string, string>> {
  const { resolve } = createRequire(import.meta.url)
  const versions: Record<string, string> = {}
  for (const name of names) {
    const paths = resolve.paths(name) ?? []
    for (const path of paths) {
      const manifest = await readFile(join(path, name, "package.json"), "utf8").catch(() => "{}")
      const { version }: { readonly version?: string } = JSON.parse(manifest)
      if (version !== undefined) versions[name] ??= version
    }
  }
  return versions
}
