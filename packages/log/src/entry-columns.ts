/**
 * Entries in columns: the content of a merged span, where what the layer above can rebuild of its
 * payloads is left out. The CBOR array
 *
 * | field  | type                           | notes                                               |
 * | ------ | ------------------------------ | --------------------------------------------------- |
 * | form   | 1                              | tells it from the plain form, an array of bytes     |
 * | kinds  | list of `[kind, how many]`     | of the entries, in order                            |
 * | on     | list of `[index, rows]`        | of those entries that name any rows                 |
 * | bodies | bytes                          | of all entries, as {@link BodyColumns} writes them  |
 *
 * What comes out is chained again, entry by entry, so a wrong byte is found like any other.
 *
 * @module
 */
import {
  array,
  bytesMax,
  decodeAs,
  encodeAs,
  int,
  literal,
  oneOf,
  type Schema,
  struct,
  uint,
} from "@fulcrum/codec/schema"
import { decodeEntry, ENTRY_BODY_BYTES_MAX, type EntryKind, encodeEntry } from "./entry.ts"
import { LogError } from "./log-error.ts"
import { SPAN_INFLATED_MAX } from "./packing.ts"
import type { Sliced } from "./slices.ts"
import { type VectorRow, type VersionVector, vectorSchema } from "./vector.ts"

/** How the layer above writes the bodies of many entries together. */
export interface BodyColumns {
  /** @returns What `unpack` gives the very same bodies of; `undefined`: it is of no use here. */
  pack(bodies: readonly Uint8Array[]): Sliced<Uint8Array | undefined>
  /**
   * @param limits - Bodies, exactly; their bytes, at most.
   * @throws {LogError} `LOG_MALFORMED`: not what `pack` writes.
   * @throws {CodecError}
   */
  unpack(
    packed: Uint8Array,
    limits: { readonly count: number; readonly bytesMax: number },
  ): Sliced<readonly Uint8Array[]>
}

const COLUMNS_FORM = 1 as const
const KINDS: readonly EntryKind[] = ["begin", "payload", "key"]
const ENTRIES_MAX = 8192

interface EntryColumns {
  readonly form: typeof COLUMNS_FORM
  readonly kinds: readonly { readonly kind: number; readonly count: number }[]
  readonly on: readonly { readonly index: number; readonly rows: VersionVector }[]
  readonly bodies: Uint8Array
}

const columnsSchema: Schema<EntryColumns> = struct({
  form: literal(COLUMNS_FORM),
  kinds: array(struct({ kind: oneOf([0, 1, 2]), count: int(1, ENTRIES_MAX) }), ENTRIES_MAX),
  on: array(struct({ index: uint(ENTRIES_MAX - 1), rows: vectorSchema }), ENTRIES_MAX),
  bodies: bytesMax(SPAN_INFLATED_MAX),
})

/** First bytes of an array of four whose first is the form; an entry begins with another. */
const COLUMNS_MARK = [0x84, COLUMNS_FORM] as const

const NOTHING: readonly VectorRow[] = []

/** @returns `undefined` if the layer above has no better form for these. */
export function* encodeEntryColumns(
  encoded: readonly Uint8Array[],
  columns: BodyColumns,
): Sliced<Uint8Array | undefined> {
  const entries = encoded.map(decodeEntry)
  yield
  const bodies = yield* columns.pack(entries.map(({ body }) => body))
  if (bodies === undefined) return undefined
  const kinds: { kind: number; count: number }[] = []
  for (const entry of entries) {
    const kind = KINDS.indexOf(entry.kind)
    const last = kinds.at(-1)
    if (last?.kind === kind) last.count++
    else kinds.push({ kind, count: 1 })
  }
  const on = entries.flatMap(({ on: rows }, index) => (rows.length > 0 ? [{ index, rows }] : []))
  return encodeAs(columnsSchema, { form: COLUMNS_FORM, kinds, on, bodies })
}

/** Whether a content is of this form, not plain. */
export function isInColumns(content: Uint8Array): boolean {
  return COLUMNS_MARK.every((byte, at) => content[at] === byte)
}

/**
 * @param count - Of the entries, as the span's header says.
 * @throws {LogError} `LOG_MALFORMED`.
 * @throws {CodecError}
 */
export function* decodeEntryColumns(
  content: Uint8Array,
  count: number,
  columns: BodyColumns | undefined,
): Sliced<readonly Uint8Array[]> {
  const packed = decodeAs(columnsSchema, content, { bytesMax: SPAN_INFLATED_MAX })
  const kinds: EntryKind[] = []
  for (const run of packed.kinds) {
    if (kinds.length + run.count > count) throw malformed()
    for (let at = 0; at < run.count; at++) kinds.push(KINDS[run.kind] ?? "payload")
  }
  if (columns === undefined || kinds.length !== count) throw malformed()
  const on = new Map(packed.on.map(({ index, rows }) => [index, rows]))
  const bodies = yield* columns.unpack(packed.bodies, { count, bytesMax: SPAN_INFLATED_MAX })
  return bodies.map((body, index) => {
    if (body.length > ENTRY_BODY_BYTES_MAX) throw malformed()
    return encodeEntry({ kind: kinds[index] ?? "payload", on: on.get(index) ?? NOTHING, body })
  })
}

function malformed(): LogError {
  return new LogError("LOG_MALFORMED", "not entries in columns")
}
