/**
 * The payloads of the record space in columns, for spans that were merged.
 *
 * Packed: LEB128 of the length of the *shapes*, the shapes, then the changes' columns
 * (`change-columns.ts`). A shape is, for each body, 0 and the body after its length, or how many
 * changes it holds and nothing else. A body that holds anything but changes that can be made again
 * is kept whole.
 *
 * @module
 */
import { equalBytes } from "@fulcrum/codec/bytes"
import { CodecError } from "@fulcrum/codec/codec-error"
import { sha256 } from "@fulcrum/crypto/hash"
import type { BodyColumns } from "@fulcrum/log/entry-columns"
import { LogError } from "@fulcrum/log/log-error"
import { SLICE_PARTS, type Sliced } from "@fulcrum/log/slices"
import { ChangeColumnsReader, ChangeColumnsWriter } from "@fulcrum/record/change-columns"
import { ByteReader, ByteWriter } from "@fulcrum/record/columns"
import {
  ITEMS_BYTES_MAX,
  ITEMS_PER_ENTRY_MAX,
  type RecordItem,
  recordItems,
} from "./record-items.ts"

export const recordColumns: BodyColumns = {
  *pack(bodies) {
    const shapes = new ByteWriter()
    const columns = new ChangeColumnsWriter(sha256)
    for (const [number, body] of bodies.entries()) {
      if (number % SLICE_PARTS === 0) yield
      const changes = changesIn(body)
      const read = changes?.map(({ value }) => columns.read(value.change))
      const isKept = !columns.isFull && (read?.every((one) => one !== undefined) ?? false)
      if (changes === undefined || read === undefined || !isKept) {
        shapes.uint(0)
        shapes.sized(body)
        continue
      }
      shapes.uint(changes.length)
      for (const [at, { value }] of changes.entries()) {
        const one = read[at]
        if (one) columns.add(value.document, one)
      }
    }
    const packed = new ByteWriter()
    packed.sized(shapes.written())
    packed.bytes(columns.packed())
    return packed.written()
  },
  *unpack(packed, limits) {
    try {
      return yield* unpack(packed, limits)
    } catch (cause) {
      if (!(cause instanceof RangeError)) throw cause
      throw new LogError("LOG_MALFORMED", "not a record's entries in columns", { cause })
    }
  },
}

function* unpack(
  packed: Uint8Array,
  { count, bytesMax }: { readonly count: number; readonly bytesMax: number },
): Sliced<readonly Uint8Array[]> {
  const reader = new ByteReader(packed)
  const shapes = new ByteReader(reader.take(reader.uint()))
  const columns = new ChangeColumnsReader(reader.take(reader.left), sha256)
  const bodies: Uint8Array[] = []
  let bytes = 0
  while (bodies.length < count) {
    if (bodies.length % SLICE_PARTS === 0) yield
    const body = readBody(shapes, columns)
    bytes += body.length
    if (bytes > bytesMax) throw new RangeError("more than a span may hold")
    bodies.push(body)
  }
  shapes.end()
  columns.end()
  return bodies
}

type Change = RecordItem & { readonly kind: "change" }

/** The changes of a body that holds nothing else and is written as one is written here. */
function changesIn(body: Uint8Array): readonly Change[] | undefined {
  try {
    const items = recordItems.decode(body)
    const changes = items.filter((item): item is Change => item.kind === "change")
    if (changes.length === 0 || changes.length !== items.length) return undefined
    return equalBytes(recordItems.encode(changes), body) ? changes : undefined
  } catch (error) {
    if (error instanceof CodecError) return undefined
    throw error
  }
}

function readBody(shapes: ByteReader, columns: ChangeColumnsReader): Uint8Array {
  const count = shapes.uint(ITEMS_PER_ENTRY_MAX)
  if (count === 0) return shapes.take(shapes.uint(ITEMS_BYTES_MAX))
  const items: Change[] = []
  let bytes = 0
  for (let at = 0; at < count; at++) {
    const value = columns.next()
    bytes += value.change.length
    if (bytes > ITEMS_BYTES_MAX) throw new RangeError("more than an entry may hold")
    items.push({ kind: "change", value })
  }
  return recordItems.encode(items)
}
