/** Sums modulo 2^256, against BigInt. */
import * as fc from "fast-check"
import { expect, test } from "vitest"
import { addToSum, bytesToSum, equalSums, newSum, sumToBytes, takeFromSum } from "../src/sum256.ts"

const MODULUS = 1n << 256n
const number256 = fc.uint8Array({ minLength: 32, maxLength: 32 })

test("adding and taking is that of numbers modulo 2^256", async () => {
  await fc.assert(
    fc.property(number256, number256, (a, b) => {
      const sum = bytesToSum(a)
      addToSum(sum, b)
      expect(bigOf(sumToBytes(sum))).toBe((bigOf(a) + bigOf(b)) % MODULUS)
      takeFromSum(sum, a)
      expect(equalSums(sum, bytesToSum(b))).toBe(true)
      takeFromSum(sum, a)
      expect(bigOf(sumToBytes(sum))).toBe((bigOf(b) - bigOf(a) + MODULUS) % MODULUS)
    }),
    { seed: 1 },
  )
})

test("carries and borrows run through all words", () => {
  const sum = newSum()
  const one = new Uint8Array(32)
  one[31] = 1
  takeFromSum(sum, one)
  expect(sumToBytes(sum)).toEqual(new Uint8Array(32).fill(255))
  addToSum(sum, one)
  expect(equalSums(sum, newSum())).toBe(true)
})

function bigOf(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).toString("hex")}`)
}
