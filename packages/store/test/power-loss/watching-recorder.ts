/**
 * Records what a level store does to the files of its folder, with nothing but Node.
 *
 * What the store itself does it does through `node:fs/promises`, where each call is noted as it is
 * made. LevelDB is native code, and no program without a debugger's rights sees its calls. But what
 * it does within one call of the store can be told from the folder before and after, by these rules
 * of LevelDB 1.20 (db_impl.cc, version_set.cc, env_posix.cc):
 *
 * 1. A batch is appended to the newest log, which is flushed if, and only if, `sync` was asked for.
 * 2. A table is written, then flushed, before a manifest names it.
 * 3. A manifest is only appended to. The folder is flushed, then the manifest, before the next step.
 * 4. `CURRENT` is replaced by a flushed file once the manifest that it names is flushed. Only the
 *    very first manifest, `MANIFEST-000001`, is not.
 * 5. Files that are needed no more are deleted last.
 * 6. A table that it is making of others when it is closed is given up, left lying and not flushed.
 *
 * `traced-recorder.ts` records the real calls where `strace` is there; a test holds the two equal.
 * The number of each file that LevelDB makes must turn up: if one came and went unseen, since tables
 * were merged meanwhile, there is no recording.
 *
 * @module
 */
import { promises, readdirSync, readFileSync, statSync } from "node:fs"
import type { FileHandle } from "node:fs/promises"
import { syncBuiltinESMExports } from "node:module"
import { basename, dirname, join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { Level } from "level"
import type { DiskOp, FolderState, History } from "./disk-history.ts"

/** Not part of what is kept: locks, LevelDB's notes to its authors, and room. */
const IGNORED = new Set(["LOCK", "LOG", "LOG.old", "RESERVE", "PROBE"])

/** The size of the first manifest, which is gone before it can be looked at. */
const FIRST_MANIFEST_BYTES = 41

/** How long nothing may change before LevelDB's background thread is held to be at rest. */
const QUIET_MS = 15

/** An operation of LevelDB's background thread; the others wait for it only where it is `quiet`. */
type RecordedOp = DiskOp & { readonly background?: true }

export interface Recorded extends History {
  /** The same with what was done in the background later, each time by as much as it may be. */
  interleaved(below: (bound: number) => number): readonly DiskOp[]
}

export interface Recorder {
  note(op: DiskOp): void
}

/** A file was made and gone again before anybody looked: what was done cannot be told. */
export class UnseenFile extends Error {
  override readonly name = "UnseenFile"
}

/**
 * Records one folder while `use` runs. One at a time: it stands between the store and Node.
 *
 * @throws {UnseenFile} once `use` has ended.
 */
export async function recordByWatching(
  folder: string,
  use: (recorder: Recorder) => Promise<void>,
  options: { readonly neverFlush?: boolean } = {},
): Promise<Recorded> {
  const ops: RecordedOp[] = []
  const before: FolderState = new Map(
    [...list(folder).keys()].map((name) => [name, contentOf(folder, name)]),
  )
  const seen = { isUnseen: false }
  const unwatch = [
    watchNode(folder, ops),
    watchLevel(
      folder,
      () => {
        seen.isUnseen = true
      },
      ops,
      options.neverFlush === true,
    ),
  ]
  try {
    await use({ note: (op) => ops.push(op) })
  } finally {
    for (const end of unwatch) end()
  }
  if (seen.isUnseen) throw new UnseenFile(`a file of ${folder} came and went`)
  return { before, ops, interleaved: (below) => interleave(ops, below) }
}

/** @returns Paths of all that `use` opened for reading and flushed, which are folders. */
export async function foldersFlushed(use: () => Promise<void>): Promise<readonly string[]> {
  const { open } = promises
  const flushed: string[] = []
  const watched = async (path: string, flags: string, mode?: number): Promise<FileHandle> => {
    const handle = await open(path, flags, mode)
    const sync = handle.sync.bind(handle)
    if (flags !== "r") return handle
    return Object.assign(handle, { sync: () => sync().then(() => void flushed.push(path)) })
  }
  Object.assign(promises, { open: watched })
  syncBuiltinESMExports()
  try {
    await use()
  } finally {
    Object.assign(promises, { open })
    syncBuiltinESMExports()
  }
  return flushed
}

/** Stands before `node:fs/promises`. @returns What takes it away again. */
function watchNode(folder: string, ops: RecordedOp[]): () => void {
  const { open, rename, rm } = promises
  const isSeen = (path: string) => dirname(path) === folder && !IGNORED.has(basename(path))
  const watched = {
    async open(path: string, flags: string, mode?: number): Promise<FileHandle> {
      const handle = await open(path, flags, mode)
      const name = basename(path)
      if (path === folder) return watchHandle(handle, ops, { type: "flush-folder" })
      if (!isSeen(path) || flags === "r") return handle
      ops.push({ type: "create", name })
      return watchHandle(handle, ops, { type: "flush", name }, name)
    },
    async rename(from: string, to: string): Promise<void> {
      await rename(from, to)
      if (isSeen(from)) ops.push({ type: "rename", name: basename(from), to: basename(to) })
    },
    async rm(path: string, rules?: { readonly force?: boolean }): Promise<void> {
      const isThere = isSeen(path) && list(folder).has(basename(path))
      await rm(path, rules)
      if (isThere) ops.push({ type: "delete", name: basename(path) })
    },
  }
  Object.assign(promises, watched)
  syncBuiltinESMExports()
  return () => {
    Object.assign(promises, { open, rename, rm })
    syncBuiltinESMExports()
  }
}

function watchHandle(
  handle: FileHandle,
  ops: RecordedOp[],
  flushed: DiskOp,
  written?: string,
): FileHandle {
  const sync = handle.sync.bind(handle)
  const write = handle.write.bind(handle)
  return Object.assign(handle, {
    async sync() {
      await sync()
      ops.push(flushed)
    },
    async write(bytes: Uint8Array, offset?: number, length?: number) {
      const result = await write(bytes, offset, length)
      if (written !== undefined && bytes.length > 0)
        ops.push({ type: "append", name: written, bytes: bytes.slice() })
      return result
    },
  })
}

/** Stands before LevelDB. @returns What takes it away again. */
function watchLevel(
  folder: string,
  unseen: () => void,
  ops: RecordedOp[],
  neverFlush: boolean,
): () => void {
  const { open, batch, close } = Level.prototype
  let lastSeen: Listing = new Map()
  const isWatched = (database: object) => Reflect.get(database, "location") === folder
  const watched = {
    async open(this: Level): Promise<void> {
      const before = list(folder)
      await Reflect.apply(open, this, [])
      if (!isWatched(this)) return
      lastSeen = list(folder)
      ops.push(...openingOps(folder, before, lastSeen))
      if (hasUnseen(before, lastSeen)) unseen()
    },
    async batch(this: Level, writes: never, options: { readonly sync?: boolean }): Promise<void> {
      const before = list(folder)
      const sync = options.sync === true && !neverFlush
      await Reflect.apply(batch, this, [writes, { ...options, sync }])
      if (!isWatched(this)) return
      ops.push(...(await batchOps(folder, before, sync)))
      lastSeen = list(folder)
      if (hasUnseen(before, lastSeen)) unseen()
    },
    async close(this: Level): Promise<void> {
      await Reflect.apply(close, this, [])
      if (!isWatched(this)) return
      const left = closingOps(folder, lastSeen)
      if (left === undefined) unseen()
      ops.push({ type: "quiet" }, ...(left ?? []))
    },
  }
  Object.assign(Level.prototype, watched)
  return () => {
    // They are the parents' methods: what stands before them is all that is the class's own.
    for (const name of Object.keys(watched)) Reflect.deleteProperty(Level.prototype, name)
  }
}

interface Seen {
  readonly size: number
  /** In nanoseconds: a file that was made again where one was left has another. */
  readonly changed: bigint
}

type Listing = ReadonlyMap<string, Seen>

function openingOps(folder: string, before: Listing, after: Listing): RecordedOp[] {
  const ops: RecordedOp[] = [{ type: "quiet" }]
  if (!before.has("CURRENT")) {
    const bytes = new Uint8Array(FIRST_MANIFEST_BYTES).fill(0xa5)
    ops.push(
      { type: "create", name: "MANIFEST-000001" },
      { type: "append", name: "MANIFEST-000001", bytes },
      ...replaceCurrent("MANIFEST-000001"),
    )
  }
  const made = [...after].flatMap(([name, { changed }]) =>
    before.get(name)?.changed === changed ? [] : [name],
  )
  for (const table of made.filter(isTable)) ops.push(...wholeFile(folder, table))
  for (const log of made.filter(isLog)) ops.push({ type: "create", name: log })
  for (const manifest of made.filter(isManifest)) {
    const [create, append, flush] = wholeFile(folder, manifest)
    ops.push(create, append, { type: "flush-folder" }, flush, ...replaceCurrent(manifest))
  }
  const there = before.has("CURRENT") ? [...before.keys()] : ["MANIFEST-000001"]
  for (const name of there) if (!after.has(name)) ops.push({ type: "delete", name })
  return ops
}

async function batchOps(folder: string, before: Listing, sync: boolean): Promise<RecordedOp[]> {
  const written = list(folder)
  const log = [...written.keys()].filter(isLog).sort().at(-1) ?? ""
  const bytes = contentOf(folder, log).subarray(before.get(log)?.size ?? 0)
  const append: RecordedOp[] = [{ type: "append", name: log, bytes }]
  if (sync) append.push({ type: "flush", name: log })
  if (before.has(log)) return append
  const old = [...before.keys()].filter(isLog)
  while (old.some((name) => list(folder).has(name))) await sleep(1)
  await atRest(folder)
  const after = list(folder)
  const ops: RecordedOp[] = [{ type: "quiet" }, { type: "create", name: log }]
  const inBackground: DiskOp[] = []
  for (const table of [...after.keys()].filter((name) => isTable(name) && !before.has(name))) {
    inBackground.push(...wholeFile(folder, table))
  }
  for (const manifest of [...after.keys()].filter(isManifest)) {
    const added = contentOf(folder, manifest).subarray(before.get(manifest)?.size ?? 0)
    inBackground.push(
      { type: "append", name: manifest, bytes: added },
      { type: "flush-folder" },
      { type: "flush", name: manifest },
    )
  }
  for (const name of before.keys()) {
    if (!after.has(name)) inBackground.push({ type: "delete", name })
  }
  return [...ops, ...inBackground.map((op): RecordedOp => ({ ...op, background: true })), ...append]
}

/**
 * What was begun and given up, by rule 6.
 *
 * @returns `undefined` if the last of what was begun was finished: nobody saw how.
 */
function closingOps(folder: string, before: Listing): RecordedOp[] | undefined {
  const after = list(folder)
  const begun = [...after.keys()].filter((name) => !before.has(name))
  const isFinished = [...before].some(
    ([name, { size }]) => (isTable(name) || isManifest(name)) && after.get(name)?.size !== size,
  )
  if (isFinished || !begun.every(isTable)) return undefined
  return begun.flatMap((name) => wholeFile(folder, name).slice(0, 2))
}

function wholeFile(folder: string, name: string): readonly [DiskOp, DiskOp, DiskOp] {
  return [
    { type: "create", name },
    { type: "append", name, bytes: contentOf(folder, name) },
    { type: "flush", name },
  ]
}

function replaceCurrent(manifest: string): DiskOp[] {
  const name = `${manifest.slice("MANIFEST-".length)}.dbtmp`
  return [
    { type: "create", name },
    { type: "append", name, bytes: Buffer.from(`${manifest}\n`) },
    { type: "flush", name },
    { type: "rename", name, to: "CURRENT" },
  ]
}

/** Puts off what is done in the background, at most to where LevelDB waits for it. */
function interleave(ops: readonly RecordedOp[], below: (bound: number) => number): DiskOp[] {
  const mixed: DiskOp[] = []
  const putOff: DiskOp[] = []
  for (const op of ops) {
    if (op.background) putOff.push(op)
    else {
      const now = op.type === "quiet" ? putOff.length : below(3) % (putOff.length + 1)
      mixed.push(...putOff.splice(0, now), op)
    }
  }
  return [...mixed, ...putOff]
}

function hasUnseen(before: Listing, after: Listing): boolean {
  const known = Math.max(2, ...[...before.keys()].map(numberOf))
  const numbers = new Set([...after.keys()].map(numberOf))
  for (let number = known + 1; number < Math.max(...numbers); number++) {
    if (!numbers.has(number)) return true
  }
  return false
}

async function atRest(folder: string): Promise<void> {
  for (let seen = ""; ; ) {
    const now = [...list(folder)].map(([name, { size }]) => `${name} ${size}`).join()
    if (now === seen) return
    seen = now
    await sleep(QUIET_MS)
  }
}

function list(folder: string): Listing {
  const names = readdirSync(folder).filter((name) => !IGNORED.has(name))
  return new Map(
    names.flatMap((name) => {
      const there = statSync(join(folder, name), { throwIfNoEntry: false, bigint: true })
      if (there === undefined) return []
      return [[name, { size: Number(there.size), changed: there.mtimeNs }] as const]
    }),
  )
}

function contentOf(folder: string, name: string): Uint8Array {
  return new Uint8Array(readFileSync(join(folder, name)))
}

function numberOf(name: string): number {
  return Number(/\d+/.exec(name)?.[0] ?? 0)
}

function isTable(name: string): boolean {
  return name.endsWith(".ldb")
}

function isLog(name: string): boolean {
  return name.endsWith(".log")
}

function isManifest(name: string): boolean {
  return name.startsWith("MANIFEST-")
}
