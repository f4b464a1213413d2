/**
 * Blobs as files of one folder.
 *
 * @module
 */
import { type FileHandle, open, readdir, rename, rm } from "node:fs/promises"
import { join } from "node:path"
import { BLOB_NAME, type BlobFile, type Blobs, checkBlobName } from "./blobs.ts"
import { makeFolder, syncFolder } from "./level-data-folder.ts"
import { toStoreError } from "./level-error.ts"

/** @param folder - Made when the first one is. */
export function blobFolder(folder: string): Blobs {
  return {
    names: () =>
      unlessAbsent(async () => (await readdir(folder)).filter((name) => BLOB_NAME.test(name)), []),
    open: (name) => unlessAbsent<BlobFile | undefined>(() => openFile(at(name), "r+"), undefined),
    make: (name) =>
      told(async () => {
        await makeFolder(folder)
        const found = await unlessAbsent<BlobFile | undefined>(
          () => openFile(at(name), "r+"),
          undefined,
        )
        if (found !== undefined) return found
        const made = await openFile(at(name), "wx+")
        await syncFolder(folder)
        return made
      }),
    rename: (from, to) =>
      told(async () => {
        await rename(at(from), at(to))
        await syncFolder(folder)
      }),
    remove: (name) =>
      unlessAbsent(async () => {
        await rm(at(name))
        await syncFolder(folder)
      }, undefined),
  }

  function at(name: string): string {
    checkBlobName(name)
    return join(folder, name)
  }
}

async function openFile(path: string, flags: string): Promise<BlobFile> {
  return new FolderFile(await open(path, flags, 0o600))
}

class FolderFile implements BlobFile {
  readonly #file: FileHandle
  #closing: Promise<void> | undefined

  constructor(file: FileHandle) {
    this.#file = file
  }

  size(): Promise<number> {
    return told(async () => (await this.#file.stat()).size)
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length)
    const filled = await this.readInto(offset, bytes)
    return filled === length ? bytes : bytes.slice(0, filled)
  }

  readInto(offset: number, into: Uint8Array): Promise<number> {
    return told(async () => {
      let filled = 0
      while (filled < into.length) {
        const left = into.length - filled
        const { bytesRead } = await this.#file.read(into, filled, left, offset + filled)
        if (bytesRead === 0) break
        filled += bytesRead
      }
      return filled
    })
  }

  write(offset: number, ...parts: readonly Uint8Array[]): Promise<void> {
    return told(async () => {
      let at = offset
      let left = parts.filter(({ length }) => length > 0)
      while (left.length > 0) {
        const { bytesWritten } = await this.#file.writev(left, at)
        at += bytesWritten
        left = after(left, bytesWritten)
      }
    })
  }

  flush(): Promise<void> {
    return told(() => this.#file.datasync())
  }

  close(): Promise<void> {
    this.#closing ??= told(() => this.#file.close())
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/** The parts without their first bytes. */
function after(parts: readonly Uint8Array[], bytes: number): Uint8Array[] {
  let skip = bytes
  return parts.flatMap((part) => {
    const skipped = Math.min(skip, part.length)
    skip -= skipped
    return skipped === part.length ? [] : [part.subarray(skipped)]
  })
}

/** What the file system says, as a store's error. */
async function told<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw toStoreError(error)
  }
}

/** @param absent - What it means that there is no such file or folder. */
function unlessAbsent<T>(work: () => Promise<T>, absent: T): Promise<T> {
  return told(() =>
    work().catch((error: unknown) => {
      if (isAbsent(error)) return absent
      throw error
    }),
  )
}

function isAbsent(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT"
}
