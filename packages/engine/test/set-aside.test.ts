/**
 * What a removed device wrote that does not count, and what its person does about it.
 *
 * @module
 */
import { MemoryBlobs } from "@fulcrum/store/memory-blobs"
import { beforeAll, expect, test } from "vitest"
import type { Person } from "../src/person/person.ts"
import { ADDRESS, EMAIL, loadDocuments, type Machine, PersonWorld } from "./person-world.ts"

beforeAll(loadDocuments)

interface Home extends AsyncDisposable {
  readonly world: PersonWorld
  readonly phone: Person
  readonly machine: Machine
  readonly tablet: Person
}

/** A laptop wrote while whoever had removed it was away. */
async function home(
  write: (laptop: Person, world: PersonWorld) => Promise<void> = async (laptop) => {
    await laptop.set(ADDRESS, "Attic Street 9")
    await laptop.unset(EMAIL)
  },
): Promise<Home> {
  const world = new PersonWorld("aside")
  const relay = await world.relay()
  const machine = world.machine("phone")
  const phone = await world.during(world.create(machine, [relay.address]))
  await world.during(phone.set(ADDRESS, "Old Street 1"))
  const tablet = await world.pair(phone, world.machine("tablet"), { relay: relay.address })
  const own = { ...world.machine("laptop"), blobs: new MemoryBlobs() }
  const laptop = await world.pair(phone, own, { relay: relay.address })
  await world.during(laptop.set(`${EMAIL}/address`, "early@example.org"))
  await world.during(laptop.settle(5000))
  await world.until("the phone to have it", async () =>
    JSON.stringify(await phone.get()).includes("early@example.org"),
  )
  for (const other of ["laptop", "tablet", "relay"]) world.network.cut("phone", other)
  await world.during(phone.revokeDevice("laptop"))
  await world.during(write(laptop, world))
  await world.during(laptop.settle(5000))
  await world.end(laptop)
  world.network.heal()
  await world.during(phone.settle(5000))
  for (const one of [phone, tablet]) {
    await world.until("it to be set aside", async () => (await one.aside.list()).length > 0)
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
      ...{ device: "laptop", others: [] },
      fields: [{ path: ADDRESS, value: { full: "Attic Street 9" }, now: { full: "Old Street 1" } }],
    },
    {
      ...{ device: "laptop", others: [] },
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

test("[P109] what lies below a register that it wrote is not taken with it", async () => {
  // The second of them unsets the register that the first one wrote, to write below it.
  await using all = await home(async (laptop) => {
    await laptop.set("things/bike", "{}")
    await laptop.set("things/bike/name", "Bike")
  })
  const { world, phone } = all
  await world.during(phone.set("things/bike/serialNumber", "X 1"))
  for (const { id } of await phone.aside.list()) {
    await world.during(phone.aside.take([id])).catch(() => undefined)
  }
  expect(await phone.get("things/bike")).toEqual({ name: "Bike", serialNumber: "X 1" })
})

test("[P109] what no command could write is shown as such, and not taken", async () => {
  const photo = {
    name: "me.jpg",
    mediaType: "image/jpeg",
    bytes: 3,
    path: "things/bike/papers/manual",
  }
  await using all = await home(async (laptop) => {
    const { signal } = new AbortController()
    const content = async function* () {
      yield Uint8Array.of(1, 2, 3)
    }
    await laptop.attachments.add({ ...photo, content: content(), signal })
  })
  const { world, phone } = all
  const rows = await phone.aside.list()
  expect(rows).toMatchObject([{ fields: [], others: ["file"] }])
  const ids = rows.map(({ id }) => id)
  await expect(phone.aside.take(ids)).rejects.toMatchObject({ code: "ASIDE_NO_FIELDS" })
  expect(await phone.get("things")).toBeUndefined()
  expect(await world.during(phone.aside.drop(ids))).toEqual(ids)
  expect(await phone.aside.list()).toEqual([])
})
