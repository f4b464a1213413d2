/**
 * Finds damage in LevelDB's write-ahead log that LevelDB would pass over in silence.
 *
 * LevelDB drops a record whose checksum is wrong together with the rest of its 32 KiB block, and
 * opens as if those writes had never been. After a crash that is right for the last record, which
 * was never acknowledged. But the store flushes each batch before it begins the next, so a batch
 * that begins after a bad record proves that the bad one had been acknowledged.
 *
 * The log is blocks of 32 KiB; a record never crosses one. `crc` is CRC-32C over type and
 * payload, masked (`crc32c.ts`); type 1 is a whole batch, 2, 3 and 4 its
 * first, middle and last part. Fewer than seven bytes at the end of a block are unused.
 *
 * | field   | bytes | order         |
 * | ------- | ----: | ------------- |
 * | crc     |     4 | little-endian |
 * | length  |     2 | little-endian |
 * | type    |     1 |               |
 * | payload |     n |               |
 *
 * Source: LevelDB, doc/log_format.md.
 *
 * @module
 */
import { isMaskedCrc } from "./crc32c.ts"

export const BLOCK_BYTES: number = 32 * 1024
export const HEADER_BYTES = 7
export const TYPE_FULL = 1
export const TYPE_FIRST = 2
export const TYPE_LAST = 4

/**
 * @param log - The whole file.
 * @returns The offset of the first bad record that an acknowledged batch follows, if there is one.
 */
export function findLogDamage(log: Uint8Array): number | undefined {
  let suspect: number | undefined
  for (let blockAt = 0; blockAt < log.length; blockAt += BLOCK_BYTES) {
    const block = log.subarray(blockAt, blockAt + BLOCK_BYTES)
    let at = 0
    while (at + HEADER_BYTES <= block.length) {
      const length = recordLength(block, at)
      if (length === undefined) {
        // What its length field says cannot be trusted, so the next record may begin anywhere.
        suspect ??= blockAt + at
        at++
        continue
      }
      const type = block[at + 6]
      if (suspect !== undefined && (type === TYPE_FULL || type === TYPE_FIRST)) return suspect
      at += HEADER_BYTES + length
    }
  }
  return undefined
}

/** The payload's length, or `undefined` if no intact record begins here. */
export function recordLength(block: Uint8Array, at: number): number | undefined {
  const length = byteAt(block, at + 4) | (byteAt(block, at + 5) << 8)
  const type = byteAt(block, at + 6)
  const end = at + HEADER_BYTES + length
  if (type < TYPE_FULL || type > TYPE_LAST || end > block.length) return undefined
  const stored = new DataView(block.buffer, block.byteOffset + at, 4).getUint32(0, true)
  return isMaskedCrc(stored, block.subarray(at + 6, end)) ? length : undefined
}

function byteAt(bytes: Uint8Array, at: number): number {
  return bytes[at] ?? 0
}
