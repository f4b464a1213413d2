/**
 * A company may open a share's mailbox for 400 days, and is given longer before they are over.
 *
 * @module
 */
import { RELAY_LIMITS, type RelayLimits } from "@fulcrum/relay/limits"
import { beforeAll, expect, test } from "vitest"
import type { Person } from "../src/person/person.ts"
import {
  ADDRESS,
  loadDocuments,
  type Machine,
  PersonWorld,
  type TestVendor,
} from "./person-world.ts"
import { openDesk, ScriptedVendor } from "./scripted-vendor.ts"

beforeAll(loadDocuments)

const DAY_MS = 86_400_000

interface Setting extends AsyncDisposable {
  readonly world: PersonWorld
  readonly machine: Machine
  readonly shop: TestVendor
  readonly own: string
  phone: Person
  /** Days later her device starts again, as it does at least once in a while. */
  later(days: number): Promise<void>
  /** The company gets a change, and she its receipt. */
  move(value: string): Promise<void>
  /** Keys that the share has had, as a device has it. */
  keys(machine: Machine): Promise<number>
}

async function setting(limits: RelayLimits = RELAY_LIMITS): Promise<Setting> {
  const world = new PersonWorld("access")
  const own = await world.relay("own")
  const shop = await world.vendor("Shop", await world.relay("shared", limits))
  const machine = world.machine("phone")
  const phone = await world.during(world.create(machine, [own.address]))
  await world.during(phone.set(ADDRESS, "Old Street 1"))
  const invitation = await shop.invitation()
  await world.during(phone.connect({ invitation, disclose: [ADDRESS] }))
  await world.during(phone.waitForAgreement("Shop", 10_000))
  const all: Setting = {
    ...{ world, machine, shop, phone, own: own.address },
    async later(days) {
      world.clock.offsetMs += days * DAY_MS
      await world.end(all.phone)
      all.phone = await world.reopen(machine)
      await world.during(all.phone.settle(5000))
    },
    async move(value) {
      await world.during(all.phone.set(ADDRESS, value))
      await world.during(all.phone.settle(5000))
      await world.until("the company to have it, and to say so", async () => {
        const [row] = await all.phone.whoHas(ADDRESS)
        return row?.evidence === "applied" && JSON.stringify(row.value).includes(value)
      })
    },
    async keys({ disk, ...rest }) {
      const scripted = new ScriptedVendor(world.random.fork("desk"), [])
      await using desk = await openDesk(world, { ...rest, disk: disk.copy() }, scripted)
      return desk.relationships.all[0]?.secrets.epochKeys.size ?? 0
    },
    [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
  }
  return all
}

test("[P108] a company reads on after the 400 days of what it was given first", async () => {
  await using all = await setting()
  await all.move("New Street 2")
  await all.later(240)
  await all.move("New Street 3")
  // What it was given first has ended; what it was given on day 240 ends on day 640.
  await all.later(170)
  await all.move("New Street 4")
  await all.later(220)
  await all.move("New Street 5")
  await all.later(60)
  await all.move("New Street 6")
})

test("[P108] it is renewed once, by whichever device sees first that it is due", async () => {
  await using all = await setting()
  const { world } = all
  const machine = world.machine("laptop")
  let laptop = await world.pair(all.phone, machine, { relay: all.own })
  await all.move("New Street 2")
  await world.during(laptop.settle(5000))
  expect(await all.keys(machine)).toBe(1)
  await all.later(100)
  expect(await all.keys(all.machine)).toBe(1)
  await world.end(laptop)
  await all.later(140)
  expect(await all.keys(all.machine)).toBe(2)
  laptop = await world.reopen(machine)
  await world.during(laptop.settle(5000))
  await all.move("New Street 3")
  await all.later(1)
  expect(await all.keys(all.machine)).toBeLessThanOrEqual(3)
  const keys = await all.keys(all.machine)
  await all.later(100)
  await world.during(laptop.settle(5000))
  expect(await all.keys(all.machine)).toBe(keys)
  await world.during(laptop.set(ADDRESS, "New Street 4"))
  await world.until("the company to have what the laptop wrote", () =>
    JSON.stringify(all.shop.vendor.disclosures()).includes("New Street 4"),
  )
})

test("[P108] with the keys of a removal it is given anew, and not once more", async () => {
  await using all = await setting()
  const { world } = all
  const laptop = await world.pair(all.phone, world.machine("laptop"), { relay: all.own })
  await world.during(laptop.settle(3000))
  await world.end(laptop)
  await all.later(240)
  expect(await all.keys(all.machine)).toBe(2)
  await world.during(all.phone.revokeDevice("laptop"))
  await all.move("New Street 2")
  await all.later(30)
  expect(await all.keys(all.machine)).toBe(3)
  await all.later(240)
  expect(await all.keys(all.machine)).toBe(4)
  await all.later(200)
  await all.move("New Street 3")
})

test("[P108] where the relay made no other mailbox, the one that the share lies in is open for longer", async () => {
  await using all = await setting({ ...RELAY_LIMITS, freeMailboxesMax: 1 })
  const { world } = all
  const laptop = await world.pair(all.phone, world.machine("laptop"), { relay: all.own })
  await world.during(laptop.settle(3000))
  await world.end(laptop)
  await world.during(all.phone.revokeDevice("laptop"))
  await all.move("New Street 2")
  await all.later(240)
  await all.move("New Street 3")
  await all.later(200)
  await all.move("New Street 4")
})

test("[P108] what is given with a removal gives no time to the mailbox that serves on", async () => {
  await using all = await setting({ ...RELAY_LIMITS, freeMailboxesMax: 1 })
  const { world } = all
  const laptop = await world.pair(all.phone, world.machine("laptop"), { relay: all.own })
  await world.during(laptop.settle(3000))
  await world.end(laptop)
  await all.later(199)
  await world.during(all.phone.revokeDevice("laptop"))
  await all.move("New Street 2")
  for (const days of [190, 40]) await all.later(days)
  await all.move("New Street 3")
})
