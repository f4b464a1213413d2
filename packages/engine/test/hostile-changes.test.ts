/**
 * E8: foreign changes, as a fellow device may write them that runs a program of its own, against
 * the ledger with its documents in a real worker.
 *
 * A run has few; for tens of thousands:
 *
 *     HOSTILE_MUTANTS=20000 HOSTILE_SEED=1 npx vitest run packages/engine/test/hostile-changes.test.ts
 *
 * @module
 */
import { hexToBytes } from "@fulcrum/codec/bytes"
import { documentId } from "@fulcrum/record/documents"
import { openInLineDocuments } from "@fulcrum/record/in-line"
import { openWorkerDocuments } from "@fulcrum/record/worker-threads"
import { beforeAll, describe, expect, test } from "vitest"
import { type BombReport, ignite } from "./hostile/bomb-run.ts"
import { BOMBS } from "./hostile/bombs.ts"
import { runCampaign } from "./hostile/campaign.ts"
import { decodeChange, encodeChange } from "./hostile/change-bytes.ts"
import { changeBody, fellowDevices } from "./hostile/fellow-devices.ts"
import { loadDocuments } from "./person-world.ts"

beforeAll(loadDocuments)

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

const card = documentId("card")

describe("a fellow device that writes what it likes", () => {
  test("[P35] cannot write under another device's actor, and so not take its numbers", async () => {
    await using devices = await fellowDevices()
    const { home, honest, hostile } = devices
    await using workshop = await openInLineDocuments()
    const edit = async (number: string) => {
      const edits = [{ op: "set" as const, path: ["phones", "1", "number"], value: number }]
      const made = await workshop.edit({ document: card, edits, actor: honest.actor })
      if (made === undefined) throw new TypeError("nothing changed")
      return made.change
    }
    const first = await edit("1")
    await home.ledger.admit(await honest.say([changeBody(card, first)]))
    const second = await edit("2")
    // The number that the honest device's next change has, and arrives before it.
    const writes = [{ op: "set" as const, path: ["phones", "1", "number"], value: "666" }]
    await workshop.forget(card)
    await workshop.apply({ document: card, changes: [first] })
    const stolen = await workshop.edit({ document: card, edits: writes, actor: honest.actor })
    if (stolen === undefined) throw new TypeError("nothing changed")
    await home.ledger.admit(await hostile.say([changeBody(card, stolen.change)]))
    await home.ledger.admit(await honest.say([changeBody(card, second)]))
    expect([...(await home.quarantine()).values()]).toEqual(["CHANGE_ACTOR_FOREIGN"])
    expect(await home.ledger.documents.read(card)).toMatchObject({ phones: { 1: { number: "2" } } })
    // Nor under one that nobody announced.
    const nobodys = encodeChange({ ...decodeChange(first), actor: hexToBytes("ab".repeat(16)) })
    await home.ledger.admit(await hostile.say([changeBody(card, nobodys)]))
    expect(home.ledger.quarantined).toBe(2)
  })
})

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
