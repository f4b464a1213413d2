/**
 * A vault's root: how many records each table has, and their digest. Written with every batch.
 *
 * Canonical CBOR, sealed as a record under the store key `01`:
 *
 * | field  | is                                                             |
 * | ------ | -------------------------------------------------------------- |
 * | format | 1                                                              |
 * | tables | for each, by id: id (8 bytes), name, count, sum (32 bytes)     |
 *
 * A name is empty only while a repaired vault does not know it.
 *
 * @module
 */
import { bytesToHex, hexToBytes } from "@fulcrum/codec/bytes"
import * as schema from "@fulcrum/codec/schema"
import { bytesToSum, equalSums, newSum, type Sum256, sumToBytes } from "./sum256.ts"
import { TABLE_ID_BYTES } from "./vault-keys.ts"

/** Tables are named in code, so there are a few dozen. */
export const TABLES_MAX = 256

/** Longest name of a table, in bytes. */
export const TABLE_NAME_BYTES_MAX = 64

const ROOT_BYTES_MAX = 64 * 1024

const rootSchema = schema.struct({
  format: schema.literal(1),
  tables: schema.array(
    schema.struct({
      id: schema.bytes(TABLE_ID_BYTES),
      name: schema.text(TABLE_NAME_BYTES_MAX),
      count: schema.uint(),
      sum: schema.bytes(32),
    }),
    TABLES_MAX,
  ),
})

export interface Tally {
  readonly name: string
  readonly count: number
  readonly sum: Sum256
}

/** By the table's id in hex. */
export type Root = ReadonlyMap<string, Tally>

export function newTally(name: string): Tally {
  return { name, count: 0, sum: newSum() }
}

export function equalTallies(a: Tally, b: Tally): boolean {
  return a.count === b.count && equalSums(a.sum, b.sum)
}

export function encodeRoot(root: Root): Uint8Array {
  const tables = [...root].map(([id, { name, count, sum }]) => ({
    id: hexToBytes(id),
    name,
    count,
    sum: sumToBytes(sum),
  }))
  return schema.encodeAs(rootSchema, { format: 1, tables })
}

/** @throws {CodecError} */
export function decodeRoot(bytes: Uint8Array): Root {
  const { tables } = schema.decodeAs(rootSchema, bytes, { bytesMax: ROOT_BYTES_MAX })
  return new Map(
    tables.map(({ id, name, count, sum }) => [
      bytesToHex(id),
      { name, count, sum: bytesToSum(sum) },
    ]),
  )
}
