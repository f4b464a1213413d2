import { hexToBytes } from "@fulcrum/codec/bytes"
import { encodeCbor } from "@fulcrum/codec/cbor"
import { generateSigningKey, signingKeyFromSeed } from "@fulcrum/crypto/ed25519"
import { type Random, randomBelow, seededRandom } from "@fulcrum/crypto/random"
import { mailboxName } from "@fulcrum/log/mailbox"
import { publicKeyToPeerId } from "@fulcrum/net/peer-id"
import { personLane, type ReceiptState } from "@fulcrum/relations/lane"
import { signReceipt } from "@fulcrum/relay/receipt"
import { beforeAll, describe, expect, test } from "vitest"
import { type RecordItem, recordItems } from "../src/items/record-items.ts"
import type { OpenRelationship } from "../src/relationships/relationships.ts"
import { ADDRESS, EMAIL, loadDocuments, type Machine, PersonWorld } from "./person-world.ts"
import {
  type Desk,
  newestEntry,
  openDesk,
  type ScriptedShare,
  ScriptedVendor,
} from "./scripted-vendor.ts"

const NAME = "card/name"
const WRONG = new Uint8Array(64).fill(7)

beforeAll(loadDocuments)

interface Setting extends AsyncDisposable {
  readonly world: PersonWorld
  readonly vendor: ScriptedVendor
  readonly relayKey: ReturnType<typeof generateSigningKey>
  readonly machines: readonly Machine[]
  readonly desk: Desk
  readonly relationship: OpenRelationship
  readonly share: ScriptedShare
}

/** A person who has offered to tell a company something; nobody has agreed yet. */
async function setting(disclose: readonly string[], devices = 1): Promise<Setting> {
  const world = new PersonWorld()
  const random = world.random.fork("scripted")
  const relayKey = generateSigningKey(random)
  const address = `/ip4/127.0.0.1/tcp/9999/p2p/${publicKeyToPeerId(relayKey.publicKey)}`
  const vendor = new ScriptedVendor(random, [address])
  const machines = [world.machine("phone"), world.machine("laptop")].slice(0, devices)
  const [phone, laptop] = machines
  if (phone === undefined) throw new RangeError("no device")
  const person = await world.create(phone)
  await person.set(ADDRESS, "Old Street 1")
  await person.set(`${EMAIL}/address`, "ada@example.org")
  await person.set(`${NAME}/full`, "Ada Example")
  if (laptop !== undefined) {
    const [at = ""] = await person.start({ listen: ["/ip4/127.0.0.1/tcp/0"] })
    await world.end(await world.pair(person, laptop, { at }))
  }
  await world.end(person)
  const desk = await openDesk(world, phone, vendor)
  const invitation = vendor.invitation()
  const relationship = await desk.connecting.connect({ invitation, disclose })
  const share = await vendor.meet(relationship)
  return {
    world,
    vendor,
    relayKey,
    machines,
    desk,
    relationship,
    share,
    async [Symbol.asyncDispose]() {
      await desk[Symbol.asyncDispose]()
      await world[Symbol.asyncDispose]()
    },
  }
}

async function agree({ desk, relationship, share }: Setting): Promise<void> {
  await desk.relationships.admit(relationship, await share.agree())
  await share.read(relationship)
}

async function answer(
  { desk, relationship, share }: Setting,
  about: Uint8Array,
  state: ReceiptState,
): Promise<void> {
  const spans = await share.say({ kind: "receipt", value: { about, state } })
  await desk.relationships.admit(relationship, spans)
}

describe("what a company is told", () => {
  test("[P20] is nothing before both have signed, whatever it signs instead", async () => {
    await using at = await setting([ADDRESS])
    const { desk, relationship, share } = at
    const wrong = { kind: "agreed", value: { signature: WRONG } } as const
    await desk.relationships.admit(relationship, await share.say(wrong))
    await desk.editing.set(ADDRESS, "Other Street 3")
    await share.read(relationship)
    expect(relationship.space.personEntries).toEqual([])
    expect((await desk.views.row(relationship)).state).toBe("proffered")
    expect([...share.values]).toEqual([])
    await agree(at)
    expect((await desk.views.row(relationship)).state).toBe("agreed")
    expect([...share.values]).toEqual([[ADDRESS, { full: "Other Street 3" }]])
  })

  test("[P21] is what was disclosed, and nothing at all when something else changes", async () => {
    await using at = await setting([ADDRESS])
    await agree(at)
    const entries = at.relationship.space.personEntries.length
    expect((await at.desk.editing.set(`${EMAIL}/address`, "new@example.org")).reaches).toEqual([])
    expect(at.relationship.space.personEntries).toHaveLength(entries)
    const edit = await at.desk.editing.set(ADDRESS, "New Street 2")
    expect(edit.reaches).toMatchObject([{ vendor: "Shop", path: ADDRESS }])
    await at.share.read(at.relationship)
    expect([...at.share.values]).toEqual([[ADDRESS, { full: "New Street 2" }]])
  })

  test("[P23] follows later changes unless it was disclosed once", async () => {
    await using at = await setting([`${ADDRESS}:once`, EMAIL])
    await agree(at)
    await at.desk.editing.set(ADDRESS, "New Street 2")
    await at.desk.editing.set(`${EMAIL}/address`, "new@example.org")
    await at.desk.relationships.catchUp()
    await at.share.read(at.relationship)
    expect(at.share.values.get(ADDRESS)).toEqual({ full: "Old Street 1" })
    expect(at.share.values.get(EMAIL)).toEqual({ address: "new@example.org" })
  })

  test("[P21] of several registers is all of them, and never that one had been unset", async () => {
    await using at = await setting(["card/emails"])
    const { editing } = at.desk
    await editing.set("card/emails/secret/address", "secret@example.org")
    await editing.unset("card/emails/secret")
    await agree(at)
    const told = () => at.relationship.space.personEntries.at(-1)?.items ?? []
    const paths = () => told().flatMap((item) => (item.kind === "put" ? [item.value.path] : []))
    expect(paths()).toEqual([`${EMAIL}/address`])
    await editing.set("card/emails/work/address", "work@example.org")
    expect(paths()).toEqual([`${EMAIL}/address`, "card/emails/work/address"])
    await at.share.read(at.relationship)
    const home = EMAIL.slice("card/emails/".length)
    expect(at.share.values.get("card/emails")).toEqual({
      [home]: { address: "ada@example.org" },
      work: { address: "work@example.org" },
    })
    await editing.unset("card/emails/work")
    await at.share.read(at.relationship)
    expect(at.share.values.get("card/emails")).toEqual({ [home]: { address: "ada@example.org" } })
  })

  test("[P23] once, is not more of it later", async () => {
    await using at = await setting(["card/emails:once"])
    await agree(at)
    const entries = at.relationship.space.personEntries.length
    await at.desk.editing.set("card/emails/work/address", "work@example.org")
    await at.desk.relationships.catchUp()
    expect(at.relationship.space.personEntries).toHaveLength(entries)
  })

  test("[P21] of part of a register is that part, when it changes", async () => {
    const part = `${NAME}/full`
    await using at = await setting([part])
    const { editing } = at.desk
    await agree(at)
    const entries = at.relationship.space.personEntries.length
    await editing.set(`${NAME}/sortAs`, '{"surname":"Example"}')
    expect(at.relationship.space.personEntries).toHaveLength(entries)
    await editing.set(part, "Ada Other")
    await at.share.read(at.relationship)
    expect([...at.share.values]).toEqual([[part, "Ada Other"]])
    await editing.unset(NAME)
    await at.share.read(at.relationship)
    expect([...at.share.values]).toEqual([[part, undefined]])
  })

  test("that fits in no single entry goes into several", async () => {
    await using at = await setting(["card/emails"])
    const { editing } = at.desk
    const long = (letter: string) => `${letter.repeat(60_000)}@example.org`
    for (const letter of "abcdef") await editing.set(`card/emails/${letter}/address`, long(letter))
    await agree(at)
    expect(at.relationship.space.personEntries.length).toBeGreaterThan(1)
    const held = () => JSON.stringify(at.share.values.get("card/emails"))
    for (const letter of "abcdef") expect(held()).toContain(long(letter))
    await editing.unset("card/emails")
    await at.share.read(at.relationship)
    expect(held()).toBeUndefined()
    // One that fits nowhere is not told, and nothing else of the field waits for it.
    await at.desk.editing.set("card/emails/a/address", "a@example.org")
    await at.share.read(at.relationship)
    await expect(editing.set("card/emails/b/address", long("xx"))).rejects.toMatchObject({
      code: "VALUE_TOO_LARGE",
    })
    expect(held()).toBe('{"a":{"address":"a@example.org"}}')
  })

  test("that fits in no entry keeps it from nothing else", async () => {
    await using at = await setting([ADDRESS, EMAIL])
    await at.desk.editing.set(ADDRESS, "x".repeat(100_000))
    await agree(at)
    expect([...at.share.values]).toEqual([[EMAIL, { address: "ada@example.org" }]])
    await at.desk.editing.set(`${EMAIL}/address`, "new@example.org")
    await at.desk.editing.set(ADDRESS, "Short Street 1")
    await at.share.read(at.relationship)
    expect(at.share.values.get(ADDRESS)).toEqual({ full: "Short Street 1" })
  })

  test("[P24] is cleared when the field is, and told again when it is undone", async () => {
    await using at = await setting([ADDRESS])
    await agree(at)
    expect((await at.desk.editing.unset(ADDRESS)).reaches).toHaveLength(1)
    await at.share.read(at.relationship)
    expect(at.share.values.has(ADDRESS)).toBe(true)
    expect(at.share.values.get(ADDRESS)).toBeUndefined()
    expect((await at.desk.editing.undo()).reaches).toHaveLength(1)
    await at.share.read(at.relationship)
    expect(at.share.values.get(ADDRESS)).toEqual({ full: "Old Street 1" })
  })

  test("[P25] of a move is its day, in her zone, and the name before", async () => {
    await using at = await setting([ADDRESS, NAME])
    await agree(at)
    const request = {
      assignments: [
        { path: ADDRESS, value: "New Street 2" },
        { path: `${NAME}/full`, value: "Ada Lovelace" },
      ],
      from: "2026-12-15",
    }
    const plan = await at.desk.moves.plan(request)
    expect(plan.gets).toMatchObject([{ vendor: "Shop", paths: [ADDRESS, NAME] }])
    expect(at.relationship.space.personEntries).toHaveLength(1)
    expect(await at.desk.editing.get(`${NAME}/full`)).toBe("Ada Example")
    await at.desk.moves.move(request)
    const note = at.relationship.space.personEntries
      .at(-1)
      ?.items.find((item) => item.kind === "move")
    expect(note?.value).toMatchObject({
      from: "2026-12-15",
      zone: "Europe/Berlin",
      before: [{ path: NAME, value: { full: "Ada Example" } }],
    })
  })

  test("[P25] of a move is its day only where it moves something, however often it is said", async () => {
    await using at = await setting(["card/emails"])
    await agree(at)
    const { editing, moves } = at.desk
    await editing.set("card/emails/work/address", "work@example.org")
    await moves.move({
      assignments: [{ path: `${EMAIL}/address`, value: "new@example.org" }],
      from: "2026-12-15",
    })
    const day = { from: "2026-12-15", zone: "Europe/Berlin" }
    const puts = () =>
      (at.relationship.space.personEntries.at(-1)?.items ?? []).flatMap((item) =>
        item.kind === "put" ? [[item.value.path, item.value.value, item.value.day]] : [],
      )
    expect(puts()).toEqual([[`${EMAIL}/address`, "new@example.org", day]])
    // Said again, as long as the company has not taken it.
    await editing.set("card/emails/work/address", "late@example.org")
    expect(puts()).toEqual([
      [`${EMAIL}/address`, "new@example.org", day],
      ["card/emails/work/address", "late@example.org", undefined],
    ])
    await at.share.read(at.relationship)
    await answer(at, newestEntry(at.relationship).chain, "accepted")
    await editing.set("card/emails/work/address", "last@example.org")
    expect(puts()).toEqual([["card/emails/work/address", "last@example.org", undefined]])
  })

  test("[P26] stops on the day until which it was disclosed", async () => {
    await using at = await setting([ADDRESS])
    await agree(at)
    await at.world.clock.advance(731 * 86_400_000)
    const plan = { assignments: [{ path: ADDRESS, value: "New Street 2" }] }
    expect((await at.desk.moves.plan(plan)).gets).toEqual([])
    expect((await at.desk.editing.set(ADDRESS, "New Street 2")).reaches).toEqual([])
    await at.share.read(at.relationship)
    expect(at.share.values.get(ADDRESS)).toEqual({ full: "Old Street 1" })
  })

  test("[P27] is said to be there by what others signed, furthest first", async () => {
    await using at = await setting([ADDRESS])
    await agree(at)
    const evidence = async () =>
      (await at.desk.views.whoHas(ADDRESS)).map((row) => [row.vendor, row.evidence])
    expect(await evidence()).toEqual([["Shop", undefined]])
    const { chain } = newestEntry(at.relationship)
    await answer(at, chain, "delivered")
    expect(await evidence()).toEqual([["Shop", "delivered"]])
    await answer(at, at.world.random.bytes(32), "applied")
    expect(await evidence()).toEqual([["Shop", "delivered"]])
    await answer(at, chain, "applied")
    expect(await evidence()).toEqual([["Shop", "applied"]])
    await at.desk.editing.unset(ADDRESS)
    // It has what it had, until it says otherwise.
    expect(await evidence()).toEqual([["Shop", undefined]])
    await answer(at, newestEntry(at.relationship).chain, "applied")
    expect(await evidence()).toEqual([])
  })

  test("more than a lane takes is refused, and keeps nobody else from being told", async () => {
    await using at = await setting([ADDRESS])
    await agree(at)
    const long = "x".repeat(100_000)
    const refused = { code: "VALUE_TOO_LARGE" }
    await expect(at.desk.editing.set(ADDRESS, long)).rejects.toMatchObject(refused)
    expect(await at.desk.editing.get(`${ADDRESS}/full`)).toBe("Old Street 1")
    await at.desk.editing.set(ADDRESS, "New Street 2")
    await at.share.read(at.relationship)
    expect(at.share.values.get(ADDRESS)).toEqual({ full: "New Street 2" })
  })

  test("[P41] of edits made at once, one that a lane does not take costs only itself", async () => {
    await using at = await setting([ADDRESS])
    await agree(at)
    const { editing } = at.desk
    const outcomes = await Promise.allSettled([
      editing.set("card/notes/1/note", "one"),
      editing.set("card/notes/2/note", "two"),
      editing.set(ADDRESS, "x".repeat(100_000)),
      editing.set("card/notes/3/note", "three"),
      editing.set(ADDRESS, "New Street 2"),
      editing.set("card/notes/4/note", "four"),
    ])
    expect(outcomes.map(({ status }) => status === "fulfilled")).toEqual([
      true,
      true,
      false,
      true,
      true,
      true,
    ])
    await editing.set("card/notes/5/note", "five")
    const notes = {
      ...{ 1: { note: "one" }, 2: { note: "two" }, 3: { note: "three" } },
      ...{ 4: { note: "four" }, 5: { note: "five" } },
    }
    const [phone] = at.machines
    if (phone === undefined) throw new RangeError("no device")
    expect(await editing.get("card/notes")).toEqual(notes)
    expect(await editing.get(`${ADDRESS}/full`)).toBe("New Street 2")
    await at.share.read(at.relationship)
    expect(at.share.values.get(ADDRESS)).toEqual({ full: "New Street 2" })
    await at.desk[Symbol.asyncDispose]()
    const again = await openDesk(at.world, phone, at.vendor)
    expect(await again.editing.get("card/notes")).toEqual(notes)
    expect(await again.editing.get(`${ADDRESS}/full`)).toBe("New Street 2")
    await again[Symbol.asyncDispose]()
  })
})

describe("connecting", () => {
  test("[P28] twice at once begins one relationship", async () => {
    await using at = await setting([ADDRESS])
    const asked = { invitation: at.vendor.invitation(), disclose: [EMAIL] }
    const { relationships, connecting } = at.desk
    const [one, two] = await Promise.all([connecting.connect(asked), connecting.connect(asked)])
    expect(one.id).toBe(two.id)
    expect(one).toBe(two)
    expect(relationships.all).toHaveLength(2)
  })

  test("[P28] opens each share once, however many ask", async () => {
    await using at = await setting([ADDRESS])
    const [phone] = at.machines
    if (phone === undefined) throw new RangeError("no device")
    await at.desk[Symbol.asyncDispose]()
    const again = await openDesk(at.world, phone, at.vendor)
    const [before] = again.relationships.all
    await Promise.all([again.relationships.openNew(), again.relationships.openNew()])
    expect(again.relationships.all).toHaveLength(1)
    expect(again.relationships.all[0]).toBe(before)
    await again[Symbol.asyncDispose]()
  })
})

describe("lies", () => {
  test("[P30] a company cannot speak in her lane, nor say what is out of form", async () => {
    await using at = await setting([ADDRESS])
    const { desk, relationship, share } = at
    await agree(at)
    const put = { path: EMAIL, value: "mallory@example.org", counter: 9 }
    const spans = [
      await share.write(personLane.encode([{ kind: "put", value: put }])),
      await share.write(encodeCbor([[0, "garbage"]])),
      await share.write(at.world.random.bytes(2000)),
      await share.write(encodeCbor([[999, "from the future"]])),
    ]
    const results = await desk.relationships.admit(relationship, spans.flat())
    expect(results.map(({ outcome }) => outcome)).toEqual(Array(4).fill("admitted"))
    expect(relationship.space.refusedEntries).toBe(3)
    expect([...relationship.space.share.registers.keys()]).toEqual([ADDRESS])
    await desk.editing.set(ADDRESS, "New Street 2")
    await answer(at, newestEntry(relationship).chain, "delivered")
    expect((await desk.views.whoHas(ADDRESS))[0]?.evidence).toBe("delivered")
  })

  test("[P30] foreign, broken and repeated spans change nothing", async () => {
    await using at = await setting([ADDRESS])
    await using other = await setting([ADDRESS])
    await agree(at)
    await agree(other)
    const { vector } = other.share.space.replica
    const foreign = await other.relationship.space.replica.spansAfter([], { bytesMax: 2 ** 20 })
    expect(vector.length).toBeGreaterThan(0)
    const own = await at.relationship.space.replica.spansAfter([], { bytesMax: 2 ** 20 })
    const broken = own.spans.map((span) => span.with(span.length - 70, 1))
    const before = at.relationship.space.replica.digest
    const lies = [...foreign.spans, ...broken, at.world.random.bytes(500), new Uint8Array()]
    const results = await at.desk.relationships.admit(at.relationship, [...lies, ...own.spans])
    expect(results.map(({ outcome }) => outcome)).not.toContain("admitted")
    expect(at.relationship.space.replica.digest).toEqual(before)
    expect((await at.desk.ledger.admit(lies)).map(({ outcome }) => outcome)).not.toContain(
      "admitted",
    )
  })

  test("[P31] only the relationship's own relays show that a share was relayed", async () => {
    await using at = await setting([ADDRESS])
    await agree(at)
    const { desk, relationship, relayKey } = at
    const { incarnation, sequence } = newestEntry(relationship)
    const { item } = relationship.secrets
    const mailbox = mailboxName(signingKeyFromSeed(item.mailboxSeed).publicKey)
    const random = at.world.random.fork("receipts")
    const about = {
      sequenceId: random.bytes(16),
      position: 1,
      hash: random.bytes(32),
      root: random.bytes(32),
    }
    const keep = (receipt: Uint8Array) =>
      desk.ledger.transact(async (step) => {
        const value = { relationship: item.id, incarnation, start: 1, end: sequence, receipt }
        step.add({ kind: "relayReceipt", value })
      })
    const evidence = async () => (await desk.views.whoHas(ADDRESS))[0]?.evidence
    await keep(signReceipt(generateSigningKey(random), { ...about, mailbox }))
    const strange = mailboxName(generateSigningKey(random).publicKey)
    await keep(signReceipt(relayKey, { ...about, mailbox: strange }))
    await keep(random.bytes(200))
    expect(await evidence()).toBeUndefined()
    await keep(signReceipt(relayKey, { ...about, mailbox }))
    expect(await evidence()).toBe("relayed")
  })

  test("[P32] an entry that is no good is quarantined by itself, and counted", async () => {
    await using at = await setting([ADDRESS], 2)
    const [, laptop] = at.machines
    if (laptop === undefined) throw new RangeError("no second device")
    const mallory = await openDesk(at.world, laptop, at.vendor)
    await exchange(at.desk, mallory)
    const { record } = mallory.ledger
    const bodies: readonly (readonly RecordItem[] | Uint8Array)[] = [
      [{ kind: "change", value: { document: "card", change: at.world.random.bytes(100) } }],
      [{ kind: "change", value: { document: "no/such/document", change: new Uint8Array(4) } }],
      at.world.random.bytes(300),
      encodeCbor([[7, "no addresses"]]),
      [
        {
          kind: "carried",
          value: {
            relationship: hexToBytes(at.relationship.id),
            spans: [at.world.random.bytes(64)],
          },
        },
      ],
    ]
    const spans: Uint8Array[] = []
    for (const body of bodies) {
      const encoded = body instanceof Uint8Array ? body : recordItems.encode(body)
      const staged = record.stage([{ kind: "payload", body: encoded }])
      await mallory.vault.write([...staged.ops])
      staged.commit()
      spans.push(...staged.spans)
    }
    await mallory[Symbol.asyncDispose]()
    const honest = await openDesk(at.world, laptop, at.vendor)
    expect(honest.ledger.quarantine.count).toBe(4)
    await honest.editing.set(`${NAME}/full`, "Ada Lovelace")
    await exchange(honest, at.desk)
    expect(at.desk.ledger.quarantine.count).toBe(4)
    expect(await at.desk.editing.get(`${NAME}/full`)).toBe("Ada Lovelace")
    expect(spans).toHaveLength(5)
    await honest[Symbol.asyncDispose]()
  })
})

/** Gives one desk all that another has; shares only if asked to. */
async function exchange(
  from: Desk,
  to: Desk,
  what: "record" | "shares" | "all" = "all",
): Promise<void> {
  if (what !== "shares") {
    const { spans } = await from.ledger.record.spansAfter(to.ledger.record.vector, {
      bytesMax: 2 ** 24,
    })
    await to.ledger.admit(spans)
    await to.relationships.openNew()
    await to.relationships.catchUp()
  }
  if (what === "record") return
  for (const { id, space } of from.relationships.all) {
    const there = to.relationships.get(id)
    if (there === undefined) continue
    const { spans } = await space.replica.spansAfter(there.space.replica.vector, {
      bytesMax: 2 ** 24,
    })
    await to.relationships.admit(there, spans)
  }
}

describe("two devices", () => {
  test("[P22] whatever comes first where, no old value returns and all end up the same", async () => {
    for (let seed = 0; seed < 3; seed++) {
      await using at = await setting([ADDRESS, EMAIL], 2)
      await agree(at)
      const [, laptop] = at.machines
      if (laptop === undefined) throw new RangeError("no second device")
      const other = await openDesk(at.world, laptop, at.vendor)
      await exchange(at.desk, other)
      const desks = [at.desk, other]
      const seen = await confuse(at, desks, seededRandom(`confusion ${seed}`))
      for (let round = 0; round < 3; round++) {
        await exchange(at.desk, other)
        await exchange(other, at.desk)
      }
      for (const desk of desks) await readAll(at, desk)
      seen.note()
      for (const [path, values] of seen.values) {
        expect(new Set(values).size, `seed ${seed}: ${path} ${values}`).toBe(values.length)
      }
      const ends = await Promise.all(
        desks.map(async (desk) => [await desk.editing.get(ADDRESS), await desk.editing.get(EMAIL)]),
      )
      expect(ends[0]).toEqual(ends[1])
      expect([at.share.values.get(ADDRESS), at.share.values.get(EMAIL)], `seed ${seed}`).toEqual(
        ends[0],
      )
      const [one, two] = await Promise.all(desks.map((desk) => desk.moves.board()))
      expect(one).toEqual(two)
      await other[Symbol.asyncDispose]()
    }
  }, 30_000)
})

interface Seen {
  readonly values: ReadonlyMap<string, readonly string[]>
  note(): void
}

/** Edits on both sides, and lets things arrive in any order; notes each value the company has. */
async function confuse(at: Setting, desks: readonly Desk[], random: Random): Promise<Seen> {
  const values = new Map<string, string[]>()
  const seen = {
    values,
    note() {
      for (const [path, value] of at.share.values) {
        const known = values.get(path) ?? []
        const text = JSON.stringify(value)
        if (known.at(-1) !== text) known.push(text)
        values.set(path, known)
      }
    },
  }
  for (let step = 0; step < 40; step++) {
    const desk = desks[randomBelow(random, 2)]
    const to = desks.find((one) => one !== desk)
    if (desk === undefined || to === undefined) throw new RangeError("two desks")
    switch (randomBelow(random, 7)) {
      case 0:
      case 1:
        await desk.editing.set(ADDRESS, `Street ${step}`)
        break
      case 2:
        await desk.editing.set(`${EMAIL}/address`, `ada.${step}@example.org`)
        break
      case 3: {
        const assignments = [{ path: ADDRESS, value: `Moved to ${step}` }]
        await desk.moves.move({ assignments })
        break
      }
      case 4:
        await exchange(desk, to, "record")
        break
      case 5:
        await exchange(desk, to, "shares")
        break
      default:
        await readAll(at, desk)
    }
    seen.note()
  }
  return seen
}

async function readAll({ share, relationship }: Setting, desk: Desk): Promise<void> {
  const own = desk.relationships.get(relationship.id)
  if (own !== undefined) await share.read(own)
}
