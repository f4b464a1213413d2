/** Sorted records against a plain sorted array. */
import { bytesToHex, compareBytes } from "@fulcrum/codec/bytes"
import * as fc from "fast-check"
import { expect, test } from "vitest"
import { SortedRecords } from "../src/sorted-records.ts"

const bytes = fc.uint8Array({ minLength: 1, maxLength: 2, max: 40 })

test("any puts and deletes leave what a sorted array would hold", async () => {
  const step = fc.tuple(fc.boolean(), bytes)
  await fc.assert(
    fc.property(
      fc.array(step, { maxLength: 2000, size: "max" }),
      bytes,
      bytes,
      fc.nat({ max: 900 }),
      (steps, gte, lt, count) => {
        const records = new SortedRecords()
        const model = new Map<string, Uint8Array>()
        for (const [isPut, key] of steps) {
          if (isPut) records.put(key, key)
          else records.delete(key)
          if (isPut) model.set(bytesToHex(key), key)
          else model.delete(bytesToHex(key))
        }
        const sorted = [...model.values()].sort(compareBytes)
        const within = sorted.filter(
          (key) => compareBytes(key, gte) >= 0 && compareBytes(key, lt) < 0,
        )
        const keysOf = (found: { key: Uint8Array }[]) => found.map(({ key }) => bytesToHex(key))
        expect(keysOf(records.ascending(gte, lt, count))).toEqual(
          within.slice(0, count).map(bytesToHex),
        )
        expect(keysOf(records.descending(gte, lt, count))).toEqual(
          within.toReversed().slice(0, count).map(bytesToHex),
        )
        expect(records.get(gte) !== undefined).toBe(model.has(bytesToHex(gte)))
        expect(records.bytes).toBe(sorted.reduce((sum, key) => sum + 2 * key.length, 0))
      },
    ),
    { numRuns: 30, seed: 3 },
  )
})
