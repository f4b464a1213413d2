/**
 * What a removed device wrote that does not count, and what its person does about it.
 *
 * @module
 */
import { beforeAll, expect, test } from "vitest"
import type { Person } from "../src/person.ts"
import { ADDRESS, EMAIL, loadDocuments, type Machine, PersonWorld } from "./person-world.ts"

beforeAll(loadDocuments)

interface Home extends AsyncDisposable {
  readonly world: PersonWorld
  readonly phone: Person
  readonly machine: Machine
  readonly tablet: Person
}

/** A laptop wrote while whoever had removed it was away. */
async function home(): Promise<Home> {
  const world = new PersonWorld("aside")
  const relay = await world.relay()
  const machine = world.machine("phone")
  const phone = await world.during(world.create(machine, [relay.address]))
  await world.during(phone.set(ADDRESS, "Old Street 1"))
  const tablet = await world.pair(phone, world.machine("tablet"), { relay: relay.address })
  const laptop = await world.pair(phone, world.machine("laptop"), { relay: relay.address })
  await world.during(laptop.set(`${EMAIL}/address`, "early@example.org"))
  await world.during(laptop.settle(5000))
  await world.until("the phone to have it", async () =>
    JSON.stringify(await phone.get()).includes("early@example.org"),
  )
  for (const other of ["laptop", "tablet", "relay"]) world.network.cut("phone", other)
  await world.during(phone.revokeDevice("laptop"))
  await world.during(laptop.set(ADDRESS, "Attic Street 9"))
  await world.during(laptop.unset(EMAIL))
  await world.during(laptop.settle(5000))
  await world.end(laptop)
  world.network.heal()
  await world.during(phone.settle(5000))
  for (const one of [phone, tablet]) {
    await world.until("it to be set aside", async () => (await one.aside.list()).length === 2)
  }
  return {
    world,
    phone,
    machine,
    tablet,
    [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
  }
}

test("[P109] it is listed with what it would change, and changes nothing", async () => {
  await using all = await home()
  const rows = await all.phone.aside.list()
  expect(rows).toMatchObject([
    {
      ...{ device: "laptop", others: 0 },
      fields: [{ path: ADDRESS, value: { full: "Attic Street 9" }, now: { full: "Old Street 1" } }],
    },
    {
      ...{ device: "laptop", others: 0 },
      fields: [{ path: `${EMAIL}/address`, value: undefined, now: "early@example.org" }],
    },
  ])
  expect(await all.tablet.aside.list()).toEqual(rows)
  expect(await all.phone.get(`${ADDRESS}/full`)).toBe("Old Street 1")
})

test("[P109] taken, it becomes an edit of this device, and no device lists it any more", async () => {
  await using all = await home()
  const { world, phone, tablet } = all
  const [first, second] = await phone.aside.list()
  const edit = await world.during(phone.aside.take([first?.id.slice(0, 8) ?? ""]))
  expect(edit.changed).toEqual([ADDRESS])
  expect(await phone.get(`${ADDRESS}/full`)).toBe("Attic Street 9")
  expect(await phone.aside.list()).toEqual([second])
  await world.during(phone.settle(5000))
  await world.until("the tablet to have it", async () =>
    JSON.stringify(await tablet.get()).includes("Attic Street 9"),
  )
  expect(await tablet.aside.list()).toHaveLength(1)
  const history = await phone.history(ADDRESS)
  expect(history).toContainEqual(
    expect.objectContaining({ value: { full: "Attic Street 9" }, device: "phone" }),
  )
  await world.during(phone.undo())
  expect(await phone.get(`${ADDRESS}/full`)).toBe("Old Street 1")
  expect(await phone.aside.list()).toHaveLength(1)
})

test("[P109] dropped, it is listed no more, here or elsewhere, also after a restart", async () => {
  await using all = await home()
  const { world, phone, tablet } = all
  const rows = await phone.aside.list()
  await world.during(phone.aside.drop(rows.map(({ id }) => id)))
  expect(await phone.aside.list()).toEqual([])
  expect(await phone.get(`${ADDRESS}/full`)).toBe("Old Street 1")
  await world.during(phone.settle(5000))
  await world.until("the tablet to know", async () => (await tablet.aside.list()).length === 0)
  await world.end(phone)
  expect(await (await world.reopen(all.machine)).aside.list()).toEqual([])
})

test("[P109] what goes by no id, or by several, is told apart", async () => {
  await using all = await home()
  const { phone } = all
  for (const id of ["", "zz", "00000000000000000000"]) {
    await expect(phone.aside.take([id])).rejects.toMatchObject({ code: "ASIDE_UNKNOWN" })
    await expect(phone.aside.drop([id])).rejects.toMatchObject({ code: "ASIDE_UNKNOWN" })
  }
  expect(await phone.aside.list()).toHaveLength(2)
})
