import { mkdtemp, rm, stat } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { expect, test } from "vitest"
import { findHome, makeHome } from "../src/home.ts"

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
