/** Documents that are shown by another device's snapshots while their history is still coming. */
import { hexToBytes, utf8ToBytes } from "@fulcrum/codec/bytes"
import { canonicalJson } from "@fulcrum/codec/json"
import { readSpanHeader, SPAN_SNAPSHOT } from "@fulcrum/log/span"
import type { DocumentId } from "@fulcrum/record/documents"
import { documentId } from "@fulcrum/record/documents"
import { RecordError } from "@fulcrum/record/record-error"
import type { MemoryFault } from "@fulcrum/store/memory"
import fc from "fast-check"
import { beforeAll, describe, expect, test } from "vitest"
import { CHANGES_UNSAVED_MAX } from "../src/documents/document-cache.ts"
import { documentSnapshots } from "../src/documents/document-snapshots.ts"
import { loadDocuments, type Machine, PersonWorld } from "./person-world.ts"
import { type Desk, openDesk, ScriptedVendor } from "./scripted-vendor.ts"

const LOOPBACK = "/ip4/127.0.0.1/tcp/0"
const NAME = "card/name/full"
const EDITS = CHANGES_UNSAVED_MAX + 40
const LAST = `Ada ${EDITS - 1}`

beforeAll(loadDocuments)

/** A phone whose card has a long history, and a laptop that joined before it had any. */
async function twoDesks(world: PersonWorld, edits = EDITS) {
  const [phoneOf, laptopOf] = [world.machine("phone"), world.machine("laptop")]
  const person = await world.create(phoneOf)
  const [at = ""] = await person.start({ listen: [LOOPBACK] })
  const joined = await world.pair(person, laptopOf, { at })
  await world.during(joined.settle(5000))
  await world.end(joined)
  await world.end(person)
  const vendor = new ScriptedVendor(world.random.fork("vendor"), [LOOPBACK])
  const open = (machine: Machine) => openDesk(world, machine, vendor)
  const phone = await open(phoneOf)
  for (let edit = 0; edit < edits; edit++) await phone.editing.set(NAME, `Ada ${edit}`)
  return { phone, laptop: await open(laptopOf), laptopOf, open, vendor }
}

async function snapshotsOf(from: Desk, to: Desk): Promise<readonly Uint8Array[]> {
  const snapshots: Uint8Array[] = []
  for await (const one of from.ledger.shown.snapshotsFor(to.ledger.record.vector))
    snapshots.push(one)
  return snapshots
}

/** About so many bytes of what one device's log has and the other's lacks. */
async function giveSome(from: Desk, to: Desk, bytesMax: number): Promise<boolean> {
  const has = to.ledger.record.tree.trailed()
  const { spans } = await from.ledger.record.spansAfter(has, { bytesMax })
  await to.ledger.admit(spans)
  return spans.length > 0
}

async function give(from: Desk, to: Desk): Promise<void> {
  while (await giveSome(from, to, 1_000_000));
}

async function close(...desks: readonly Desk[]): Promise<void> {
  for (const desk of desks) await desk[Symbol.asyncDispose]()
}

function sealShown(desk: Desk, shown: unknown, document: DocumentId = documentId("card")) {
  const { record } = desk.ledger
  const text = canonicalJson(JSON.parse(JSON.stringify(shown)))
  const documents = [
    { document: utf8ToBytes(document), heads: [new Uint8Array(32)], shown: utf8ToBytes(text) },
  ]
  const sealed = record.snapshots.seal({ vector: record.vector, documents })
  if (sealed === undefined) throw new TypeError("a device that has written")
  return sealed
}

type EarlyStep =
  | { readonly do: "edit there" | "edit here" | "give back" | "show" | "restart" }
  | { readonly do: "give"; readonly bytes: number }
  | {
      readonly do: "give amid" | "show amid"
      readonly fault: MemoryFault
      readonly left: number
    }

/** A laptop that gets a phone's log and snapshots in pieces, and fails amid. */
class EarlyRun {
  readonly #phone: Desk
  readonly #open: (machine: Machine) => Promise<Desk>
  readonly #laptopOf: Machine
  readonly #world: PersonWorld
  #laptop: Desk
  /** Acknowledged edits. */
  readonly #told = new Set<string>()
  #edits = 0

  constructor(desks: Awaited<ReturnType<typeof twoDesks>>, world: PersonWorld) {
    this.#phone = desks.phone
    this.#laptop = desks.laptop
    this.#laptopOf = desks.laptopOf
    this.#open = desks.open
    this.#world = world
  }

  async step(one: EarlyStep): Promise<void> {
    switch (one.do) {
      case "edit there":
        return this.#edit(this.#phone)
      case "edit here":
        return this.#edit(this.#laptop).catch((error: unknown) => {
          expect(error).toMatchObject({ code: "RECORD_BEHIND" })
          expect(this.#laptop.ledger.shown.early).toBeGreaterThan(0)
        })
      case "give":
        await giveSome(this.#phone, this.#laptop, one.bytes)
        return
      case "give back":
        return give(this.#laptop, this.#phone)
      case "show":
        return this.#show()
      case "restart":
        return this.#restart()
      default:
        return this.#amid(one.fault, one.left, () =>
          one.do === "give amid" ? giveSome(this.#phone, this.#laptop, 2000) : this.#show(),
        )
    }
  }

  async end(): Promise<void> {
    for (let round = 0; round < 2; round++) {
      await give(this.#phone, this.#laptop)
      await give(this.#laptop, this.#phone)
    }
    await this.#restart()
    expect(this.#laptop.ledger.shown).toMatchObject({ early: 0, wrong: 0 })
    expect(await this.#laptop.editing.get()).toEqual(await this.#phone.editing.get())
    for (const desk of [this.#phone, this.#laptop]) {
      const values = (await desk.editing.history("card")).map(({ value }) => value)
      const told = [...this.#told].map((full) => ({ full }))
      expect(values).toEqual(expect.arrayContaining(told))
    }
    await close(this.#phone, this.#laptop)
  }

  async #edit(desk: Desk): Promise<void> {
    const text = `edit ${this.#edits++}`
    await this.#world.during(desk.editing.set(NAME, text))
    this.#told.add(text)
    expect(await desk.editing.get(NAME)).toBe(text)
  }

  /** As a session would, however short its history. */
  async #show(): Promise<void> {
    const { record, documents } = this.#phone.ledger
    const card = documentId("card")
    const value = await documents.read(card)
    if (value === undefined) return
    const heads = (await documents.heads(card)).map(hexToBytes)
    const shown = utf8ToBytes(canonicalJson(value))
    const document = { document: utf8ToBytes(card), heads, shown }
    const sealed = record.snapshots.seal({ vector: record.vector, documents: [document] })
    if (sealed) await this.#laptop.ledger.shown.show([sealed])
  }

  async #restart(): Promise<void> {
    await close(this.#laptop)
    this.#laptop = await this.#open(this.#laptopOf)
  }

  async #amid(fault: MemoryFault, left: number, work: () => Promise<unknown>): Promise<void> {
    const { disk } = this.#laptopOf
    let writes = left
    disk.fault = () => (writes-- === 0 ? fault : undefined)
    await work().catch(() => undefined)
    disk.fault = undefined
    if (writes >= 0 || !fault.type.startsWith("crash")) return
    await close(this.#laptop).catch(() => undefined)
    this.#laptop = await this.#open(this.#laptopOf)
  }
}

const RUNS = Number(process.env.FULCRUM_EARLY_RUNS ?? 20)

describe("[P42] a document whose history is still coming", () => {
  test("is read as another device shows it, also after a restart, until its history has come", async () => {
    await using world = new PersonWorld()
    const { phone, laptop, laptopOf, open } = await twoDesks(world)
    const snapshots = await snapshotsOf(phone, laptop)
    expect(snapshots.map((one) => readSpanHeader(one).kind)).toEqual([SPAN_SNAPSHOT])
    expect(await laptop.editing.get(NAME)).toBeUndefined()
    await laptop.ledger.shown.show(snapshots)
    expect(await laptop.editing.get(NAME)).toBe(LAST)
    expect(await laptop.editing.get()).toEqual(await phone.editing.get())
    await close(laptop)
    const again = await open(laptopOf)
    expect(await again.editing.get(NAME)).toBe(LAST)
    let steps = 0
    while (again.ledger.shown.early > 0) {
      await giveSome(phone, again, 20_000)
      expect(await again.editing.get(NAME)).toBe(LAST)
      steps++
    }
    expect(steps).toBeGreaterThan(2)
    expect(again.ledger.shown.wrong).toBe(0)
    expect((await again.editing.history(NAME)).length).toBe(EDITS)
    await again.editing.set(NAME, "Lovelace")
    await give(again, phone)
    expect(await phone.editing.get(NAME)).toBe("Lovelace")
    await close(phone, again)
  })

  test("is not edited before that: an edit waits, and says why it cannot be made", async () => {
    await using world = new PersonWorld()
    const { phone, laptop } = await twoDesks(world)
    await laptop.ledger.shown.show(await snapshotsOf(phone, laptop))
    const refused = laptop.editing.set(NAME, "Too early")
    await expect(world.during(refused)).rejects.toMatchObject({ code: "RECORD_BEHIND" })
    const waiting = laptop.editing.set(NAME, "In time")
    await give(phone, laptop)
    await world.during(waiting)
    expect(await laptop.editing.get(NAME)).toBe("In time")
    await give(laptop, phone)
    expect(await phone.editing.get(NAME)).toBe("In time")
    await close(phone, laptop)
  })

  test("goes on showing what is written meanwhile elsewhere, once it has come", async () => {
    await using world = new PersonWorld()
    const { phone, laptop } = await twoDesks(world)
    await laptop.ledger.shown.show(await snapshotsOf(phone, laptop))
    await phone.editing.set(NAME, "Later")
    expect(await laptop.editing.get(NAME)).toBe(LAST)
    await give(phone, laptop)
    expect(await laptop.editing.get(NAME)).toBe("Later")
    expect(laptop.ledger.shown).toMatchObject({ early: 0, wrong: 0 })
    await close(phone, laptop)
  })

  test("is shown only to who lacks most of it, and only where its history is long", async () => {
    await using world = new PersonWorld()
    const { phone, laptop } = await twoDesks(world, 300)
    expect(await snapshotsOf(phone, laptop)).toEqual([])
    for (let edit = 0; edit < EDITS; edit++) await phone.editing.set(NAME, `Ada ${edit}`)
    expect((await snapshotsOf(phone, laptop)).length).toBe(1)
    await give(phone, laptop)
    await phone.editing.set(NAME, "Ada")
    expect(await snapshotsOf(phone, laptop)).toEqual([])
    await close(phone, laptop)
  })

  test("is left as it is where something of it was written", async () => {
    await using world = new PersonWorld()
    const { phone, laptop } = await twoDesks(world)
    await laptop.editing.set("card/nicknames/1/name", "Countess")
    await laptop.ledger.shown.show(await snapshotsOf(phone, laptop))
    expect(laptop.ledger.shown.early).toBe(0)
    expect(await laptop.editing.get("card/nicknames/1/name")).toBe("Countess")
    await close(phone, laptop)
  })

  test("that a device shows otherwise than its history gives is found, and the history is shown", async () => {
    await using world = new PersonWorld()
    const { phone, laptop } = await twoDesks(world)
    const { record, documents } = phone.ledger
    const card = documentId("card")
    const heads = (await documents.heads(card)).map(hexToBytes)
    const shown = utf8ToBytes('{"name":{"full":"Mallory"}}')
    const lie = record.snapshots.seal({
      vector: record.vector,
      documents: [{ document: utf8ToBytes(card), heads, shown }],
    })
    await laptop.ledger.shown.show([lie ?? shown])
    expect(await laptop.editing.get(NAME)).toBe("Mallory")
    await give(phone, laptop)
    expect(await laptop.editing.get(NAME)).toBe(LAST)
    expect(laptop.ledger.shown).toMatchObject({ early: 0, wrong: 1 })
    await close(phone, laptop)
  })

  test("is not shown by who is no member, nor where it is no document that people read", async () => {
    await using world = new PersonWorld()
    const { phone, laptop } = await twoDesks(world)
    const other = new PersonWorld("other")
    const stranger = await twoDesks(other, 1)
    const own = sealShown(phone, { name: { full: "x" } })
    const flipped = Uint8Array.from(own, (byte, at) => (at === own.length - 1 ? byte ^ 1 : byte))
    const wrongs = [
      sealShown(stranger.phone, { name: { full: "x" } }),
      flipped,
      own.subarray(0, 100),
      sealShown(phone, { addresses: ["x"] }, documentId("devices")),
      sealShown(phone, ["not a document"]),
      sealShown(phone, "nor this"),
    ]
    for (const wrong of wrongs) await laptop.ledger.shown.show([wrong])
    expect(laptop.ledger.shown.early).toBe(0)
    await laptop.ledger.shown.show([own])
    expect(laptop.ledger.shown.early).toBe(1)
    await close(phone, laptop, stranger.phone, stranger.laptop)
    await other[Symbol.asyncDispose]()
  })

  test("shown by a device that was removed is shown no more", async () => {
    await using world = new PersonWorld()
    const { phone, laptop, laptopOf, open } = await twoDesks(world)
    await laptop.ledger.shown.show(await snapshotsOf(phone, laptop))
    await close(laptop, phone)
    const person = await world.reopen(laptopOf)
    await person.revokeDevice("phone")
    expect(await person.get(NAME)).toBeUndefined()
    await world.end(person)
    const again = await open(laptopOf)
    expect(again.ledger.shown.early).toBe(0)
    await close(again)
  })

  test("is told to no company before its history has come", async () => {
    await using world = new PersonWorld()
    const { phone, laptop, vendor } = await twoDesks(world, 0)
    await phone.editing.set(NAME, "Ada")
    const connected = await phone.connecting.connect({
      invitation: vendor.invitation(),
      disclose: ["card/name"],
    })
    const share = await vendor.meet(connected)
    const proffered = await connected.space.replica.spansAfter([], { bytesMax: 1_000_000 })
    const agreed = [...proffered.spans, ...(await share.agree())]
    for (let edit = 0; edit < EDITS; edit++) await phone.editing.set(NAME, `Ada ${edit}`)
    await laptop.ledger.shown.show(await snapshotsOf(phone, laptop))
    let midway = 0
    while (await giveSome(phone, laptop, 5000)) {
      await laptop.relationships.openNew()
      const here = laptop.relationships.get(connected.id)
      if (here === undefined || laptop.ledger.shown.early === 0) continue
      if (midway++ === 0) await laptop.relationships.admit(here, agreed)
      await laptop.relationships.catchUp()
      expect(laptop.relationships.isAgreed(here)).toBe(true)
      await share.read(here)
      expect([...share.values]).toEqual([])
    }
    expect(midway).toBeGreaterThan(2)
    await laptop.relationships.catchUp()
    const here = await laptop.relationships.find(connected.id)
    await share.read(here)
    expect([...share.values]).toEqual([["card/name", { full: LAST }]])
    await close(phone, laptop)
  })

  test("is read as it was shown while more is shown, and while a failed write is made good", async () => {
    await using world = new PersonWorld()
    const { phone, laptop, laptopOf } = await twoDesks(world)
    const snapshots = await snapshotsOf(phone, laptop)
    const [shown, before] = await Promise.all([
      laptop.ledger.shown.show(snapshots),
      laptop.editing.get(NAME),
    ])
    expect([shown, before]).toEqual([undefined, LAST])
    const seen = new Set<unknown>()
    laptopOf.disk.fault = () => ({ type: "fail-after" })
    await expect(giveSome(phone, laptop, 20_000)).rejects.toThrow()
    laptopOf.disk.fault = undefined
    let isMending = true
    const mending = giveSome(phone, laptop, 20_000).finally(() => {
      isMending = false
    })
    while (isMending) seen.add(await laptop.editing.get(NAME))
    await mending
    expect(seen).toEqual(new Set([LAST]))
    await close(phone, laptop)
  })

  test("keeps no edit of another document waiting", async () => {
    await using world = new PersonWorld()
    const { phone, laptop } = await twoDesks(world)
    await laptop.ledger.shown.show(await snapshotsOf(phone, laptop))
    // The clock stands still: what waited for it would never come.
    await laptop.editing.set("things/bike/name", "Bike")
    expect(await laptop.editing.get("things/bike/name")).toBe("Bike")
    await expect(world.during(laptop.editing.set(NAME, "Ada"))).rejects.toMatchObject({
      code: "RECORD_BEHIND",
    })
    await close(phone, laptop)
  })

  test("is edited once its history has come, also where it is shown just then", async () => {
    await using world = new PersonWorld()
    const { phone, laptop } = await twoDesks(world)
    const showing = laptop.ledger.shown.show(await snapshotsOf(phone, laptop))
    const editing = laptop.editing.set(NAME, "Ada Here")
    await showing
    await give(phone, laptop)
    const edit = await editing
    expect(edit).toMatchObject({ changed: ["card/name"] })
    await give(laptop, phone)
    expect(await phone.editing.get(NAME)).toBe("Ada Here")
    await close(phone, laptop)
  })

  test("is edited in the order in which that was asked for", async () => {
    await using world = new PersonWorld()
    const { phone, laptop } = await twoDesks(world)
    await laptop.ledger.shown.show(await snapshotsOf(phone, laptop))
    const first = laptop.editing.set(NAME, "First")
    await laptop.ledger.still(async () => undefined)
    const spans: Uint8Array[] = []
    for (let after = laptop.ledger.record.tree.trailed(); ; ) {
      const more = await phone.ledger.record.spansAfter(after, { bytesMax: 1_000_000 })
      if (more.spans.length === 0) break
      spans.push(...more.spans)
      after = more.reached
    }
    const giving = laptop.ledger.admit(spans)
    // Asked for while what the first waits for is being taken in.
    const second = laptop.editing.set(NAME, "Second")
    await Promise.all([giving, first, second])
    expect(await laptop.editing.get(NAME)).toBe("Second")
    await close(phone, laptop)
  })

  test("is edited once it has come itself, whatever else is awaited", async () => {
    await using world = new PersonWorld()
    const { phone, laptop } = await twoDesks(world)
    const { record } = phone.ledger
    const vector = record.vector.map((row) => ({ ...row, sequence: row.sequence + 5 }))
    const shown = utf8ToBytes(canonicalJson({ bike: { name: "Bike" } }))
    const things = { document: utf8ToBytes("things"), heads: [new Uint8Array(32)], shown }
    const ahead = record.snapshots.seal({ vector, documents: [things] })
    await laptop.ledger.shown.show([
      ...(await snapshotsOf(phone, laptop)),
      ...(ahead ? [ahead] : []),
    ])
    expect(laptop.ledger.shown.early).toBe(2)
    const edit = laptop.editing.set(NAME, "Now")
    await laptop.ledger.still(async () => undefined)
    await give(phone, laptop)
    // The clock stands still.
    await edit
    expect(await laptop.editing.get(NAME)).toBe("Now")
    await close(phone, laptop)
  })

  test("is left out of snapshots where it cannot be read, and the others are not", async () => {
    await using world = new PersonWorld()
    const { phone, laptop } = await twoDesks(world)
    const { record, documents } = phone.ledger
    const broken = documentId("things")
    const read = async (document: DocumentId) => {
      if (document === broken) throw new RecordError("RECORD_WORKER", "its thread is gone")
      return documents.read(document)
    }
    const source = {
      ...{ record, long: async () => [broken, documentId("card")], isEarly: () => false },
      documents: { ...documents, read, heads: (one: DocumentId) => documents.heads(one) },
      still: <T>(work: () => Promise<T>) => work(),
    }
    const snapshots: Uint8Array[] = []
    for await (const one of documentSnapshots(source, laptop.ledger.record.vector))
      snapshots.push(one)
    await laptop.ledger.shown.show(snapshots)
    expect(laptop.ledger.shown.early).toBe(1)
    expect(await laptop.editing.get(NAME)).toBe(LAST)
    await close(phone, laptop)
  })

  test("is taken once from a snapshot that has it twice", async () => {
    await using world = new PersonWorld()
    const { phone, laptop } = await twoDesks(world)
    const { record } = phone.ledger
    const one = (text: string) => ({
      document: utf8ToBytes("card"),
      heads: [new Uint8Array(32)],
      shown: utf8ToBytes(canonicalJson({ name: { full: text } })),
    })
    const twice = record.snapshots.seal({
      vector: record.vector,
      documents: [one("first"), one("second")],
    })
    await laptop.ledger.shown.show(twice ? [twice] : [])
    expect(laptop.ledger.shown.early).toBe(1)
    expect(await laptop.editing.get(NAME)).toBe("first")
    await close(phone, laptop)
  })

  test(
    "comes to what its history gives, whatever comes first and whatever fails",
    async () => {
      const step = fc.oneof(
        { weight: 4, arbitrary: fc.constant({ do: "edit there" as const }) },
        { weight: 2, arbitrary: fc.constant({ do: "edit here" as const }) },
        {
          weight: 3,
          arbitrary: fc.record({ do: fc.constant("give" as const), bytes: fc.nat(3000) }),
        },
        { weight: 1, arbitrary: fc.constant({ do: "give back" as const }) },
        { weight: 3, arbitrary: fc.constant({ do: "show" as const }) },
        { weight: 1, arbitrary: fc.constant({ do: "restart" as const }) },
        {
          weight: 3,
          arbitrary: fc.record({
            do: fc.constantFrom("give amid" as const, "show amid" as const),
            fault: fc.constantFrom<MemoryFault>(
              { type: "fail-before" },
              { type: "fail-after" },
              { type: "crash-before" },
              { type: "crash-after" },
            ),
            left: fc.nat(2),
          }),
        },
      )
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
          await using world = new PersonWorld()
          const run = new EarlyRun(await twoDesks(world, 0), world)
          for (const one of steps) await run.step(one)
          await run.end()
        }),
        { numRuns: RUNS },
      )
    },
    60_000 + 2000 * RUNS,
  )

  test("goes ahead of it in a session, from one daemon to another", async () => {
    await using world = new PersonWorld()
    const phone = await world.create(world.machine("phone"))
    const [at = ""] = await phone.start({ listen: [LOOPBACK] })
    const machine = world.machine("laptop")
    await world.end(await world.pair(phone, machine, { at }))
    world.network.cut("phone", "laptop")
    for (let edit = 0; edit < EDITS; edit++) await phone.set(NAME, `Ada ${edit}`)
    world.network.heal("phone", "laptop")
    const seen: { readonly name: unknown; readonly isWhole: boolean }[] = []
    let isShown = false
    const laptop = await world.reopen(machine)
    const look = async () => {
      isShown ||= laptop.isShown(NAME)
      const name = await laptop.get(NAME)
      seen.push({ name, isWhole: (await laptop.history(NAME)).length === EDITS })
    }
    laptop.onChange(() => void look().catch(() => undefined))
    await laptop.start({ listen: [] })
    const isWhole = async () => (await laptop.history(NAME)).length === EDITS
    await world.until("its history", isWhole)
    expect(await laptop.get(NAME)).toBe(LAST)
    expect([isShown, laptop.isShown(NAME)]).toEqual([true, false])
    expect(seen.some(({ name, isWhole: whole }) => name === LAST && !whole)).toBe(true)
    // And never anything in between.
    expect(new Set(seen.map(({ name }) => name ?? LAST))).toEqual(new Set([LAST]))
  })
})
