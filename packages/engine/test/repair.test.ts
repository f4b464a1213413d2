/**
 * A device whose disk was damaged is made anew from what can be read of it, and gets the rest back from
 * whoever has it. Bits flip at random; more of them: `FULCRUM_REPAIR_ROUNDS=200`.
 */
import { randomBelow, type SeededRandom, seededRandom } from "@fulcrum/crypto/random"
import { systemDeflate } from "@fulcrum/log/deflate"
import { openInLineDocuments } from "@fulcrum/record/in-line"
import { MemoryDisk, openMemoryStore } from "@fulcrum/store/memory"
import { openVault, type Vault } from "@fulcrum/store/vault"
import { beforeAll, describe, expect, test } from "vitest"
import { type RepairReport, repairPerson } from "../src/opening/repair-person.ts"
import type { Person } from "../src/person/person.ts"
import { readSpare, type SpareFile } from "../src/recovery/spare.ts"
import { ADDRESS, ailments, loadDocuments, type Machine, PersonWorld } from "./person-world.ts"

const ROUNDS = Number(process.env.FULCRUM_REPAIR_ROUNDS ?? 10)
const LISTEN = { listen: ["/ip4/127.0.0.1/tcp/0"] }
const NAME = "card/name/full"
const EDITS = 12

beforeAll(loadDocuments)

/** Two devices, a relay and a company; the phone is off, its disk as it was left. */
async function town(world: PersonWorld) {
  const relay = await world.relay()
  const machine = world.machine("phone")
  const phone = await world.create(machine, [relay.address])
  const [at = ""] = await phone.start(LISTEN)
  const laptop = await world.pair(phone, world.machine("laptop"), { at })
  await laptop.start(LISTEN)
  await phone.set(NAME, "Ada Example")
  await phone.set(ADDRESS, "Old Street 1")
  const shop = await world.vendor("shop", relay)
  const connecting = phone.connect({ invitation: await shop.invitation(), disclose: [ADDRESS] })
  const { id } = await world.during(connecting)
  await world.during(phone.waitForAgreement(id, 20_000))
  for (let at = 0; at < EDITS; at++) {
    await phone.set(`card/notes/${at % 4}/note`, `by the phone ${at}`)
    await laptop.set(`card/nicknames/${at % 4}/name`, `by the laptop ${at}`)
  }
  await phone.set(ADDRESS, "New Street 2")
  await inStep(world, phone, laptop)
  await world.end(phone)
  return { relay, machine, laptop, shop, relationship: id }
}

async function inStep(world: PersonWorld, one: Person, other: Person): Promise<void> {
  await world.during(one.settle(5000))
  await world.until("both devices in step", async () => {
    const [a, b] = await Promise.all([one.status(), other.status()])
    return a.vector === b.vector
  })
}

/** @returns The machine with a disk made anew. */
async function repaired(
  world: PersonWorld,
  machine: Machine,
  spare?: Spare,
): Promise<Machine & { readonly report: RepairReport }> {
  const disk = new MemoryDisk()
  const report = await repairPerson({
    damaged: await openMemoryStore({ disk: machine.disk.copy() }),
    into: await openMemoryStore({ disk }),
    vaultKey: machine.vaultKey,
    openDocuments: (reload) => openInLineDocuments({ reload }),
    random: world.random.fork("repair"),
    clock: world.clock,
    deflate: systemDeflate(),
    zone: "Europe/Berlin",
    spare,
  })
  return { ...machine, disk, report }
}

/** A file in memory. */
class Spare implements SpareFile {
  sealed: Uint8Array | undefined
  writes = 0

  async read(): Promise<Uint8Array | undefined> {
    return this.sealed
  }

  async write(sealed: Uint8Array): Promise<void> {
    this.sealed = sealed
    this.writes++
  }
}

function flipBits(random: SeededRandom, disk: MemoryDisk): MemoryDisk {
  const flipped = disk.copy()
  const times = 1 + randomBelow(random, 3)
  for (let at = 0; at < times; at++) flipped.flipBit(randomBelow(random, flipped.usedBytes * 8))
  return flipped
}

async function inVault(machine: Machine, work: (vault: Vault) => Promise<void>): Promise<void> {
  const store = await openMemoryStore({ disk: machine.disk })
  await using vault = await openVault({
    store,
    key: machine.vaultKey,
    random: seededRandom("hand"),
  })
  await work(vault)
}

/** Whether every record opens and none is missing. */
async function isWhole({ disk, vaultKey }: Machine): Promise<void> {
  const store = await openMemoryStore({ disk: disk.copy() })
  const random = seededRandom("whole")
  await using _ = await openVault({ store, key: vaultKey, random, verify: "all" })
}

describe("[P50] [E3] [R22] a device with a damaged disk", () => {
  test("is found out; made anew it reads nothing wrong, and has all of it again", async () => {
    await using world = new PersonWorld("repair")
    const { relay, machine, laptop } = await town(world)
    const right = await laptop.get()
    const seen = { found: 0, missing: 0, whole: 0, keysLost: 0 }
    for (let round = 0; round < ROUNDS; round++) {
      const random = seededRandom(`repair ${round}`)
      const damaged = { ...machine, disk: flipBits(random, machine.disk) }
      await expect(isWhole(damaged)).rejects.toMatchObject({ code: "VAULT_DAMAGED" })
      seen.found++
      const mended = await repaired(world, damaged).catch((error: unknown) => {
        expect(error).toMatchObject({ code: "REPAIR_KEYS_LOST" })
        return undefined
      })
      if (mended === undefined) {
        seen.keysLost++
        continue
      }
      if ((mended.report.missing ?? 0) > 0) seen.missing++
      else seen.whole++
      // Nobody is there: what it shows is from the past, and it says what is missing.
      await relay.stop()
      const alone = await world.reopen(mended)
      const shown = JSON.stringify(await alone.get().catch(() => undefined)) ?? ""
      for (const [said] of shown.matchAll(/by the (?:phone|laptop) \d+/g))
        expect(Number(said.split(" ").at(-1))).toBeLessThan(EDITS)
      const told = await ailments(alone)
      const { missing } = mended.report
      const isTold = told.some((line) => line.startsWith("repair:"))
      // Where what says how far lines went is damaged too, no number is right, and what is known is told.
      if (missing !== undefined) expect(isTold).toBe(missing > 0)
      await world.end(alone)
      await relay.start()
      const again = await world.reopen(mended)
      await again.start(LISTEN)
      await inStep(world, again, laptop)
      expect(await again.get()).toEqual({ ...Object(right), ...Object(await laptop.get()) })
      expect(await ailments(again)).toEqual([])
      await again.set(NAME, `Ada ${round}`)
      await inStep(world, again, laptop)
      expect(await laptop.get(NAME)).toBe(`Ada ${round}`)
      await world.end(again)
    }
    expect(seen.found).toBe(ROUNDS)
    expect(seen.missing).toBeGreaterThan(0)
  }, 600_000)

  test("that was the only one to have an edit says that it has not come back", async () => {
    await using world = new PersonWorld("alone")
    const { relay, machine, laptop } = await town(world)
    await relay.stop()
    await world.end(laptop)
    const offline = await world.reopen(machine)
    for (let at = 0; at < 3; at++) await offline.set(NAME, `Ada, offline ${at}`)
    await world.end(offline)
    // The spans of the second of these: gone from the log as if a block had been lost.
    await inVault(machine, async (vault) => {
      const arrivals: { group: Uint8Array; order: number }[] = []
      for await (const { group, order } of vault.table("log.arrival").groups())
        arrivals.push({ group, order })
      const last = arrivals.reduce((most, one) => (one.order > most.order ? one : most))
      await vault.write([vault.table("log.arrival").del(last.group, last.order - 1)])
    })
    const mended = await repaired(world, machine)
    expect(mended.report).toMatchObject({ missing: 2 })
    const again = await world.reopen(mended)
    expect(await again.get(NAME)).toBe("Ada, offline 0")
    expect(await ailments(again)).toEqual([
      "waiting: spans that came wait for what is not here: 1",
      "repair: entries that could not be read have not come back: 2",
    ])
    await again.set(NAME, "Ada, once more")
    expect(await again.get(NAME)).toBe("Ada, once more")
  })

  test("tells its companies what changes after, and nothing that was overwritten before", async () => {
    await using world = new PersonWorld("company")
    const { machine, shop, laptop, relationship } = await town(world)
    const before = shop.posted.length
    for (const table of ["log.spans", "engine.items", "log.tree", "engine.changes"]) {
      const damaged = { ...machine, disk: machine.disk.copy() }
      await inVault(damaged, async (vault) => {
        const ops = []
        for await (const { group, order } of vault.table(table).groups())
          ops.push(vault.table(table).del(group, order))
        await vault.write(ops)
      })
      const mended = await repaired(world, damaged)
      const again = await world.reopen(mended)
      await again.start(LISTEN)
      await inStep(world, again, laptop)
      const street = `${table} Street`
      await again.set(ADDRESS, street)
      await world.during(again.settle(5000))
      await world.until("the shop has it", () => shop.posted.at(-1)?.includes(street) === true)
      expect(shop.posted.slice(before).join("")).not.toContain("Old Street")
      expect(await again.show(relationship)).toBeDefined()
      await world.end(again)
    }
  })

  test("that has lost another's removal writes nothing before it has heard of it again", async () => {
    await using world = new PersonWorld("removal")
    const { relay, machine, laptop } = await town(world)
    await world.end(laptop)
    const spare = new Spare()
    const before = await world.reopen(machine, spare)
    await before.start(LISTEN)
    const { devices } = await before.status()
    await before.revokeDevice(devices.find(({ isThis }) => !isThis)?.id ?? "")
    await world.during(before.settle(5000))
    await world.end(before)
    await inVault(machine, async (vault) => {
      let last: { group: Uint8Array; order: number } = { group: new Uint8Array(), order: 0 }
      for await (const { group, order } of vault.table("engine.membership").groups())
        if (order > last.order) last = { group, order }
      const ops = [vault.table("engine.membership").del(last.group, last.order)]
      for await (const { group, order } of vault.table("log.arrival").groups())
        if (order >= last.order) ops.push(vault.table("log.arrival").del(group, order))
      await vault.write(ops)
    })
    const mended = await repaired(world, machine, spare)
    await relay.stop()
    const again = await world.reopen(mended, spare)
    expect(again.isAwaited).toBe(true)
    expect(await ailments(again)).toContainEqual(expect.stringMatching(/^behind: .*: 1$/))
    // What it had put aside for its next repair is not taken back by what it has now.
    const kept = await readSpare(spare, machine.vaultKey)
    expect(kept?.hints.members).toHaveLength(1)
    expect((await again.status()).devices.map(({ name }) => name)).toEqual(["phone"])
    await relay.start()
    await again.start(LISTEN)
    await world.during(again.settle(5000))
    await world.until("the removal", () => !again.isAwaited)
    const members = (await again.status()).devices.filter(({ state }) => state === "member")
    expect(members.map(({ name }) => name)).toEqual(["phone"])
    await again.set(NAME, "Ada, alone")
    await world.during(again.settle(5000))
    expect(await ailments(again)).toEqual([])
  })

  test("whose own keys are lost is told so, and no store is begun", async () => {
    await using world = new PersonWorld("keys")
    const { machine } = await town(world)
    await inVault(machine, async (vault) => {
      await vault.write([vault.table("engine.device").del(new Uint8Array(), 0)])
    })
    await expect(repaired(world, machine)).rejects.toMatchObject({ code: "REPAIR_KEYS_LOST" })
  })

  test("of which nothing at all is left has everything again by its spare keys", async () => {
    await using world = new PersonWorld("gone")
    const relay = await world.relay()
    const spares = [new Spare(), new Spare()] as const
    const machines = [world.machine("phone"), world.machine("laptop")] as const
    const [phone] = [await world.create(machines[0], [relay.address], spares[0])]
    const [at = ""] = await phone.start(LISTEN)
    const laptop = await world.pair(phone, machines[1], { at }, spares[1])
    await laptop.start(LISTEN)
    await phone.set(NAME, "Ada Example")
    await inStep(world, phone, laptop)
    for (const [number, lost] of [phone, laptop].entries()) {
      const [machine, spare] = [machines[number], spares[number]]
      if (machine === undefined || spare === undefined) throw new Error("two of each")
      await world.end(lost)
      const gone = { ...machine, disk: new MemoryDisk() }
      await expect(repaired(world, gone)).rejects.toMatchObject({ code: "REPAIR_KEYS_LOST" })
      expect(spare.writes).toBeLessThan(6)
      const mended = await repaired(world, gone, spare)
      const again = await world.reopen(mended, spare)
      await again.start(LISTEN)
      await world.during(again.settle(5000))
      await world.until("the name", async () => (await again.get(NAME)) === "Ada Example")
      expect((await again.status()).devices.find(({ isThis }) => isThis)?.name).toBe(machine.name)
      await again.set("card/nicknames/1/name", `${number}`)
      await world.during(again.settle(5000))
      expect(await ailments(again)).toEqual([])
      await world.end(again)
    }
    // One that does not open is written anew, and is nothing to repair from.
    spares[0].sealed = spares[0].sealed?.with(30, 1 ^ (spares[0].sealed[30] ?? 0))
    await expect(
      repaired(world, { ...machines[0], disk: new MemoryDisk() }, spares[0]),
    ).rejects.toMatchObject({ code: "REPAIR_KEYS_LOST" })
  })
})
