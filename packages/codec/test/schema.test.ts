import fc from "fast-check"
import { describe, expect, expectTypeOf, test } from "vitest"
import type { Brand } from "../src/brand.ts"
import { decodeCbor, encodeCbor } from "../src/cbor.ts"
import type { CborValue } from "../src/cbor-form.ts"
import { CodecError } from "../src/codec-error.ts"
import {
  array,
  bool,
  branded,
  bytes,
  bytesMax,
  decodeAs,
  encodeAs,
  type Infer,
  int,
  json,
  literal,
  map,
  oneOf,
  optional,
  type Schema,
  struct,
  text,
  uint,
  variant,
} from "../src/schema.ts"

type SpaceTag = Brand<Uint8Array, "SpaceTag">

const limits = { bytesMax: 1 << 16 }
const row = struct({ tag: branded<SpaceTag>(bytes(4)), upTo: uint(), note: optional(text(8)) })
const message = variant({
  rows: [1, array(row, 3)],
  ping: [2, literal("ping")],
  level: [3, oneOf([0, 1, 2])],
  data: [4, json({ bytesMax: 100, depthMax: 4, itemsMax: 20 })],
  named: [5, map(text(4), int(-5, 5), 2)],
  flags: [6, struct({ on: bool, blob: bytesMax(3) })],
})
type Message = Infer<typeof message>

function errorOf(act: () => unknown): CodecError {
  try {
    act()
  } catch (error) {
    if (error instanceof CodecError) return error
    throw error
  }
  throw new Error("nothing was thrown")
}

const anyMessage: fc.Arbitrary<Message> = fc.oneof(
  fc.record({
    kind: fc.constant("rows" as const),
    value: fc.array(
      fc.record(
        {
          tag: fc.uint8Array({ minLength: 4, maxLength: 4 }).map((tag) => tag as SpaceTag),
          upTo: fc.maxSafeNat(),
          note: fc.string({ unit: "grapheme-ascii", maxLength: 8 }),
        },
        { requiredKeys: ["tag", "upTo"] },
      ),
      { maxLength: 3 },
    ),
  }),
  fc.constant({ kind: "ping" as const, value: "ping" as const }),
  fc.record({ kind: fc.constant("level" as const), value: fc.constantFrom(0, 1, 2) }),
  fc.record({
    kind: fc.constant("data" as const),
    value: fc.constantFrom<{ readonly a: readonly number[] } | null | string>(
      { a: [1, 2.5] },
      null,
      "x",
    ),
  }),
  fc.record({
    kind: fc.constant("named" as const),
    value: fc
      .array(
        fc.tuple(
          fc.string({ maxLength: 4, unit: "grapheme-ascii" }),
          fc.integer({ min: -5, max: 5 }),
        ),
        {
          maxLength: 2,
        },
      )
      .map((entries) => new Map(entries)),
  }),
  fc.record({
    kind: fc.constant("flags" as const),
    value: fc.record({ on: fc.boolean(), blob: fc.uint8Array({ maxLength: 3 }) }),
  }),
)

describe("schemas", () => {
  test("[C7] decoding undoes encoding", () => {
    fc.assert(
      fc.property(anyMessage, (value) => {
        const encoded = encodeAs(message, value)
        const decoded = decodeAs(message, encoded, limits)
        expect(decoded).toEqual(value)
        expect(encodeAs(message, decoded)).toEqual(encoded)
      }),
    )
  })

  test("[C7] any canonical CBOR is read, and written as the same bytes, or raises a coded error", () => {
    fc.assert(
      fc.property(anyMessage, fc.nat(), fc.integer({ min: 1, max: 255 }), (value, at, change) => {
        const encoded = encodeAs(message, value)
        const index = at % encoded.length
        encoded[index] = (encoded[index] ?? 0) ^ change
        try {
          expect(encodeAs(message, decodeAs(message, encoded, limits))).toEqual(encoded)
        } catch (error) {
          if (!(error instanceof CodecError)) throw error
        }
      }),
      { numRuns: 500 },
    )
  })

  test("types are those declared", () => {
    expectTypeOf<Infer<typeof row>>().toEqualTypeOf<{
      readonly tag: SpaceTag
      readonly upTo: number
      readonly note?: string | undefined
    }>()
    expectTypeOf<Extract<Message, { kind: "level" }>["value"]>().toEqualTypeOf<0 | 1 | 2>()
    const declared: Schema<{ readonly upTo: number }> = struct({ upTo: uint() })
    expect(decodeAs(declared, encodeAs(declared, { upTo: 1 }), limits)).toEqual({ upTo: 1 })
  })

  test("a struct is an array in the order declared, with null for what is left out", () => {
    const tag = Uint8Array.of(1, 2, 3, 4) as SpaceTag
    expect(row.encode({ tag, upTo: 7 })).toEqual([tag, 7, null])
    expect(Object.keys(row.decode([tag, 7, null]))).toEqual(["tag", "upTo"])
  })

  const tag = new Uint8Array(4)
  test.for<[CborValue, string, string]>([
    [[9, null], "SCHEMA_TAG", ""],
    [["1", null], "SCHEMA_TYPE", ""],
    [[1], "SCHEMA_TYPE", ""],
    [[1, [], 0], "SCHEMA_TYPE", ""],
    [null, "SCHEMA_TYPE", ""],
    [[1, [[tag, 1]]], "SCHEMA_LENGTH", "rows[0]"],
    [[1, [[tag, 1, null, null]]], "SCHEMA_LENGTH", "rows[0]"],
    [
      [
        1,
        [
          [tag, 1, null],
          [new Uint8Array(5), 1, null],
        ],
      ],
      "SCHEMA_LENGTH",
      "rows[1].tag",
    ],
    [[1, [[tag, -1, null]]], "SCHEMA_RANGE", "rows[0].upTo"],
    [[1, [[tag, 1.5, null]]], "SCHEMA_TYPE", "rows[0].upTo"],
    [[1, [[tag, 2n ** 60n, null]]], "SCHEMA_TYPE", "rows[0].upTo"],
    [[1, [[tag, 1, "123456789"]]], "SCHEMA_LENGTH", "rows[0].note"],
    [[1, [[tag, 1, "üüüüü"]]], "SCHEMA_LENGTH", "rows[0].note"],
    [[1, [0, 0, 0, 0]], "SCHEMA_LENGTH", "rows"],
    [[2, "pong"], "SCHEMA_VALUE", "ping"],
    [[3, 3], "SCHEMA_VALUE", "level"],
    [[3, true], "SCHEMA_VALUE", "level"],
    [[4, new Uint8Array(1)], "JSON_TYPE", "data"],
    [[4, 2n ** 60n], "JSON_TYPE", "data"],
    [[4, [[[[[]]]]]], "JSON_TOO_DEEP", "data"],
    [[4, new Map([["__proto__", 1]])], "JSON_FORBIDDEN_KEY", "data"],
    [[4, new Map([[1, 1]])], "SCHEMA_TYPE", "data"],
    [[5, new Map([["secret", 1]])], "SCHEMA_LENGTH", "named[0]"],
    [
      [
        5,
        new Map([
          ["a", 1],
          ["b", 6],
        ]),
      ],
      "SCHEMA_RANGE",
      "named[1]",
    ],
    [[5, new Map([[1, 1]])], "SCHEMA_TYPE", "named[0]"],
    [[5, []], "SCHEMA_TYPE", "named"],
    [[6, [1, new Uint8Array(0)]], "SCHEMA_TYPE", "flags.on"],
    [[6, [true, new Uint8Array(4)]], "SCHEMA_LENGTH", "flags.blob"],
  ])("[C7] %o is refused with %s at '%s'", ([value, code, path]) => {
    const error = errorOf(() => message.decode(decodeCbor(encodeCbor(value), limits)))
    expect([error.code, error.path]).toEqual([code, path])
    expect(error.message).not.toContain("secret")
  })

  test("[C7] a path given from outside comes first", () => {
    expect(errorOf(() => row.decode([tag, -1, null], "header")).path).toBe("header.upTo")
    expect(errorOf(() => array(uint(), 5).decode([1, -1], "header")).path).toBe("header[1]")
  })

  test("[C7] what could not be read back is not written", () => {
    const long = { kind: "rows", value: [{ tag: tag as SpaceTag, upTo: 1, note: "123456789" }] }
    expect(errorOf(() => encodeAs(message, long as Message)).path).toBe("rows[0].note")
    expect(errorOf(() => encodeAs(text(9), "\ud800")).code).toBe("SCHEMA_VALUE")
    expect(errorOf(() => encodeAs(uint(5), 6)).code).toBe("SCHEMA_RANGE")
    expect(errorOf(() => encodeAs(uint(), -0.5)).code).toBe("SCHEMA_TYPE")
    expect(() => variant({ a: [1, bool], b: [1, bool] })).toThrow(RangeError)
  })
})
