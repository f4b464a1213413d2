/** The vault: tables, atomic writes, what is on the disk, and every kind of damage. */
import { bytesToHex, utf8ToBytes } from "@fulcrum/codec/bytes"
import { seededRandom } from "@fulcrum/crypto/random"
import * as fc from "fast-check"
import { describe, expect, test } from "vitest"
import type { Store, WriteOp } from "../src/contract.ts"
import { MemoryDisk, openMemoryStore } from "../src/memory.ts"
import { openVault, type Vault, type VaultOp, type VaultOptions } from "../src/vault.ts"
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
    expect(
      (await spans.getMany([{ group: utf8ToBytes("a"), order: 1 }, { group: utf8ToBytes("x") }]))
        .map((value) => value && text(value)),
    ).toEqual(["a1", undefined])
    expect(await ordersOf(vault, "a", {})).toEqual([1, 2, 2 ** 40])
    expect(await ordersOf(vault, "a", { reverse: true, limit: 2 })).toEqual([2 ** 40, 2])
    expect(await ordersOf(vault, "a", { from: 2 })).toEqual([2, 2 ** 40])
    expect(await ordersOf(vault, "a", { from: 1, to: 2 })).toEqual([1])
    const whole = await Array.fromAsync(spans.groups())
    expect(
      whole.map(({ group, order, value }) => `${text(group)} ${order} ${text(value)}`).sort(),
    ).toEqual(["a 1 a1", `a ${2 ** 40} a far`, "a 2 a2", "b 1 "].sort())
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

async function ordersOf(vault: Vault, group: string, range: object): Promise<number[]> {
  const records = await Array.fromAsync(vault.table("spans").list(utf8ToBytes(group), range))
  return records.map(({ order }) => order)
}

function text(bytes: Uint8Array | undefined): string {
  return new TextDecoder().decode(bytes)
}
