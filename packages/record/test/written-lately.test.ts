/** What is remembered of a change that was written here is what its bytes are read as, or nothing. */
import { createHash } from "node:crypto"
import type { JsonValue } from "@fulcrum/codec/json"
import fc from "fast-check"
import { expect, test } from "vitest"
import { type ParsedChange, parseChange } from "../src/change-format.ts"
import { ChangeWriter } from "../src/change-writer.ts"
import { keyToPath } from "../src/registers.ts"
import { noteWritten, takeWritten } from "../src/written-lately.ts"

const writer = new ChangeWriter((bytes) => createHash("sha256").update(bytes).digest())

const hex = (bytes: number) =>
  fc
    .uint8Array({ minLength: bytes, maxLength: bytes })
    .map((some) => Buffer.from(some).toString("hex"))
const value: fc.Arbitrary<JsonValue | undefined> = fc.oneof(
  fc.string({ unit: "binary", maxLength: 40 }),
  fc.constant(undefined),
  fc.constant(-0),
  fc.constant([-0, "x"]),
)
const write = fc
  .record({
    key: fc.constantFrom("/a", "/b/ä~0~1", "/名", "/list/0"),
    cell: fc.record({ counter: fc.integer({ min: 1 }), value }),
    preds: fc.uniqueArray(
      fc
        .tuple(fc.integer({ min: 1, max: 2 ** 31 }), hex(16))
        .map(([counter, actor]) => `${counter}@${actor}`),
      { maxLength: 2 },
    ),
  })
  .map((one) => ({ ...one, path: keyToPath(one.key) ?? [] }))
const change: fc.Arbitrary<ParsedChange> = fc.record({
  actor: hex(16),
  seq: fc.integer({ min: 1 }),
  startOp: fc.integer({ min: 1, max: 2 ** 30 }),
  deps: fc.array(hex(32), { maxLength: 2 }),
  message: fc.constantFrom("", "imported", "ü".repeat(900)),
  writes: fc.uniqueArray(write, { minLength: 1, maxLength: 3, selector: ({ key }) => key }),
})

test("a change that is remembered is what is read of its bytes", () => {
  let remembered = 0
  fc.assert(
    fc.property(change, (one) => {
      const written = writer.write(one)
      noteWritten(written, one)
      const known = takeWritten(written.bytes)
      expect(known?.hash).toEqual(written.bytes.length > 1024 ? undefined : written.hash)
      if (known?.change === undefined) return
      remembered++
      expect(known.change).toEqual(parseChange(written.bytes))
    }),
    { numRuns: 2000, seed: 7 },
  )
  expect(remembered).toBeGreaterThan(100)
})

test("it is given once, and for just these bytes", () => {
  const one: ParsedChange = {
    ...{ actor: "11".repeat(16), seq: 1, startOp: 1, deps: [], message: "" },
    writes: [{ key: "/a", path: ["a"], cell: { counter: 1, value: "x" }, preds: [] }],
  }
  const { bytes, hash } = writer.write(one)
  noteWritten({ bytes, hash }, one)
  const other = Uint8Array.from(bytes)
  other[other.length - 1] = (other.at(-1) ?? 0) ^ 1
  expect(takeWritten(other)).toBeUndefined()
  expect(takeWritten(bytes)).toEqual({ bytes, hash, change: one })
  expect(takeWritten(bytes)).toBeUndefined()
})

test("of one that says much in a few bytes only the hash is remembered", () => {
  const preds = Array.from({ length: 3000 }, (_, at) => `${at + 1}@${"22".repeat(16)}`)
  const one: ParsedChange = {
    ...{ actor: "11".repeat(16), seq: 1, startOp: 4000, deps: [], message: "" },
    writes: [{ key: "/a", path: ["a"], cell: { counter: 1, value: "x" }, preds }],
  }
  const written = writer.write(one)
  expect(written.bytes.length).toBeLessThan(256)
  noteWritten(written, one)
  expect(takeWritten(written.bytes)).toEqual({ ...written, change: undefined })
})
