import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, expect, test } from "vitest"
import { openLevelStore } from "../src/level.ts"
import { holdsRecords, lookAtFolder, makeFolder, removeStore } from "../src/level-data-folder.ts"

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "fulcrum-data-folder-"))
})
afterEach(() => rm(folder, { recursive: true }))

test("a folder is made with those above it, for its owner alone, and may be there already", async () => {
  const path = join(folder, "a", "b", "c")
  expect(await makeFolder(path)).toBe(join(folder, "a"))
  if (process.platform !== "win32") expect((await stat(path)).mode & 0o777).toBe(0o700)
  expect(await makeFolder(path)).toBeUndefined()
  expect((await stat(path)).isDirectory()).toBe(true)
})

test("several may make it at once", async () => {
  const path = join(folder, "a", "b")
  const made = await Promise.all(Array.from({ length: 8 }, () => makeFolder(path)))
  expect(made.filter((first) => first === join(folder, "a"))).toHaveLength(1)
})

test("a file in the way is told by the system's own code", async () => {
  const file = join(folder, "file")
  await writeFile(file, "")
  await expect(makeFolder(file)).rejects.toMatchObject({ code: "EEXIST", path: file })
  await expect(makeFolder(join(file, "a", "b"))).rejects.toMatchObject({ code: "ENOTDIR" })
})

// Node's own way of making all at once never comes back there.
test.runIf(process.platform === "linux")("where none can be made it fails and ends", async () => {
  for (const path of ["/proc/nope", "/proc/nope/a/b"]) {
    await expect(makeFolder(path)).rejects.toMatchObject({ code: "ENOENT", path: "/proc/nope" })
  }
})

test("a folder is ours by its key, or if there is nothing in it but what we make", async () => {
  const names = { key: "x.key", others: ["store", "x.json"] }
  const path = join(folder, "data")
  const states = [await lookAtFolder(path, names)]
  await mkdir(path)
  for (const name of ["", "lost+found", "store", "x.json.12.new", "holiday.jpg", "x.key"]) {
    if (name !== "") await writeFile(join(path, name), "")
    states.push(await lookAtFolder(path, names))
  }
  states.push(await lookAtFolder(join(path, "holiday.jpg"), names))
  expect(states).toEqual(["absent", "empty", "empty", "ours", "ours", "foreign", "ours", "file"])
})

test("a store holds records once something was written to it, and not before", async () => {
  const path = join(folder, "store")
  expect(await holdsRecords(path)).toBe(false)
  const store = await openLevelStore({ folder: path })
  expect(await holdsRecords(path)).toBe(false)
  await store.close()
  expect(await holdsRecords(path)).toBe(false)
  const again = await openLevelStore({ folder: path })
  await again.write([{ type: "put", key: Uint8Array.of(1), value: Uint8Array.of(2) }])
  expect(await holdsRecords(path)).toBe(true)
  await again.close()
  expect(await holdsRecords(path)).toBe(true)
})

test("a store that is open is not taken away; one that is not goes with its files", async () => {
  const [path, key] = [join(folder, "store"), join(folder, "x.key")]
  await writeFile(key, "")
  const store = await openLevelStore({ folder: path })
  if (process.platform === "linux") {
    await expect(removeStore(path, [key])).rejects.toMatchObject({ code: "STORE_LOCKED" })
    expect((await stat(key)).isFile()).toBe(true)
  }
  await store.close()
  await removeStore(path, [key])
  expect(await readdir(folder)).toEqual([])
  await removeStore(path, [key])
})
