/**
 * The durable side of the documents: saved forms and the changes after them, in the vault.
 *
 * | table            | group       | order                       | value                     |
 * | ---------------- | ----------- | --------------------------- | ------------------------- |
 * | `engine.saved`   | document id | 0                           | the document's saved form |
 * | `engine.changes` | document id | arrival × 1024 + item index | changes, in order         |
 *
 * Changes that come in together are one record, by the place of the first.
 *
 * Both can be rebuilt from the log at any time. After {@link CHANGES_UNSAVED_MAX} changes a
 * document is saved and its changes are dropped from the table, so that loading stays quick; of
 * changes that come in by more than that at once none is put there at all.
 *
 * @module
 */
import { bytesToUtf8, concatBytes, utf8ToBytes } from "@fulcrum/codec/bytes"
import { splitChanges } from "@fulcrum/record/change-format"
import { type DocumentId, type Documents, documentId } from "@fulcrum/record/documents"
import type { Table, Vault, VaultOp } from "@fulcrum/store/vault"
import { errorCode } from "../failures/error-code.ts"
import { ITEMS_PER_ENTRY_MAX } from "../items/record-items.ts"

/** Changes that a document may have beside its saved form; each costs a load about 10 µs. */
export const CHANGES_UNSAVED_MAX = 512

/** Bytes of changes in one record, unless one change has more. */
const RECORD_BYTES_MAX: number = 64 * 1024

/** A change, and where it stands: in which entry, as which of its items. */
export interface PlacedChange {
  readonly arrival: number
  readonly index: number
  readonly change: Uint8Array
}

export class DocumentCache {
  readonly #saved: Table
  readonly #changes: Table
  readonly #unsaved = new Map<DocumentId, number>()
  /** What waits to be put here, by document, in order. */
  #waiting: ReadonlyMap<DocumentId, readonly Uint8Array[]> = new Map()
  /** All that may be kept of, where there was nothing when it was first looked. */
  #kept: Set<DocumentId> | "unknown" | "many" = "unknown"

  constructor(vault: Vault) {
    this.#saved = vault.table("engine.saved")
    this.#changes = vault.table("engine.changes")
  }

  /**
   * Changes that are in the log and wait to be put here, all of them: whoever reloads a document gets
   * them too.
   */
  waits(changes: ReadonlyMap<DocumentId, readonly Uint8Array[]>): void {
    this.#waiting = changes
  }

  /** Saved form and changes in order: what the documents' worker reloads from. */
  async reload(document: DocumentId): Promise<readonly Uint8Array[]> {
    // Taken first: what is put meanwhile is read below, and repetition is harmless.
    const waiting = this.#waiting.get(document) ?? []
    return [...(await this.#read(document)), ...waiting]
  }

  async #read(document: DocumentId): Promise<readonly Uint8Array[]> {
    if (await this.#isKnownEmpty(document)) {
      this.#unsaved.set(document, 0)
      return []
    }
    const group = utf8ToBytes(document)
    const changes: Uint8Array[] = []
    for await (const { value } of this.#changes.list(group)) changes.push(...splitChanges(value))
    // Read last: changes that are saved and dropped meanwhile are in it, and repetition is harmless.
    const saved = await this.#saved.get(group)
    // What earlier starts left counts too: a program that runs for one edit never saves otherwise.
    this.#unsaved.set(document, changes.length)
    return saved === undefined ? changes : [saved, ...changes]
  }

  /** What keeps changes that came together, in order. */
  putChanges(document: DocumentId, changes: readonly PlacedChange[]): readonly VaultOp[] {
    this.#unsaved.set(document, (this.#unsaved.get(document) ?? 0) + changes.length)
    this.#mayKeep(document)
    const group = utf8ToBytes(document)
    return inRecords(changes).map((together) => {
      const { arrival = 0, index = 0 } = together[0] ?? {}
      const value = concatBytes(together.map(({ change }) => change))
      return this.#changes.put(group, arrival * ITEMS_PER_ENTRY_MAX + index, value)
    })
  }

  /**
   * Of documents that the worker has with these changes, saves those to which more came than are
   * kept one by one.
   *
   * @returns Which, and what writes them.
   */
  async saveOutgrown(
    changes: ReadonlyMap<DocumentId, readonly Uint8Array[]>,
    documents: Documents,
  ): Promise<{ readonly documents: ReadonlySet<DocumentId>; readonly ops: readonly VaultOp[] }> {
    const saved = new Set<DocumentId>()
    const ops: VaultOp[] = []
    for (const [document, { length }] of changes) {
      if ((this.#unsaved.get(document) ?? 0) + length <= CHANGES_UNSAVED_MAX) continue
      try {
        ops.push(...(await this.compact(document, documents)))
        saved.add(document)
      } catch (error) {
        // Its changes can be kept all the same.
        if (errorCode(error) === undefined) throw error
      }
    }
    return { documents: saved, ops }
  }

  /** Documents of which there is a saved form: they have many changes. */
  async long(): Promise<readonly DocumentId[]> {
    const long: DocumentId[] = []
    for await (const { group } of this.#saved.groups()) long.push(documentId(bytesToUtf8(group)))
    return long
  }

  /** Whether nothing of it is kept. */
  async isEmpty(document: DocumentId): Promise<boolean> {
    if (this.#waiting.has(document)) return false
    const group = utf8ToBytes(document)
    for await (const _ of this.#changes.list(group, { limit: 1 })) return false
    return (await this.#saved.get(group)) === undefined
  }

  /** Documents with so many changes since they were saved that saving them is worth it. */
  get due(): readonly DocumentId[] {
    return [...this.#unsaved].flatMap(([document, n]) =>
      n > CHANGES_UNSAVED_MAX ? [document] : [],
    )
  }

  /** What replaces a document's changes by its saved form. */
  async compact(document: DocumentId, documents: Documents): Promise<readonly VaultOp[]> {
    this.#mayKeep(document)
    const group = utf8ToBytes(document)
    const ops: VaultOp[] = [this.#saved.put(group, 0, await documents.save(document))]
    for await (const { order } of this.#changes.list(group)) {
      ops.push(this.#changes.del(group, order))
    }
    this.#unsaved.set(document, 0)
    return ops
  }

  /** What empties the cache, for rebuilding it from the log. */
  async clear(): Promise<readonly VaultOp[]> {
    const ops: VaultOp[] = []
    for (const table of [this.#saved, this.#changes]) {
      for await (const { group, order } of table.groups()) ops.push(table.del(group, order))
    }
    this.#unsaved.clear()
    // It is empty once that is written.
    this.#kept = "unknown"
    return ops
  }

  /** A new device takes many documents: of none of them has it to be looked whether it is here. */
  async #isKnownEmpty(document: DocumentId): Promise<boolean> {
    if (this.#kept === "unknown") {
      const isEmpty = (await isNone(this.#changes)) && (await isNone(this.#saved))
      // Something may have been put meanwhile.
      if (this.#kept === "unknown") this.#kept = isEmpty ? new Set() : "many"
    }
    return this.#kept !== "many" && !this.#kept.has(document)
  }

  #mayKeep(document: DocumentId): void {
    if (this.#kept === "unknown") this.#kept = "many"
    else if (this.#kept !== "many") this.#kept.add(document)
  }
}

function inRecords(changes: readonly PlacedChange[]): readonly (readonly PlacedChange[])[] {
  const records: PlacedChange[][] = []
  let bytes = RECORD_BYTES_MAX
  for (const one of changes) {
    if (bytes + one.change.length > RECORD_BYTES_MAX) {
      records.push([])
      bytes = 0
    }
    records.at(-1)?.push(one)
    bytes += one.change.length
  }
  return records
}

async function isNone(table: Table): Promise<boolean> {
  for await (const _ of table.groups()) return false
  return true
}
