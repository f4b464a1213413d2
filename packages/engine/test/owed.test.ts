/**
 * What is shown of the log before it is kept beside it: it waits for a quiet moment, or for the next
 * write, and is nowhere else meanwhile.
 */
import type { JsonValue } from "@fulcrum/codec/json"
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

/** More than are applied with one write: the last of them wait. */
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
    await using devices = await fellowDevices()
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

  test("is written with the next edit", async () => {
    await using devices = await fellowDevices()
    const values = await take(devices)
    await devices.home.edit(own, [{ op: "set", path: ["name", "full"], value: "Ada" }])
    expect(devices.home.ledger.owes).toBe(false)
    const home = await devices.crash()
    await expectAll(home, new Map([...values, [own, { name: { full: "Ada" } }]]))
  })

  test("is written with the next that comes in", async () => {
    await using devices = await fellowDevices()
    const values = new Map(await take(devices))
    const { home, honest } = devices
    await using workshop = await openInLineDocuments()
    const edits = [{ op: "set" as const, path: ["name", "full"], value: "Ada" }]
    const made = await workshop.edit({ document: own, edits, actor: honest.actor })
    await home.ledger.admit(await honest.say([changeBody(own, made?.change ?? new Uint8Array())]))
    expect(home.ledger.owes).toBe(false)
    await expectAll(await devices.crash(), values.set(own, { name: { full: "Ada" } }))
  })

  test("is written at that moment", async () => {
    await using devices = await fellowDevices()
    const values = await take(devices)
    await devices.home.ledger.settle()
    expect(devices.home.ledger.owes).toBe(false)
    await expectAll(await devices.crash(), values)
  })

  test("is found again in the log when a disk does not take it, nor an edit with it", async () => {
    for (const type of ["fail-before", "fail-after"] as const) {
      await using devices = await fellowDevices()
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
})
