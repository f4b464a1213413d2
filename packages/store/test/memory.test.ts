/** The memory store: the contract, and what each injected fault leaves behind. */
import { describe, expect, test } from "vitest"
import { type Store, StoreError, type WriteOp } from "../src/contract.ts"
import { MemoryDisk, type MemoryFault, openMemoryStore } from "../src/memory.ts"
import { storeContract } from "../src/suite.ts"

describe("contract", () => {
  const cases = storeContract(async () => {
    const disk = new MemoryDisk()
    return { open: () => openMemoryStore({ disk }), dispose: async () => disk.crash() }
  })
  for (const { name, run } of cases) test(name, run)
})

describe("faults", () => {
  const faults: readonly [MemoryFault, code: string, landed: boolean][] = [
    [{ type: "fail-before" }, "STORE_IO", false],
    [{ type: "fail-after" }, "STORE_IO", true],
    [{ type: "crash-before" }, "STORE_IO", false],
    [{ type: "crash-after" }, "STORE_IO", true],
  ]
  for (const [fault, code, landed] of faults) {
    test(`[S7] ${fault.type} rejects its writers and ${landed ? "keeps" : "drops"} the write`, async () => {
      const disk = new MemoryDisk({ fault: ({ index }) => (index === 1 ? fault : undefined) })
      const store = await openMemoryStore({ disk })
      await store.write([put(1)])
      await expect(store.write([put(2)])).rejects.toMatchObject({ code })
      disk.crash()
      expect(await numbersOn(disk)).toEqual(landed ? [1, 2] : [1])
    })
  }

  test("a bit that flips changes one record, copies have it, and what is written over it ends it", async () => {
    const disk = new MemoryDisk()
    const store = await openMemoryStore({ disk })
    await store.write([put(1), put(2)])
    await store.close()
    // The last byte is the second record's value.
    disk.flipBit(8 * (disk.usedBytes - 1))
    expect(disk.hasFlippedBit).toBe(true)
    const copy = disk.copy()
    expect(copy.hasFlippedBit).toBe(true)
    const again = await openMemoryStore({ disk: copy })
    expect(await again.get(Uint8Array.of(2))).toEqual(Uint8Array.of(2 ^ 1))
    await again.write([put(2)])
    expect(copy.hasFlippedBit).toBe(false)
    expect(disk.hasFlippedBit).toBe(true)
    expect(() => disk.flipBit(8 * disk.usedBytes)).toThrow(RangeError)
  })

  test("[S7] exactly the writers of a failed flush are rejected", async () => {
    const disk = new MemoryDisk({
      fault: ({ index }) => (index === 1 ? { type: "fail-before" } : undefined),
    })
    const store = await openMemoryStore({ disk })
    const outcomes: Promise<string>[] = []
    for (let flush = 0; flush < 3; flush++) {
      for (let at = 0; at < 4; at++) {
        outcomes.push(
          store.write([put(flush * 4 + at)]).then(
            () => "done",
            (error: StoreError) => error.code,
          ),
        )
      }
      await outcomes.at(-1)
    }
    const told = await Promise.all(outcomes)
    expect(told).toEqual([
      ...Array(4).fill("done"),
      ...Array(4).fill("STORE_IO"),
      ...Array(4).fill("done"),
    ])
    disk.crash()
    expect(await numbersOn(disk)).toEqual([0, 1, 2, 3, 8, 9, 10, 11])
  })

  test("[S7] a torn flush keeps the first of its writes, each whole, and acknowledges none", async () => {
    const disk = new MemoryDisk({ fault: () => ({ type: "torn", landed: 2 }) })
    const store = await openMemoryStore({ disk })
    const writes = [0, 2, 4, 6].map((at) => store.write([put(at), put(at + 1)]))
    for (const write of writes) await expect(write).rejects.toBeInstanceOf(StoreError)
    disk.fault = undefined
    expect(await numbersOn(disk)).toEqual([0, 1, 2, 3])
  })

  test("[S7] a crash drops what was not flushed, and cuts off who had it open", async () => {
    let flushed = () => {}
    const disk = new MemoryDisk({
      delay: () =>
        new Promise((resolve) => {
          flushed = resolve
        }),
    })
    const store = await openMemoryStore({ disk })
    const first = store.write([put(1)])
    await Promise.resolve()
    flushed()
    await first
    const second = store.write([put(2)])
    await Promise.resolve()
    disk.crash()
    flushed()
    await expect(second).rejects.toMatchObject({ code: "STORE_CLOSED" })
    await expect(store.get(Uint8Array.of(1))).rejects.toMatchObject({ code: "STORE_CLOSED" })
    expect(await numbersOn(disk)).toEqual([1])
  })

  test("[S8] a full disk refuses writes, is read, and takes writes again when it has room", async () => {
    const disk = new MemoryDisk({ capacityBytes: 5 })
    const store = await openMemoryStore({ disk })
    await store.write([put(1), put(2)])
    await expect(store.write([put(3), put(4)])).rejects.toMatchObject({ code: "STORE_FULL" })
    expect(await store.get(Uint8Array.of(1))).toEqual(Uint8Array.of(1))
    await store.write([del(1), put(3)])
    disk.capacityBytes = 100
    await store.write([put(4)])
    await store.close()
    expect(await numbersOn(disk)).toEqual([2, 3, 4])
  })

  test("a copy of a disk goes its own way", async () => {
    const disk = new MemoryDisk()
    const store = await openMemoryStore({ disk })
    await store.write([put(1)])
    const copy = disk.copy()
    await store.write([put(2)])
    expect(await numbersOn(copy)).toEqual([1])
    expect(disk.usedBytes).toBe(4)
    expect(disk.flushes).toBe(2)
  })
})

function put(at: number): WriteOp {
  return { type: "put", key: Uint8Array.of(at), value: Uint8Array.of(at) }
}

function del(at: number): WriteOp {
  return { type: "del", key: Uint8Array.of(at) }
}

async function numbersOn(disk: MemoryDisk): Promise<number[]> {
  await using store: Store = await openMemoryStore({ disk })
  const numbers: number[] = []
  for await (const [key] of store.list({ gte: Uint8Array.of(0), lt: Uint8Array.of(255) })) {
    numbers.push(key[0] ?? -1)
  }
  return numbers
}
