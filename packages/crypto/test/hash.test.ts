import { bytesToHex, concatBytes, utf8ToBytes } from "@fulcrum/codec/bytes"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { equalInConstantTime } from "../src/constant-time.ts"
import type { Context } from "../src/contexts.ts"
import { hash, hkdf, hmac, sha256 } from "../src/hash.ts"

const one: Context = "fulcrum/v1/seeded-random"
const other: Context = "fulcrum/v1/seeded-random-fork"
const key = new Uint8Array(32).fill(5)
const none = new Uint8Array(0)
const parts = fc.array(fc.uint8Array({ maxLength: 12 }), { maxLength: 4 })

describe("hashes and derived keys", () => {
  test("[K5] the bytes of version 1, for ever", () => {
    const a = utf8ToBytes("a")
    expect(bytesToHex(hash(one, a, none))).toBe(
      "04224d38889b70b4583753ce3c2de342fdb6bd5dbe0522c7b3d57ed951ac2e8c",
    )
    expect(bytesToHex(hmac(one, key, a, none))).toBe(
      "045a4af548497bbfd44af78a342569b3b22ce24b4d270f9d67ba28660a345a08",
    )
    expect(bytesToHex(hkdf(one, key, a, a, 40))).toBe(
      "d9bca8aba3123036e7d883f8135465912cb6755dc95a18a1626debb6a7604485744ee67ca8762950",
    )
  })

  test("[K5] each is of its context and its list of parts alone", () => {
    fc.assert(
      fc.property(parts, parts, (a, b) => {
        const isSame = JSON.stringify(a.map((p) => [...p])) === JSON.stringify(b.map((p) => [...p]))
        expect(bytesToHex(hash(one, ...a)) === bytesToHex(hash(one, ...b))).toBe(isSame)
        expect(bytesToHex(hmac(one, key, ...a)) === bytesToHex(hmac(one, key, ...b))).toBe(isSame)
        expect(hash(one, ...a)).not.toEqual(hash(other, ...a))
        expect(hmac(one, key, ...a)).not.toEqual(hmac(other, key, ...a))
        expect(sha256(...a)).toEqual(sha256(concatBytes(a)))
      }),
    )
    expect(hkdf(one, key, none, none, 32)).not.toEqual(hkdf(other, key, none, none, 32))
    expect(hkdf(one, key, none, none, 32)).not.toEqual(hkdf(one, key, none, key, 32))
    expect(hkdf(one, key, none, none, 32)).not.toEqual(hkdf(one, key, key, none, 32))
  })

  test("[K5] a shorter key is the start of a longer one, and each has the length asked for", () => {
    const long = hkdf(one, key, none, none, 8160)
    for (const length of [0, 1, 31, 32, 33, 64, 8160]) {
      expect(hkdf(one, key, none, none, length)).toEqual(long.subarray(0, length))
    }
    expect(() => hkdf(one, key, none, none, 8161)).toThrow(RangeError)
  })

  test("a key that is too short is a mistake", () => {
    expect(() => hmac(one, new Uint8Array(15))).toThrow(RangeError)
    expect(() => hkdf(one, none, none, none, 32)).toThrow(RangeError)
  })

  test("comparing in constant time compares", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 9 }), fc.uint8Array({ maxLength: 9 }), (a, b) => {
        expect(equalInConstantTime(a, b)).toBe(bytesToHex(a) === bytesToHex(b))
        expect(equalInConstantTime(a, Uint8Array.from(a))).toBe(true)
      }),
    )
  })
})
