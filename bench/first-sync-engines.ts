/**
 * The first sync of two whole engines, each in a process of its own: from the typed code until the
 * new device reads the record right. Pairing, meeting and the new device's start are part of it.
 * Counted beside that in one process, where it is exact.
 *
 * @module
 */
import { join } from "node:path"
import { startChild } from "./child.ts"
import { countEngineSync, type EngineCounts, engineShapeName } from "./first-sync-engine-counts.ts"
import {
  type EngineResult,
  readEngineReady,
  readEngineResult,
  writeEngineTask,
} from "./first-sync-engine-process.ts"
import type { RecordShape } from "./seeded-record.ts"
import { type Summary, summarise } from "./statistics.ts"
import { formatSummary, formatTable } from "./table.ts"

export interface EngineRow {
  readonly shape: string
  readonly counts: EngineCounts
  /** The very first one in a fresh process. */
  readonly coldMs: number
  /** Until the new device is a member. */
  readonly pairedMs: Summary
  /** Until it reads the record right. */
  readonly wholeMs: Summary
}

export interface EngineEffort {
  readonly shape: RecordShape
  /** New devices, one after another; the first is the cold one. */
  readonly rounds: number
  /** Empty; the caller removes it. */
  readonly folder: string
  readonly profileFolder?: string | undefined
}

export async function timeEngines(effort: EngineEffort): Promise<EngineRow> {
  const { shape, rounds, folder, profileFolder } = effort
  await using sender = startChild({
    script: "first-sync-engine-sender.ts",
    argument: JSON.stringify({ ...shape, folder: join(folder, "first device") }),
    profileFolder,
  })
  // Counted while the record is written over there: neither is timed.
  const counts = await countEngineSync(shape)
  const ready = readEngineReady(await sender.line())
  await using receiver = startChild({
    script: "first-sync-engine-receiver.ts",
    argument: writeEngineTask({ ...ready, shape, folder, rounds }),
    profileFolder,
  })
  return rowOf(shape, counts, readEngineResult(await receiver.line()))
}

export function formatEngines(rows: readonly EngineRow[]): string {
  return formatTable([
    ["", "paired, ms", "whole record", "cold"],
    ...rows.map(({ shape, pairedMs, wholeMs, coldMs }) => [
      shape,
      formatSummary(pairedMs),
      formatSummary(wholeMs),
      Math.round(coldMs).toLocaleString("en"),
    ]),
  ])
}

function rowOf(
  shape: RecordShape,
  counts: EngineCounts,
  { pairedMs, wholeMs }: EngineResult,
): EngineRow {
  const [coldMs = Number.NaN, ...warm] = wholeMs
  return {
    shape: engineShapeName(shape),
    counts,
    coldMs,
    pairedMs: summarise(pairedMs.slice(1)),
    wholeMs: summarise(warm),
  }
}
