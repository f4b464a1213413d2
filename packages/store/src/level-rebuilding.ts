/**
 * Making a store anew from what can be had of a damaged one. The damaged files are worked on in a copy
 * only, and kept.
 *
 * @module
 */
import { cp, rename, rm } from "node:fs/promises"
import { dirname } from "node:path"
import { type Store, StoreError } from "./contract.ts"
import { openLevelStore } from "./level.ts"
import { draftsOf, isFolder, makeFolder, syncFolder } from "./level-data-folder.ts"
import { toStoreError } from "./level-error.ts"
import { lockFolder, lockPlace } from "./level-folder-lock.ts"
import { finishRebuilding, freeName, lockRebuilding } from "./level-rebuilt.ts"

/** LevelDB's lock and its notes to its authors, and what only takes up room. */
const UNREAD = /[/\\](LOCK|LOG|LOG\.old|RESERVE)$/

export interface Rebuilt<T> {
  readonly result: T
  /** Where the damaged store is kept. */
  readonly kept: string
}

/**
 * @param rebuild - Makes the new store from what can be had of the damaged one. If it throws, everything
 * is as it was; what only shows to be damaged when it is read makes it run again, on files written anew.
 * @throws {StoreError} `STORE_LOCKED`, `STORE_CORRUPT`: nothing can be had; `STORE_FULL`, `STORE_IO`.
 */
export async function rebuildStore<T>(
  folder: string,
  rebuild: (damaged: Store, into: Store) => Promise<T>,
): Promise<Rebuilt<T>> {
  try {
    return await rebuildLocked(folder, rebuild)
  } catch (error) {
    // What the caller's work fails with is the caller's: a store error, or one that the system has a name for.
    throw isSystemError(error) ? toStoreError(error) : error
  }
}

async function rebuildLocked<T>(
  folder: string,
  rebuild: (damaged: Store, into: Store) => Promise<T>,
): Promise<Rebuilt<T>> {
  await using _place = await lockPlace(folder)
  await finishRebuilding(folder)
  await using _rebuilding = await lockRebuilding(folder)
  await makeFolder(folder)
  await using _store = await lockFolder(folder)
  const kept = await freeName(folder)
  const { salvage, rebuilt } = draftsOf(folder)
  try {
    const result = await inDrafts(folder, "open", rebuild).catch((error: unknown) => {
      if (!showsDamage(error)) throw error
      return inDrafts(folder, "rewrite", rebuild)
    })
    await rename(folder, kept)
    // Where this fails the next opening does it.
    await rename(rebuilt, folder)
    await syncFolder(dirname(folder))
    return { result, kept }
  } finally {
    await removeAll(salvage).catch(() => undefined)
    if (await isFolder(folder)) await removeAll(rebuilt).catch(() => undefined)
  }
}

async function inDrafts<T>(
  folder: string,
  damaged: "open" | "rewrite",
  rebuild: (damaged: Store, into: Store) => Promise<T>,
): Promise<T> {
  const { salvage, rebuilt } = draftsOf(folder)
  await removeAll(salvage, rebuilt)
  await cp(folder, salvage, { recursive: true, filter: (path) => !UNREAD.test(path) })
  await using opened = new AsyncDisposableStack()
  const from = opened.use(await openLevelStore({ folder: salvage, damaged }))
  const into = opened.use(await openLevelStore({ folder: rebuilt }))
  return await rebuild(from, into)
}

/** What LevelDB finds wrong only when it reads, or what it cannot make sense of. */
function showsDamage(error: unknown): boolean {
  return (
    error instanceof StoreError && (error.code === "STORE_CORRUPT" || error.code === "STORE_IO")
  )
}

/** Of a call to the system: copying, renaming, locking. */
function isSystemError(error: unknown): boolean {
  return error instanceof Error && "syscall" in error
}

async function removeAll(...folders: readonly string[]): Promise<void> {
  for (const folder of folders) await rm(folder, { recursive: true, force: true })
}
