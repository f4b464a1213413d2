import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import { bytesToHex, hexToBytes, utf8ToBytes } from "@fulcrum/codec/bytes"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import type { Context } from "../src/contexts.ts"
import {
  generateSigningKey,
  isPublicKey,
  passesPrechecks,
  sign,
  signingKeyFromSeed,
  signRaw,
  verify,
  verifyRaw,
} from "../src/ed25519.ts"
import { seededRandom } from "../src/random.ts"
import { findShared, readFixture } from "./fixture.ts"
import { nativeSet, platforms } from "./platforms.ts"

interface Case {
  readonly name: string
  readonly publicKey: string
  readonly message: string
  readonly signature: string
  readonly isValid: boolean
}

const cctv = readFixture<{
  sha256: string
  total: number
  accepted: readonly number[]
  cases: readonly Case[]
}>("ed25519-cctv.json")
const wycheproof = readFixture<{ cases: readonly Case[] }>("ed25519-wycheproof.json")

/** `verifyRaw` over either set. */
function verdict(
  set: typeof nativeSet,
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  return passesPrechecks(publicKey, signature) && set.ed25519Equation(publicKey, message, signature)
}

describe.for(platforms)("the one verdict, $name", ({ set }) => {
  test("[K4] Wycheproof, some", () => {
    for (const { name, publicKey, message, signature, isValid } of wycheproof.cases) {
      const [key, text, sig] = [publicKey, message, signature].map(hexToBytes) as [
        Uint8Array,
        Uint8Array,
        Uint8Array,
      ]
      expect(verdict(set, key, text, sig), name).toBe(isValid)
    }
  })

  test("[K4] Wycheproof, all", (ctx) => {
    const file = findShared("vectors/wycheproof/ed25519.json")
    if (file === undefined) return ctx.skip("../shared/vectors is not there")
    const read: {
      testGroups: {
        publicKey: { pk: string }
        tests: { tcId: number; msg: string; sig: string; result: string }[]
      }[]
    } = JSON.parse(readFileSync(file, "utf8"))
    for (const { publicKey, tests } of read.testGroups) {
      for (const { tcId, msg, sig, result } of tests) {
        const key = hexToBytes(publicKey.pk)
        expect(verdict(set, key, hexToBytes(msg), hexToBytes(sig)), `${tcId}`).toBe(
          result === "valid",
        )
      }
    }
  })

  test("[K4] CCTV, one of each combination of flags", () => {
    for (const { name, publicKey, message, signature, isValid } of cctv.cases) {
      const text = utf8ToBytes(message)
      expect(verdict(set, hexToBytes(publicKey), text, hexToBytes(signature)), name).toBe(isValid)
    }
  })

  test("[K4] CCTV accepts the same 43 of 914 for ever", (ctx) => {
    expect(cctv.accepted).toHaveLength(43)
    const file = findShared("vectors/cctv/ed25519vectors.json")
    if (file === undefined) return ctx.skip("../shared/vectors is not there")
    const bytes = readFileSync(file)
    expect(createHash("sha256").update(bytes).digest("hex")).toBe(cctv.sha256)
    const all: { number: number; key: string; msg: string; sig: string }[] = JSON.parse(
      bytes.toString(),
    )
    expect(all).toHaveLength(cctv.total)
    const accepted = all.filter(({ key, msg, sig }) =>
      verdict(set, hexToBytes(key), utf8ToBytes(msg), hexToBytes(sig)),
    )
    expect(accepted.map(({ number }) => number)).toEqual(cctv.accepted)
  })
})

describe("prechecks", () => {
  const key = generateSigningKey(seededRandom("prechecks"))
  const message = utf8ToBytes("message")
  const signature = signRaw(key, message)

  /** All 8 points of small order in every encoding that decodes, and y = p to 2^255 - 1. */
  const weak = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    ...Array.from({ length: 19 }, (_, i) => `${(0xed + i).toString(16)}${"ff".repeat(30)}7f`),
    ...Array.from({ length: 19 }, (_, i) => `${(0xed + i).toString(16)}${"ff".repeat(30)}ff`),
  ].map(hexToBytes)

  test("[K4] no weak or second encoding is a key, or the R of a signature", () => {
    for (const point of weak) {
      expect(isPublicKey(point), bytesToHex(point)).toBe(false)
      expect(verifyRaw(point, message, signature)).toBe(false)
      expect(
        passesPrechecks(key.publicKey, Uint8Array.from([...point, ...signature.slice(32)])),
      ).toBe(false)
    }
  })

  test("[K4] S plus the order, and S itself the order, are refused", () => {
    const order = hexToBytes("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010")
    const raised = Uint8Array.from(signature)
    let carry = 0
    for (let i = 0; i < 32; i++) {
      const sum = (raised[32 + i] ?? 0) + (order[i] ?? 0) + carry
      raised[32 + i] = sum & 0xff
      carry = sum >> 8
    }
    expect(verifyRaw(key.publicKey, message, signature)).toBe(true)
    expect(verifyRaw(key.publicKey, message, raised)).toBe(false)
    const exact = Uint8Array.from([...signature.slice(0, 32), ...order])
    expect(passesPrechecks(key.publicKey, exact)).toBe(false)
  })

  test("[K4] other lengths are refused and nothing throws", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ maxLength: 70 }), (k, s) => {
        expect(verifyRaw(k, message, s)).toBe(false)
        expect(verifyRaw(k, message, signature)).toBe(false)
        expect(verifyRaw(key.publicKey, message, s)).toBe(false)
      }),
    )
    const offCurve = Uint8Array.from({ length: 32 }, (_, i) => (i === 0 ? 2 : 0))
    for (const { set } of platforms) {
      expect(verdict(set, offCurve, message, signature)).toBe(false)
    }
  })
})

describe("signing", () => {
  const [one, other]: Context[] = ["fulcrum/v1/seeded-random", "fulcrum/v1/seeded-random-fork"]
  const key = generateSigningKey(seededRandom("signing"))
  const message = utf8ToBytes("message")

  test("RFC 8032, section 7.1, test 2", () => {
    const known = signingKeyFromSeed(
      hexToBytes("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"),
    )
    expect(bytesToHex(known.publicKey)).toBe(
      "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
    )
    expect(bytesToHex(signRaw(known, Uint8Array.of(0x72)))).toBe(
      "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    )
  })

  test("[K5] a signature holds in its own context alone", () => {
    if (one === undefined || other === undefined) throw new Error("two contexts are needed")
    const signature = sign(one, key, message)
    expect(verify(one, key.publicKey, message, signature)).toBe(true)
    expect(verify(other, key.publicKey, message, signature)).toBe(false)
    expect(verifyRaw(key.publicKey, message, signature)).toBe(false)
    expect(verify(one, key.publicKey, message, signRaw(key, message))).toBe(false)
  })

  test("keys are remembered within bounds, and still verify when forgotten", () => {
    const random = seededRandom("many")
    const first = generateSigningKey(random)
    const signature = signRaw(first, message)
    expect(verifyRaw(first.publicKey, message, signature)).toBe(true)
    for (let i = 0; i < 1100; i++) {
      const publicKey = random.bytes(32)
      nativeSet.ed25519Equation(publicKey, message, signature)
      verifyRaw(publicKey, message, signature)
    }
    expect(verifyRaw(first.publicKey, message, signature)).toBe(true)
  })

  test("a key keeps its own copy of the seed", () => {
    const seed = new Uint8Array(32).fill(1)
    const own = signingKeyFromSeed(seed)
    seed.fill(2)
    expect(verifyRaw(own.publicKey, message, signRaw(own, message))).toBe(true)
    expect(() => signingKeyFromSeed(new Uint8Array(31))).toThrow(RangeError)
  })
})
