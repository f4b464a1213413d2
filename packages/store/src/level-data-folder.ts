/**
 * The folder that a program keeps everything in, its store among it: looking at it and making it,
 * before any store is opened.
 *
 * @module
 */
import { mkdir, open, readdir, rm, stat } from "node:fs/promises"
import { dirname, join, resolve } from "node:path"
import { lockFolder } from "./level-folder-lock.ts"

/** How a program knows a folder of its own. */
export interface DataFolderNames {
  /** Where this file is the folder is the program's, whatever else is in it. */
  readonly key: string
  /** What else the program makes in it; drafts end in `.new`. */
  readonly others: readonly string[]
}

/**
 * What is in a folder's place: nothing, a file, an empty folder, one that the program has begun, or
 * one that holds what is none of its business.
 */
export type DataFolderState = "absent" | "file" | "empty" | "ours" | "foreign"

/** What systems put into a folder by themselves: the root of a volume, one that was looked at. */
const NO_CONTENT: readonly string[] = ["lost+found", ".DS_Store"]

/** Looks, and changes nothing. @throws What the file system says. */
export async function lookAtFolder(
  folder: string,
  { key, others }: DataFolderNames,
): Promise<DataFolderState> {
  const there = await stat(folder).catch(absent)
  if (there === undefined) return "absent"
  if (!there.isDirectory()) return "file"
  const names = (await readdir(folder)).filter((name) => !NO_CONTENT.includes(name))
  if (names.length === 0) return "empty"
  const isOwn = (name: string) =>
    [key, ...others].some(
      (own) => name === own || (name.startsWith(`${own}.`) && name.endsWith(".new")),
    )
  return names.includes(key) || names.every(isOwn) ? "ours" : "foreign"
}

/** Whether anything was ever written to the store in a folder; it is not opened. */
export async function holdsRecords(folder: string): Promise<boolean> {
  for (const file of (await readdir(folder).catch(absent)) ?? []) {
    if (/^\d+\.(ldb|sst)$/.test(file)) return true
    if (/^\d+\.log$/.test(file) && (await stat(join(folder, file))).size > 0) return true
  }
  return false
}

/** Whether a new store lies beside a folder, as `level-rebuilt.ts` makes it. */
export async function isBeingRebuilt(folder: string): Promise<boolean> {
  return await isFolder(draftsOf(folder).rebuilt)
}

/** Where a store is made anew, and what it is made from. */
export function draftsOf(folder: string): { readonly salvage: string; readonly rebuilt: string } {
  return { salvage: `${folder}.salvage.new`, rebuilt: `${folder}.rebuilt.new` }
}

/**
 * Takes away a store that nobody has open, and first the files that belong to it: under its lock, so
 * that whoever waits for it finds neither.
 *
 * @throws {StoreError} `STORE_LOCKED`, and nothing was taken away.
 */
export async function removeStore(folder: string, files: readonly string[]): Promise<void> {
  await using taking = new AsyncDisposableStack()
  if (await isFolder(folder)) taking.use(await lockFolder(folder))
  for (const path of [...files, folder]) await rm(path, { recursive: true, force: true })
}

/**
 * Makes a folder, for its owner only, so that its name and those above survive a power cut too.
 *
 * One by one: asked to make all at once Node never comes back where the system says that there is
 * no such folder although the one above is there, as in `/proc`.
 *
 * @returns The first that was made; `undefined` if all were there.
 * @throws What the file system says: `EEXIST` or `ENOTDIR` where a file is in the way.
 */
export async function makeFolder(folder: string): Promise<string | undefined> {
  const path = resolve(folder)
  if (await isFolder(path)) return undefined
  const missing = [path]
  for (let at = dirname(path); !(await isThere(at)); at = dirname(at)) {
    missing.push(at)
    // A drive that is not there.
    if (at === dirname(at)) break
  }
  const made: string[] = []
  for (const at of missing.reverse()) if (await makeOne(at)) made.push(at)
  for (const at of made.toReversed()) await syncFolder(dirname(at)).catch(ignoreUnreadable)
  return made[0]
}

/** Makes names in a folder durable. Windows neither needs nor allows it. */
export async function syncFolder(folder: string): Promise<void> {
  if (process.platform === "win32") return
  const file = await open(folder, "r")
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}

/** @returns Whether it was made now, and not by somebody who was quicker. */
async function makeOne(path: string): Promise<boolean> {
  try {
    await mkdir(path, { mode: 0o700 })
    return true
  } catch (error) {
    if (codeOf(error) === "EEXIST" && (await isFolder(path))) return false
    throw error
  }
}

export async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(absent))?.isDirectory() === true
}

async function isThere(path: string): Promise<boolean> {
  return (await stat(path).catch(absent)) !== undefined
}

/** A part of the path that is a file is found when a folder is to be made in it. */
function absent(error: unknown): undefined {
  const code = codeOf(error)
  if (code === "ENOENT" || code === "ENOTDIR") return undefined
  throw error
}

/** In a folder that others own a name may be made, and not always listed: then it is not flushed. */
function ignoreUnreadable(error: unknown): void {
  if (codeOf(error) !== "EACCES" && codeOf(error) !== "EPERM") throw error
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined
}
