/**
 * A person's devices as each of them shows them: names, when each was spoken with, what it has.
 */
import { beforeAll, describe, expect, test } from "vitest"
import type { Person } from "../src/person.ts"
import { loadDocuments, type Machine, PersonWorld, type TestRelay } from "./person-world.ts"

const LOOPBACK = "/ip4/127.0.0.1/tcp/0"

beforeAll(loadDocuments)

interface Pair extends AsyncDisposable {
  readonly world: PersonWorld
  readonly relay: TestRelay
  readonly phone: Person
  readonly laptop: Person
  readonly machines: { readonly phone: Machine; readonly laptop: Machine }
}

/** Two devices that have met, and a relay. */
async function pair(): Promise<Pair> {
  const world = new PersonWorld()
  const machines = { phone: world.machine("phone"), laptop: world.machine("laptop") }
  const relay = await world.relay()
  const phone = await world.during(world.create(machines.phone, [relay.address]))
  const [at = ""] = await world.during(phone.start({ listen: [LOOPBACK] }))
  const laptop = await world.pair(phone, machines.laptop, { at })
  await world.during(laptop.start({ listen: [LOOPBACK] }))
  const end = async () => world[Symbol.asyncDispose]()
  return { world, relay, phone, laptop, machines, [Symbol.asyncDispose]: end }
}

const namesOn = async (person: Person) => (await person.devices()).map(({ name }) => name)

describe("[P80] a device's name", () => {
  test("that any of them changed is what all of them show, also after a restart", async () => {
    await using home = await pair()
    const { world, phone, laptop, machines } = home
    expect(await world.during(laptop.renameDevice("phone", " old phone "))).toEqual({
      ...{ name: "old phone", before: "phone" },
    })
    await world.until("the phone's own name", () => phone.device.name === "old phone")
    for (const one of [phone, laptop]) expect(await namesOn(one)).toEqual(["old phone", "laptop"])
    expect(await phone.status()).toMatchObject({ device: "old phone" })
    await world.during(phone.set("card/name/full", "Ada"))
    expect((await phone.history()).at(-1)?.device).toBe("old phone")
    await world.during(phone.renameDevice(phone.device.id, "desk"))
    await world.until("the other", async () => (await namesOn(laptop)).includes("desk"))
    await world.end(laptop)
    const again = await world.reopen(machines.laptop)
    expect(await namesOn(again)).toEqual(["desk", "laptop"])
    await expect(again.renameDevice("phone", "x")).rejects.toMatchObject({
      code: "DEVICE_UNKNOWN",
    })
  })

  test("is no other's, not empty, not long, and one line", async () => {
    await using home = await pair()
    const { phone, laptop } = home
    const { id } = laptop.device
    const { vector } = await phone.status()
    for (const [name, code] of [
      ["laptop", "DEVICE_NAME_TAKEN"],
      [id.slice(0, 6), "DEVICE_NAME_TAKEN"],
      ["", "DEVICE_NAME_INVALID"],
      [" ", "DEVICE_NAME_INVALID"],
      ["ä".repeat(33), "DEVICE_NAME_INVALID"],
      ["my\u001b[2Jphone", "DEVICE_NAME_INVALID"],
      ["my\nphone", "DEVICE_NAME_INVALID"],
      ["my\u202ephone", "DEVICE_NAME_INVALID"],
      ["my\ud800phone", "DEVICE_NAME_INVALID"],
    ] as const) {
      const renamed = phone.renameDevice("phone", name)
      await expect(renamed, JSON.stringify(name)).rejects.toMatchObject({ code })
    }
    expect(await phone.renameDevice("phone", "phone")).toEqual({ name: "phone", before: "phone" })
    expect(await phone.status()).toMatchObject({ vector })
    expect(await namesOn(phone)).toEqual(["phone", "laptop"])
  })

  test("given on two devices while apart is the same on both in the end", async () => {
    await using home = await pair()
    const { world, phone, laptop } = home
    for (const other of ["laptop", "relay"]) world.network.cut("phone", other)
    await world.clock.advance(1000)
    await world.during(phone.renameDevice("laptop", "desk"))
    await world.during(laptop.renameDevice("laptop", "sofa"))
    world.network.heal()
    const same = async () => {
      const [one, two] = [await phone.status(), await laptop.status()]
      return one.vector === two.vector
    }
    await world.until("both to have the same", same)
    const names = await namesOn(phone)
    expect(await namesOn(laptop)).toEqual(names)
    expect(["desk", "sofa"]).toContain(names[1])
    expect(laptop.device.name).toBe(names[1])
    await world.during(phone.set("card/name/full", "Ada"))
    await world.until("it", async () => (await laptop.get("card/name/full")) === "Ada")
  })
})
