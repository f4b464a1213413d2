import type { JsonValue } from "@fulcrum/codec/json"
import { afterAll, describe, expect, test } from "vitest"
import {
  type ApplyInput,
  type DocumentId,
  type Documents,
  documentId,
  type Edit,
  type Reload,
} from "../src/documents.ts"
import { openInLineDocuments } from "../src/in-line.ts"
import type { LoadedMax } from "../src/loaded-documents.ts"
import { valueAt } from "../src/registers.ts"
import { LOADED_MAX } from "../src/serial-documents.ts"
import { openWorkerDocuments } from "../src/worker-threads.ts"

const card = documentId("card")
const none: Reload = async () => []
const set = (path: string, value: JsonValue): Edit => ({ op: "set", path: path.split("/"), value })
const unset = (path: string): Edit => ({ op: "unset", path: path.split("/") })
const actor = (number: number): Uint8Array => new Uint8Array(16).fill(number)

/** Worker threads start slowly, so each implementation has one for all its tests' small needs. */
const opened: Documents[] = []
async function keep(documents: Promise<Documents> | Documents): Promise<Documents> {
  const ready = await documents
  opened.push(ready)
  return ready
}
afterAll(async () => {
  for (const documents of opened) await documents[Symbol.asyncDispose]()
})

async function write(
  documents: Documents,
  by: number,
  edits: readonly Edit[],
  document = card,
): Promise<Uint8Array> {
  const result = await documents.edit({ document, edits, actor: actor(by) })
  if (result === undefined) throw new Error("nothing changed")
  return result.change
}

describe.each([
  {
    name: "in line",
    open: (reload: Reload, loadedMax?: LoadedMax) => openInLineDocuments({ reload, loadedMax }),
  },
  {
    name: "in a worker",
    open: async (reload: Reload, loadedMax?: LoadedMax) =>
      openWorkerDocuments({ reload, loadedMax }),
  },
])("documents $name", ({ open }) => {
  const pair = async (): Promise<readonly [Documents, Documents]> => [
    await keep(open(none)),
    await keep(open(none)),
  ]

  test("[D1] two devices that begin one document apart keep both their fields", async () => {
    const [a, b] = await pair()
    const fromA = await write(a, 1, [set("emails/home", { address: "a@example.org" })])
    const fromB = await write(b, 2, [
      set("emails/home/contexts/private", true),
      set("emails/work/address", "b@example.org"),
    ])
    const { heads } = await a.apply({ document: card, changes: [fromB] })
    expect(await b.apply({ document: card, changes: [fromA] })).toEqual({ heads })
    const both = {
      emails: {
        home: { address: "a@example.org", contexts: { private: true } },
        work: { address: "b@example.org" },
      },
    }
    expect(await a.read(card)).toEqual(both)
    expect(await b.read(card)).toEqual(both)
    expect(await a.conflicts(card)).toEqual([])
  })

  test("[D11] the longest unused makes room, and nothing of it is lost", async () => {
    const kept = new Map<DocumentId, Uint8Array[]>()
    const reloads: DocumentId[] = []
    const documents = await keep(
      open(
        async (document) => {
          reloads.push(document)
          return kept.get(document) ?? []
        },
        { documents: 2, bytes: LOADED_MAX.bytes },
      ),
    )
    const ids = ["a", "b", "c", "d"].map((id) => documentId(`relationships/${id}`))
    for (const [at, document] of ids.entries()) {
      const edit = { document, edits: [set("name", `${at}`)], actor: actor(1) }
      const result = await documents.edit(edit)
      kept.set(document, [result?.change ?? new Uint8Array()])
      documents.kept([document])
    }
    reloads.length = 0
    for (const [at, document] of ids.toReversed().entries()) {
      expect(await documents.read(document)).toEqual({ name: `${3 - at}` })
    }
    // The last two were there still.
    expect(reloads).toEqual([ids[1], ids[0]])
    reloads.length = 0
    const [first = card, second = card, third = card, fourth = card] = ids
    await documents.read(second)
    await documents.read(third)
    await documents.read(second)
    expect(reloads).toEqual([third])

    // What its owner has not made durable yet stays.
    await documents.edit({ document: fourth, edits: [set("name", "new")], actor: actor(1) })
    for (const document of [first, second]) await documents.read(document)
    reloads.length = 0
    expect(await documents.read(fourth)).toEqual({ name: "new" })
    expect(reloads).toEqual([])
    documents.kept([fourth])
    for (const document of [first, second]) await documents.read(document)
    // Its owner only said so.
    expect(await documents.read(fourth)).toEqual({ name: "3" })
  })

  test("[D4] an edit whose change nobody would read is refused, and nothing of it stays", async () => {
    const kept: Uint8Array[] = []
    const documents = await keep(open(async () => kept))
    const notes = (count: number, size: number) =>
      Array.from({ length: count }, (_, at) => set(`notes/${at}/note`, "x".repeat(size)))
    kept.push(await write(documents, 1, notes(4, 250_000)))
    const edit = { document: card, actor: actor(1) }
    await expect(documents.edit({ ...edit, edits: notes(5, 249_000) })).rejects.toMatchObject({
      code: "RECORD_EDIT_REFUSED",
    })
    kept.push(await write(documents, 1, [set("name/full", "Ada")]))
    const many = Array.from({ length: 9000 }, (_, at) => set(`notes/n${at}/note`, "short text"))
    const change = await documents.edit({ ...edit, edits: many })
    kept.push(change?.change ?? new Uint8Array())
    await documents.forgetAll()
    // It loads again: each of its changes is one that may be read.
    expect(await documents.read(card)).toMatchObject({ name: { full: "Ada" } })
    const elsewhere = await keep(open(none))
    for (const one of kept) await elsewhere.apply({ document: card, changes: [one] })
    expect(await elsewhere.read(card)).toEqual(await documents.read(card))
  })

  test("all are forgotten at once, also those that were only read", async () => {
    const kept = new Map<DocumentId, Uint8Array[]>()
    const documents = await keep(open(async (document) => kept.get(document) ?? []))
    const other = documentId("things")
    const change = await write(documents, 1, [set("name/full", "Ada")])
    kept.set(card, [change])
    documents.kept([card])
    await documents.edit({ document: other, edits: [set("1/name", "x")], actor: actor(1) })
    expect(await documents.read(card)).toEqual({ name: { full: "Ada" } })
    kept.clear()
    await documents.forgetAll()
    expect(await documents.read(card)).toBeUndefined()
    expect(await documents.read(other)).toBeUndefined()
  })

  test("[D13] changes of many documents are taken together, whatever has room", async () => {
    const [maker] = await pair()
    const ids = Array.from({ length: 20 }, (_, at) => documentId(`relationships/r${at}`))
    const inputs: ApplyInput[] = []
    for (const document of ids) {
      const changes: Uint8Array[] = []
      for (const name of ["one", "two"]) {
        changes.push(await write(maker, 1, [set("name", `${document} ${name}`)], document))
      }
      inputs.push({ document, changes })
    }
    const documents = await keep(open(none, { documents: 2, bytes: LOADED_MAX.bytes }))
    await documents.applyMany(inputs)
    for (const document of ids) {
      expect(await documents.read(document)).toEqual({ name: `${document} two` })
    }
    const [{ document, changes } = { document: card, changes: [] }] = inputs
    const wrong = { document: card, changes: changes.slice(1) }
    await expect(documents.applyMany([{ document, changes }, wrong])).rejects.toMatchObject({
      code: "RECORD_CHANGE_MISSING",
    })
  })

  test("[D12] documents whose Automerge form was given back are edited and saved all the same", async () => {
    const [documents] = await pair()
    const ids = Array.from({ length: 300 }, (_, at) => documentId(`relationships/rest-${at}`))
    for (const round of ["first", "second"]) {
      for (const document of ids) {
        await write(documents, 1, [set("name", `${document} ${round}`)], document)
      }
    }
    for (const round of [1, 2]) {
      for (const document of ids) {
        expect((await documents.history(document)).map(({ value }) => value)).toEqual([
          `${document} first`,
          `${document} second`,
        ])
      }
      for (const document of round === 1 ? ids.slice(0, 2) : []) {
        await write(documents, 2, [set("maker", "M")], document)
        await write(documents, 2, [unset("maker")], document)
        const again = await keep(open(none))
        await again.load(document, await documents.save(document))
        expect(await again.read(document)).toEqual({ name: `${document} second` })
        expect(await again.heads(document)).toEqual(await documents.heads(document))
        ids.shift()
      }
    }
  })

  test("[D11] documents make room by their bytes too", async () => {
    const kept = new Map<DocumentId, Uint8Array[]>()
    let reloaded = 0
    const documents = await keep(
      open(
        async (document) => {
          reloaded++
          return kept.get(document) ?? []
        },
        { documents: 100, bytes: 4096 },
      ),
    )
    const ids = ["a", "b", "c"].map((id) => documentId(`relationships/${id}`))
    for (const document of ids) {
      const edits = [set("name", document.repeat(100))]
      const result = await documents.edit({ document, edits, actor: actor(1) })
      kept.set(document, [result?.change ?? new Uint8Array()])
      documents.kept([document])
    }
    reloaded = 0
    // Two have room: reading the first lets the second go, and so on.
    for (const document of ids) await documents.read(document)
    for (const document of ids) await documents.read(document)
    expect(reloaded).toBe(5)
  })

  test("[D2] a conflict shows every value, the winner first, alike everywhere", async () => {
    const [a, b] = await pair()
    const fromA = await write(a, 1, [set("name/full", "Anna"), set("phones/1/number", "1")])
    const fromB = await write(b, 2, [set("name/full", "Ann")])
    await a.apply({ document: card, changes: [fromB] })
    await b.apply({ document: card, changes: [fromA] })
    const shown = await a.conflicts(card)
    expect(shown).toEqual([{ path: ["name"], values: [{ full: "Anna" }, { full: "Ann" }] }])
    expect(await b.conflicts(card)).toEqual(shown)
    expect(await b.read(card)).toMatchObject({ name: { full: "Anna" } })
    await write(a, 1, [set("name/full", "Ann")])
    expect(await a.conflicts(card)).toEqual([])
    expect(await a.read(card)).toMatchObject({ name: { full: "Ann" } })
  })

  test("[D10] of concurrent values the one that replaced more is shown, whatever else was written", async () => {
    const [a, b] = await pair()
    const fromA = [await write(a, 1, [set("notes/1/note", "first")])]
    fromA.push(await write(a, 1, [set("notes/1/note", "second")]))
    const fromB: Uint8Array[] = []
    for (let i = 0; i < 9; i++) fromB.push(await write(b, 2, [set(`phones/${i}/number`, "1")]))
    fromB.push(await write(b, 2, [set("notes/1/note", "other")]))
    const heldByB: unknown[] = []
    for (const change of fromA) {
      await b.apply({ document: card, changes: [change] })
      heldByB.push(valueAt(await b.read(card), ["notes", "1", "note"]))
    }
    await a.apply({ document: card, changes: fromB })
    expect(heldByB).toEqual(["other", "second"])
    expect(await a.read(card)).toEqual(await b.read(card))
    expect(await a.conflicts(card)).toEqual([
      { path: ["notes", "1", "note"], values: ["second", "other"] },
    ])
  })

  test("[D10] what was unset by one and edited by another is a conflict that says so", async () => {
    const [a, b] = await pair()
    const path = ["notes", "1", "note"]
    const first = await write(a, 1, [set("notes/1/note", "x")])
    await b.apply({ document: card, changes: [first] })
    const edited = await write(b, 2, [set("notes/1/note", "y")])
    await write(a, 1, [unset("notes/1/note")])
    await a.apply({ document: card, changes: [edited] })
    expect(await a.conflicts(card)).toEqual([{ path, values: ["y", undefined] }])
    const more = [await write(b, 2, [set("notes/1/note", "z")])]
    more.push(await write(b, 2, [unset("notes/1/note")]))
    await write(a, 1, [set("notes/1/note", "w")])
    await a.apply({ document: card, changes: more })
    expect(await a.conflicts(card)).toEqual([{ path, values: [undefined, "w"] }])
    expect(await a.read(card)).toBeUndefined()
    const before = await a.save(card)
    // Unsetting it says which of the two is meant.
    await write(a, 1, [unset("notes/1/note")])
    expect(await a.conflicts(card)).toEqual([])
    await a.load(card, before)
    await write(a, 4, [set("notes/1/note", "again")])
    expect(await a.conflicts(card)).toEqual([])
    expect(await a.read(card)).toEqual({ notes: { 1: { note: "again" } } })
  })

  test("[D10] a register tells how often it was replaced, and what stands beside it", async () => {
    const [a, b] = await pair()
    const first = await write(a, 1, [set("notes/1/note", "x"), set("phones/1/number", "1")])
    await b.apply({ document: card, changes: [first] })
    const fromB = await write(b, 2, [set("notes/1/note", "a")])
    await write(a, 1, [set("notes/1/note", "b"), unset("phones/1/number")])
    await a.apply({ document: card, changes: [fromB] })
    expect(await a.registers(card, ["notes"])).toEqual([
      {
        path: ["notes", "1", "note"],
        counter: 2,
        value: "b",
        others: [{ counter: 2, value: "a" }],
      },
    ])
    expect(await a.registers(card, ["phones", "1", "number", "below"])).toEqual([
      { path: ["phones", "1", "number"], counter: 2, value: undefined, others: [] },
    ])
    expect(await a.registers(card, ["phones", "12"])).toEqual([])
    expect(await a.registers(card, [])).toHaveLength(2)
  })

  test("[D4] an edit says what it overwrote, and one that changes nothing is none", async () => {
    const documents = await keep(open(none))
    await write(documents, 1, [set("phones/1", { number: "1", features: { mobile: true } })])
    const result = await documents.edit({
      document: card,
      edits: [set("phones/1", { number: "2" }), unset("phones/9")],
      actor: actor(1),
    })
    expect(result?.overwrote).toEqual([
      { path: ["phones", "1", "features", "mobile"], value: true },
      { path: ["phones", "1", "number"], value: "1" },
    ])
    expect(result?.wrote).toEqual([
      { path: ["phones", "1", "features", "mobile"], value: undefined },
      { path: ["phones", "1", "number"], value: "2" },
    ])
    const again = { document: card, edits: [set("phones/1/number", "2")], actor: actor(1) }
    expect(await documents.edit(again)).toBeUndefined()
  })

  test("history names the writers of a path and of what is around it", async () => {
    const [a, b] = await pair()
    const first = await write(a, 1, [set("name/full", "Anna"), set("notes/1/note", "x")])
    await b.apply({ document: card, changes: [first] })
    const second = await write(b, 2, [set("name/full", "Anna B")])
    await a.apply({ document: card, changes: [second] })
    await write(a, 3, [unset("name/full")])
    const shown = await a.history(card, ["name", "full"])
    expect(
      shown.map(({ actor: by, seq, path, value }) => [by.slice(0, 2), seq, path, value]),
    ).toEqual([
      ["01", 1, ["name"], { full: "Anna" }],
      ["02", 1, ["name"], { full: "Anna B" }],
      ["03", 1, ["name"], undefined],
    ])
    expect(await a.heads(card)).toEqual([shown[2]?.changeHash])
  })

  test("a saved form loads to the same heads; another document is untouched", async () => {
    const [a, b] = await pair()
    const things = documentId("things")
    await write(
      a,
      1,
      [set("1", { name: "Bicycle", wheels: 2, price: 1.5, none: null, list: [1] })],
      things,
    )
    const { heads } = await b.load(things, await a.save(things))
    expect(heads).toEqual(await a.heads(things))
    expect(await b.read(things)).toEqual(await a.read(things))
    expect(await b.read(card)).toBeUndefined()
    await b.forget(things)
    expect(await b.read(things)).toBeUndefined()
  })

  test("what the owner has is loaded at first use", async () => {
    const source = await keep(openInLineDocuments())
    const changes = [
      await write(source, 1, [set("name/full", "Anna")]),
      await write(source, 1, [set("phones/1/number", "1")]),
    ]
    const documents = await keep(open(async () => changes))
    expect(await documents.read(card)).toEqual(await source.read(card))
    await write(documents, 7, [set("phones/1/number", "2")])
    await documents.forget(card)
    expect(await documents.read(card)).toEqual(await source.read(card))
  })

  test("[D7] a batch is taken whole or not at all", async () => {
    const [a, b] = await pair()
    const first = await write(a, 1, [set("name/full", "Anna")])
    const second = await write(a, 1, [set("phones/1/number", "1")])
    await write(b, 2, [set("phones/2/number", "2")])
    const before = [await b.read(card), await b.heads(card)]
    const torn = second.slice()
    torn[torn.length - 1] = (torn.at(-1) ?? 0) ^ 1
    const call = (changes: readonly Uint8Array[]) => b.apply({ document: card, changes })
    await expect(call([first, torn])).rejects.toMatchObject({ code: "RECORD_CHANGE_REFUSED" })
    await expect(call([second])).rejects.toMatchObject({ code: "RECORD_CHANGE_MISSING" })
    await expect(call([first, new Uint8Array(2 ** 20 + 1)])).rejects.toMatchObject({
      code: "RECORD_CHANGE_LIMIT",
    })
    expect([await b.read(card), await b.heads(card)]).toEqual(before)
    await call([first, second])
    const twice = await call([second, first])
    expect(twice).toEqual({ heads: await b.heads(card) })
  })

  test("[D9] keys that could reach a prototype are refused", async () => {
    const documents = await keep(open(none))
    const value: JsonValue = JSON.parse('{"a":{"__proto__":1}}')
    for (const edit of [set("constructor/x", 1), set("notes", value), set("a//b", 1)]) {
      const call = documents.edit({ document: card, edits: [edit], actor: actor(1) })
      await expect(call).rejects.toMatchObject({ code: "RECORD_EDIT_REFUSED" })
    }
    expect(await documents.read(card)).toBeUndefined()
  })
})
