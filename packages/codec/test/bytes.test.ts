import fc from "fast-check"
import { describe, expect, test } from "vitest"
import {
  base64urlToBytes,
  bytesToBase64url,
  bytesToHex,
  bytesToUint64,
  bytesToUtf8,
  compareBytes,
  concatBytes,
  equalBytes,
  hexToBytes,
  uint64ToBytes,
  utf8Length,
  utf8ToBytes,
} from "../src/bytes.ts"
import { CodecError } from "../src/codec-error.ts"

const bytes = fc.uint8Array({ maxLength: 80 })

describe("text forms", () => {
  test("[C4] hex and base64url come back", () => {
    fc.assert(
      fc.property(bytes, (value) => {
        expect(hexToBytes(bytesToHex(value))).toEqual(value)
        expect(base64urlToBytes(bytesToBase64url(value))).toEqual(value)
        expect(bytesToBase64url(value)).toBe(Buffer.from(value).toString("base64url"))
      }),
    )
  })

  test.for([
    ["", ""],
    ["f", "Zg"],
    ["fo", "Zm8"],
    ["foo", "Zm9v"],
    ["foob", "Zm9vYg"],
    ["fooba", "Zm9vYmE"],
    ["foobar", "Zm9vYmFy"],
  ])("[C4] RFC 4648, section 10: %s", ([text = "", encoded]) => {
    expect(bytesToBase64url(utf8ToBytes(text))).toBe(encoded)
  })

  test.for(["Z", "Zg==", "Zh", "Zm9", "Zm+v", "Zm 9v", "Zmé"])("[C4] not base64url: %s", (text) => {
    expect(() => base64urlToBytes(text)).toThrow(CodecError)
  })

  test.for(["0", "0G", "AB", "0x", " 00", "é0"])("[C4] not hex: %s", (text) => {
    expect(() => hexToBytes(text)).toThrow(CodecError)
  })

  test("[C4] each text that is read is the one that would be written", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 12 }), (text) => {
        for (const [read, write] of [
          [hexToBytes, bytesToHex],
          [base64urlToBytes, bytesToBase64url],
        ] as const) {
          try {
            expect(write(read(text))).toBe(text)
          } catch (error) {
            if (!(error instanceof CodecError)) throw error
          }
        }
      }),
    )
  })

  test("UTF-8 is strict both ways", () => {
    expect(() => utf8ToBytes("\ud800")).toThrow(RangeError)
    expect(() => bytesToUtf8(Uint8Array.of(0xff))).toThrow(CodecError)
    expect(bytesToUtf8(Uint8Array.of(0xef, 0xbb, 0xbf))).toBe("\ufeff")
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => {
        expect(bytesToUtf8(utf8ToBytes(text))).toBe(text)
        expect(utf8Length(text)).toBe(utf8ToBytes(text).length)
      }),
    )
  })
})

describe("order and numbers", () => {
  test("compares as unsigned bytes", () => {
    fc.assert(
      fc.property(bytes, bytes, (a, b) => {
        expect(Math.sign(compareBytes(a, b))).toBe(Buffer.compare(a, b))
        expect(equalBytes(a, b)).toBe(Buffer.compare(a, b) === 0)
      }),
    )
  })

  test("joins", () => {
    expect(concatBytes([Uint8Array.of(1), new Uint8Array(0), Uint8Array.of(2, 3)])).toEqual(
      Uint8Array.of(1, 2, 3),
    )
  })

  test("the order of encoded numbers is theirs", () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.maxSafeNat(), (a, b) => {
        expect(bytesToUint64(uint64ToBytes(a))).toBe(a)
        expect(Math.sign(compareBytes(uint64ToBytes(a), uint64ToBytes(b)))).toBe(Math.sign(a - b))
      }),
    )
    expect(uint64ToBytes(2n ** 64n - 1n)).toEqual(new Uint8Array(8).fill(0xff))
    for (const value of [-1, 1.5, 2 ** 53, -1n, 2n ** 64n]) {
      expect(() => uint64ToBytes(value)).toThrow(RangeError)
    }
    expect(() => bytesToUint64(new Uint8Array(8).fill(0xff))).toThrow(CodecError)
    expect(() => bytesToUint64(new Uint8Array(7))).toThrow(CodecError)
  })
})
