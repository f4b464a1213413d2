/** Bits flipped in each file of a folder, and files cut short: found, or without effect. */
import {
  copyFile,
  link,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  truncate,
  writeFile,
} from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { utf8ToBytes } from "@fulcrum/codec/bytes"
import { randomBelow, seededRandom } from "@fulcrum/crypto/random"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { StoreError } from "../src/contract.ts"
import { crc32c } from "../src/crc32c.ts"
import { openLevelStore } from "../src/level.ts"
import { writeNote } from "../src/level-folder.ts"
import { openVault, type Vault } from "../src/vault.ts"
import { VaultError } from "../src/vault-error.ts"

/** Flips and cuts in each file; `FULCRUM_DAMAGE_ROUNDS=200` takes a minute. */
const ROUNDS = Number(process.env.FULCRUM_DAMAGE_ROUNDS ?? 3)
const BATCHES = 60
const RECORDS_IN_BATCH = 5
const group = utf8ToBytes("group")
const random = seededRandom("damaged folders")
const key = random.bytes(32)

let base: string
beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), "fulcrum-damage-"))
  const folder = join(base, "written")
  // Three tables, since each opening turns the last log into one, and a log with the last quarter:
  // with the table that the next opening makes of it they are enough for LevelDB to merge them.
  for (let quarter = 0; quarter < 4; quarter++) {
    const vault = await openOn(folder)
    for (let batch = (quarter * BATCHES) / 4; batch < ((quarter + 1) * BATCHES) / 4; batch++) {
      await writeBatch(vault, batch)
    }
    // As a kill would leave it: nothing is written when a process is killed.
    if (quarter === 3) await copyFolder(folder, join(base, "killed"))
    await vault.close()
  }
  await copyFolder(folder, join(base, "closed"))
})
afterAll(() => rm(base, { recursive: true, force: true }))

test("the folders hold what the tests damage", async () => {
  for (const state of ["closed", "killed"]) {
    const files = await readdir(join(base, state))
    expect(files.filter((file) => file.endsWith(".ldb")).length).toBe(3)
    const log = files.find((file) => file.endsWith(".log")) ?? ""
    expect((await readFile(join(base, state, log))).length).toBeGreaterThan(10_000)
    expect(await outcomeOf(await freshCopy(state))).toBe(BATCHES)
  }
  expect(await readdir(join(base, "closed"))).toContain("CLOSED")
  expect(await readdir(join(base, "killed"))).not.toContain("CLOSED")
})

describe("[S10] [E3]", () => {
  test("flipped bits after a clean close are found, or change nothing", async () => {
    await forEachFile("closed", async (file, folder) => {
      await flip(join(folder, file))
      return ["found", BATCHES]
    })
  })

  test("blocks of zeros are found, and end no process, before LevelDB merges tables", async () => {
    for (const state of ["closed", "killed"]) {
      await forEachFile(state, async (file, folder) => {
        if (!file.endsWith(".ldb")) return [BATCHES]
        await zero(join(folder, file))
        return ["found"]
      })
    }
  })

  test("cuts after a clean close are found, or change nothing", async () => {
    await forEachFile("closed", async (file, folder) => {
      await cut(join(folder, file))
      return ["found", BATCHES]
    })
  })

  test("flipped bits after a kill are found, unless the very last batch could not be known", async () => {
    await forEachFile("killed", async (file, folder) => {
      await flip(join(folder, file))
      return file.endsWith(".log") ? ["found", BATCHES, BATCHES - 1] : ["found", BATCHES]
    })
  })

  test("a log cut after a kill gives an earlier state whole; other cuts are found", async () => {
    await forEachFile("killed", async (file, folder) => {
      await cut(join(folder, file))
      const earlier = Array.from({ length: BATCHES + 1 }, (_, batches) => batches)
      return file.endsWith(".log") ? ["found", ...earlier] : ["found", BATCHES]
    })
  })

  test("a file that is missing is found", async () => {
    for (const state of ["closed", "killed"]) {
      const remove = async (file: string, folder: string): Promise<Outcome[]> => {
        await rm(join(folder, file))
        return /^(CLOSED|LOG)/.test(file) ? [BATCHES] : ["found"]
      }
      await forEachFile(state, remove, 1)
    }
  })

  test("a log that was begun may be missing while the one before it is there", async () => {
    const folder = await freshCopy("killed")
    const log = (await readdir(folder)).find((file) => file.endsWith(".log")) ?? ""
    await rm(join(folder, log))
    const named = (more: number) =>
      `${String(Number.parseInt(log, 10) + more).padStart(6, "0")}.log`
    const withLog = async (more: number): Promise<Outcome> => {
      const copy = await mkdtemp(join(base, "begun-"))
      await copyFolder(folder, copy)
      await writeFile(join(copy, named(more)), new Uint8Array(0))
      return await outcomeOf(copy)
    }
    expect(await withLog(-1)).toBe((BATCHES * 3) / 4)
    expect(await withLog(1)).toBe("found")
  })

  test("a table that was being made when the store was closed is none of the store's", async () => {
    const unfinished = "000999.ldb"
    for (const left of ["there, and cut since", "there", "gone since"]) {
      const folder = await freshCopy("closed")
      await rm(join(folder, "CLOSED"))
      await writeFile(join(folder, unfinished), new Uint8Array(1000))
      await writeNote(folder)
      if (left === "gone since") await rm(join(folder, unfinished))
      if (left === "there, and cut since") await truncate(join(folder, unfinished), 10)
      expect(await outcomeOf(folder), left).toBe(BATCHES)
      expect(await readdir(folder), left).not.toContain(unfinished)
    }
  })

  test("a damaged folder opens when asked to, and its vault is mended to what is right", async () => {
    let blocksLost = 0
    const files = await readdir(join(base, "closed"))
    for (const file of Array(ROUNDS).fill(files).flat()) {
      if (!/\.ldb$|CURRENT|MANIFEST/.test(file)) continue
      const folder = await freshCopy("closed")
      await flip(join(folder, file))
      if (file === "CURRENT") await rm(join(folder, file))
      const store = await openLevelStore({ folder, damaged: "open" })
      const vault = await openVault({ store, key, random, verify: "repair" })
      const mended = vault.table("records")
      let kept = 0
      for await (const { order, value } of mended.list(group)) {
        expect(value).toEqual(valueAt(order))
        expect(await mended.get(group, order)).toEqual(value)
        kept++
      }
      // At most a block is lost, or a table if the flip hit its index.
      if (!file.endsWith(".ldb")) expect(kept).toBe(BATCHES * RECORDS_IN_BATCH)
      else if (kept < BATCHES * RECORDS_IN_BATCH) {
        expect(vault.damage).not.toEqual([])
        if (kept > (BATCHES * RECORDS_IN_BATCH * 2) / 3) blocksLost++
      }
      await vault.write([mended.put(group, 1_000_000, valueAt(1_000_000))])
      await vault.close()
      const again = await openOn(folder)
      expect(await again.table("records").get(group, 1_000_000)).toEqual(valueAt(1_000_000))
      await again.close()
      await rm(folder, { recursive: true })
    }
    expect(blocksLost).toBeGreaterThan(0)
  })
})

test("CRC-32C gives the check value of its catalogue", () => {
  expect(crc32c(utf8ToBytes("123456789"))).toBe(0xe3069283)
  expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa)
})

type Outcome = "found" | number

/** Damages a copy for each file and round; `damage` says which outcomes are right. */
async function forEachFile(
  state: string,
  damage: (file: string, folder: string) => Promise<readonly Outcome[]>,
  rounds: number = ROUNDS,
): Promise<void> {
  for (const file of await readdir(join(base, state))) {
    if (file === "RESERVE" || file === "LOCK") continue
    for (let round = 0; round < rounds; round++) {
      const folder = await freshCopy(state)
      const right = await damage(file, folder)
      expect([file, round, right]).toEqual([
        file,
        round,
        expect.arrayContaining([await outcomeOf(folder)]),
      ])
      await rm(folder, { recursive: true })
    }
  }
}

/** Opens, and reads everything each way there is: `found`, or how many batches there are. */
async function outcomeOf(folder: string): Promise<Outcome> {
  try {
    await using vault = await openOn(folder)
    const table = vault.table("records")
    const last = await vault.table("last").get(group)
    const batches = last === undefined ? 0 : (last[0] ?? 0) + 1
    const orders = Array.from({ length: batches * RECORDS_IN_BATCH }, (_, order) => order)
    const got = await table.getMany(orders.map((order) => ({ group, order })))
    const listed: Uint8Array[] = []
    for await (const { value } of table.list(group)) listed.push(value)
    const right = orders.map(valueAt)
    expect(got).toEqual(right)
    expect(listed).toEqual(right)
    expect(await table.get(group, orders.length)).toBeUndefined()
    return batches
  } catch (error) {
    const isFound =
      (error instanceof StoreError && error.code === "STORE_CORRUPT") ||
      (error instanceof VaultError && error.code === "VAULT_DAMAGED")
    if (isFound) return "found"
    throw error
  }
}

async function openOn(folder: string): Promise<Vault> {
  const store = await openLevelStore({ folder })
  try {
    return await openVault({ store, key, random })
  } catch (error) {
    await store.close()
    throw error
  }
}

async function writeBatch(vault: Vault, batch: number): Promise<void> {
  const table = vault.table("records")
  const orders = Array.from({ length: RECORDS_IN_BATCH }, (_, at) => batch * RECORDS_IN_BATCH + at)
  await vault.write([
    ...orders.map((order) => table.put(group, order, valueAt(order))),
    vault.table("last").put(group, 0, Uint8Array.of(batch)),
  ])
}

function valueAt(order: number): Uint8Array {
  return Uint8Array.from({ length: 200 + (order % 300) }, (_, at) => order * 31 + at)
}

async function freshCopy(state: string): Promise<string> {
  const folder = await mkdtemp(join(base, "copy-"))
  await copyFolder(join(base, state), folder)
  return folder
}

/** The reserve is large and never changed: a link to it will do. */
async function copyFolder(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true })
  for (const file of await readdir(from)) {
    const copy = file === "RESERVE" ? link : copyFile
    await copy(join(from, file), join(to, file))
  }
}

async function flip(path: string): Promise<void> {
  const bytes = await readFile(path)
  if (bytes.length === 0) return
  const at = randomBelow(random, bytes.length)
  bytes[at] = (bytes[at] ?? 0) ^ (1 << randomBelow(random, 8))
  await writeFile(path, bytes)
}

async function zero(path: string): Promise<void> {
  const bytes = await readFile(path)
  const at = randomBelow(random, Math.ceil(bytes.length / 512)) * 512
  await writeFile(path, bytes.fill(0, at, at + 512))
}

async function cut(path: string): Promise<void> {
  const { length } = await readFile(path)
  if (length > 0) await truncate(path, randomBelow(random, length))
}
