/**
 * What is shown of the log before it is kept beside it: it waits for a quiet moment, or for the next
 * write, and is nowhere else meanwhile.
 */
import type { JsonValue } from "@fulcrum/codec/json"
import { randomBelow, seededRandom } from "@fulcrum/crypto/random"
import { type DocumentId, documentId } from "@fulcrum/record/documents"
import { openInLineDocuments } from "@fulcrum/record/in-line"
import { beforeAll, describe, expect, test } from "vitest"
import {
  changeBody,
  type Fellow,
  type FellowDevices,
  fellowDevices,
  type Home,
} from "./hostile/fellow-devices.ts"
import { loadDocuments } from "./person-world.ts"

beforeAll(loadDocuments)

/** So many are applied with one write: the last of all wait. */
const entriesMax = 4096
const ENTRIES = 4200
/** Written by another start of the device, which the ledger first hears of then. */
const LATE = 60
const documents = Array.from({ length: 70 }, (_, at) => documentId(`relationships/${at}`))
const own = documentId("card")

/** Has the honest device write, and the one at home take it all at once. */
async function take(devices: FellowDevices): Promise<ReadonlyMap<DocumentId, JsonValue>> {
  const { home, honest } = devices
  await using workshop = await openInLineDocuments()
  const spans = [...(await write(workshop, honest, 0, ENTRIES - LATE))]
  honest.startAnew()
  spans.push(...(await write(workshop, honest, ENTRIES - LATE, ENTRIES)))
  const results = await home.ledger.admit(spans)
  expect(results.every(({ outcome }) => outcome === "admitted")).toBe(true)
  const values = new Map<DocumentId, JsonValue>()
  for (const document of documents) values.set(document, (await workshop.read(document)) ?? null)
  return values
}

async function write(
  workshop: Awaited<ReturnType<typeof openInLineDocuments>>,
  { actor, say }: Fellow,
  from: number,
  to: number,
): Promise<readonly Uint8Array[]> {
  const bodies: Uint8Array[] = []
  for (let at = from; at < to; at++) {
    const document = documents[at % documents.length] ?? own
    const edits = [{ op: "set" as const, path: ["name", `${at % 7}`], value: `${at}` }]
    const made = await workshop.edit({ document, edits, actor })
    if (made !== undefined) bodies.push(changeBody(document, made.change))
  }
  return say(bodies)
}

async function settleByParts({ ledger }: Home): Promise<void> {
  while (await ledger.settleSome());
}

async function expectAll(home: Home, values: ReadonlyMap<DocumentId, JsonValue>): Promise<void> {
  for (const [document, value] of values) {
    expect(await home.ledger.documents.read(document)).toEqual(value)
    await home.ledger.documents.forget(document)
    expect(await home.ledger.documents.read(document)).toEqual(value)
  }
  expect((await home.quarantine()).size).toBe(0)
}

describe("[P47] what waits for a quiet moment", () => {
  test("is made again from the log if the device dies before", async () => {
    await using devices = await fellowDevices({ bounds: { entriesMax } })
    const values = await take(devices)
    expect(devices.home.ledger.owes).toBe(true)
    for (const [document, value] of values)
      expect(await devices.home.ledger.documents.read(document)).toEqual(value)
    const { actor } = devices.honest
    expect(await devices.home.ledger.deviceOfActor(actor)).toBe("tablet")
    const home = await devices.crash()
    await expectAll(home, values)
    expect(await home.ledger.deviceOfActor(actor)).toBe("tablet")
  })

  test("waits on, and with it what is edited", async () => {
    await using devices = await fellowDevices({ bounds: { entriesMax } })
    const values = await take(devices)
    await devices.home.edit(own, [{ op: "set", path: ["name", "full"], value: "Ada" }])
    expect(devices.home.ledger.owes).toBe(true)
    const all = new Map([...values, [own, { name: { full: "Ada" } }]])
    const home = await devices.crash()
    await expectAll(home, all)
  })

  test("waits on, and with it what comes in", async () => {
    await using devices = await fellowDevices({ bounds: { entriesMax } })
    const values = new Map(await take(devices))
    const { home, honest } = devices
    await using workshop = await openInLineDocuments()
    const edits = [{ op: "set" as const, path: ["name", "full"], value: "Ada" }]
    const made = await workshop.edit({ document: own, edits, actor: honest.actor })
    await home.ledger.admit(await honest.say([changeBody(own, made?.change ?? new Uint8Array())]))
    expect(home.ledger.owes).toBe(true)
    await expectAll(await devices.crash(), values.set(own, { name: { full: "Ada" } }))
  })

  test("is written at that moment", async () => {
    await using devices = await fellowDevices({ bounds: { entriesMax } })
    const values = await take(devices)
    await devices.home.ledger.settle()
    expect(devices.home.ledger.owes).toBe(false)
    await expectAll(await devices.crash(), values)
  })

  test("is written a part at a time, and an edit is not kept waiting by all of them", async () => {
    const bounds = { owedPart: 4, entriesMax }
    const flushesOf = async (alongside: boolean): Promise<number> => {
      await using devices = await fellowDevices({ seed: "parts", bounds })
      const { home, disk } = devices
      await take(devices)
      let [flushes, sinceEdit] = [0, 0]
      disk.fault = () => {
        flushes++
        sinceEdit++
        return undefined
      }
      const settled = settleByParts(home)
      if (alongside) {
        await home.edit(own, [{ op: "set", path: ["name", "full"], value: "Ada" }])
        sinceEdit = 0
      }
      await settled
      return alongside ? sinceEdit : flushes
    }
    const parts = await flushesOf(false)
    expect(parts).toBeGreaterThan(10)
    expect(await flushesOf(true)).toBeGreaterThan(parts - 4)
  })

  test("is read from the log again, whichever part the device dies before", async () => {
    const bounds = { owedPart: 16, entriesMax }
    for (let part = 0; ; part++) {
      await using devices = await fellowDevices({ seed: `part ${part}`, bounds })
      const values = await take(devices)
      let left = part
      devices.disk.fault = () => (left-- === 0 ? { type: "fail-before" } : undefined)
      await settleByParts(devices.home)
      devices.disk.fault = undefined
      await expectAll(await devices.crash(), values)
      if (left >= 0) {
        expect(part).toBeGreaterThan(3)
        return
      }
    }
  })

  test("is found again in the log when a disk does not take it, nor an edit with it", async () => {
    for (const type of ["fail-before", "fail-after"] as const) {
      await using devices = await fellowDevices({ bounds: { entriesMax } })
      const values = await take(devices)
      const { home, disk } = devices
      disk.fault = () => ({ type })
      await home.ledger.settle()
      const edits = [{ op: "set" as const, path: ["name", "full"], value: "Ada" }]
      await expect(home.edit(own, edits)).rejects.toThrow()
      disk.fault = undefined
      await home.edit(own, edits)
      const all = new Map([...values, [own, { name: { full: "Ada" } }]])
      await expectAll(home, all)
      await expectAll(await devices.crash(), all)
    }
  })

  test("changes nothing of what is read, whatever else is refused, given up, failing or cut off", async () => {
    const runs = Number(process.env.FULCRUM_OWED_RUNS ?? 3)
    const seen = { owed: 0, faults: 0, crashes: 0 }
    for (let seed = 1; seed <= runs; seed++) await runRandomly(seed, seen)
    expect(Math.min(...Object.values(seen))).toBeGreaterThan(runs)
  }, 120_000)
})

/** A few documents, written by an honest device, a lying one and the one at home, whose disk fails. */
async function runRandomly(
  seed: number,
  seen: { owed: number; faults: number; crashes: number },
): Promise<void> {
  const random = seededRandom(`owed ${seed}`)
  const below = (count: number) => randomBelow(random, count)
  const few = documents.slice(0, 4)
  const some = () => few[below(few.length)] ?? own
  const put = (key: string, value: string) => [{ op: "set" as const, path: [key], value }]
  const bounds = { entriesMax: 5, owedMin: 1, owedPart: 3 }
  await using devices = await fellowDevices({ seed: `owed ${seed}`, bounds })
  await using workshop = await openInLineDocuments()
  /** What must be read, by document and key. Of what failed nobody knows. */
  const values = new Map<string, Map<string, string>>()
  const note = (document: DocumentId, key: string, value?: string) => {
    const known = values.get(document) ?? new Map<string, string>()
    values.set(document, known)
    if (value === undefined) known.delete(key)
    else known.set(key, value)
  }
  let refused = 0
  const check = async () => {
    const { ledger } = devices.home
    for (const [document, known] of values) {
      const read = await ledger.documents.read(documentId(document))
      expect(read).toMatchObject(Object.fromEntries(known))
    }
    expect(ledger.quarantine.count).toBe(refused)
  }
  const admit = async (step: number) => {
    const { honest, hostile, home } = devices
    const bodies: Uint8Array[] = []
    for (let at = 0; at <= below(14); at++) {
      const document = some()
      const key = `h${below(6)}`
      const edits = put(key, `${step}.${at}`)
      const made = await workshop.edit({ document, edits, actor: honest.actor })
      if (made === undefined) continue
      bodies.push(changeBody(document, made.change))
      note(document, key, `${step}.${at}`)
    }
    const spans = bodies.length > 0 ? [...(await honest.say(bodies))] : []
    if (below(4) === 0) {
      // What it follows is nowhere.
      await using other = await openInLineDocuments()
      const document = some()
      await other.edit({ document, edits: put("x", "1"), actor: hostile.actor })
      const bad = await other.edit({ document, edits: put("x", "2"), actor: hostile.actor })
      const lie = await hostile.say([changeBody(document, bad?.change ?? new Uint8Array())])
      spans.splice(below(spans.length + 1), 0, ...lie)
      refused++
    }
    if (below(6) === 0) honest.startAnew()
    await home.ledger.admit(spans).catch(async () => {
      devices.disk.fault = undefined
      await home.ledger.admit(spans)
    })
  }
  const edit = async (step: number) => {
    const [document, key] = [some(), `o${below(4)}`]
    note(document, key)
    await devices.home.edit(document, put(key, `${step}`)).then(
      () => note(document, key, `${step}`),
      () => undefined,
    )
  }
  const giveUp = async () => {
    const giving = devices.home.ledger.transact(async ({ documents: workshop, actor }) => {
      await workshop.edit({ document: some(), edits: put("z", `${below(99)}`), actor })
      throw new Error("given up")
    })
    await giving.catch(() => undefined)
  }
  for (let step = 0; step < 60; step++) {
    if (below(6) === 0) {
      const type = below(2) === 0 ? "fail-before" : "fail-after"
      let after = below(3)
      devices.disk.fault = () => {
        if (after-- !== 0) return undefined
        seen.faults++
        return { type }
      }
    }
    const what = below(10)
    if (what < 5) await admit(step)
    else if (what < 7) await edit(step)
    else if (what === 7) await devices.home.ledger.settleSome()
    else if (what === 8) await giveUp()
    devices.disk.fault = undefined
    if (what === 9) {
      seen.crashes++
      await devices.crash()
    }
    if (devices.home.ledger.owes) seen.owed++
    await devices.home.ledger.mend()
    await check()
  }
  await devices.crash()
  await check()
}
