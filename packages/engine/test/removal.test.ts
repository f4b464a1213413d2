/**
 * What removing a device writes, and who is given the keys that go with changes of who belongs.
 *
 * @module
 */

import { certifyDevice, deviceIdSchema, generateDevice } from "@fulcrum/access/device"
import type { MembershipChange } from "@fulcrum/access/key-body"
import type { Membership as MembershipView } from "@fulcrum/access/membership"
import { makeKeySpanParts } from "@fulcrum/access/rotation"
import { seededRandom } from "@fulcrum/crypto/random"
import { generateWrapKey } from "@fulcrum/crypto/wrap"
import { epochKeySchema } from "@fulcrum/log/ids"
import { beforeAll, describe, expect, test } from "vitest"
import { LOOK_MS } from "../src/mailboxes/left-mailboxes.ts"
import type { Person } from "../src/person/person.ts"
import { removeDevice } from "../src/relationships/membership-writes.ts"
import {
  ADDRESS,
  ailments,
  loadDocuments,
  type Machine,
  PersonWorld,
  type TestRelay,
} from "./person-world.ts"
import { openDesk, ScriptedVendor } from "./scripted-vendor.ts"

beforeAll(loadDocuments)

const NEVER = new AbortController().signal
const LOOPBACK = "/ip4/127.0.0.1/tcp/0"

interface Home extends AsyncDisposable {
  readonly world: PersonWorld
  readonly relay: TestRelay
  readonly phone: Person
  readonly machine: Machine
  add(name: string): Promise<{ readonly person: Person; readonly machine: Machine }>
}

async function home(): Promise<Home> {
  const world = new PersonWorld("removal")
  const relay = await world.relay()
  const machine = world.machine("phone")
  const phone = await world.during(world.create(machine, [relay.address]))
  await world.during(phone.set(ADDRESS, "Old Street 1"))
  return {
    ...{ world, relay, phone, machine },
    async add(name) {
      const own = world.machine(name)
      return { person: await world.pair(phone, own, { relay: relay.address }), machine: own }
    },
    [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
  }
}

describe("[P99] a removal", () => {
  test("is one write, with all that follows it, and needs no second one", async () => {
    await using all = await home()
    const { world, relay, phone, machine } = all
    for (const name of ["Shop", "Bank", "Forum"]) {
      const invitation = await (await world.vendor(name, relay)).invitation()
      await world.during(phone.connect({ invitation, disclose: [ADDRESS] }))
      await world.during(phone.waitForAgreement(name, 10_000))
    }
    const { machine: gone, person: laptop } = await all.add("laptop")
    await world.during(phone.settle(5000))
    await world.end(laptop)
    await world.end(phone)
    const alone = await world.reopen(machine)
    const before = machine.disk.flushes
    await world.during(alone.revokeDevice("laptop"))
    expect(machine.disk.flushes - before).toBe(1)
    await world.end(alone)
    // What is left to do is done when it is opened: nothing.
    const flushes = machine.disk.flushes
    const again = await world.reopen(machine)
    expect(machine.disk.flushes - flushes).toBe(0)
    const members = (await again.devices()).filter(({ state }) => state === "member")
    expect(members.map(({ name }) => name)).toEqual(["phone"])
    await world.during(again.set(ADDRESS, "New Street 2"))
    await world.during(again.settle(5000))
    const removed = await world.reopen(gone)
    await world.during(removed.settle(5000))
    expect(JSON.stringify(await removed.get())).toContain("Old Street 1")
    expect(JSON.stringify(await removed.get())).not.toContain("New Street 2")
  })
})

describe("[P103] a device that is removed", () => {
  const stateOf = async (person: Person, name: string) =>
    (await person.devices()).find((device) => device.name === name)?.state

  test("learns of it from a relay alone, also after a restart, and writes no more", async () => {
    await using all = await home()
    const { world, phone } = all
    const { machine, person: laptop } = await all.add("laptop")
    await world.during(laptop.settle(5000))
    await world.during(phone.settle(5000))
    world.network.cut("phone", "laptop")
    await world.during(phone.revokeDevice("laptop"))
    await world.during(phone.settle(5000))
    await world.during(phone.set(ADDRESS, "New Street 2"))
    await world.during(phone.settle(5000))
    await world.during(laptop.settle(5000))
    expect(await stateOf(laptop, "laptop")).toBe("removed")
    await expect(world.during(laptop.set(ADDRESS, "Elsewhere 3"))).rejects.toMatchObject({
      code: "DEVICE_REMOVED",
    })
    expect(JSON.stringify(await laptop.get())).not.toContain("New Street 2")
    await world.end(laptop)
    const again = await world.reopen(machine)
    expect(await stateOf(again, "laptop")).toBe("removed")
    // What it cannot open is no fault of its own.
    expect(await ailments(again)).toEqual(["membership: this device was removed from the record"])
  })

  test("learns of it from a device alone, where it knows of no relay", async () => {
    await using world = new PersonWorld("no relay")
    const phone = await world.during(world.create(world.machine("phone")))
    const [at = ""] = await world.during(phone.start({ listen: [LOOPBACK] }))
    const machine = world.machine("tablet")
    const tablet = await world.pair(phone, machine, { at })
    await world.pair(phone, world.machine("stool"), { at })
    await world.during(phone.revokeDevice("stool"))
    await world.during(tablet.start({ listen: [LOOPBACK] }))
    await world.during(tablet.settle(5000))
    await world.end(tablet)
    const relay = await world.relay()
    await world.during(phone.addRelay(relay.address))
    await world.during(phone.settle(5000))
    // While it is away the record's key changes: it has none of those that there are from then on.
    await world.pair(phone, world.machine("sofa"), { at })
    for (let name = 0; name < 40; name++) {
      await world.during(phone.renameDevice("sofa", `sofa ${name}`))
      await world.during(phone.renameDevice(`sofa ${name}`, "sofa"))
    }
    await world.during(phone.revokeDevice("tablet"))
    await world.during(phone.settle(5000))
    const again = await world.reopen(machine)
    await world.during(again.start({ listen: [LOOPBACK] }))
    await world.until("the tablet to be told", () => again.isRemoved)
  })

  test("to no effect, by one that it removed at the same time, goes on", async () => {
    await using all = await home()
    const { world, phone } = all
    const { person: laptop } = await all.add("laptop")
    await world.during(laptop.settle(5000))
    await world.during(phone.settle(5000))
    for (const one of ["phone", "laptop"]) world.network.cut(one, "relay")
    world.network.cut("phone", "laptop")
    await world.during(laptop.revokeDevice("phone"))
    await world.during(phone.revokeDevice("laptop"))
    for (const one of ["phone", "laptop"]) {
      world.network.heal()
      world.network.cut("phone", "laptop")
      await world.during((one === "phone" ? phone : laptop).settle(5000))
    }
    await world.during(phone.settle(5000))
    await world.during(laptop.settle(5000))
    expect(await stateOf(phone, "phone")).toBe("member")
    await world.during(phone.set(ADDRESS, "New Street 2"))
    expect(JSON.stringify(await phone.get())).toContain("New Street 2")
  })
})

describe("[P114] who followed one of two that removed each other hears of the other, by a relay alone", () => {
  /** The laptop, which is to go, is the first to reach the relay, and the tablet follows it. */
  async function misled(clockOffMs = 0) {
    const all = await home()
    const { world, phone } = all
    const { person: laptop } = await all.add("laptop")
    const { person: tablet, machine } = await all.add("tablet")
    for (const one of [phone, laptop, tablet]) await world.during(one.settle(5000))
    for (const other of ["laptop", "tablet"]) world.network.cut("phone", other)
    world.network.cut("phone", "relay")
    await world.during(phone.revokeDevice("laptop"))
    await world.during(phone.settle(5000))
    await world.during(laptop.revokeDevice("phone"))
    world.clock.offsetMs = clockOffMs
    for (const one of [laptop, tablet]) await world.during(one.settle(5000))
    world.clock.offsetMs = 0
    expect(await membersOf(tablet)).toEqual(["laptop", "tablet"])
    world.network.cut("laptop", "tablet")
    world.network.cut("laptop", "relay")
    return { ...all, laptop, tablet, machine }
  }

  async function healed({ world, phone }: Home, tablet: Person): Promise<void> {
    await world.during(tablet.set("card/nicknames/1/name", "Ada"))
    for (const one of [tablet, phone, tablet]) await world.during(one.settle(5000))
    for (const one of [tablet, phone]) expect(await membersOf(one)).toEqual(["phone", "tablet"])
    expect(await phone.get("card/nicknames/1/name")).toBe("Ada")
  }

  test("at its next start", async () => {
    const all = await misled()
    await using world = all.world
    await world.end(all.tablet)
    world.network.heal("phone", "relay")
    await world.during(all.phone.settle(5000))
    await healed(all, await world.reopen(all.machine))
  })

  test("and while it runs, in time", async () => {
    const all = await misled()
    await using world = all.world
    world.network.heal("phone", "relay")
    await world.during(all.phone.settle(5000))
    await world.clock.advance(LOOK_MS)
    await healed(all, all.tablet)
  })

  test("and in time where the clock was wrong and is set right", async () => {
    const all = await misled(400 * 86_400_000)
    await using world = all.world
    world.network.heal("phone", "relay")
    await world.during(all.phone.settle(5000))
    await world.clock.advance(LOOK_MS)
    await healed(all, all.tablet)
  })

  test("and where it was behind by years when the record left", async () => {
    const all = await misled(-400 * 86_400_000)
    await using world = all.world
    await world.end(all.tablet)
    world.network.heal("phone", "relay")
    await world.during(all.phone.settle(5000))
    await healed(all, await world.reopen(all.machine))
  })
})

describe("[P118] a device that hears of its removal by a relay alone", () => {
  /** All three, which from now on meet at the relay only, one after another. */
  async function apart() {
    const all = await home()
    const { world, phone } = all
    const { person: laptop, machine } = await all.add("laptop")
    const { person: tablet } = await all.add("tablet")
    for (const one of [phone, laptop, tablet]) await world.during(one.settle(5000))
    const names = ["phone", "laptop", "tablet"]
    for (const name of names) {
      world.network.cut(name, "relay")
      for (const other of names) if (other !== name) world.network.cut(name, other)
    }
    const visit = async (name: string, person: Person) => {
      world.network.heal(name, "relay")
      await world.during(person.settle(5000))
      world.network.cut(name, "relay")
    }
    return { ...all, laptop, tablet, machine, visit }
  }

  test("believes one that it removed itself and that joined earlier", async () => {
    const { world, phone, laptop, machine, visit } = await apart()
    await using _ = world
    await world.during(phone.revokeDevice("laptop"))
    await world.during(laptop.revokeDevice("phone"))
    await visit("laptop", laptop)
    await visit("phone", phone)
    expect([phone.isRemoved, laptop.isRemoved]).toEqual([false, false])
    await world.end(laptop)
    world.network.heal("laptop", "relay")
    const again = await world.reopen(machine)
    await world.during(again.settle(5000))
    expect(again.isRemoved).toBe(true)
    await visit("phone", phone)
    expect([phone.isRemoved, await membersOf(phone)]).toEqual([false, ["phone", "tablet"]])
  })

  test("believes it no more of one that was removed, and followed by nobody", async () => {
    const { world, phone, laptop, tablet, machine, visit } = await apart()
    await using _ = world
    await world.during(phone.revokeDevice("tablet"))
    await world.during(tablet.revokeDevice("laptop"))
    await visit("tablet", tablet)
    await visit("laptop", laptop)
    expect(laptop.isRemoved).toBe(true)
    await visit("phone", phone)
    await world.end(laptop)
    world.network.heal("laptop", "relay")
    const again = await world.reopen(machine)
    await world.during(again.settle(5000))
    expect([again.isRemoved, await membersOf(again)]).toEqual([false, ["phone", "laptop"]])
  })

  test("says so where it cannot know: its remover was removed by one whose removal it cannot read", async () => {
    const { world, phone, laptop, tablet, visit } = await apart()
    await using _ = world
    await world.during(phone.revokeDevice("laptop"))
    await world.during(phone.revokeDevice("tablet"))
    await world.during(tablet.revokeDevice("phone"))
    for (const [name, one] of [
      ["tablet", tablet],
      ["phone", phone],
      ["laptop", laptop],
    ] as const) {
      await world.clock.advance(LOOK_MS)
      await visit(name, one)
    }
    expect([laptop.isRemoved, await membersOf(laptop)]).toEqual([false, ["laptop", "tablet"]])
    expect(await laptop.doctor()).toContainEqual({
      check: "removal told",
      ok: true,
      detail: "phone, which was removed, says that this device was removed before",
    })
    expect((await phone.doctor()).some(({ check }) => check === "removal told")).toBe(false)
  })

  test("believes it of one that was removed, if somebody followed who did not know", async () => {
    const { world, relay, phone, laptop, tablet, machine, visit } = await apart()
    await using _ = world
    world.network.heal("phone", "relay")
    const desk = await world.pair(phone, world.machine("desk"), { relay: relay.address })
    for (const name of ["phone", "relay"]) world.network.cut("desk", name)
    for (const [name, one] of [
      ["phone", phone],
      ["laptop", laptop],
      ["tablet", tablet],
      ["desk", desk],
    ] as const) {
      await visit(name, one)
    }
    await world.during(phone.revokeDevice("tablet"))
    await world.during(tablet.revokeDevice("laptop"))
    await visit("tablet", tablet)
    await visit("desk", desk)
    await world.during(desk.renameDevice("desk", "bench"))
    await visit("desk", desk)
    for (const [name, one] of [
      ["phone", phone],
      ["desk", desk],
      ["phone", phone],
    ] as const) {
      await world.clock.advance(LOOK_MS)
      await visit(name, one)
    }
    expect(await membersOf(phone)).toEqual(["phone", "bench"])
    await world.end(laptop)
    world.network.heal("laptop", "relay")
    const again = await world.reopen(machine)
    await world.during(again.settle(5000))
    expect(again.isRemoved).toBe(true)
  })
})

async function membersOf(person: Person): Promise<readonly string[]> {
  const members = (await person.devices()).filter(({ state }) => state === "member")
  return members.map(({ name }) => name)
}

/** What a hostile program says, in place of what is so. */
interface Lie {
  readonly pretend?: (view: MembershipView) => MembershipView
  readonly changes?: readonly MembershipChange[]
  readonly clear?: Uint8Array
}

/** A device announces a key, and lies. */
async function announce({ world, relay }: Home, machine: Machine, lie: Lie): Promise<void> {
  const scripted = new ScriptedVendor(world.random.fork("desk"), [relay.address])
  await using desk = await openDesk(world, machine, scripted)
  const { membership, record } = desk.ledger
  await desk.ledger.transact(async (step) => {
    const key = epochKeySchema.decode(world.random.bytes(32))
    const parts = makeKeySpanParts({
      membership: lie.pretend?.(membership.view) ?? membership.view,
      changes: lie.changes ?? [{ kind: "rotate", value: {} }],
      epochKey: key,
      previousKeys: membership.headKeys,
      random: world.random,
    })
    const { clear = parts.clear } = lie
    const staged = record.stageKey({ epoch: { key }, ...parts, clear })
    membership.expect(staged.epochId, key)
    step.join(record, staged)
  })
}

describe("[R9] [P100] a key that a device announces", () => {
  const keysOf = async (person: Person) =>
    (await person.doctor()).filter(({ check }) => check === "keys")

  test.for([
    {
      what: "leaves a member out",
      pretend: (view: MembershipView): MembershipView => ({
        ...view,
        devices: view.devices.filter(({ name }) => name !== "tablet"),
      }),
      detail: "laptop made a key and left out tablet: remove it",
    },
    {
      what: "gives it to a stranger",
      pretend: (view: MembershipView): MembershipView => ({
        ...view,
        devices: view.devices.flatMap((device) =>
          device.name === "tablet" ? [device, { ...device, id: NOBODY, wrap: STRANGER }] : device,
        ),
      }),
      detail: "laptop gave a key to somebody who does not belong: remove it",
    },
  ])("that $what is told by every other device", async ({ pretend, detail }) => {
    await using all = await home()
    const { world, phone, machine } = all
    await all.add("tablet")
    const laptop = await all.add("laptop")
    await world.during(phone.settle(5000))
    expect(await keysOf(phone)).toMatchObject([{ ok: true }])
    await world.end(laptop.person)
    await announce(all, laptop.machine, { pretend })
    const liar = await world.reopen(laptop.machine)
    await world.during(liar.settle(5000))
    await world.during(phone.settle(5000))
    expect(await keysOf(phone)).toContainEqual({ check: "keys", ok: false, detail })
    await world.end(phone)
    expect(await keysOf(await world.reopen(machine))).toContainEqual({
      ...{ check: "keys", ok: false, detail },
    })
  })
})

describe("[P104] what a hostile member announces", () => {
  test.for([
    { what: "wraps that are none", lie: { clear: Uint8Array.of(0xff, 1, 2, 3) } },
    {
      what: "cryptography that nobody has",
      lie: { changes: [{ kind: "suite" as const, value: { least: 200 } }] },
    },
    {
      what: "more devices than a record may have",
      lie: {
        changes: Array.from({ length: 60 }, (_, i) => {
          const spy = generateDevice({ name: `spy ${i}`, random: seededRandom(`spy ${i}`) })
          return { kind: "add" as const, value: { certificate: certifyDevice(spy) } }
        }),
      },
      isFull: true,
    },
  ])("$what: the others remove it, and go on", async ({ lie, isFull = false }) => {
    await using all = await home()
    const { world, phone, machine } = all
    const tablet = await all.add("tablet")
    const laptop = await all.add("laptop")
    await world.during(phone.settle(5000))
    await world.end(laptop.person)
    await announce(all, laptop.machine, lie)
    const liar = await world.reopen(laptop.machine)
    await world.during(liar.settle(5000))
    await world.during(phone.settle(5000))
    if (isFull) {
      const pairing = phone.pair({ code: () => undefined, approve: async () => true }, NEVER)
      await expect(world.during(pairing)).rejects.toMatchObject({ code: "DEVICES_FULL" })
    }
    await world.during(phone.revokeDevice("laptop"))
    await world.during(phone.set(ADDRESS, "New Street 2"))
    await world.during(phone.settle(5000))
    await world.during(tablet.person.settle(5000))
    expect(JSON.stringify(await tablet.person.get())).toContain("New Street 2")
    await world.end(phone)
    const again = await world.reopen(machine)
    await world.during(again.set(ADDRESS, "Newer Street 3"))
    // What nobody has a wrap of waits for good.
    const wrong = (await ailments(again)).filter((one) => !one.startsWith("waiting: "))
    expect(wrong).toEqual([])
  })
})

test("[P104] a relationship that a hostile member has made up stands in nobody's way", async () => {
  await using all = await home()
  const { world, relay, phone } = all
  const shop = await world.vendor("Shop", relay)
  const invitation = await shop.invitation()
  await world.during(phone.connect({ invitation, disclose: [ADDRESS] }))
  await world.during(phone.waitForAgreement("Shop", 10_000))
  const laptop = await all.add("laptop")
  await world.during(phone.settle(5000))
  await world.during(laptop.person.settle(5000))
  await world.end(laptop.person)
  {
    const scripted = new ScriptedVendor(world.random.fork("desk"), [relay.address])
    await using desk = await openDesk(world, laptop.machine, scripted)
    const [real] = desk.relationships.all
    if (real === undefined) throw new TypeError("the laptop knows no company")
    const { item } = real.secrets
    const bytes = (length: number) => world.random.bytes(length)
    const made = () => ({ ...item, id: bytes(16), spaceTag: bytes(32), token: undefined })
    await desk.ledger.transact(async (step) => {
      const add = (value: typeof item) => step.add({ kind: "relationship", value })
      add({ ...made(), request: bytes(100) })
      add({ ...made(), request: item.agreement })
      add({ ...made(), agreement: bytes(100) })
      add({ ...made(), vendorAccess: new Uint8Array(32) })
      add({ ...made(), vendor: new Uint8Array(32) })
      add({ ...made(), relays: ["nowhere"] })
      add({ ...made(), spaceTag: item.spaceTag })
    })
  }
  const liar = await world.reopen(laptop.machine)
  await world.during(liar.settle(5000))
  await world.during(phone.settle(5000))
  expect((await phone.relationships()).map(({ vendor }) => vendor)).toContain("Shop")
  expect(await phone.whoHas(ADDRESS)).toHaveLength(1)
  await world.during(phone.revokeDevice("laptop"))
  await world.during(phone.set(ADDRESS, "New Street 2"))
  const holds = () => JSON.stringify(shop.vendor.disclosures()).includes("New Street 2")
  await world.until("the new value", holds)
  expect((await phone.status()).devices).toBeDefined()
  await phone.doctor()
})

test("[P99] a company that comes to be known while a device is removed is not passed over", async () => {
  await using all = await home()
  const { world, relay, phone, machine } = all
  await all.add("laptop")
  const invitation = await (await world.vendor("Shop", relay)).invitation()
  await world.during(phone.connect({ invitation, disclose: [ADDRESS] }))
  await world.during(phone.waitForAgreement("Shop", 10_000))
  await world.end(phone)
  const scripted = new ScriptedVendor(world.random.fork("desk"), [relay.address])
  await using desk = await openDesk(world, machine, scripted)
  const { ledger, relationships, vault } = desk
  const laptop = ledger.membership.deviceNamed("laptop")
  // As if the record had brought it a moment ago.
  const known = relationships.all
  let isOpen = false
  const late = new Proxy(relationships, {
    get(target, name) {
      if (name === "all") return isOpen ? known : []
      if (name === "get") return (id: string) => (isOpen ? target.get(id) : undefined)
      if (name === "openNew")
        return async () => {
          // The second time it is there.
          isOpen = opened++ > 0
        }
      return Reflect.get(target, name)
    },
  })
  let opened = 0
  await removeDevice(
    { ledger, relationships: late, random: world.random, clock: world.clock, vault },
    laptop.id,
  )
  expect(opened).toBe(2)
  expect(known.map(({ secrets }) => secrets.epochKeys.size)).toEqual([2])
})

const NOBODY = deviceIdSchema.decode(new Uint8Array(16))
const STRANGER = generateWrapKey(new PersonWorld("stranger").random).publicKey
