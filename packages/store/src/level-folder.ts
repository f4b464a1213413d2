/**
 * What Fulcrum keeps beside LevelDB's own files in a store's folder, and checks before opening.
 *
 * - `CLOSED`: left by a clean close and taken away at the next opening. JSON: for `CURRENT`, the
 *   manifest and the logs their size and SHA-256 in hex. LevelDB opens a folder whose log or
 *   manifest lost its end as if those writes had never been; against this note that is found. After
 *   a kill there is no note; then the logs are searched. Tables (`.ldb`) are not noted: the manifest
 *   names those that count, each has checksums of its own, and one that LevelDB was making when it
 *   was closed is left lying, never flushed.
 * - `NEW`: there while LevelDB makes its first files. It does not flush the first manifest before
 *   it names it, so a power cut then leaves a folder that cannot be opened and never held anything:
 *   with this file beside it, it is begun anew.
 * - `RESERVE`: noise that takes up the room which LevelDB needs to open at all (it rewrites its
 *   log as a table). It is given up when the disk is full and laid down again afterwards.
 *
 * @module
 */
import { createHash, randomBytes } from "node:crypto"
import { open, readdir, readFile, rename, rm, stat } from "node:fs/promises"
import { join } from "node:path"
import { utf8ToBytes } from "@fulcrum/codec/bytes"
import { StoreError } from "./contract.ts"
import { holdsRecords, syncFolder } from "./level-data-folder.ts"
import { findLogDamage } from "./level-log-damage.ts"
import { filesOfManifest } from "./level-manifest.ts"
import { isTableIntact, salvageTable } from "./level-table-damage.ts"

const CLOSED = "CLOSED"
const NEW = "NEW"
const RESERVE = "RESERVE"
const PROBE = "PROBE"

/** Two logs of LevelDB's 4 MiB, each with one whole group in it. */
const RESERVE_BYTES = 16 * 1024 * 1024
const NOISE_BYTES = 1024 * 1024

/** Some thousand tables' names; a note larger than this is not ours. */
const NOTE_BYTES_MAX = 16 * 1024 * 1024

/**
 * Looks for damage that LevelDB would not report, or would not survive: while it merges tables it
 * ends the whole process over a block of zeros. So call it before LevelDB opens anything.
 *
 * @throws {StoreError} `STORE_CORRUPT`, naming the file.
 */
export async function checkFolder(folder: string): Promise<void> {
  const files = await beginAnewIfNew(folder, (await readdir(folder)).filter(isOfLevel))
  const note = await readNote(folder)
  if (note !== undefined) {
    const damaged = await findChange(folder, note)
    if (damaged !== undefined) throw corrupt(`${damaged} is not as it was when it was closed`)
  } else if (files.length === 0) {
    return await writeFlushedNamed(folder, NEW, new Uint8Array(0))
  }
  const needed = await filesNeeded(folder, files)
  for (const table of needed.filter((file) => file.endsWith(".ldb"))) {
    if (!isTableIntact(await readFile(join(folder, table)))) throw corrupt(`${table} is damaged`)
  }
  if (note !== undefined) return
  for (const log of files.filter(isLog)) {
    const offset = findLogDamage(await readFile(join(folder, log)))
    if (offset !== undefined) throw corrupt(`${log} is damaged at byte ${offset}`)
  }
}

/**
 * Puts in the place of each damaged table one of what is intact in it. The damaged one is kept
 * beside it, as `NNNNNN.ldb.damaged`, for whoever can get more out of it.
 */
export async function salvageTables(folder: string): Promise<void> {
  for (const file of await readdir(folder)) {
    if (!/^\d+\.(ldb|sst)$/.test(file)) continue
    const path = join(folder, file)
    const content = await readFile(path)
    if (isTableIntact(content)) continue
    const salvaged = salvageTable(content)
    await rename(path, `${path}.damaged`)
    if (salvaged !== undefined) await writeFlushed(path, [salvaged])
  }
}

/** Before anything is written the note has to go: it would be taken for damage. */
export async function removeNote(folder: string): Promise<void> {
  await rm(join(folder, CLOSED), { force: true })
  await syncFolder(folder)
}

/**
 * To be called once LevelDB has opened, before anything else is written: makes the names durable
 * that it has changed, and then says that the folder is no longer new.
 *
 * LevelDB flushes what is in its files. Of names it makes durable only those that a manifest refers
 * to, so after a power cut a disk may have deleted what `CURRENT` names there still.
 */
export async function settleFolder(folder: string): Promise<void> {
  await syncFolder(folder)
  if (!(await isThere(folder, NEW))) return
  await rm(join(folder, NEW))
  await syncFolder(folder)
}

/** Notes how the folder was left. Call it once LevelDB has closed. */
export async function writeNote(folder: string): Promise<void> {
  // A file that LevelDB deleted must not come back beside a note that does not know it.
  await syncFolder(folder)
  const current = await readFile(join(folder, "CURRENT"), "utf8")
  const note: ClosingNote = {}
  for (const file of (await readdir(folder)).filter(isNoted)) {
    note[file] = await describe(folder, file)
  }
  await writeFlushedNamed(folder, CLOSED, utf8ToBytes(JSON.stringify(note)))
  // Every opening writes CURRENT anew: somebody was quicker, and the note is about the past.
  if ((await readFile(join(folder, "CURRENT"), "utf8")) !== current) await removeNote(folder)
}

/** Lays the reserve down if it is not there. A full disk is no reason to fail: it goes without. */
export async function layReserve(folder: string): Promise<void> {
  const path = join(folder, RESERVE)
  const there = await stat(path).catch(absent)
  if (there?.size === RESERVE_BYTES) return
  const noise = randomBytes(NOISE_BYTES)
  try {
    const file = await open(path, "w", 0o600)
    try {
      for (let at = 0; at < RESERVE_BYTES; at += NOISE_BYTES)
        await file.write(noise, 0, NOISE_BYTES)
    } finally {
      await file.close()
    }
  } catch (error) {
    await releaseReserve(folder)
    if (!isFull(error)) throw error
  }
}

export async function releaseReserve(folder: string): Promise<void> {
  await rm(join(folder, RESERVE), { force: true })
}

/**
 * Finds out whether the disk takes `bytes` more, by writing them: only that knows of quotas too.
 *
 * @throws whatever the file system says when it does not.
 */
export async function probeRoom(folder: string, bytes: number): Promise<void> {
  const path = join(folder, PROBE)
  const noise = randomBytes(Math.min(bytes, NOISE_BYTES))
  try {
    await writeFlushed(path, Array(Math.ceil(bytes / noise.length)).fill(noise))
  } finally {
    await rm(path, { force: true })
  }
}

/** Whether an error, LevelDB's or the file system's, says that there is no room. */
export function isFull(error: unknown): boolean {
  for (let at = error; at instanceof Error; at = at.cause) {
    const code = "code" in at ? at.code : undefined
    if (code === "ENOSPC" || code === "EDQUOT" || code === "EFBIG") return true
    if (
      /No space left on device|quota exceeded|File too large|not enough space/i.test(at.message)
    ) {
      return true
    }
  }
  return false
}

interface FileNote {
  readonly bytes: number
  readonly sha256: string
}

type ClosingNote = Record<string, FileNote>

function isNoted(file: string): boolean {
  return file === "CURRENT" || /^MANIFEST-\d+$|^\d+\.log$/.test(file)
}

function isData(file: string): boolean {
  return isNoted(file) || /^\d+\.(ldb|sst)$/.test(file)
}

/** With what it writes beside their places. */
function isOfLevel(file: string): boolean {
  return isData(file) || /^\d+\.dbtmp$/.test(file)
}

async function describe(folder: string, file: string): Promise<FileNote> {
  const content = await readFile(join(folder, file))
  return { bytes: content.length, sha256: createHash("sha256").update(content).digest("hex") }
}

/**
 * Takes away what LevelDB was making for the first time when the power went.
 *
 * @returns The files that are left; all of them if anything was ever written to one.
 */
async function beginAnewIfNew(folder: string, files: readonly string[]): Promise<string[]> {
  const data = files.filter(isData)
  if (!(await isThere(folder, NEW)) || (await holdsRecords(folder))) return data
  // It stays new until it was opened, also if the power goes while it is being emptied.
  for (const file of files) await rm(join(folder, file))
  await syncFolder(folder)
  return []
}

async function isThere(folder: string, file: string): Promise<boolean> {
  return (await stat(join(folder, file)).catch(absent)) !== undefined
}

/**
 * What the database consists of. LevelDB begins anew without a CURRENT, does not bear one that
 * points nowhere, and takes it for granted that a log which it needs is there.
 *
 * When it opens it makes a newer manifest and puts it in the place of the one that CURRENT names;
 * then it deletes what the older one needs. A power cut may leave the deletions and undo what came
 * before. Then the newer one, which was flushed first, is the one that counts.
 *
 * When it begins a log, a table of what the older one held may be in the manifest before anything
 * was flushed in the new one. The older log, which it deletes next, is still there then, and if the
 * power goes the new one may not be: nothing in it was acknowledged.
 */
async function filesNeeded(folder: string, files: readonly string[]): Promise<readonly string[]> {
  if (!files.includes("CURRENT")) throw corrupt("CURRENT is missing")
  const current = await readFile(join(folder, "CURRENT"), "latin1")
  const named = /^(MANIFEST-\d+)\n$/.exec(current)?.[1]
  if (named === undefined) throw corrupt("CURRENT does not name a manifest")
  const needed = await allNeeded(folder, named, files)
  if (needed !== undefined) return needed
  const newer = files.filter((file) => isManifest(file) && numberOf(file) > numberOf(named))
  for (const manifest of newer.sort((a, b) => numberOf(b) - numberOf(a))) {
    const instead = await allNeeded(folder, manifest, files)
    if (instead === undefined) continue
    await writeFlushedNamed(folder, "CURRENT", utf8ToBytes(`${manifest}\n`))
    return instead
  }
  throw corrupt(`${named}, or a file that it names, is missing or damaged`)
}

/** What a manifest says is needed; `undefined` if it does not say, or not all of it is there. */
async function allNeeded(
  folder: string,
  manifest: string,
  files: readonly string[],
): Promise<readonly string[] | undefined> {
  if (!files.includes(manifest)) return undefined
  const needed = filesOfManifest(await readFile(join(folder, manifest)))
  const missing = needed?.filter((file) => !files.includes(file)) ?? []
  const hasOlderLog = (log: string) =>
    files.some((file) => isLog(file) && numberOf(file) < numberOf(log))
  if (!missing.every((file) => isLog(file) && hasOlderLog(file))) return undefined
  return needed?.filter((file) => files.includes(file))
}

function isManifest(file: string): boolean {
  return file.startsWith("MANIFEST-")
}

function isLog(file: string): boolean {
  return file.endsWith(".log")
}

/** Of a manifest, a log or a table. */
function numberOf(file: string): number {
  return Number(/\d+/.exec(file)?.[0])
}

/** The first file that differs from the note, is missing, or is not in it. */
async function findChange(folder: string, note: ClosingNote): Promise<string | undefined> {
  const files = new Set((await readdir(folder)).filter(isNoted))
  for (const file of files) {
    const before = note[file]
    const now = await describe(folder, file)
    if (before?.bytes !== now.bytes || before.sha256 !== now.sha256) return file
  }
  return Object.keys(note).find((file) => !files.has(file))
}

/** @returns `undefined` if there is none. @throws {StoreError} `STORE_CORRUPT` if it is damaged. */
async function readNote(folder: string): Promise<ClosingNote | undefined> {
  const path = join(folder, CLOSED)
  const there = await stat(path).catch(absent)
  if (there === undefined) return undefined
  if (there.size > NOTE_BYTES_MAX) throw corrupt(`${CLOSED} is damaged`)
  try {
    return readFileNotes(JSON.parse(await readFile(path, "utf8")))
  } catch (error) {
    throw corrupt(`${CLOSED} is damaged`, error)
  }
}

function readFileNotes(value: unknown): ClosingNote {
  if (typeof value !== "object" || value === null) throw new TypeError("not an object")
  const note: ClosingNote = Object.create(null)
  for (const [file, entry] of Object.entries(value)) {
    if (typeof entry?.bytes !== "number") throw new TypeError("not a file's size")
    if (typeof entry.sha256 !== "string") throw new TypeError("not a file's hash")
    note[file] = { bytes: entry.bytes, sha256: entry.sha256 }
  }
  return note
}

/** Puts a file in its place whole, or not at all, and makes its name durable. */
async function writeFlushedNamed(folder: string, name: string, bytes: Uint8Array): Promise<void> {
  const temporary = join(folder, `${name}.new`)
  await writeFlushed(temporary, [bytes])
  await rename(temporary, join(folder, name))
  await syncFolder(folder)
}

async function writeFlushed(path: string, parts: readonly Uint8Array[]): Promise<void> {
  const file = await open(path, "w", 0o600)
  try {
    for (const part of parts) await file.write(part)
    await file.sync()
  } finally {
    await file.close()
  }
}

function absent(error: unknown): undefined {
  if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined
  throw error
}

function corrupt(what: string, cause?: unknown): StoreError {
  return new StoreError("STORE_CORRUPT", `${what}`, {
    cause,
  })
}
