/** The 24 words, when every device is gone. */
import { openBeacon, type RecordKeys, sealBeacon, signAnchor } from "@fulcrum/access/beacon"
import {
  entropyFromRecoveryWords,
  generateRecoveryEntropy,
  recoveryKeysFromEntropy,
  recoveryWordsFromEntropy,
} from "@fulcrum/access/recovery-words"
import { signingKeyFromSeed } from "@fulcrum/crypto/ed25519"
import { seededRandom } from "@fulcrum/crypto/random"
import { chainKeySchema, epochIdSchema, spaceTagSchema } from "@fulcrum/log/ids"
import { mailboxName } from "@fulcrum/log/mailbox"
import type { RelayClient } from "@fulcrum/relay/client"
import { RELAY_LIMITS } from "@fulcrum/relay/limits"
import { beforeAll, describe, expect, test } from "vitest"
import { ownCapability } from "../src/mailboxes/record-link.ts"
import { visitRelay } from "../src/mailboxes/relay-visit.ts"
import type { Person } from "../src/person/person.ts"
import {
  ADDRESS,
  ailments,
  loadDocuments,
  type Machine,
  PersonWorld,
  type TestRelay,
} from "./person-world.ts"

const LISTEN = { listen: ["/ip4/127.0.0.1/tcp/0"] }
const NAME = "card/name/full"
const NICKNAME = "card/nicknames/1/name"
const OTHER_WORDS = recoveryWordsFromEntropy(generateRecoveryEntropy(seededRandom("other"))).join(
  " ",
)

beforeAll(loadDocuments)

/** A record on a relay, with its first device. */
async function recordOnRelay(world: PersonWorld) {
  const relay = await world.relay()
  const machine = world.machine("phone")
  const phone = await world.create(machine, [relay.address])
  await phone.set(NAME, "Ada Lovelace")
  await phone.set(NICKNAME, "Countess")
  await world.during(phone.settle(5000))
  return { relay, machine, phone, words: wordsOf(world, machine) }
}

/** The same, when that device is gone. */
async function lostRecord(world: PersonWorld) {
  const { phone, ...kept } = await recordOnRelay(world)
  const record = await phone.get()
  await world.end(phone)
  return { ...kept, record }
}

function wordsOf(world: PersonWorld, { name }: Machine): string {
  return world.words.get(name) ?? ""
}

function codeOf(code: string) {
  return expect.objectContaining({ code })
}

/** What trying the words out says, once everything is where it should be. */
async function drill(world: PersonWorld, person: Person, words: string) {
  await world.during(person.settle(5000))
  return world.during(person.recovery.drill(words))
}

/** As a relay that lost it, or whoever has its key. */
async function removeBeacon(world: PersonWorld, words: string, relay: TestRelay): Promise<void> {
  await atRelay(world, relay, (client) => client.remove(keysOf(words).beaconName))
}

/** Likewise the mailboxes of the record itself. */
async function removeMailboxes(world: PersonWorld, words: string, relay: TestRelay): Promise<void> {
  const recovery = keysOf(words)
  await atRelay(world, relay, async (client) => {
    const { object } = await client.pinned(mailboxName(recovery.beaconName.publicKey))
    const beacon = object && openBeacon(object, recovery)
    for (const { seed } of beacon?.mailboxes ?? []) await client.remove(signingKeyFromSeed(seed))
  })
}

test("[P113] a mailbox that the record has left, and somebody removed, is not asked for again", async () => {
  await using world = new PersonWorld()
  const [relay, other] = [await world.relay(), await world.relay("other")]
  const machine = world.machine("phone")
  const phone = await world.during(world.create(machine, [relay.address]))
  await phone.start({ listen: [] })
  const laptop = await world.pair(phone, world.machine("laptop"), { relay: relay.address })
  await world.during(laptop.close())
  await world.during(phone.settle(5000))
  world.network.cut("phone", "relay")
  await world.during(phone.addRelay(other.address))
  await world.during(phone.removeRelay(relay.address))
  await removeMailboxes(world, wordsOf(world, machine), relay)
  const before = relay.counted("connections_total")
  world.network.heal("phone", "relay")
  await world.clock.advance(600_000)
  const asked = relay.counted("connections_total")
  expect(asked).toBe(before + 1)
  await world.clock.advance(3_600_000)
  expect(relay.counted("connections_total")).toBe(asked)
})

/** A record of the forger's own, for these words, by whoever knows the beacon's key. */
async function forgeBeacon(world: PersonWorld, words: string, relay: TestRelay): Promise<void> {
  const { beaconName: key, wrap } = keysOf(words)
  const { random, clock } = world
  const own: RecordKeys = {
    space: spaceTagSchema.decode(random.bytes(32)),
    chainKey: chainKeySchema.decode(random.bytes(32)),
    meetingKey: random.bytes(32),
    genesis: epochIdSchema.decode(random.bytes(32)),
  }
  await atRelay(world, relay, async (client) => {
    const mailbox = mailboxName(key.publicKey)
    const capability = ownCapability({
      mailboxKey: key,
      holder: key,
      right: "manage",
      clock,
      random,
    })
    const opened = await client.open({ capability, mailbox: key.publicKey, holder: key })
    const anchor = signAnchor(own, keysOf(OTHER_WORDS))
    const beacon = { anchor, epochs: [], mailboxes: [] }
    await opened.pin(sealBeacon({ beacon, to: wrap.publicKey, mailbox, random }))
  })
}

function keysOf(words: string) {
  return recoveryKeysFromEntropy(entropyFromRecoveryWords(words))
}

async function atRelay(
  { network, clock }: PersonWorld,
  { address }: TestRelay,
  work: (client: RelayClient) => Promise<void>,
): Promise<void> {
  const { signal } = new AbortController()
  const visit = { network: network.machine("somebody"), clock, address, signal }
  await clock.during(visitRelay(visit, work))
}

async function namesOf(person: Person): Promise<readonly string[]> {
  const members = (await person.devices()).filter(({ state }) => state === "member")
  return members.map(({ name }) => name)
}

describe("[P70] the recovery words", () => {
  test("bring the record back from a relay, to a device that goes on by itself", async () => {
    await using world = new PersonWorld()
    const { relay, machine, record, words } = await lostRecord(world)
    const tablet = await world.recover(world.machine("tablet"), words, [relay.address])
    expect(await tablet.get()).toEqual(record)
    expect(await tablet.history(NAME)).toMatchObject([{ device: "phone" }])
    await tablet.set(NAME, "Ada King")
    const rows = await tablet.devices()
    expect(rows.map(({ name, state }) => [name, state])).toEqual([
      ["phone", "member"],
      ["tablet", "member"],
    ])
    // The lost one turns up: it is like each device that was away.
    await tablet.start(LISTEN)
    const phone = await world.reopen(machine)
    await world.during(phone.settle(5000))
    await world.until("the edit", async () => (await phone.get(NAME)) === "Ada King")
    await phone.set(NICKNAME, "Enchantress")
    await world.until("the other", async () => (await tablet.get(NICKNAME)) === "Enchantress")
  })
  test("bring relationships back, which go on", async () => {
    await using world = new PersonWorld()
    const relay = await world.relay()
    const shop = await world.vendor("Shop", relay)
    const machine = world.machine("phone")
    const phone = await world.create(machine, [relay.address])
    await world.dealWith(phone, shop)
    await world.during(phone.settle(5000))
    const board = await phone.board()
    await world.end(phone)

    const tablet = await world.recover(world.machine("tablet"), wordsOf(world, machine), [
      relay.address,
    ])
    expect(await tablet.board()).toEqual(board)
    expect(await tablet.whoHas(ADDRESS)).toMatchObject([{ vendor: "Shop", evidence: "applied" }])
    await tablet.start(LISTEN)
    await world.moveTo(tablet, "Third Street 3")
    expect(shop.posted.filter((body) => body.includes("Third Street 3"))).toHaveLength(1)
    expect(await ailments(tablet)).toEqual([])
  })

  test("bring back what was edited while the record was at several relays, one of them empty", async () => {
    await using world = new PersonWorld()
    const { relay, phone, words } = await recordOnRelay(world)
    const other = await world.relay("other relay")
    await phone.addRelay(other.address)
    await phone.set(NAME, "Ada King")
    await world.during(phone.settle(5000))
    const record = await phone.get()
    await world.end(phone)
    await relay.stop()
    const found = await world.recover(world.machine("tablet"), words, [
      relay.address,
      other.address,
    ])
    expect(await found.get()).toEqual(record)
  })

  test("are of use again after they brought a record back, and for a second device", async () => {
    await using world = new PersonWorld()
    const { relay, words, record } = await lostRecord(world)
    const tablet = await world.recover(world.machine("tablet"), words, [relay.address])
    await world.end(tablet)
    const watch = await world.recover(world.machine("watch"), words, [relay.address])
    expect(await watch.get()).toEqual(record)
    expect(await namesOf(watch)).toEqual(["phone", "tablet", "watch"])
    expect(await ailments(watch)).toEqual([])
  })
})

describe("[P79] two devices that the same words let in at once", () => {
  test("know each other, and have each other's edits", async () => {
    await using world = new PersonWorld()
    const { relay, phone, words } = await recordOnRelay(world)
    const machines = ["tablet", "watch"].map((name) => world.machine(name))
    // Each reads the relay before the other has brought anything there.
    const both = await Promise.all(
      machines.map((machine) => world.recover(machine, words, [relay.address])),
    )
    for (const [at, one] of both.entries()) await one.set(`card/nicknames/${at + 2}/name`, "New")
    const all = [phone, ...both]
    const settle = async () => {
      for (const one of all) await world.during(one.settle(5000))
    }
    for (let round = 0; round < 4; round++) await settle()
    const names = ["phone", "tablet", "watch"]
    for (const one of all) {
      expect([...(await namesOf(one))].toSorted()).toEqual(names)
      expect(await one.get()).toEqual(await phone.get())
      expect(await ailments(one)).toEqual([])
    }
    expect(await phone.get("card/nicknames")).toMatchObject({ 1: {}, 2: {}, 3: {} })
  })
})

describe("[P71] recovery that finds nothing says why, and leaves nothing", () => {
  test.for([
    ["words of another record", OTHER_WORDS, "RECOVERY_NOT_FOUND"],
    [
      "words that do not fit together",
      OTHER_WORDS.split(" ").toReversed().join(" "),
      "RECOVERY_CHECKSUM",
    ],
    ["too few words", "zoo zoo", "RECOVERY_WORDS_COUNT"],
  ] as const)("%s", async ([, words, code]) => {
    await using world = new PersonWorld()
    const { relay, words: right, record } = await lostRecord(world)
    const machine = world.machine("tablet")
    await expect(world.recover(machine, words, [relay.address])).rejects.toEqual(codeOf(code))
    // The same folder, with the right words.
    expect(await (await world.recover(machine, right, [relay.address])).get()).toEqual(record)
  })

  test("a relay that cannot be reached", async () => {
    await using world = new PersonWorld()
    const { relay, words } = await lostRecord(world)
    await relay.stop()
    const recovering = world.recover(world.machine("tablet"), words, [relay.address])
    await expect(recovering).rejects.toEqual(codeOf("RECOVERY_UNREACHABLE"))
  })

  test("a folder that holds a record already", async () => {
    await using world = new PersonWorld()
    const { relay, words, machine } = await lostRecord(world)
    const recovering = world.recover(machine, words, [relay.address])
    await expect(recovering).rejects.toEqual(codeOf("RECORD_EXISTS"))
  })

  test("a relay that has the beacon and none of the record", async () => {
    await using world = new PersonWorld()
    const { relay, phone, words } = await recordOnRelay(world)
    const { mailboxes } = await drill(world, phone, words)
    expect(mailboxes).toMatchObject([{ address: relay.address }])
    await world.end(phone)
    await removeMailboxes(world, words, relay)
    const recovering = world.recover(world.machine("tablet"), words, [relay.address])
    await expect(recovering).rejects.toEqual(codeOf("RECOVERY_INCOMPLETE"))
  })
})

test("[P72] recovery that is cut off at any flush is completed by the same command, as one device", async () => {
  await using world = new PersonWorld()
  const { relay, words, record } = await lostRecord(world)
  for (let at = 0, isHit = true; isHit; at++) {
    isHit = false
    const machine = world.machine(`tablet ${at}`)
    machine.disk.fault = ({ index }) => {
      if (isHit || index !== at) return undefined
      isHit = true
      return { type: at % 2 === 0 ? "crash-after" : "crash-before" }
    }
    const first = await world.recover(machine, words, [relay.address]).catch(() => undefined)
    if (first !== undefined) await world.end(first)
    machine.disk.fault = undefined
    machine.disk = machine.disk.copy()
    const again = await world.recover(machine, words, [relay.address])
    expect(await again.get(), `cut off at flush ${at}`).toEqual(record)
    const ours = (await namesOf(again)).filter((name) => name === machine.name)
    expect(ours, `cut off at flush ${at}`).toHaveLength(1)
    await world.end(again)
  }
})

describe("[P73] words that were replaced", () => {
  test("bring nothing back; the new ones all of it, also what was written before", async () => {
    await using world = new PersonWorld()
    const { relay, phone, words: old } = await recordOnRelay(world)
    const { words, wordsSeen } = await phone.recovery.replaceWords()
    // Until they were seen they are the same.
    expect((await phone.recovery.replaceWords()).words).toEqual(words)
    await wordsSeen()
    await phone.set(NAME, "Ada King")
    await world.during(phone.settle(5000))
    await expect(world.during(phone.recovery.drill(old))).rejects.toEqual(
      codeOf("RECOVERY_WORDS_OTHER"),
    )
    const record = await phone.get()
    await world.end(phone)
    const late = world.recover(world.machine("thief"), old, [relay.address])
    await expect(late).rejects.toEqual(codeOf("RECOVERY_NOT_FOUND"))
    const found = await world.recover(world.machine("tablet"), words.join(" "), [relay.address])
    expect(await found.get()).toEqual(record)
    expect(await found.history(NAME)).toHaveLength(2)
  })

  test("cannot let a device in, whoever kept their beacon", async () => {
    await using world = new PersonWorld()
    const { relay, machine, phone, words: old } = await recordOnRelay(world)
    // A relay that was put back, or never forgot.
    const kept = relay.machine.disk.copy()
    const { words } = await phone.recovery.replaceWords()
    await world.during(phone.settle(5000))
    await world.end(phone)
    await relay.stop()
    const now = relay.machine.disk
    await relay.start(kept)
    const thief = await world.recover(world.machine("thief"), old, [relay.address])
    await thief.set(NAME, "Mallory")
    await world.during(thief.settle(5000))
    await world.end(thief)
    // What it wrote there meets the record again.
    const phoneAgain = await world.reopen(machine)
    await world.during(phoneAgain.settle(5000))
    expect(await phoneAgain.get(NAME)).toBe("Ada Lovelace")
    expect(await namesOf(phoneAgain)).toEqual(["phone"])
    expect(words).toHaveLength(24)
    await relay.stop()
    await relay.start(now)
  })
})

describe("[P74] the beacon", () => {
  test("follows the record to its new mailboxes when a device is removed", async () => {
    await using world = new PersonWorld()
    const { relay, phone, words } = await recordOnRelay(world)
    const laptop = await world.pair(phone, world.machine("laptop"), { relay: relay.address })
    await world.end(laptop)
    await phone.revokeDevice("laptop")
    await phone.set(NAME, "Ada King")
    expect(await drill(world, phone, words)).toMatchObject({ isUsable: true, missing: [] })
    const record = await phone.get()
    await world.end(phone)
    const found = await world.recover(world.machine("tablet"), words, [relay.address])
    expect(await found.get()).toEqual(record)
    expect(await namesOf(found)).toEqual(["phone", "tablet"])
  })

  test("is put back on a relay that lost everything", async () => {
    await using world = new PersonWorld()
    const { relay, phone, words } = await recordOnRelay(world)
    await relay.stop()
    await relay.start(world.machine("empty").disk)
    await world.until("the relay", async () => (await phone.relays())[0]?.state === "reachable")
    expect(await drill(world, phone, words)).toMatchObject({ isUsable: true, missing: [] })
  })

  test("is looked after: one that alone is gone is put back within a week", async () => {
    await using world = new PersonWorld()
    const { relay, phone, machine, words } = await recordOnRelay(world)
    await removeBeacon(world, words, relay)
    await expect(drill(world, phone, words)).rejects.toEqual(codeOf("RECOVERY_NOT_FOUND"))
    await world.end(phone)
    world.clock.offsetMs += 8 * 86_400_000
    const again = await world.reopen(machine)
    expect(await drill(world, again, words)).toMatchObject({ isUsable: true, missing: [] })
  })

  test("that somebody else put in its place is none, and another relay's counts", async () => {
    await using world = new PersonWorld()
    const { relay, phone, words } = await recordOnRelay(world)
    const honest = await world.relay("honest relay")
    await phone.addRelay(honest.address)
    await world.during(phone.settle(5000))
    const record = await phone.get()
    await world.end(phone)
    await forgeBeacon(world, words, relay)
    const machine = world.machine("tablet")
    const recovering = world.recover(machine, words, [relay.address])
    await expect(recovering).rejects.toEqual(codeOf("RECOVERY_NOT_FOUND"))
    const found = await world.recover(machine, words, [relay.address, honest.address])
    expect(await found.get()).toEqual(record)
  })

  test("that a relay has no room for is told, and keeps nothing else from it", async () => {
    await using world = new PersonWorld()
    const relay = await world.relay("relay", { ...RELAY_LIMITS, mailboxesMax: 1 })
    const phone = await world.create(world.machine("phone"), [relay.address])
    await world.during(phone.settle(5000))
    expect(await phone.recovery.beacons()).toEqual([
      { address: relay.address, isThere: false, code: "RELAY_FULL" },
    ])
    expect(await ailments(phone)).toEqual([expect.stringMatching(/^recovery: .*RELAY_FULL/)])
    // The record itself goes there all the same.
    expect(await phone.relays()).toMatchObject([{ state: "reachable", pending: 0 }])
  })
})

describe("[P75] trying the words out", () => {
  test("counts the companies that would be there", async () => {
    await using world = new PersonWorld()
    const { relay, phone, words } = await recordOnRelay(world)
    await world.dealWith(phone, await world.vendor("Shop", relay))
    const report = await drill(world, phone, words)
    expect(report.relationships).toEqual({ found: 1, missing: 0 })
  })

  test("names what no relay has, and changes nothing", async () => {
    await using world = new PersonWorld()
    const { relay, machine, phone, words } = await recordOnRelay(world)
    const before = (await phone.status()).vector
    const full = await drill(world, phone, words)
    expect(full).toMatchObject({
      relays: [{ address: relay.address, found: "beacon" }],
      isUsable: true,
      missing: [],
      documents: { same: 1, different: 0 },
      relationships: { found: 0, missing: 0 },
    })
    expect((await phone.status()).vector).toBe(before)
    expect(full.entries).toBe((await phone.status()).entries)
    await world.end(phone)
    // Edited where nothing can be reached, and tried before it was sent.
    const again = await world.reopen(machine)
    await again.set(NICKNAME, "Enchantress")
    expect(await world.during(again.recovery.drill(words))).toMatchObject({
      isUsable: true,
      missing: [{ device: "phone", entries: expect.any(Number) }],
      documents: { same: 0, different: 1 },
    })
  })

  test("is refused words of another record, and says when no relay has a beacon", async () => {
    await using world = new PersonWorld()
    const { phone, words, relay } = await recordOnRelay(world)
    const wrong = phone.recovery.drill(OTHER_WORDS)
    await expect(wrong).rejects.toEqual(codeOf("RECOVERY_WORDS_OTHER"))
    await relay.stop()
    const none = world.during(phone.recovery.drill(words))
    await expect(none).rejects.toEqual(codeOf("RECOVERY_UNREACHABLE"))
  })
})
