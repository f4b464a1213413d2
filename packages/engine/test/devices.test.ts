/**
 * A person's devices as each of them shows them: names, when each was spoken with, what it has.
 */
import { encodeCbor } from "@fulcrum/codec/cbor"
import { isPublicKey } from "@fulcrum/crypto/ed25519"
import { chainHashSchema, type IncarnationId, incarnationIdSchema } from "@fulcrum/log/ids"
import { IncarnationTree } from "@fulcrum/log/incarnation-tree"
import type { VectorRow } from "@fulcrum/log/vector"
import type { MemoryDisk } from "@fulcrum/store/memory"
import { beforeAll, describe, expect, test } from "vitest"
import { lagOf } from "../src/devices/device-lag.ts"
import { DEVICE_KIND_BYTES_MAX, recordItems } from "../src/items/record-items.ts"
import type { DeviceRow, Person } from "../src/person/person.ts"
import {
  ailments,
  loadDocuments,
  type Machine,
  PersonWorld,
  type TestRelay,
} from "./person-world.ts"

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
async function pair(kinds: { readonly laptop?: string } = {}): Promise<Pair> {
  const world = new PersonWorld()
  const laptopMachine = world.machine("laptop")
  const machines = {
    phone: world.machine("phone"),
    laptop: kinds.laptop === undefined ? laptopMachine : { ...laptopMachine, kind: kinds.laptop },
  }
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
      ["lap\u200btop", "DEVICE_NAME_TAKEN"],
      ["\uff4captop", "DEVICE_NAME_TAKEN"],
      ["\u200b\u2060", "DEVICE_NAME_INVALID"],
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

async function rowOf(person: Person, name: string): Promise<DeviceRow> {
  const row = (await person.devices()).find((one) => one.name === name)
  if (row === undefined) throw new TypeError(`no device ${name}`)
  return row
}

/** A program that dies now, and is started again on what its disk has. */
async function afterCrash(home: Pair, machine: Machine): Promise<Person> {
  const disk: MemoryDisk = machine.disk.copy()
  return await home.world.reopen({ ...machine, disk })
}

test("[P115] two programs on copies of one folder say where they are twice each at most, and are told", async () => {
  await using home = await pair()
  const { world, phone, laptop, machines } = home
  const copy = { ...machines.laptop, name: "copy", disk: machines.laptop.disk.copy() }
  world.network.cut("laptop", "copy")
  const other = await world.reopen(copy)
  await world.during(other.start({ listen: [LOOPBACK] }))
  await world.until("both to be told", () => laptop.isCopied && other.isCopied)
  const { entries } = await phone.status()
  await world.clock.advance(600_000)
  expect(await phone.status()).toMatchObject({ entries, copied: false })
  for (const one of [laptop, other]) {
    expect(await one.status()).toMatchObject({ copied: true, entries })
    expect(await ailments(one)).toEqual([
      expect.stringMatching(/^copies: this device's folder was copied/),
    ])
  }
  expect(await phone.doctor()).toContainEqual({
    ...{ check: "copies before", ok: true },
    detail: expect.stringMatching(/ on laptop: 1; /),
  })
  await world.during(laptop.set("card/name/full", "Ada"))
  await world.during(other.set("card/nicknames/1/name", "Countess"))
  for (const one of [phone, laptop, other]) {
    await world.until("both edits", async () => {
      const name = await one.get("card/name/full")
      return name === "Ada" && (await one.get("card/nicknames/1/name")) === "Countess"
    })
  }
})

describe("[P81] when another device was spoken with, and what it has", () => {
  test("is known while it is away, also after a restart, and of what came since", async () => {
    await using home = await pair()
    const { world, phone, laptop, machines } = home
    await world.during(phone.set("card/name/full", "Ada"))
    await world.until("it", async () => (await laptop.get("card/name/full")) === "Ada")
    await world.until("to be in step", async () => (await rowOf(phone, "laptop")).hasEverything)
    expect(await rowOf(phone, "laptop")).toMatchObject({
      ...{ connected: true, lag: { behind: 0, ahead: 0 }, lastSeenMs: world.clock.now() },
    })
    await world.end(laptop)
    await world.until("its end", async () => !(await rowOf(phone, "laptop")).connected)
    const { lastSeenMs } = await rowOf(phone, "laptop")
    await world.clock.advance(600_000)
    await world.during(phone.set("card/name/full", "Ada B"))
    await world.during(phone.set("card/name/full", "Ada C"))
    const away = {
      lastSeenMs,
      connected: false,
      hasEverything: false,
      lag: { behind: 2, ahead: 0 },
    }
    expect(await rowOf(phone, "laptop")).toMatchObject(away)
    await world.end(phone)
    const again = await world.reopen(machines.phone)
    expect(await rowOf(again, "laptop")).toMatchObject(away)
    expect(await rowOf(again, "phone")).toMatchObject({ lastSeenMs: undefined, lag: undefined })
  })

  test("is written each minute, so that a crash makes it a minute older at most", async () => {
    await using home = await pair()
    const { world, phone, machines } = home
    await world.until("to meet", async () => (await rowOf(phone, "laptop")).connected)
    const { flushes } = machines.phone.disk
    const minutes = 10
    await world.clock.advance(minutes * 60_000)
    expect(machines.phone.disk.flushes - flushes).toBeLessThanOrEqual(minutes)
    const crashed = await afterCrash(home, machines.phone)
    const { lastSeenMs = 0, lag } = await rowOf(crashed, "laptop")
    expect(world.clock.now() - lastSeenMs).toBeLessThanOrEqual(60_000)
    expect(lag).toEqual({ behind: 0, ahead: 0 })
  })

  test("is nothing of one that it never met", async () => {
    await using home = await pair()
    const { world, relay, phone, laptop, machines } = home
    world.network.cut("laptop", "tablet")
    await world.during(phone.addRelay(relay.address))
    await world.during(phone.settle(5000))
    const tablet = await world.pair(phone, world.machine("tablet"), { relay: relay.address })
    await world.end(tablet)
    await world.until("to hear of it", async () => (await namesOn(laptop)).includes("tablet"))
    const crashed = await afterCrash(home, machines.laptop)
    expect(await rowOf(crashed, "tablet")).toMatchObject({
      ...{ lastSeenMs: undefined, lag: undefined, hasEverything: false },
    })
  })

  test("counts the entries of each line that one has and the other lacks", () => {
    const [phone, laptop, again] = [1, 2, 3].map(lineOf)
    if (!phone || !laptop || !again) throw new TypeError("three lines")
    const here = new IncarnationTree()
    grow(here, phone, 5)
    grow(here, laptop, 3)
    const there = new IncarnationTree()
    grow(there, phone, 2)
    expect(lagOf(here, there.vector)).toEqual({ behind: 6, ahead: 0 })
    expect(lagOf(here, here.vector)).toEqual({ behind: 0, ahead: 0 })
    expect(lagOf(here, [])).toEqual({ behind: 8, ahead: 0 })
    grow(there, laptop, 7)
    expect(lagOf(here, there.vector)).toEqual({ behind: 3, ahead: 4 })
    // Its next start goes on where that ended, unknown here.
    grow(there, again, 4, laptop)
    expect(lagOf(here, there.trailed())).toEqual({ behind: 3, ahead: 8 })
    expect(lagOf(there, here.trailed())).toEqual({ behind: 8, ahead: 3 })
  })
})

function lineOf(number: number): IncarnationId {
  return incarnationIdSchema.decode(new Uint8Array(16).fill(number))
}

const CHAIN = chainHashSchema.decode(new Uint8Array(32))

/** Adds entries at the end of a line. */
function grow(
  tree: IncarnationTree,
  incarnation: IncarnationId,
  entries: number,
  after?: IncarnationId,
): void {
  const writer = new Uint8Array(32).fill(7)
  if (!isPublicKey(writer)) throw new TypeError("no key")
  const before = tree.get(incarnation)
  if (before === undefined) {
    const parent = after && tree.get(after)
    const start = { incarnation, writer, arrival: 1, chain: CHAIN }
    tree.begin(parent === undefined ? start : { ...start, parent: rowOfNode(parent) })
  }
  const node = tree.get(incarnation)
  if (node === undefined) throw new TypeError("a line that began")
  tree.advance(node.key, (before?.sequence ?? node.first - 1) + entries, CHAIN)
}

function rowOfNode({ incarnation, sequence, chain }: VectorRow): VectorRow {
  return { incarnation, sequence, chain }
}

describe("[P82] what sort of machine a device is", () => {
  test("is said once by each that has something to say, and anew when it is another", async () => {
    await using home = await pair({ laptop: "Linux, laptop" })
    const { world, phone, laptop, machines } = home
    await world.until("it", async () => (await rowOf(phone, "laptop")).kind === "Linux, laptop")
    expect(await rowOf(phone, "phone")).toMatchObject({ kind: undefined })
    await world.until("both to be in step", async () => {
      return (await phone.status()).vector === (await laptop.status()).vector
    })
    const { vector } = await laptop.status()
    await world.end(laptop)
    const again = await world.reopen(machines.laptop)
    await world.during(again.settle(5000))
    expect(await again.status()).toMatchObject({ vector })
    await world.end(again)
    const other = await world.reopen({ ...machines.laptop, kind: "Windows" })
    expect(await rowOf(other, "laptop")).toMatchObject({ kind: "Linux, laptop" })
    await world.during(other.settle(5000))
    await world.until("the other", async () => (await rowOf(phone, "laptop")).kind === "Windows")
  })

  test("is one short line, or no part of a record", async () => {
    const device = new Uint8Array(16)
    const said = (machine: string) => encodeCbor([[16, [device, machine]]])
    const longest = "x".repeat(DEVICE_KIND_BYTES_MAX)
    expect(recordItems.decode(said(longest))).toEqual([
      { kind: "deviceKind", value: { device, machine: longest } },
    ])
    for (const wrong of ["", `${longest}x`, "a\nb", "\u001b[2J", " a", "a\u202eb"]) {
      expect(() => recordItems.decode(said(wrong)), JSON.stringify(wrong)).toThrow(
        /SCHEMA|text|line/,
      )
      const value = { device, machine: wrong }
      expect(() => recordItems.encode([{ kind: "deviceKind", value }])).toThrow()
    }
  })
})

describe("[P83] who let a device in, and who removed it", () => {
  test("is told on every device, by the names that they have now", async () => {
    await using home = await pair()
    const { world, phone, laptop } = home
    const [at = ""] = await world.during(laptop.start({ listen: [LOOPBACK] }))
    await world.during(laptop.renameDevice("laptop", "desk"))
    const tablet = await world.pair(laptop, world.machine("tablet"), { at })
    await world.end(tablet)
    await world.until("to hear of it", async () => (await namesOn(phone)).includes("tablet"))
    const added = async (one: Person) => (await one.devices()).map(({ addedBy }) => addedBy)
    const expected = [
      { by: "itself", name: "phone" },
      { by: "device", name: "phone" },
      { by: "device", name: "desk" },
    ]
    expect(await added(phone)).toEqual(expected)
    await world.during(laptop.revokeDevice("tablet"))
    const isGone = async () => (await rowOf(phone, "tablet")).state === "removed"
    await world.until("to hear of its end", isGone)
    expect(await added(phone)).toEqual(expected)
    expect((await rowOf(phone, "tablet")).removedBy).toEqual([{ by: "device", name: "desk" }])
    expect((await rowOf(phone, "phone")).removedBy).toEqual([])
  })
})

describe("[P84] what a removal comes to", () => {
  test("is told before it: what the device has, what of it stays", async () => {
    await using home = await pair({ laptop: "Linux, laptop" })
    const { world, phone, laptop } = home
    await world.during(laptop.set("card/name/full", "Ada"))
    await world.during(laptop.set("card/name/full", "Ada B"))
    await world.until("it", async () => (await phone.get("card/name/full")) === "Ada B")
    await world.end(laptop)
    const written = (await phone.history()).filter(({ device }) => device === "laptop").length
    const before = await world.during(phone.planRevoke("laptop"))
    await world.during(phone.set("card/name/full", "Ada C"))
    const plan = await world.during(phone.planRevoke("laptop"))
    expect(plan).toMatchObject({ name: "laptop", attachments: 0, companies: 0 })
    expect(plan.device).toMatchObject({ kind: "Linux, laptop", lag: { behind: 1, ahead: 0 } })
    expect(plan.entries).toBe(before.entries)
    // Beside what it wrote into documents: where it listens, and what it is.
    expect(plan.entries).toBeGreaterThan(written)
    const { vector } = await phone.status()
    await world.during(phone.planRevoke("laptop"))
    expect(await phone.status()).toMatchObject({ vector })
    await world.during(phone.revokeDevice("laptop"))
    expect(await phone.planRevoke("laptop")).toMatchObject({ device: undefined, entries: 0 })
  })
})

describe("[P85] a device that was removed while it was away", () => {
  test("lists itself as removed once it is back, and says nothing of itself any more", async () => {
    await using home = await pair({ laptop: "Linux, laptop" })
    const { world, phone, laptop, machines } = home
    await world.end(laptop)
    await world.during(phone.revokeDevice("laptop"))
    const back = await world.reopen({ ...machines.laptop, kind: "Windows" })
    await world.during(back.settle(5000))
    await world.until("to be told", () => back.isRemoved)
    const { vector } = await back.status()
    expect(await rowOf(back, "laptop")).toMatchObject({ isThis: true, state: "removed" })
    await world.during(back.start({ listen: ["/ip4/127.0.0.1/tcp/4711"] }))
    await world.during(back.settle(5000))
    expect(await back.status()).toMatchObject({ removed: true, vector })
    for (const act of [
      () => back.set("card/name/full", "x"),
      () => back.renameDevice("laptop", "x"),
      () => back.planRevoke("phone"),
    ]) {
      await expect(act()).rejects.toMatchObject({ code: "DEVICE_REMOVED" })
    }
  })
})
