import type { JsonValue } from "@fulcrum/codec/json"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { documentId, type Edit } from "../src/documents.ts"
import { openInLineDocuments } from "../src/in-line.ts"
import { assemble, hiddenKeys, isObject, keyToPath, pathToKey, valueAt } from "../src/registers.ts"
import { planUndo } from "../src/undo.ts"

const card = documentId("card")
const actor = (number: number): Uint8Array => new Uint8Array(16).fill(number)

const segment = fc.constantFrom("a", "b", "name", "addresses", "full", "x/y", "~", "a-b", "0")
const path = fc.array(segment, { minLength: 1, maxLength: 4 })
const leaf: fc.Arbitrary<JsonValue> = fc.oneof(
  fc.constantFrom<JsonValue>(null, true, "", "text", 0, -1, 1.5, 2 ** 53 - 1, [], [1, { a: "b" }]),
  fc.string({ maxLength: 5 }).map((text) => text.toWellFormed()),
)
const value: fc.Arbitrary<JsonValue> = fc.oneof(
  leaf,
  fc.dictionary(segment, leaf, { maxKeys: 3 }),
  fc.dictionary(segment, fc.dictionary(segment, leaf, { maxKeys: 2 }), { maxKeys: 2 }),
)
const edit: fc.Arbitrary<Edit> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ op: fc.constant("set" as const), path, value }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant("unset" as const), path }) },
)

describe("registers", () => {
  test("[D3] one writer's edits read as those of plain JSON", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(edit, { maxLength: 12 }), async (edits) => {
        await using documents = await openInLineDocuments()
        let model: JsonValue | undefined
        for (const one of edits) {
          await documents.edit({ document: card, edits: [one], actor: actor(1) })
          model = setIn(model, one.path, one.op === "set" ? one.value : undefined)
          expect(pruned(await documents.read(card))).toEqual(pruned(model))
        }
        expect(await documents.conflicts(card)).toEqual([])
      }),
      { numRuns: 40 },
    )
  })

  test("[D5] replicas that have the same changes read the same, in any order and any number", async () => {
    const session = fc.array(fc.tuple(fc.integer({ min: 0, max: 2 }), edit, fc.boolean()), {
      maxLength: 14,
    })
    await fc.assert(
      fc.asyncProperty(session, fc.infiniteStream(fc.nat(2)), async (steps, draws) => {
        const replicas = await Promise.all([1, 2, 3].map(() => openInLineDocuments()))
        const all: Uint8Array[] = []
        const seen = [0, 0, 0]
        for (const [by, one, isSyncing] of steps) {
          const replica = replicas[by]
          if (replica === undefined) throw new Error("no such replica")
          if (isSyncing) {
            await replica.apply({ document: card, changes: all.slice(seen[by]) })
            seen[by] = all.length
          }
          const result = await replica.edit({ document: card, edits: [one], actor: actor(by + 1) })
          if (result !== undefined) all.push(result.change)
        }
        const states: unknown[] = []
        for (const replica of replicas) {
          // Causal order is kept within `all`; here it is taken in pieces, some twice.
          let at = 0
          while (at < all.length) {
            const count = 1 + (draws.next().value ?? 0)
            await replica.apply({
              document: card,
              changes: all.slice(0, at + count).slice(-2 - count),
            })
            at += count
          }
          states.push([
            await replica.read(card),
            await replica.conflicts(card),
            await replica.heads(card),
            await replica.history(card),
          ])
          await replica[Symbol.asyncDispose]()
        }
        expect(states[1]).toEqual(states[0])
        expect(states[2]).toEqual(states[0])
      }),
      { numRuns: 40 },
    )
  })

  test("[D10] a value that was replaced is never shown again", async () => {
    const replica = fc.nat(2)
    const act = fc.tuple(replica, fc.constantFrom("a", "b"), fc.constantFrom("edit", "take"))
    await fc.assert(
      fc.asyncProperty(fc.array(act, { maxLength: 40 }), async (acts) => {
        const replicas = await Promise.all([1, 2, 3].map(() => openInLineDocuments()))
        const all: Uint8Array[] = []
        const taken = [0, 0, 0]
        /** By value: those that were replaced by it, and by what replaced it. */
        const replaced = new Map<JsonValue, Set<JsonValue>>()
        const shown = replicas.map(() => new Map<string, JsonValue>())
        for (const [at, key, act] of acts) {
          const documents = replicas[at]
          const before = shown[at]?.get(key)
          if (documents === undefined) throw new Error("no such replica")
          if (act === "edit") {
            const value = `value ${replaced.size}`
            const edits: readonly Edit[] = [{ op: "set", path: [key], value }]
            const done = await documents.edit({ document: card, edits, actor: actor(at + 1) })
            if (done === undefined) throw new Error("nothing changed")
            all.push(done.change)
            const older = before === undefined ? [] : [before, ...(replaced.get(before) ?? [])]
            replaced.set(value, new Set(older))
          } else {
            // A change of one's own, or one that is there, is passed over.
            const change = all[taken[at] ?? 0]
            if (change === undefined) continue
            taken[at] = (taken[at] ?? 0) + 1
            await documents.apply({ document: card, changes: [change] })
          }
          const now = await documents.read(card)
          for (const name of ["a", "b"]) {
            const [was, is] = [shown[at]?.get(name), valueAt(now, [name])]
            if (is === undefined) continue
            if (was !== undefined) expect(replaced.get(was)?.has(is)).toBe(false)
            shown[at]?.set(name, is)
          }
        }
        for (const documents of replicas) await documents[Symbol.asyncDispose]()
      }),
      { numRuns: 60 },
    )
  })

  test("[U2] undo of any edit restores what was there", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(edit, { maxLength: 6 }),
        fc.array(edit, { minLength: 1, maxLength: 3 }),
        async (before, edits) => {
          await using documents = await openInLineDocuments()
          await documents.edit({ document: card, edits: before, actor: actor(1) })
          const was = await documents.read(card)
          const done = await documents.edit({ document: card, edits, actor: actor(1) })
          if (done === undefined) return
          const plan = planUndo({ document: card, ...done }, await documents.read(card))
          await documents.edit({ document: card, edits: plan, actor: actor(1) })
          expect(await documents.read(card)).toEqual(was)
        },
      ),
      { numRuns: 40 },
    )
  })

  test("keys are pointers, one for each path", () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ minLength: 1 }), { minLength: 1, maxLength: 8 }),
        (segments) => {
          const isStorable = segments.every(
            (text) => text.isWellFormed() && !/^(__proto__|constructor|prototype)$/.test(text),
          )
          if (!isStorable) return
          expect(keyToPath(pathToKey(segments))).toEqual(segments)
        },
      ),
    )
    for (const key of ["", "a", "/", "//a", "/~2", "/__proto__", "/a/constructor"]) {
      expect(keyToPath(key)).toBeUndefined()
    }
  })

  test("[D3] a register below a scalar hides it; one below an object is put into it", () => {
    const registers = new Map<string, JsonValue>([
      ["/a", "text"],
      ["/a/b", 1],
      ["/c", { d: 1, e: 2 }],
      ["/c/d", 3],
    ])
    expect(assemble(registers)).toEqual({ a: { b: 1 }, c: { d: 3, e: 2 } })
    expect(hiddenKeys(registers)).toEqual(["/a"])
  })

  test("reads as the same text, however its registers came about", () => {
    const whole = new Map<string, JsonValue>([
      ["/home", { pref: 1, full: "Seeweg 3", contexts: {} }],
    ])
    const parts = new Map<string, JsonValue>([
      ["/home", { pref: 1, contexts: {} }],
      ["/home/full", "Seeweg 3"],
    ])
    expect(JSON.stringify(assemble(whole))).toBe(JSON.stringify(assemble(parts)))
  })
})

function setIn(
  whole: JsonValue | undefined,
  [name, ...rest]: readonly string[],
  value: JsonValue | undefined,
): JsonValue | undefined {
  if (name === undefined) return value
  const members = whole !== undefined && isObject(whole) ? whole : {}
  if (value === undefined && !Object.hasOwn(members, name)) return whole
  const { [name]: before, ...others } = members
  const after = setIn(before, rest, value)
  if (value === undefined && after === before) return whole
  return after === undefined ? others : { ...others, [name]: after }
}

/** Without empty objects: whether one is left behind says nothing. */
function pruned(value: JsonValue | undefined): JsonValue | undefined {
  if (value === undefined || !isObject(value)) return value
  const members = Object.entries(value).flatMap(([name, member]) => {
    const kept = pruned(member)
    return kept === undefined ? [] : [[name, kept] as const]
  })
  return members.length === 0 ? undefined : Object.fromEntries(members)
}
