import type { Store } from "@fulcrum/store"
import { MemoryDisk, type MemoryFault, openMemoryStore } from "@fulcrum/store/memory"
import { expect, test } from "vitest"
import { append, carry, mergeAll, openDevice, textsOf } from "./device.ts"
import { spaceSecrets } from "./fixture.ts"

const space = spaceSecrets("fresh spans")
const LIMIT = { bytesMax: 1_000_000 }

/** A store that counts how often it is read. */
async function countedStore(disk: MemoryDisk): Promise<{ store: Store; reads: () => number }> {
  const inner = await openMemoryStore({ disk })
  let reads = 0
  const store: Store = {
    get: (key) => {
      reads++
      return inner.get(key)
    },
    getMany: (keys) => {
      reads++
      return inner.getMany(keys)
    },
    list: (range) => {
      reads++
      return inner.list(range)
    },
    write: (ops) => inner.write(ops),
    close: () => inner.close(),
    [Symbol.asyncDispose]: () => inner.close(),
  }
  return { store, reads: () => reads }
}

test("[L24] who has all but what was appended last gets that without the disk being read", async () => {
  const { store, reads } = await countedStore(new MemoryDisk())
  const device = await openDevice(space, "writes", { store })
  const other = await openDevice(space, "follows")
  await append(device, "first")
  await carry(device.replica, other.replica)
  const { vector } = other.replica
  const written = await append(device, "second")
  await append(device, "third", "fourth")
  const before = reads()
  const given = await device.replica.spansAfter(vector, LIMIT)
  expect(reads()).toBe(before)
  expect(given.spans[0]).toEqual(written[0])
  expect(given.reached).toEqual(device.replica.vector)
  await other.replica.admit(given.spans)
  expect(await textsOf(other.replica)).toEqual(["first", "second", "third", "fourth"])
})

test("[L24] a limit is kept, and the rest comes after it", async () => {
  const device = await openDevice(space, "writes in turn")
  const { vector } = device.replica
  for (const text of ["a", "b", "c"]) await append(device, text)
  const texts: number[] = []
  let after = vector
  for (let at = 0; at < 3; at++) {
    const { spans, reached } = await device.replica.spansAfter(after, { bytesMax: 1 })
    texts.push(spans.length)
    after = reached
  }
  expect(texts).toEqual([1, 1, 1])
  expect((await device.replica.spansAfter(after, LIMIT)).spans).toEqual([])
})

test("[L24] once it is merged it is given as it is kept, and so is what was appended before others' came in", async () => {
  const device = await openDevice(space, "merges")
  const other = await openDevice(space, "writes too")
  const { vector } = device.replica
  for (let at = 0; at < 8; at++) await append(device, `${at}`)
  expect((await device.replica.spansAfter(vector, LIMIT)).spans).toHaveLength(8)
  await mergeAll(device.replica)
  expect((await device.replica.spansAfter(vector, LIMIT)).spans).toHaveLength(1)

  await append(device, "own")
  const apart = device.replica.vector
  await append(device, "own again")
  await append(other, "other's")
  await carry(other.replica, device.replica)
  await append(device, "own on both")
  const { spans, reached } = await device.replica.spansAfter(apart, LIMIT)
  expect(spans).toHaveLength(3)
  expect(reached).toEqual(device.replica.vector)
})

test("[L24] after a failed write only what is on the disk is given", async () => {
  let fault: MemoryFault | undefined
  const disk = new MemoryDisk({ fault: () => fault })
  const device = await openDevice(space, "fails", { disk })
  const { vector } = device.replica
  await append(device, "kept")
  const { vector: after } = device.replica
  fault = { type: "fail-before" }
  await expect(append(device, "lost")).rejects.toThrow()
  fault = undefined
  device.replica.poison()
  await device.replica.admit([])
  await append(device, "later")
  expect((await device.replica.spansAfter(after, LIMIT)).spans).toHaveLength(1)
  expect((await device.replica.spansAfter(vector, LIMIT)).spans).toHaveLength(2)
})
