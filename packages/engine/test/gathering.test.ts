/** Edits under load: gathered into few writes, each still an edit of its own. */
import { randomBelow, type SeededRandom, seededRandom } from "@fulcrum/crypto/random"
import { MemoryDisk } from "@fulcrum/store/memory"
import { beforeAll, describe, expect, test } from "vitest"
import { BYTES_TOGETHER_MAX, STEPS_TOGETHER_MAX } from "../src/ledger/step-queue.ts"
import type { Person } from "../src/person/person.ts"
import { ailments, loadDocuments, type Machine, PersonWorld } from "./person-world.ts"

const NAME = "card/name/full"

beforeAll(loadDocuments)

async function phoneOf(world: PersonWorld): Promise<{ phone: Person; machine: Machine }> {
  const machine = world.machine("phone", new MemoryDisk())
  const phone = await world.create(machine)
  await phone.set(NAME, "Ada")
  return { phone, machine }
}

function codeOf(outcome: PromiseSettledResult<unknown>): string {
  if (outcome.status === "fulfilled") return "done"
  const { reason } = outcome
  return reason instanceof Error && "code" in reason ? String(reason.code) : "uncoded"
}

describe("[P41] edits made at once", () => {
  test("are written together, each an entry of its own that can be undone", async () => {
    await using world = new PersonWorld()
    const { phone, machine } = await phoneOf(world)
    const before = machine.disk.flushes
    const count = STEPS_TOGETHER_MAX + 10
    const all = Array.from({ length: count }, (_, at) => phone.set(NAME, `Ada ${at}`))
    const outcomes = await Promise.all(all)
    expect(outcomes.every(({ changed }) => changed.length === 1)).toBe(true)
    // All are asked before the first has its turn; so many have one turn.
    expect(machine.disk.flushes - before).toBeLessThanOrEqual(4)
    const history = await phone.history(NAME)
    expect(history.map(({ value }) => value).slice(1)).toEqual(
      Array.from({ length: count }, (_, at) => ({ full: `Ada ${at}` })),
    )
    await phone.undo()
    expect(await phone.get(NAME)).toBe(`Ada ${count - 2}`)
    await world.end(phone)
    const again = await world.reopen(machine)
    expect(await again.get(NAME)).toBe(`Ada ${count - 2}`)
    // An undo can be undone.
    await again.undo()
    expect(await again.get(NAME)).toBe(`Ada ${count - 1}`)
    expect(await ailments(again)).toEqual([])
  })

  test("are written in several writes when they are large", async () => {
    await using world = new PersonWorld()
    const { phone, machine } = await phoneOf(world)
    const before = machine.disk.flushes
    const large = "x".repeat(BYTES_TOGETHER_MAX / 4)
    const ids = Array.from({ length: 9 }, (_, at) => `card/notes/${at}/note`)
    await Promise.all(ids.map((path, at) => phone.set(path, `${at}${large}`)))
    expect(machine.disk.flushes - before).toBeGreaterThanOrEqual(3)
    expect(await phone.get("card/notes/8/note")).toBe(`8${large}`)
  })

  test("one that fails costs only itself", async () => {
    await using world = new PersonWorld()
    const { phone, machine } = await phoneOf(world)
    const outcomes = await Promise.allSettled([
      phone.set("card/notes/1/note", "one"),
      phone.set("card/nmae/full", "mistyped"),
      phone.set("card/notes/2/note", "two"),
      phone.set(NAME, "Ada Lovelace"),
      phone.set("nothing/at/all", "x"),
      phone.unset("card/notes/1"),
    ])
    expect(outcomes.map(codeOf)).toEqual([
      "done",
      "PATH_UNKNOWN",
      "done",
      "done",
      "PATH_UNKNOWN",
      "done",
    ])
    const expected = { name: { full: "Ada Lovelace" }, notes: { 2: { note: "two" } } }
    expect(await phone.get("card")).toEqual(expected)
    await world.end(phone)
    const again = await world.reopen(machine)
    expect(await again.get("card")).toEqual(expected)
    await again.undo()
    expect(await again.get("card")).toEqual({
      name: { full: "Ada Lovelace" },
      notes: { 1: { note: "one" }, 2: { note: "two" } },
    })
  })

  test("and other commands between them are done in the order in which they were asked", async () => {
    await using world = new PersonWorld()
    const { phone } = await phoneOf(world)
    const asked = [
      phone.set(NAME, "one"),
      phone.set(NAME, "two"),
      phone.undo(),
      phone.get(NAME),
      phone.set(NAME, "three"),
      phone.get(NAME),
    ] as const
    const [, , , undone, , last] = await Promise.all(asked)
    expect([undone, last]).toEqual(["one", "three"])
  })

  test("are all told when the disk takes none of them, and leave nothing", async () => {
    await using world = new PersonWorld()
    const { phone, machine } = await phoneOf(world)
    const edits = () => ["1", "2", "3"].map((id) => phone.set(`things/${id}/name`, "x"))
    machine.disk.capacityBytes = machine.disk.usedBytes
    const outcomes = await Promise.allSettled(edits())
    expect(outcomes.map(codeOf)).toEqual(["STORE_FULL", "STORE_FULL", "STORE_FULL"])
    expect(await phone.get("things")).toBeUndefined()
    machine.disk.capacityBytes = Number.POSITIVE_INFINITY
    await Promise.all(edits())
    expect(Object.keys(Object(await phone.get("things")))).toEqual(["1", "2", "3"])
    expect(await ailments(phone)).toEqual([])
  })
})

const SEEDS = Number(process.env.FULCRUM_GATHERING_SEEDS ?? 6)
const FAULTS = ["fail-before", "fail-after", "crash-before", "crash-after"] as const
const PATHS = ["card/name/full", "card/notes/1/note", "things/1/name", "relationships/r/name"]

/** What a burst asked, and what came of it. */
interface Asked {
  readonly path: string
  readonly value: string | undefined
  readonly outcome: Promise<PromiseSettledResult<unknown>>
}

function settled(work: Promise<unknown>): Promise<PromiseSettledResult<unknown>> {
  return Promise.allSettled([work]).then(([one]) => one)
}

function burst(person: Person, random: SeededRandom, name: string): readonly Asked[] {
  return Array.from({ length: 1 + randomBelow(random, 12) }, (_, at): Asked => {
    const path = PATHS[randomBelow(random, PATHS.length)] ?? NAME
    const value = randomBelow(random, 6) === 0 ? undefined : `${name}.${at}`
    const isRefused = randomBelow(random, 8) === 0
    const wrong = isRefused ? "card/nmae/full" : path
    const asked = value === undefined ? person.unset(wrong) : person.set(wrong, value)
    return { path: wrong, value, outcome: settled(asked) }
  })
}

test.each(Array.from({ length: SEEDS }, (_, at) => at + 1))(
  "[P41] [P1] whatever flush fails amid bursts of edits, what was acknowledged is there (seed %i)",
  async (seed) => {
    await using world = new PersonWorld(`gathering ${seed}`)
    const random = seededRandom(`gathering ${seed}`)
    let { phone, machine } = await phoneOf(world)
    const shown = new Map<string, unknown>([[NAME, "Ada"]])
    const acknowledged = new Set<string>()
    for (let round = 0; round < 12; round++) {
      const kind = FAULTS[randomBelow(random, 8)]
      let left = randomBelow(random, 3)
      machine.disk.fault = () => (kind !== undefined && left-- === 0 ? { type: kind } : undefined)
      const asked = burst(phone, random, `${round}`)
      const outcomes = await world.during(Promise.all(asked.map(({ outcome }) => outcome)))
      machine.disk.fault = undefined
      if (kind?.startsWith("crash") && left < 0) {
        await world.end(phone)
        phone = await world.reopen(machine)
      }
      for (const path of PATHS) {
        const allowed = new Set([shown.get(path)])
        for (const [at, one] of asked.entries()) {
          if (one.path !== path) continue
          const outcome = outcomes[at]
          if (outcome?.status === "fulfilled") allowed.clear()
          else expect(["STORE_IO", "STORE_CLOSED"]).toContain(outcome && codeOf(outcome))
          allowed.add(one.value)
          if (outcome?.status === "fulfilled" && one.value) acknowledged.add(one.value)
        }
        const value = await phone.get(path)
        expect([...allowed], `${path} in round ${round}`).toContain(value)
        shown.set(path, value)
      }
    }
    await world.end(phone)
    const again = await world.reopen(machine)
    const history = (await Promise.all(PATHS.map((path) => again.history(path)))).flat()
    const written = JSON.stringify(history)
    for (const value of acknowledged) expect(written).toContain(`"${value}"`)
    for (const [path, value] of shown) expect(await again.get(path)).toBe(value)
    expect(await ailments(again)).toEqual([])
  },
)

/** Two devices in step, and the second one's machine. */
async function twoOf(world: PersonWorld) {
  const { phone } = await phoneOf(world)
  const [address = ""] = await phone.start({ listen: ["/ip4/127.0.0.1/tcp/0"] })
  const machine = world.machine("laptop")
  const laptop = await world.pair(phone, machine, { at: address })
  await laptop.start({ listen: [] })
  await world.during(laptop.settle(5000))
  return { phone, laptop, machine }
}

describe("[P46] an edit of another device", () => {
  test("is in the log, and in what is shown of it, by one write", async () => {
    await using world = new PersonWorld()
    const { phone, laptop, machine } = await twoOf(world)
    await phone.set(NAME, "in step")
    await world.until("in step", async () => (await laptop.get(NAME)) === "in step")
    const before = machine.disk.flushes
    await phone.set(NAME, "live")
    await world.until("live", async () => (await laptop.get(NAME)) === "live")
    expect(machine.disk.flushes - before).toBe(1)
    machine.disk.crash()
    await world.end(laptop)
    const again = await world.reopen(machine)
    expect(await again.get(NAME)).toBe("live")
  })

  test("that cannot be written is neither in the log nor shown, and comes again", async () => {
    await using world = new PersonWorld()
    const { phone, laptop, machine } = await twoOf(world)
    for (const type of ["fail-before", "fail-after"] as const) {
      const shown = await laptop.get(NAME)
      machine.disk.fault = () => ({ type })
      await phone.set(NAME, type)
      await world.clock.advance(500)
      if (type === "fail-before") expect(await laptop.get(NAME)).toBe(shown)
      machine.disk.fault = undefined
      await world.until(type, async () => (await laptop.get(NAME)) === type)
    }
    expect(await ailments(laptop)).toEqual([])
  })
})
