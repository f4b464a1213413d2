/**
 * Version vectors: what a replica has, in one row for each leaf of the incarnation tree.
 *
 * Written as a CBOR array of rows `[incarnation, sequence, chain]`, ascending by incarnation,
 * each at most once. A row stands for its entry and for everything before it on its line,
 * ancestors included, so rows that another row covers are left out. On the way to a peer a row
 * also has a *trail*, see `Waypoint`.
 *
 * @module
 */
import { compareBytes, equalBytes } from "@fulcrum/codec/bytes"
import { encodeCbor } from "@fulcrum/codec/cbor"
import type { CborValue } from "@fulcrum/codec/cbor-form"
import { CodecError } from "@fulcrum/codec/codec-error"
import { array, type Schema, struct, uint } from "@fulcrum/codec/schema"
import { contexts } from "@fulcrum/crypto/contexts"
import { hash } from "@fulcrum/crypto/hash"
import {
  type ChainHash,
  chainHashSchema,
  type IncarnationId,
  idKey,
  incarnationIdSchema,
} from "./ids.ts"

/** Most rows: each is a device's line, or a branch that a copied folder began. */
export const VECTOR_ROWS_MAX = 1024

/**
 * Most that come in from elsewhere: room is left for the lines of this device and of as many others as
 * one person may have.
 */
export const VECTOR_ROWS_ADMITTED_MAX: number = VECTOR_ROWS_MAX - 64

/** Longest trail, in waypoints: enough for a line of 65,536 incarnations. */
export const TRAIL_WAYPOINTS_MAX = 64

/** How far a line goes, and the chain hash there. */
export interface VectorRow {
  readonly incarnation: IncarnationId
  readonly sequence: number
  readonly chain: ChainHash
  readonly trail?: readonly Waypoint[]
}

/**
 * An ancestor of a row's incarnation and how far the row's line goes there. A peer that has never
 * heard of the incarnation finds by these what it has in common with the row. The nearest eight
 * ancestors are given, then ones at distances that grow by a quarter, and the first of the line: a
 * trail stays short however long the line, and little is sent in vain.
 */
export interface Waypoint {
  readonly incarnation: IncarnationId
  readonly sequence: number
}

export type VersionVector = readonly VectorRow[]

const rowFields = {
  incarnation: incarnationIdSchema,
  sequence: uint(),
  chain: chainHashSchema,
}

export const vectorRowSchema: Schema<VectorRow> = struct(rowFields)

const rowsSchema: Schema<VersionVector> = array(vectorRowSchema, VECTOR_ROWS_MAX)

const waypointSchema: Schema<Waypoint> = struct({
  incarnation: incarnationIdSchema,
  sequence: uint(),
})

const trailedRowsSchema: Schema<VersionVector> = array(
  struct({ ...rowFields, trail: array(waypointSchema, TRAIL_WAYPOINTS_MAX) }),
  VECTOR_ROWS_MAX,
)

/** A vector as it is inside other formats. Refuses rows that are out of order or twice. */
export const vectorSchema: Schema<VersionVector> = {
  encode: encodeVectorValue,
  decode: (value, path) => sorted(rowsSchema.decode(value, path), path),
}

/** A vector whose rows have trails, for a peer. */
export const trailedVectorSchema: Schema<VersionVector> = {
  encode: (rows) =>
    trailedRowsSchema.encode(rows.map((row) => ({ ...row, trail: row.trail ?? [] }))),
  decode: (value, path) => sorted(trailedRowsSchema.decode(value, path), path),
}

export function encodeVectorValue(vector: VersionVector): CborValue {
  return vector.map((row) => [row.incarnation, row.sequence, row.chain])
}

/** @throws {CodecError} `SCHEMA_…`. */
export function decodeVectorValue(value: CborValue | undefined): VersionVector {
  if (Array.isArray(value) && value.length === 0) return []
  return vectorSchema.decode(value ?? null)
}

export function encodeVector(vector: VersionVector): Uint8Array {
  return encodeCbor(encodeVectorValue(vector))
}

/** 32 bytes that two replicas share exactly when they have the same entries. */
export function vectorDigest(vector: VersionVector): Uint8Array {
  return hash(contexts.logVector, encodeVector(vector))
}

/** The rows of `vector` that `since` does not have as they are. */
export function vectorDifference(vector: VersionVector, since: VersionVector): VersionVector {
  if (since.length === 0) return vector
  const known = new Map(since.map((row) => [idKey(row.incarnation), row]))
  return vector.filter((row) => {
    const other = known.get(idKey(row.incarnation))
    return (
      other === undefined || other.sequence !== row.sequence || !equalBytes(other.chain, row.chain)
    )
  })
}

export function sortVector(rows: readonly VectorRow[]): VersionVector {
  return rows.toSorted((a, b) => compareBytes(a.incarnation, b.incarnation))
}

function sorted(rows: VersionVector, path: string | undefined): VersionVector {
  for (let i = 1; i < rows.length; i++) {
    const before = rows[i - 1]
    const row = rows[i]
    if (before && row && compareBytes(before.incarnation, row.incarnation) >= 0) {
      throw new CodecError("SCHEMA_VALUE", "rows out of order", { path: path ?? "" })
    }
  }
  return rows
}
