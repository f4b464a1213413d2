/**
 * Finds damage in LevelDB's table files (`.ldb`), whose checksums LevelDB does not look at when
 * it reads. A flipped bit in an index or a filter makes a record seem absent to `get` though a
 * list shows it, so what the vault counts is not enough.
 *
 * | part       | bytes | notes                                                     |
 * | ---------- | ----: | --------------------------------------------------------- |
 * | blocks     |       | each its content, a type byte, and a CRC-32C of both      |
 * | footer     |    48 | handles (offset, size as varints) of the metaindex and of |
 * |            |       | the index, padding, and eight bytes that never change     |
 *
 * Index and metaindex are blocks of entries `shared, unshared, value length` (varints), the key's
 * unshared bytes, and the value, which begins with the handle of a data block or of the filter;
 * then the restart points, 4 bytes each, and their number. Here nothing is compressed.
 *
 * Source: LevelDB, doc/table_format.md.
 *
 * @module
 */
import { concatBytes } from "@fulcrum/codec/bytes"
import { isMaskedCrc, maskedCrc } from "./crc32c.ts"

const FOOTER_BYTES = 48
const TRAILER_BYTES = 5
const MAGIC = 0xdb4775248b80fb57n

/** A block without entries: one restart point, at 0. */
const EMPTY_BLOCK = Uint8Array.of(0, 0, 0, 0, 1, 0, 0, 0)

interface Handle {
  readonly offset: number
  readonly size: number
}

interface IndexEntry {
  /** What of the key is not shared with the entry before: in an index all of it. */
  readonly key: Uint8Array
  readonly handle: Handle
}

/** @param file - The whole table. @returns Whether every block is as it was written. */
export function isTableIntact(file: Uint8Array): boolean {
  const footer = readFooter(file)
  if (footer === undefined) return false
  const { metaindex, index } = footer
  const pointed = [...entriesOf(file, metaindex), ...entriesOf(file, index)]
  const blocks = [...pointed.map(({ handle }) => handle), metaindex, index]
  // Blocks lie one after another: as many bytes as there are means that none was left out.
  const covered = blocks.reduce((sum, { size }) => sum + size + TRAILER_BYTES, 0)
  return covered === footer.at && blocks.every((block) => isBlockIntact(file, block))
}

/**
 * Makes a table of the blocks of a damaged one that are intact, and of no filter.
 *
 * @returns `undefined` if nothing can be had, since its index is damaged or every block is.
 */
export function salvageTable(file: Uint8Array): Uint8Array | undefined {
  const footer = readFooter(file)
  if (footer === undefined || !isBlockIntact(file, footer.index)) return undefined
  const parts: Uint8Array[] = []
  let length = 0
  const append = (...added: Uint8Array[]): void => {
    parts.push(...added)
    for (const part of added) length += part.length
  }
  const indexEntries: Uint8Array[] = []
  const restarts: number[] = []
  let indexBytes = 0
  for (const { key, handle } of entriesOf(file, footer.index)) {
    if (!isBlockIntact(file, handle)) continue
    const value = handleBytes({ offset: length, size: handle.size })
    const sizes = [0, key.length, value.length].flatMap((size) => [...varint(size)])
    const entry = concatBytes([Uint8Array.from(sizes), key, value])
    restarts.push(indexBytes)
    indexBytes += entry.length
    indexEntries.push(entry)
    append(file.subarray(handle.offset, handle.offset + handle.size + TRAILER_BYTES))
  }
  // LevelDB's repair ends the whole process over a table without an entry.
  if (indexEntries.length === 0) return undefined
  const metaindex = { offset: length, size: EMPTY_BLOCK.length }
  append(EMPTY_BLOCK, trailerOf(EMPTY_BLOCK))
  const points = [...restarts, restarts.length]
  const indexBlock = concatBytes([...indexEntries, ...points.map(uint32Bytes)])
  const index = { offset: length, size: indexBlock.length }
  append(indexBlock, trailerOf(indexBlock))
  const footerBytes = new Uint8Array(FOOTER_BYTES)
  footerBytes.set(concatBytes([handleBytes(metaindex), handleBytes(index)]))
  new DataView(footerBytes.buffer).setBigUint64(FOOTER_BYTES - 8, MAGIC, true)
  append(footerBytes)
  return concatBytes(parts)
}

function readFooter(
  file: Uint8Array,
): { readonly at: number; readonly metaindex: Handle; readonly index: Handle } | undefined {
  const at = file.length - FOOTER_BYTES
  if (at < 0) return undefined
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  if (view.getBigUint64(file.length - 8, true) !== MAGIC) return undefined
  const cursor = { at }
  return { at, metaindex: readHandle(file, cursor), index: readHandle(file, cursor) }
}

/** An index's entries; none if the block is not intact. */
function entriesOf(file: Uint8Array, block: Handle): IndexEntry[] {
  if (!isBlockIntact(file, block)) return []
  const content = file.subarray(block.offset, block.offset + block.size)
  const view = new DataView(content.buffer, content.byteOffset, content.byteLength)
  const restarts = content.length < 4 ? 0 : view.getUint32(content.length - 4, true)
  const entriesEnd = content.length - 4 * (restarts + 1)
  const entries: IndexEntry[] = []
  for (const cursor = { at: 0 }; cursor.at < entriesEnd; ) {
    readVarint(content, cursor)
    const keyBytes = readVarint(content, cursor)
    const valueBytes = readVarint(content, cursor)
    const valueAt = cursor.at + keyBytes
    const handle = readHandle(content, { at: valueAt })
    entries.push({ key: content.subarray(cursor.at, valueAt), handle })
    cursor.at = valueAt + valueBytes
  }
  return entries
}

function isBlockIntact(file: Uint8Array, { offset, size }: Handle): boolean {
  const crcAt = offset + size + 1
  if (crcAt + 4 > file.length) return false
  const stored = new DataView(file.buffer, file.byteOffset + crcAt, 4).getUint32(0, true)
  return isMaskedCrc(stored, file.subarray(offset, crcAt))
}

function readHandle(bytes: Uint8Array, cursor: { at: number }): Handle {
  return { offset: readVarint(bytes, cursor), size: readVarint(bytes, cursor) }
}

/** Seven bits a byte, the lowest first; what is beyond the end reads as zero. */
export function readVarint(bytes: Uint8Array, cursor: { at: number }): number {
  let value = 0
  for (let scale = 1; scale < 2 ** 53; scale *= 128) {
    const byte = bytes[cursor.at++] ?? 0
    value += (byte & 127) * scale
    if (byte < 128) break
  }
  return value
}

function varint(value: number): Uint8Array {
  const bytes: number[] = []
  for (let left = value; ; left = Math.floor(left / 128)) {
    if (left < 128) return Uint8Array.from([...bytes, left])
    bytes.push((left % 128) | 128)
  }
}

function handleBytes({ offset, size }: Handle): Uint8Array {
  return concatBytes([varint(offset), varint(size)])
}

/** Type 0, not compressed, and the checksum. */
function trailerOf(block: Uint8Array): Uint8Array {
  const type = Uint8Array.of(0)
  return concatBytes([type, uint32Bytes(maskedCrc(concatBytes([block, type])))])
}

function uint32Bytes(value: number): Uint8Array {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, value, true)
  return bytes
}
