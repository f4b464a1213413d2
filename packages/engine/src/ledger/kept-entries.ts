/**
 * What is kept of applied entries beside the log: changes in the documents' cache, all else in the
 * table of items.
 *
 * @module
 */
import type { AdmitResult, AdmittedEntry } from "@fulcrum/log/replica"
import { type DocumentId, documentId } from "@fulcrum/record/documents"
import type { VaultOp } from "@fulcrum/store/vault"
import type { DocumentCache, PlacedChange } from "../documents/document-cache.ts"
import type { ItemTable } from "../items/item-table.ts"
import { type RecordItem, recordItems } from "../items/record-items.ts"
import type { ReadEntry } from "./vetting.ts"

export interface KeptEntries {
  readonly ops: readonly VaultOp[]
  /** Their items that are no changes. */
  readonly items: readonly RecordItem[]
  /** The changes that `ops` keep, in order. */
  readonly changes: ReadonlyMap<DocumentId, readonly Uint8Array[]>
}

/** @param saved - Documents whose changes need not be kept beside them. */
export function keptEntries(
  entries: readonly ReadEntry[],
  tables: { readonly cache: DocumentCache; readonly items: ItemTable },
  saved: ReadonlySet<DocumentId> = new Set(),
): KeptEntries {
  const ops: VaultOp[] = []
  const others: RecordItem[] = []
  const changes = new Map<DocumentId, PlacedChange[]>()
  for (const { entry, items } of entries) {
    for (const [index, item] of items.entries()) {
      if (item.kind !== "change") {
        ops.push(tables.items.put(entry.arrival, index, item))
        others.push(item)
        continue
      }
      const document = documentId(item.value.document)
      const placed = { arrival: entry.arrival, index, change: item.value.change }
      const together = changes.get(document)
      if (together === undefined) changes.set(document, [placed])
      else together.push(placed)
    }
  }
  const kept = new Map<DocumentId, readonly Uint8Array[]>()
  for (const [document, together] of changes) {
    if (saved.has(document)) continue
    ops.push(...tables.cache.putChanges(document, together))
    kept.set(
      document,
      together.map(({ change }) => change),
    )
  }
  return { ops, items: others, changes: kept }
}

/** An entry of this device's own making. */
export function readOwn(entry: AdmittedEntry): ReadEntry {
  return { entry, items: entry.kind === "payload" ? recordItems.decode(entry.body) : [] }
}

/** In the order of their arrival. */
export function admittedEntries(results: readonly AdmitResult[]): readonly AdmittedEntry[] {
  return results
    .flatMap((result) => (result.outcome === "admitted" ? result.entries : []))
    .toSorted((a, b) => a.arrival - b.arrival)
}
