/** What takes long is done in slices: others have their turn meanwhile, and the result is the same. */
import type { Clock } from "@fulcrum/crypto/clock"
import { generateSigningKey } from "@fulcrum/crypto/ed25519"
import { seededRandom } from "@fulcrum/crypto/random"
import { expect, test } from "vitest"
import { atOnce, inSlices, pacing, type Sliced } from "../src/slices.ts"
import { append, carry, openDevice, textsOf } from "./device.ts"
import { spaceSecrets } from "./fixture.ts"

/** A clock that goes on by itself; `turn`: what others do in theirs. */
function busyClock(msEach: number, turn: () => Promise<void> = async () => undefined) {
  let now = 1_000_000
  let turns = 0
  const clock: Clock = {
    now: () => {
      now += msEach
      return now
    },
    async sleep() {
      turns++
      await turn()
    },
  }
  return { clock, turns: () => turns }
}

function* counted(parts: number): Sliced<number> {
  for (let at = 0; at < parts; at++) yield
  return parts
}

test("[L26] work in slices gives others a turn whenever it has taken 2 ms, and at once none", async () => {
  expect(atOnce(counted(100))).toBe(100)
  expect(await inSlices(counted(100), undefined)).toBe(100)
  for (const [msEach, turns] of [
    [0, 0],
    [1, 50],
    [8, 100],
    [50, 100],
    [-8, 100],
  ] as const) {
    const { clock, turns: taken } = busyClock(msEach)
    expect(await inSlices(counted(100), clock)).toBe(100)
    expect([msEach, taken()]).toEqual([msEach, turns])
  }
  expect(pacing(undefined)()).toBeUndefined()
})

test("[L26] what fails in a later slice fails as it does at once", async () => {
  function* failing(): Sliced<never> {
    yield
    throw new RangeError("in the middle")
  }
  expect(() => atOnce(failing())).toThrow("in the middle")
  await expect(inSlices(failing(), busyClock(10).clock)).rejects.toThrow("in the middle")
})

test("[L26] a device that merges and one that takes it in append meanwhile, and have the same in the end", async () => {
  const space = spaceSecrets("slices")
  let [written, turnsOfB] = [0, 0]
  const turnOfA = async () => {
    if (written < 3) await append(a, `by a, meanwhile ${written++}`)
  }
  const turnOfB = async () => {
    if (turnsOfB++ < 3) await append(b, `by b, meanwhile ${turnsOfB}`)
  }
  const clockOfA = busyClock(10, turnOfA)
  const clockOfB = busyClock(10, turnOfB)
  const signer = generateSigningKey(seededRandom("the device's key"))
  const a = await openDevice(space, "a", { clock: clockOfA.clock, signer })
  const b = await openDevice(space, "b", { clock: clockOfB.clock })
  for (let at = 0; at < 8; at++) {
    await append(a, ...Array.from({ length: 60 }, (_, each) => `${at} ${each}`))
  }
  // The small spans, of which each is opened in slices.
  await carry(a.replica, b.replica)
  expect(turnsOfB).toBeGreaterThan(8)
  expect(await a.replica.merging.merge()).toBeDefined()
  expect(clockOfA.turns()).toBeGreaterThan(8)
  expect(written).toBe(3)
  const before = turnsOfB
  // And the merged one, which is opened and compared so.
  const { spans } = await a.replica.spansAfter([], { bytesMax: 1_000_000 })
  expect(spans.length).toBeLessThan(8)
  await b.replica.admit(spans)
  expect(turnsOfB).toBeGreaterThan(before)
  await carry(b.replica, a.replica)
  await carry(a.replica, b.replica)
  const texts = await textsOf(a.replica)
  expect(texts).toHaveLength(8 * 60 + 3 + 3)
  expect(new Set(await textsOf(b.replica))).toEqual(new Set(texts))
  expect(b.replica.digest).toEqual(a.replica.digest)
})
