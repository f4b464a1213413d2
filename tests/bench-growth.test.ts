/** The bench of growth, on small records: every row is there, and the picture. */
import { expect, test } from "vitest"
import { drawGrowth } from "../bench/growth/chart.ts"
import { formatGrowth, type GrowthPoint, runGrowth, steeper } from "../bench/growth/growth.ts"

test("how cost grows is measured on each kind of record", async () => {
  const report = await runGrowth({ progress: () => undefined, sizes: [200], rounds: 1 })
  expect(report.series.map((points) => points.map(({ shape }) => shape))).toEqual([
    [{ edits: 200, documents: 1 }],
    [{ edits: 200, documents: 2 }],
  ])
  for (const { madeMs, readableMs, wireBytes, peakMiB } of report.series.flat()) {
    expect(Math.min(madeMs, readableMs.least, wireBytes, peakMiB)).toBeGreaterThan(0)
  }
  expect(formatGrowth(report)).toContain("200 edits in 2 documents")
}, 120_000)

test("and drawn, with what n log n would be", () => {
  const points = [point(1000, 10), point(10_000, 90)]
  const picture = drawGrowth({ series: [points, points] })
  expect(picture.match(/<polyline /g)).toHaveLength(20)
  expect(picture).not.toContain("NaN")
})

test("what grows more than n log n is said", () => {
  expect(steeper([point(1000, 10), point(10_000, 133)])).toEqual([])
  expect(steeper([point(1000, 10), point(10_000, 134)])).toEqual([
    "on the wire, bytes, to 10,000: 13.4 times, n log n 13.3",
  ])
})

function point(edits: number, wireBytes: number): GrowthPoint {
  return {
    shape: { edits, documents: 1 },
    madeMs: 1,
    readableMs: { median: 1, least: 1, most: 1, count: 1 },
    wholeMs: { median: 1, least: 1, most: 1, count: 1 },
    wireBytes,
    peakMiB: 1,
  }
}
