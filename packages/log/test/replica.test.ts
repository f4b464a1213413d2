import { expect, test } from "vitest"
import { append, carry, type Device, entriesOf, openDevice, textsOf } from "./device.ts"
import { spaceSecrets } from "./fixture.ts"

const space = spaceSecrets("replica")

test("[L4] what was appended is there after a restart, in order, under a new incarnation", async () => {
  const first = await openDevice(space, "a")
  await append(first, "one")
  await append(first, "two", "three")
  const { vector } = first.replica
  expect(vector).toHaveLength(1)
  expect(vector[0]?.sequence).toBe(4)
  await first.vault.close()
  const again = await openDevice(space, "a", { disk: first.disk })
  expect(again.replica.vector).toEqual(vector)
  await append(again, "four")
  expect(again.replica.vector).toHaveLength(1)
  expect(again.replica.vector[0]?.sequence).toBe(6)
  expect(again.replica.vector[0]?.incarnation).not.toEqual(vector[0]?.incarnation)
  expect(await textsOf(again.replica)).toEqual(["one", "two", "three", "four"])
  expect(again.replica.tree.branchings()).toEqual([])
})

test("[L5] two replicas that carried everything have one vector, one digest, the same entries", async () => {
  const a = await openDevice(space, "a")
  const b = await openDevice(space, "b")
  await append(a, "a1")
  await carry(a.replica, b.replica)
  await append(b, "b1", "b2")
  await carry(b.replica, a.replica)
  await append(a, "a2")
  await carry(a.replica, b.replica)
  expect(a.replica.vector).toEqual(b.replica.vector)
  expect(a.replica.digest).toEqual(b.replica.digest)
  expect(await textsOf(b.replica)).toEqual(["a1", "b1", "b2", "a2"])
  const [aBegin, a1, , , , a2] = await entriesOf(a.replica)
  expect(aBegin?.begin?.parent).toBeUndefined()
  expect(a1?.on).toEqual([])
  expect(a2?.on.map((row) => row.sequence)).toEqual([3])
})

test("[L17] a cold clone of many incarnations comes in the order of arrival, piece by piece", async () => {
  let a: Device = await openDevice(space, "a")
  let b: Device = await openDevice(space, "b")
  for (let i = 0; i < 40; i++) {
    await append(a, `a${i}`)
    await carry(a.replica, b.replica)
    await append(b, `b${i}`)
    await carry(b.replica, a.replica)
    await a.vault.close()
    await b.vault.close()
    a = await openDevice(space, "a", { disk: a.disk })
    b = await openDevice(space, "b", { disk: b.disk })
  }
  expect(a.replica.tree.size).toBe(80)
  expect(a.replica.vector).toHaveLength(2)
  for (const bytesMax of [1, 3000, 20_000, 10_000_000]) {
    const clone = await openDevice(space, "clone")
    for (let reached = clone.replica.vector; ; ) {
      const next = await a.replica.spansAfter(reached, { bytesMax })
      if (next.spans.length === 0) break
      const results = await clone.replica.admit(next.spans)
      expect(new Set(results.map(({ outcome }) => outcome))).toEqual(new Set(["admitted"]))
      reached = next.reached
      expect(reached).toEqual(clone.replica.vector)
    }
    expect(await textsOf(clone.replica)).toEqual(await textsOf(a.replica))
    expect(clone.replica.digest).toEqual(a.replica.digest)
  }
  // One who knows half of the lines, and none of the incarnations since, sends little in vain.
  const old = await openDevice(space, "old")
  const { spans } = await a.replica.spansAfter([], { bytesMax: 1_000_000 })
  await old.replica.admit(spans.slice(0, 40))
  const back = await old.replica.spansAfter(a.replica.tree.trailed(), { bytesMax: 1_000_000 })
  expect(back.spans.length).toBeLessThanOrEqual(8)
})

test("[L17] what comes in while spans are read is not sent without what it is written on", async () => {
  const sent = new Set<number>()
  for (let delay = 0; delay < 60; delay++) {
    const [a, b, c] = await Promise.all(["a", "b", "c"].map((name) => openDevice(space, name)))
    if (a === undefined || b === undefined || c === undefined) throw new TypeError("three devices")
    for (const one of [a, b, c]) {
      await append(one, "begin")
      if (one !== c) await carry(one.replica, c.replica)
    }
    for (const one of [a, b]) await carry(c.replica, one.replica)
    // What b writes now is written on what a writes now, which is read first.
    await append(a, "cause")
    await carry(a.replica, b.replica)
    await append(b, "effect")
    const more = (await b.replica.spansAfter(c.replica.vector, { bytesMax: 100_000 })).spans
    const admission = c.replica.admit(more)
    for (let turn = 0; turn < delay; turn++) await Promise.resolve()
    const { spans, reached } = await c.replica.spansAfter([], { bytesMax: 100_000 })
    await admission
    const fresh = await openDevice(space, "fresh")
    const results = await fresh.replica.admit(spans)
    expect(new Set(results.map(({ outcome }) => outcome))).toEqual(new Set(["admitted"]))
    expect(reached).toEqual(fresh.replica.vector)
    sent.add(spans.length)
  }
  // Some reads came before it was in, some after.
  expect([...sent].sort()).toEqual([3, 5])
})
