/**
 * Floods a device with mutants of a fellow device's changes, and holds it to what must be so after
 * each batch: what was admitted saves and loads again, here and from the disk, to the same heads
 * and values; what the honest devices wrote counts.
 *
 * @module
 */
import { bytesToHex } from "@fulcrum/codec/bytes"
import { type Random, randomBelow, seededRandom } from "@fulcrum/crypto/random"
import { parseChange } from "@fulcrum/record/change-format"
import { type DocumentId, type Documents, documentId, type Edit } from "@fulcrum/record/documents"
import { RecordError } from "@fulcrum/record/record-error"
import { openWorkerDocuments } from "@fulcrum/record/worker-threads"
import { expect } from "vitest"
import { decodeChange } from "./change-bytes.ts"
import { changeBody, type FellowDevices, fellowDevices, type Home } from "./fellow-devices.ts"
import { mutant } from "./mutants.ts"
import { type Pauses, watchPauses } from "./pauses.ts"

export interface CampaignReport {
  mutants: number
  admitted: number
  /** Mutants that came out as they were. */
  unchanged: number
  /** By code; `RECORD_WORKER` is a worker that was lost. */
  readonly refused: Map<string, number>
  /** Of the refused, how many our own reader takes: Automerge or the checks after it refused. */
  refusedBehindReader: number
  /** Slowest call of `admit`, and slowest for each mutant in it. */
  readonly hostileActors: Set<string>
  slowestBatchMs: number
  slowestMutantMs: number
  pauseWallMs: number
  pauseOwnMs: number
  rssBefore: number
  rssMost: number
}

/** Batches on one document: documents stay small, as a person's are. */
const BATCHES_PER_DOCUMENT = 40
const FIELDS = ["name", "notes", "phones", "emails", "x"]

export async function runCampaign(seed: string, mutants: number): Promise<CampaignReport> {
  await using devices = await fellowDevices({ seed })
  // What the fellow devices make their changes with, and what is asked whether it loads.
  await using workshop = openWorkerDocuments({ reload: async () => [] })
  const random = seededRandom(seed)
  const report = newReport()
  const others: Uint8Array[] = []
  for (let batch = 0; report.mutants < mutants; batch++) {
    const document = documentId(`relationships/${Math.floor(batch / BATCHES_PER_DOCUMENT)}`)
    if (batch % BATCHES_PER_DOCUMENT === 0) others.length = 0
    await runBatch({ devices, workshop, random, document, others, report })
    // From the disk, all of it.
    if (batch % 100 === 99) await sameAfterReopening(devices, document)
  }
  return report
}

async function runBatch(parts: {
  readonly devices: FellowDevices
  readonly workshop: Documents
  readonly random: Random
  readonly document: DocumentId
  readonly others: Uint8Array[]
  readonly report: CampaignReport
}): Promise<void> {
  const { devices, workshop, random, document, others, report } = parts
  const { home, honest, hostile } = devices
  await home.edit(document, [
    randomEdit(random),
    { op: "set", path: ["own"], value: random.bytes(4).join() },
  ])
  const make = async (actor: Uint8Array, count: number): Promise<readonly Uint8Array[]> => {
    await workshop.load(document, await home.ledger.documents.save(document))
    const changes: Uint8Array[] = []
    while (changes.length < count) {
      const edits = Array.from({ length: 1 + randomBelow(random, 3) }, () => randomEdit(random))
      const made = await workshop.edit({ document, edits, actor })
      if (made !== undefined) changes.push(made.change)
    }
    return changes
  }
  // Alone in its batch a change may take the short way through the worker; among others never.
  const isAlone = randomBelow(random, 2) === 0
  const [before, after] = isAlone ? [] : await make(honest.actor, 2)
  hostile.startAnew()
  const [base] = await make(hostile.actor, 1)
  if (base === undefined) throw new TypeError("no change to make mutants of")
  const count = isAlone ? 1 : 1 + randomBelow(random, 6)
  const made = Array.from({ length: count }, () => mutant({ random, change: base, others }))
  others.push(base, ...(before === undefined ? [] : [before]))
  report.hostileActors.add(bytesToHex(hostile.actor))
  const say = async (fellow: typeof honest, changes: readonly (Uint8Array | undefined)[]) =>
    fellow.say(changes.flatMap((one) => (one === undefined ? [] : [changeBody(document, one)])))
  const isSplit = before !== undefined
  const spans = [
    ...(isSplit ? await say(honest, [before]) : []),
    ...(await say(hostile, made)),
    ...(isSplit ? await say(honest, [after]) : []),
  ]
  const known = await home.quarantine()
  const started = performance.now()
  const pauses = watchPauses()
  const results = await home.ledger.admit(spans)
  pauses[Symbol.dispose]()
  note(report, performance.now() - started, made.length, pauses)
  const entries = results.flatMap((one) => (one.outcome === "admitted" ? one.entries : []))
  const payloads = entries.filter(({ kind }) => kind === "payload")
  expect(payloads).toHaveLength(made.length + (isSplit ? 2 : 0))
  const quarantine = await home.quarantine()
  for (const [at, { arrival }] of payloads.entries()) {
    const code = quarantine.get(arrival)
    const change = made[at - (isSplit ? 1 : 0)]
    if (isSplit && (at === 0 || at === payloads.length - 1)) {
      expect(code, "an honest entry beside mutants").toBeUndefined()
    } else if (change !== undefined) {
      count1(report, change, base, code)
    }
  }
  if (quarantine.size - known.size < made.length) await savesAndLoads(home, workshop, document)
}

function count1(
  report: CampaignReport,
  change: Uint8Array,
  base: Uint8Array,
  code: string | undefined,
): void {
  report.mutants++
  if (bytesToHex(change) === bytesToHex(base)) report.unchanged++
  if (code === undefined) {
    report.admitted++
    // An earlier actor of the same device is the same device.
    expect(report.hostileActors).toContain(bytesToHex(decodeChange(change).actor))
    return
  }
  report.refused.set(code, (report.refused.get(code) ?? 0) + 1)
  try {
    parseChange(change)
    report.refusedBehindReader++
  } catch (error) {
    expect(error).toBeInstanceOf(RecordError)
  }
}

/** What is here saves, loads elsewhere and loads from this disk, each time to the same. */
async function savesAndLoads(
  { ledger }: Home,
  workshop: Documents,
  document: DocumentId,
): Promise<void> {
  const { documents } = ledger
  const heads = await documents.heads(document)
  const value = await documents.read(document)
  expect((await workshop.load(document, await documents.save(document))).heads).toEqual(heads)
  expect(await workshop.read(document)).toEqual(value)
  await documents.forget(document)
  expect(await documents.heads(document)).toEqual(heads)
  expect(await documents.read(document)).toEqual(value)
}

async function sameAfterReopening(devices: FellowDevices, document: DocumentId): Promise<void> {
  const heads = await devices.home.ledger.documents.heads(document)
  const value = await devices.home.ledger.documents.read(document)
  const { ledger } = await devices.reopen()
  expect(await ledger.documents.heads(document)).toEqual(heads)
  expect(await ledger.documents.read(document)).toEqual(value)
}

function randomEdit(random: Random): Edit {
  const field = FIELDS[randomBelow(random, FIELDS.length)] ?? "x"
  const path = [field, `${randomBelow(random, 4)}`]
  if (randomBelow(random, 5) === 0) return { op: "unset", path: [field] }
  const values = ["", "text", 7, -1, 2 ** 40, 1.5, true, false, null, [1, "a"], { a: { b: 1 } }]
  return { op: "set", path, value: values[randomBelow(random, values.length)] ?? null }
}

function note(report: CampaignReport, tookMs: number, mutants: number, pauses: Pauses): void {
  report.slowestBatchMs = Math.max(report.slowestBatchMs, tookMs)
  report.slowestMutantMs = Math.max(report.slowestMutantMs, tookMs / mutants)
  report.pauseWallMs = Math.max(report.pauseWallMs, pauses.wallMs)
  report.pauseOwnMs = Math.max(report.pauseOwnMs, pauses.ownMs)
  report.rssMost = Math.max(report.rssMost, process.memoryUsage.rss())
}

function newReport(): CampaignReport {
  const rss = process.memoryUsage.rss()
  return {
    mutants: 0,
    admitted: 0,
    unchanged: 0,
    refused: new Map(),
    refusedBehindReader: 0,
    hostileActors: new Set(),
    slowestBatchMs: 0,
    slowestMutantMs: 0,
    pauseWallMs: 0,
    pauseOwnMs: 0,
    rssBefore: rss,
    rssMost: rss,
  }
}
