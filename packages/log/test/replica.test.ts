import { expect, test } from "vitest"
import { append, carry, entriesOf, openDevice, textsOf } from "./device.ts"
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
