import { chmod, mkdir, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { expect, test } from "vitest"
import { findHome, makeHome, requireKey, requireStore } from "../src/home.ts"

const linux = { platform: "linux", env: {}, userFolder: "/home/ada" } as const

test("the folder is what is asked for, else FULCRUM_HOME, else the platform's own", () => {
  const env = { FULCRUM_HOME: "/from/env" }
  expect(findHome("/asked", { ...linux, env }).folder).toBe("/asked")
  expect(findHome(undefined, { ...linux, env }).folder).toBe("/from/env")
  expect(findHome(undefined, linux).folder).toBe("/home/ada/.local/share/fulcrum")
  expect(findHome(undefined, { ...linux, env: { XDG_DATA_HOME: "/data" } }).folder).toBe(
    "/data/fulcrum",
  )
  expect(findHome(undefined, { ...linux, platform: "darwin" }).folder).toBe(
    "/home/ada/Library/Application Support/fulcrum",
  )
  expect(
    findHome(undefined, { ...linux, platform: "win32", env: { APPDATA: "/roaming" } }).folder,
  ).toBe("/roaming/fulcrum")
})

test.skipIf(process.platform === "win32")("[R19] the folder is its owner's alone", async () => {
  const folder = join(await mkdtemp(join(tmpdir(), "fulcrum-home-")), "a", "b")
  const home = findHome(folder)
  await makeHome(home)
  expect((await stat(folder)).mode & 0o777).toBe(0o700)
  await rm(folder, { recursive: true })
})

test("a file in the folder's place is told as such", async () => {
  const folder = await mkdtemp(join(tmpdir(), "fulcrum-home-"))
  const file = join(folder, "file")
  await writeFile(file, "")
  await expect(makeHome(findHome(file))).rejects.toMatchObject({
    code: "FILE_IO",
    message: `that is a file, not a folder (${file})`,
  })
  await rm(folder, { recursive: true })
})

test("a place where no folder can be is told in one line, with what to do", async () => {
  const folder = await mkdtemp(join(tmpdir(), "fulcrum-home-"))
  const file = join(folder, "file")
  await writeFile(file, "")
  const places = [join(file, "below"), join(folder, "n".repeat(300))]
  if (process.platform === "linux") places.push("/proc/nope")
  for (const place of places) {
    await expect(makeHome(findHome(place)), place).rejects.toMatchObject({
      code: "FILE_IO",
      message: expect.stringMatching(/^the data folder cannot be made: .+\(.+\)$/),
      todo: "choose another folder with --home",
    })
  }
  // What is looked at before does not tell it as something else.
  await requireKey(findHome(join(file, "below")))
  await requireStore(findHome(join(file, "below")))
  await rm(folder, { recursive: true })
})

test("a folder in which others keep something is refused as it is", async () => {
  const folder = await mkdtemp(join(tmpdir(), "fulcrum-home-"))
  const photos = join(folder, "photos")
  await mkdir(photos)
  await chmod(photos, 0o755)
  await writeFile(join(photos, "holiday.jpg"), "")
  await expect(makeHome(findHome(photos))).rejects.toMatchObject({ code: "HOME_FOREIGN" })
  expect(await readdir(photos)).toEqual(["holiday.jpg"])
  if (process.platform !== "win32") expect((await stat(photos)).mode & 0o777).toBe(0o755)
  await rm(folder, { recursive: true })
})
