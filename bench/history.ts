/**
 * What a history takes that one writer wrote edit by edit, once it is merged: objects and bytes on a
 * device, on a relay and on the wire, beside Automerge's saved form of the same documents; and how
 * often merging wrote each entry again. Merged after every edit, which is the most that merging costs.
 *
 * Seeded and without a clock, so the same code gives the same numbers on any machine.
 *
 * @module
 */

import type { VersionVector } from "@fulcrum/log/vector"
import { openInLineDocuments } from "@fulcrum/record/in-line"
import {
  admitChanges,
  type ChangesByDocument,
  checkValues,
  openMemoryDevice,
} from "./bench-device.ts"
import { type RecordShape, seededValues, writeSeededRecord } from "./seeded-record.ts"

export const HISTORY = "history"

/** Exact: less is better, for each of them. */
export type HistoryCounts = {
  readonly spans: number
  readonly spanBytes: number
  /** Of the documents, as Automerge saves them. */
  readonly savedBytes: number
  /** The most spans that there were at a time. */
  readonly spansMost: number
  readonly merges: number
  readonly entriesRewritten: number
  readonly bytesRewritten: number
  /** What a session sends to whoever lacks the last ten edits. */
  readonly bytesOfLastTen: number
}

const ALL = { bytesMax: Number.MAX_SAFE_INTEGER }

export async function countHistory(shape: RecordShape): Promise<HistoryCounts> {
  const writer = await openMemoryDevice(shape, "first device")
  const count = { merges: 0, entriesRewritten: 0, bytesRewritten: 0 }
  let spans = 0
  let spansMost = 0
  let written = 0
  let beforeLastTen: VersionVector = []
  await using documents = await openInLineDocuments()
  await writeSeededRecord(shape, writer, documents, async () => {
    written++
    if (written === shape.edits - 10) beforeLastTen = writer.replica.vector
    spans++
    spansMost = Math.max(spansMost, spans)
    for (;;) {
      const merged = await writer.replica.merging.merge()
      if (merged === undefined) return
      count.merges++
      count.entriesRewritten += merged.end - merged.start + 1
      count.bytesRewritten += merged.bytes.length
      spans = (await writer.replica.spansAfter([], ALL)).spans.length
    }
  })
  const lastTen = await writer.replica.spansAfter(beforeLastTen, { ...ALL, cut: "much" })
  const all = await writer.replica.spansAfter([], ALL)
  // Whoever gets these spans has the record.
  const reader = await openMemoryDevice(shape, "second device")
  const changes: ChangesByDocument = new Map()
  await admitChanges(reader, all.spans, changes)
  await using read = await openInLineDocuments({
    reload: async (document) => changes.get(document) ?? [],
  })
  await checkValues(read, seededValues(shape))
  // There: the documents that wrote it keep a part of its changes, and have nobody who keeps them all.
  let savedBytes = 0
  for (const document of seededValues(shape).keys()) {
    savedBytes += (await read.save(document)).length
  }
  return {
    spans: all.spans.length,
    spanBytes: bytesOf(all.spans),
    savedBytes,
    spansMost,
    ...count,
    bytesOfLastTen: bytesOf(lastTen.spans),
  }
}

function bytesOf(spans: readonly Uint8Array[]): number {
  return spans.reduce((sum, { length }) => sum + length, 0)
}

export function describeHistory(shape: RecordShape, counts: HistoryCounts): string {
  const { spans, spanBytes, savedBytes, spansMost, merges, entriesRewritten } = counts
  const ratio = (spanBytes / savedBytes).toFixed(2)
  const rewrites = (entriesRewritten / shape.edits).toFixed(2)
  const most = spansMost.toLocaleString("en")
  return [
    `${shape.edits.toLocaleString("en")} edits by one writer, merged:`,
    `${spans} spans (${most} at most) of ${spanBytes.toLocaleString("en")} bytes,`,
    `${ratio} times Automerge's saved form (${savedBytes.toLocaleString("en")});`,
    `${merges.toLocaleString("en")} merges, each entry written again ${rewrites} times;`,
    `the last ten edits are sent in ${counts.bytesOfLastTen.toLocaleString("en")} bytes`,
  ].join(" ")
}
