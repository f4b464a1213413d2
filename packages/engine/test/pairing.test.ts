import { AccessError } from "@fulcrum/access/access-error"
import { bytesToHex } from "@fulcrum/codec/bytes"
import type { MemoryFault } from "@fulcrum/store/memory"
import { beforeAll, describe, expect, test } from "vitest"
import { EngineError } from "../src/failures/engine-error.ts"
import { joinPerson } from "../src/opening/join-person.ts"
import type { Person } from "../src/person/person.ts"
import { ailments, loadDocuments, type Machine, PersonWorld } from "./person-world.ts"

const FAULTS = ["fail-before", "fail-after", "crash-before", "crash-after"] as const

beforeAll(loadDocuments)

/** One attempt at pairing, from both sides, as people go about it. */
class Attempts {
  readonly #world: PersonWorld
  readonly #relay: string
  #code = ""
  #isAdded = false

  constructor(world: PersonWorld, relay: string) {
    this.#world = world
    this.#relay = relay
  }

  /** @returns The new device's record; `undefined`: joining failed. */
  async once(host: Person, guest: Machine): Promise<Person | undefined> {
    // Who was told that the device is added does not add it again: joining goes on by itself.
    if (this.#isAdded) return this.#world.during(this.#join(guest, new AbortController().signal))
    const begun = Promise.withResolvers<void>()
    const stop = new AbortController()
    const adding = host.pair(
      {
        code: ({ code }) => {
          this.#code = code
          begun.resolve()
        },
        resumed: () => begun.resolve(),
        approve: async () => true,
      },
      stop.signal,
    )
    const added = adding.then(
      () => true,
      () => false,
    )
    await this.#world.during(Promise.race([begun.promise, added]))
    const joined = await this.#world.during(this.#join(guest, stop.signal), 120_000)
    if (joined !== undefined) await this.#world.during(joined.settle(5000).catch(() => []))
    else {
      await this.#world.clock.advance(5000)
      stop.abort()
    }
    this.#isAdded = await this.#world.during(added, 200_000)
    return joined
  }

  async #join(guest: Machine, signal: AbortSignal): Promise<Person | undefined> {
    const options = await this.#world.options(guest)
    try {
      return await joinPerson({
        ...options,
        name: guest.name,
        code: this.#code,
        relay: this.#relay,
        confirm: async () => true,
        signal,
      })
    } catch {
      await options.store.close().catch(() => undefined)
      return undefined
    }
  }
}

describe("[P3] pairing that is cut off", () => {
  for (const side of ["host", "guest"] as const) {
    test(`at any flush of the ${side} is completed by going on with it`, async () => {
      let cases = 0
      for (let at = 0, isHit = true; isHit && at < 40; at++) {
        isHit = false
        const kind = FAULTS[at % FAULTS.length] ?? "crash-after"
        const label = `${kind} at flush ${at} of the ${side}`
        await using world = new PersonWorld()
        const relay = await world.relay()
        const [own, guest] = [world.machine("phone"), world.machine("laptop")]
        let host = await world.create(own, [relay.address])
        await host.set("card/name/full", "Ada")
        const failing = side === "host" ? own : guest
        const first = failing.disk.flushes
        failing.disk.fault = ({ index }): MemoryFault | undefined => {
          if (isHit || index !== first + at) return undefined
          isHit = true
          return { type: kind }
        }
        const attempts = new Attempts(world, relay.address)
        let joined: Person | undefined
        for (let attempt = 0; attempt < 3 && joined === undefined; attempt++) {
          joined = await attempts.once(host, guest)
          failing.disk.fault = undefined
          if (kind.startsWith("crash") && isHit && side === "host" && attempt === 0) {
            world.network.crash(own.name)
            await world.end(host)
            host = await world.reopen(own)
            await host.start({ listen: [] })
          }
          if (joined !== undefined && isHit && side === "guest" && kind.startsWith("crash")) {
            await world.end(joined)
            joined = await world.reopen(guest)
          }
          // What was there before the attempt is there: its command says so, and it opens.
          joined ??= await world.reopen(guest).catch(() => undefined)
        }
        expect(joined, label).toBeDefined()
        if (joined === undefined) return
        await host.start({ listen: [] })
        await joined.start({ listen: [] })
        const phone = host
        const laptop = joined
        await world.until(
          `${label}: the record`,
          async () => (await laptop.get("card/name/full")) === "Ada",
        )
        await laptop.set("card/nicknames/1/name", "ada")
        await world.until(
          `${label}: an edit of the new device`,
          async () => (await phone.get("card/nicknames/1/name")) === "ada",
        )
        for (const one of [phone, laptop]) {
          const members = (await one.devices()).filter(({ state }) => state === "member")
          expect(members.map(({ name }) => name).includes("laptop"), label).toBe(true)
          expect(await ailments(one), label).toEqual([])
          await world.end(one)
        }
        cases++
      }
      expect(cases).toBeGreaterThan(3)
    }, 60_000)
  }
})

test("[P3] a guest whose host has gone before its yes says so in less than a minute", async () => {
  await using world = new PersonWorld()
  const relay = await world.relay()
  const [own, guest] = [world.machine("phone"), world.machine("laptop")]
  const host = await world.create(own, [relay.address])
  const { signal } = new AbortController()
  const shown = Promise.withResolvers<string>()
  const asked = Promise.withResolvers<void>()
  const isNeverAnswered = new Promise<boolean>(() => undefined)
  const approve = () => {
    asked.resolve()
    return isNeverAnswered
  }
  host.pair({ code: ({ code }) => shown.resolve(code), approve }, signal).catch(shown.reject)
  const options = await world.options(guest)
  let hasLeftNothing = false
  const joining = joinPerson({
    ...options,
    name: "laptop",
    code: await world.during(shown.promise),
    relay: relay.address,
    confirm: async () => true,
    leftNothing: () => {
      hasLeftNothing = true
    },
    signal,
  }).then(
    () => "joined",
    (error: unknown) => (error instanceof AccessError ? error.code : String(error)),
  )
  await world.during(asked.promise)
  world.network.crash(own.name)
  expect(await world.during(joining, 45_000)).toBe("PAIR_PEER_ABSENT")
  expect(hasLeftNothing).toBe(false)
})

test("a guest that fails says whether the same command would go on from here", async () => {
  await using world = new PersonWorld()
  const { relay, signal, adding, code } = await codeOfPhone(world)
  adding.catch(() => undefined)
  const options = await world.options(world.machine("laptop"))
  const told: string[] = []
  const join = (where: { readonly code: string; readonly confirm: () => Promise<boolean> }) =>
    joinPerson({
      ...options,
      ...{ name: "laptop", relay: relay.address, signal, leftNothing: () => told.push("nothing") },
      ...where,
    })
  // Other words on the two screens: this pairing is over, whoever the other one was.
  const refused = join({ code, confirm: async () => false })
  await expect(world.during(refused)).rejects.toMatchObject({ code: "PAIR_WORDS_DIFFER" })
  expect(told).toEqual(["nothing"])
})

test("[P3] a guest that saw other words is added by nobody, also who approves it afterwards", async () => {
  await using world = new PersonWorld()
  const phone = await world.create(world.machine("phone"))
  const [at = ""] = await world.during(phone.start({ listen: ["/ip4/127.0.0.1/tcp/0"] }))
  const asked = Promise.withResolvers<void>()
  const answer = Promise.withResolvers<boolean>()
  const shown = Promise.withResolvers<string>()
  const { signal } = new AbortController()
  const approve = () => {
    asked.resolve()
    return answer.promise
  }
  const adding = phone.pair({ code: ({ code }) => shown.resolve(code), approve }, signal)
  const added = adding.then(
    () => "added",
    (error: unknown) => error,
  )
  const code = await world.during(shown.promise)
  const options = await world.options(world.machine("laptop"))
  const joining = joinPerson({
    ...options,
    ...{ name: "laptop", code, at, signal },
    confirm: async () => {
      await asked.promise
      return false
    },
  })
  await expect(world.during(joining)).rejects.toMatchObject({ code: "PAIR_WORDS_DIFFER" })
  expect(await world.during(added)).toMatchObject({ code: "PAIR_REFUSED" })
  answer.resolve(true)
  await world.clock.advance(5000)
  expect((await phone.devices()).map(({ name }) => name)).toEqual(["phone"])
  // And the next one is.
  const laptop = await world.pair(phone, world.machine("tablet"), { at })
  expect((await world.during(laptop.devices())).map(({ name }) => name)).toContain("tablet")
})

test.for([true, false])(
  "[P117] a guest that was approved first joins once it has compared the words: %s",
  async (areSame) => {
    await using world = new PersonWorld()
    const { phone, relay, signal, adding, code } = await codeOfPhone(world)
    const answer = Promise.withResolvers<boolean>()
    const machine = world.machine("laptop")
    const join = async (confirm: () => Promise<boolean>) =>
      joinPerson({
        ...(await world.options(machine)),
        ...{ name: "laptop", code, relay: relay.address, signal, confirm },
      })
    let end = "none"
    const joining = join(() => answer.promise).then(
      (person) => {
        end = "joined"
        return world.keep(person)
      },
      (error: unknown) => {
        end = error instanceof EngineError ? error.code : String(error)
      },
    )
    let isPaired = false
    adding.then(
      () => {
        isPaired = true
      },
      () => undefined,
    )
    await world.until("the phone's yes", async () => (await phone.devices()).length === 2)
    await world.clock.advance(120_000)
    expect([end, isPaired]).toEqual(["none", false])
    answer.resolve(areSame)
    await world.during(joining)
    await world.clock.advance(60_000)
    expect(isPaired).toBe(areSame)
    expect(end).toBe(areSame ? "joined" : "PAIR_WORDS_DIFFER")
    // It was approved there: whoever did so sees it, and can remove it.
    expect((await phone.devices()).map(({ name }) => name)).toEqual(["phone", "laptop"])
  },
)

test("[P3] a device that was approved, never came and was removed keeps no other from pairing", async () => {
  await using world = new PersonWorld()
  const phone = await world.create(world.machine("phone"))
  const [at = ""] = await world.during(phone.start({ listen: ["/ip4/127.0.0.1/tcp/0"] }))
  const shown = Promise.withResolvers<string>()
  const given = new AbortController()
  const gone = new AbortController()
  const approve = async () => {
    gone.abort()
    return true
  }
  const prompts = { code: ({ code }: { code: string }) => shown.resolve(code), approve }
  const adding = phone.pair(prompts, given.signal).catch((error: unknown) => error)
  const code = await world.during(shown.promise)
  const options = await world.options(world.machine("laptop"))
  const confirm = () => new Promise<boolean>(() => undefined)
  const joining = joinPerson({ ...options, name: "laptop", code, at, signal: gone.signal, confirm })
  await expect(world.during(joining)).rejects.toMatchObject({ code: "PAIR_REFUSED" })
  await world.until("it is added", async () => (await phone.devices()).length === 2)
  given.abort()
  expect(await world.during(adding)).toMatchObject({ code: "PAIR_REFUSED" })
  await phone.revokeDevice("laptop")
  const tablet = await world.pair(phone, world.machine("tablet"), { at })
  expect((await tablet.devices()).map(({ name }) => name)).toContain("tablet")
})

test("a device that has joined and has seen nothing of the record yet says so, and edits once it has", async () => {
  await using world = new PersonWorld()
  const { relay, signal, yes, adding, code } = await codeOfPhone(world)
  const options = await world.options(world.machine("laptop"))
  const joining = joinPerson({
    ...options,
    ...{ name: "laptop", code, relay: relay.address, confirm: yes, signal },
  })
  const laptop = world.keep(await world.during(joining))
  const name = "card/nicknames/1/name"
  await expect(laptop.set(name, "ada")).rejects.toMatchObject({ code: "RECORD_AWAITED" })
  await world.during(laptop.settle(5000))
  await world.during(adding)
  await world.during(laptop.set(name, "ada"))
  expect(await laptop.get("card/name/full")).toBe("Ada")
})

describe("[P5] a device that has joined", () => {
  test("has the record once both commands have ended, without a relay", async () => {
    await using world = new PersonWorld()
    const [own, guest] = [world.machine("phone"), world.machine("laptop")]
    const host = await world.create(own)
    await host.set("card/name/full", "Ada")
    const [at = ""] = await world.during(host.start({ listen: ["/ip4/127.0.0.1/tcp/0"] }))
    const joined = await joinedDirectly(world, host, guest, at)
    expect(joined.isAwaited).toBe(false)
    expect(await joined.get("card/name/full")).toBe("Ada")
    await joined.set("card/nicknames/1/name", "ada")
    expect(await ailments(joined)).toEqual([])
  })

  test("at another than the first has all of it, and writes nothing before", async () => {
    await using world = new PersonWorld()
    const [first, second, third] = ["phone", "tablet", "laptop"].map((name) => world.machine(name))
    if (!first || !second || !third) throw new TypeError("three machines")
    const name = "card/name/full"
    const edits = 400
    const phone = await world.create(first)
    // More than goes in one message, however well it is packed.
    const long = () => bytesToHex(world.random.bytes(3000))
    for (let edit = 0; edit < edits; edit++) await phone.set(name, `Ada ${long()}`)
    const [phoneAt = ""] = await phone.start({ listen: ["/ip4/127.0.0.1/tcp/0"] })
    const tablet = await world.pair(phone, second, { at: phoneAt })
    await world.during(tablet.settle(60_000))
    expect((await tablet.history(name)).length).toBe(edits)
    await world.end(phone)

    const [at = ""] = await tablet.start({ listen: ["/ip4/127.0.0.1/tcp/0"] })
    const laptop = await world.pair(tablet, third, { at })
    const codes = new Set<unknown>()
    let isWhole = false
    laptop.onChange(() => {
      const early = laptop.set("card/nicknames/1/name", "too early")
      early.then(
        () => codes.add(isWhole ? "whole" : "in part"),
        (error: unknown) => codes.add(error instanceof Error && "code" in error && error.code),
      )
    })
    await laptop.start({ listen: [] })
    await world.until("the whole history", async () => {
      isWhole = !laptop.isAwaited
      return (await laptop.history(name)).length === edits
    })
    expect(codes).not.toContain("in part")
    expect((await laptop.devices()).map((device) => device.name)).toEqual([
      "phone",
      "tablet",
      "laptop",
    ])
    await world.during(laptop.set(name, "Lovelace"))
    await world.until("the edit", async () => (await tablet.get(name)) === "Lovelace")
  })

  test("and could not be given the record changes nothing, and says why", async () => {
    await using world = new PersonWorld()
    const [own, guest] = [world.machine("phone"), world.machine("laptop")]
    const host = await world.create(own)
    const [at = ""] = await world.during(host.start({ listen: ["/ip4/127.0.0.1/tcp/0"] }))
    const joined = await joinedDirectly(world, host, guest, at, { isCut: true })
    expect(joined.isAwaited).toBe(true)
    const card = new TextEncoder().encode("BEGIN:VCARD\r\nVERSION:4.0\r\nFN:Ada\r\nEND:VCARD\r\n")
    const { signal } = new AbortController()
    const prompts = { code: () => undefined, approve: async () => true }
    for (const write of [
      () => joined.set("card/name/full", "Ada"),
      () => joined.unset("card/name/full"),
      () => joined.importFile(card),
      () => joined.undo(),
      () => joined.addRelay(`/ip4/127.0.0.1/tcp/1/p2p/${at.split("/p2p/")[1]}`),
      () => joined.revokeDevice("phone"),
      () => joined.pair(prompts, signal),
    ]) {
      await expect(write()).rejects.toMatchObject({ code: "RECORD_AWAITED" })
    }
    expect(await joined.get("card/name/full")).toBeUndefined()
  })
})

/** As `pair` and `join` do: each ends as soon as it is done. */
async function joinedDirectly(
  world: PersonWorld,
  host: Person,
  guest: Machine,
  at: string,
  options: { readonly isCut?: boolean } = {},
): Promise<Person> {
  const { signal } = new AbortController()
  const approve = async () => true
  const shown = Promise.withResolvers<string>()
  const added = host.pair({ code: ({ code }) => shown.resolve(code), approve }, signal)
  added.catch(shown.reject)
  const ended = added.then(() => host.close())
  const code = await world.during(shown.promise)
  const joining = joinPerson({
    ...(await world.options(guest)),
    at,
    name: guest.name,
    code,
    confirm: approve,
    signal,
  })
  const joined = world.keep(await world.during(joining))
  if (options.isCut === true) world.network.crash("phone")
  await world.during(joined.settle(10_000))
  await world.during(ended)
  return joined
}

test("[P3] who was cut off before it was told that a device is added is told by the same again", async () => {
  const toldAgain: number[] = []
  // Wherever it dies after her yes; the last time as it is about to tell her.
  const last = 12
  for (let at = 0; at <= last; at++) {
    const told: string[] = []
    let isDead = at === last
    const added = async (device: string) => {
      if (isDead) throw new Error("killed")
      told.push(device)
    }
    await using world = new PersonWorld()
    const relay = await world.relay()
    const own = world.machine("phone")
    const host = await world.create(own, [relay.address])
    const { signal } = new AbortController()
    const shown = Promise.withResolvers<string>()
    const approve = async () => {
      const first = own.disk.flushes
      own.disk.fault = ({ index }) => (index === first + at ? { type: "crash-before" } : undefined)
      return true
    }
    const prompts = { approve, added }
    host.pair({ ...prompts, code: ({ code }) => shown.resolve(code) }, signal).catch(() => {})
    const options = await world.options(world.machine("laptop"))
    const code = await world.during(shown.promise)
    const joining = {
      name: "laptop",
      code,
      relay: relay.address,
      confirm: async () => true,
      signal,
    }
    const laptop = await world
      .during(joinPerson({ ...options, ...joining }), 60_000)
      .catch(() => undefined)
    await world.clock.advance(2000)
    world.network.crash(own.name)
    await world.end(host)
    if (laptop !== undefined) await world.end(laptop)
    own.disk.fault = undefined
    isDead = false
    const again = await world.reopen(own)
    const stop = new AbortController()
    const before = told.length
    let showsCode = false
    const showCode = () => {
      showsCode = true
      stop.abort()
    }
    await world
      .during(again.pair({ ...prompts, code: showCode }, stop.signal), 30_000)
      .catch(() => {})
    stop.abort()
    // Once the newcomer has the record she was told, or is, or the same pairing goes on.
    if (laptop !== undefined && before === 0) expect(showsCode, `flush ${at}`).toBe(false)
    if (before === 0 && told.length > 0) toldAgain.push(at)
  }
  expect(toldAgain).toContain(last)
})

test("[P3] the same command, after it has joined, opens the record; with another code it does not", async () => {
  await using world = new PersonWorld()
  const { relay, signal, yes, adding, code } = await codeOfPhone(world)
  const machine = world.machine("laptop")
  const join = async (typed: string) => {
    const asked = { name: "laptop", code: typed, relay: relay.address, confirm: yes, signal }
    return world.during(joinPerson({ ...(await world.options(machine)), ...asked }))
  }
  const laptop = await join(code)
  await world.during(laptop.settle(5000))
  await world.during(adding)
  await world.end(laptop)
  const again = await join(code)
  expect(await again.get("card/name/full")).toBe("Ada")
  expect(again.device).toEqual(laptop.device)
  await world.end(again)
  const other = code.replace(/^\d+/, (nameplate) => `${Number(nameplate) ^ 1}`)
  await expect(join(other)).rejects.toMatchObject({ code: "RECORD_EXISTS" })
})

/** A phone with a record that shows a code and says yes to whoever types it. */
async function codeOfPhone(world: PersonWorld) {
  const relay = await world.relay()
  const host = await world.create(world.machine("phone"), [relay.address])
  await world.during(host.set("card/name/full", "Ada"))
  const { signal } = new AbortController()
  const shown = Promise.withResolvers<string>()
  const yes = async () => true
  const adding = host.pair({ code: ({ code }) => shown.resolve(code), approve: yes }, signal)
  adding.catch(shown.reject)
  return { relay, phone: host, signal, yes, adding, code: await world.during(shown.promise) }
}
