/** What is worked out without Automerge is what Automerge makes of the same changes. */
import { createHash } from "node:crypto"
import * as Automerge from "@automerge/automerge"
import { bytesToHex } from "@fulcrum/codec/bytes"
import type { JsonValue } from "@fulcrum/codec/json"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { encodeCell } from "../src/cell.ts"
import { type ParsedChange, parseChange } from "../src/change-format.ts"
import { ChangeWriter } from "../src/change-writer.ts"
import { type DocumentId, documentId, type Edit } from "../src/documents.ts"
import { openInLineDocuments } from "../src/in-line.ts"
import { StraightLine } from "../src/straight-line.ts"

const card: DocumentId = documentId("card")
const writer = new ChangeWriter((bytes) => createHash("sha256").update(bytes).digest())
const actor = (number: number): Uint8Array => new Uint8Array(16).fill(number)

/** One edit by one of three devices; `apart`: it has not seen what the others wrote since. */
interface Step {
  readonly by: number
  readonly edits: readonly Edit[]
  readonly message: string
  readonly apart: boolean
}

const names = fc.constantFrom("a", "b", "ä~/", "list", "0", "key with spaces", "名")
const values: fc.Arbitrary<JsonValue> = fc.oneof(
  fc.string({ unit: "binary", maxLength: 8 }),
  fc.integer(),
  fc.boolean(),
  fc.constant(null),
  fc.constant([1, "x"]),
  fc.constant({ b: 1, a: "x" }),
)
const edit: fc.Arbitrary<Edit> = fc.oneof(
  fc.record({
    op: fc.constant("set" as const),
    path: fc.array(names, { minLength: 1, maxLength: 3 }),
    value: values,
  }),
  fc.record({
    op: fc.constant("unset" as const),
    path: fc.array(names, { minLength: 1, maxLength: 2 }),
  }),
)
const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.record({
    by: fc.integer({ min: 1, max: 3 }),
    edits: fc.array(edit, { minLength: 1, maxLength: 4 }),
    message: fc.constantFrom("", "imported", "ünïcode 名"),
    apart: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
  }),
  { maxLength: 12 },
)

/** Each change in an order that is causal, made by three devices that tell each other. */
async function changesOf(history: readonly Step[]): Promise<readonly Uint8Array[]> {
  const devices = await Promise.all([1, 2, 3].map(async () => openInLineDocuments()))
  const changes: Uint8Array[] = []
  const seen = [0, 0, 0]
  for (const { by, edits, message, apart } of history) {
    const device = devices[by - 1]
    if (device === undefined) continue
    if (!apart) {
      await device.apply({ document: card, changes: changes.slice(seen[by - 1]) })
      seen[by - 1] = changes.length
    }
    const made = await device
      .edit({ document: card, edits, actor: actor(by), message })
      .catch(() => undefined)
    if (made !== undefined) changes.push(made.change)
  }
  for (const device of devices) await device[Symbol.asyncDispose]()
  return changes
}

describe("a straight line", () => {
  test("[D12] reads, ends and is saved as Automerge has it, however the changes are dealt out", async () => {
    let straight = 0
    const runs = Number(process.env.FULCRUM_STRAIGHT_RUNS ?? 150)
    await fc.assert(
      fc.asyncProperty(steps, fc.integer({ min: 1, max: 5 }), async (history, size) => {
        const changes = await changesOf(history)
        await using documents = await openInLineDocuments()
        for (let at = 0; at < changes.length; at += size) {
          await documents.apply({ document: card, changes: changes.slice(at, at + size) })
        }
        const line = StraightLine.empty().extended(changes, writer)?.take()
        if (line !== undefined && changes.length > 1) straight++
        let bare = Automerge.init<Record<string, string>>()
        bare = Automerge.loadIncremental(bare, Buffer.concat(changes))
        expect(await documents.heads(card)).toEqual(Automerge.getHeads(bare).toSorted())
        if (line !== undefined) {
          expect(line.heads).toEqual(await documents.heads(card))
          const shown = [...line.cells].map(([key, cells]) => `${key} ${cells.map(encodeCell)}`)
          const theirs = Object.entries(bare).map(([key, text]) => `${key} ${text}`)
          expect(shown.toSorted()).toEqual(theirs.toSorted())
        }
        const saved = await documents.save(card)
        expect(Automerge.getHeads(Automerge.load(saved))).toEqual(Automerge.getHeads(bare))
        await using again = await openInLineDocuments()
        await again.load(card, saved)
        expect(await again.read(card)).toEqual(await documents.read(card))
        expect(await again.conflicts(card)).toEqual(await documents.conflicts(card))
        expect(await again.history(card)).toEqual(await documents.history(card))
      }),
      { numRuns: runs },
    )
    expect(straight).toBeGreaterThan(runs / 10)
  })

  test("[D12] is edited as Automerge edits", async () => {
    const runs = Number(process.env.FULCRUM_STRAIGHT_RUNS ?? 300)
    await fc.assert(
      fc.asyncProperty(steps, async (history) => {
        await using documents = await openInLineDocuments()
        let bare = Automerge.init<Record<string, unknown>>({ actor: "00".repeat(16) })
        for (const { by, edits, message } of history) {
          const input = { document: card, edits, actor: actor(by), message }
          const made = await documents.edit(input).catch(() => undefined)
          if (made === undefined) continue
          // The same writes, in the same order, by Automerge itself.
          bare = Automerge.clone(bare, { actor: bytesToHex(actor(by)) })
          const options = { time: 0, ...(message !== "" && { message }) }
          bare = Automerge.change(bare, options, (draft) => {
            for (const { key, cell } of parseChange(made.change).writes) {
              draft[key] = new Automerge.ImmutableString(encodeCell(cell))
            }
          })
          const theirs = Automerge.getLastLocalChange(bare)
          expect(bytesToHex(made.change)).toBe(theirs && bytesToHex(theirs))
        }
      }),
      { numRuns: runs },
    )
  })

  test("[D12] is not extended by a change that Automerge would not have made there", async () => {
    const set = (value: string): Edit => ({ op: "set", path: ["a"], value })
    const history = ["x", "y", "z"].map((value) => set(value))
    const steps = history.map((one) => ({ by: 1, edits: [one], message: "", apart: false }))
    const [first, second, third] = await changesOf(steps)
    if (first === undefined || second === undefined || third === undefined) throw new Error("none")
    const two = StraightLine.empty().extended([first, second], writer)?.take()
    if (two === undefined) throw new Error("not a line")
    const honest = parseChange(third)
    const [write] = honest.writes
    if (write === undefined) throw new Error("nothing written")
    const with_ = (other: Partial<ParsedChange>) => writer.write({ ...honest, ...other }).bytes
    const written = (other: Partial<typeof write>) => with_({ writes: [{ ...write, ...other }] })
    expect(two.extended([with_({})], writer)?.opCount).toBe(3)
    const wrong = {
      "a number too high": with_({ seq: honest.seq + 1 }),
      "a number again": with_({ seq: honest.seq - 1 }),
      "another's number": with_({ actor: "02".repeat(16) }),
      "an operation too high": with_({ startOp: honest.startOp + 1 }),
      "no dependency": with_({ deps: [] }),
      "an older dependency": with_({ deps: parseChange(second).deps }),
      "a dependency too many": with_({ deps: [...honest.deps, "00".repeat(32)] }),
      "nothing replaced": written({ preds: [] }),
      "another operation replaced": written({ preds: ["1@".concat("01".repeat(16))] }),
      "one replaced too many": written({ preds: [...write.preds, "1@".concat("01".repeat(16))] }),
      "a counter too high": written({ cell: { counter: 4, value: "z" } }),
      "a counter again": written({ cell: { counter: 2, value: "z" } }),
      "a key of its own": written({ key: "b" }),
      "other bytes": third.with(4, (third[4] ?? 0) ^ 1),
      "bytes after it": new Uint8Array([...third, 0]),
      nothing: new Uint8Array(),
    }
    for (const [what, bytes] of Object.entries(wrong)) {
      expect([what, two.extended([bytes], writer)]).toEqual([what, undefined])
    }
  })

  test("[D12] is not extended by more predecessors than writes, which are not even read", async () => {
    const [only] = await changesOf([
      { by: 1, edits: [{ op: "set", path: ["a"], value: 1 }], message: "", apart: false },
    ])
    if (only === undefined) throw new Error("none")
    const honest = parseChange(only)
    const preds = Array.from({ length: 60_000 }, (_, at) => `${at + 1}@${"01".repeat(16)}`)
    const writes = honest.writes.map((write) => ({ ...write, preds }))
    const { bytes } = writer.write({ ...honest, writes })
    expect(bytes.length, "a run takes few bytes").toBeLessThan(200)
    expect(parseChange(bytes).writes[0]?.preds).toHaveLength(60_000)
    expect(() => parseChange(bytes, { predsEach: 1 })).toThrow("more predecessors")
    expect(StraightLine.empty().extended([bytes], writer)).toBeUndefined()
  })
})
