import { type Host, NetError } from "@fulcrum/net/contract"
import { RELAY_LIMITS } from "@fulcrum/relay/limits"
import { MemoryDisk } from "@fulcrum/store/memory"
import { beforeAll, describe, expect, test } from "vitest"
import { SYNC_PROTOCOL } from "../src/devices/sync-link.ts"
import { joinPerson } from "../src/opening/join-person.ts"
import { openPerson } from "../src/opening/open-person.ts"
import type { DeviceRow, Person } from "../src/person/person.ts"
import { keepTrying } from "../src/waiting/keep-trying.ts"
import { Signal } from "../src/waiting/signal.ts"
import { ADDRESS, ailments, loadDocuments, PersonWorld } from "./person-world.ts"

const NAME = "card/name/full"
const LOOPBACK = "/ip4/127.0.0.1/tcp/0"

beforeAll(loadDocuments)

const nameOf = (person: Person) => person.get("card/name/full")

/** Two devices that reach a relay and each other. */
async function twoAtRelay(world: PersonWorld) {
  const relay = await world.relay()
  const phone = await world.create(world.machine("phone"), [relay.address])
  const [at = ""] = await phone.start({ listen: [LOOPBACK] })
  const laptop = await world.pair(phone, world.machine("laptop"), { at })
  await laptop.start({ listen: [LOOPBACK] })
  return { relay, phone, laptop }
}

describe("a relay", () => {
  test("[P10] that lost its disk is refilled", async () => {
    await using world = new PersonWorld()
    const relay = await world.relay()
    const phone = await world.create(world.machine("phone"), [relay.address])
    await phone.set("card/name/full", "Ada Example")
    const laptop = world.machine("laptop")
    await world.end(await world.pair(phone, laptop, { relay: relay.address }))
    await phone.set("card/name/full", "Ada Lovelace")
    expect(await world.during(phone.settle(5000))).toEqual([])
    await relay.stop()
    await relay.start(new MemoryDisk())
    expect(await world.during(phone.settle(3000))).toEqual([])
    await world.end(phone)
    const again = await world.reopen(laptop)
    await world.during(again.settle(5000))
    expect(await nameOf(again)).toBe("Ada Lovelace")
  })

  test("[P10] that was rolled back is refilled, and its contradiction is kept and shown", async () => {
    await using world = new PersonWorld()
    const relay = await world.relay()
    const phone = await world.create(world.machine("phone"), [relay.address])
    const laptop = world.machine("laptop")
    await world.end(await world.pair(phone, laptop, { relay: relay.address }))
    expect(await world.during(phone.settle(5000))).toEqual([])
    const earlier = relay.machine.disk.copy()
    await phone.set("card/name/full", "Ada Lovelace")
    expect(await world.during(phone.settle(5000))).toEqual([])
    await relay.stop()
    await relay.start(earlier)
    expect(await world.during(phone.settle(3000))).toEqual([])
    expect(await ailments(phone)).toEqual([expect.stringMatching(/^relays: .*: 1;/)])
    await world.end(phone)
    const again = await world.reopen(laptop)
    await world.during(again.settle(5000))
    expect(await nameOf(again)).toBe("Ada Lovelace")
  })

  test("[P10] that is used no more after a contradiction is a fault no more; the proof is kept", async () => {
    await using world = new PersonWorld()
    const { relay, phone } = await twoAtRelay(world)
    await world.during(phone.settle(5000))
    const earlier = relay.machine.disk.copy()
    await phone.set(NAME, "Ada Lovelace")
    await world.during(phone.settle(5000))
    await relay.stop()
    await relay.start(earlier)
    await world.during(phone.settle(3000))
    expect(await ailments(phone)).toHaveLength(1)
    await phone.removeRelay(relay.address)
    await phone.addRelay(relay.address)
    await world.during(phone.settle(5000))
    expect(await ailments(phone)).toEqual([])
    const before = { check: "relays before", ok: true, detail: expect.stringMatching(/^1 /) }
    expect(await phone.doctor()).toContainEqual(before)
  })

  test("[P10] that contradicts itself again and again is left alone", async () => {
    await using world = new PersonWorld()
    const relay = await world.relay()
    const phone = await world.create(world.machine("phone"), [relay.address])
    await phone.start({ listen: [] })
    await world.during(phone.settle(5000))
    for (let round = 0; round < 4; round++) {
      const earlier = relay.machine.disk.copy()
      await phone.set("card/name/full", `Ada ${round}`)
      await world.during(phone.settle(5000))
      await relay.stop()
      await relay.start(earlier)
      await world.clock.advance(40_000)
    }
    expect(await phone.relays()).toMatchObject([{ state: "unreachable", pending: 1 }])
    const unreached = expect.stringMatching(/is unreachable \(RELAY_EQUIVOCATION\)$/)
    const check = { check: "relays reached", ok: false, detail: unreached }
    expect(await phone.doctor()).toContainEqual(check)
    expect(await ailments(phone)).toEqual([expect.stringMatching(/^relays: .*: 3;/)])
    expect(await world.during(phone.settle(2000))).toHaveLength(1)
    await world.clock.advance(60_000)
    expect(await ailments(phone)).toEqual([expect.stringMatching(/^relays: .*: 3;/)])
  })

  test("[P43] that shows own devices two things is found by what they tell each other", async () => {
    await using world = new PersonWorld()
    const { relay, phone, laptop } = await twoAtRelay(world)
    for (const person of [phone, laptop]) await world.during(person.settle(5000))
    const other = relay.machine.disk.copy()
    world.network.cut("phone", "laptop")
    world.network.cut("laptop", "relay")
    await phone.set(NAME, "Ada Example")
    await world.during(phone.settle(5000))
    world.network.cut("phone", "relay")
    world.network.heal("laptop", "relay")
    await relay.stop()
    await relay.start(other)
    await laptop.set("card/nicknames/1/name", "Countess")
    await world.during(laptop.settle(5000))
    // Neither was shown anything that contradicts what it was shown before.
    expect([await ailments(phone), await ailments(laptop)]).toEqual([[], []])
    world.network.heal("phone", "laptop")
    await world.until("the alarm", async () => (await ailments(laptop)).length > 0)
    expect(await ailments(laptop)).toEqual([expect.stringMatching(/^relays: .*: 1;/)])
    expect(await nameOf(laptop)).toBe("Ada Example")
    // It looks the same if its disk was put back once: it goes on being used.
    world.network.heal("phone", "relay")
    await phone.set(NAME, "Ada Lovelace")
    for (const person of [phone, laptop]) {
      await world.during(person.settle(5000))
      await world.clock.advance(60_000)
      expect(await person.relays()).toMatchObject([{ state: "reachable", pending: 0 }])
    }
    expect(await ailments(laptop)).toEqual([expect.stringMatching(/^relays: .*: 1;/)])
  })

  test("[P43] that shows them the same is not suspected, whoever of them is ahead", async () => {
    await using world = new PersonWorld()
    const { phone, laptop } = await twoAtRelay(world)
    for (let edit = 0; edit < 30; edit++) {
      const apart = edit % 3 === 0 ? "laptop" : "phone"
      world.network.cut(apart, "relay")
      await (edit % 2 === 0 ? phone : laptop).set(NAME, `Ada ${edit}`)
      await world.clock.advance(6000)
      world.network.heal(apart, "relay")
      await world.clock.advance(6000)
    }
    expect([await ailments(phone), await ailments(laptop)]).toEqual([[], []])
    expect(await nameOf(phone)).toBe("Ada 29")
  })

  test("[P11] that is full is shown, and gets what is held once it has room", async () => {
    await using world = new PersonWorld()
    const limits = { ...RELAY_LIMITS, mailboxBytesMax: 6000 }
    const relay = await world.relay("relay", limits)
    const phone = await world.create(world.machine("phone"), [relay.address])
    await phone.start({ listen: [] })
    for (let i = 0; i < 12; i++) await phone.set("card/name/full", `Ada ${i} ${"x".repeat(400)}`)
    const held = await world.during(phone.settle(5000))
    expect(held).toEqual([expect.stringMatching(/\(full, RELAY_[A-Z]+\)$/)])
    expect(await phone.relays()).toMatchObject([{ state: "full", pending: 1 }])
    await relay.stop()
    Object.assign(limits, RELAY_LIMITS)
    await relay.start()
    await world.until("all of it", async () => (await phone.relays())[0]?.pending === 0)
  })

  test("says that something came, and is read at once", async () => {
    await using world = new PersonWorld()
    const relay = await world.relay()
    const phone = await world.create(world.machine("phone"), [relay.address])
    const laptop = await world.pair(phone, world.machine("laptop"), { relay: relay.address })
    world.network.cut("phone", "laptop")
    for (const person of [phone, laptop]) await person.start({ listen: [] })
    for (const person of [phone, laptop]) await world.during(person.settle(5000))
    // Of three in a row one at most could be met by the reading that is due each two seconds.
    for (let i = 0; i < 3; i++) {
      await phone.set("card/name/full", `Ada ${i}`)
      await world.clock.advance(400)
      expect(await nameOf(laptop)).toBe(`Ada ${i}`)
    }
  })

  test("that goes away is known to be gone at once", async () => {
    await using world = new PersonWorld()
    const relay = await world.relay()
    const phone = await world.create(world.machine("phone"), [relay.address])
    await phone.start({ listen: [] })
    await world.during(phone.settle(5000))
    await relay.stop()
    await world.clock.advance(200)
    expect(await phone.relays()).toMatchObject([{ state: "unreachable" }])
  })

  test("gets an edit without being read first, and is read each two seconds", async () => {
    await using world = new PersonWorld()
    const relay = await world.relay()
    const phone = await world.create(world.machine("phone"), [relay.address])
    await phone.start({ listen: [] })
    await world.during(phone.settle(5000))
    const { reads, appends } = { reads: relay.answered("read"), appends: relay.answered("append") }
    await phone.set("card/name/full", "Ada")
    await world.clock.advance(1000)
    expect(relay.answered("append")).toBe(appends + 1)
    expect(relay.answered("read")).toBe(reads)
    await world.clock.advance(5000)
    expect(relay.answered("read")).toBe(reads + 3)
  })

  test("[P12] that was removed is not spoken to; one that was added is, at once", async () => {
    await using world = new PersonWorld()
    const [one, two] = [await world.relay("one"), await world.relay("two")]
    const phone = await world.create(world.machine("phone"), [one.address])
    await phone.start({ listen: [] })
    await world.during(phone.settle(5000))
    await phone.removeRelay(one.address)
    await phone.addRelay(two.address)
    await phone.set("card/name/full", "Ada")
    expect(await world.during(phone.settle(5000))).toEqual([])
    expect(await phone.relays()).toMatchObject([{ address: two.address, state: "reachable" }])
    await phone.addRelay(one.address)
    expect(await world.during(phone.settle(5000))).toEqual([])
    expect(await phone.relays()).toHaveLength(2)
  })

  test("[P13] that lost its disk before the company came gets the connect message again", async () => {
    await using world = new PersonWorld()
    const relay = await world.relay()
    const shop = await world.vendor("Shop", relay)
    const invitation = await shop.invitation()
    const phone = await world.create(world.machine("phone"))
    await phone.set(ADDRESS, "Old Street 1")
    world.network.cut("Shop", "relay")
    await world.during(phone.connect({ invitation, disclose: [ADDRESS] }))
    expect(await world.during(phone.settle(5000))).toEqual([])
    await relay.stop()
    await relay.start(new MemoryDisk())
    world.network.heal()
    const row = await world.during(phone.waitForAgreement("Shop", 120_000), 150_000)
    expect(row.state).toBe("agreed")
  })

  test("[P13] that lost its disk later carries on with the share", async () => {
    await using world = new PersonWorld()
    const relay = await world.relay()
    const shop = await world.vendor("Shop", relay)
    const phone = await world.create(world.machine("phone"))
    await phone.set(ADDRESS, "Old Street 1")
    const invitation = await shop.invitation()
    await world.during(phone.connect({ invitation, disclose: [ADDRESS] }))
    await world.during(phone.waitForAgreement("Shop", 10_000))
    const isApplied = async () => (await phone.whoHas(ADDRESS))[0]?.evidence === "applied"
    await world.until("the first disclosure", isApplied)
    await relay.stop()
    await relay.start(new MemoryDisk())
    await world.clock.advance(60_000)
    await phone.set(ADDRESS, "New Street 2")
    await world.until("the edit", async () => shop.posted.join().includes("New Street 2"), 120_000)
  })
})

describe("closing", () => {
  test("[P14] ends whatever is under way within two seconds, and leaves nothing open", async () => {
    await using world = new PersonWorld()
    const relay = await world.relay()
    const shop = await world.vendor("Shop", relay)
    const machine = world.machine("phone")
    const phone = await world.create(machine, [relay.address])
    await phone.set(ADDRESS, "Old Street 1")
    await phone.start({ listen: [LOOPBACK] })
    const invitation = await shop.invitation()
    const { signal } = new AbortController()
    const underWay = [
      phone.connect({ invitation, disclose: [ADDRESS] }),
      phone.settle(60_000),
      phone.settle(60_000),
      phone.pair({ code: () => undefined, approve: async () => true }, signal),
      phone.set("card/name/full", "Ada"),
    ]
    const ended = Promise.allSettled(underWay)
    await world.clock.advance(1)
    const before = world.clock.now()
    await world.during(phone.close())
    await world.during(ended)
    expect(world.clock.now() - before).toBeLessThan(2000)
    const again = await world.reopen(machine)
    expect(await nameOf(again)).toBe("Ada")
  })

  test("[P14] settling ends by its time whatever does not answer", async () => {
    await using world = new PersonWorld()
    const relay = await world.relay()
    const phone = await world.create(world.machine("phone"), [relay.address])
    const laptop = world.machine("laptop")
    await phone.start({ listen: [LOOPBACK] })
    await world.end(await world.pair(phone, laptop, { relay: relay.address }))
    const again = await world.reopen(laptop)
    world.network.partition([["phone", "relay"], ["laptop"]])
    await again.set("card/name/full", "Ada")
    const before = world.clock.now()
    const held = await world.during(again.settle(3000))
    expect(world.clock.now() - before).toBeLessThanOrEqual(3000)
    expect(held).toHaveLength(1)
  })

  test("keeping on trying leaves no timer behind, nor anybody who waits", async () => {
    const world = new PersonWorld()
    const stop = new AbortController()
    const wake = new Signal()
    const trying = keepTrying({
      clock: world.clock,
      random: world.random,
      signal: stop.signal,
      wake,
      attempt: async () => {
        throw new Error("no")
      },
      failed: () => undefined,
    })
    await world.clock.advance(600_000)
    expect(wake.waiting).toBeLessThanOrEqual(1)
    stop.abort(new Error("enough"))
    await world.during(trying)
    expect(world.clock.sleeping).toBe(0)
    expect(wake.waiting).toBe(0)
  })
})

describe("a new device", () => {
  test("[P48] asks an address once, though any of several devices may be there", async () => {
    await using world = new PersonWorld()
    const phone = await world.create(world.machine("phone"))
    const [at = ""] = await phone.start({ listen: [LOOPBACK] })
    for (const name of ["laptop", "desk"]) {
      const other = await world.pair(phone, world.machine(name), { at })
      await world.end(other)
    }
    const machine = world.machine("tablet")
    // It has joined, and nothing of the record.
    const shown = Promise.withResolvers<string>()
    const { signal } = new AbortController()
    const approve = async () => true
    const added = phone.pair({ code: ({ code }) => shown.resolve(code), approve }, signal)
    const code = await world.clock.during(shown.promise)
    const guest = { ...(await world.options(machine)), name: "tablet", at, code, signal }
    const joining = joinPerson({ ...guest, confirm: approve })
    await world.end(world.keep(await world.clock.during(joining)))
    added.catch(() => undefined)
    await phone.set(NAME, "Ada Example")
    const options = await world.options(machine)
    const dials: string[] = []
    const network: typeof options.network = {
      async host(how) {
        const host = await options.network.host(how)
        return new Proxy(host, {
          get(target, name) {
            const value = Reflect.get(target, name)
            if (typeof value !== "function") return value
            return (...args: unknown[]) => {
              if (name === "dial") dials.push(String(args[0]))
              return Reflect.apply(value, target, args)
            }
          },
        })
      },
    }
    const tablet = world.keep(await openPerson({ ...options, network }))
    await tablet.start({ listen: [] })
    await world.until("the name", async () => (await nameOf(tablet)) === "Ada Example")
    expect(dials).toEqual([at.replace(/\/p2p\/.*/, "")])
  })

  test("[P48] that meets another in a device's place goes on looking for that", async () => {
    await using world = new PersonWorld()
    const phone = await world.create(world.machine("phone"))
    const [at = ""] = await phone.start({ listen: [LOOPBACK] })
    const laptop = await world.pair(phone, world.machine("laptop"), { at })
    const [there = ""] = await laptop.start({ listen: [LOOPBACK] })
    await world.during(laptop.settle(5000))
    const tablet = await world.pair(laptop, world.machine("tablet"), { at: there })
    const begun = world.clock.now()
    await tablet.start({ listen: [] })
    await world.during(tablet.settle(30_000))
    expect(world.clock.now() - begun).toBeLessThan(5000)
    const isThere = async () => {
      const rows = await tablet.devices()
      return rows.filter(({ connected }) => connected).length === 2
    }
    await world.until("both are connected", isThere)
  })
})

describe("[P51] a device at one of several addresses", () => {
  test("is found behind addresses where whoever answers says nothing", async () => {
    await using world = new PersonWorld()
    const [machine, other] = [world.machine("laptop"), world.machine("phone")]
    const mute = ["/ip4/10.0.1.1/tcp/4001", "/ip4/10.0.1.2/tcp/4001", "/ip4/10.0.1.3/tcp/4001"]
    const own = "/ip4/10.0.0.1/tcp/4001"
    const laptop = await world.create(machine)
    const [at = ""] = await laptop.start({ listen: [...mute, own] })
    const phone = await world.pair(laptop, other, { at })
    await phone.start({ listen: [] })
    await world.during(phone.settle(5000))
    await world.end(phone)
    await world.end(laptop)
    const stranger = await world.network.machine("stranger").host()
    stranger.handle(SYNC_PROTOCOL, (channel) => channel.closed)
    await stranger.listen(mute)
    const phoneAgain = await world.reopen(other)
    const laptopAgain = await world.reopen(machine)
    // It is where it was, and says so to nobody yet.
    await world.during(laptopAgain.start({ listen: [own] }))
    const begun = world.clock.now()
    await phoneAgain.start({ listen: [] })
    await world.until("it is met", async () => isMet(await phoneAgain.devices(), "laptop"))
    expect(world.clock.now() - begun).toBeLessThan(8000)
    await stranger.close()
  })

  test("is found though another is at the first of them now, and dialed first", async () => {
    let isDone = false
    for (let seed = 1; !isDone; seed++) {
      await using world = new PersonWorld(`moved ${seed}`)
      const [desk, tv] = [world.machine("desk"), world.machine("tv")]
      const laptop = await world.create(world.machine("laptop"))
      const home = "/ip4/10.0.0.1/tcp/4001"
      const [at = ""] = await laptop.start({ listen: [home] })
      const deskBefore = await world.pair(laptop, desk, { at })
      await deskBefore.start({ listen: ["/ip4/10.0.0.2/tcp/4001"] })
      const [laptopId = "", deskId = ""] = (await laptop.devices()).map(({ id }) => id)
      // Of two connections the one stays that the smaller dialed: here the desk's own.
      isDone = deskId < laptopId
      if (!isDone) continue
      const tvBefore = await world.pair(laptop, tv, { at })
      const [stale, right] = ["/ip4/10.0.0.3/tcp/4001", "/ip4/10.9.9.3/tcp/4001"]
      await tvBefore.start({ listen: [stale, right] })
      for (const one of [laptop, deskBefore, tvBefore]) await world.during(one.settle(5000))
      await world.end(tvBefore)
      await world.end(deskBefore)
      const open = async (machine: typeof desk, reaches: readonly string[]) => {
        const options = await world.options(machine)
        const network = { host: async () => dialsOnly(await options.network.host(), reaches) }
        return world.keep(await openPerson({ ...options, network }))
      }
      const moved = await open(desk, [home])
      await moved.start({ listen: [stale] })
      await world.clock.advance(60_000)
      expect(isMet(await laptop.devices(), "desk")).toBe(true)
      const tvAgain = await open(tv, [])
      await tvAgain.start({ listen: [right] })
      await world.until("the tv is met", async () => isMet(await laptop.devices(), "tv"))
    }
  })

  test("tells no more addresses than others look at", async () => {
    await using world = new PersonWorld()
    const laptop = await world.create(world.machine("laptop"))
    const many = Array.from({ length: 40 }, (_, at) => `/ip4/10.0.0.${at + 1}/tcp/4001`)
    expect(await laptop.start({ listen: many })).toHaveLength(40)
    const phone = await world.pair(laptop, world.machine("phone"), { at: many[0] ?? "" })
    await phone.start({ listen: [] })
    await world.until("it is met", async () => isMet(await phone.devices(), "laptop"))
  })
})

function isMet(rows: readonly DeviceRow[], name: string): boolean {
  return rows.some((row) => row.name === name && row.connected)
}

/** A host that reaches these addresses only. */
function dialsOnly(host: Host, reaches: readonly string[]): Host {
  return new Proxy(host, {
    get(target, name) {
      const value = Reflect.get(target, name)
      if (typeof value !== "function") return value
      return (...args: unknown[]) => {
        const isFar = name === "dial" && !reaches.includes(String(args[0]))
        if (isFar) return Promise.reject(new NetError("NET_UNREACHABLE", "no way there"))
        return Reflect.apply(value, target, args)
      }
    },
  })
}
