import type { JsonValue } from "@fulcrum/codec/json"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { personLane } from "../src/lane.ts"
import {
  COUNTER_STEP,
  counterOffset,
  type DisclosedRegister,
  markOf,
  project,
  registerName,
} from "../src/projection.ts"
import { type EntryPosition, Share } from "../src/share.ts"
import { PART, WHOLE, World } from "./projection-world.ts"

const by: EntryPosition = {
  writer: new Uint8Array(32).fill(1),
  sequence: 1,
  chain: new Uint8Array(32),
}

const PATH = "card/emails/home"
const OFFSET = 1000
const counterOf = (edit: number): number => (OFFSET + edit) * COUNTER_STEP

function registerAt(
  counter: number,
  value: JsonValue | undefined,
  more: Partial<DisclosedRegister> = {},
): DisclosedRegister {
  return { path: PATH, counter, value, ties: [], isPart: false, ...more }
}

function run(at: {
  /** What the record has. */
  readonly has: readonly DisclosedRegister[]
  readonly held?: { readonly counter: number; readonly value: JsonValue | undefined }
  readonly told?: DisclosedRegister
  readonly edited?: boolean
  readonly follows?: boolean
}) {
  const { has, held, told, edited = false, follows = true } = at
  const share = new Share()
  if (held) share.apply({ path: PATH, ...held }, by)
  const marks = new Map(told ? [[registerName(PATH), new Set([markOf(told)])]] : [])
  const { puts, updates, waits } = project({
    disclosures: [{ path: PATH, follows, told: marks }],
    registersAt: () => has,
    offsetOf: () => OFFSET,
    share,
    edited: edited ? [PATH] : [],
  })
  const put = puts[0] && { counter: puts[0].counter, value: puts[0].value }
  return { put, marks: updates.map(({ mark }) => mark), waits: waits.map((one) => one.for) }
}

const nothing = { put: undefined, marks: [], waits: [] }

describe("a field is projected", () => {
  test("[RL1] at its first disclosure, if there is anything", () => {
    const value = { address: "a@example.org" }
    for (const follows of [true, false]) {
      const first = registerAt(3, value)
      expect(run({ has: [first], follows })).toEqual({
        put: { counter: counterOf(3), value },
        marks: [markOf(first)],
        waits: [],
      })
    }
    expect(run({ has: [registerAt(3, undefined)] })).toEqual(nothing)
    expect(run({ has: [] })).toEqual(nothing)
  })

  test("[RL1] when a followed value differs, and only then", () => {
    const held = { counter: counterOf(1), value: "a" }
    const told = registerAt(1, "a")
    expect(run({ has: [told], held, told, edited: true })).toEqual(nothing)
    for (const value of ["b", undefined]) {
      const now = registerAt(2, value)
      expect(run({ has: [now], held, told, edited: true })).toEqual({
        put: { counter: counterOf(2), value },
        marks: [markOf(now)],
        waits: [],
      })
    }
  })

  test("[RL1] once, if it does not follow", () => {
    const held = { counter: counterOf(1), value: "a" }
    const once = { has: [registerAt(2, "b")], follows: false, edited: true } as const
    expect(run({ ...once, held, told: registerAt(1, "a") })).toEqual(nothing)
    expect(run({ ...once, told: registerAt(1, "a") })).toEqual(nothing)
    // Nor is what is new below it.
    const more = registerAt(1, "b", { path: `${PATH}/more` })
    expect(run({ ...once, has: [more], told: registerAt(1, "a") })).toEqual(nothing)
  })

  test("[RL2] by whoever edited it; others wait for what was told", () => {
    const held = { counter: counterOf(1), value: "a" }
    const now = registerAt(2, "b")
    expect(run({ has: [now], held, told: now })).toEqual({ ...nothing, waits: ["share"] })
    expect(run({ has: [now], told: now })).toEqual({ ...nothing, waits: ["share"] })
    // The device that made this edit did not tell it: its clock said that it need not.
    expect(run({ has: [now], held, told: registerAt(1, "a") }).put).toEqual({
      counter: counterOf(2),
      value: "b",
    })
  })

  test("[RL2] never by a device whose record is behind the share", () => {
    const ahead = { counter: counterOf(3), value: "c" }
    for (const told of [undefined, registerAt(1, "a")]) {
      const behind = run({ has: [registerAt(2, "b")], held: ahead, ...(told && { told }) })
      expect(behind).toEqual({ ...nothing, waits: ["record"] })
    }
    const beside = { counter: counterOf(2), value: "c" }
    expect(run({ has: [registerAt(2, "b")], held: beside })).toEqual({
      ...nothing,
      waits: ["record"],
    })
    // An edit is put, and does not win.
    expect(run({ has: [registerAt(2, "b")], held: ahead, edited: true }).put?.counter).toBe(
      counterOf(2),
    )
  })

  test("[RL2] in part, when the part changes; where the record prefers another whole, again", () => {
    const held = { counter: counterOf(1), value: "a" }
    const told = registerAt(1, "a", { isPart: true })
    const same = registerAt(2, "a", { isPart: true })
    expect(run({ has: [same], held, told, edited: true })).toEqual(nothing)
    const beaten = registerAt(1, "A", { isPart: true, ties: ["a"] })
    expect(run({ has: [beaten], held, told }).put).toEqual({
      counter: counterOf(1) + 1,
      value: "A",
    })
    expect(run({ has: [{ ...beaten, ties: [] }], held, told }).waits).toEqual(["record"])
  })

  test("[RL2] in part, above what another puts and the record does not show", () => {
    const part = registerAt(1, "a", { isPart: true, ties: ["b"] })
    const own = registerAt(1, "a", { isPart: true })
    const rival = registerAt(1, "b", { isPart: true })
    const [put, above] = [
      { counter: counterOf(1), value: "a" },
      { counter: counterOf(1) + 1, value: "a" },
    ]
    expect(run({ has: [part], told: rival, edited: true }).put).toEqual(above)
    // Also if it was put before the other was known; and then no more.
    expect(run({ has: [part], told: rival, held: put }).put).toEqual(above)
    expect(run({ has: [part], told: rival, held: above })).toEqual(nothing)
    // And if only the rest of the whole has changed since it was put.
    const before = { counter: counterOf(0), value: "a" }
    expect(run({ has: [part], told: rival, held: before }).put).toEqual(above)
    expect(run({ has: [part], told: own, held: before })).toEqual(nothing)
    // What the share would not prefer either is no reason, and what nobody put is none.
    const less = { ...part, ties: ["A", undefined] }
    expect(run({ has: [less], told: registerAt(1, "A"), held: put })).toEqual(nothing)
    expect(run({ has: [part], edited: true }).put).toEqual(put)
    expect(run({ has: [part], told: own, held: put })).toEqual(nothing)
  })

  test("[RL2] in part, above another, from the day that it was put for", () => {
    const day = { from: "2027-01-01", zone: "Europe/Berlin" }
    const share = new Share()
    share.apply({ path: PATH, value: "a", counter: counterOf(1), day }, by)
    const rival = registerAt(1, "b", { isPart: true })
    const { puts } = project({
      disclosures: [
        {
          path: PATH,
          follows: true,
          told: new Map([[registerName(PATH), new Set([markOf(rival)])]]),
        },
      ],
      registersAt: () => [registerAt(1, "a", { isPart: true, ties: ["b"] })],
      offsetOf: () => OFFSET,
      share,
      edited: [],
    })
    expect(puts).toEqual([{ path: PATH, value: "a", counter: counterOf(1) + 1, day }])
  })

  test("[RL2] when it is edited, also if the share prefers another of that counter", () => {
    const held = { counter: counterOf(1), value: "b" }
    const edit = registerAt(1, "a")
    const put = { counter: counterOf(1), value: "a" }
    expect(run({ has: [edit], held, edited: true }).put).toEqual(put)
    expect(run({ has: [edit], held })).toEqual({ ...nothing, waits: ["record"] })
  })

  test("[RL1] with what else the field has and the vendor did not take yet", () => {
    const [a, b, c, d] = [
      registerAt(1, "a", { path: `${PATH}/a` }),
      registerAt(2, "b", { path: `${PATH}/b` }),
      registerAt(3, "c", { path: `${PATH}/c` }),
      registerAt(4, undefined, { path: `${PATH}/d` }),
    ]
    const day = { from: "2026-12-15", zone: "Europe/Berlin" }
    const share = new Share()
    const put = ({ path, value }: DisclosedRegister, counter: number, chain: number) =>
      share.apply({ path, value, counter, day }, { ...by, chain: Uint8Array.of(chain) })
    put(a, counterOf(1), 1)
    put(c, counterOf(3), 2)
    const input = {
      disclosures: [{ path: PATH, follows: true, told: new Map() }],
      registersAt: () => [a, b, c, d],
      offsetOf: () => OFFSET,
      share,
      isTaken: (chain: Uint8Array) => chain[0] === 2,
    }
    const { puts, again, updates } = project({
      ...input,
      edited: [b.path],
      day: { from: "2027-01-01" },
    })
    expect(puts).toEqual([
      { path: b.path, value: "b", counter: counterOf(2), day: { from: "2027-01-01" } },
    ])
    // With the day that it was told with.
    expect(again).toEqual([{ path: a.path, value: "a", counter: counterOf(1), day }])
    expect(updates.map(({ mark }) => mark)).toEqual([markOf(b)])
    // What is told for the first time meanwhile is no part of the move.
    expect(project({ ...input, edited: [], day }).puts).toEqual([
      { path: b.path, value: "b", counter: counterOf(2) },
    ])
    // What cannot be told is no reason to say anything.
    expect(project({ ...input, edited: [], fits: () => false })).toMatchObject({
      puts: [],
      again: [],
      unfit: [{ path: b.path }],
      updates: [],
    })
  })

  test("[RL1] what several disclosures hold is put once", () => {
    const register = registerAt(1, "a")
    const { puts, paths, updates } = project({
      disclosures: ["card/emails", PATH].map((path) => ({ path, follows: true, told: new Map() })),
      registersAt: () => [register],
      offsetOf: () => OFFSET,
      share: new Share(),
      edited: [],
    })
    expect(puts).toHaveLength(1)
    expect(paths).toEqual(["card/emails", PATH])
    expect(updates).toHaveLength(2)
  })

  test("what is added to a counter is one share's and one register's", () => {
    const secrets = [1, 2].map((fill) => new Uint8Array(32).fill(fill))
    const offsets = secrets.flatMap((secret) =>
      [PATH, "card/name"].map((path) => counterOffset(secret, path)),
    )
    expect(new Set(offsets).size).toBe(4)
    for (const offset of offsets) {
      expect(Number.isSafeInteger(offset) && offset >= 0 && offset < 2 ** 40).toBe(true)
      expect((offset + 2 ** 20) * COUNTER_STEP).toBeLessThan(Number.MAX_SAFE_INTEGER)
    }
  })

  test("[RL3] [E11] nothing at all is written for what is not disclosed", () => {
    const leaf = fc.oneof(fc.string({ unit: "grapheme" }), fc.integer(), fc.boolean())
    const key = fc.stringMatching(/^[a-z]{1,4}$/)
    const json = fc.oneof(leaf, fc.array(leaf), fc.dictionary(key, leaf))
    fc.assert(
      fc.property(json, json, json, (disclosed, one, other) => {
        const bytesFor = (secret: unknown): string => {
          const record = new Map<string, JsonValue>([
            [PATH, JSON.parse(JSON.stringify(disclosed))],
            ["card/phones/1", JSON.parse(JSON.stringify(secret))],
          ])
          const { puts, updates } = project({
            disclosures: [{ path: PATH, follows: true, told: new Map() }],
            registersAt: (path) => [registerAt(1, record.get(path), { path })],
            offsetOf: () => OFFSET,
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

const act = <T extends string>(kind: T, picks: number) =>
  fc.record({ do: fc.constant(kind), at: fc.nat(5), pick: fc.nat(picks) })
const step = fc.oneof(
  act("edit", 3),
  act("record", 8),
  act("share", 8),
  act("vendor", 8),
  act("clock", 0),
)

type Steps = readonly { do: string; at: number; pick: number }[]

function play(path: string, steps: Steps, devices = 3): World {
  const world = new World(devices, path)
  let edits = 0
  for (const one of steps) {
    // Of a part, some edits change only the rest.
    if (one.do === "edit") {
      world.edit(one.at, path === PART && one.pick === 0 ? undefined : `value ${++edits}`)
    } else if (one.do === "record") world.deliverRecord(one.at, one.pick)
    else if (one.do === "share") world.deliverShare(one.at, one.pick)
    else if (one.do === "clock") world.setClock(one.at)
    else world.deliverVendor(one.pick)
  }
  world.settle()
  return world
}

describe.for([WHOLE, PART])("devices that project %s concurrently", (path) => {
  test("[RL4] bring the share to the record's winner, everywhere", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const world = play(path, steps)
        const winner = world.devices[0]?.value
        for (const device of world.devices) {
          expect(device.value).toEqual(winner)
          expect(device.share.valueAt(path)).toEqual(winner)
          expect(device.project([]).waits).toEqual([])
        }
        expect(world.vendorShare.valueAt(path)).toEqual(winner)
      }),
      { numRuns: 400 },
    )
  })

  test("[RL5] never bring back what was overwritten", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const world = play(path, steps)
        for (const [earlier, later] of pairs(world.seen)) {
          const isOverwritten = world.isOverwrittenBy(later.write, earlier.write)
          expect(isOverwritten && earlier.text !== later.text).toBe(false)
          // What is whole is seen once at most: nothing is settled back and forth.
          if (path === WHOLE) expect(later.text).not.toBe(earlier.text)
        }
      }),
      { numRuns: 800 },
    )
  })

  test("[RL5] never show what whoever told the last knew, and did not show", () => {
    // Of parts this holds for two devices: a third may prefer another of three written at once. And
    // while clocks are right: what a wrong one keeps from being put may be put when nobody expects it.
    const devices = path === WHOLE ? 3 : 2
    const timely = (steps: Steps) => steps.filter((one) => path === WHOLE || one.do !== "clock")
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        for (const [earlier, later] of pairs(play(path, timely(steps), devices).seen)) {
          const isKnown = later.write !== undefined && earlier.knew.has(later.write)
          if (isKnown && later.write !== earlier.write) expect(later.text).toBe(earlier.text)
        }
      }),
      { numRuns: 800 },
    )
  })

  test("[RL1] put each edit once, while clocks are right", () => {
    const devices = path === WHOLE ? 3 : 2
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const timely = steps.filter((one) => one.do !== "clock")
        const edits = timely.filter((one) => one.do === "edit").length
        const world = play(path, timely, devices)
        if (path === WHOLE) expect(world.puts).toBe(edits)
        // Of a part, whoever does not see that nothing changed puts it too.
        else expect(world.puts).toBeLessThanOrEqual(devices * edits)
      }),
      { numRuns: 400 },
    )
  })
})

function pairs<T>(all: readonly T[]): readonly (readonly [earlier: T, later: T])[] {
  return all.flatMap((later, i) => all.slice(0, i).map((earlier) => [earlier, later] as const))
}
