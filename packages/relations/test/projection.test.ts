import type { JsonValue } from "@fulcrum/codec/json"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { personLane } from "../src/lane.ts"
import { EDIT_STEP, markOf, type ProjectedDisclosure, project } from "../src/projection.ts"
import { type EntryPosition, Share } from "../src/share.ts"
import { World } from "./projection-world.ts"

const by: EntryPosition = {
  writer: new Uint8Array(32).fill(1),
  sequence: 1,
  chain: new Uint8Array(32),
}

/** A share and the disclosure that goes with it, as after one projection. */
function projected(value: JsonValue | undefined, follows = true) {
  const put = { path: "card/emails/home", value, counter: EDIT_STEP }
  const share = new Share()
  share.apply(put, by)
  const disclosure: ProjectedDisclosure = {
    path: put.path,
    follows,
    counter: put.counter,
    marks: new Map([[markOf(put), put.counter]]),
  }
  return { share, disclosure, put }
}

const fresh = (path: string, follows = true): ProjectedDisclosure => ({
  path,
  follows,
  counter: 0,
  marks: new Map(),
})

describe("a field is projected", () => {
  test("[RL1] at its first disclosure, if there is anything", () => {
    const disclosures = [fresh("card/phones/1"), fresh("card/emails/home", false)]
    const values = new Map([["card/emails/home", { address: "a@example.org" }]])
    const input = { disclosures, share: new Share(), edited: [] } as const
    const { puts, updates, waits } = project({ ...input, valueAt: (path) => values.get(path) })
    expect(puts).toEqual([
      { path: "card/emails/home", value: { address: "a@example.org" }, counter: EDIT_STEP },
    ])
    expect(updates.map((update) => update.counter)).toEqual([EDIT_STEP])
    expect(waits).toEqual([])
  })

  test("[RL1] when a followed value differs, and only then", () => {
    const { share, disclosure } = projected("a")
    const run = (value: JsonValue | undefined) =>
      project({ disclosures: [disclosure], share, valueAt: () => value, edited: [disclosure.path] })
        .puts
    expect(run("a")).toEqual([])
    expect(run("b")).toEqual([{ path: disclosure.path, value: "b", counter: 2 * EDIT_STEP }])
    expect(run(undefined)).toEqual([
      { path: disclosure.path, value: undefined, counter: 2 * EDIT_STEP },
    ])
  })

  test("[RL1] once, if it does not follow", () => {
    const { share, disclosure } = projected("a", false)
    const input = { disclosures: [disclosure], share, edited: [disclosure.path] } as const
    expect(project({ ...input, valueAt: () => "b" }).puts).toEqual([])
  })

  test("[RL2] never while the share is ahead of the record, or the record of the share", () => {
    const { share, disclosure } = projected("a")
    const run = (one: ProjectedDisclosure, held: Share) => {
      const input = { disclosures: [one], share: held, edited: [] } as const
      return project({ ...input, valueAt: () => "b" })
    }
    const behind = run(fresh(disclosure.path), share)
    expect([behind.puts, behind.waits]).toEqual([[], [{ path: disclosure.path, for: "record" }]])
    const ahead = run(disclosure, new Share())
    expect([ahead.puts, ahead.waits]).toEqual([[], [{ path: disclosure.path, for: "share" }]])
  })

  test("[RL2] never over a put of the same counter that the record does not know", () => {
    const { share, disclosure, put } = projected("a")
    share.apply({ ...put, value: "other" }, { ...by, writer: new Uint8Array(32).fill(9) })
    const input = { disclosures: [disclosure], share, edited: [] } as const
    const { puts, waits } = project({ ...input, valueAt: () => "a" })
    expect([puts, waits]).toEqual([[], [{ path: disclosure.path, for: "record" }]])
  })

  test("[RL3] [E11] nothing at all is written for what is not disclosed", () => {
    const leaf = fc.oneof(fc.string({ unit: "grapheme" }), fc.integer(), fc.boolean())
    const key = fc.stringMatching(/^[a-z]{1,4}$/)
    const json = fc.oneof(leaf, fc.array(leaf), fc.dictionary(key, leaf))
    fc.assert(
      fc.property(json, json, json, (disclosed, one, other) => {
        const bytesFor = (secret: unknown): string => {
          const record = new Map<string, JsonValue>([
            ["card/emails/home", JSON.parse(JSON.stringify(disclosed))],
            ["card/phones/1", JSON.parse(JSON.stringify(secret))],
          ])
          const { puts, updates } = project({
            disclosures: [fresh("card/emails/home")],
            valueAt: (path) => record.get(path),
            share: new Share(),
            edited: ["card/phones/1"],
          })
          const items = puts.map((value) => ({ kind: "put", value }) as const)
          return `${personLane.encode(items).join()} ${JSON.stringify(updates)}`
        }
        expect(bytesFor(one)).toBe(bytesFor(other))
      }),
      { numRuns: 100 },
    )
  })
})

const step = fc.oneof(
  fc.record({ do: fc.constant("edit" as const), at: fc.nat(5), pick: fc.nat(3) }),
  fc.record({ do: fc.constant("record" as const), at: fc.nat(5), pick: fc.nat(8) }),
  fc.record({ do: fc.constant("share" as const), at: fc.nat(5), pick: fc.nat(8) }),
  fc.record({ do: fc.constant("vendor" as const), at: fc.nat(5), pick: fc.nat(8) }),
  fc.record({ do: fc.constant("clock" as const), at: fc.nat(5), pick: fc.nat(0) }),
)

function run(
  devices: number,
  steps: readonly { do: string; at: number; pick: number }[],
  leaps: boolean,
): World {
  const world = new World(devices)
  let edits = 0
  for (const one of steps) {
    if (one.do === "edit") world.edit(one.at, `value ${++edits}`, leaps ? one.pick : 0)
    else if (one.do === "record") world.deliverRecord(one.at, one.pick)
    else if (one.do === "share") world.deliverShare(one.at, one.pick)
    else if (one.do === "clock") world.setClock(one.at)
    else world.deliverVendor(one.pick)
  }
  world.settle()
  return world
}

describe("devices that project concurrently", () => {
  test("[RL4] bring the share to the record's winner, everywhere", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const world = run(3, steps, true)
        const winner = world.devices[0]?.value
        for (const device of world.devices) {
          expect(device.value).toBe(winner)
          expect(device.share.registers.get("card/emails/home")?.value).toBe(winner)
          expect(device.project([]).waits).toEqual([])
        }
        expect(world.vendorShare.registers.get("card/emails/home")?.value).toBe(winner)
      }),
      { numRuns: 400 },
    )
  })

  test("[RL5] never bring back what was overwritten", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const world = run(3, steps, false)
        for (const [i, later] of world.seen.entries()) {
          for (const earlier of world.seen.slice(0, i)) {
            expect(world.isOverwrittenBy(later, earlier)).toBe(false)
          }
        }
      }),
      { numRuns: 800 },
    )
  })
})
