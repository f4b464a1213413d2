/**
 * The files that a command line names: read and written by the command's own process, under its own
 * folder and rights, also where the daemon does the rest.
 *
 * @module
 */
import { randomUUID } from "node:crypto"
import { access, constants, link, lstat, open, rename, rm, stat } from "node:fs/promises"
import { basename, dirname, join } from "node:path"
import { codeOf, ProgramError } from "./program-error.ts"

const READ_BYTES: number = 1024 * 1024
const NAME_CHARS_MAX = 120

/** A command's parameters that are files, and the paths that were given for them. */
export type FilePaths = ReadonlyMap<string, string>

export interface GivenFile {
  readonly name: string
  readonly bytes: number
}

/** @throws {ProgramError} `FILE_IO`. @throws What the file system says. */
export async function lookAtFile(path: string): Promise<GivenFile> {
  const there = await stat(path)
  // Not found out only when its content is wanted.
  await access(path, constants.R_OK)
  if (there.isFile()) return { name: basename(path), bytes: there.size }
  throw new ProgramError(
    "FILE_IO",
    `that is ${there.isDirectory() ? "a folder" : "no file"} (${path})`,
    "check the path and try again",
  )
}

export async function* contentOf(path: string): AsyncGenerator<Uint8Array, void, undefined> {
  const file = await open(path, "r")
  try {
    for (;;) {
      const { bytesRead, buffer } = await file.read(new Uint8Array(READ_BYTES), 0, READ_BYTES)
      if (bytesRead === 0) return
      yield buffer.subarray(0, bytesRead)
    }
  } finally {
    await file.close()
  }
}

/**
 * Writes a new file; what is there is never written over. Until it is whole it has another name, hidden
 * beside its own.
 *
 * @param path - A file, or a folder that there is; absent: the folder that the command runs in.
 * @param suggested - Its name, if the path has none: it may come from anywhere.
 * @param signal - Ends it.
 * @returns Where it is, once all of it is on the disk.
 * @throws {ProgramError} `FILE_EXISTS`. @throws What the content does, or the signal: then nothing is left.
 */
export async function saveFile(
  path: string | undefined,
  suggested: string,
  content: AsyncIterable<Uint8Array>,
  signal?: AbortSignal,
): Promise<string> {
  const to = await placeOf(path, suggested)
  if (await isThere(to)) throw exists(to)
  const draft = join(dirname(to), `.${randomUUID()}.part`)
  const file = await open(draft, "wx").catch((error) => notIn(dirname(to), error))
  try {
    for await (const part of content) {
      signal?.throwIfAborted()
      await file.writeFile(part)
    }
    await file.sync()
    await file.close()
    await named(draft, to)
  } finally {
    await file.close()
    await rm(draft, { force: true })
  }
  return to
}

/** The person has not chosen the draft's name. */
function notIn(folder: string, cause: unknown): never {
  const code = codeOf(cause)
  if (code !== "ENOENT" && code !== "ENOTDIR") throw cause
  const happened = code === "ENOENT" ? "there is no such folder" : "that is a file, not a folder"
  throw new ProgramError("FILE_IO", `${happened} (${folder})`, "check the path and try again", {
    cause,
  })
}

/** Gives it its name, unless something has that by now. */
async function named(draft: string, to: string): Promise<void> {
  try {
    await link(draft, to)
  } catch (error) {
    if (codeOf(error) === "EEXIST") throw exists(to, error)
    // A file system without links, as those of memory cards.
    if (await isThere(to)) throw exists(to)
    await rename(draft, to)
  }
}

async function isThere(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => undefined)) !== undefined
}

function exists(path: string, cause?: unknown): ProgramError {
  return new ProgramError(
    "FILE_EXISTS",
    `there is such a file already (${path})`,
    "give another name, or move that one away",
    { cause },
  )
}

async function placeOf(path: string | undefined, suggested: string): Promise<string> {
  if (path === undefined) return plainName(suggested)
  const there = await stat(path).catch(() => undefined)
  return there?.isDirectory() ? join(path, plainName(suggested)) : path
}

/** Leads into no other folder, is not hidden, no option, and can be shown. */
function plainName(suggested: string): string {
  const shown = suggested.toWellFormed().replace(/[\p{C}\p{Z}/\\:*?"<>|]/gu, (one) => {
    return one === " " ? " " : "_"
  })
  const last = [...shown].slice(-NAME_CHARS_MAX).join("")
  const plain = last.replace(/^[-.\s]+|[.\s]+$/g, "")
  return plain === "" ? "attachment" : plain
}
