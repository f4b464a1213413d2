/**
 * Where a share lies once a device was removed, which knew where it lay before.
 *
 * @module
 */
import { signingKeyFromSeed } from "@fulcrum/crypto/ed25519"
import { RELAY_LIMITS } from "@fulcrum/relay/limits"
import { beforeAll, expect, test } from "vitest"
import { ownCapability } from "../src/mailboxes/record-link.ts"
import { visitRelay } from "../src/mailboxes/relay-visit.ts"
import type { Person } from "../src/person/person.ts"
import { customerPlaces } from "../src/vendor-side/vendor-places.ts"
import {
  ADDRESS,
  loadDocuments,
  type Machine,
  PersonWorld,
  type TestRelay,
  type TestVendor,
} from "./person-world.ts"
import { openDesk, ScriptedVendor } from "./scripted-vendor.ts"

beforeAll(loadDocuments)

interface Setting extends AsyncDisposable {
  readonly world: PersonWorld
  readonly phone: Person
  readonly shop: TestVendor
  /** The phone's. */
  readonly machine: Machine
  /** A device joins, and is removed. */
  comeAndGo(name: string): Promise<void>
  /** Changes the address, and waits until the company's receipt is here. */
  move(value: string): Promise<void>
  /** How far the mailbox goes that the share lay in at first, as the thief finds. */
  oldEnd(): Promise<number>
  holds(value: string): boolean
}

/** A phone, a company that it has agreed with, and a laptop whose folder was copied. */
async function setting(shared: (world: PersonWorld) => Promise<TestRelay>): Promise<Setting> {
  const world = new PersonWorld("places")
  const own = await world.relay("own")
  const relay = await shared(world)
  const shop = await world.vendor("Shop", relay)
  const phoneMachine = world.machine("phone")
  const phone = await world.during(world.create(phoneMachine, [own.address]))
  await world.during(phone.set(ADDRESS, "Old Street 1"))
  const invitation = await shop.invitation()
  await world.during(phone.connect({ invitation, disclose: [ADDRESS] }))
  await world.during(phone.waitForAgreement("Shop", 10_000))
  const machine = world.machine("laptop")
  const laptop = await world.pair(phone, machine, { relay: own.address })
  await world.until("the laptop to know the company", async () => {
    await world.during(laptop.settle(1000))
    return (await laptop.whoHas(ADDRESS))[0]?.evidence === "applied"
  })
  const stolen = { ...machine, name: "thief", disk: machine.disk.copy() }
  await world.end(laptop)
  const seed = await mailboxSeedOf(world, stolen)
  const holds = (value: string) => JSON.stringify(shop.vendor.disclosures()).includes(value)
  return {
    ...{ world, phone, shop, holds, machine: phoneMachine },
    async comeAndGo(name) {
      const one = await world.pair(phone, world.machine(name), { relay: own.address })
      await world.during(one.settle(3000))
      await world.end(one)
      await world.during(phone.revokeDevice(name))
      await world.during(phone.settle(5000))
    },
    async move(value) {
      await world.during(phone.set(ADDRESS, value))
      await world.until("the company to have it", () => holds(value))
      await world.until("its receipt", async () => {
        const [row] = await phone.whoHas(ADDRESS)
        return row?.evidence === "applied" && JSON.stringify(row.value).includes(value)
      })
    },
    oldEnd: () => endOf(world, relay, seed),
    [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
  }
}

async function mailboxSeedOf(world: PersonWorld, machine: Machine): Promise<Uint8Array> {
  const scripted = new ScriptedVendor(world.random.fork("thief"), [])
  const disk = machine.disk.copy()
  await using desk = await openDesk(world, { ...machine, disk }, scripted)
  const [relationship] = desk.relationships.all
  if (relationship === undefined) throw new TypeError("the thief knows no company")
  return relationship.secrets.item.mailboxSeed
}

/** Whoever has a mailbox's key may look into it, under any key of its own. */
async function endOf(
  { network, clock, random }: PersonWorld,
  { address }: TestRelay,
  seed: Uint8Array,
): Promise<number> {
  const mailboxKey = signingKeyFromSeed(seed)
  const holder = signingKeyFromSeed(random.bytes(32))
  const capability = ownCapability({ mailboxKey, holder, right: "read", clock, random })
  const { signal } = new AbortController()
  const visit = { network: network.machine("thief"), clock, address, signal }
  return clock.during(
    visitRelay(visit, async (client) => {
      const opened = await client.open({ capability, mailbox: mailboxKey.publicKey, holder })
      return opened.next
    }),
  )
}

test("[P106] in another mailbox: nothing more comes to the one that the removed device knows", async () => {
  await using all = await setting((world) => world.relay("shared"))
  const { world, phone } = all
  const before = await all.oldEnd()
  expect(before).toBeGreaterThan(1)
  await world.during(phone.revokeDevice("laptop"))
  await all.move("New Street 2")
  await world.during(phone.settle(5000))
  const after = await all.oldEnd()
  // The company learned there of its new place.
  expect(after).toBeGreaterThan(before)
  for (const value of ["New Street 3", "New Street 4", "New Street 5"]) await all.move(value)
  expect(await all.oldEnd()).toBe(after)
  expect(await phone.whoHas(ADDRESS)).toHaveLength(1)
})

test("[P106] a company that was away meanwhile finds the new place in the old one", async () => {
  await using all = await setting((world) => world.relay("shared"))
  const { world, phone } = all
  world.network.cut("Shop", "shared")
  await world.during(phone.revokeDevice("laptop"))
  await world.during(phone.set(ADDRESS, "New Street 2"))
  await world.during(phone.settle(5000))
  expect(all.holds("New Street 2")).toBe(false)
  world.network.heal()
  await world.until("the company to have it", () => all.holds("New Street 2"))
  await all.move("New Street 3")
  const end = await all.oldEnd()
  await all.move("New Street 4")
  expect(await all.oldEnd()).toBe(end)
})

test("[P106] where the relay makes no other mailbox, the share stays reachable in the old one", async () => {
  await using all = await setting((world) =>
    world.relay("shared", { ...RELAY_LIMITS, freeMailboxesMax: 1 }),
  )
  const { world, phone } = all
  await world.during(phone.revokeDevice("laptop"))
  await all.move("New Street 2")
  // However often: the places of all those keys were never made.
  for (const number of [3, 4, 5, 6]) {
    await all.comeAndGo(`device ${number}`)
    await all.move(`New Street ${number}`)
  }
  expect(await world.during(phone.show("Shop"))).toMatchObject({ state: "agreed" })
})

test("[P106] nothing comes to the first place after another removal, or a restart while the relay is away", async () => {
  await using all = await setting((world) => world.relay("shared"))
  const { world, phone } = all
  await world.during(phone.revokeDevice("laptop"))
  for (const number of [2, 3, 4]) await all.move(`New Street ${number}`)
  await world.during(phone.settle(5000))
  const end = await all.oldEnd()
  await all.comeAndGo("tablet")
  await all.move("New Street 5")
  await world.during(phone.settle(5000))
  expect(await all.oldEnd()).toBe(end)
  await world.end(phone)
  world.network.cut("phone", "shared")
  const again = await world.reopen(all.machine)
  await world.during(again.set(ADDRESS, "New Street 6"))
  await world.during(again.settle(3000))
  await world.clock.advance(30_000)
  world.network.heal()
  await world.until("the company to have it", () => all.holds("New Street 6"))
  await world.during(again.settle(5000))
  await world.clock.advance(30_000)
  expect(await all.oldEnd()).toBe(end)
})

test("[P106] what a company was told of a place counts only if the place's own key allows it", () => {
  const random = new PersonWorld("told").random
  const [mailboxKey, other, access] = [1, 2, 3].map(() => signingKeyFromSeed(random.bytes(32)))
  const person = signingKeyFromSeed(random.bytes(32)).publicKey
  const [first, second] = [signingKeyFromSeed(random.bytes(32)).publicKey, person]
  if (mailboxKey === undefined || other === undefined || access === undefined) throw new TypeError()
  const clock = { now: () => 0, sleep: async () => undefined }
  const capability = (key = mailboxKey, right: "append" | "read" = "append", holder = access) =>
    ownCapability({ mailboxKey: key, holder, right, clock, random })
  const right = {
    mailbox: mailboxKey.publicKey,
    appendCapability: capability(),
    readCapability: capability(mailboxKey, "read"),
  }
  const record = { accessSeed: access.seed, relationshipKey: first, mailbox: other.publicKey }
  const toldOf = (place: typeof right, renewals: readonly (typeof right)[] = []) =>
    customerPlaces(
      { ...right, ...record },
      {
        personKeys: { claimants: [second], lineage: [second, first], isFrozen: false },
        placesOf: (key) => (key === second ? [place] : []),
        renewalsOf: (key) => (key === second ? renewals : []),
        toldKey: undefined,
      },
    )
  const placesWith = (place: typeof right) => toldOf(place).map(({ mailbox }) => mailbox)
  expect(placesWith(right)).toEqual([mailboxKey.publicKey, other.publicKey])
  // The first place again is opened with what came with it.
  const again = { ...right, mailbox: other.publicKey, readCapability: capability(other, "read") }
  const byOther = { ...again, appendCapability: capability(other, "append") }
  expect(placesWith(byOther)).toEqual([other.publicKey])
  for (const wrong of [
    { ...right, mailbox: other.publicKey },
    { ...right, readCapability: capability(other, "read") },
    { ...right, readCapability: capability() },
    { ...right, appendCapability: capability(mailboxKey, "append", other) },
    { ...right, appendCapability: random.bytes(40) },
  ]) {
    expect(placesWith(wrong)).toEqual([other.publicKey])
  } // Told again it is opened with what ends last, if that is for this mailbox and for this company.
  const later = { now: () => 86_400_000 * 10, sleep: clock.sleep }
  const renewal = (key = mailboxKey, holder = access) => ({
    mailbox: mailboxKey.publicKey,
    appendCapability: ownCapability({
      mailboxKey: key,
      holder,
      right: "append",
      clock: later,
      random,
    }),
    readCapability: ownCapability({ mailboxKey: key, holder, right: "read", clock: later, random }),
  })
  const renewed = renewal()
  expect(toldOf(right, [right, renewed, right])[0]).toBe(renewed)
  const half = { ...renewed, appendCapability: right.appendCapability }
  for (const wrong of [
    renewal(other),
    renewal(mailboxKey, other),
    half,
    { ...renewed, readCapability: random.bytes(40) },
  ]) {
    expect(toldOf(right, [wrong])[0]).toBe(right)
  }
})
