/**
 * A vault's table, for reading: writes go through the vault, which counts them.
 *
 * @module
 */
import { bytesToHex } from "@fulcrum/codec/bytes"
import { SealError } from "@fulcrum/crypto/seal-error"
import type { ListRange, Store } from "./contract.ts"
import type { Table, TableRange, TableRecord, VaultOp } from "./vault.ts"
import { decodeRecord, type OpenedRecord, type VaultCipher } from "./vault-cipher.ts"
import { damaged } from "./vault-error.ts"
import { orderOf, type TableKeys } from "./vault-keys.ts"

interface SealedTableParts {
  readonly name: string
  readonly keys: TableKeys
  readonly store: Store
  readonly cipher: VaultCipher
}

export class SealedTable implements Table {
  readonly name: string
  /** In hex. */
  readonly id: string
  readonly keys: TableKeys
  readonly #store: Store
  readonly #cipher: VaultCipher

  constructor({ name, keys, store, cipher }: SealedTableParts) {
    this.name = name
    this.id = bytesToHex(keys.id)
    this.keys = keys
    this.#store = store
    this.#cipher = cipher
  }

  async get(group: Uint8Array, order = 0): Promise<Uint8Array | undefined> {
    const key = this.keys.recordKey(group, order)
    const sealed = await this.#store.get(key)
    return sealed && this.#open(key, sealed).value
  }

  async getMany(
    places: readonly { readonly group: Uint8Array; readonly order?: number | undefined }[],
  ): Promise<readonly (Uint8Array | undefined)[]> {
    const keys = places.map(({ group, order = 0 }) => this.keys.recordKey(group, order))
    const values = await this.#store.getMany(keys)
    return keys.map((key, at) => {
      const sealed = values[at]
      return sealed && this.#open(key, sealed).value
    })
  }

  async *list(
    group: Uint8Array,
    range: TableRange = {},
  ): AsyncGenerator<{ readonly order: number; readonly value: Uint8Array }, void, void> {
    const { from = 0, to = Number.POSITIVE_INFINITY, reverse, limit } = range
    const bounds = this.keys.groupRange(group, from, to)
    for await (const { order, value } of this.#list({ ...bounds, reverse, limit })) {
      yield { order, value }
    }
  }

  groups(): AsyncIterable<TableRecord> {
    return this.#list(this.keys.tableRange())
  }

  put(group: Uint8Array, order: number, value: Uint8Array): VaultOp {
    return { type: "put", table: this.name, group, order, value }
  }

  del(group: Uint8Array, order: number): VaultOp {
    return { type: "del", table: this.name, group, order }
  }

  async *#list(range: ListRange): AsyncGenerator<TableRecord, void, void> {
    for await (const [key, sealed] of this.#store.list(range)) {
      const { group, value } = this.#open(key, sealed)
      yield { group, order: orderOf(key), value }
    }
  }

  #open(key: Uint8Array, sealed: Uint8Array): OpenedRecord {
    try {
      const record = decodeRecord(this.#cipher.open(key, sealed))
      if (record !== undefined) return record
    } catch (error) {
      if (!(error instanceof SealError)) throw error
      throw damaged([{ table: this.name, what: "record" }], error)
    }
    throw damaged([{ table: this.name, what: "record" }])
  }
}
