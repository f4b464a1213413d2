/** Documents that need no Automerge are near; nothing but how long it takes shows where one is. */
import { sha256 } from "@fulcrum/crypto/hash"
import fc from "fast-check"
import { expect, test } from "vitest"
import type { HostCall } from "../src/document-host.ts"
import { type DocumentId, type Documents, documentId, type Edit } from "../src/documents.ts"
import { FOLLOWED_MAX } from "../src/follower-documents.ts"
import type { HostLink } from "../src/host-link.ts"
import { openInLineDocuments, openInLineHost } from "../src/in-line.ts"
import type { LoadedMax } from "../src/loaded-documents.ts"
import { NEAR_BYTES_MAX, NEAR_CHANGES_MAX } from "../src/near-documents.ts"
import { RecordError } from "../src/record-error.ts"
import { SerialDocuments } from "../src/serial-documents.ts"

const card = documentId("card")
const names = [card, documentId("things"), documentId("relationships/1")]
const actor = (number: number): Uint8Array => new Uint8Array(16).fill(number)
const set = (value: string, key = "name"): Edit => ({ op: "set", path: [key], value })

/** Documents with a disk, and what their host is asked. */
async function opened(options: { near: boolean; max?: LoadedMax; losesEvery?: number }) {
  const { near, max, losesEvery = 0 } = options
  const calls: HostCall[] = []
  let host = await openInLineHost()
  let generation = 1
  const link: HostLink = {
    get generation() {
      return generation
    },
    async call(name, input) {
      calls.push(name)
      if (losesEvery > 0 && calls.length % losesEvery === 0) {
        host = await openInLineHost()
        generation++
        throw new RecordError("RECORD_WORKER", "lost")
      }
      return host.call(name, input)
    },
    [Symbol.asyncDispose]: async () => undefined,
  }
  const disk = new Map<DocumentId, Uint8Array[]>()
  const reload = async (document: DocumentId) => disk.get(document) ?? []
  const documents = new SerialDocuments({ link, reload, max, ...(near && { sha256 }) })
  const keep = (document: DocumentId, changes: readonly Uint8Array[]) => {
    disk.set(document, [...(disk.get(document) ?? []), ...changes])
    documents.kept([document])
  }
  const saved = async (document: DocumentId) => {
    disk.set(document, [await documents.save(document)])
    documents.kept([document])
  }
  return { documents, calls, keep, saved }
}

test("[D14] an edit, a change of another device and what is read need no host, however often", async () => {
  const one = await opened({ near: true })
  const other = await opened({ near: true })
  for (let at = 0; at < 100; at++) {
    const [from, to] = at % 2 === 0 ? [one, other] : [other, one]
    const edits = [set(`Ada ${at}`)]
    const made = await from.documents.edit({ document: card, edits, actor: actor(at % 2) })
    if (made === undefined) throw new Error("nothing changed")
    await to.documents.apply({ document: card, changes: [made.change] })
    from.keep(card, [made.change])
    to.keep(card, [made.change])
    expect(await to.documents.read(card)).toEqual({ name: `Ada ${at}` })
  }
  expect(await one.documents.heads(card)).toEqual(await other.documents.heads(card))
  expect([...one.calls, ...other.calls]).toEqual([])
  // History is told by Automerge; then edits go on near.
  expect(await one.documents.history(card)).toHaveLength(100)
  await one.documents.edit({ document: card, edits: [set("again")], actor: actor(7) })
  expect(one.calls).toEqual(["restore", "history"])
  expect(await one.documents.history(card)).toHaveLength(101)
  expect(one.calls).toEqual(["restore", "history", "follow", "history"])
})

test("[D14] a document that is saved now and then stays near, however long its history is", async () => {
  const { documents, calls, keep, saved } = await opened({ near: true })
  const edit = async (value: string) => {
    const made = await documents.edit({ document: card, edits: [set(value)], actor: actor(1) })
    keep(card, [made?.change ?? new Uint8Array()])
  }
  for (let at = 1; at <= 9000; at++) {
    await edit(`${at}`)
    if (at % 1000 === 0) await saved(card)
  }
  const first = ["restore", "save"]
  expect(calls).toEqual([...first, ...Array.from({ length: 8 }, () => ["follow", "save"]).flat()])
  expect(await documents.history(card)).toHaveLength(9000)
  await using other = await openInLineDocuments()
  await other.load(card, await documents.save(card))
  expect(await other.read(card)).toEqual({ name: "9000" })
  expect(await other.heads(card)).toEqual(await documents.heads(card))
})

test("[D14] what the host has beside a document that is near is given up when it lags far behind", async () => {
  const { documents, calls, keep } = await opened({ near: true })
  const edit = async (value: string) => {
    const made = await documents.edit({ document: card, edits: [set(value)], actor: actor(1) })
    keep(card, [made?.change ?? new Uint8Array()])
  }
  await edit("first")
  await documents.history(card)
  for (let at = 0; at < FOLLOWED_MAX; at++) await edit(`${at}`)
  expect(calls).toEqual(["restore", "history"])
  await edit("last")
  expect(calls).toEqual(["restore", "history", "forget"])
  expect(await documents.history(card)).toHaveLength(FOLLOWED_MAX + 2)
  expect(calls.slice(3)).toEqual(["restore", "history"])
})

test("[D14] a document in which very much stands is the host's", async () => {
  const { documents, calls } = await opened({ near: true })
  const edit = (from: number, value: string) =>
    documents.edit({
      document: card,
      edits: Array.from({ length: 64 }, (_, at) => set(value, `field ${from + at}`)),
      actor: actor(1),
    })
  for (let from = 0; from < 2048; from += 64) await edit(from, "x")
  expect(calls).toEqual([])
  for (let from = 2048; from < 3072; from += 64) await edit(from, "x")
  expect(calls.slice(0, 2)).toEqual(["restore", "edit"])

  const few = await opened({ near: true })
  await few.documents.edit({ document: card, edits: [set("x".repeat(60_000))], actor: actor(1) })
  expect(few.calls).toEqual([])
  const large = Array.from({ length: 9 }, (_, at) => set("x".repeat(60_000), `field ${at}`))
  await few.documents.edit({ document: card, edits: large, actor: actor(1) })
  expect(few.calls).toEqual(["restore", "edit"])
})

test("[D14] what the host could not take of a document that is near is made anew, or forgotten with it", async () => {
  const faults = { refuses: false, loses: false }
  const disk = new Map<DocumentId, Uint8Array[]>()
  const host = await openInLineHost()
  const link: HostLink = {
    generation: 1,
    call: async (name, input) => {
      if (name === "follow" && faults.refuses) throw new RecordError("RECORD_CHANGE_REFUSED", "no")
      return host.call(name, input)
    },
    [Symbol.asyncDispose]: async () => undefined,
  }
  const reload = async (document: DocumentId) => {
    if (faults.loses) throw new Error("the disk failed")
    return disk.get(document) ?? []
  }
  const documents = new SerialDocuments({ link, reload, sha256 })
  const edit = (value: string) =>
    documents.edit({ document: card, edits: [set(value)], actor: actor(1) })
  await edit("first")
  await documents.history(card)
  await edit("second")
  faults.refuses = true
  expect(await documents.history(card)).toHaveLength(2)
  await edit("third")
  faults.loses = true
  await expect(documents.history(card)).rejects.toThrow("the disk failed")
  faults.refuses = false
  faults.loses = false
  expect(await documents.history(card)).toHaveLength(3)
  await edit("fourth")
  faults.refuses = true
  faults.loses = true
  await expect(documents.history(card)).rejects.toThrow("the disk failed")
  await documents.forget(card)
  faults.loses = false
  expect(await documents.read(card)).toBeUndefined()
  expect(await documents.history(card)).toEqual([])
})

test("[D14] changes made apart, many changes, and saved forms are the host's", async () => {
  const { documents, calls, saved } = await opened({ near: true })
  await using other = await openInLineDocuments()
  const edit = (of: Documents, value: string, by: number) =>
    of.edit({ document: card, edits: [set(value)], actor: actor(by) })
  await edit(documents, "here", 1)
  const apart = await edit(other, "there", 2)
  expect(calls).toEqual([])
  await documents.apply({ document: card, changes: [apart?.change ?? new Uint8Array()] })
  expect(calls).toEqual(["restore", "apply"])
  expect(await documents.conflicts(card)).toHaveLength(1)
  await edit(documents, "settled", 1)
  expect(calls.at(-1)).toBe("edit")
  await saved(card)
  expect(await documents.read(card)).toEqual({ name: "settled" })
  await documents.forget(card)
  expect(await documents.read(card)).toEqual({ name: "settled" })
  expect(calls.slice(-2)).toEqual(["restore", "read"])

  const long: Uint8Array[] = []
  for (let at = 0; at <= NEAR_CHANGES_MAX; at++) {
    const made = await other.edit({
      document: names[1] ?? card,
      edits: [set(`${at}`)],
      actor: actor(2),
    })
    long.push(made?.change ?? new Uint8Array())
  }
  await documents.apply({ document: names[1] ?? card, changes: long })
  expect(calls.at(-1)).toBe("apply")
  const large = await other.edit({
    document: names[2] ?? card,
    edits: [set("x".repeat(NEAR_BYTES_MAX))],
    actor: actor(2),
  })
  await documents.apply({
    document: names[2] ?? card,
    changes: [large?.change ?? new Uint8Array()],
  })
  expect(calls.at(-1)).toBe("apply")
})

type Step =
  | { readonly kind: "edit"; readonly document: DocumentId; readonly edits: readonly Edit[] }
  | {
      readonly kind: "foreign"
      readonly document: DocumentId
      readonly edits: readonly Edit[]
      readonly apart: boolean
    }
  | { readonly kind: "save" | "history" | "forget" | "keep"; readonly document: DocumentId }

const document = fc.constantFrom(...names)
const edits = fc.array(
  fc.oneof(
    fc.record({
      op: fc.constant("set" as const),
      path: fc.constantFrom(["name"], ["note"], ["name", "full"]),
      value: fc.constantFrom("a", "b", 3, { full: "c" }),
    }),
    fc.record({ op: fc.constant("unset" as const), path: fc.constantFrom(["name"], ["note"]) }),
  ),
  { minLength: 1, maxLength: 3 },
)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("edit" as const), document, edits }) },
  {
    weight: 4,
    arbitrary: fc.record({
      ...{ kind: fc.constant("foreign" as const), document, edits },
      apart: fc.integer({ min: 0, max: 7 }).map((n) => n === 0),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        "save" as const,
        "history" as const,
        "forget" as const,
        "keep" as const,
      ),
      document,
    }),
  },
)

test("[D14] documents near and in a host that is lost now and then answer as those of one that never is", async () => {
  const runs = Number(process.env.FULCRUM_STRAIGHT_RUNS ?? 200)
  let far = 0
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 25 }),
      fc.constantFrom(0, 5, 7, 11),
      fc.constantFrom<LoadedMax>({ documents: 1, bytes: 1 << 20 }, { documents: 9, bytes: 200 }),
      async (steps, losesEvery, max) => {
        const tried = await opened({ near: true, max, losesEvery })
        const model = await opened({ near: false })
        const writer = await openInLineDocuments()
        /** What this device has of each that the writer lacks. */
        const untold = new Map<DocumentId, Uint8Array[]>()
        const unkept = new Map<DocumentId, Uint8Array[]>()
        const took = (document: DocumentId, change: Uint8Array) => {
          unkept.set(document, [...(unkept.get(document) ?? []), change])
        }
        const keep = (document: DocumentId) => {
          const changes = unkept.get(document) ?? []
          unkept.delete(document)
          for (const one of [tried, model]) one.keep(document, changes)
        }
        for (const { kind, document, ...more } of steps) {
          if (kind === "edit" && "edits" in more) {
            const input = { document, edits: more.edits, actor: actor(1) }
            const [made, expected] = await Promise.allSettled([
              again(() => tried.documents.edit(input)),
              model.documents.edit(input),
            ])
            expect(made).toEqual(expected)
            if (made.status === "rejected" || made.value === undefined) continue
            took(document, made.value.change)
            untold.set(document, [...(untold.get(document) ?? []), made.value.change])
          } else if (kind === "foreign" && "apart" in more) {
            if (!more.apart) {
              await writer.apply({ document, changes: untold.get(document) ?? [] })
              untold.delete(document)
            }
            const made = await writer
              .edit({ document, edits: more.edits, actor: actor(2) })
              .catch(() => undefined)
            if (made === undefined) continue
            const input = { document, changes: [made.change] }
            expect(await again(() => tried.documents.apply(input))).toEqual(
              await model.documents.apply(input),
            )
            took(document, made.change)
          } else if (kind === "save") {
            keep(document)
            await again(() => tried.saved(document))
            await model.saved(document)
          } else if (kind === "history") {
            expect(await tried.documents.history(document)).toEqual(
              await model.documents.history(document),
            )
          } else if (kind === "forget") {
            keep(document)
            await tried.documents.forget(document)
          } else keep(document)
          for (const one of names) {
            expect(await tried.documents.read(one)).toEqual(await model.documents.read(one))
            expect(await tried.documents.heads(one)).toEqual(await model.documents.heads(one))
            const [theirs, ours] = [model, tried].map((of) => of.documents.registers(one, []))
            expect(await ours).toEqual(await theirs)
            const conflicts = await model.documents.conflicts(one)
            expect(await tried.documents.conflicts(one)).toEqual(conflicts)
          }
        }
        far += tried.calls.length
      },
    ),
    { numRuns: runs },
  )
  expect(far).toBeGreaterThan(runs)
})

/** A call that is not tried again by itself when the host is lost, or twice in a row. */
async function again<T>(run: () => Promise<T>): Promise<T> {
  for (let left = 5; ; left--) {
    try {
      return await run()
    } catch (error) {
      if (!(error instanceof RecordError) || error.code !== "RECORD_WORKER" || left === 0)
        throw error
    }
  }
}
