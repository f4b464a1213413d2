/**
 * Which of a relay's receipts say something new of what this person wrote into a share.
 *
 * @module
 */
import { equalBytes } from "@fulcrum/codec/bytes"
import { LogError } from "@fulcrum/log/log-error"
import { readSpanHeader, type SpanHeader, verifySpan } from "@fulcrum/log/span"
import type { RelayReceiptItem } from "../items/relationship-items.ts"
import type { StoredSpan } from "../mailboxes/linked-space.ts"
import type { OpenRelationship } from "./relationships.ts"

/** Receipts for entries of the person's lane that the record does not have yet, as its entries. */
export function dueReceipts(
  { secrets, space }: OpenRelationship,
  items: readonly StoredSpan[],
): readonly RelayReceiptItem[] {
  const kept = secrets.relayReceipts
  const due: RelayReceiptItem[] = []
  for (const { span, receipt } of items) {
    const row = spanStart(span)
    if (row === undefined) continue
    const { incarnation, start, end, writer } = row
    const isOurs = space.toldEntries.some(
      ({ at, incarnation: one }) =>
        at.sequence >= start &&
        at.sequence <= end &&
        equalBytes(one, incarnation) &&
        equalBytes(at.writer, writer),
    )
    const isKept = kept.some(
      (one) => one.start === start && equalBytes(one.incarnation, incarnation),
    )
    // A receipt for other bytes under our header says nothing about ours.
    if (!isOurs || isKept || !isSignedSpan(span)) continue
    due.push({ relationship: secrets.item.id, incarnation, start, end, receipt: receipt.bytes })
  }
  return due
}

/** Where a span says that it begins; `undefined` for bytes that are no span. */
function spanStart(span: Uint8Array): SpanHeader | undefined {
  try {
    return readSpanHeader(span)
  } catch (error) {
    if (error instanceof LogError) return undefined
    throw error
  }
}

function isSignedSpan(span: Uint8Array): boolean {
  try {
    verifySpan(span)
    return true
  } catch (error) {
    if (error instanceof LogError) return false
    throw error
  }
}
