/**
 * What this package needs of a vault: sealed tables, written together. `@fulcrum/store/vault`
 * gives it; this package does not import it, since the layers do not allow that.
 *
 * @module
 */

/** One change to one table, made by `put` or `del`. */
export type LogOp =
  | {
      readonly type: "put"
      readonly table: string
      readonly group: Uint8Array
      readonly order: number
      readonly value: Uint8Array
    }
  | {
      readonly type: "del"
      readonly table: string
      readonly group: Uint8Array
      readonly order: number
    }

/** Orders from `from` on, before `to`. */
export interface LogTableRange {
  readonly from?: number | undefined
  readonly to?: number | undefined
  readonly reverse?: boolean | undefined
  readonly limit?: number | undefined
}

export interface LogTable {
  get(group: Uint8Array, order?: number): Promise<Uint8Array | undefined>
  /** One answer for each place, in the order asked. */
  getMany(
    places: readonly { readonly group: Uint8Array; readonly order?: number | undefined }[],
  ): Promise<readonly (Uint8Array | undefined)[]>
  list(
    group: Uint8Array,
    range?: LogTableRange,
  ): AsyncIterable<{ readonly order: number; readonly value: Uint8Array }>
  put(group: Uint8Array, order: number, value: Uint8Array): LogOp
  del(group: Uint8Array, order: number): LogOp
}

export interface LogVault {
  table(name: string): LogTable
  /** All of them or none; durable when it resolves, in the order of the calls. */
  write(ops: readonly LogOp[]): Promise<void>
}
