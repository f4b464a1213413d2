/** What the record's entries take once they are merged, and that they come out as they were. */
import { concatBytes, hexToBytes } from "@fulcrum/codec/bytes"
import { randomBelow, type SeededRandom, seededRandom } from "@fulcrum/crypto/random"
import { systemDeflate } from "@fulcrum/log/deflate"
import { encodeEntry } from "@fulcrum/log/entry"
import { encodeEntryColumns } from "@fulcrum/log/entry-columns"
import { atOnce } from "@fulcrum/log/slices"
import { type Documents, documentId, type Edit } from "@fulcrum/record/documents"
import { openInLineDocuments } from "@fulcrum/record/in-line"
import { expect, test } from "vitest"
import { recordColumns } from "../src/items/record-columns.ts"
import { recordItems } from "../src/items/record-items.ts"

const unpack = (...args: Parameters<typeof recordColumns.unpack>) =>
  atOnce(recordColumns.unpack(...args))

const DOCUMENTS = ["card", "preferences"].map((name) => documentId(name))
const LIMITS = { bytesMax: 16 * 1024 * 1024 }

/** Edits of all kinds, by several devices that hear of each other now and then. */
async function history(random: SeededRandom, count: number): Promise<readonly Uint8Array[]> {
  const devices = await Promise.all(
    [1, 2, 3].map(async (at) => ({
      documents: await openInLineDocuments(),
      actor: hexToBytes(`${at}f`.repeat(16)),
    })),
  )
  const changes: { readonly document: (typeof DOCUMENTS)[number]; readonly change: Uint8Array }[] =
    []
  const had = devices.map(() => 0)
  const bodies: Uint8Array[] = []
  const draw = (below: number) => randomBelow(random, below)
  for (let step = 0; step < count; step++) {
    const at = draw(devices.length)
    const device = devices[at]
    const document = DOCUMENTS[draw(DOCUMENTS.length)]
    if (device === undefined || document === undefined) continue
    if (draw(4) === 0) had[at] = await hear(device.documents, changes, had[at] ?? 0)
    const edits = Array.from({ length: 1 + (draw(5) === 0 ? draw(6) : 0) }, () => edit(draw))
    const message = draw(9) === 0 ? { message: "undo" } : {}
    const made = await device.documents.edit({ document, edits, actor: device.actor, ...message })
    if (made === undefined) continue
    const { change } = made
    changes.push({ document, change })
    bodies.push(recordItems.encode([{ kind: "change", value: { document, change } }]))
    if (draw(20) === 0)
      bodies.push(recordItems.encode([{ kind: "removalDone", value: { epoch: random.bytes(32) } }]))
  }
  for (const { documents } of devices) await documents[Symbol.asyncDispose]()
  return bodies
}

async function hear(
  documents: Documents,
  changes: readonly {
    readonly document: (typeof DOCUMENTS)[number]
    readonly change: Uint8Array
  }[],
  from: number,
): Promise<number> {
  for (const { document, change } of changes.slice(from)) {
    await documents.apply({ document, changes: [change] }).catch(() => undefined)
  }
  return changes.length
}

function edit(draw: (below: number) => number): Edit {
  const path = [`group${draw(4)}`, `field${draw(6)}`]
  if (draw(8) === 0) return { op: "unset", path }
  const values = ["Zürich 🥾", "", 12.5, true, null, ["a", { b: 1 }], `text ${draw(1000)}`]
  return { op: "set", path, value: values[draw(values.length)] ?? "x" }
}

test("[P38] whatever devices wrote comes out of the columns as it was", async () => {
  for (const seed of ["a", "b", "c"]) {
    const bodies = await history(seededRandom(`columns ${seed}`), 150)
    expect(bodies.length).toBeGreaterThan(120)
    for (const part of [bodies, bodies.slice(50), bodies.slice(60, 68), bodies.toReversed()]) {
      const packed = atOnce(recordColumns.pack(part))
      if (packed === undefined) throw new TypeError("not packed")
      expect(unpack(packed, { ...LIMITS, count: part.length })).toEqual(part)
    }
    // The changes themselves are made again, not kept whole.
    const packed = atOnce(recordColumns.pack(bodies))?.length ?? 0
    expect(packed).toBeLessThan(concatBytes(bodies).length / 2)
  }
})

test("[P38] bodies that are no items, or that another program wrote, are kept whole", () => {
  const random = seededRandom("odd")
  const bodies = [
    new Uint8Array(),
    random.bytes(40),
    recordItems.encode([]),
    recordItems.encode([{ kind: "change", value: { document: "card", change: random.bytes(80) } }]),
    // An item of a kind that is not known here.
    hexToBytes("8182190fff00"),
  ]
  const packed = atOnce(recordColumns.pack(bodies))
  if (packed === undefined) throw new TypeError("not packed")
  expect(unpack(packed, { ...LIMITS, count: bodies.length })).toEqual(bodies)
})

test("[P38] what was cut, or says more than is allowed, is refused", async () => {
  const bodies = await history(seededRandom("cut"), 40)
  const packed = atOnce(recordColumns.pack(bodies))
  if (packed === undefined) throw new TypeError("not packed")
  const { length: count } = bodies
  for (let length = 0; length < packed.length; length += 7) {
    expect(() => unpack(packed.subarray(0, length), { ...LIMITS, count })).toThrow()
  }
  for (const limits of [
    { ...LIMITS, count: count - 1 },
    { ...LIMITS, count: count + 1 },
    { count, bytesMax: 1000 },
  ]) {
    expect(() => unpack(packed, limits)).toThrow()
  }
})

test("[P38] a history of one writer takes less, merged, than Automerge's own saved form", async () => {
  await using documents = await openInLineDocuments()
  const random = seededRandom("one writer")
  const document = documentId("preferences")
  const actor = random.bytes(16)
  const entries: Uint8Array[] = []
  for (let at = 0; at < 3000; at++) {
    const path = [`group${randomBelow(random, 20)}`, `field${randomBelow(random, 10)}`]
    const value = `value ${at} ${randomBelow(random, 1_000_000)}`
    const made = await documents.edit({ document, edits: [{ op: "set", path, value }], actor })
    if (made === undefined) throw new TypeError("an edit")
    const item = { kind: "change", value: { document, change: made.change } } as const
    entries.push(encodeEntry({ kind: "payload", on: [], body: recordItems.encode([item]) }))
  }
  const content = atOnce(encodeEntryColumns(entries, recordColumns))
  if (content === undefined) throw new TypeError("no columns")
  const saved = await documents.save(document)
  expect(systemDeflate().deflate(content).length / saved.length).toBeLessThan(1.3)
})
