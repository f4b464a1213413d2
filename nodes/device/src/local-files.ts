/**
 * The files that a command line names: read and written by the command's own process, under its own
 * folder and rights, also where the daemon does the rest.
 *
 * @module
 */
import { createReadStream } from "node:fs"
import { type FileHandle, open, rm, stat } from "node:fs/promises"
import { basename, join } from "node:path"
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
  if (there.isFile()) return { name: basename(path), bytes: there.size }
  throw new ProgramError(
    "FILE_IO",
    `that is ${there.isDirectory() ? "a folder" : "no file"} (${path})`,
    "check the path and try again",
  )
}

export function contentOf(path: string): AsyncIterable<Uint8Array> {
  return createReadStream(path, { highWaterMark: READ_BYTES })
}

/**
 * Writes a new file; what is there is never written over.
 *
 * @param path - A file, or a folder that there is; absent: the folder that the command runs in.
 * @param suggested - Its name, if the path has none: it may come from anywhere.
 * @returns Where it is, once all of it is on the disk.
 * @throws {ProgramError} `FILE_EXISTS`. @throws What the content does: then there is no file.
 */
export async function saveFile(
  path: string | undefined,
  suggested: string,
  content: AsyncIterable<Uint8Array>,
): Promise<string> {
  const to = await placeOf(path, suggested)
  const file = await openNew(to)
  try {
    for await (const part of content) await file.writeFile(part)
    await file.sync()
  } catch (error) {
    await rm(to, { force: true })
    throw error
  } finally {
    await file.close()
  }
  return to
}

async function placeOf(path: string | undefined, suggested: string): Promise<string> {
  if (path === undefined) return plainName(suggested)
  const there = await stat(path).catch(() => undefined)
  return there?.isDirectory() ? join(path, plainName(suggested)) : path
}

async function openNew(path: string): Promise<FileHandle> {
  try {
    return await open(path, "wx")
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error
    throw new ProgramError(
      "FILE_EXISTS",
      `there is such a file already (${path})`,
      "give another name, or move that one away",
      { cause: error },
    )
  }
}

/** Leads into no other folder, is not hidden, and can be shown. */
function plainName(suggested: string): string {
  const plain = suggested
    .replace(/[\p{Cc}\p{Bidi_Control}/\\:*?"<>|]/gu, "_")
    .replace(/^[.\s]+|[.\s]+$/g, "")
    .slice(-NAME_CHARS_MAX)
  return plain === "" ? "attachment" : plain
}
