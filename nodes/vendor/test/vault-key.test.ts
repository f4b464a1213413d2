/**
 * The data folder and its key file.
 *
 * @module
 */
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { systemRandom } from "@fulcrum/crypto/random"
import { afterEach, beforeEach, describe, expect, test } from "vitest"
import { findHome, type Home, makeHome, readPorts, writePorts } from "../src/home.ts"
import { createKeys, loadKeys, passphraseFromFile } from "../src/vault-key.ts"

let folder: string
let home: Home

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "fulcrum-vendor-home-"))
  home = findHome(join(folder, "books"))
  await makeHome(home)
})

afterEach(() => rm(folder, { recursive: true }))

const nobody = async (): Promise<undefined> => undefined

describe("the folder", () => {
  test("is its owner's alone, and so is the key", async () => {
    await createKeys(home, systemRandom(), undefined)
    expect((await stat(home.folder)).mode & 0o777).toBe(0o700)
    expect((await stat(home.keyFile)).mode & 0o777).toBe(0o600)
  })

  test.for([
    ["/chosen", {}, "linux", "/chosen"],
    [undefined, { FULCRUM_HOME: "/env" }, "linux", "/env"],
    [undefined, {}, "linux", "/me/.local/share/fulcrum-vendor"],
    [undefined, { XDG_DATA_HOME: "/xdg" }, "linux", "/xdg/fulcrum-vendor"],
    [undefined, {}, "darwin", "/me/Library/Application Support/fulcrum-vendor"],
  ] as const)("%s and %o on %s is %s", ([chosen, env, platform, expected]) => {
    expect(findHome(chosen, { env, platform, userFolder: "/me" }).folder).toBe(expected)
  })

  test("is not made of a file, nor of a folder in which others keep something", async () => {
    const file = join(folder, "file")
    await writeFile(file, "")
    await expect(makeHome(findHome(file))).rejects.toMatchObject({
      code: "FILE_IO",
      message: `that is a file, not a folder (${file})`,
    })
    await chmod(folder, 0o755)
    await expect(makeHome(findHome(folder))).rejects.toMatchObject({ code: "HOME_FOREIGN" })
    expect((await stat(folder)).mode & 0o777).toBe(0o755)
  })

  test("ports that are no ports are drawn again", async () => {
    await writePorts(home, { a: 4001, b: 70_000 })
    expect(await readPorts(home)).toEqual({ a: 4001 })
    await writeFile(home.portsFile, "not JSON")
    expect(await readPorts(home)).toEqual({})
  })
})

describe("the key file", () => {
  test("gives the same keys again, each another", async () => {
    const made = await createKeys(home, systemRandom(), undefined)
    const again = await loadKeys(home, nobody)
    expect(again).toEqual(made)
    expect(new Set(Object.values(made).map((key) => key.join())).size).toBe(3)
  })

  test("under a passphrase opens with that alone, and does not hold it", async () => {
    const made = await createKeys(home, systemRandom(), "correct horse")
    expect(await loadKeys(home, async () => "correct horse")).toEqual(made)
    await expect(loadKeys(home, async () => "wrong")).rejects.toMatchObject({ code: "KEY_WRONG" })
    await expect(loadKeys(home, nobody)).rejects.toMatchObject({ code: "PASSPHRASE_ABSENT" })
    expect((await readFile(home.keyFile)).includes("horse")).toBe(false)
  })

  test("is not used if others may read it, or if it is none", async () => {
    await createKeys(home, systemRandom(), undefined)
    await chmod(home.keyFile, 0o640)
    await expect(loadKeys(home, nobody)).rejects.toMatchObject({ code: "KEY_EXPOSED" })
    await chmod(home.keyFile, 0o600)
    await writeFile(home.keyFile, "rubbish")
    await expect(loadKeys(home, nobody)).rejects.toMatchObject({ code: "KEY_MALFORMED" })
  })

  test("a passphrase's file loses its line end and nothing else", async () => {
    const path = join(folder, "passphrase")
    await writeFile(path, " two words \r\n")
    expect(await passphraseFromFile({ FULCRUM_PASSPHRASE_FILE: path })).toBe(" two words ")
    await writeFile(path, "\n")
    await expect(passphraseFromFile({ FULCRUM_PASSPHRASE_FILE: path })).rejects.toMatchObject({
      code: "PASSPHRASE_INVALID",
    })
    expect(await passphraseFromFile({})).toBeUndefined()
  })
})
