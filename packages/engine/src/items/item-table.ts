/**
 * The items of the record's entries that are no changes of documents, as they came.
 *
 * | table          | group | order                       | value               |
 * | -------------- | ----- | --------------------------- | ------------------- |
 * | `engine.items` | empty | arrival × 1024 + item index | a list of one item  |
 *
 * @module
 */
import { equalBytes } from "@fulcrum/codec/bytes"
import type { Table, Vault, VaultOp } from "@fulcrum/store/vault"
import { ITEMS_PER_ENTRY_MAX, type RecordItem, recordItems } from "./record-items.ts"

const NOTHING = new Uint8Array(0)

export class ItemTable {
  readonly #table: Table

  constructor(vault: Vault) {
    this.#table = vault.table("engine.items")
  }

  /** @param index - Of the item in its entry. */
  put(arrival: number, index: number, item: RecordItem): VaultOp {
    const order = arrival * ITEMS_PER_ENTRY_MAX + index
    return this.#table.put(NOTHING, order, recordItems.encode([item]))
  }

  /** In the order in which they came. */
  async *all(): AsyncIterable<RecordItem> {
    for await (const { value } of this.#table.list(NOTHING)) yield* recordItems.decode(value)
  }

  /** The spans of a share that the record carries. */
  async *carried(relationship: Uint8Array): AsyncIterable<readonly Uint8Array[]> {
    for await (const item of this.all()) {
      if (item.kind !== "carried") continue
      if (equalBytes(item.value.relationship, relationship)) yield item.value.spans
    }
  }

  /** What empties it, for making it anew from the log. */
  async clear(): Promise<readonly VaultOp[]> {
    const ops: VaultOp[] = []
    for await (const { order } of this.#table.list(NOTHING)) {
      ops.push(this.#table.del(NOTHING, order))
    }
    return ops
  }
}
