/** Blobs: in memory, and as files of a folder. */
import { mkdtemp, rm, stat, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { utf8ToBytes } from "@fulcrum/codec/bytes"
import { describe, expect, test } from "vitest"
import { blobFolder } from "../src/blob-folder.ts"
import { blobContract } from "../src/blob-suite.ts"
import { MemoryBlobs } from "../src/memory-blobs.ts"

describe("in memory", () => {
  const cases = blobContract(async () => {
    const blobs = new MemoryBlobs()
    return { open: async () => blobs, dispose: async () => undefined }
  })
  for (const { name, run } of cases) test(name, run)

  test("[S20] a crash loses what was not flushed", async () => {
    const blobs = new MemoryBlobs()
    await using file = await blobs.make("a")
    await file.write(0, utf8ToBytes("kept"))
    await file.flush()
    await file.write(4, utf8ToBytes(" and lost"))
    blobs.crash()
    await using left = await blobs.make("a")
    expect(await left.size()).toBe(4)
  })

  test("[S20] a full disk says so", async () => {
    const blobs = new MemoryBlobs({ capacityBytes: 3 })
    await using file = await blobs.make("a")
    await expect(file.write(0, utf8ToBytes("four"))).rejects.toMatchObject({ code: "STORE_FULL" })
  })
})

describe("in a folder", () => {
  const cases = blobContract(async () => {
    const folder = await mkdtemp(join(tmpdir(), "fulcrum-blobs-"))
    return {
      open: async () => blobFolder(join(folder, "deep", "attachments")),
      dispose: () => rm(folder, { recursive: true }),
    }
  })
  for (const { name, run } of cases) test(name, run)

  test("[S22] files and folder are their owner's alone, and other files are left out", async () => {
    const folder = await mkdtemp(join(tmpdir(), "fulcrum-blobs-"))
    const inside = join(folder, "attachments")
    try {
      const blobs = blobFolder(inside)
      await using file = await blobs.make("a")
      await file.flush()
      if (process.platform !== "win32") {
        expect((await stat(inside)).mode & 0o777).toBe(0o700)
        expect((await stat(join(inside, "a"))).mode & 0o777).toBe(0o600)
      }
      await writeFile(join(inside, "notes.txt"), "not ours")
      expect(await blobs.names()).toEqual(["a"])
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})
