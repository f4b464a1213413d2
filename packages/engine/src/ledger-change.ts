/**
 * What a ledger tells of its changes, and how it is bounded.
 *
 * @module
 */
import type { DocumentId } from "@fulcrum/record/documents"
import type { RecordItem } from "./record-items.ts"

/** What changed, for whoever shows it. */
export interface LedgerChange {
  readonly documents: ReadonlySet<DocumentId>
  readonly items: readonly RecordItem[]
  readonly membership: boolean
  readonly local: boolean
}

/** For tests, to which little is much. */
export interface LedgerBounds {
  /** Entries applied with one write. */
  readonly entriesMax: number
  /** Operations that wait for a quiet moment. */
  readonly owedMin: number
}
