import { bytesToHex, utf8ToBytes } from "@fulcrum/codec/bytes"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { open, openRecord, RECORD_OVERHEAD_BYTES, seal, sealRecord } from "../src/aead.ts"
import { type ContentKey, openContent, sealContent } from "../src/content.ts"
import type { Context } from "../src/contexts.ts"
import { seededRandom } from "../src/random.ts"
import { SealError } from "../src/seal-error.ts"

const random = seededRandom("sealing")
const context: Context = "fulcrum/v1/seeded-random"
const text = fc.uint8Array({ maxLength: 200 })

function codeOf(act: () => unknown): string {
  try {
    act()
  } catch (error) {
    if (error instanceof SealError) return error.code
    throw error
  }
  return "none"
}

function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  const copy = Uint8Array.from(bytes)
  const at = (bit >> 3) % copy.length
  copy[at] = (copy[at] ?? 0) ^ (1 << (bit & 7))
  return copy
}

describe("content", () => {
  const input: ContentKey = {
    context,
    key: new Uint8Array(32).fill(1),
    salt: new Uint8Array(32).fill(2),
    header: utf8ToBytes("header"),
  }

  test("[K6] the bytes of version 1, for ever", () => {
    const sealed = sealContent({ ...input, plaintext: utf8ToBytes("text") })
    expect(bytesToHex(sealed.commitment)).toBe(
      "f4fa2b56c23d2c2f9636cb1d307a9c2e3d05f3f293d614a05011b0fbb6fcea63",
    )
    expect(bytesToHex(sealed.ciphertext)).toBe("8b11c89850f5854b5b315c3c14f75e21c56e2766")
  })

  test("[K6] opens what was sealed", () => {
    fc.assert(
      fc.property(text, text, (header, plaintext) => {
        const sealed = sealContent({ ...input, header, plaintext })
        expect(sealed.ciphertext).toHaveLength(plaintext.length + 16)
        expect(openContent({ ...input, header, ...sealed })).toEqual(plaintext)
      }),
    )
  })

  test("[K6][R2] any bit of header, salt, key or context changed is refused at the commitment", () => {
    const sealed = sealContent({ ...input, plaintext: utf8ToBytes("text") })
    fc.assert(
      fc.property(fc.constantFrom("key", "salt", "header"), fc.nat({ max: 255 }), (part, bit) => {
        const changed = { ...input, ...sealed, [part]: flipped(input[part], bit) }
        expect(codeOf(() => openContent(changed))).toBe("SEAL_COMMITMENT")
      }),
    )
    const elsewhere = { ...input, ...sealed, context: "fulcrum/v1/seeded-random-fork" } as const
    expect(codeOf(() => openContent(elsewhere))).toBe("SEAL_COMMITMENT")
  })

  test("[K6][R3] the commitment is compared before the ciphertext is looked at", () => {
    const sealed = sealContent({ ...input, plaintext: utf8ToBytes("text") })
    fc.assert(
      fc.property(fc.nat({ max: 255 }), (bit) => {
        const commitment = flipped(sealed.commitment, bit)
        const ciphertext = flipped(sealed.ciphertext, bit)
        const open = (changed: object) => () => openContent({ ...input, ...sealed, ...changed })
        expect(codeOf(open({ commitment }))).toBe("SEAL_COMMITMENT")
        expect(codeOf(open({ commitment, ciphertext }))).toBe("SEAL_COMMITMENT")
        expect(codeOf(open({ ciphertext }))).toBe("SEAL_TAG")
      }),
    )
    const short = { ...input, ...sealed, ciphertext: new Uint8Array(15) }
    expect(codeOf(() => openContent(short))).toBe("SEAL_TRUNCATED")
    const noCommitment = { ...input, ...sealed, commitment: new Uint8Array(0) }
    expect(codeOf(() => openContent(noCommitment))).toBe("SEAL_COMMITMENT")
  })
})

describe("records and single pieces", () => {
  const key = random.bytes(32)

  test("[K7] a record opens under its key and associated data alone", () => {
    fc.assert(
      fc.property(text, text, fc.nat(), (aad, plaintext, bit) => {
        const sealed = sealRecord({ key, aad, plaintext, random })
        expect(sealed).toHaveLength(plaintext.length + RECORD_OVERHEAD_BYTES)
        expect(openRecord({ key, aad, sealed })).toEqual(plaintext)
        const changes = [
          { key, aad, sealed: flipped(sealed, bit) },
          { key: flipped(key, bit), aad, sealed },
          { key, aad: Uint8Array.from([...aad, 0]), sealed },
        ]
        for (const changed of changes) expect(codeOf(() => openRecord(changed))).toBe("SEAL_TAG")
        expect(codeOf(() => openRecord({ key, aad, sealed: sealed.subarray(0, 39) }))).toBe(
          "SEAL_TRUNCATED",
        )
      }),
    )
  })

  test("[K7] no two records of one text are alike", () => {
    const once = { key, aad: new Uint8Array(0), plaintext: utf8ToBytes("same"), random }
    expect(sealRecord(once)).not.toEqual(sealRecord(once))
  })

  test("[K7] seal and open are a pair, and lengths are checked", () => {
    const input = { key, nonce: new Uint8Array(12), aad: utf8ToBytes("aad") }
    const sealed = seal({ ...input, plaintext: utf8ToBytes("text") })
    expect(open({ ...input, sealed })).toEqual(utf8ToBytes("text"))
    expect(codeOf(() => open({ ...input, sealed: flipped(sealed, 3) }))).toBe("SEAL_TAG")
    expect(codeOf(() => open({ ...input, sealed: new Uint8Array(15) }))).toBe("SEAL_TRUNCATED")
    const short = { ...input, nonce: new Uint8Array(8), plaintext: sealed }
    expect(() => seal(short)).toThrow(RangeError)
    expect(() => seal({ ...input, key: new Uint8Array(31), plaintext: sealed })).toThrow(RangeError)
  })
})
