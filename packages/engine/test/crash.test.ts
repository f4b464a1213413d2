import { systemRandom } from "@fulcrum/crypto/random"
import { type MemoryFault, openMemoryStore } from "@fulcrum/store/memory"
import { openVault, type Vault } from "@fulcrum/store/vault"
import { beforeAll, describe, expect, test } from "vitest"
import { createPerson } from "../src/opening/open-person.ts"
import type { Person } from "../src/person/person.ts"
import {
  ADDRESS,
  ailments,
  loadDocuments,
  type Machine,
  PersonWorld,
  type TestRelay,
  type TestVendor,
} from "./person-world.ts"

beforeAll(loadDocuments)

const FAULTS = ["fail-before", "fail-after", "crash-before", "crash-after"] as const
type Kind = (typeof FAULTS)[number]

/** One command, and what must hold after it. */
interface Act {
  run(person: Person, world: PersonWorld): Promise<unknown>
  /** Every state that may be seen; after the command was done the last one only. */
  readonly states: readonly unknown[]
  see(person: Person): Promise<unknown>
}

/**
 * Runs an act once for each flush that it makes and each way that this flush can go wrong. What
 * is seen afterwards is a state before or after, never one between; doing it again completes it;
 * and a restart shows the same.
 */
async function atEveryFlush(
  world: PersonWorld,
  prepared: Machine,
  make: () => Promise<Act> | Act,
  kinds: readonly Kind[] = FAULTS,
): Promise<number> {
  let cases = 0
  for (const kind of kinds) {
    for (let at = 0; ; at++) {
      const act = await make()
      const done = act.states.at(-1)
      const machine = { ...prepared, disk: prepared.disk.copy() }
      let person = await world.reopen(machine)
      const first = machine.disk.flushes
      let hit = false
      machine.disk.fault = ({ index }): MemoryFault | undefined => {
        if (hit || index !== first + at) return undefined
        hit = true
        return { type: kind }
      }
      const label = `${kind} at flush ${at}`
      const outcome = await world.during(
        act.run(person, world).then(
          () => "done",
          (error: unknown) => (hit ? "failed" : Promise.reject(error)),
        ),
      )
      machine.disk.fault = undefined
      if (!hit) {
        expect(await act.see(person), label).toEqual(done)
        await world.end(person)
        break
      }
      cases++
      if (kind.startsWith("crash")) {
        await world.end(person)
        person = await world.reopen(machine)
      }
      const seen = await act.see(person)
      if (outcome === "done") expect(seen, `${label}, acknowledged`).toEqual(done)
      else expect(act.states, `${label}, failed`).toContainEqual(seen)
      if (JSON.stringify(seen) !== JSON.stringify(done)) await world.during(act.run(person, world))
      expect(await act.see(person), `${label}, again`).toEqual(done)
      expect(await ailments(person), label).toEqual([])
      await world.end(person)
      const later = await world.reopen(machine)
      expect(await act.see(later), `${label}, reopened`).toEqual(done)
      expect(await ailments(later), label).toEqual([])
      await world.end(later)
    }
  }
  return cases
}

describe("[P1] whatever flush fails, a command happened whole or not at all", () => {
  test("set", async () => {
    await using world = new PersonWorld()
    const machine = world.machine("phone")
    const phone = await world.create(machine)
    await phone.set("card/name/full", "Ada Example")
    await world.end(phone)
    const cases = await atEveryFlush(world, machine, () => ({
      run: (person) => person.set("card/name/full", "Ada Lovelace"),
      see: (person) => person.get("card/name/full"),
      states: ["Ada Example", "Ada Lovelace"],
    }))
    expect(cases).toBeGreaterThanOrEqual(4)
  })

  test("edits made at once", async () => {
    await using world = new PersonWorld()
    const machine = world.machine("phone")
    const phone = await world.create(machine)
    await phone.set("card/name/full", "Ada")
    await world.end(phone)
    const paths = ["card/name/full", "things/1/name", "card/notes/1/note", "things/2/name"]
    const cases = await atEveryFlush(world, machine, () => ({
      run: (person) => Promise.all(paths.map((path) => person.set(path, "new"))),
      see: (person) => Promise.all(paths.map((path) => person.get(path))),
      // Whatever came together is there together, in the order in which it was asked.
      states: [
        ["Ada", undefined, undefined, undefined],
        ["new", undefined, undefined, undefined],
        ["new", "new", undefined, undefined],
        ["new", "new", "new", undefined],
        ["new", "new", "new", "new"],
      ],
    }))
    expect(cases).toBeGreaterThanOrEqual(4)
  })

  test("an import", async () => {
    await using world = new PersonWorld()
    const machine = world.machine("phone")
    await world.end(await world.create(machine))
    const card = "BEGIN:VCARD\r\nVERSION:4.0\r\nFN:Ada\r\nEMAIL:ada@example.org\r\nEND:VCARD\r\n"
    await atEveryFlush(world, machine, () => ({
      run: (person) => person.importFile(new TextEncoder().encode(card)),
      see: async (person) => [
        await person.get("card/name/full"),
        await person.get("card/emails/1/address"),
      ],
      states: [
        [undefined, undefined],
        ["Ada", "ada@example.org"],
      ],
    }))
  })

  test("undo", async () => {
    await using world = new PersonWorld()
    const machine = world.machine("phone")
    const phone = await world.create(machine)
    await phone.set("card/name/full", "Ada Example")
    await phone.set("card/name/full", "Ada Lovelace")
    await world.end(phone)
    await atEveryFlush(world, machine, () => ({
      run: (person) => person.undo(),
      see: (person) => person.get("card/name/full"),
      states: ["Ada Lovelace", "Ada Example"],
    }))
  })

  test("adding and removing a relay", async () => {
    await using world = new PersonWorld()
    const relay = await world.relay()
    const machine = world.machine("phone")
    await world.end(await world.create(machine))
    const see = async (person: Person) => (await person.relays()).map(({ address }) => address)
    await atEveryFlush(world, machine, () => ({
      run: (person) => person.addRelay(relay.address),
      see,
      states: [[], [relay.address]],
    }))
  })

  test("removing a device, with what follows for relays and companies", async () => {
    await using world = new PersonWorld()
    const { machine, shop, relay } = await customer(world)
    const phone = await world.reopen(machine)
    await phone.addRelay(relay.address)
    const [at = ""] = await phone.start({ listen: ["/ip4/127.0.0.1/tcp/0"] })
    const laptop = await world.pair(phone, world.machine("laptop"), { at })
    await world.end(laptop)
    await world.during(phone.settle(5000))
    await world.end(phone)
    await atEveryFlush(world, machine, () => ({
      run: (person) => person.revokeDevice("laptop"),
      see: async (person) => [
        (await person.devices()).map(({ name, state }) => [name, state]),
        (await person.relays()).map(({ address }) => address),
      ],
      states: [
        [
          [
            ["phone", "member"],
            ["laptop", "member"],
          ],
          [relay.address],
        ],
        [
          [
            ["phone", "member"],
            ["laptop", "removed"],
          ],
          [relay.address],
        ],
      ],
    }))
    const later = await world.reopen(machine)
    await later.revokeDevice("laptop")
    await later.set(ADDRESS, "New Street 2")
    await world.during(later.settle(5000))
    await world.until("the edit", () => shop.posted.join().includes("New Street 2"))
  })

  test("connecting", async () => {
    await using world = new PersonWorld()
    const relay = await world.relay()
    const shop = await world.vendor("Shop", relay)
    const machine = world.machine("phone")
    const phone = await world.create(machine)
    await phone.set(ADDRESS, "Old Street 1")
    await world.end(phone)
    await atEveryFlush(world, machine, async () => {
      const invitation = await shop.invitation()
      return {
        run: (person) => person.connect({ invitation, disclose: [ADDRESS] }),
        see: async (person) => (await person.relationships()).map(({ vendor }) => vendor),
        states: [[], ["Shop"]],
      }
    })
  })

  test("a move", async () => {
    await using world = new PersonWorld()
    const { machine, shop } = await customer(world)
    const before = shop.posted.length
    await atEveryFlush(world, machine, () => ({
      run: async (person) => {
        const assignments = [{ path: ADDRESS, value: "New Street 2" }]
        if ((await person.board()) === undefined) await person.move({ assignments })
      },
      see: async (person) => {
        const address = await person.get(`${ADDRESS}/full`)
        const lines = (await person.board())?.lines.map(({ state }) => state)
        const [held] = await person.whoHas(ADDRESS)
        return [address, lines, held?.value]
      },
      states: [
        ["Old Street 1", undefined, { full: "Old Street 1" }],
        ["New Street 2", ["sealed"], { full: "New Street 2" }],
      ],
    }))
    expect(shop.posted.length).toBe(before)
  })

  test("agreeing, and the first disclosure", async () => {
    await using world = new PersonWorld()
    const relay = await world.relay()
    const shop = await world.vendor("Shop", relay)
    const machine = world.machine("phone")
    const phone = await world.create(machine)
    await phone.set(ADDRESS, "Old Street 1")
    await world.end(phone)
    for (let at = 0, isHit = true; isHit; at++) {
      isHit = false
      const kind = FAULTS[at % FAULTS.length] ?? "crash-after"
      const own = { ...machine, disk: machine.disk.copy() }
      let person = await world.reopen(own)
      const { id } = await world.during(
        person.connect({ invitation: await shop.invitation(), disclose: [ADDRESS] }),
      )
      const first = own.disk.flushes
      own.disk.fault = ({ index }) => {
        if (isHit || index !== first + at) return undefined
        isHit = true
        return { type: kind }
      }
      // The last thing to happen is the vendor's word that all of it is in its books.
      const isApplied = async () => (await person.whoHas(ADDRESS))[0]?.evidence === "applied"
      await world.during(person.settle(5000).catch(() => []))
      await world.during(person.waitForAgreement(id, 3000).catch(() => undefined))
      await world.during(person.settle(5000).catch(() => []))
      own.disk.fault = undefined
      const label = `${kind} at flush ${at}`
      if (isHit && kind.startsWith("crash")) {
        world.network.crash(own.name)
        await world.end(person)
        person = await world.reopen(own)
        await person.start({ listen: [] })
      }
      await world.until(`${label}: applied`, isApplied, 120_000)
      const view = await person.show(id)
      expect(view.disclosures, label).toMatchObject([{ state: "applied" }])
      expect(await ailments(person), label).toEqual([])
      await world.end(person)
    }
  }, 30_000)
})

describe("[P2] a record that was being made", () => {
  test("is completed by the same again, with the same words if there are any", async () => {
    await using world = new PersonWorld()
    const relay = await world.relay()
    let cases = 0
    for (const kind of FAULTS) {
      for (let at = 0, isHit = true; isHit; at++) {
        isHit = false
        const machine = world.machine("phone")
        await (await openVaultOn(machine)).close()
        const first = machine.disk.flushes
        machine.disk.fault = ({ index }) => {
          if (isHit || index !== first + at) return undefined
          isHit = true
          return { type: kind }
        }
        const making = world.create(machine, [relay.address])
        const made = await world.during(making.catch(() => undefined))
        machine.disk.fault = undefined
        if (made !== undefined) await world.end(made)
        if (isHit && made === undefined) {
          cases++
          const again = await world.create(machine, [relay.address]).catch((error: unknown) => {
            expect(error).toMatchObject({ code: "RECORD_EXISTS" })
          })
          if (again !== undefined) await world.end(again)
        }
        const phone = await world.reopen(machine)
        const label = `${kind} at flush ${at}`
        const relays = (await phone.relays()).map(({ address }) => address)
        expect(relays, label).toEqual([relay.address])
        expect(await ailments(phone), label).toEqual([])
        await phone.set("card/name/full", label)
        await world.end(phone)
      }
    }
    expect(cases).toBeGreaterThan(4)
  })

  test("gives its words again until they were seen, and then exists", async () => {
    await using world = new PersonWorld()
    const machine = world.machine("phone")
    const make = async () => {
      const made = await createPerson({
        ...(await world.options(machine)),
        name: "phone",
        relays: [],
      })
      world.keep(made.person)
      return made
    }
    const first = await make()
    await world.end(first.person)
    const again = await make()
    expect(again.words).toEqual(first.words)
    expect(again.person.device).toEqual(first.person.device)
    await again.wordsSeen()
    await world.end(again.person)
    await expect(make()).rejects.toMatchObject({ code: "RECORD_EXISTS" })
  })
})

/** Somebody with a company that has her address. */
async function customer(
  world: PersonWorld,
): Promise<{ machine: Machine; shop: TestVendor; relay: TestRelay }> {
  const relay = await world.relay()
  const shop = await world.vendor("Shop", relay)
  const machine = world.machine("phone")
  const phone = await world.create(machine)
  await phone.set(ADDRESS, "Old Street 1")
  await world.during(phone.connect({ invitation: await shop.invitation(), disclose: [ADDRESS] }))
  await world.during(phone.waitForAgreement("Shop", 10_000))
  await world.during(phone.settle(5000))
  const isApplied = async () => (await phone.whoHas(ADDRESS))[0]?.evidence === "applied"
  await world.until("the first disclosure", isApplied)
  await world.during(phone.settle(5000))
  await world.end(phone)
  return { machine, shop, relay }
}

async function openVaultOn({ disk, vaultKey: key }: Machine): Promise<Vault> {
  return openVault({ store: await openMemoryStore({ disk }), key, random: systemRandom() })
}
