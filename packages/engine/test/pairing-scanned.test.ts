import { formatScannedCode, parseScannedCode } from "@fulcrum/access/scanned-code"
import { memoryDiscovery } from "@fulcrum/net/memory-discovery"
import { beforeAll, describe, expect, test } from "vitest"
import { type JoinOptions, joinPerson } from "../src/opening/join-person.ts"
import { openPerson } from "../src/opening/open-person.ts"
import type { Person } from "../src/person/person.ts"
import { loadDocuments, type Machine, PersonWorld } from "./person-world.ts"

const LISTEN = ["/ip4/127.0.0.1/tcp/0"]
const OUT_OF_REACH = "/ip4/203.0.113.9/tcp/4001"

beforeAll(loadDocuments)

interface Shown {
  readonly code: string
  readonly uri: string
  readonly adding: Promise<unknown>
  readonly stop: AbortController
  /** Names that its person was asked about. */
  readonly asked: readonly string[]
}

/** A phone that shows both codes, and says yes to whoever comes. */
async function shownBy(world: PersonWorld, phone: Person): Promise<Shown> {
  const stop = new AbortController()
  const shown = Promise.withResolvers<{ readonly code: string; readonly uri: string }>()
  const asked: string[] = []
  const approve = async ({ name }: { readonly name: string }) => {
    asked.push(name)
    return true
  }
  const adding = phone.pair({ code: shown.resolve, approve }, stop.signal)
  adding.catch(shown.reject)
  const { code, uri } = await world.during(shown.promise)
  return { code, uri, adding, stop, asked }
}

async function join(
  world: PersonWorld,
  machine: Machine,
  code: string,
  more: Partial<JoinOptions> = {},
): Promise<Person> {
  const joining = joinPerson({
    ...(await world.options(machine)),
    ...{ name: machine.name, code, confirm: async () => true },
    ...{ signal: new AbortController().signal, ...more },
  })
  return world.keep(await world.during(joining, 60_000))
}

/** Ends as both commands do. @returns What the new device then knows as the record's name. */
async function settled(world: PersonWorld, joined: Person, { adding }: Shown): Promise<unknown> {
  await world.during(joined.settle(10_000))
  await world.during(adding, 60_000)
  return await joined.get("card/name/full")
}

async function phoneOf(
  world: PersonWorld,
  relays: readonly string[],
  { listens = true } = {},
): Promise<Person> {
  const phone = await world.create(world.machine("phone"), relays)
  await world.during(phone.set("card/name/full", "Ada"))
  if (listens) await world.during(phone.start({ listen: LISTEN }))
  return phone
}

describe("[P90] a scanned code says all that the other device needs", () => {
  test("at the device's own address, without a relay", async () => {
    await using world = new PersonWorld()
    const shown = await shownBy(world, await phoneOf(world, []))
    expect(parseScannedCode(shown.uri).relays).toEqual([])
    const laptop = await join(world, world.machine("laptop"), shown.uri)
    expect(await settled(world, laptop, shown)).toBe("Ada")
  })

  test("through a relay, where the device listens nowhere", async () => {
    await using world = new PersonWorld()
    const relay = await world.relay()
    const shown = await shownBy(world, await phoneOf(world, [relay.address], { listens: false }))
    expect(parseScannedCode(shown.uri)).toMatchObject({ relays: [relay.address], addresses: [] })
    const laptop = await join(world, world.machine("laptop"), shown.uri)
    expect(await settled(world, laptop, shown)).toBe("Ada")
  })

  test("through a relay, where its addresses are not in reach", async () => {
    await using world = new PersonWorld()
    const relay = await world.relay()
    const shown = await shownBy(world, await phoneOf(world, [relay.address]))
    expect(parseScannedCode(shown.uri).addresses).toHaveLength(1)
    world.network.cut("phone", "laptop")
    const laptop = await join(world, world.machine("laptop"), shown.uri)
    expect(await settled(world, laptop, shown)).toBe("Ada")
  })

  test("through the second relay, where the first has gone", async () => {
    await using world = new PersonWorld()
    const [first, second] = [await world.relay("first"), await world.relay("second")]
    const phone = await phoneOf(world, [first.address, second.address], { listens: false })
    const shown = await shownBy(world, phone)
    const { relays } = parseScannedCode(shown.uri)
    expect(relays.toSorted()).toEqual([first.address, second.address].toSorted())
    await world.until("it waits at the second", () => second.counted("meetings_total") > 0)
    await (relays[0] === first.address ? first : second).stop()
    const laptop = await join(world, world.machine("laptop"), shown.uri)
    expect(await settled(world, laptop, shown)).toBe("Ada")
  })

  test("on the local network, under a tag of its own, where its addresses have changed", async () => {
    await using world = new PersonWorld()
    const discovery = memoryDiscovery()
    const machine = world.machine("phone")
    await world.end(await world.create(machine))
    const phone = world.keep(await openPerson({ ...(await world.options(machine)), discovery }))
    await world.during(phone.set("card/name/full", "Ada"))
    await world.during(phone.start({ listen: LISTEN }))
    const shown = await shownBy(world, phone)
    const moved = { ...parseScannedCode(shown.uri), addresses: [OUT_OF_REACH] }
    const laptop = world.machine("laptop")
    const joined = await join(world, laptop, formatScannedCode(moved), { discovery })
    expect(await settled(world, joined, shown)).toBe("Ada")
  })

  test("but where it is told by hand it is looked for just there", async () => {
    await using world = new PersonWorld()
    const relay = await world.relay()
    const phone = await phoneOf(world, [relay.address], { listens: false })
    const [at = ""] = await world.during(phone.start({ listen: LISTEN }))
    const shown = await shownBy(world, phone)
    const astray = { ...parseScannedCode(shown.uri), relays: [], addresses: [OUT_OF_REACH] }
    const code = formatScannedCode(astray)
    const elsewhere = join(world, world.machine("tablet"), shown.uri, { at: OUT_OF_REACH })
    await expect(elsewhere).rejects.toMatchObject({ code: "PAIR_PEER_ABSENT" })
    const laptop = await join(world, world.machine("laptop"), code, { at })
    expect(await settled(world, laptop, shown)).toBe("Ada")
    const again = await shownBy(world, phone)
    const lost = { ...parseScannedCode(again.uri), relays: [], addresses: [] }
    const way = { relay: relay.address }
    const desk = await join(world, world.machine("desk"), formatScannedCode(lost), way)
    expect(await settled(world, desk, again)).toBe("Ada")
  })
})

describe("[P91] a typed and a scanned code are one pairing", () => {
  test("of two that come at once, one by each, one is let in", async () => {
    await using world = new PersonWorld()
    const relay = await world.relay()
    const shown = await shownBy(world, await phoneOf(world, [relay.address], { listens: false }))
    const outcomes = await Promise.all(
      [
        join(world, world.machine("laptop"), shown.uri),
        join(world, world.machine("tablet"), shown.code, { relay: relay.address }),
      ].map((joining) =>
        joining.then(
          () => "joined",
          (error: unknown) => error instanceof Error && "code" in error && error.code,
        ),
      ),
    )
    expect(outcomes.toSorted()).toEqual(["PAIR_CODE_USED", "joined"])
    expect(shown.asked).toHaveLength(1)
    await world.during(shown.adding, 60_000)
  })

  test("a wrong one, by either way, uses up the other", async () => {
    await using world = new PersonWorld()
    const phone = await phoneOf(world, [])
    const wrong = {
      scanned: ({ uri }: Shown) => {
        const secret = new Uint8Array(32).fill(7)
        return formatScannedCode({ ...parseScannedCode(uri), secret })
      },
      typed: ({ code }: Shown) =>
        code.replace(/\w+$/, (word) => (word === "zoo" ? "abandon" : "zoo")),
    }
    const [at = ""] = await world.during(phone.start({ listen: LISTEN }))
    for (const [way, wrongOf] of Object.entries(wrong)) {
      const shown = await shownBy(world, phone)
      const failed = shown.adding.catch((error: unknown) => error)
      const first = join(world, world.machine(`spy ${way}`), wrongOf(shown), { at })
      await expect(first, way).rejects.toMatchObject({ code: "PAIR_CODE_WRONG" })
      expect(await world.during(failed), way).toMatchObject({ code: "PAIR_CODE_WRONG" })
      const right = way === "scanned" ? shown.code : shown.uri
      const second = join(world, world.machine(`laptop ${way}`), right, { at })
      await expect(second, way).rejects.toMatchObject({ code: "PAIR_PEER_ABSENT" })
      expect(shown.asked).toEqual([])
    }
  })

  test("is over after two minutes, for whoever scans it too", async () => {
    await using world = new PersonWorld()
    const shown = await shownBy(world, await phoneOf(world, []))
    const over = shown.adding.catch((error: unknown) => error)
    await world.clock.advance(121_000)
    expect(await world.during(over)).toMatchObject({ code: "PAIR_CODE_EXPIRED" })
    let isDialed = false
    const laptop = world.machine("laptop")
    const network = world.network.machine(laptop.name)
    const counted = {
      ...network,
      host: (...given: Parameters<typeof network.host>) => {
        isDialed = true
        return network.host(...given)
      },
    }
    const late = join(world, laptop, shown.uri, { network: counted })
    await expect(late).rejects.toMatchObject({ code: "PAIR_CODE_EXPIRED" })
    expect(isDialed).toBe(false)
  })
})

test("[P3] a guest that has scanned, and was cut off after the yes, goes on with the same", async () => {
  await using world = new PersonWorld()
  const relay = await world.relay()
  const shown = await shownBy(world, await phoneOf(world, [relay.address]))
  const laptop = world.machine("laptop")
  let stored = 0
  // Its second write says that the other device asks its person; the third is the package.
  laptop.disk.fault = () => (++stored === 3 ? { type: "crash-before" } : undefined)
  await expect(join(world, laptop, shown.uri)).rejects.toBeDefined()
  expect(stored).toBeGreaterThan(2)
  laptop.disk.fault = undefined
  // Past its two minutes: they are for the first guess.
  await world.clock.advance(125_000)
  const joined = await join(world, laptop, shown.uri)
  expect(await settled(world, joined, shown)).toBe("Ada")
  await world.end(joined)
  const again = await join(world, laptop, shown.uri)
  expect(await again.get("card/name/full")).toBe("Ada")
})
