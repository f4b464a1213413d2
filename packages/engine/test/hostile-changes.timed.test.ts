/**
 * E8: foreign changes, as a fellow device may write them that runs a program of its own, against
 * the ledger with its documents in a real worker. What time they may take is measured, so alone.
 *
 * A run has few; for tens of thousands:
 *
 *     HOSTILE_MUTANTS=20000 HOSTILE_SEED=1 npx vitest run packages/engine/test/hostile-changes.timed.test.ts
 *
 * @module
 */
import { openWorkerDocuments } from "@fulcrum/record/worker-threads"
import { beforeAll, describe, expect, test } from "vitest"
import { type BombReport, ignite } from "./hostile/bomb-run.ts"
import { BOMBS } from "./hostile/bombs.ts"
import { runCampaign } from "./hostile/campaign.ts"
import { fellowDevices } from "./hostile/fellow-devices.ts"
import { loadDocuments } from "./person-world.ts"

beforeAll(loadDocuments, 60_000)

const MUTANTS = Number(process.env.HOSTILE_MUTANTS ?? 400)
/** Of the main thread's own time, in one piece. */
const PAUSE_MS_MAX = 50
const RSS_BYTES_MAX = 640 << 20

/** Large, or odd, and what an honest device could have written. */
const HARMLESS: ReadonlySet<string> = new Set([
  "16,384 keys, the most that there may be",
  "1,000 keys of a kilobyte",
  "a dependency twice",
  "a change and the one that it follows, the wrong way round",
  "a chain of 300 changes, the wrong way round",
])

describe("[E8] foreign changes", () => {
  test("mutants are refused, or save and load again; the honest beside them count", async () => {
    const report = await runCampaign(process.env.HOSTILE_SEED ?? "mutants", MUTANTS)
    if (process.env.HOSTILE_MUTANTS !== undefined) console.log(report)
    const refused = [...report.refused.values()].reduce((sum, count) => sum + count, 0)
    expect(report.admitted + refused).toBe(report.mutants)
    expect(report.admitted - report.unchanged, "mutants that are honest by luck").toBeGreaterThan(0)
    expect(report.refused.get("RECORD_CHANGE_REFUSED")).toBeGreaterThan(report.mutants / 2)
    expect(report.refused.get("RECORD_WORKER") ?? 0, "workers lost").toBe(0)
    expect(report.pauseOwnMs).toBeLessThan(PAUSE_MS_MAX)
    expect(report.rssMost - report.rssBefore).toBeLessThan(RSS_BYTES_MAX)
  }, 3_600_000)

  test("bombs cost their own entry, and little", async () => {
    await using devices = await fellowDevices()
    await using workshop = openWorkerDocuments({ reload: async () => [] })
    const reports: BombReport[] = []
    for (const bomb of BOMBS) reports.push(await ignite(devices, workshop, bomb))
    if (process.env.HOSTILE_MUTANTS !== undefined) console.table(reports)
    for (const { name, admitted, entries, tookMs, pauseOwnMs, rssGrownMiB } of reports) {
      if (!HARMLESS.has(name)) expect(admitted, name).toBeLessThan(entries)
      expect(tookMs / entries, `milliseconds for each entry of ${name}`).toBeLessThan(5000)
      expect(pauseOwnMs, `pause by ${name}`).toBeLessThan(PAUSE_MS_MAX)
      expect(rssGrownMiB, `memory for ${name}`).toBeLessThan(128)
    }
  }, 120_000)
})
