/**
 * Automerge's binary format, as far as this format allows it, read before Automerge sees it.
 *
 * A change of a document is one uncompressed change chunk (what carries it compresses):
 *
 * | part            | bytes       | here                                              |
 * | --------------- | ----------- | ------------------------------------------------- |
 * | magic, checksum | 4 + 4       | `85 6f 4a 83`; the checksum is Automerge's to test |
 * | type, length    | 1 + LEB     | 1; the rest, exactly                              |
 * | dependencies    | LEB + 32 n  |                                                   |
 * | actor           | LEB + 16    |                                                   |
 * | seq, start, time | LEB         | time 0: a device's clock is nobody's business     |
 * | message         | LEB + n     | at most `MESSAGE_CHARS_MAX`                       |
 * | other actors    | LEB + …     |                                                   |
 * | columns         | LEB + 2 LEB n | those of the table below, in this order         |
 * | their contents  |             | nothing after them                                |
 *
 * | column | holds                 | allowed                                     |
 * | -----: | --------------------- | ------------------------------------------- |
 * |     21 | key, run-length text  | pointers as `registers.ts` writes them, each once |
 * |     52 | insert                | false                                       |
 * |     66 | action                | 1, set                                      |
 * | 86, 87 | value and its type    | text: a cell, as `cell.ts` writes it        |
 * | 112, 113, 115 | predecessors   | at most `CHANGE_PREDS_MAX`                  |
 *
 * There is no column that names an object, so every operation is on the root map: no nested
 * object, no list, no text, counter, timestamp or mark can be made. What is run-length coded is
 * counted before it is unrolled. Source: automerge.org/automerge-binary-format-spec.
 *
 * Of a saved form (chunk type 0) the frame is read, its columns inflated within bounds and their
 * rows counted, and operations on anything but the root refused; what it held is checked once
 * it is loaded.
 *
 * @module
 */
import { bytesToHex, bytesToUtf8 } from "@fulcrum/codec/bytes"
import { CELL_BYTES_MAX, type Cell, decodeCell } from "./cell.ts"
import { ByteReader, readDeltas, readFalses, readRuns } from "./columns.ts"
import {
  CHANGE_BYTES_MAX,
  CHANGE_OPS_MAX,
  CHANGE_PREDS_MAX,
  DOCUMENT_OPS_MAX,
  MESSAGE_CHARS_MAX,
  SAVED_BYTES_MAX,
} from "./documents.ts"
import { RecordError } from "./record-error.ts"
import { keyToPath } from "./registers.ts"

/** One operation: a register written or unset. */
export interface ChangeWrite {
  readonly key: string
  readonly path: readonly string[]
  readonly cell: Cell
  /** Operations that it replaces, as Automerge writes them: `counter@actor`. */
  readonly preds: readonly string[]
}

export interface ParsedChange {
  /** Hex. */
  readonly actor: string
  readonly seq: number
  readonly startOp: number
  /** Hex hashes. */
  readonly deps: readonly string[]
  readonly message: string
  readonly writes: readonly ChangeWrite[]
}

export const ACTOR_BYTES = 16
/** Actors that one change refers to, its own not counted. */
const OTHER_ACTORS_MAX = 4096
/** Dependencies: as many as there were heads. */
const DEPS_MAX = 4096
const COLUMNS_MAX = 32
/** Operation counters stay in what Automerge can save: a 32-bit number. */
const OP_COUNTER_MAX = 0x7fff_ffff

export const SET = 1
/** Type of a value. */
export const TEXT = 6

export const CHANGE_MAGIC = "856f4a83"
const CHUNK_DOCUMENT = 0
/** Magic, checksum and type. */
const HEAD_BYTES = 9
export const CHUNK_CHANGE = 1

/** In the order in which they stand. */
export const CHANGE_COLUMNS = {
  KEY: 21,
  INSERT: 52,
  ACTION: 66,
  VALUE_META: 86,
  VALUE: 87,
  PRED_GROUP: 112,
  PRED_ACTOR: 113,
  PRED_COUNTER: 115,
} as const
const { KEY, INSERT, ACTION, VALUE_META, VALUE, PRED_GROUP, PRED_ACTOR, PRED_COUNTER } =
  CHANGE_COLUMNS
const COLUMNS: readonly number[] = Object.values(CHANGE_COLUMNS)

/**
 * Reads a change.
 *
 * @param predsEach - Predecessors that its writes may have, on average. A few bytes can name tens of
 * thousands of them, so whoever expects few says so and is spared reading more.
 * @throws {RecordError} `RECORD_CHANGE_REFUSED`, `RECORD_CHANGE_LIMIT`.
 */
export function parseChange(
  bytes: Uint8Array,
  { predsEach = CHANGE_PREDS_MAX }: { readonly predsEach?: number } = {},
): ParsedChange {
  if (bytes.length > CHANGE_BYTES_MAX) throw limit("larger than a change may be")
  try {
    return parse(bytes, predsEach)
  } catch (cause) {
    if (cause instanceof RecordError) throw cause
    throw new RecordError("RECORD_CHANGE_REFUSED", "not a change of this format", { cause })
  }
}

/**
 * Hex of the actor that a change says it is by, read without the rest.
 *
 * @throws {RecordError} `RECORD_CHANGE_REFUSED`.
 */
export function actorOfChange(bytes: Uint8Array): string {
  try {
    const reader = openChunk(bytes, CHUNK_CHANGE)
    reader.take(32 * reader.uint(DEPS_MAX))
    return readActor(reader)
  } catch (cause) {
    if (cause instanceof RecordError) throw cause
    throw new RecordError("RECORD_CHANGE_REFUSED", "not a change of this format", { cause })
  }
}

/** Changes that stand one after another. @throws {RecordError} `RECORD_CHANGE_REFUSED`. */
export function splitChanges(bytes: Uint8Array): readonly Uint8Array[] {
  const changes: Uint8Array[] = []
  let rest = bytes
  while (rest.length > 0) {
    const length = chunkBytes(rest)
    changes.push(rest.subarray(0, length))
    rest = rest.subarray(length)
  }
  return changes
}

function chunkBytes(bytes: Uint8Array): number {
  try {
    const reader = new ByteReader(bytes)
    reader.take(HEAD_BYTES)
    const length = reader.uint(SAVED_BYTES_MAX)
    reader.take(length)
    return bytes.length - reader.left
  } catch (cause) {
    throw new RecordError("RECORD_CHANGE_REFUSED", "not changes of this format", { cause })
  }
}

/** Whether these bytes say that they are a saved form. */
export function isSavedForm(bytes: Uint8Array): boolean {
  return bytes[8] === CHUNK_DOCUMENT
}

function parse(bytes: Uint8Array, predsEach: number): ParsedChange {
  const reader = openChunk(bytes, CHUNK_CHANGE)
  const deps = readMany(reader, DEPS_MAX, () => bytesToHex(reader.take(32)))
  const actor = readActor(reader)
  const seq = reader.uint(OP_COUNTER_MAX)
  const startOp = reader.uint(OP_COUNTER_MAX)
  if (seq < 1 || startOp < 1) throw refused("numbered from zero")
  if (reader.int() !== 0) throw refused("with a time")
  const message = bytesToUtf8(reader.take(reader.uint(MESSAGE_CHARS_MAX * 4)))
  const actors = [actor, ...readMany(reader, OTHER_ACTORS_MAX, () => readActor(reader))]
  const columns = readColumns(reader)
  reader.end()
  const writes = readWrites(columns, actors, predsEach)
  if (startOp + writes.length > OP_COUNTER_MAX) throw refused("with an operation numbered too high")
  return { actor, seq, startOp, deps, message, writes }
}

/** The reader stands at the start of what the chunk holds. */
function openChunk(bytes: Uint8Array, type: number): ByteReader {
  const reader = new ByteReader(bytes)
  const magic = reader.take(4)
  if (bytesToHex(magic) !== CHANGE_MAGIC) throw refused("without Automerge's mark")
  reader.take(4)
  if (reader.byte() !== type) throw refused("of another kind, or compressed")
  const length = reader.uint(SAVED_BYTES_MAX)
  if (length !== reader.left) throw refused("of another length than it says")
  return reader
}

function readActor(reader: ByteReader): string {
  if (reader.uint(ACTOR_BYTES) !== ACTOR_BYTES) throw refused("with an actor that is not 16 bytes")
  return bytesToHex(reader.take(ACTOR_BYTES))
}

function readMany<T>(reader: ByteReader, max: number, one: () => T): readonly T[] {
  const count = reader.uint(max)
  const items: T[] = []
  for (let at = 0; at < count; at++) items.push(one())
  return items
}

function readColumns(reader: ByteReader): ReadonlyMap<number, Uint8Array> {
  const sizes = readMany(reader, COLUMNS_MAX, () => ({
    column: reader.uint(0xffff),
    length: reader.uint(CHANGE_BYTES_MAX),
  }))
  const columns = new Map<number, Uint8Array>()
  let last = -1
  for (const { column, length } of sizes) {
    if (column <= last || !COLUMNS.includes(column)) throw refused("with a column of no use here")
    last = column
    columns.set(column, reader.take(length))
  }
  return columns
}

function readWrites(
  columns: ReadonlyMap<number, Uint8Array>,
  actors: readonly string[],
  predsEach: number,
): readonly ChangeWrite[] {
  const column = (id: number): ByteReader => new ByteReader(columns.get(id) ?? new Uint8Array())
  const actions = readRuns(column(ACTION), CHANGE_OPS_MAX, (reader) => reader.uint(255))
  const count = actions.length
  if (count === 0) throw refused("without an operation")
  readFalses(column(INSERT), count)
  const keys = rows(
    count,
    readRuns(column(KEY), count, (reader) => reader.text()),
  )
  const metas = rows(
    count,
    readRuns(column(VALUE_META), count, (reader) => reader.uint()),
  )
  const groups = rows(
    count,
    readRuns(column(PRED_GROUP), count, (reader) => reader.uint()),
  )
  const predCount = groups.reduce((sum, size) => sum + size, 0)
  if (predCount > Math.min(predsEach * count, CHANGE_PREDS_MAX))
    throw limit("more predecessors than a change may have")
  const predActors = rows(
    predCount,
    readRuns(column(PRED_ACTOR), predCount, (reader) => reader.uint()),
  )
  const predCounters = rows(predCount, readDeltas(column(PRED_COUNTER), predCount))
  const values = column(VALUE)
  const seen = new Set<string>()
  let pred = 0
  const writes = actions.map((action, at): ChangeWrite => {
    const key = keys[at] ?? ""
    const path = keyToPath(key)
    if (path === undefined || seen.has(key)) throw refused("with a key that no document has")
    seen.add(key)
    const cell = readCell(values, metas[at] ?? 0)
    const preds: string[] = []
    for (const end = pred + (groups[at] ?? 0); pred < end; pred++) {
      const actor = actors[predActors[pred] ?? -1]
      const counter = predCounters[pred] ?? 0
      if (actor === undefined || counter < 1 || counter > OP_COUNTER_MAX) {
        throw refused("with a predecessor that cannot be")
      }
      preds.push(`${counter}@${actor}`)
    }
    if (new Set(preds).size !== preds.length) throw refused("with a predecessor twice")
    if (action !== SET) throw refused("with an operation that no document has")
    return { key, path, cell, preds }
  })
  values.end()
  return writes
}

/** Every row there, none null. */
function rows<T>(count: number, items: readonly (T | null)[]): readonly T[] {
  const present = items.filter((item) => item !== null)
  if (present.length !== count || items.length !== count)
    throw refused("with columns of unlike length")
  return present
}

function readCell(values: ByteReader, meta: number): Cell {
  const [length, type] = [Math.floor(meta / 16), meta % 16]
  if (length > CELL_BYTES_MAX) throw limit("a field larger than can be stored")
  if (type !== TEXT) throw refused("with a value of a kind that no document has")
  return decodeCell(bytesToUtf8(values.take(length)))
}

/**
 * Measures a saved form.
 *
 * @throws {RecordError} `RECORD_CHANGE_REFUSED`, `RECORD_CHANGE_LIMIT`.
 */
export async function inspectSavedForm(bytes: Uint8Array): Promise<void> {
  if (bytes.length > SAVED_BYTES_MAX) throw limit("larger than a document may be")
  try {
    await inspect(bytes)
  } catch (cause) {
    if (cause instanceof RecordError) throw cause
    throw new RecordError("RECORD_CHANGE_REFUSED", "not a saved document", { cause })
  }
}

async function inspect(bytes: Uint8Array): Promise<void> {
  const reader = openChunk(bytes, CHUNK_DOCUMENT)
  readMany(reader, DOCUMENT_OPS_MAX, () => readActor(reader))
  readMany(reader, DEPS_MAX, () => reader.take(32))
  const columnSizes = () => ({ spec: reader.uint(0xffff), length: reader.uint(SAVED_BYTES_MAX) })
  const changeColumns = readMany(reader, COLUMNS_MAX, columnSizes)
  const opColumns = readMany(reader, COLUMNS_MAX, columnSizes)
  let left = SAVED_BYTES_MAX
  for (const [at, { spec, length }] of [...changeColumns, ...opColumns].entries()) {
    const isOnOperation = at >= changeColumns.length
    const contents = await inflate(reader.take(length), spec, left)
    left -= contents.length
    // Columns 1 and 2 name the object of an operation; without them it is the root.
    if (isOnOperation && spec >> 4 === 0) throw refused("with an object inside")
    countRows(contents, spec & 7)
  }
}

function countRows(contents: Uint8Array, type: number): void {
  const reader = new ByteReader(contents)
  if (type === 7) return
  if (type === 4) {
    let rowCount = 0
    while (reader.left > 0) rowCount += reader.uint(DOCUMENT_OPS_MAX)
    if (rowCount > DOCUMENT_OPS_MAX) throw limit("more operations than a document may have")
    return
  }
  let rowCount = 0
  while (reader.left > 0) {
    const run = reader.int()
    if (run === 0) rowCount += reader.uint(DOCUMENT_OPS_MAX)
    else rowCount += Math.abs(run)
    if (rowCount > DOCUMENT_OPS_MAX) throw limit("more operations than a document may have")
    const valueCount = run > 0 ? 1 : -run
    for (let at = 0; at < valueCount; at++) {
      if (type === 5) reader.take(reader.uint(SAVED_BYTES_MAX))
      else reader.skipInteger()
    }
  }
}

/** A column's contents: bit 3 of its number says that they are deflated. */
async function inflate(bytes: Uint8Array, spec: number, bytesMax: number): Promise<Uint8Array> {
  if ((spec & 8) === 0) {
    if (bytes.length > bytesMax) throw limit("larger than a document may be")
    return bytes
  }
  const parts: Uint8Array[] = []
  let length = 0
  const source = new Blob([new Uint8Array(bytes)]).stream()
  for await (const part of source.pipeThrough(new DecompressionStream("deflate-raw"))) {
    length += part.length
    if (length > bytesMax) throw limit("larger than a document may be")
    parts.push(part)
  }
  const whole = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

function refused(what: string): RecordError {
  return new RecordError("RECORD_CHANGE_REFUSED", `a change ${what}`)
}

function limit(what: string): RecordError {
  return new RecordError("RECORD_CHANGE_LIMIT", what)
}
