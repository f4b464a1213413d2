import { createHash } from "node:crypto"
import { hexToBytes } from "@fulcrum/codec/bytes"
import fc from "fast-check"
import { beforeAll, describe, expect, test } from "vitest"
import { inspectSavedForm, parseChange } from "../src/change-format.ts"
import { documentId, type Edit } from "../src/documents.ts"
import { openInLineDocuments } from "../src/in-line.ts"
import { RecordError } from "../src/record-error.ts"
import { openWorkerDocuments } from "../src/worker-threads.ts"

const card = documentId("card")
const edits: readonly Edit[] = [
  { op: "set", path: ["phones", "1", "number"], value: "+49 30 123" },
  { op: "set", path: ["notes", "1", "note"], value: "hello" },
  { op: "set", path: ["name"], value: { full: "Anna" } },
]
const ACTOR = "11".repeat(16)

let change: Uint8Array
let next: Uint8Array
let saved: Uint8Array

beforeAll(async () => {
  await using documents = await openInLineDocuments()
  const actor = hexToBytes(ACTOR)
  const first = await documents.edit({ document: card, edits, actor })
  const unset: Edit = { op: "unset", path: ["notes"] }
  const second = await documents.edit({ document: card, edits: [unset], actor })
  if (first === undefined || second === undefined) throw new Error("nothing written")
  change = first.change
  next = second.change
  saved = await documents.save(card)
})

/** A chunk that Automerge would believe: with the right checksum and length. */
function chunk(type: number, contents: readonly number[]): Uint8Array {
  const framed = [type, ...leb(contents.length), ...contents]
  const checksum = createHash("sha256").update(new Uint8Array(framed)).digest().subarray(0, 4)
  return new Uint8Array([0x85, 0x6f, 0x4a, 0x83, ...checksum, ...framed])
}

function leb(value: number): readonly number[] {
  return value < 128 ? [value] : [(value % 128) | 128, ...leb(Math.floor(value / 128))]
}

interface ChangeParts {
  readonly deps?: readonly string[]
  readonly seq?: number
  readonly startOp?: number
  readonly time?: number
  readonly columns: readonly (readonly [number, readonly number[]])[]
}

function encode({ deps = [], seq = 1, startOp = 1, time = 0, columns }: ChangeParts): Uint8Array {
  return chunk(1, [
    ...leb(deps.length),
    ...deps.flatMap((hash) => [...hexToBytes(hash)]),
    16,
    ...hexToBytes(ACTOR),
    ...leb(seq),
    ...leb(startOp),
    time,
    0,
    0,
    ...leb(columns.length),
    ...columns.flatMap(([column, contents]) => [...leb(column), ...leb(contents.length)]),
    ...columns.flatMap(([, contents]) => contents),
  ])
}

const utf8 = (text: string): readonly number[] => [...new TextEncoder().encode(text)]
const cell = utf8("[1,true]")
/** What the column of types says of a text this long. */
const textMeta = (length: number): readonly number[] => leb(length * 16 + 6)

/** One operation: `/a` set to true. */
const one: ChangeParts["columns"] = [
  [21, [0x7f, 2, 0x2f, 0x61]],
  [52, [1]],
  [66, [0x7f, 1]],
  [86, [0x7f, ...textMeta(cell.length)]],
  [87, cell],
  [112, [0x7f, 0]],
]
/** The same with another value. */
const holding = (meta: readonly number[], contents: readonly number[]): ChangeParts["columns"] =>
  one.map(([id, before]) => [id, id === 86 ? [0x7f, ...meta] : id === 87 ? contents : before])
const holdingText = (text: string) => holding(textMeta(utf8(text).length), utf8(text))
const replace = (column: number, contents: readonly number[]): ChangeParts["columns"] =>
  one.map(([id, before]) => [id, id === column ? contents : before])
const add = (column: number, contents: readonly number[]): ChangeParts["columns"] =>
  [...one, [column, contents] as const].sort(([a], [b]) => a - b)

const hostile: readonly { readonly name: string; readonly bytes: () => Uint8Array }[] = [
  {
    name: "a run of 2^31 operations",
    bytes: () => encode({ columns: replace(66, [0x80, 0x80, 0x80, 0x80, 0x08, 1]) }),
  },
  {
    name: "a run of 2^31 keys",
    bytes: () => encode({ columns: replace(21, [0x80, 0x80, 0x80, 0x80, 0x08, 2, 0x2f, 0x61]) }),
  },
  {
    name: "2^31 nulls",
    bytes: () => encode({ columns: replace(86, [0, 0x80, 0x80, 0x80, 0x80, 0x08]) }),
  },
  {
    name: "2^31 predecessors",
    bytes: () => encode({ columns: replace(112, [0x7f, 0x80, 0x80, 0x80, 0x80, 0x08]) }),
  },
  { name: "a nested map", bytes: () => encode({ columns: replace(66, [0x7f, 0]) }) },
  { name: "a text object", bytes: () => encode({ columns: replace(66, [0x7f, 4]) }) },
  { name: "an increment", bytes: () => encode({ columns: replace(66, [0x7f, 5]) }) },
  { name: "an insertion", bytes: () => encode({ columns: replace(52, [0, 1]) }) },
  {
    name: "a counter",
    bytes: () => encode({ columns: holding([0x18], [5]) }),
  },
  { name: "an object named", bytes: () => encode({ columns: add(2, [0x7f, 1]) }) },
  {
    name: "a key that is no pointer",
    bytes: () => encode({ columns: replace(21, [0x7f, 1, 0x61]) }),
  },
  {
    name: "the key __proto__",
    bytes: () =>
      encode({ columns: replace(21, [0x7f, 10, ...new TextEncoder().encode("/__proto__")]) }),
  },
  ...[
    "true",
    "[]",
    "[1,true,2]",
    "[0,true]",
    "[1.5,true]",
    '["1",true]',
    "[1, true]",
    '[1,{"b":1,"a":2}]',
    "[9007199254740993]",
    "[1,true",
  ].map((text) => ({
    name: `the text ${text}, which is no cell`,
    bytes: () => encode({ columns: holdingText(text) }),
  })),
  {
    name: "a value that is no text",
    bytes: () => encode({ columns: holding([2], []) }),
  },
  {
    name: "a counter far ahead of what was written",
    bytes: () => encode({ columns: holdingText("[1000,true]") }),
  },
  { name: "a time", bytes: () => encode({ time: 1, columns: one }) },
  {
    name: "an operation numbered far ahead",
    bytes: () => encode({ startOp: 0x7fff_0000, columns: one }),
  },
  { name: "sequence 5 first", bytes: () => encode({ seq: 5, columns: one }) },
  { name: "a compressed chunk", bytes: () => chunk(2, [0x03, 0x00]) },
  {
    name: "the deletion of nothing",
    bytes: () =>
      encode({ columns: holding([0], []).map(([id, c]) => [id, id === 66 ? [0x7f, 3] : c]) }),
  },
  {
    // It applies and saves, and what was saved has other hashes: it never loads again.
    name: "rows encoded otherwise than Automerge does",
    bytes: () =>
      encode({
        columns: [
          [21, [0x7e, 2, 0x2f, 0x61, 2, 0x2f, 0x62]],
          [52, [2]],
          [66, [0x7e, 1, 1]],
          [86, [2, ...textMeta(cell.length)]],
          [87, [...cell, ...cell]],
          [112, [2, 0]],
        ],
      }),
  },
  {
    name: "a predecessor that is nowhere",
    bytes: () =>
      encode({ columns: [...replace(112, [0x7f, 1]), [113, [0x7f, 0]], [115, [0x7f, 77]]] }),
  },
]

describe("hostile changes", () => {
  test("the hand-made change that is honest is taken", async () => {
    await using documents = await openInLineDocuments()
    await documents.apply({ document: card, changes: [encode({ columns: one })] })
    expect(await documents.read(card)).toEqual({ a: true })
  })

  test("[D6] [D10] a register that would shrink is refused", async () => {
    await using documents = await openInLineDocuments()
    const { heads: deps } = await documents.apply({
      document: card,
      changes: [encode({ columns: one })],
    })
    const again = (text: string, more: Partial<ChangeParts> = {}) => {
      const columns = holdingText(text).map(
        ([id, contents]) => [id, id === 112 ? [0x7f, 1] : contents] as const,
      )
      const preds = [
        [113, [0x7f, 0]],
        [115, [0x7f, 1]],
      ] as const
      return encode({ deps, seq: 2, startOp: 2, columns: [...columns, ...preds], ...more })
    }
    for (const text of ["[1,false]", "[3,false]"]) {
      const call = documents.apply({ document: card, changes: [again(text)] })
      await expect(call).rejects.toMatchObject({ code: "RECORD_CHANGE_REFUSED" })
    }
    // In one batch, and beside something else, as one after the other.
    await using fresh = await openInLineDocuments()
    await using other = await openInLineDocuments()
    const edits: readonly Edit[] = [{ op: "set", path: ["b"], value: 1 }]
    await other.edit({ document: card, edits, actor: new Uint8Array(16).fill(9) })
    for (const on of [fresh, other]) {
      const changes = [encode({ columns: one }), again("[1,false]")]
      const call = on.apply({ document: card, changes })
      await expect(call).rejects.toMatchObject({ code: "RECORD_CHANGE_REFUSED" })
    }
    expect(await documents.read(card)).toEqual({ a: true })
    const changes = [encode({ columns: one }), again("[2,false]")]
    for (const on of [documents, fresh, other]) {
      await on.apply({ document: card, changes })
      expect(await on.read(card)).toMatchObject({ a: false })
    }
  })

  test.each(hostile)("[D6] $name is refused, and the document is as it was", async ({ bytes }) => {
    await using documents = await openInLineDocuments()
    await documents.apply({ document: card, changes: [change] })
    const before = await documents.save(card)
    await using fresh = await openInLineDocuments()
    for (const on of [documents, fresh]) {
      const started = performance.now()
      const call = on.apply({ document: card, changes: [bytes()] })
      await expect(call).rejects.toMatchObject({ code: /^RECORD_CHANGE_(REFUSED|LIMIT)$/ })
      expect(performance.now() - started).toBeLessThan(100)
    }
    expect(await documents.save(card)).toEqual(before)
    expect(await fresh.read(card)).toBeUndefined()
  })

  test("[D6] what Automerge refuses costs no worker", async () => {
    const rows = hostile.find(({ name }) => name.startsWith("rows encoded"))
    if (rows === undefined) throw new TypeError("no such change")
    await using documents = openWorkerDocuments({ reload: async () => [] })
    const call = documents.apply({ document: card, changes: [rows.bytes()] })
    await expect(call).rejects.toMatchObject({ code: "RECORD_CHANGE_REFUSED" })
  })

  test("[D6] any bytes are read or refused, quickly", () => {
    const mutated = fc
      .tuple(
        fc.constantFrom("change", "next"),
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }),
      )
      .map(([which, flips]) => {
        const bytes = (which === "change" ? change : next).slice()
        for (const [at, value] of flips) bytes[at % bytes.length] = value
        return bytes
      })
    fc.assert(
      fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 200 })), (bytes) => {
        try {
          parseChange(bytes)
        } catch (error) {
          expect(error).toBeInstanceOf(RecordError)
        }
      }),
      { numRuns: 2000 },
    )
  })

  test("[D6] mutated changes with a right checksum are refused, or save and load again", async () => {
    const mutated = fc.tuple(
      fc.boolean(),
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 3 }),
    )
    await fc.assert(
      fc.asyncProperty(mutated, async ([isFirst, flips]) => {
        await using documents = await openInLineDocuments()
        if (!isFirst) await documents.apply({ document: card, changes: [change] })
        const contents = [...(isFirst ? change : next).subarray(10)]
        for (const [at, value] of flips) contents[at % contents.length] = value
        const before = await documents.read(card)
        try {
          await documents.apply({ document: card, changes: [chunk(1, contents)] })
          await using again = await openInLineDocuments()
          await again.load(card, await documents.save(card))
          expect(await again.read(card)).toEqual(await documents.read(card))
        } catch (error) {
          expect(error).toMatchObject({ code: /^RECORD_CHANGE_/ })
          expect(await documents.read(card)).toEqual(before)
        }
      }),
      { numRuns: 150 },
    )
  })

  test("[D6] mutated saved forms are refused, or what they hold saves again", async () => {
    const flips = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 3 })
    await fc.assert(
      fc.asyncProperty(flips, async (changes) => {
        const contents = [...saved.subarray(saved[9] !== undefined && saved[9] > 127 ? 11 : 10)]
        for (const [at, value] of changes) contents[at % contents.length] = value
        const bytes = chunk(0, contents)
        await using documents = await openInLineDocuments()
        try {
          await documents.load(card, bytes)
          await documents.save(card)
        } catch (error) {
          expect(error).toMatchObject({ code: /^RECORD_CHANGE_/ })
        }
      }),
      { numRuns: 150 },
    )
    await inspectSavedForm(saved)
  })
})

describe("a worker that is lost", () => {
  test("[D8] costs only the call that lost it, and no acknowledged change", async () => {
    await using source = await openInLineDocuments()
    const changes: Uint8Array[] = []
    for (let at = 0; at < 3000; at++) {
      const edit: Edit = { op: "set", path: ["notes", `${at % 500}`, "note"], value: `${at}` }
      const result = await source.edit({ document: card, edits: [edit], actor: hexToBytes(ACTOR) })
      if (result !== undefined) changes.push(result.change)
    }
    const kept: Uint8Array[] = []
    await using documents = openWorkerDocuments({
      reload: async () => kept,
      memoryBytesMax: 3 << 20,
    })
    const actor = new Uint8Array(16).fill(9)
    const first = await documents.edit({ document: card, edits, actor })
    if (first !== undefined) kept.push(first.change)
    // Not yet durable with the owner when the worker is lost, and still there afterwards.
    const phone: Edit = { op: "set", path: ["phones", "2", "number"], value: "2" }
    const second = await documents.edit({ document: card, edits: [phone], actor })
    expect(second?.heads).toEqual(await documents.heads(card))
    const call = documents.apply({ document: card, changes })
    await expect(call).rejects.toMatchObject({ code: "RECORD_WORKER" })
    expect(await documents.heads(card)).toEqual(second?.heads)
    expect(await documents.read(card)).toMatchObject({ phones: { 2: { number: "2" } } })
  })

  test("[D8] a call past its time fails", async () => {
    await using documents = openWorkerDocuments({ reload: async () => [], callMsMax: 1 })
    await expect(documents.history(card)).rejects.toMatchObject({ code: "RECORD_WORKER" })
  })
})
