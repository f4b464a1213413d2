/** The vault: tables, atomic writes, what is on the disk, and every kind of damage. */
import { bytesToHex, utf8ToBytes } from "@fulcrum/codec/bytes"
import { seededRandom } from "@fulcrum/crypto/random"
import * as fc from "fast-check"
import { describe, expect, test } from "vitest"
import { type Store, StoreError, VALUE_BYTES_MAX, type WriteOp } from "../src/contract.ts"
import { MemoryDisk, type MemoryFault, openMemoryStore } from "../src/memory.ts"
import {
  openVault,
  type TableRange,
  type Vault,
  type VaultOp,
  type VaultOptions,
} from "../src/vault.ts"
import { VaultError } from "../src/vault-error.ts"

const random = seededRandom("vault test")
const key = random.bytes(32)
const everything = { gte: Uint8Array.of(0), lt: new Uint8Array(64).fill(0xff) }

describe("tables", () => {
  test("[V1] what was written is read back, alone, in its group and in its table", async () => {
    await using vault = await openOn(new MemoryDisk())
    const spans = vault.table("spans")
    const names = vault.table("names")
    await vault.write([
      spans.put(utf8ToBytes("a"), 2, utf8ToBytes("a2")),
      spans.put(utf8ToBytes("a"), 2 ** 40, utf8ToBytes("a far")),
      spans.put(utf8ToBytes("a"), 1, utf8ToBytes("a1")),
      spans.put(utf8ToBytes("b"), 1, new Uint8Array(0)),
      names.put(utf8ToBytes("a"), 0, utf8ToBytes("other table")),
    ])
    expect(text(await spans.get(utf8ToBytes("a"), 2))).toBe("a2")
    expect(text(await names.get(utf8ToBytes("a")))).toBe("other table")
    expect(await spans.get(utf8ToBytes("a"), 3)).toBeUndefined()
    expect(await spans.get(utf8ToBytes("b"), 1)).toEqual(new Uint8Array(0))
    const many = await spans.getMany([
      { group: utf8ToBytes("a"), order: 1 },
      { group: utf8ToBytes("x") },
    ])
    expect(many.map((value) => value && text(value))).toEqual(["a1", undefined])
    expect(await ordersOf(vault, "a", {})).toEqual([1, 2, 2 ** 40])
    expect(await ordersOf(vault, "a", { reverse: true, limit: 2 })).toEqual([2 ** 40, 2])
    expect(await ordersOf(vault, "a", { from: 2 })).toEqual([2, 2 ** 40])
    expect(await ordersOf(vault, "a", { from: 1, to: 2 })).toEqual([1])
    expect((await contentOf(vault, "spans")).sort()).toEqual(
      ["a 1 a1", `a ${2 ** 40} a far`, "a 2 a2", "b 1 "].sort(),
    )
  })

  test("[V2] writes are whole over all tables, and the later of two on one place counts", async () => {
    const disk = new MemoryDisk()
    const vault = await openOn(disk)
    const [one, two] = [vault.table("one"), vault.table("two")]
    const group = utf8ToBytes("g")
    await vault.write([one.put(group, 0, utf8ToBytes("1")), two.put(group, 0, utf8ToBytes("1"))])
    disk.fault = () => ({ type: "fail-before" })
    await expect(vault.write([one.del(group, 0), two.del(group, 0)])).rejects.toMatchObject({
      code: "STORE_IO",
    })
    disk.fault = undefined
    await vault.write([one.put(group, 1, utf8ToBytes("x")), one.del(group, 1), two.del(group, 5)])
    await vault.close()
    await using again = await openOn(disk)
    expect(await again.table("one").get(group)).toEqual(utf8ToBytes("1"))
    expect(await again.table("two").get(group)).toEqual(utf8ToBytes("1"))
    expect(await again.table("one").get(group, 1)).toBeUndefined()
  })
})

describe("what is on the disk", () => {
  test("[V3] no name, group or value is there in clear, and two vaults share nothing", async () => {
    const captures: string[] = []
    for (const seed of ["one", "two"]) {
      const disk = new MemoryDisk()
      const vaultKey = seededRandom(seed).bytes(32)
      const vault = await openOn(disk, { key: vaultKey, random: seededRandom(seed) })
      const table = vault.table("canary-table")
      const group = utf8ToBytes("canary-group")
      await vault.write([table.put(group, 7, utf8ToBytes("canary-value"))])
      await vault.write([vault.table("other").put(group, 7, utf8ToBytes("canary-value"))])
      await vault.close()
      const records = await rawRecords(disk)
      captures.push(Buffer.concat(records.flat()).toString("latin1"))
      const groupIds = records.slice(2).map(([recordKey]) => bytesToHex(recordKey.subarray(9, 25)))
      expect(new Set(groupIds).size).toBe(2)
    }
    for (const capture of captures) expect(capture).not.toMatch(/canary|other/)
    const [one = "", two = ""] = captures
    for (let at = 0; at + 8 <= one.length; at++) {
      const shared = one.slice(at, at + 8)
      // Orders are in the clear.
      if (!shared.includes("\0\0\0")) expect(two.includes(shared)).toBe(false)
    }
  })

  test("[V5] another key opens nothing and is told from damage", async () => {
    const disk = await writtenDisk()
    const other = random.bytes(32)
    const wrong = { code: "VAULT_KEY_WRONG" }
    await expect(openOn(disk, { key: other })).rejects.toMatchObject(wrong)
    await expect(openOn(disk, { key: other, verify: "repair" })).rejects.toMatchObject(wrong)
    await tamper(disk, (records) => [
      { type: "put", key: ROOT, value: flipped(valueAt(records, 1), 30) },
    ])
    await expect(openOn(disk, { key: other })).rejects.toMatchObject(wrong)
    await expect(openOn(disk)).rejects.toMatchObject({ code: "VAULT_DAMAGED", tables: [] })
  })

  // At 0 the key check, at 1 the root, from 2 on the six records of one group.
  const tampers: readonly [name: string, what: string, Tamper][] = [
    ["a missing record", "count", (now) => [{ type: "del", key: keyAt(now, 4) }]],
    [
      "an old value",
      "digest",
      (now, old) => [{ type: "put", key: keyAt(now, 4), value: valueAt(old, 4) }],
    ],
    ["an old root", "count", (_, old) => [{ type: "put", key: ROOT, value: valueAt(old, 1) }]],
    [
      "two records that changed places",
      "digest",
      (now) => [
        { type: "put", key: keyAt(now, 4), value: valueAt(now, 5) },
        { type: "put", key: keyAt(now, 5), value: valueAt(now, 4) },
      ],
    ],
    [
      "a record under another order",
      "count",
      (now) => [{ type: "put", key: flipped(keyAt(now, 4), 30), value: valueAt(now, 4) }],
    ],
    [
      "a record in another table",
      "count",
      (now) => [
        { type: "put", key: flipped(keyAt(now, 4), 3), value: valueAt(now, 4) },
        { type: "del", key: keyAt(now, 4) },
      ],
    ],
    [
      "a foreign key",
      "foreign",
      () => [{ type: "put", key: Uint8Array.of(3), value: Uint8Array.of(1) }],
    ],
    ["a missing root", "root", () => [{ type: "del", key: ROOT }]],
    ["a missing key check", "check", () => [{ type: "del", key: CHECK }]],
    [
      "a value cut short",
      "digest",
      (now) => [{ type: "put", key: keyAt(now, 4), value: new Uint8Array(3) }],
    ],
  ]
  for (const [name, what, ops] of tampers) {
    test(`[V4] ${name} is found when the vault is opened`, async () => {
      const disk = await writtenDisk()
      await tamper(disk, ops)
      await expect(openOn(disk, { verify: "counts" })).rejects.toMatchObject({
        name: "VaultError",
        code: "VAULT_DAMAGED",
      })
      await using vault = await openOn(disk, { verify: "report" })
      const found = vault.damage.map((damage) => damage.what)
      expect(found.some((each) => each === what || each === "record")).toBe(true)
    })
  }

  test("[V4] a value that changed in itself is found when read, or when all are opened", async () => {
    const disk = await writtenDisk()
    await tamper(disk, (now) => [
      { type: "put", key: keyAt(now, 4), value: flipped(valueAt(now, 4), 30) },
    ])
    await expect(openOn(disk, { verify: "all" })).rejects.toMatchObject({
      code: "VAULT_DAMAGED",
      tables: ["spans"],
    })
    await using vault = await openOn(disk, { verify: "counts" })
    await expect(contentOf(vault, "spans")).rejects.toBeInstanceOf(VaultError)
    expect(await vault.table("spans").get(utf8ToBytes("fine"))).toEqual(utf8ToBytes("fine"))
  })

  test("[V6] a repaired vault keeps what opens, says where, and is sound afterwards", async () => {
    for (const [, , ops] of tampers) {
      const disk = await writtenDisk()
      const whole = await contentsOn(disk)
      await tamper(disk, ops)
      const mended = await openOn(disk, { verify: "repair" })
      expect(mended.damage.length).toBeGreaterThan(0)
      const table = mended.table("spans")
      await mended.write([table.put(utf8ToBytes("new"), 0, utf8ToBytes("1"))])
      await mended.close()
      const contents = await contentsOn(disk)
      for (const record of contents) expect([...whole, "new 0 1", "group 2 old"]).toContain(record)
      expect(contents.length).toBeGreaterThan(whole.length - 2)
    }
  })
})

describe("writes", () => {
  test("[V7] whatever fails at whatever write, what was acknowledged adds up", async () => {
    const faults: MemoryFault[] = [
      { type: "fail-before" },
      { type: "fail-after" },
      { type: "crash-before" },
      { type: "crash-after" },
      { type: "torn", landed: 0 },
      { type: "torn", landed: 1 },
    ]
    for (const fault of faults) {
      for (let faulty = 1; faulty <= 8; faulty++) await writeThroughFault(fault, faulty)
    }
  })

  test("[V8] any writes, gathered in any way, leave what they say, and add up", async () => {
    const op = fc.record({
      table: fc.constantFrom("a", "b"),
      group: fc.constantFrom("x", "y", "z"),
      order: fc.nat({ max: 6 }),
      value: fc.option(fc.string({ maxLength: 5 })),
    })
    const waves = fc.array(fc.array(fc.array(op, { maxLength: 6 }), { maxLength: 4 }), {
      maxLength: 6,
    })
    await fc.assert(
      fc.asyncProperty(waves, async (input) => {
        const disk = new MemoryDisk()
        const model = new Map<string, string>()
        let vault = await openOn(disk)
        for (const [at, wave] of input.entries()) {
          for (const { table, group, order, value } of wave.flat()) {
            const place = `${table} ${group} ${order}`
            if (value === null) model.delete(place)
            else model.set(place, value)
          }
          const into = vault
          await Promise.all(wave.map((ops) => into.write(ops.map((each) => toOp(into, each)))))
          if (at % 2 === 1) {
            await vault.close()
            vault = await openOn(disk)
          }
        }
        await vault.close()
        await using again = await openOn(disk, { verify: "all" })
        const found = [
          ...(await contentOf(again, "a")).map((record) => `a ${record}`),
          ...(await contentOf(again, "b")).map((record) => `b ${record}`),
        ]
        expect(found.sort()).toEqual([...model].map(([place, value]) => `${place} ${value}`).sort())
      }),
      { numRuns: 60, seed: 7 },
    )
  })

  test("[V9] what is out of bounds is refused, and nothing of its write lands", async () => {
    const store = await openMemoryStore()
    await using vault = await openVault({ store, key, random })
    await expect(openVault({ store, key, random })).rejects.toBeInstanceOf(TypeError)
    await expect(openVault({ store, key: key.slice(1), random })).rejects.toBeInstanceOf(RangeError)
    const table = vault.table("spans")
    const group = new Uint8Array(1)
    const empty = new Uint8Array(0)
    const refused = [
      table.put(new Uint8Array(1025), 0, empty),
      table.put(group, -1, empty),
      table.put(group, 0.5, empty),
      table.put(group, 2 ** 53, empty),
      table.put(group, 0, new Uint8Array(VALUE_BYTES_MAX)),
    ]
    for (const op of refused) {
      await expect(vault.write([table.put(group, 1, empty), op])).rejects.toBeInstanceOf(RangeError)
    }
    expect(() => vault.table("")).toThrow(RangeError)
    expect(() => vault.table("x".repeat(65))).toThrow(RangeError)
    expect(await contentOf(vault, "spans")).toEqual([])
  })

  test("[V10] a full disk refuses, is read, and takes writes again when it has room", async () => {
    const disk = new MemoryDisk({ capacityBytes: 2000 })
    await using vault = await openOn(disk)
    const table = vault.table("spans")
    const group = utf8ToBytes("g")
    await vault.write([table.put(group, 1, utf8ToBytes("1"))])
    await expect(vault.write([table.put(group, 2, new Uint8Array(3000))])).rejects.toMatchObject({
      code: "STORE_FULL",
    })
    expect(await table.get(group, 1)).toEqual(utf8ToBytes("1"))
    disk.capacityBytes = 10_000
    await vault.write([table.put(group, 2, new Uint8Array(3000))])
  })
})

/** Overwrites, deletes and appends, two writes at a time; the flush `faulty` goes wrong. */
async function writeThroughFault(fault: MemoryFault, faulty: number): Promise<void> {
  const disk = new MemoryDisk()
  disk.fault = ({ index }) => (index === faulty ? fault : undefined)
  const possible = new Map<number, Set<string | undefined>>()
  const groupOf = (place: number) => utf8ToBytes(String(place % 2))
  const vault = await openOn(disk)
  const table = vault.table("spans")
  for (let step = 0; step < 8; step++) {
    const changes: [place: number, value: string | undefined][] = [
      [step % 3, step % 4 === 3 ? undefined : `a${step}`],
      [10 + step, "b"],
    ]
    const write = async ([place, value]: [number, string | undefined]) => {
      const group = groupOf(place)
      const op =
        value === undefined ? table.del(group, place) : table.put(group, place, utf8ToBytes(value))
      try {
        await vault.write([op])
        possible.set(place, new Set([value]))
      } catch (error) {
        expect(error).toBeInstanceOf(StoreError)
        possible.set(place, new Set([...(possible.get(place) ?? [undefined]), value]))
      }
    }
    await Promise.all(changes.map(write))
  }
  await vault.close()
  disk.crash()
  await using again = await openOn(disk, { verify: "all" })
  for (const [place, values] of possible) {
    const value = await again.table("spans").get(groupOf(place), place)
    expect([...values]).toContain(value && text(value))
  }
}

type Records = readonly (readonly [key: Uint8Array, value: Uint8Array])[]
type Tamper = (now: Records, before: Records) => WriteOp[]

const CHECK = Uint8Array.of(0)
const ROOT = Uint8Array.of(1)
let before: Records = []

/** A vault of two tables; `before` is the disk as it was one write earlier. */
async function writtenDisk(): Promise<MemoryDisk> {
  const disk = new MemoryDisk()
  const vault = await openOn(disk)
  const table = vault.table("spans")
  const group = utf8ToBytes("group")
  const six = [0, 1, 2, 3, 4, 5]
  await vault.write([
    ...six.map((order) => table.put(group, order, utf8ToBytes("old"))),
    vault.table("names").put(group, 0, utf8ToBytes("name")),
    table.put(utf8ToBytes("fine"), 0, utf8ToBytes("fine")),
  ])
  before = await rawRecords(disk.copy())
  await vault.write(six.map((order) => table.put(group, order, utf8ToBytes("now"))))
  await vault.write([table.put(utf8ToBytes("later"), 0, utf8ToBytes("later"))])
  await vault.close()
  return disk
}

async function tamper(disk: MemoryDisk, ops: Tamper): Promise<void> {
  const now = sixOf(await rawRecords(disk))
  await using store = await openMemoryStore({ disk })
  await store.write(ops(now, sixOf(before)))
}

/** The key check, the root, and the six records of the large group, in their order. */
function sixOf(records: Records): Records {
  const groups = Map.groupBy(records.slice(2), ([recordKey]) =>
    bytesToHex(recordKey.subarray(0, 25)),
  )
  const six = [...groups.values()].find((group) => group.length === 6) ?? []
  return [...records.slice(0, 2), ...six]
}

async function rawRecords(disk: MemoryDisk): Promise<Records> {
  await using store: Store = await openMemoryStore({ disk })
  const records: (readonly [Uint8Array, Uint8Array])[] = []
  for await (const record of store.list(everything)) records.push(record)
  return records
}

function keyAt(records: Records, at: number): Uint8Array {
  return records[at]?.[0] ?? new Uint8Array(0)
}

function valueAt(records: Records, at: number): Uint8Array {
  return records[at]?.[1] ?? new Uint8Array(0)
}

function flipped(bytes: Uint8Array, at: number): Uint8Array {
  return bytes.map((byte, index) => (index === at ? byte ^ 1 : byte))
}

function toOp(
  vault: Vault,
  each: { table: string; group: string; order: number; value: string | null },
): VaultOp {
  const table = vault.table(each.table)
  const group = utf8ToBytes(each.group)
  return each.value === null
    ? table.del(group, each.order)
    : table.put(group, each.order, utf8ToBytes(each.value))
}

async function openOn(
  disk: MemoryDisk,
  options: Partial<Omit<VaultOptions, "store">> = {},
): Promise<Vault> {
  const store = await openMemoryStore({ disk })
  try {
    return await openVault({ store, key, random, verify: "all", ...options })
  } catch (error) {
    await store.close()
    throw error
  }
}

async function contentsOn(disk: MemoryDisk): Promise<string[]> {
  await using vault = await openOn(disk)
  return [...(await contentOf(vault, "spans")), ...(await contentOf(vault, "names"))]
}

async function contentOf(vault: Vault, table: string): Promise<string[]> {
  const records: string[] = []
  for await (const { group, order, value } of vault.table(table).groups()) {
    records.push(`${text(group)} ${order} ${text(value)}`)
  }
  return records
}

async function ordersOf(vault: Vault, group: string, range: TableRange): Promise<number[]> {
  const orders: number[] = []
  for await (const { order } of vault.table("spans").list(utf8ToBytes(group), range)) {
    orders.push(order)
  }
  return orders
}

function text(bytes: Uint8Array | undefined): string {
  return new TextDecoder().decode(bytes)
}
