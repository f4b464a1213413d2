/** Files that a command line names: read where they are, written anew and never over another. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { utf8ToBytes } from "@fulcrum/codec/bytes"
import { afterEach, beforeEach, expect, test } from "vitest"
import { contentOf, lookAtFile, saveFile } from "../src/local-files.ts"

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "fulcrum-files-"))
})
afterEach(() => rm(folder, { recursive: true }))

async function* content(...parts: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield utf8ToBytes(part)
}

test("a file is read whole, with its name and size", async () => {
  const path = join(folder, "a.txt")
  await writeFile(path, "hello")
  expect(await lookAtFile(path)).toEqual({ name: "a.txt", bytes: 5 })
  const parts: Uint8Array[] = []
  for await (const part of contentOf(path)) parts.push(part)
  expect(Buffer.concat(parts).toString()).toBe("hello")
  await expect(lookAtFile(folder)).rejects.toMatchObject({ code: "FILE_IO" })
})

test("what is there is never written over, and what fails leaves no file", async () => {
  const path = join(folder, "a.txt")
  expect(await saveFile(path, "other.txt", content("one", "two"))).toBe(path)
  expect(await readFile(path, "utf8")).toBe("onetwo")
  await expect(saveFile(path, "", content("x"))).rejects.toMatchObject({ code: "FILE_EXISTS" })
  expect(await readFile(path, "utf8")).toBe("onetwo")
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield utf8ToBytes("half")
    throw new Error("broken")
  }
  const failed = join(folder, "b.txt")
  await expect(saveFile(failed, "", broken())).rejects.toThrow("broken")
  await expect(readFile(failed)).rejects.toThrow("ENOENT")
  const stop = new AbortController()
  async function* endless(): AsyncGenerator<Uint8Array> {
    for (;;) {
      yield utf8ToBytes("more")
      stop.abort(new Error("stopped"))
    }
  }
  await expect(saveFile(failed, "", endless(), stop.signal)).rejects.toThrow("stopped")
  expect(await readdir(folder)).toEqual(["a.txt"])
})

test("a folder that is not there is named, not the draft in it", async () => {
  for (const [path, told] of [
    [join(folder, "gone", "x.txt"), `there is no such folder (${join(folder, "gone")})`],
    [join(folder, "a.txt", "x.txt"), `that is a file, not a folder (${join(folder, "a.txt")})`],
  ] as const) {
    await writeFile(join(folder, "a.txt"), "x")
    const failed = saveFile(path, "", content("x"))
    await expect(failed).rejects.toMatchObject({ code: "FILE_IO", message: told })
  }
})

test("a name from elsewhere leads into no other folder, and is not hidden", async () => {
  await mkdir(join(folder, "in"))
  const saved = async (name: string) =>
    (await saveFile(join(folder, "in"), name, content("x"))).slice(folder.length)
  expect(await saved("photo.jpg")).toBe("/in/photo.jpg")
  expect(await saved("../../etc/passwd")).toBe("/in/_.._etc_passwd")
  expect(await saved(".bashrc")).toBe("/in/bashrc")
  expect(await saved("..")).toBe("/in/attachment")
  expect(await saved("a\u001b[31m\u202eb")).toBe("/in/a_[31m_b")
  expect(await saved("\u200b")).toBe("/in/_")
  expect(await saved("-rf")).toBe("/in/rf")
  expect(await saved(`x.${"y".repeat(119)}`)).toBe(`/in/${"y".repeat(119)}`)
  expect(await saved(`a\ud83d b.txt`)).toBe("/in/a\ufffd b.txt")
})
