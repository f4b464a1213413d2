import fc from "fast-check"
import { expect, test } from "vitest"
import { encodeCbor } from "../src/cbor.ts"
import { CodecError } from "../src/codec-error.ts"
import { itemList } from "../src/item-list.ts"
import { bool, text, uint } from "../src/schema.ts"

const limits = { itemsMax: 4, bytesMax: 64 }
const older = itemList({ name: [1, text(8)], age: [2, uint(150)] }, limits)
const newer = itemList({ name: [1, text(8)], age: [2, uint(150)], isNew: [9, bool] }, limits)

function codeOf(act: () => unknown): string {
  try {
    act()
  } catch (error) {
    if (error instanceof CodecError) return error.code
    throw error
  }
  return "none"
}

test("[C8] a list comes back, and an older program passes over what it does not know", () => {
  const bytes = newer.encode([
    { kind: "name", value: "Ada" },
    { kind: "isNew", value: true },
    { kind: "age", value: 36 },
  ])
  expect(newer.decode(bytes)).toHaveLength(3)
  expect(older.decode(bytes)).toEqual([
    { kind: "name", value: "Ada" },
    { kind: "age", value: 36 },
  ])
})

test("[C8] a known item that breaks its format is refused, as are lists out of bounds", () => {
  const age = { kind: "age" as const, value: 1 }
  expect(codeOf(() => older.decode(encodeCbor([[2, 151]])))).toBe("SCHEMA_RANGE")
  expect(codeOf(() => older.decode(encodeCbor([[1]])))).toBe("SCHEMA_LENGTH")
  expect(codeOf(() => older.decode(encodeCbor([[-1, null]])))).toBe("SCHEMA_RANGE")
  expect(codeOf(() => older.decode(encodeCbor([0, 0, 0, 0, 0])))).toBe("SCHEMA_LENGTH")
  expect(codeOf(() => older.decode(new Uint8Array(65)))).toBe("CBOR_TOO_LARGE")
  expect(codeOf(() => older.encode([age, age, age, age, age]))).toBe("SCHEMA_LENGTH")
  expect(codeOf(() => older.encode([{ kind: "name", value: "x".repeat(9) }]))).toBe("SCHEMA_LENGTH")
})

test("[C8] any bytes are a list or raise a coded error", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      try {
        older.decode(bytes)
      } catch (error) {
        if (!(error instanceof CodecError)) throw error
      }
    }),
  )
})
