/**
 * What a relay is known to hold, by the spans that it has shown or signed for.
 *
 * @module
 */
import { equalBytes } from "@fulcrum/codec/bytes"
import type { Replica } from "@fulcrum/log/replica"
import type { VectorRow, VersionVector } from "@fulcrum/log/vector"
import type { OpenMailbox } from "@fulcrum/relay/open-mailbox"
import { type RelayReceipt, receiptFields } from "@fulcrum/relay/receipt"
import { spanEnd } from "../items/span-end.ts"
import type { StoredSpan } from "./linked-space.ts"

/**
 * How far a span goes, if it is by who began its line, no further than what is here, and what
 * comes before it is held too: a row stands for all of its line, so one that the relay refused
 * in between must be brought again first.
 *
 * @param held - What the relay is known to hold besides.
 */
export async function heldRow(
  { tree, merging }: Replica,
  span: Uint8Array,
  held: VersionVector,
): Promise<readonly VectorRow[]> {
  const row = spanEnd(span)
  if (row === undefined) return []
  // Of a merged span a part may be here, and the rest wait for what it was written on: if it is
  // this very one that was taken, for what its header says proves nothing.
  const isWhole = (tree.get(row.incarnation)?.sequence ?? 0) >= row.sequence
  const end = isWhole ? row : await merging.partHere(span)
  if (end === undefined) return []
  const { incarnation, sequence, chain } = end
  const { start } = row
  const [first] = tree.line(incarnation, start) ?? []
  if (first === undefined || !equalBytes(first.writer, row.writer)) return []
  const isWithin = start > first.first
  const before = isWithin ? { incarnation: first.incarnation, sequence: start - 1 } : first.parent
  const isNext = before === undefined || tree.covers(held, before.incarnation, before.sequence)
  return isNext ? [{ incarnation, sequence, chain }] : []
}

/** The receipt of the higher position: a span that was there already has an older one. */
export function newerReceipt(
  head: Uint8Array | undefined,
  { bytes, position }: RelayReceipt,
): Uint8Array {
  return head !== undefined && receiptFields(head).position >= position ? head : bytes
}

/**
 * Brings spans, all at once.
 *
 * @returns Those that the relay has stored; `check` throws why it did not take another.
 */
export async function appendAll(
  append: OpenMailbox,
  spans: readonly Uint8Array[],
): Promise<{ readonly stored: readonly StoredSpan[]; check(): void }> {
  const outcomes = await Promise.allSettled(
    spans.map(async (span) => ({ span, receipt: await append.append(span) })),
  )
  return {
    stored: outcomes.flatMap((one) => (one.status === "fulfilled" ? [one.value] : [])),
    check() {
      for (const one of outcomes) if (one.status === "rejected") throw one.reason
    },
  }
}

/** Where to read on: what we brought ourselves need not be read again. */
export function nextAfter(next: number, stored: readonly StoredSpan[]): number {
  return stored.reduce((at, { receipt }) => (receipt.position === at ? at + 1 : at), next)
}
