/**
 * What the benches with a relay measure happens: small edits and opaque entries get through it, of
 * which each process checks all that it has as it ends, and idle devices connect.
 *
 * @module
 */
import { expect, test } from "vitest"
import { formatIdle, runIdle } from "../bench/relayed/idle.ts"
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

test("idle devices connect to a relay, half of them at a time, and take memory there", async () => {
  const progress: string[] = []
  const report = await runIdle(7, (what) => progress.push(what))
  expect(progress).toEqual(["4 devices connect", "4 more"])
  expect(report.devices).toBe(8)
  // One device's share is lost in the noise.
  expect(report.bareBytes).toBeGreaterThan(32 << 20)
  expect(report.residentBytesEach.every(Number.isFinite)).toBe(true)
  expect(formatIdle(report).split("\n")).toHaveLength(4)
}, 60_000)
