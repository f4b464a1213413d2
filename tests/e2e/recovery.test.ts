/**
 * The 24 words, through the programs: every device is gone, and a relay that cannot read what it keeps
 * brings the record back.
 *
 * @module
 */
import { readFile, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { codeIn } from "../harness/programs.ts"
import { folderBytes, searchFolder } from "../harness/search.ts"
import { World } from "./world.ts"

const NAME = "Ottoline Quillfeather"
const LEASE = "Tenancy agreement, Harbour Street 7. ".repeat(100)
const KILLS = 3

let world: World
let words: string

const local = (name: string): string => join(world.stage.folder, name)

/** The words as people keep them, with numbers and in lines. */
async function writeWords(file: string, all: readonly string[]): Promise<string> {
  await writeFile(local(file), all.map((word, at) => `${at + 1}. ${word}\n`).join(""))
  return local(file)
}

function recovering(file: string, name: string): readonly string[] {
  const { relay } = world.device(name)
  return ["recover", "--relay", relay, "--words", file, "--name", name, "--no-passphrase"]
}

beforeAll(async () => {
  world = await World.create()
  const laptop = world.device("laptop")
  const made = await laptop.init()
  words = await writeWords("words.txt", made.words)
  await laptop.json("set", "card/name/full", NAME)
  await laptop.json("set", "card/emails/home/address", "ottoline@example.org")
}, 120_000)
afterAll(() => world[Symbol.asyncDispose]())

describe("the recovery words", () => {
  test("are tried out on the device, which changes nothing", async () => {
    const laptop = world.device("laptop")
    const before = await laptop.status()
    const drill = await laptop.json("recovery-drill", "--words", words)
    expect(drill).toMatchObject({ ok: true, isUsable: true, missing: [] })
    expect(await laptop.status()).toMatchObject({ vector: before.vector })
  })

  test("bring the record back once the device is gone, also through kill -9", async () => {
    await rm(world.device("laptop").folder, { recursive: true })
    const tablet = world.device("tablet")
    for (let kill = 1; kill <= KILLS; kill++) {
      const run = await tablet.start(...recovering(words, "tablet"))
      await new Promise((resolve) => setTimeout(resolve, kill * 350))
      run.kill("SIGKILL")
      await run.finished
    }
    const args = recovering(words, "tablet")
    const recovered = await tablet.run([...args, "--json"])
    // A kill may have come after all was done: then the same command opens the record.
    expect(recovered, recovered.stderr).toMatchObject({ status: 0 })
    expect(await tablet.get("card/name/full")).toBe(NAME)
    const devices = await tablet.json<readonly { readonly name: string }[]>("devices")
    expect(devices.map(({ name }) => name)).toEqual(["laptop", "tablet"])
    expect(await tablet.json("doctor")).toMatchObject({ ok: true })
  })

  test("let what is gone be removed, and are replaced", async () => {
    const tablet = world.device("tablet")
    await tablet.json("devices", "revoke", "laptop", "--yes")
    const made = await tablet.json<{ readonly words: readonly string[] }>("recovery-words", "--yes")
    const newest = await writeWords("newest.txt", made.words)
    expect(await tablet.json("recovery-drill", "--words", newest)).toMatchObject({ ok: true })
    const old = await world.device("thief").run(recovering(words, "thief"))
    expect({ status: old.status, code: codeIn(old.stderr) }).toEqual({
      status: 1,
      code: "RECOVERY_NOT_FOUND",
    })
    const watch = world.device("watch")
    await watch.json(...recovering(newest, "watch"))
    expect(await watch.get("card/name/full")).toBe(NAME)
  })

  test("open a backup, whose files come back with it", async () => {
    const watch = world.device("watch")
    await writeFile(local("lease.txt"), LEASE)
    await watch.json("attach", local("lease.txt"), "things/flat/papers/lease")
    await watch.json("backup", local("record.age"))
    const args = ["restore", local("record.age"), "--words", local("newest.txt"), "--no-passphrase"]
    const desktop = world.device("desktop")
    const restored = await desktop.json(...args, "--name", "desktop")
    expect(restored).toMatchObject({ attachments: { all: 1, here: 1 }, wrong: [], isCut: false })
    const again = await desktop.json(...args, "--name", "another")
    expect([restored, again]).toMatchObject([
      { wasHere: false },
      { wasHere: true, device: { name: "desktop" } },
    ])
    expect(await desktop.get("card/name/full")).toBe(NAME)
    await desktop.json("attachments", "get", "lease.txt", local("copy.txt"))
    expect(await readFile(local("copy.txt"), "utf8")).toBe(LEASE)
  })

  test("bring the record from a device that runs, while the relay is gone", async () => {
    await world.relay.down()
    const desktop = world.device("desktop")
    const { addresses } = await desktop.daemon.up()
    const args = ["--at", addresses[0] ?? "", "--words", local("newest.txt"), "--no-passphrase"]
    const pocket = world.device("pocket")
    await pocket.json("recover", ...args, "--name", "pocket", "--wait", "2")
    expect(await pocket.get("card/name/full")).toBe(NAME)
    const devices = await desktop.json<readonly { readonly name: string }[]>("devices")
    expect(devices.map(({ name }) => name)).toContain("pocket")
    const other = await world
      .device("thief")
      .run(["recover", ...args.with(3, words), "--name", "x"])
    expect(codeIn(other.stderr)).toBe("RECOVERY_NOT_FOUND")
    await desktop.daemon.down()
    await world.relay.up()
  })

  test("[R19] are in no folder, nor is anything of the record in the relay's", async () => {
    const typed = (await readFile(words, "utf8"))
      .split("\n")
      .map((line) => line.split(" ")[1] ?? "")
    // Two at a time: one alone may be a word of anything.
    const pairs = typed.slice(1).map((word, at) => `${typed[at]} ${word}`)
    const needles = [
      NAME,
      "Harbour Street 7",
      ...pairs.filter(({ length }) => length > 8).slice(0, 3),
    ]
    for (const name of ["tablet", "watch"]) {
      const { folder } = world.device(name)
      expect(await folderBytes(folder)).toBeGreaterThan(1000)
      expect(await searchFolder(folder, needles)).toEqual([])
    }
    expect(await searchFolder(world.relay.folder, needles)).toEqual([])
  })
})
