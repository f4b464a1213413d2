/** Making a store anew beside a damaged one, and putting it in its place. */
import { cp, mkdir, mkdtemp, readdir, rename, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { utf8ToBytes } from "@fulcrum/codec/bytes"
import { afterEach, beforeEach, describe, expect, test } from "vitest"
import type { Store } from "../src/contract.ts"
import { openLevelStore } from "../src/level.ts"
import { rebuildStore } from "../src/level-rebuilding.ts"
import { finishRebuilding } from "../src/level-rebuilt.ts"

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
    expect(await read(folder)).toBe("before")
    await rename(folder, `${folder}.damaged-1`)
    expect(await read(folder)).toBe("whole")
    // What an attempt that was cut off earlier has left is made anew.
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

  test("is not made of one that is in use", async () => {
    await using _ = await openLevelStore({ folder })
    await expect(rebuildStore(folder, rebuild)).rejects.toMatchObject({ code: "STORE_LOCKED" })
  })
})
