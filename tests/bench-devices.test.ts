/** The bench of pairing and removing, on a small record: every row is there, and a removal is one write. */
import { expect, test } from "vitest"
import { formatDevices, runDevices } from "../bench/devices/devices.ts"

test("what pairing and a removal take is measured", async () => {
  const report = await runDevices({
    progress: () => undefined,
    pairing: [{ edits: 20, documents: 2 }],
    removal: { devices: 2, relationships: 2, rounds: 2 },
    rounds: 2,
  })
  const { pairing, removal } = report
  expect(pairing.map(({ wholeMs }) => wholeMs.count)).toEqual([1])
  expect(removal).toMatchObject({ writes: 1, removedMs: { count: 1 } })
  expect(removal.bytes).toBeGreaterThan(2_000)
  expect(formatDevices(report)).toContain("flushed writes")
})
