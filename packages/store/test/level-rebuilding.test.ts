/** Making a store anew beside a damaged one, and putting it in its place. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { utf8ToBytes } from "@fulcrum/codec/bytes"
import { afterEach, beforeEach, describe, expect, test } from "vitest"
import type { Store } from "../src/contract.ts"
import { openLevelStore } from "../src/level.ts"
import { rebuildStore } from "../src/level-rebuilding.ts"
import { finishRebuilding } from "../src/level-rebuilt.ts"

/** Kills of one that makes it anew: `FULCRUM_REBUILD_KILLS=300`. */
const KILLS = Number(process.env.FULCRUM_REBUILD_KILLS ?? 8)
const REBUILDER = join(import.meta.dirname, "children/rebuilder.ts")

const KEY = utf8ToBytes("key")
let home: string
let folder: string
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "fulcrum-rebuilding-"))
  folder = join(home, "store")
  await write(folder, "before")
})
afterEach(() => rm(home, { recursive: true }))

async function write(at: string, text: string): Promise<void> {
  await using store = await openLevelStore({ folder: at })
  await store.write([{ type: "put", key: KEY, value: utf8ToBytes(text) }])
}

async function read(at: string): Promise<string> {
  await using store = await openLevelStore({ folder: at })
  return textOf(await store.get(KEY))
}

/** With so many tables: each opening makes one of the log. */
async function fill(at: string, tables: number): Promise<void> {
  for (let table = 0; table <= tables; table++) {
    await using store = await openLevelStore({ folder: at })
    const key = utf8ToBytes(`${at} ${table}`)
    await store.write([{ type: "put", key, value: new Uint8Array(1000) }])
  }
}

async function tablesOf(at: string): Promise<readonly string[]> {
  return (await readdir(at)).filter((name) => name.endsWith(".ldb")).toSorted()
}

function textOf(value: Uint8Array | undefined): string {
  return value === undefined ? "nothing" : new TextDecoder().decode(value)
}

async function rebuild(damaged: Store, into: Store): Promise<string> {
  const had = textOf(await damaged.get(KEY))
  await into.write([{ type: "put", key: KEY, value: utf8ToBytes(`${had}, anew`) }])
  return had
}

describe("[S12] [E3] a store made anew", () => {
  test("takes the damaged one's place, and that is kept", async () => {
    expect(await rebuildStore(folder, rebuild)).toEqual({
      result: "before",
      kept: `${folder}.damaged-1`,
    })
    expect(await read(folder)).toBe("before, anew")
    expect(await read(`${folder}.damaged-1`)).toBe("before")
    expect(await rebuildStore(folder, rebuild)).toMatchObject({ kept: `${folder}.damaged-2` })
    expect(await read(folder)).toBe("before, anew, anew")
    expect((await readdir(home)).toSorted()).toEqual([
      "store",
      "store.damaged-1",
      "store.damaged-2",
    ])
  })

  test("takes in what can be had of files that do not open", async () => {
    await writeFile(join(folder, "CURRENT"), "MANIFEST-999999\n")
    await expect(openLevelStore({ folder })).rejects.toMatchObject({ code: "STORE_CORRUPT" })
    expect(await rebuildStore(folder, rebuild)).toMatchObject({ result: "before" })
    expect(await read(folder)).toBe("before, anew")
  })

  test("takes in the rest of a store of which a table has no block that is intact", async () => {
    await fill(folder, 2)
    const tables = await tablesOf(folder)
    expect(tables.length).toBeGreaterThan(1)
    for (const [number, table] of tables.entries()) {
      const copy = join(home, `copy ${number}`)
      await cp(folder, copy, { recursive: true })
      const content = await readFile(join(copy, table))
      content.fill(0x58, 8, 20)
      await writeFile(join(copy, table), content)
      // What was written first is in the first table alone.
      const had = number === 0 ? "nothing" : "before"
      expect(await rebuildStore(copy, rebuild)).toMatchObject({ result: had })
      expect(await read(copy)).toBe(`${had}, anew`)
    }
  })

  test("is nothing, and the damaged one untouched, if making it fails", async () => {
    await expect(
      rebuildStore(folder, async (_, into) => {
        await into.write([{ type: "put", key: KEY, value: utf8ToBytes("half") }])
        throw new RangeError("no")
      }),
    ).rejects.toThrow("no")
    expect(await readdir(home)).toEqual(["store"])
    expect(await read(folder)).toBe("before")
  })

  test("is put in its place by whoever opens the store next, if that was cut off", async () => {
    await write(`${folder}.rebuilt.new`, "whole")
    await mkdir(`${folder}.salvage.new`)
    // Where the store is there, what an attempt has left is of no use.
    expect(await read(folder)).toBe("before")
    expect(await readdir(home)).toEqual(["store"])
    await write(`${folder}.rebuilt.new`, "whole")
    await mkdir(`${folder}.salvage.new`)
    await rename(folder, `${folder}.damaged-1`)
    expect(await read(folder)).toBe("whole")
    expect((await readdir(home)).toSorted()).toEqual(["store", "store.damaged-1"])
    await cp(folder, `${folder}.rebuilt.new`, { recursive: true })
    expect(await rebuildStore(folder, rebuild)).toMatchObject({ kept: `${folder}.damaged-2` })
    expect(await read(folder)).toBe("whole, anew")
    await finishRebuilding(folder)
    expect((await readdir(home)).toSorted()).toEqual([
      "store",
      "store.damaged-1",
      "store.damaged-2",
    ])
  })

  test("takes in what is left of a store of which a file is another's, though its checksums fit", async () => {
    const other = join(home, "other")
    await fill(folder, 3)
    await fill(other, 2)
    const [first = ""] = await tablesOf(folder)
    const [foreign = ""] = await tablesOf(other)
    await cp(join(other, foreign), join(folder, first))
    const count = async (store: Store): Promise<number> => {
      let records = 0
      for await (const _ of store.list({ gte: Uint8Array.of(0), lt: Uint8Array.of(255) })) records++
      return records
    }
    const { result } = await rebuildStore(folder, async (damaged) => count(damaged))
    expect(result).toBeGreaterThan(1)
  })

  test("is whole, whoever opens the store again and again meanwhile", async () => {
    let isOver = false
    const opening = async () => {
      while (!isOver) {
        const store = await openLevelStore({ folder }).catch((error: unknown) => {
          expect(error).toMatchObject({ code: "STORE_LOCKED" })
          return undefined
        })
        await store?.close()
        await new Promise((resolve) => setTimeout(resolve, 1))
      }
    }
    const openers = [opening(), opening(), opening()]
    let rebuilt = 0
    while (rebuilt < 8) {
      const made = await rebuildStore(folder, rebuild).catch((error: unknown) => {
        expect(error).toMatchObject({ code: "STORE_LOCKED" })
        return undefined
      })
      if (made !== undefined) rebuilt++
      else await new Promise((resolve) => setTimeout(resolve, 1))
    }
    isOver = true
    await Promise.all(openers)
    expect(await read(folder)).toBe(`before${", anew".repeat(8)}`)
  })

  test("[E1] is there or the damaged one is, whenever whoever makes it is killed", async () => {
    const at = join(home, "killed")
    const number = async (): Promise<number> => {
      await using store = await openLevelStore({ folder: at })
      return Number(textOf(await store.get(utf8ToBytes("number"))))
    }
    await using store = await openLevelStore({ folder: at })
    await store.write([{ type: "put", key: utf8ToBytes("number"), value: utf8ToBytes("0") }])
    await store.close()
    let told = 0
    for (let round = 0; round < KILLS; round++) {
      const child = spawn(
        process.execPath,
        ["--disable-warning=ExperimentalWarning", REBUILDER, at],
        {
          stdio: ["ignore", "pipe", "inherit"],
        },
      )
      const ended = once(child, "close")
      const lines = createInterface({ input: child.stdout })
      lines.on("line", (line) => {
        told = Number(line)
      })
      await once(lines, "line")
      await new Promise((resolve) => setTimeout(resolve, (round * 37) % 120))
      child.kill("SIGKILL")
      await ended
      const found = await number()
      // One more may be in place that was not told.
      expect([told, told + 1]).toContain(found)
      const left = (await readdir(home)).filter((name) => name.startsWith("killed."))
      expect(left.filter((name) => name.endsWith(".new") && !name.includes("guard"))).toEqual([])
      for (const name of left) await rm(join(home, name), { recursive: true })
      told = found
    }
    expect(told).toBeGreaterThanOrEqual(KILLS)
  }, 120_000)

  test("says that the disk is full, or is not to be written to, and changes nothing", async () => {
    const full = Object.assign(new Error("no room"), { code: "ENOSPC", syscall: "write" })
    const failing = rebuildStore(folder, async () => Promise.reject(full))
    await expect(failing).rejects.toMatchObject({ code: "STORE_FULL" })
    await writeFile(`${folder}.guard.new`, "a file where the lock is to be")
    await expect(rebuildStore(folder, rebuild)).rejects.toMatchObject({ code: "STORE_IO" })
    await rm(`${folder}.guard.new`)
    expect(await readdir(home)).toEqual(["store"])
    expect(await read(folder)).toBe("before")
  })

  test("is made by one at a time", async () => {
    const all = await Promise.allSettled([1, 2, 3].map(() => rebuildStore(folder, rebuild)))
    const made = all.filter(({ status }) => status === "fulfilled")
    expect(made.length).toBeGreaterThan(0)
    for (const one of all) {
      if (one.status === "rejected") expect(one.reason).toMatchObject({ code: "STORE_LOCKED" })
    }
    expect(await read(folder)).toBe(`before${", anew".repeat(made.length)}`)
  })

  test("is not made of one that is in use", async () => {
    await using _ = await openLevelStore({ folder })
    await expect(rebuildStore(folder, rebuild)).rejects.toMatchObject({ code: "STORE_LOCKED" })
  })
})
