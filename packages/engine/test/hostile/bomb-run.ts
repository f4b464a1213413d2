/**
 * One bomb among honest entries, in one batch, and what it cost.
 *
 * @module
 */
import { type DocumentId, type Documents, documentId } from "@fulcrum/record/documents"
import { expect } from "vitest"
import type { Bomb, BombGround } from "./bombs.ts"
import { decodeChange } from "./change-bytes.ts"
import { changeBody, type FellowDevices } from "./fellow-devices.ts"
import { watchPauses } from "./pauses.ts"

export interface BombReport {
  readonly name: string
  readonly entries: number
  readonly admitted: number
  readonly codes: ReadonlySet<string>
  readonly tookMs: number
  readonly pauseWallMs: number
  readonly pauseOwnMs: number
  readonly rssGrownMiB: number
}

const MIB = 1 << 20

/** Ignites one bomb on a document of its own. @param workshop - Documents in another worker. */
export async function ignite(
  devices: FellowDevices,
  workshop: Documents,
  bomb: Bomb,
): Promise<BombReport> {
  const { home, honest, hostile } = devices
  const document = documentId(`relationships/${bomb.name.replaceAll(/[^a-zA-Z0-9]/g, "-")}`)
  await home.edit(document, [{ op: "set", path: ["own"], value: "acknowledged" }])
  await workshop.load(document, await home.ledger.documents.save(document))
  const made: Uint8Array[] = []
  for (const at of [1, 2]) {
    const edits = [{ op: "set" as const, path: ["honest", `${at}`], value: at }]
    const change = await workshop.edit({ document, edits, actor: honest.actor })
    if (change !== undefined) made.push(change.change)
  }
  const [before, after] = made
  if (before === undefined || after === undefined) throw new TypeError("no honest changes")
  hostile.startAnew()
  const ground: BombGround = {
    actor: hostile.actor,
    deps: decodeChange(before).deps,
    startOp: Number(decodeChange(before).startOp),
    victim: honest.actor,
  }
  const changes = bomb.changes(ground)
  const spans = [
    ...(await honest.say([changeBody(document, before)])),
    ...(await hostile.say(changes.map((change) => changeBody(document, change)))),
    ...(await honest.say([changeBody(document, after)])),
  ]
  const rss = process.memoryUsage.rss()
  const started = performance.now()
  const pauses = watchPauses()
  const results = await home.ledger.admit(spans)
  pauses[Symbol.dispose]()
  const tookMs = performance.now() - started
  const rssGrownMiB = (process.memoryUsage.rss() - rss) / MIB
  const entries = results
    .flatMap((one) => (one.outcome === "admitted" ? one.entries : []))
    .filter(({ kind }) => kind === "payload")
  expect(entries, "all of it is kept in the log").toHaveLength(changes.length + 2)
  const quarantine = await home.quarantine()
  const codes = entries.map(({ arrival }) => quarantine.get(arrival))
  expect([codes[0], codes.at(-1)], "the honest entries beside it").toEqual([undefined, undefined])
  await holdsUp(devices, workshop, document)
  const between = codes.slice(1, -1)
  return {
    name: bomb.name,
    entries: changes.length,
    admitted: between.filter((code) => code === undefined).length,
    codes: new Set(between.flatMap((code) => code ?? [])),
    tookMs,
    pauseWallMs: pauses.wallMs,
    pauseOwnMs: pauses.ownMs,
    rssGrownMiB,
  }
}

/** What was acknowledged and what the honest device wrote is there, saves, loads and is writable. */
async function holdsUp(
  { home }: FellowDevices,
  workshop: Documents,
  document: DocumentId,
): Promise<void> {
  const { documents } = home.ledger
  const value = await documents.read(document)
  expect(value).toMatchObject({ own: "acknowledged", honest: { 1: 1, 2: 2 } })
  const heads = await documents.heads(document)
  expect((await workshop.load(document, await documents.save(document))).heads).toEqual(heads)
  expect(await workshop.read(document)).toEqual(value)
  await documents.forget(document)
  expect(await documents.heads(document)).toEqual(heads)
  await home.edit(document, [{ op: "set", path: ["own"], value: "still here" }])
  expect({}).not.toHaveProperty("polluted")
}
