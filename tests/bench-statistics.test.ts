/** What the bench says of a row of times. */
import { expect, test } from "vitest"
import { percentile, summarise } from "../bench/statistics.ts"

test("a percentile is the least value that so many in a hundred do not exceed", () => {
  const times = Array.from({ length: 200 }, (_, at) => 200 - at)
  expect([0, 1, 50, 99, 100].map((percent) => percentile(times, percent))).toEqual([
    1, 2, 100, 198, 200,
  ])
  expect(percentile([7], 99)).toBe(7)
  expect(() => percentile([], 50)).toThrow(RangeError)
})

test("a median is between the two in the middle", () => {
  expect(summarise([4, 1, 3, 2])).toEqual({ median: 2.5, least: 1, most: 4, count: 4 })
  expect(summarise([3, 1, 2]).median).toBe(2)
  expect(() => summarise([])).toThrow(RangeError)
})
