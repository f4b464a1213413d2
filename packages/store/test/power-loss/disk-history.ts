/**
 * What was done to the files of one folder, in order, and what a disk may hold of it when the power
 * goes, which is more disorder than any one file system makes.
 *
 * - What is in a file is there once the file was flushed. Of what was written after, each sector of
 *   512 bytes may be there, be zeros or be noise, and the file may end anywhere.
 * - A name that was made, moved or deleted is so once the folder was flushed. Of what was done to
 *   names after, any part may have reached the disk.
 * - Flushing a file brings its own name along (`usual`), as ext4, XFS, btrfs, APFS and NTFS do; or it
 *   does not (`posix`), since no standard says so.
 *
 * @module
 */
import { concatBytes } from "@fulcrum/codec/bytes"
import { type Random, randomBelow } from "@fulcrum/crypto/random"

export type DiskOp =
  | { readonly type: "create"; readonly name: string }
  | { readonly type: "append"; readonly name: string; readonly bytes: Uint8Array }
  | { readonly type: "flush"; readonly name: string }
  | { readonly type: "rename"; readonly name: string; readonly to: string }
  | { readonly type: "delete"; readonly name: string }
  | { readonly type: "flush-folder" }
  /** A batch was given to the store, or acknowledged by it: no operation, but what tests go by. */
  | { readonly type: "submit" | "acknowledge"; readonly batch: number }
  /** Nothing is under way in the background. */
  | { readonly type: "quiet" }

/** A file's content by its name. */
export type FolderState = ReadonlyMap<string, Uint8Array>

export interface History {
  /** All of it flushed. */
  readonly before: FolderState
  readonly ops: readonly DiskOp[]
}

export type NameRules = "usual" | "posix"

const SECTOR_BYTES = 512

interface File {
  parts: Uint8Array[]
  bytes: number
  /** From the start. */
  flushedBytes: number
  /** What it held before it was made empty, if that was not flushed. */
  older: Uint8Array | undefined
}

type NameChange =
  | { readonly type: "put"; readonly name: string; readonly file: File }
  | { readonly type: "move"; readonly name: string; readonly to: string; readonly file: File }
  | { readonly type: "delete"; readonly name: string }

/** A disk that was told the first operations of a history. */
export class CachedDisk {
  /** As the program sees it. */
  readonly #names = new Map<string, File>()
  /** As it was when the folder was last flushed. */
  readonly #flushedNames = new Map<string, File>()
  #changes: NameChange[] = []
  readonly #rules: NameRules

  constructor(before: FolderState, rules: NameRules) {
    this.#rules = rules
    for (const [name, bytes] of before) {
      const file: File = {
        parts: [bytes],
        bytes: bytes.length,
        flushedBytes: bytes.length,
        older: undefined,
      }
      this.#names.set(name, file)
      this.#flushedNames.set(name, file)
    }
  }

  apply(op: DiskOp): void {
    switch (op.type) {
      case "create": {
        const there = this.#names.get(op.name)
        if (there === undefined) {
          this.#change({ type: "put", name: op.name, file: newFile() })
          return
        }
        there.older ??= wholeOf(there.parts).subarray(0, there.flushedBytes)
        there.parts = []
        there.bytes = 0
        there.flushedBytes = 0
        return
      }
      case "append": {
        const file = this.#file(op.name)
        file.parts.push(op.bytes)
        file.bytes += op.bytes.length
        return
      }
      case "flush": {
        const file = this.#file(op.name)
        file.flushedBytes = file.bytes
        file.older = undefined
        if (this.#rules === "usual") this.#flushNamesOf(file)
        return
      }
      case "rename":
        this.#change({
          type: "move",
          name: op.name,
          to: op.to,
          file: this.#file(op.name),
        })
        return
      case "delete":
        this.#change({ type: "delete", name: op.name })
        return
      case "flush-folder":
        for (const change of this.#changes) carryOut(change, this.#flushedNames)
        this.#changes = []
    }
  }

  /** One folder that may be found when the power comes back. */
  powerLoss(random: Random): FolderState {
    const found = new Map(this.#flushedNames)
    for (const change of someOf(this.#changes, random)) carryOut(change, found)
    return new Map([...found].map(([name, file]) => [name, contentAfterLoss(file, random)]))
  }

  #flushNamesOf(file: File): void {
    for (const change of this.#changes) {
      if (change.type !== "delete" && change.file === file) carryOut(change, this.#flushedNames)
    }
    this.#changes = this.#changes.filter(
      (change) => change.type === "delete" || change.file !== file,
    )
  }

  #file(name: string): File {
    const file = this.#names.get(name)
    if (file === undefined) throw new Error(`the history has no ${name} here`)
    return file
  }

  #change(change: NameChange): void {
    carryOut(change, this.#names)
    this.#changes.push(change)
  }
}

function newFile(): File {
  return { parts: [], bytes: 0, flushedBytes: 0, older: undefined }
}

function carryOut(change: NameChange, names: Map<string, File>): void {
  if (change.type !== "put") names.delete(change.name)
  if (change.type === "put") names.set(change.name, change.file)
  if (change.type === "move") names.set(change.to, change.file)
}

/** In their order: none, all, the first few, all but one, the deletions, or any. */
function someOf(changes: readonly NameChange[], random: Random): readonly NameChange[] {
  switch (randomBelow(random, 6)) {
    case 0:
      return []
    case 1:
      return changes
    case 2:
      return changes.slice(0, randomBelow(random, changes.length + 1))
    case 3:
      return changes.toSpliced(randomBelow(random, changes.length + 1), 1)
    case 4:
      return changes.filter(({ type }) => type === "delete")
    default:
      return changes.filter(() => randomBelow(random, 2) === 0)
  }
}

function contentAfterLoss(file: File, random: Random): Uint8Array {
  const bytes = wholeOf(file.parts)
  const { flushedBytes, older } = file
  if (older !== undefined && randomBelow(random, 3) === 0) return older
  const left = bytes.length - flushedBytes
  const way = left === 0 ? "all" : WAYS[randomBelow(random, WAYS.length)]
  if (way === "all") return bytes
  if (way === "none") return bytes.subarray(0, flushedBytes)
  const end = flushedBytes + randomBelow(random, left + 1)
  if (way === "start") return bytes.subarray(0, end)
  // A file's length and its sectors reach the disk by ways of their own.
  const found = bytes.slice(0, randomBelow(random, 2) === 0 ? bytes.length : end)
  for (let at = flushedBytes; at < found.length; ) {
    const sectorEnd = Math.min(found.length, at - (at % SECTOR_BYTES) + SECTOR_BYTES)
    const fate = way === "zeros" ? 1 : randomBelow(random, 4)
    if (fate === 1) found.fill(0, at, sectorEnd)
    if (fate === 2) found.set(random.bytes(sectorEnd - at), at)
    at = sectorEnd
  }
  return found
}

/** The same bytes for the same parts: a history is gone through again and again. */
function wholeOf(parts: readonly Uint8Array[]): Uint8Array {
  const [first] = parts
  if (first === undefined) return new Uint8Array(0)
  const byCount = wholes.get(first) ?? new Map<number, Uint8Array>()
  wholes.set(first, byCount)
  const whole = byCount.get(parts.length) ?? concatBytes(parts)
  byCount.set(parts.length, whole)
  return whole
}

const wholes = new WeakMap<Uint8Array, Map<number, Uint8Array>>()

const WAYS = ["all", "none", "start", "zeros", "sectors", "sectors"] as const
