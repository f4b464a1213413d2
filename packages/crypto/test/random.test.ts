import { bytesToHex, concatBytes } from "@fulcrum/codec/bytes"
import { expect, test } from "vitest"
import { randomBelow, seededRandom, systemRandom } from "../src/random.ts"

test("[K11] one seed gives one stream, however it is cut", () => {
  const whole = seededRandom("seed").bytes(10_000)
  const cut = seededRandom("seed")
  expect(concatBytes([cut.bytes(1), cut.bytes(0), cut.bytes(5000), cut.bytes(4999)])).toEqual(whole)
  expect(seededRandom("other").bytes(32)).not.toEqual(whole.subarray(0, 32))
  expect(seededRandom(1).bytes(32)).not.toEqual(seededRandom("1").bytes(32))
  expect(bytesToHex(whole.subarray(0, 16))).toBe("4d9aa6577b2d1c217c0eaa86183dd099")
})

test("[K11] a fork is decided by seed and label, not by what was drawn", () => {
  const fresh = seededRandom("seed")
  const used = seededRandom("seed")
  used.bytes(1000)
  const bytes = fresh.fork("a").bytes(32)
  expect(used.fork("a").bytes(32)).toEqual(bytes)
  expect(used.fork("b").bytes(32)).not.toEqual(bytes)
  expect(fresh.bytes(32)).not.toEqual(bytes)
})

test("[K11] what is drawn is the caller's own", () => {
  const random = seededRandom("seed")
  const first = random.bytes(8)
  const copy = Uint8Array.from(first)
  random.bytes(8).fill(0)
  first.fill(0)
  expect(seededRandom("seed").bytes(8)).toEqual(copy)
})

test("the system's gives any length", () => {
  const random = systemRandom()
  expect(random.bytes(0)).toHaveLength(0)
  expect(random.bytes(200_000).subarray(-32)).not.toEqual(new Uint8Array(32))
})

test("numbers below a bound are all drawn, and none beyond", () => {
  const random = seededRandom("below")
  const counts = [0, 0, 0]
  for (let i = 0; i < 3000; i++) {
    const drawn = randomBelow(random, 3)
    counts[drawn] = (counts[drawn] ?? 0) + 1
  }
  expect(counts).toHaveLength(3)
  for (const count of counts) expect(count).toBeGreaterThan(850)
  expect(randomBelow(random, 1)).toBe(0)
  expect(() => randomBelow(random, 0)).toThrow(RangeError)
})
