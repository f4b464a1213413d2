import { recoveryWordsFromEntropy } from "@fulcrum/access/recovery-words"
import { bytesToHex } from "@fulcrum/codec/bytes"
import { generateSigningKey } from "@fulcrum/crypto/ed25519"
import { epochIdSchema, epochKeySchema } from "@fulcrum/log/ids"
import type { MailboxRight } from "@fulcrum/log/mailbox"
import { keptWrapKey } from "@fulcrum/relations/request"
import { shareKeyBody, wrapShareKey } from "@fulcrum/relations/share-key"
import { makeSuccessor } from "@fulcrum/relations/successor"
import { beforeAll, describe, expect, test } from "vitest"
import { ownCapability } from "../src/mailboxes/record-link.ts"
import { storedPublicKey } from "../src/membership/stored-public-key.ts"
import { createPerson } from "../src/opening/open-person.ts"
import type { Person } from "../src/person/person.ts"
import { changeMembership, followRemovals } from "../src/relationships/membership-writes.ts"
import { succeed } from "../src/relationships/share-rotation.ts"
import {
  ADDRESS,
  ailments,
  loadDocuments,
  type Machine,
  PersonWorld,
  type TestRelay,
  type TestVendor,
} from "./person-world.ts"
import { openDesk, ScriptedVendor } from "./scripted-vendor.ts"

beforeAll(loadDocuments)

interface Household extends AsyncDisposable {
  readonly world: PersonWorld
  readonly relay: TestRelay
  readonly shop: TestVendor
  readonly phone: Person
  /** The phone's. */
  readonly machine: Machine
  readonly words: readonly string[]
  /** Adds a device, which then has all that the phone has. */
  add(name: string): Promise<{ readonly person: Person; readonly machine: Machine }>
  readonly state: () => string | undefined
  holds(value: string): boolean
  /** How many webhooks told of a change to this value. */
  told(value: string): number
}

/** A phone that a company agreed with, and devices beside it. */
async function household(seed?: string): Promise<Household> {
  const world = new PersonWorld(seed)
  const relay = await world.relay()
  const shop = await world.vendor("Shop", relay)
  const machine = world.machine("phone")
  const options = await world.options(machine)
  const { person: phone, words } = await createPerson({
    ...options,
    name: "phone",
    relays: [relay.address],
  })
  world.keep(phone)
  await world.during(phone.set(ADDRESS, "Old Street 1"))
  const invitation = await shop.invitation()
  await world.during(phone.connect({ invitation, disclose: [ADDRESS] }))
  await world.during(phone.waitForAgreement("Shop", 10_000))
  const holds = (value: string) => JSON.stringify(shop.vendor.disclosures()).includes(value)
  await world.until("the first value", () => holds("Old Street 1"))
  return {
    ...{ world, relay, shop, phone, machine, words, holds },
    async add(name) {
      const own = world.machine(name)
      const person = await world.pair(phone, own, { relay: relay.address })
      await world.until(`${name} to know the company`, async () => {
        await world.during(person.settle(1000))
        return (await person.whoHas(ADDRESS))[0]?.evidence === "applied"
      })
      return { person, machine: own }
    },
    state: () => shop.vendor.customers()[0]?.state,
    told: (value) =>
      shop.posted.filter((body) =>
        body.split(`"value":`).some((one) => one.startsWith(`{"full":"${value}"`)),
      ).length,
    [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
  }
}

/** What a thief has: the device's folder as it was, and whatever it makes of the keys in it. */
async function steal(
  { world }: Household,
  { person, machine }: { readonly person: Person; readonly machine: Machine },
): Promise<Machine> {
  const stolen = { ...machine, name: "thief", disk: machine.disk.copy() }
  await world.end(person)
  return stolen
}

/** It says by the relationship's key that another one, its own, succeeds it. */
async function succeedAsThief({ world, relay }: Household, stolen: Machine): Promise<void> {
  const random = world.random.fork("thief")
  await using desk = await openDesk(world, stolen, new ScriptedVendor(random, [relay.address]))
  const [relationship] = desk.relationships.all
  if (relationship === undefined) throw new TypeError("the thief knows no company")
  const { ledger } = desk
  const { clock } = world
  await ledger.transact(async (step) => succeed(step, { ledger, relationship, random, clock }))
}

/** It says so of many, each with a place of its own, whose keys come before most. */
async function succeedManyTimes(
  { world, relay }: Household,
  stolen: Machine,
  count: number,
): Promise<void> {
  const { clock } = world
  const random = world.random.fork("thief")
  await using desk = await openDesk(world, stolen, new ScriptedVendor(random, [relay.address]))
  const [relationship] = desk.relationships.all
  if (relationship === undefined) throw new TypeError("the thief knows no company")
  const { space } = relationship
  const { id, spaceTag, request, vendorAccess, epoch: first } = relationship.secrets.item
  const to = keptWrapKey(request)
  if (to === undefined) throw new TypeError("a request without a key")
  const old = space.ownKeys
  for (let n = 0; n < count; n++) {
    let key = generateSigningKey(random)
    while ((key.publicKey[0] ?? 0) > 15) key = generateSigningKey(random)
    await desk.ledger.transact(async (step) => {
      const epochKey = epochKeySchema.decode(random.bytes(32))
      const clear = wrapShareKey({ epochKey, spaceTag, to, random })
      const { encoded } = makeSuccessor({ old, key, seen: space.personRows, spaceTag, clear })
      const mailboxKey = generateSigningKey(random)
      const holder = { publicKey: storedPublicKey(vendorAccess) }
      const capability = (right: MailboxRight) =>
        ownCapability({ mailboxKey, holder, right, random, clock })
      const place = {
        mailbox: mailboxKey.publicKey,
        appendCapability: capability("append"),
        readCapability: capability("read"),
      }
      const staged = space.replica.stageKey({
        epoch: { key: epochKey },
        clear,
        body: shareKeyBody({ statement: encoded, place }),
        follows: [space.currentEpoch ?? epochIdSchema.decode(first)],
      })
      step.join(space.replica, staged)
      const value = { relationship: id, epoch: staged.epochId, epochKey }
      step.add({ kind: "shareEpoch", value })
      step.after(() => space.absorb(staged.entries))
    })
  }
}

/** The thief's device runs and is removed; the company hears one of the two first. */
async function removeHearing(
  { world, phone }: Household,
  stolen: Machine,
  first: "thief" | "phone",
): Promise<Person> {
  world.network.cut("thief", "phone")
  const thief = await world.reopen(stolen)
  if (first === "thief") {
    world.network.cut("phone", "relay")
    await world.during(thief.settle(5000))
    await world.clock.advance(10_000)
  }
  await world.during(phone.revokeDevice("laptop"))
  world.network.heal("phone", "relay")
  await world.during(phone.settle(5000))
  if (first === "phone") {
    await world.clock.advance(10_000)
    await world.during(thief.settle(5000))
  }
  return thief
}

/** It writes though it has heard that it was removed: no honest program does. */
async function setAsThief(
  { world, relay }: Household,
  {
    thief,
    stolen,
    value,
  }: { readonly thief: Person; readonly stolen: Machine; readonly value: string },
): Promise<Person> {
  await world.end(thief)
  {
    const scripted = new ScriptedVendor(world.random.fork(`thief ${value}`), [relay.address])
    await using desk = await openDesk(world, stolen, scripted)
    await desk.editing.set(ADDRESS, value)
  }
  const again = await world.reopen(stolen)
  await world.during(again.settle(5000))
  return again
}

const rowOf = async (person: Person) => (await person.relationships())[0]

describe("a device is removed", () => {
  test("[P92] and the company goes on with the next key: same relationship, one webhook a change", async () => {
    await using home = await household()
    const { world, phone, shop } = home
    const laptop = await home.add("laptop")
    const [before] = shop.vendor.customers()
    await world.during(phone.revokeDevice("laptop"))
    await world.during(phone.set(ADDRESS, "New Street 2"))
    await world.until("the new value", () => home.holds("New Street 2"))
    await world.until("its receipt", async () => {
      return (await phone.whoHas(ADDRESS))[0]?.evidence === "applied"
    })
    expect(home.told("New Street 2")).toBe(1)
    const { id, did, state } = shop.vendor.customers()[0] ?? {}
    expect({ id, did, state }).toEqual({ id: before?.id, did: before?.did, state: "agreed" })
    const row = await rowOf(phone)
    expect(row).toMatchObject({ state: "agreed", frozen: undefined })
    expect(await world.during(phone.show("Shop"))).toMatchObject({ did, unclaimed: [] })
    expect(await ailments(phone)).toEqual([])
    await world.end(laptop.person)
  })

  test("[P93] and writes on under the old key: the company takes nothing, and nobody is disturbed", async () => {
    await using home = await household()
    const { world, phone } = home
    const stolen = await steal(home, await home.add("laptop"))
    await world.during(phone.revokeDevice("laptop"))
    await world.during(phone.set(ADDRESS, "New Street 2"))
    await world.until("the new value", () => home.holds("New Street 2"))
    world.network.cut("thief", "phone")
    const thief = await world.reopen(stolen)
    await world.during(thief.set(ADDRESS, "Thief Street 3"))
    await world.during(thief.settle(5000))
    await world.clock.advance(30_000)
    expect(home.holds("Thief Street 3")).toBe(false)
    expect(home.told("Thief Street 3")).toBe(0)
    expect(home.state()).toBe("agreed")
    await world.during(phone.set(ADDRESS, "New Street 4"))
    await world.until("the next value", () => home.holds("New Street 4"))
    expect((await phone.whoHas(ADDRESS))[0]?.value).toEqual({ full: "New Street 4" })
    expect((await phone.show("Shop")).unclaimed).toEqual([])
  })

  test("[P94] while another is away, which brings its work along: nothing is lost or told twice", async () => {
    await using home = await household()
    const { world, phone, shop } = home
    const tablet = await home.add("tablet")
    const laptop = await home.add("laptop")
    await world.end(laptop.person)
    for (const other of ["phone", "relay"]) world.network.cut("tablet", other)
    await world.during(tablet.person.set(ADDRESS, "Tablet Street 5"))
    await world.during(phone.revokeDevice("laptop"))
    await world.during(phone.set("card/nicknames/1/name", "Ada"))
    await world.during(phone.settle(5000))
    await world.clock.advance(5000)
    expect(home.holds("Tablet Street 5")).toBe(false)
    world.network.heal()
    await world.during(tablet.person.settle(5000))
    await world.until("the tablet's value", () => home.holds("Tablet Street 5"))
    await world.until("its receipt", async () => {
      return (await tablet.person.whoHas(ADDRESS))[0]?.evidence === "applied"
    })
    expect(home.told("Tablet Street 5")).toBe(1)
    await world.during(phone.settle(5000))
    await world.until("the phone", async () => {
      return JSON.stringify(await phone.whoHas(ADDRESS)).includes("Tablet Street 5")
    })
    expect((await phone.show("Shop")).unclaimed).toEqual([])
    expect(shop.vendor.customers()[0]?.state).toBe("agreed")
  })

  test("[P95] by two others at once: what they drew is joined, and the company goes on", async () => {
    await using home = await household()
    const { world, phone } = home
    const { person: tablet } = await home.add("tablet")
    const laptop = await home.add("laptop")
    await world.end(laptop.person)
    await world.during(tablet.settle(5000))
    world.network.cut("tablet", "phone")
    world.network.cut("tablet", "relay")
    await world.during(phone.revokeDevice("laptop"))
    await world.during(tablet.revokeDevice("laptop"))
    await world.during(phone.settle(5000))
    world.network.heal()
    for (const one of [tablet, phone]) await world.during(one.settle(5000))
    await world.during(tablet.set(ADDRESS, "Tablet Street 5"))
    await world.until("the tablet's value", () => home.holds("Tablet Street 5"), 300_000)
    await world.during(phone.settle(5000))
    await world.during(phone.set(ADDRESS, "New Street 2"))
    await world.until("the phone's value", () => home.holds("New Street 2"), 300_000)
    await world.until("nobody to be frozen", async () => {
      const rows = await Promise.all([phone, tablet].map(rowOf))
      return rows.every((row) => row?.state === "agreed") && home.state() === "agreed"
    })
    expect(home.told("Tablet Street 5")).toBe(1)
  })
})

test("[P105] a company that whoever removes a device has not heard of yet gets another key too", async () => {
  await using home = await household()
  const { world, phone, relay } = home
  const { person: tablet } = await home.add("tablet")
  const laptop = await home.add("laptop")
  for (const other of ["relay", "tablet", "laptop"]) world.network.cut("phone", other)
  const bank = await world.vendor("Bank", relay)
  const holds = (value: string) => JSON.stringify(bank.vendor.disclosures()).includes(value)
  const invitation = await bank.invitation()
  await world.during(tablet.connect({ invitation, disclose: [ADDRESS] }))
  await world.during(tablet.waitForAgreement("Bank", 10_000))
  await world.until("the bank's first value", () => holds("Old Street 1"))
  await world.until("the laptop to know it", async () => {
    await world.during(laptop.person.settle(1000))
    return (await laptop.person.whoHas(ADDRESS)).every(({ evidence }) => evidence === "applied")
  })
  expect(await laptop.person.whoHas(ADDRESS)).toHaveLength(2)
  const stolen = await steal(home, laptop)
  await world.during(phone.revokeDevice("laptop"))
  world.network.heal()
  for (const other of ["phone", "tablet"]) world.network.cut("thief", other)
  for (const one of [phone, tablet, phone]) await world.during(one.settle(5000))
  await world.during(phone.set(ADDRESS, "New Street 2"))
  await world.until("the new value", () => holds("New Street 2"))
  const thief = await world.reopen(stolen)
  await world.during(thief.set(ADDRESS, "Thief Street 3")).catch(() => undefined)
  await world.during(thief.settle(5000))
  await world.clock.advance(30_000)
  expect(holds("Thief Street 3")).toBe(false)
  await world.end(tablet)

  // What is met afterwards needs no second key.
  const forum = await world.vendor("Forum", relay)
  await world.during(phone.connect({ invitation: await forum.invitation(), disclose: [ADDRESS] }))
  await world.during(phone.waitForAgreement("Forum", 10_000))
  await world.during(phone.settle(5000))
  await world.end(phone)
  const scripted = new ScriptedVendor(world.random.fork("desk"), [relay.address])
  await using desk = await openDesk(world, home.machine, scripted)
  const replaced = desk.relationships.all.map(({ secrets }) => secrets.successors.length)
  expect(replaced.toSorted()).toEqual([0, 1, 1])
})

test("[P97] devices that follow up on one removal at once draw the same key, and different ones for each company", async () => {
  await using home = await household()
  const { world, phone, relay } = home
  const other = await world.vendor("Bank", relay)
  const invitation = await other.invitation()
  await world.during(phone.connect({ invitation, disclose: [ADDRESS] }))
  await world.during(phone.waitForAgreement("Bank", 10_000))
  const laptop = await home.add("laptop")
  await world.end(laptop.person)
  await world.end(phone)
  const machine = home.machine
  const scripted = new ScriptedVendor(world.random.fork("desk"), [relay.address])
  const removing = await openDesk(world, machine, scripted)
  const removed = removing.ledger.membership.deviceNamed("laptop").id
  await changeMembership({ ledger: removing.ledger, random: world.random }, ({ record }) => [
    { kind: "remove", value: { device: removed, on: record.vector } },
  ])
  await removing[Symbol.asyncDispose]()
  // Two that know of the removal, and of nothing that the other does about it.
  const drawn = async (disk: Machine["disk"], seed: string) => {
    await using desk = await openDesk(world, { ...machine, disk }, scripted)
    const { ledger, relationships, vault } = desk
    const random = world.random.fork(seed)
    await followRemovals({ ledger, relationships, random, clock: world.clock, vault })
    return relationships.all.map(({ id, key, space }) => {
      expect(space.ownKeys).toHaveLength(1)
      expect(space.ownKeys[0]?.publicKey).not.toEqual(key.publicKey)
      return `${id} ${bytesToHex(space.ownKeys[0]?.publicKey ?? new Uint8Array())}`
    })
  }
  const one = await drawn(machine.disk.copy(), "one")
  const another = await drawn(machine.disk.copy(), "another")
  expect(one).toEqual(another)
  expect(new Set(one.map((line) => line.split(" ")[1])).size).toBe(2)
})

test("[P98] what a removed device said before the company had heard of it is shown to her", async () => {
  await using home = await household()
  const { world, phone } = home
  const stolen = await steal(home, await home.add("laptop"))
  for (const one of ["phone", "Shop"]) world.network.cut(one, "relay")
  world.network.cut("thief", "phone")
  await world.during(phone.revokeDevice("laptop"))
  const thief = await world.reopen(stolen)
  await world.during(thief.set(ADDRESS, "Thief Street 3"))
  await world.during(thief.settle(5000))
  await world.end(thief)
  world.network.heal("phone", "relay")
  await world.during(phone.settle(5000))
  // It has not been taken by anybody yet.
  expect((await phone.show("Shop")).unclaimed).toEqual([])
  expect((await phone.whoHas(ADDRESS))[0]?.value).toEqual({ full: "Old Street 1" })
  world.network.heal("Shop", "relay")
  await world.until("the company to take it", () => home.holds("Thief Street 3"))
  await world.until("it to be shown", async () => {
    return JSON.stringify((await phone.show("Shop")).unclaimed).includes("Thief Street 3")
  })
  expect(home.state()).toBe("agreed")
  // What the record says as well needs nobody to stand by it.
  world.network.cut("Shop", "relay")
  await world.during(phone.set(ADDRESS, "Thief Street 3"))
  expect((await phone.show("Shop")).unclaimed).toEqual([])
})

test("[P98] what it said, and whoever read it has forgotten, is counted; what came later is no longer told", async () => {
  await using home = await household()
  const { world, phone } = home
  const stolen = await steal(home, await home.add("laptop"))
  world.network.cut("phone", "relay")
  world.network.cut("thief", "phone")
  await world.during(phone.revokeDevice("laptop"))
  const thief = await world.reopen(stolen)
  await world.during(thief.set(ADDRESS, "Thief Street 3"))
  await world.during(thief.settle(5000))
  await world.until("the company to take it", () => home.holds("Thief Street 3"))
  // It was read by all who open that mailbox, as the relay knows them.
  await world.during(thief.settle(5000))
  await world.during(thief.settle(5000))
  await world.end(thief)
  world.network.heal()
  await world.during(phone.settle(5000))
  const isTold = async () => {
    const { unknownTaken, unclaimed } = await phone.show("Shop")
    return unknownTaken + unclaimed.length > 0
  }
  await world.until("her to be told", isTold)
  expect((await phone.show("Shop")).unknownTaken).toBe(1)
  // The first of them counts as much as what the thief said.
  for (const value of ["New Street 4", "New Street 5"]) {
    await world.during(phone.set(ADDRESS, value))
    await world.during(phone.settle(5000))
  }
  await world.until("the company to have it", () => home.holds("New Street 5"))
  await world.until("its receipt", async () => {
    return (await phone.whoHas(ADDRESS))[0]?.evidence === "applied"
  })
  expect((await phone.show("Shop")).unclaimed).toEqual([])
})

describe("a thief names a successor of its own", () => {
  for (const first of ["thief", "phone"] as const) {
    test(`[P96] and many, the ${first} heard first: both are told all the same, and the words decide`, async () => {
      await using home = await household(`many by a thief, ${first}`)
      const { world, phone, words } = home
      const stolen = await steal(home, await home.add("laptop"))
      await succeedManyTimes(home, stolen, 9)
      const thief = await removeHearing(home, stolen, first)
      await world.end(thief)
      await world.during(phone.set(ADDRESS, "New Street 2"))
      await world.until("her to be told", async () => (await rowOf(phone))?.state === "frozen")
      await world.during(phone.unfreeze("Shop", words.join(" ")))
      await world.until("the company to go on", () => home.state() === "agreed")
      await world.until("the new value", () => home.holds("New Street 2"))
    })
  }

  for (const first of ["thief", "phone"] as const) {
    test(`[P96] and the ${first} is heard first: frozen, both are told, and the words decide`, async () => {
      await using home = await household(`thief ${first}`)
      const { world, phone, shop, words } = home
      const stolen = await steal(home, await home.add("laptop"))
      await succeedAsThief(home, stolen)
      let thief = await removeHearing(home, stolen, first)
      await world.until("the company to notice", () => home.state() === "frozen")
      const posted = shop.posted.length
      thief = await setAsThief(home, { thief, stolen, value: "Thief Street 3" })
      await world.during(phone.set(ADDRESS, "New Street 2"))
      await world.during(phone.settle(5000))
      for (const one of [phone, thief]) {
        await world.until("both to be told", async () => (await rowOf(one))?.state === "frozen")
        expect(await rowOf(one)).toMatchObject({ frozen: "other" })
      }
      await world.clock.advance(30_000)
      expect(shop.posted.length).toBe(posted)
      expect(home.holds("Old Street 1")).toBe(true)
      expect(await phone.status()).toMatchObject({ frozen: ["Shop"] })
      // What the thief wrote to the record is set aside, if it has come.
      const wrong = (await ailments(phone)).filter((one) => !one.startsWith("quarantine: "))
      expect(wrong).toEqual(["relationships: Shop takes no change: two keys claim to be hers"])

      const stranger = recoveryWordsFromEntropy(world.random.bytes(32)).join(" ")
      const other = { code: "RECOVERY_WORDS_OTHER" }
      await expect(phone.unfreeze("Shop", stranger)).rejects.toMatchObject(other)
      const recovery = words.join(" ")
      await world.during(phone.unfreeze("Shop", recovery))
      await world.until("the company to go on", () => home.state() === "agreed")
      await world.until("the new value", () => home.holds("New Street 2"))
      expect(home.told("New Street 2")).toBe(1)
      await world.until("it to show", async () => (await rowOf(phone))?.state === "agreed")
      await world.until("the receipt", async () => {
        return (await phone.whoHas(ADDRESS))[0]?.evidence === "applied"
      })
      const done = { code: "RELATIONSHIP_NOT_FROZEN" }
      await expect(phone.unfreeze("Shop", recovery)).rejects.toMatchObject(done)

      await succeedAsThiefAgain(home, thief, stolen)
      await world.clock.advance(30_000)
      expect(home.state()).toBe("agreed")
      expect(home.told("Thief Street 3")).toBe(0)
    })
  }
})

test("[P112] new recovery words decide about companies that were met under the old ones, if those were at hand", async () => {
  await using home = await household("new words")
  const { world, phone, words } = home
  const old = words.join(" ")
  const stolen = await steal(home, await home.add("laptop"))
  const stranger = recoveryWordsFromEntropy(world.random.bytes(32)).join(" ")
  const other = { code: "RECOVERY_WORDS_OTHER" }
  await expect(phone.recovery.replaceWords(stranger)).rejects.toMatchObject(other)
  const without = await phone.recovery.replaceWords()
  expect(without).toMatchObject({ undecided: 1 })
  await without.wordsSeen()
  const { words: newest, undecided, wordsSeen } = await phone.recovery.replaceWords(old)
  expect(undecided).toBe(0)
  await wordsSeen()

  await succeedAsThief(home, stolen)
  const thief = await removeHearing(home, stolen, "thief")
  await world.end(thief)
  await world.during(phone.set(ADDRESS, "New Street 2"))
  await world.until("her to be told", async () => (await rowOf(phone))?.state === "frozen")
  const between = without.words.join(" ")
  await expect(phone.unfreeze("Shop", between)).rejects.toMatchObject(other)
  await world.during(phone.unfreeze("Shop", newest.join(" ")))
  await world.until("the company to go on", () => home.state() === "agreed")
  await world.until("the new value", () => home.holds("New Street 2"))
})

/** Once it was decided against, whatever its old key says is nothing. */
async function succeedAsThiefAgain(home: Household, thief: Person, stolen: Machine): Promise<void> {
  const { world } = home
  await world.end(thief)
  await succeedAsThief(home, stolen)
  const again = await world.reopen(stolen)
  await setAsThief(home, { thief: again, stolen, value: "Thief Street 3" })
}
