/**
 * Small files for their owner alone (mode 0600), replaced whole: after a crash the old one is there
 * or the new one, never a part.
 *
 * @module
 */
import { type FileHandle, open, readFile, rename, rm } from "node:fs/promises"
import { dirname } from "node:path"
import { codeOf } from "./program-error.ts"

const OWNER_ONLY = 0o600

/** @returns `undefined` if there is none. */
export async function readPrivateFile(path: string): Promise<Uint8Array | undefined> {
  try {
    return new Uint8Array(await readFile(path))
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined
    throw error
  }
}

/** Durable when it resolves. */
export async function writePrivateFile(path: string, bytes: Uint8Array): Promise<void> {
  const draft = `${path}.new`
  await rm(draft, { force: true })
  await withFile(draft, "wx", async (file) => {
    await file.writeFile(bytes)
    await file.sync()
  })
  await rename(draft, path)
  // Windows does not open folders; its rename is in the journal.
  if (process.platform !== "win32") await withFile(dirname(path), "r", (folder) => folder.sync())
}

async function withFile(
  path: string,
  flags: string,
  use: (file: FileHandle) => Promise<void>,
): Promise<void> {
  const file = await open(path, flags, OWNER_ONLY)
  try {
    await use(file)
  } finally {
    await file.close()
  }
}
