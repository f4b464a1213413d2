import { RELAY_LIMITS } from "@fulcrum/relay/limits"
import { MemoryDisk } from "@fulcrum/store/memory"
import { beforeAll, describe, expect, test } from "vitest"
import { EngineError } from "../src/failures/engine-error.ts"
import type { Person } from "../src/person/person.ts"
import {
  ADDRESS,
  ailments,
  EMAIL,
  loadDocuments,
  type Machine,
  PersonWorld,
  type TestRelay,
  type TestVendor,
} from "./person-world.ts"

const LOOPBACK = "/ip4/127.0.0.1/tcp/0"

beforeAll(loadDocuments)

interface Household extends AsyncDisposable {
  readonly world: PersonWorld
  readonly relay: TestRelay
  readonly shop: TestVendor
  readonly phone: Person
  readonly laptop: Person
  readonly machines: { readonly phone: Machine; readonly laptop: Machine }
}

/** Two devices, of which one knows a company, that have met; on disks that take their time. */
async function household(flushMs: number): Promise<Household> {
  const world = new PersonWorld()
  const delay = () => world.clock.sleep(flushMs)
  const slow = (name: string) => world.machine(name, new MemoryDisk(flushMs === 0 ? {} : { delay }))
  const machines = { phone: slow("phone"), laptop: slow("laptop") }
  const relay = await world.relay()
  const shop = await world.vendor("Shop", relay)
  const phone = await world.during(world.create(machines.phone, [relay.address]))
  await world.during(phone.set(ADDRESS, "Old Street 1"))
  await world.during(phone.set(`${EMAIL}/address`, "ada@example.org"))
  const laptop = await world.pair(phone, machines.laptop, { relay: relay.address })
  return {
    world,
    relay,
    shop,
    phone,
    laptop,
    machines,
    [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
  }
}

async function agree({ world, phone, shop }: Household): Promise<void> {
  const asked = { invitation: await shop.invitation(), disclose: [ADDRESS, EMAIL] }
  await world.during(phone.connect(asked))
  await world.during(phone.waitForAgreement("Shop", 10_000))
}

const shown = async (person: Person) => ({
  record: await person.get(),
  board: await person.board(),
  held: (await person.whoHas(ADDRESS)).map(({ value, evidence }) => [value, evidence]),
})

describe("two devices and a company", () => {
  test("[P22] that all write at once, on slow disks, end up with the same", async () => {
    await using home = await household(7)
    const { world, phone, laptop, shop } = home
    await agree(home)
    await world.during(phone.start({ listen: [LOOPBACK] }))
    await world.during(laptop.start({ listen: [LOOPBACK] }))
    // What reads waits for what writes, which waits for the disk: all of it needs the clock.
    const until = async (isSo: () => Promise<boolean>) => {
      for (let round = 0; round < 60 && !(await world.during(isSo())); round++) {
        await world.clock.advance(1000)
      }
    }
    await until(async () => (await laptop.relationships()).length === 1)
    const edits: Promise<unknown>[] = []
    for (let i = 0; i < 12; i++) {
      const writer = i % 2 === 0 ? phone : laptop
      edits.push(
        writer.set(ADDRESS, `Street ${i}`),
        writer.set(`card/nicknames/${i}/name`, `n${i}`),
      )
      if (i % 5 === 4) {
        const assignments = [{ path: `${EMAIL}/address`, value: `ada.${i}@example.org` }]
        edits.push(writer.move({ assignments }))
      }
      await world.clock.advance(i * 3)
    }
    await world.during(Promise.all(edits))
    const isSame = async () =>
      JSON.stringify(await shown(phone)) === JSON.stringify(await shown(laptop)) &&
      (await phone.board())?.done === true &&
      (await phone.whoHas(ADDRESS))[0]?.evidence === "applied"
    await until(isSame)
    const [one, two] = [await world.during(shown(phone)), await world.during(shown(laptop))]
    expect(one).toEqual(two)
    expect(one).toMatchObject({ board: { done: true }, held: [[expect.anything(), "applied"]] })
    const last = JSON.stringify(await world.during(phone.get(ADDRESS)))
    const told = shop.posted.filter((body) => body.includes(`"${ADDRESS}"`)).at(-1)
    expect(told).toContain(last)
    expect(await world.during(Promise.all([phone, laptop].map(ailments)))).toEqual([[], []])
  })

  test("[P33] one that was off has what the record carried for it, whenever it crashes", async () => {
    await using home = await household(0)
    const { world, phone, laptop, machines, relay, shop } = home
    await world.end(laptop)
    await agree(home)
    await world.during(phone.settle(5000))
    await phone.move({ assignments: [{ path: ADDRESS, value: "New Street 2" }] })
    await world.until("the move", async () => (await phone.board())?.done === true)
    // The drop forgets what both of its readers have acknowledged: the record carries it.
    await world.during(phone.settle(5000))
    await world.clock.advance(5000)
    await world.during(phone.settle(5000))
    const expected = await shown(phone)
    await world.end(phone)
    world.network.cut("laptop", "Shop")
    for (let at = 0, isHit = true; isHit; at++) {
      isHit = false
      const own = { ...machines.laptop, disk: machines.laptop.disk.copy() }
      const first = own.disk.flushes
      own.disk.fault = ({ index }) => {
        if (isHit || index !== first + at) return undefined
        isHit = true
        return { type: at % 2 === 0 ? "crash-after" : "crash-before" }
      }
      const before = await world.reopen(own)
      await world.during(before.settle(5000).catch(() => []))
      own.disk.fault = undefined
      await world.end(before)
      const again = await world.reopen(own)
      await world.during(again.settle(5000))
      await world.until(`crash at flush ${at}: the board`, async () => {
        return JSON.stringify(await shown(again)) === JSON.stringify(expected)
      })
      await world.end(again)
    }
    expect(shop.posted.length).toBeGreaterThan(0)
    expect(relay.address).toBeDefined()
  }, 60_000)

  test("[P34] a removed device is left alone, and tells the company nothing more", async () => {
    await using home = await household(0)
    const { world, phone, laptop, shop } = home
    await agree(home)
    const [at = ""] = await phone.start({ listen: [LOOPBACK] })
    expect(at).not.toBe("")
    await laptop.start({ listen: [LOOPBACK] })
    const isConnected = async () =>
      (await phone.devices()).some(({ name, connected }) => name === "laptop" && connected)
    await world.until("the two to meet", isConnected)
    await world.until("the company", async () => (await laptop.relationships()).length === 1)
    await phone.revokeDevice("laptop")
    await world.until("the end of the line", async () => !(await isConnected()))
    await phone.set("card/nicknames/1/name", "after")
    const code = { code: "DEVICE_REMOVED" }
    const isTold = async () =>
      laptop.set("card/nicknames/2/name", "x").then(
        () => false,
        (error: unknown) => error instanceof EngineError && error.code === code.code,
      )
    await world.until("the laptop to be told", isTold)
    for (const act of [
      () =>
        laptop.addRelay(
          "/ip4/127.0.0.1/tcp/1/p2p/12D3KooWCGm89WUkXvNCPbsxL59o4pqHoQwqzcqUr4d2NAtPxKXP",
        ),
      () => laptop.revokeDevice("phone"),
      () => laptop.unset(ADDRESS),
    ]) {
      await expect(act()).rejects.toMatchObject(code)
    }
    const before = shop.posted.length
    await world.clock.advance(60_000)
    expect(shop.posted.slice(before).join()).not.toContain("x")
    expect(await laptop.get("card/nicknames/1/name")).toBeUndefined()
  })
})

describe("[P36] a company that is away for longer than its relay keeps things", () => {
  const limits = { ...RELAY_LIMITS, retainDays: 0.01, sweepSeconds: 60 }
  const awayMs = 1_200_000

  test("has every change once it is back", async () => {
    await using world = new PersonWorld()
    const relay = await world.relay("relay", limits)
    const shop = await world.vendor("Shop", relay)
    const phone = await world.create(world.machine("phone"), [relay.address])
    await world.during(phone.set(ADDRESS, "Old Street 1"))
    const invitation = await shop.invitation()
    await world.during(phone.connect({ invitation, disclose: [ADDRESS] }))
    await world.during(phone.waitForAgreement("Shop", 10_000))
    const holds = (value: string) => JSON.stringify(shop.vendor.disclosures()).includes(value)
    await world.until("the first", () => holds("Old Street 1"))
    world.network.cut("Shop", "relay")
    await world.during(phone.set(ADDRESS, "New Street 2"))
    await world.during(phone.settle(5000))
    await world.clock.advance(awayMs)
    await world.during(phone.set(ADDRESS, "New Street 3"))
    await world.during(phone.settle(5000))
    world.network.heal()
    await world.until("the last", () => holds("New Street 3"))
    await world.until("the receipts", async () => {
      return (await phone.whoHas(ADDRESS))[0]?.evidence === "applied"
    })
    expect(shop.posted.join()).toContain("New Street 2")
  })

  test("finds whoever knocked meanwhile", async () => {
    await using world = new PersonWorld()
    const relay = await world.relay("relay", limits)
    const shop = await world.vendor("Shop", relay)
    const machine = world.machine("phone")
    const phone = await world.create(machine, [relay.address])
    await world.during(phone.set(ADDRESS, "Old Street 1"))
    const invitation = await shop.invitation()
    world.network.cut("Shop", "relay")
    await world.during(phone.connect({ invitation, disclose: [ADDRESS] }))
    await world.during(phone.settle(5000))
    await world.end(phone)
    await world.clock.advance(awayMs)
    world.clock.offsetMs = 86_400_000
    const later = await world.reopen(machine)
    await world.during(later.settle(5000))
    world.network.heal()
    await world.during(later.waitForAgreement("Shop", 60_000), 120_000)
    await world.until("the address", () => shop.posted.join().includes("Old Street 1"))
  })
})

test("[P4] a full disk loses nothing, lets the record be read, and takes more once it has room", async () => {
  await using world = new PersonWorld()
  const machine = world.machine("phone")
  const phone = await world.create(machine)
  await phone.set("card/name/full", "Ada")
  machine.disk.capacityBytes = machine.disk.usedBytes
  const full = { code: "STORE_FULL" }
  await expect(phone.set("card/name/full", "x".repeat(5000))).rejects.toMatchObject(full)
  expect(await phone.get("card/name/full")).toBe("Ada")
  await world.end(phone)
  const again = await world.reopen(machine)
  expect(await again.get("card/name/full")).toBe("Ada")
  await expect(again.undo()).rejects.toMatchObject(full)
  machine.disk.capacityBytes = Number.POSITIVE_INFINITY
  await again.set("card/name/full", "Ada Lovelace")
  await again.undo()
  expect(await again.get("card/name/full")).toBe("Ada")
  expect(await ailments(again)).toEqual([])
})
