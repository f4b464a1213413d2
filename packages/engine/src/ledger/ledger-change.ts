/**
 * What a ledger tells of its changes, and how it is bounded.
 *
 * @module
 */
import type { Clock } from "@fulcrum/crypto/clock"
import type { Replica } from "@fulcrum/log/replica"
import type { DocumentId } from "@fulcrum/record/documents"
import type { Vault } from "@fulcrum/store/vault"
import type { RecordItem } from "../items/record-items.ts"
import type { Membership } from "../membership/membership.ts"

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
  /** Operations of what is owed that are written at a time. */
  readonly owedPart: number
}

/** What a ledger is opened with. */
export interface LedgerParts {
  readonly vault: Vault
  readonly record: Replica
  readonly membership: Membership
  /** By which others have their turn while many entries are read; absent: they have to wait. */
  readonly clock?: Clock
  readonly bounds?: Partial<LedgerBounds>
}
