/**
 * Changes that were written here a moment ago, with their hashes: what is unpacked is written out, and
 * soon after read, and compared with what would be written. It need not be written a second time for
 * that. Nothing depends on what is remembered but how long it takes.
 *
 * @module
 */
import { equalBytes } from "@fulcrum/codec/bytes"
import type { WrittenChange } from "./change-writer.ts"

/** In each of two halves; the older one is forgotten when the newer one is full. */
const HALF_MAX = 8192
/** A longer one is seldom, and would take room. */
const BYTES_MAX = 1024
/** Where the checksum stands, which is the beginning of the hash. */
const [CHECKSUM_AT, CHECKSUM_END] = [4, 8]

let newer = new Map<number, WrittenChange>()
let older = new Map<number, WrittenChange>()

export function noteWritten(change: WrittenChange): void {
  if (change.bytes.length > BYTES_MAX) return
  if (newer.size >= HALF_MAX) {
    older = newer
    newer = new Map()
  }
  newer.set(checksum(change.bytes), change)
}

/** The hash of these bytes, if they were written here lately; then no more. */
export function takeWritten(bytes: Uint8Array): Uint8Array | undefined {
  if (bytes.length < CHECKSUM_END) return undefined
  const key = checksum(bytes)
  for (const half of [newer, older]) {
    const known = half.get(key)
    if (known === undefined || !equalBytes(known.bytes, bytes)) continue
    half.delete(key)
    return known.hash
  }
  return undefined
}

function checksum(bytes: Uint8Array): number {
  let sum = 0
  for (const byte of bytes.subarray(CHECKSUM_AT, CHECKSUM_END)) sum = sum * 256 + byte
  return sum
}
