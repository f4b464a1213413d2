import { encode as encodeCborg, rfc8949EncodeOptions } from "cborg"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { bytesToHex, hexToBytes } from "../src/bytes.ts"
import { decodeCbor, encodeCbor } from "../src/cbor.ts"
import { CBOR_DEPTH_MAX, CBOR_ITEMS_MAX, type CborValue } from "../src/cbor-form.ts"
import { CodecError } from "../src/codec-error.ts"
import { readFixture } from "./fixture.ts"

type Written =
  | null
  | boolean
  | number
  | string
  | readonly Written[]
  | { readonly bytes: string }
  | { readonly bigint: string }
  | { readonly pairs: readonly (readonly [number | string, Written])[] }

const valid = readFixture<{ cases: { name: string; hex: string; value: Written }[] }>(
  "cbor-rfc8949.json",
)
const malformed = readFixture<{ cases: { name: string; hex: string; code: string }[] }>(
  "cbor-malformed.json",
)
const limits = { bytesMax: 1 << 20 }

function fromWritten(value: Written): CborValue {
  if (value === null || typeof value !== "object") return value
  if (Array.isArray(value)) return value.map(fromWritten)
  if ("bytes" in value) return hexToBytes(value.bytes)
  if ("bigint" in value) return BigInt(value.bigint)
  if ("pairs" in value) {
    return new Map(value.pairs.map(([key, item]) => [key, fromWritten(item)]))
  }
  throw new TypeError("no such notation")
}

function codeOf(decode: () => unknown): string {
  try {
    decode()
  } catch (error) {
    if (error instanceof CodecError) return error.code
    throw error
  }
  return "none"
}

const { cborValue } = fc.letrec<{ cborValue: CborValue }>((tie) => ({
  cborValue: fc.oneof(
    { maxDepth: 5, depthSize: "small" },
    fc.constantFrom(null, true, false),
    fc.maxSafeInteger(),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.float({ noNaN: true, noDefaultInfinity: true }),
    fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n - 1n }),
    fc.string({ unit: "grapheme" }),
    fc.uint8Array(),
    fc.array(tie("cborValue"), { maxLength: 6 }),
    fc
      .array(
        fc.tuple(fc.oneof(fc.string({ unit: "grapheme" }), fc.maxSafeInteger()), tie("cborValue")),
        { maxLength: 6 },
      )
      .map((entries) => new Map(entries)),
  ),
}))

/** What comes back: -0 is 0, safe bigints are numbers, and a map's keys are in order. */
function asRead(value: CborValue): CborValue {
  if (value === 0) return 0
  if (typeof value === "bigint") {
    return Number.isSafeInteger(Number(value)) ? Number(value) : value
  }
  if (value instanceof Uint8Array || value === null || typeof value !== "object") return value
  if (value instanceof Map)
    return new Map([...value].map(([key, item]) => [key || key, asRead(item)]))
  if (Array.isArray(value)) return value.map(asRead)
  throw new TypeError("no other value")
}

describe("reading and writing", () => {
  test.for(valid.cases)("[C1] $name", ({ hex, value }) => {
    const read = fromWritten(value)
    expect(bytesToHex(encodeCbor(read))).toBe(hex)
    expect(decodeCbor(hexToBytes(hex), limits)).toStrictEqual(read)
  })

  test("[C1] decoding undoes encoding", () => {
    fc.assert(
      fc.property(cborValue, (value) => {
        expect(decodeCbor(encodeCbor(value), limits)).toStrictEqual(asRead(value))
      }),
    )
  })

  test("[C1] writes what cborg writes", () => {
    fc.assert(
      fc.property(cborValue, (value) => {
        const theirs = encodeCborg(asRead(value), rfc8949EncodeOptions)
        expect(bytesToHex(encodeCbor(value))).toBe(bytesToHex(theirs))
      }),
    )
  })

  test("[C1] what is written is the same in whatever order a map was filled", () => {
    const one = new Map<string, number>([
      ["b", 1],
      ["aa", 2],
      ["", 3],
    ])
    expect(encodeCbor(new Map([...one].reverse()))).toEqual(encodeCbor(one))
  })

  test("what is read shares no memory with the input, even if that is a Buffer", () => {
    const input = Buffer.from("4401020304", "hex")
    const read = decodeCbor(input, limits)
    input.fill(0)
    expect(read).toStrictEqual(Uint8Array.of(1, 2, 3, 4))
  })
})

describe("refusing", () => {
  test.for(malformed.cases)("[C2] $name", ({ hex, code }) => {
    expect(codeOf(() => decodeCbor(hexToBytes(hex), limits))).toBe(code)
  })

  test("[C2] any bytes are read, and written again as the same bytes, or raise a coded error", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        try {
          expect(encodeCbor(decodeCbor(bytes, limits))).toEqual(bytes)
        } catch (error) {
          if (!(error instanceof CodecError)) throw error
        }
      }),
      { numRuns: 2000 },
    )
  })

  test("[C2] a changed byte of a real encoding never gives two encodings of one value", () => {
    fc.assert(
      fc.property(cborValue, fc.nat(), fc.integer({ min: 1, max: 255 }), (value, at, change) => {
        const bytes = encodeCbor(value)
        const index = at % bytes.length
        bytes[index] = (bytes[index] ?? 0) ^ change
        try {
          expect(encodeCbor(decodeCbor(bytes, limits))).toEqual(bytes)
        } catch (error) {
          if (!(error instanceof CodecError)) throw error
        }
      }),
    )
  })

  test("[C3] more bytes than allowed are not looked at", () => {
    expect(codeOf(() => decodeCbor(new Uint8Array(11), { bytesMax: 10 }))).toBe("CBOR_TOO_LARGE")
  })

  test("[C3] depth is bounded, by the caller too", () => {
    const deep = hexToBytes(`${"81".repeat(CBOR_DEPTH_MAX)}00`)
    expect(() => decodeCbor(deep, limits)).not.toThrow()
    expect(codeOf(() => decodeCbor(deep, { ...limits, depthMax: 3 }))).toBe("CBOR_TOO_DEEP")
  })

  test("[C3] a megabyte that stands for a million maps is refused in bounded time", () => {
    const bomb = new Uint8Array(1_000_000).fill(0xa0)
    bomb.set([0x9a, 0x00, 0x0f, 0x42, 0x3b])
    const started = performance.now()
    expect(codeOf(() => decodeCbor(bomb, limits))).toBe("CBOR_TOO_MANY")
    expect(performance.now() - started).toBeLessThan(2000)
  })

  test("what cannot be read back is not written", () => {
    let deep: CborValue = []
    for (let i = 0; i < CBOR_DEPTH_MAX; i++) deep = [deep]
    const many = new Array<number>(CBOR_ITEMS_MAX).fill(0)
    const refused: CborValue[] = [
      Number.NaN,
      Number.POSITIVE_INFINITY,
      2n ** 64n,
      -(2n ** 64n) - 1n,
      "\ud800",
      deep,
      many,
    ]
    for (const value of refused) expect(() => encodeCbor(value)).toThrow(RangeError)
    const key = new Map([[1.5, 1]])
    expect(() => encodeCbor(key)).toThrow(TypeError)
  })
})
