/**
 * Changes that were written here a moment ago, with their hashes: what is unpacked is written out, and
 * soon after read, and compared with what would be written. It need not be written a second time for
 * that, nor read. Nothing depends on what is remembered but how long it takes.
 *
 * @module
 */
import { equalBytes } from "@fulcrum/codec/bytes"
import type { ParsedChange } from "./change-format.ts"
import type { WrittenChange } from "./change-writer.ts"

/** In each of two halves; the older one is forgotten when the newer one is full, by number or by bytes. */
const HALF_MAX = 32_768
const HALF_BYTES_MAX: number = 8 * 1024 * 1024
/** A longer one is seldom, and would take room. */
const BYTES_MAX = 1024
/** Where the checksum stands, which is the beginning of the hash. */
const [CHECKSUM_AT, CHECKSUM_END] = [4, 8]

interface Noted extends WrittenChange {
  /** What its bytes are read as; absent: they have to be read. */
  readonly change: ParsedChange | undefined
}

let newer = new Map<number, Noted>()
let older = new Map<number, Noted>()
/** Of what was noted in the newer half. */
let newerBytes = 0

/** @param change - That was written so, with the keys that documents have. */
export function noteWritten({ bytes, hash }: WrittenChange, change: ParsedChange): void {
  if (bytes.length > BYTES_MAX) return
  if (newer.size >= HALF_MAX || newerBytes + bytes.length > HALF_BYTES_MAX) {
    older = newer
    newer = new Map()
    newerBytes = 0
  }
  newerBytes += bytes.length
  newer.set(checksum(bytes), { bytes, hash, change: isPlain(change) ? change : undefined })
}

/** What is known of these bytes, if they were written here lately; then no more. */
export function takeWritten(bytes: Uint8Array): Noted | undefined {
  if (bytes.length < CHECKSUM_END) return undefined
  const key = checksum(bytes)
  for (const half of [newer, older]) {
    const known = half.get(key)
    if (known === undefined || !equalBytes(known.bytes, bytes)) continue
    half.delete(key)
    return known
  }
  return undefined
}

/**
 * Whether it is surely read as it was written, and takes no more room than its bytes do: numbers have
 * texts that are read as others, messages are bounded, and a few bytes can name thousands of predecessors.
 */
function isPlain({ message, writes }: ParsedChange): boolean {
  const isPlainWrite = ({ cell, preds }: ParsedChange["writes"][number]) =>
    (cell.value === undefined || typeof cell.value === "string") && preds.length <= 1
  return message === "" && writes.every(isPlainWrite)
}

function checksum(bytes: Uint8Array): number {
  let sum = 0
  for (const byte of bytes.subarray(CHECKSUM_AT, CHECKSUM_END)) sum = sum * 256 + byte
  return sum
}
