/**
 * A vendor's engine: connecting, answering, moves on their day, and every crash in between.
 *
 * @module
 */
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { bytesToHex, utf8ToBytes } from "@fulcrum/codec/bytes"
import { type JsonValue, parseJson } from "@fulcrum/codec/json"
import { mailboxNameSchema } from "@fulcrum/log/ids"
import { importAgreement } from "@fulcrum/relations/agreement"
import { decodeInvitation, encodeInvitation } from "@fulcrum/relations/invitation"
import { personLane } from "@fulcrum/relations/lane"
import { StoreError } from "@fulcrum/store"
import { afterEach, describe, expect, test } from "vitest"
import { ADDRESS, drawRelationship, EMAIL, openWorld, REQUEST, type World } from "./vendor-world.ts"

let world: World
let folder: string | undefined

afterEach(async () => {
  await world.close()
  if (folder !== undefined) await rm(folder, { recursive: true })
  folder = undefined
  expect(world.faults).toEqual([])
})

const LIMITS = { bytesMax: 1 << 20, depthMax: 32, itemsMax: 10_000 }

function events(of: World = world) {
  return of.hooks.posts.map(({ body }) => parseJson(body, LIMITS))
}

describe("connecting", () => {
  test("[V1] both sign the same bytes, and the vendor knows whom it invited", async () => {
    world = await openWorld()
    const anna = await world.person("Anna")
    expect(await anna.answered()).toBe("agreed")
    expect(anna.isAgreed).toBe(true)
    const [customer] = world.vendor.customers()
    expect(customer).toMatchObject({ state: "agreed", note: "Anna", held: 0, since: "2026-11-20" })
    const [agreement] = world.vendor.agreements()
    expect(importAgreement(utf8ToBytes(agreement?.signed ?? "")).bytes).toEqual(anna.item.agreement)
  })

  test("[V2] the same connect message again changes nothing", async () => {
    world = await openWorld()
    const anna = await world.person("Anna")
    await anna.answered()
    await world.restart()
    const { door, token } = anna.item
    const { message } = anna
    await world.relayClient((client) =>
      client.knock({ door: mailboxNameSchema.decode(door), message, ...(token && { token }) }),
    )
    await world.clock.advance(5000)
    expect(world.vendor.customers()).toHaveLength(1)
    expect(world.vendor.status().dropped).toMatchObject({ malformed: 0, token: 0, repeated: 0 })
  })

  test("[V3] terms that the vendor does not accept are refused, with a code", async () => {
    world = await openWorld({ request: { ...REQUEST, agreements: ["SD-BASE", "SD-BASE-A"] } })
    const { invitation } = await world.clock.during(world.vendor.invite({ waitMs: 5000 }))
    const anna = await world.person("Anna", { invitation, terms: "SD-BASE-A" })
    // The invitation names the request as it was; by the time of the answer terms were dropped.
    await world.vendor.dropTerms(["SD-BASE-A"])
    expect(await anna.answered()).toBe("refused")
    expect(anna.space.refused?.code).toBe("terms_not_accepted")
    expect(world.vendor.customers()).toMatchObject([
      { state: "refused", refusal: { code: "terms_not_accepted" } },
    ])
    expect(world.vendor.disclosures()).toEqual([])
  })

  test("the last terms that a request names are not dropped", async () => {
    world = await openWorld()
    const dropping = world.vendor.dropTerms(world.vendor.terms())
    await expect(dropping).rejects.toMatchObject({ code: "TERMS_NEEDED" })
    expect(world.vendor.terms()).not.toEqual([])
  })

  test("[V4] what is no connect message is counted and dropped, and the door goes on", async () => {
    world = await openWorld()
    const { invitation } = await world.clock.during(
      world.vendor.invite({ isPublic: true, waitMs: 5000 }),
    )
    const door = mailboxNameSchema.decode(decodeInvitation(invitation).door)
    const junk = [new Uint8Array(0), world.random.bytes(3000), utf8ToBytes("hello")]
    for (const message of junk) await world.relayClient((client) => client.knock({ door, message }))
    const anna = await world.person("Anna")
    expect(await anna.answered()).toBe("agreed")
    expect(world.vendor.status().dropped.malformed).toBe(junk.length)
    expect(world.vendor.customers()).toHaveLength(1)
  })

  test("[V5] a public invitation lets in who works for it; a token only one message", async () => {
    world = await openWorld()
    const { invitation } = await world.clock.during(
      world.vendor.invite({ isPublic: true, waitMs: 5000 }),
    )
    const first = await world.person("Anna", { invitation })
    const second = await world.person("Berta", { invitation })
    expect([await first.answered(), await second.answered()]).toEqual(["agreed", "agreed"])
    expect(world.vendor.customers().map(({ note }) => note)).toEqual([undefined, undefined])
  })

  test("[V5] a strange token, another's keys and a strange relay let nobody in", async () => {
    world = await openWorld()
    const anna = await world.person("Anna")
    await anna.answered()
    const { invitation } = await world.clock.during(
      world.vendor.invite({ isPublic: true, waitMs: 5000 }),
    )
    const known = decodeInvitation(invitation)
    const elsewhere = world.relayAddress.replace(/\/p2p\/.*/, `/p2p/12D3Koo${"W".repeat(45)}`)
    const strange = {
      token: { ...known, token: world.random.bytes(32) },
      relay: { ...known, relays: [elsewhere] },
      repeated: known,
    }
    for (const [reason, one] of Object.entries(strange)) {
      // Anna's name draws Anna's keys and space again.
      const name = reason === "repeated" ? "Anna" : reason
      const drawn = await drawRelationship(world, name, { invitation: encodeInvitation(one) })
      const door = mailboxNameSchema.decode(known.door)
      await world.relayClient((client) => client.knock({ door, message: drawn.message }))
    }
    await world.clock.until("three drops", () => {
      const { token, relay, repeated } = world.vendor.status().dropped
      return token + relay + repeated === 3
    })
    expect(world.vendor.status().dropped).toMatchObject({ token: 1, relay: 1, repeated: 1 })
    expect(world.vendor.customers()).toHaveLength(1)
  })

  test("[V6] an old invitation still opens after the request was edited", async () => {
    world = await openWorld()
    const before = world.vendor.request()
    const anna = await world.person("Anna")
    await world.vendor.editRequest({ ...REQUEST, fields: REQUEST.fields.slice(0, 1) })
    expect(world.vendor.request()).toMatchObject({ version: 2 })
    expect(world.vendor.request()?.hash).not.toBe(before?.hash)
    expect(await anna.answered()).toBe("agreed")
  })

  test("the same request again is no new version", async () => {
    world = await openWorld()
    const before = world.vendor.request()
    expect(await world.vendor.editRequest(REQUEST)).toEqual(before)
  })
})

describe("answering", () => {
  test("[V7] each entry is delivered, decided and applied, and shown", async () => {
    world = await openWorld()
    const anna = await world.person("Anna")
    await anna.answered()
    const chain = await anna.put({ [EMAIL]: { address: "anna@example.org" } })
    await anna.hears(chain, "applied")
    expect(anna.states(chain)).toEqual(["delivered", "accepted", "applied"])
    expect(world.vendor.disclosures()).toMatchObject([
      { path: EMAIL, state: "held", value: { address: "anna@example.org" } },
      { path: ADDRESS, state: "awaited" },
    ])
    const cleared = await anna.put({ [EMAIL]: undefined })
    await anna.hears(cleared, "applied")
    expect(world.vendor.disclosures()[0]).toMatchObject({ state: "cleared", value: undefined })
  })

  test("[V8] what was not agreed on is rejected and held nowhere", async () => {
    world = await openWorld()
    const anna = await world.person("Anna", { disclose: [EMAIL] })
    await anna.answered()
    const chain = await anna.put({ [ADDRESS]: { full: "Canary Lane 1" } })
    await anna.hears(chain, "rejected")
    expect(anna.states(chain)).toEqual(["delivered", "rejected"])
    const [told] = anna.space.receiptsAbout(chain).slice(-1)
    expect(told?.receipt).toMatchObject({ code: "field_not_agreed", retry: "no" })
    expect(JSON.stringify(world.vendor.exportBooks())).not.toContain("Canary")
  })

  test("[V8] [R15] nothing in the folder, in events or in the export holds it", async () => {
    folder = await mkdtemp(join(tmpdir(), "fulcrum-vendor-"))
    world = await openWorld({ folder })
    await world.vendor.addHook("https://crm.example/hook")
    const anna = await world.person("Anna", { disclose: [EMAIL] })
    await anna.answered()
    await anna.hears(await anna.put({ [EMAIL]: "canary-disclosed@example.org" }), "applied")
    await anna.hears(await anna.put({ [ADDRESS]: "canary-withheld" }), "rejected")
    const told = JSON.stringify([world.vendor.exportBooks(), world.hooks.posts])
    expect(told).toContain("canary-disclosed")
    expect(told).not.toContain("canary-withheld")
    await world.clock.during(world.vendor.close())
    const files = await readdir(folder, { recursive: true, withFileTypes: true })
    for (const file of files.filter((one) => one.isFile())) {
      const bytes = await readFile(join(file.parentPath, file.name))
      expect(bytes.includes("canary")).toBe(false)
      expect(bytes.includes("card/")).toBe(false)
    }
    expect(files.length).toBeGreaterThan(2)
    await world.reopen()
  })

  test("[V9] an entry that says one thing twice, or too much, is rejected, and the next one is taken", async () => {
    world = await openWorld()
    const anna = await world.person("Anna")
    await anna.answered()
    const entry = (count: number, pathOf: (index: number) => string, value: JsonValue) => {
      const puts = Array.from({ length: count }, (_, index) => ({
        kind: "put" as const,
        value: { path: pathOf(index), value, counter: 1 },
      }))
      return anna.write(personLane.encode(puts))
    }
    const many = (round: number) => entry(2000, (index) => `${EMAIL}/${round}-${index}`, 1)
    const large = (round: number) =>
      entry(4, (index) => `${EMAIL}/l${round}-${index}`, "x".repeat(60_000))
    const bad = [await entry(2, () => EMAIL, "twice@example.org")]
    for (let round = 0; round < 5; round++) bad.push(await many(round))
    for (let round = 0; round < 5; round++) bad.push(await large(round))
    const good = await anna.put({ [EMAIL]: "anna@example.org" })
    await anna.hears(good, "applied")
    const states = bad.map((chain) => anna.states(chain).at(-1))
    expect(states[0]).toBe("rejected")
    expect(states.slice(1, 6)).toEqual([...Array(4).fill("applied"), "rejected"])
    expect(states.slice(6)).toEqual([...Array(3).fill("applied"), "rejected", "rejected"])
  })

  test("[V9] an entry that cannot be read is rejected, and the next one is taken", async () => {
    world = await openWorld()
    const anna = await world.person("Anna")
    await anna.answered()
    const bad = await anna.write(utf8ToBytes("not a list of items"))
    const good = await anna.put({ [EMAIL]: "anna@example.org" })
    await anna.hears(good, "applied")
    expect(anna.states(bad)).toEqual(["delivered", "rejected"])
  })

  test("[V10] a move with a date is accepted now and applied on its day, in its zone", async () => {
    // Midnight in Auckland, 13 hours ahead in December, is at 11.
    world = await openWorld({ startMs: Date.UTC(2026, 11, 14, 10, 50) })
    await world.vendor.addHook("https://crm.example/hook")
    const anna = await world.person("Anna")
    await anna.answered()
    await anna.hears(await anna.put({ [ADDRESS]: { full: "Alt 1" } }), "applied")
    const id = world.random.bytes(16)
    const move = { id, from: "2026-12-15", zone: "Pacific/Auckland", before: [] }
    const chain = await anna.put({ [ADDRESS]: { full: "Neu 2" } }, move)
    await anna.hears(chain, "accepted")
    expect(world.vendor.disclosures()[1]).toMatchObject({
      value: { full: "Alt 1" },
      pending: [{ from: "2026-12-15", zone: "Pacific/Auckland", value: { full: "Neu 2" } }],
    })
    await world.restart("crashed")
    await world.clock.advance(Date.UTC(2026, 11, 14, 10, 59) - world.clock.now())
    expect(anna.states(chain)).toEqual(["delivered", "accepted"])
    await world.clock.advance(120_000)
    await anna.hears(chain, "applied")
    expect(world.vendor.disclosures()[1]).toMatchObject({ value: { full: "Neu 2" }, pending: [] })
    expect(events().at(-1)).toMatchObject({
      type: "share.changed",
      data: {
        move: bytesToHex(id),
        changes: [
          {
            path: ADDRESS,
            value: { full: "Neu 2" },
            previous: { full: "Alt 1" },
            effective: "2026-12-15",
          },
        ],
      },
    })
    expect(world.hooks.posts).toHaveLength(3)
  })

  test("[V11] an older write that comes late tells nobody and changes nothing", async () => {
    world = await openWorld()
    await world.vendor.addHook("https://crm.example/hook")
    const anna = await world.person("Anna")
    await anna.answered()
    await anna.put({ [EMAIL]: "1@example.org" })
    const last = await anna.put({ [EMAIL]: "2@example.org" })
    await anna.hears(last, "applied")
    const changes = events().filter((event) => JSON.stringify(event).includes("share.changed"))
    expect(changes.map((one) => JSON.stringify(one))).toEqual([
      expect.stringContaining('"value":"1@example.org"'),
      expect.stringMatching(/"previous":"1@example.org","value":"2@example.org"/),
    ])
  })
})

describe("many customers", () => {
  test("[V12] each has a share of its own", async () => {
    world = await openWorld()
    const people = []
    for (const name of ["Anna", "Berta", "Clara"]) people.push(await world.person(name))
    for (const person of people) expect(await person.answered()).toBe("agreed")
    const chains = await Promise.all(
      people.map((person, i) => person.put({ [EMAIL]: `${i}@example.org` })),
    )
    for (const [i, person] of people.entries()) {
      const chain = chains[i]
      if (chain !== undefined) await person.hears(chain, "applied")
    }
    const held = world.vendor.disclosures().filter(({ path }) => path === EMAIL)
    expect(held.map(({ value }) => value).sort()).toEqual([
      "0@example.org",
      "1@example.org",
      "2@example.org",
    ])
    const ids = new Set(world.vendor.customers().map(({ id }) => id))
    expect(ids.size).toBe(3)
    await world.restart()
    expect(new Set(world.vendor.customers().map(({ id }) => id))).toEqual(ids)
  })
})

describe("crashes", () => {
  test("[V14] a disk that is full for a while makes answers late, and loses nothing", async () => {
    world = await openWorld()
    await world.vendor.addHook("https://crm.example/hook")
    const anna = await world.person("Anna")
    await anna.answered()
    world.disk.capacityBytes = world.disk.usedBytes
    const chain = await anna.put({ [EMAIL]: "1@example.org" })
    await world.clock.advance(60_000)
    expect(anna.states(chain)).toEqual([])
    expect(world.vendor.disclosures()[0]?.state).toBe("awaited")
    world.disk.capacityBytes = Number.POSITIVE_INFINITY
    await anna.hears(chain, "applied")
    expect(anna.states(chain)).toEqual(["delivered", "accepted", "applied"])
    world.faults.length = 0
  })

  test.each([
    ["it dies", "crash-before", "crash-after"],
    ["a write fails", "fail-after", "fail-before"],
  ] as const)(
    "[V13] wherever %s, nothing is lost or told under two ids",
    async (_, even, odd) => {
      let at = 0
      for (; at < 80; at++) {
        world = await openWorld({ seed: `${even} ${at}` })
        const { disk, clock } = world
        await world.vendor.addHook("https://crm.example/hook")
        const from = disk.flushes
        let isDead = false
        disk.fault = ({ index }) => {
          if (index !== from + at) return undefined
          const type = at % 2 === 0 ? even : odd
          isDead = type.startsWith("crash")
          return { type }
        }
        clock.tend = async () => {
          if (!isDead) return
          isDead = false
          await world.restart("crashed")
        }
        const anna = await persistently(() => world.person("Anna"))
        expect(await anna.answered()).toBe("agreed")
        const chains = []
        for (const value of ["1@example.org", "2@example.org"]) {
          const chain = await anna.put({ [EMAIL]: value })
          await anna.hears(chain, "applied")
          chains.push(chain)
        }
        for (const chain of chains) {
          expect(anna.states(chain), `${even} ${at}`).toEqual(["delivered", "accepted", "applied"])
        }
        expect(world.vendor.customers()).toHaveLength(1)
        expect(world.vendor.queue()).toEqual([])
        expectOneIdEach()
        world.faults.length = 0
        if (disk.flushes - from <= at) break
        await world.close()
      }
      // The last round had no fault: each flush of a whole run had its turn.
      expect(at).toBeGreaterThan(8)
      expect(at).toBeLessThan(80)
    },
    60_000,
  )
})

/** Every event came, in order, each under one id with one body however often. */
function expectOneIdEach(): void {
  const bodies = new Map<string, string>()
  for (const { id, body } of world.hooks.posts) {
    expect(bodies.get(id) ?? body).toBe(body)
    bodies.set(id, body)
  }
  expect([...bodies.values()].map((body) => parseJson(body, LIMITS))).toMatchObject([
    { type: "relationship.agreed" },
    { type: "share.changed", data: { changes: [{ value: "1@example.org" }] } },
    {
      type: "share.changed",
      data: { changes: [{ value: "2@example.org", previous: "1@example.org" }] },
    },
  ])
}

/** Again, if the disk died under it. */
async function persistently<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof StoreError)) throw error
    await world.clock.advance(10)
    await world.clock.tend?.()
    return work()
  }
}
