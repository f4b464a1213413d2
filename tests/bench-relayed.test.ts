/**
 * What the relayed bench measures gets there: small edits and opaque entries, through a relay, of which
 * each process checks all that it has as it ends.
 *
 * @module
 */
import { expect, test } from "vitest"
import { formatRelayed, runRelayed } from "../bench/relayed/relayed.ts"

test("entries go through a relay to a second device, and are the ones that were written", async () => {
  const progress: string[] = []
  const report = await runRelayed({
    progress: (what) => progress.push(what),
    rounds: 2,
    entries: 150,
  })
  expect(progress).toHaveLength(6)
  expect(report.rows.map(({ alone }) => alone !== undefined)).toEqual([true, false])
  for (const { entries, written, carried } of report.rows) {
    expect(entries).toBe(150)
    expect(written.count).toBe(2)
    expect(carried.least).toBeGreaterThan(0)
    expect(carried.count).toBe(2)
  }
  expect(formatRelayed(report).split("\n")).toHaveLength(3)
}, 90_000)
