/**
 * Records in memory in the order of their keys: a list of short sorted chunks, so that a write
 * among a hundred thousand moves a few hundred entries and not all of them.
 *
 * @module
 */
import { compareBytes } from "@fulcrum/codec/bytes"

/** Entries in a chunk before it is split in two: the square root of the sizes met. */
const CHUNK_ENTRIES_MAX = 512

export interface MemoryRecord {
  readonly key: Uint8Array
  readonly value: Uint8Array
}

export class SortedRecords {
  #chunks: MemoryRecord[][] = []
  #bytes = 0

  /** Keys and values together. */
  get bytes(): number {
    return this.#bytes
  }

  get(key: Uint8Array): Uint8Array | undefined {
    const chunk = this.#chunks[this.#chunkOf(key)]
    const record = chunk?.[lowerBound(chunk, key)]
    return record !== undefined && compareBytes(record.key, key) === 0 ? record.value : undefined
  }

  put(key: Uint8Array, value: Uint8Array): void {
    const chunkAt = this.#chunkOf(key)
    const chunk = this.#chunks[chunkAt]
    if (chunk === undefined) {
      this.#chunks.push([{ key, value }])
      this.#bytes += key.length + value.length
      return
    }
    const at = lowerBound(chunk, key)
    const old = chunk[at]
    if (old !== undefined && compareBytes(old.key, key) === 0) {
      chunk[at] = { key: old.key, value }
      this.#bytes += value.length - old.value.length
      return
    }
    chunk.splice(at, 0, { key, value })
    this.#bytes += key.length + value.length
    if (chunk.length > CHUNK_ENTRIES_MAX) {
      this.#chunks.splice(chunkAt + 1, 0, chunk.splice(CHUNK_ENTRIES_MAX >> 1))
    }
  }

  delete(key: Uint8Array): void {
    const chunkAt = this.#chunkOf(key)
    const chunk = this.#chunks[chunkAt]
    if (chunk === undefined) return
    const at = lowerBound(chunk, key)
    const old = chunk[at]
    if (old === undefined || compareBytes(old.key, key) !== 0) return
    chunk.splice(at, 1)
    this.#bytes -= old.key.length + old.value.length
    if (chunk.length === 0) this.#chunks.splice(chunkAt, 1)
  }

  /** The first `count` records at or after `gte` and before `lt`. */
  ascending(gte: Uint8Array, lt: Uint8Array, count: number): MemoryRecord[] {
    const found: MemoryRecord[] = []
    let chunkAt = this.#chunkOf(gte)
    let at = lowerBound(this.#chunks[chunkAt] ?? [], gte)
    while (found.length < count) {
      const chunk = this.#chunks[chunkAt]
      if (chunk === undefined) break
      const record = chunk[at++]
      if (record === undefined) {
        chunkAt++
        at = 0
      } else if (compareBytes(record.key, lt) >= 0) break
      else found.push(record)
    }
    return found
  }

  /** The last `count` records before `lt` and at or after `gte`, the last one first. */
  descending(gte: Uint8Array, lt: Uint8Array, count: number): MemoryRecord[] {
    const found: MemoryRecord[] = []
    let chunkAt = this.#chunkOf(lt)
    let at = lowerBound(this.#chunks[chunkAt] ?? [], lt) - 1
    while (found.length < count) {
      const record = this.#chunks[chunkAt]?.[at--]
      if (record === undefined) {
        if (--chunkAt < 0) break
        at = (this.#chunks[chunkAt]?.length ?? 0) - 1
      } else if (compareBytes(record.key, gte) < 0) break
      else found.push(record)
    }
    return found
  }

  /** All, in the order of their keys. */
  all(): readonly MemoryRecord[] {
    return this.#chunks.flat()
  }

  copy(): SortedRecords {
    const copy = new SortedRecords()
    copy.#chunks = this.#chunks.map((chunk) => [...chunk])
    copy.#bytes = this.#bytes
    return copy
  }

  /** The last chunk whose first key is not after `key`, or the first. */
  #chunkOf(key: Uint8Array): number {
    let low = 0
    let high = this.#chunks.length
    while (low < high) {
      const middle = (low + high) >> 1
      const first = this.#chunks[middle]?.[0]
      if (first !== undefined && compareBytes(first.key, key) <= 0) low = middle + 1
      else high = middle
    }
    return Math.max(0, low - 1)
  }
}

function lowerBound(chunk: readonly MemoryRecord[], key: Uint8Array): number {
  let low = 0
  let high = chunk.length
  while (low < high) {
    const middle = (low + high) >> 1
    const record = chunk[middle]
    if (record !== undefined && compareBytes(record.key, key) < 0) low = middle + 1
    else high = middle
  }
  return low
}
