/**
 * A store in memory, on a disk that can be made to fail: for tests and for `sim`.
 *
 * A `MemoryDisk` outlives the stores opened on it, one at a time, as a folder outlives
 * processes. What was not flushed when it crashes is gone; what was, is there when it is opened
 * again. Faults are asked for flush by flush, so a test can visit every write there is.
 *
 * @module
 */
import { bytesToHex, concatBytes } from "@fulcrum/codec/bytes"
import {
  checkKey,
  type ListRange,
  type Store,
  StoreError,
  type WriteOp,
  writeBytes,
} from "./contract.ts"
import { GroupCommit } from "./group-commit.ts"
import { type MemoryRecord, SortedRecords } from "./sorted-records.ts"

/** Records that a list takes at a time; it sees what is written between two such pages. */
const PAGE_RECORDS = 128

/**
 * What may go wrong with one flush.
 *
 * - `fail-before`, `fail-after`: refused with `STORE_IO`, and nothing or all of it has landed.
 * - `crash-before`, `crash-after`: the same, but the store dies with it.
 * - `torn`: it dies between the records of the log: the first `landed` of the writes gathered in
 *   this flush are there, each whole, none acknowledged.
 */
export type MemoryFault =
  | { readonly type: "fail-before" | "fail-after" | "crash-before" | "crash-after" }
  | { readonly type: "torn"; readonly landed: number }

/** The flush about to happen: the disk's how many-th, from 0, and how many writes are in it. */
export interface MemoryFlush {
  readonly index: number
  readonly writes: number
}

export interface MemoryDiskOptions {
  /** Room for keys and values; past it a write is refused with `STORE_FULL`. */
  readonly capacityBytes?: number
  readonly fault?: (flush: MemoryFlush) => MemoryFault | undefined
  /** How long a flush takes, by the caller's clock. */
  readonly delay?: () => Promise<void>
}

export class MemoryDisk {
  capacityBytes: number
  fault: ((flush: MemoryFlush) => MemoryFault | undefined) | undefined
  readonly delay: (() => Promise<void>) | undefined
  #records = new SortedRecords()
  #flipped: MemoryRecord | undefined
  #flushes = 0
  /** The store that has it open. */
  #holder: object | undefined

  constructor(options: MemoryDiskOptions = {}) {
    this.capacityBytes = options.capacityBytes ?? Number.POSITIVE_INFINITY
    this.fault = options.fault
    this.delay = options.delay
  }

  get usedBytes(): number {
    return this.#records.bytes
  }

  /** How many flushes there were, failed ones included. */
  get flushes(): number {
    return this.#flushes
  }

  /**
   * Changes one bit of what is on it, keys before their values. Nothing has it open.
   *
   * @param bit - From 0, below 8 times `usedBytes`.
   */
  flipBit(bit: number): void {
    let at = Math.floor(bit / 8)
    for (const { key, value } of this.#records.all()) {
      const length = key.length + value.length
      if (at >= length) {
        at -= length
        continue
      }
      const bytes = concatBytes([key, value])
      bytes[at] = (bytes[at] ?? 0) ^ (1 << (bit % 8))
      const changed = { key: bytes.slice(0, key.length), value: bytes.slice(key.length) }
      this.#records.delete(key)
      this.#records.put(changed.key, changed.value)
      this.#flipped = changed
      return
    }
    throw new RangeError("this disk has no such bit")
  }

  /** Whether the last bit that flipped is still there, and nothing was written over it. */
  get hasFlippedBit(): boolean {
    return (
      this.#flipped !== undefined && this.#records.get(this.#flipped.key) === this.#flipped.value
    )
  }

  /** Pulls the plug: what was not flushed is lost, and whoever has it open is cut off. */
  crash(): void {
    this.#holder = undefined
  }

  /**
   * Another disk with the same records, as a backup or a copied folder would be.
   *
   * @param options - Of the copy; absent: as this one, without its faults.
   */
  copy(options?: MemoryDiskOptions): MemoryDisk {
    const alike = {
      capacityBytes: this.capacityBytes,
      ...(this.delay === undefined ? {} : { delay: this.delay }),
    }
    const copy = new MemoryDisk(options ?? alike)
    copy.#records = this.#records.copy()
    copy.#flipped = this.#flipped
    return copy
  }

  /** @throws {StoreError} `STORE_LOCKED` */
  attach(store: object): void {
    if (this.#holder !== undefined) {
      throw new StoreError("STORE_LOCKED", "this disk is open already")
    }
    this.#holder = store
  }

  detach(store: object): void {
    if (this.#holder === store) this.#holder = undefined
  }

  /** @throws {StoreError} `STORE_CLOSED` when the store was closed, or cut off by a crash. */
  recordsOf(store: object): SortedRecords {
    if (this.#holder !== store) throw new StoreError("STORE_CLOSED", "the store is closed")
    return this.#records
  }

  /** Makes a group of writes durable, or fails as `fault` says. */
  async flush(store: object, writes: readonly (readonly WriteOp[])[]): Promise<void> {
    const index = this.#flushes++
    const fault = this.fault?.({ index, writes: writes.length })
    await this.delay?.()
    const records = this.recordsOf(store)
    if (
      this.capacityBytes < Number.POSITIVE_INFINITY &&
      records.bytes + growth(records, writes) > this.capacityBytes
    ) {
      throw new StoreError("STORE_FULL", "the disk in memory is full")
    }
    apply(records, writes.slice(0, landed(fault, writes.length)))
    if (fault === undefined) return
    if (fault.type !== "fail-before" && fault.type !== "fail-after") this.crash()
    throw new StoreError("STORE_IO", `injected fault: ${fault.type}`)
  }
}

/**
 * @param options - `disk`: where; a fresh one if absent.
 * @throws {StoreError} `STORE_LOCKED`
 */
export async function openMemoryStore(options: { disk?: MemoryDisk } = {}): Promise<Store> {
  return new MemoryStore(options.disk ?? new MemoryDisk())
}

class MemoryStore implements Store {
  readonly #disk: MemoryDisk
  readonly #commits: GroupCommit<readonly WriteOp[]>
  #closing = false

  constructor(disk: MemoryDisk) {
    disk.attach(this)
    this.#disk = disk
    this.#commits = new GroupCommit((writes) => disk.flush(this, writes))
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    checkKey(key)
    return this.#records().get(key)?.slice()
  }

  async getMany(keys: readonly Uint8Array[]): Promise<readonly (Uint8Array | undefined)[]> {
    const records = this.#records()
    for (const key of keys) checkKey(key)
    return keys.map((key) => records.get(key)?.slice())
  }

  async *list(
    range: ListRange,
  ): AsyncGenerator<readonly [key: Uint8Array, value: Uint8Array], void, void> {
    let { gte, lt } = range
    let left = range.limit ?? Number.POSITIVE_INFINITY
    while (left > 0) {
      const page = this.#page(gte, lt, range.reverse === true, Math.min(left, PAGE_RECORDS))
      const last = page.at(-1)
      if (last === undefined) return
      left -= page.length
      if (range.reverse) lt = last.key
      else gte = successor(last.key)
      for (const { key, value } of page) yield [key.slice(), value.slice()]
    }
  }

  async write(ops: readonly WriteOp[]): Promise<void> {
    const bytes = writeBytes(ops)
    this.#records()
    await this.#commits.submit(ops, bytes)
  }

  async close(): Promise<void> {
    this.#closing = true
    await this.#commits.drained()
    this.#disk.detach(this)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #records(): SortedRecords {
    if (this.#closing) throw new StoreError("STORE_CLOSED", "the store is closed")
    return this.#disk.recordsOf(this)
  }

  #page(gte: Uint8Array, lt: Uint8Array, reverse: boolean, count: number): MemoryRecord[] {
    const records = this.#records()
    return reverse ? records.descending(gte, lt, count) : records.ascending(gte, lt, count)
  }
}

function apply(records: SortedRecords, writes: readonly (readonly WriteOp[])[]): void {
  for (const op of writes.flat()) {
    if (op.type === "put") records.put(op.key.slice(), op.value.slice())
    else records.delete(op.key)
  }
}

function landed(fault: MemoryFault | undefined, writes: number): number {
  switch (fault?.type) {
    case "fail-before":
    case "crash-before":
      return 0
    case "torn":
      return Math.min(fault.landed, writes)
    default:
      return writes
  }
}

/** By how many bytes the writes change what is held: the last one on each key counts. */
function growth(records: SortedRecords, writes: readonly (readonly WriteOp[])[]): number {
  const lastByKey = new Map(writes.flat().map((op) => [bytesToHex(op.key), op]))
  let bytes = 0
  for (const op of lastByKey.values()) {
    const old = records.get(op.key)
    if (old !== undefined) bytes -= op.key.length + old.length
    if (op.type === "put") bytes += op.key.length + op.value.length
  }
  return bytes
}

/** The least key after `key`. */
function successor(key: Uint8Array): Uint8Array {
  const next = new Uint8Array(key.length + 1)
  next.set(key)
  return next
}
