import { chmod, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { seededRandom } from "@fulcrum/crypto/random"
import { afterAll, beforeAll, expect, test } from "vitest"
import {
  changePassphrase,
  createDeviceKey,
  type KeyKeepers,
  keeperOf,
  readDeviceKey,
} from "../src/device-key.ts"
import type { Keychain } from "../src/keychain.ts"
import { passphraseSource } from "../src/passphrase.ts"

let folder: string
let files = 0

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "fulcrum-key-"))
})
afterAll(() => rm(folder, { recursive: true }))

const headless: Keychain = {
  keep: async () => false,
  find: async () => undefined,
  forget: async () => false,
}

function memoryKeychain(): Keychain & { readonly kept: Map<string, Uint8Array> } {
  const kept = new Map<string, Uint8Array>()
  return {
    kept,
    async keep(account, key) {
      kept.set(account, key)
      return true
    },
    find: async (account) => kept.get(account),
    forget: async (account) => kept.delete(account),
  }
}

function keepers(given: {
  readonly passphrase?: string
  readonly keychain?: Keychain
  readonly isFile?: boolean
}): KeyKeepers & { readonly notes: string[] } {
  const notes: string[] = []
  return {
    notes,
    note: (text) => notes.push(text),
    random: seededRandom("device key"),
    keychain: given.keychain ?? headless,
    passphrase: { isFile: given.isFile ?? true, read: async () => given.passphrase },
  }
}

const newPath = (): string => join(folder, `device-${files++}.key`)

test("[R19] a key sealed by a passphrase opens with that passphrase alone", async () => {
  const path = newPath()
  const key = await createDeviceKey(path, keepers({ passphrase: "blue moon" }), { plain: false })
  expect(key).toHaveLength(32)
  expect(await readDeviceKey(path, keepers({ passphrase: "blue moon" }))).toEqual(key)
  await expect(readDeviceKey(path, keepers({ passphrase: "red moon" }))).rejects.toMatchObject({
    code: "KEY_WRONG",
  })
  expect((await readFile(path)).includes(Buffer.from(key))).toBe(false)
})

test("[R19] a keychain that fails means a passphrase, never silently plain", async () => {
  const path = newPath()
  const headlessKeepers = keepers({ isFile: false, keychain: headless })
  await expect(createDeviceKey(path, headlessKeepers, { plain: false })).rejects.toMatchObject({
    code: "PASSPHRASE_NEEDED",
  })
  await expect(stat(path)).rejects.toMatchObject({ code: "ENOENT" })
  const asked = keepers({ isFile: false, keychain: headless, passphrase: "blue moon" })
  const key = await createDeviceKey(path, asked, { plain: false })
  expect((await readFile(path)).includes(Buffer.from(key))).toBe(false)
})

test("[R19] the keychain holds the key, and the file none of it", async () => {
  const path = newPath()
  const keychain = memoryKeychain()
  const given = keepers({ isFile: false, keychain })
  const key = await createDeviceKey(path, given, { plain: false })
  expect([...keychain.kept.values()]).toEqual([key])
  expect(given.notes).toEqual(["The key of this folder is in your system's keychain."])
  expect(await readDeviceKey(path, keepers({ keychain }))).toEqual(key)
  expect((await readFile(path)).includes(Buffer.from(key))).toBe(false)
  await expect(readDeviceKey(path, keepers({}))).rejects.toMatchObject({ code: "KEYCHAIN_FAILED" })
})

test("a passphrase file counts more than a keychain", async () => {
  const keychain = memoryKeychain()
  await createDeviceKey(newPath(), keepers({ passphrase: "blue moon", keychain }), { plain: false })
  expect(keychain.kept.size).toBe(0)
})

test("[R19] a plain key is only made on request, with a warning, for its owner alone", async () => {
  const path = newPath()
  const given = keepers({})
  const key = await createDeviceKey(path, given, { plain: true })
  expect(given.notes[0]).toContain("No passphrase")
  expect(await readDeviceKey(path, keepers({}))).toEqual(key)
  if (process.platform !== "win32") expect((await stat(path)).mode & 0o777).toBe(0o600)
})

test.skipIf(process.platform === "win32")(
  "[R19] a plain key that others may read is refused; one that is sealed is not",
  async () => {
    const [plain, sealed] = [newPath(), newPath()]
    await createDeviceKey(plain, keepers({}), { plain: true })
    await createDeviceKey(sealed, keepers({ passphrase: "blue moon" }), { plain: false })
    for (const mode of [0o640, 0o604, 0o620]) {
      await chmod(plain, mode)
      await chmod(sealed, mode)
      await expect(readDeviceKey(plain, keepers({}))).rejects.toMatchObject({
        code: "KEY_EXPOSED",
        todo: `chmod 600 ${plain}`,
      })
      expect(await readDeviceKey(sealed, keepers({ passphrase: "blue moon" }))).toHaveLength(32)
    }
    await chmod(plain, 0o600)
    expect(await readDeviceKey(plain, keepers({}))).toHaveLength(32)
  },
)

test("no file is no key; a damaged one is told as such", async () => {
  expect(await readDeviceKey(newPath(), keepers({}))).toBeUndefined()
  const path = newPath()
  await createDeviceKey(path, keepers({ passphrase: "blue moon" }), { plain: false })
  const whole = await readFile(path)
  for (const bytes of [whole.subarray(0, 40), Buffer.alloc(0), Buffer.concat([whole, whole])]) {
    await writeFile(path, bytes)
    await expect(readDeviceKey(path, keepers({ passphrase: "blue moon" }))).rejects.toMatchObject({
      code: "KEY_FILE_DAMAGED",
    })
  }
})

test("a passphrase is a file's first line", async () => {
  const file = join(folder, "passphrase")
  const note = (text: string): void => void notes.push(text)
  const notes: string[] = []
  await writeFile(file, "blue moon\r\nand more\n", { mode: 0o600 })
  const source = passphraseSource({ file, terminal: undefined, note })
  expect(await source.read("known")).toBe("blue moon")
  await writeFile(file, "\n")
  await expect(source.read("new")).rejects.toMatchObject({ code: "PASSPHRASE_FILE_INVALID" })
  // A short one can be known from before; none is chosen.
  await writeFile(file, "seven77")
  expect(await source.read("known")).toBe("seven77")
  await expect(source.read("new")).rejects.toMatchObject({ code: "PASSPHRASE_FILE_INVALID" })
  expect(await passphraseSource({ file: undefined, terminal: undefined, note }).read("new")).toBe(
    undefined,
  )
  expect(notes).toEqual([])
})

test.skipIf(process.platform === "win32")(
  "of a passphrase's file that others may read the person is warned",
  async () => {
    const file = join(folder, "exposed")
    await writeFile(file, "blue moon\n")
    await chmod(file, 0o644)
    const notes: string[] = []
    const note = (text: string): void => void notes.push(text)
    expect(await passphraseSource({ file, terminal: undefined, note }).read("known")).toBe(
      "blue moon",
    )
    expect(notes).toEqual([
      `Others on this machine may read the passphrase's file: chmod 600 ${file}`,
    ])
  },
)

test("[R19] another passphrase opens the same record, whatever kept its key before, and the old one no more", async () => {
  const chosen = { isFile: false, read: async () => "green moon" }
  const keychain = memoryKeychain()
  for (const [given, plain] of [
    [keepers({ passphrase: "blue moon" }), false],
    [keepers({ isFile: false, keychain }), false],
    [keepers({}), true],
  ] as const) {
    const path = newPath()
    const key = await createDeviceKey(path, given, { plain })
    await changePassphrase(path, given, chosen)
    expect(await keeperOf(path)).toBe("passphrase")
    expect(await readDeviceKey(path, keepers({ passphrase: "green moon" }))).toEqual(key)
    const old = readDeviceKey(path, keepers({ passphrase: "blue moon" }))
    await expect(old).rejects.toMatchObject({ code: "KEY_WRONG" })
    expect((await readFile(path)).includes(Buffer.from(key))).toBe(false)
  }
  expect(keychain.kept.size).toBe(0)
})

test("a passphrase is not changed by whoever does not know it, and a keychain that keeps the key is told of", async () => {
  const path = newPath()
  await createDeviceKey(path, keepers({ passphrase: "blue moon" }), { plain: false })
  const before = await readFile(path)
  const chosen = { isFile: false, read: async () => "green moon" }
  const wrong = changePassphrase(path, keepers({ passphrase: "red moon" }), chosen)
  await expect(wrong).rejects.toMatchObject({ code: "KEY_WRONG" })
  const none = { isFile: false, read: async () => undefined }
  const unasked = changePassphrase(path, keepers({ passphrase: "blue moon" }), none)
  await expect(unasked).rejects.toMatchObject({ code: "PASSPHRASE_NEEDED" })
  expect(await readFile(path)).toEqual(before)

  const keychain = { ...memoryKeychain(), forget: async () => false }
  const kept = newPath()
  const given = keepers({ isFile: false, keychain })
  await createDeviceKey(kept, given, { plain: false })
  await changePassphrase(kept, given, chosen)
  expect(given.notes.at(-1)).toMatch(/keychain keeps the key as well/)
})

test("whoever types a passphrase may mistype it twice; a file is read once", async () => {
  const path = newPath()
  const key = await createDeviceKey(path, keepers({ passphrase: "blue moon" }), { plain: false })
  for (const { wrong, isFile } of [
    { wrong: 2, isFile: false },
    { wrong: 3, isFile: false },
    { wrong: 1, isFile: true },
  ]) {
    const given = keepers({ isFile })
    let asked = 0
    const read = async () => (asked++ < wrong ? "red moon" : "blue moon")
    const opened = readDeviceKey(path, { ...given, passphrase: { isFile, read } })
    if (wrong === 2) expect(await opened).toEqual(key)
    else await expect(opened).rejects.toMatchObject({ code: "KEY_WRONG" })
    expect(asked).toBe(isFile ? 1 : 3)
  }
})
