/**
 * What is kept of applied entries beside the log: changes in the documents' cache, all else in the
 * table of items.
 *
 * @module
 */
import type { AdmitResult, AdmittedEntry } from "@fulcrum/log/replica"
import { type DocumentId, documentId } from "@fulcrum/record/documents"
import type { VaultOp } from "@fulcrum/store/vault"
import type { DocumentCache } from "./document-cache.ts"
import type { ItemTable } from "./item-table.ts"
import { type RecordItem, recordItems } from "./record-items.ts"
import type { ReadEntry } from "./vetting.ts"

export interface KeptEntry {
  readonly ops: readonly VaultOp[]
  /** The entry's items that are no changes. */
  readonly items: readonly RecordItem[]
}

/** @param saved - Documents whose changes need not be kept beside them. */
export function keptEntry(
  { entry, items }: ReadEntry,
  tables: { readonly cache: DocumentCache; readonly items: ItemTable },
  saved: ReadonlySet<DocumentId> = new Set(),
): KeptEntry {
  const ops: VaultOp[] = []
  const others: RecordItem[] = []
  for (const [index, item] of items.entries()) {
    if (item.kind !== "change") {
      ops.push(tables.items.put(entry.arrival, index, item))
      others.push(item)
      continue
    }
    const document = documentId(item.value.document)
    if (saved.has(document)) continue
    ops.push(tables.cache.putChange(document, entry.arrival, index, item.value.change))
  }
  return { ops, items: others }
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
