/** A record's documents as an engine keeps them: loaded when they are asked for, saved as they grow. */
import { utf8ToBytes } from "@fulcrum/codec/bytes"
import { seededRandom } from "@fulcrum/crypto/random"
import { documentId, type Reload } from "@fulcrum/record/documents"
import { openInLineDocuments } from "@fulcrum/record/in-line"
import { RecordError } from "@fulcrum/record/record-error"
import { MemoryDisk, openMemoryStore } from "@fulcrum/store/memory"
import { openVault } from "@fulcrum/store/vault"
import { beforeAll, describe, expect, test } from "vitest"
import { CHANGES_UNSAVED_MAX, DocumentCache } from "../src/documents/document-cache.ts"
import { openPerson } from "../src/opening/open-person.ts"
import { loadDocuments, type Machine, PersonWorld } from "./person-world.ts"
import { type Desk, openDesk, ScriptedVendor } from "./scripted-vendor.ts"

const LOOPBACK = "/ip4/127.0.0.1/tcp/0"
const NAME = "card/name/full"

beforeAll(loadDocuments)

/** All that one device's log has and the other's lacks. */
async function give(from: Desk, to: Desk): Promise<void> {
  const { spans } = await from.ledger.record.spansAfter(to.ledger.record.vector, {
    bytesMax: Number.MAX_SAFE_INTEGER,
  })
  await to.ledger.admit(spans)
}

/** Changes of a document that stand in the cache beside its saved form. */
async function changesKept(world: PersonWorld, machine: Machine, document: string) {
  const { store, vaultKey, random } = await world.options(machine)
  const vault = await openVault({ store, key: vaultKey, random })
  let kept = 0
  for await (const _ of vault.table("engine.changes").list(utf8ToBytes(document))) kept++
  await vault.close()
  return kept
}

/** Opens a record whose documents' worker is lost over what `isLost` says when it is to be applied. */
async function openLosing(world: PersonWorld, machine: Machine, isLost: () => boolean) {
  const openDocuments = async (reload: Reload) => {
    const documents = await openInLineDocuments({ reload })
    const { apply, applyMany } = documents
    const lost = async () => {
      throw new RecordError("RECORD_WORKER", "the worker was lost")
    }
    documents.apply = (input) => (isLost() ? lost() : apply.call(documents, input))
    documents.applyMany = (inputs) => {
      return inputs.length > 0 && isLost() ? lost() : applyMany.call(documents, inputs)
    }
    return documents
  }
  return world.keep(await openPerson({ ...(await world.options(machine)), openDocuments }))
}

describe("documents", () => {
  test("[P40] are loaded when somebody asks for them, and not before", async () => {
    await using world = new PersonWorld()
    const machine = world.machine("phone")
    const person = await world.create(machine)
    for (let at = 0; at < 20; at++) await person.set(`relationships/r${at}/name`, `R ${at}`)
    await person.set("card/name/full", "Ada")
    await world.end(person)
    const loaded: string[] = []
    const again = await openPerson({
      ...(await world.options(machine)),
      openDocuments: (reload) =>
        openInLineDocuments({
          reload: (document) => {
            loaded.push(document)
            return reload(document)
          },
        }),
    })
    world.keep(again)
    expect(await again.get("relationships/r7")).toEqual({ name: "R 7" })
    expect(await again.get("relationships/r7")).toEqual({ name: "R 7" })
    expect(loaded).toEqual(["relationships/r7"])
  })

  test("[P39] come in by many edits at once, and leave a saved form", async () => {
    await using world = new PersonWorld()
    const phone = await world.create(world.machine("phone"))
    for (let at = 0; at < 2 * CHANGES_UNSAVED_MAX; at++) await phone.set(NAME, `Ada ${at}`)
    const last = `Ada ${2 * CHANGES_UNSAVED_MAX - 1}`
    const [at = ""] = await phone.start({ listen: [LOOPBACK] })
    await world.clock.advance(5000)
    const machine = world.machine("laptop")
    let peak = 0
    machine.disk.fault = () => {
      peak = Math.max(peak, machine.disk.usedBytes)
      return undefined
    }
    const laptop = await world.pair(phone, machine, { at })
    await laptop.start({ listen: [] })
    await world.until("the record", async () => (await laptop.get(NAME)) === last)
    expect(peak).toBeLessThan(1.5 * machine.disk.usedBytes)
    await laptop.set(NAME, "Lovelace")
    await world.end(laptop)
    // Only the edit made here stands beside it.
    expect(await changesKept(world, machine, "card")).toBe(1)
    const reopened = await world.reopen(machine)
    expect(await reopened.get(NAME)).toBe("Lovelace")
    expect((await reopened.history(NAME)).length).toBe(2 * CHANGES_UNSAVED_MAX + 1)
  })

  test("[P34] take in at the next opening what a worker was lost over", async () => {
    await using world = new PersonWorld()
    const phone = await world.create(world.machine("phone"))
    const [at = ""] = await phone.start({ listen: [LOOPBACK] })
    const machine = world.machine("laptop")
    await world.end(await world.pair(phone, machine, { at }))
    for (const name of ["Ada", "Lovelace", "Countess"]) await phone.set(NAME, name)

    let losing = true
    let lost = 0
    const open = () =>
      openLosing(world, machine, () => {
        if (losing) lost++
        return losing
      })
    const first = await open()
    await first.start({ listen: [] })
    await world.until("all entries", async () => (await first.status()).quarantined >= 3)
    expect(await first.get(NAME)).toBeUndefined()
    await world.end(first)

    losing = false
    const second = await open()
    expect(await second.get(NAME)).toBe("Countess")
    expect((await second.status()).quarantined).toBe(0)
    expect((await second.history(NAME)).length).toBe(3)
    await world.end(second)
    expect(lost).toBeGreaterThan(0)
  })

  test("[P34] leave out for good what costs a worker each time it is tried", async () => {
    await using world = new PersonWorld()
    const phone = await world.create(world.machine("phone"))
    const [at = ""] = await phone.start({ listen: [LOOPBACK] })
    const machine = world.machine("laptop")
    await world.end(await world.pair(phone, machine, { at }))
    await phone.set(NAME, "Ada")
    let tried = 0
    const open = () =>
      openLosing(world, machine, () => {
        tried++
        return true
      })
    const tries: number[] = []
    for (let start = 0; start < 5; start++) {
      tried = 0
      const again = await open()
      if (start === 0) await again.start({ listen: [] })
      await world.until("it is out", async () => (await again.status()).quarantined > 0)
      await world.end(again)
      tries.push(tried)
    }
    expect(tries.map((count) => count > 0)).toEqual([true, true, true, false, false])
  })

  test("[P34] that were only read forget what a removed device wrote", async () => {
    await using world = new PersonWorld()
    const [phoneOf, laptopOf, tabletOf] = ["phone", "laptop", "tablet"].map((name) =>
      world.machine(name),
    )
    if (!phoneOf || !laptopOf || !tabletOf) throw new TypeError("three machines")
    const phone = await world.create(phoneOf)
    await phone.set(NAME, "Ada")
    const [at = ""] = await phone.start({ listen: [LOOPBACK] })
    for (const machine of [laptopOf, tabletOf]) {
      const joined = await world.pair(phone, machine, { at })
      await world.during(joined.settle(5000))
      await world.end(joined)
    }
    await world.end(phone)
    // The laptop has heard of the tablet, and takes in what it wrote.
    const vendor = new ScriptedVendor(world.random.fork("vendor"), [LOOPBACK])
    const first = await openDesk(world, laptopOf, vendor)
    const tablet = await openDesk(world, tabletOf, vendor)
    const before = await openDesk(world, phoneOf, vendor)
    await give(before, first)
    await give(before, tablet)
    await tablet.editing.set(NAME, "Tablet's")
    await give(tablet, first)
    expect(await first.editing.get(NAME)).toBe("Tablet's")
    for (const desk of [first, tablet, before]) await desk[Symbol.asyncDispose]()
    // The phone has not, and removes the tablet.
    const again = await world.reopen(phoneOf)
    await again.revokeDevice("tablet")
    await world.end(again)

    const laptop = await openDesk(world, laptopOf, vendor)
    expect(await laptop.editing.get(NAME)).toBe("Tablet's")
    const after = await openDesk(world, phoneOf, vendor)
    await give(after, laptop)
    expect(await laptop.editing.get(NAME)).toBe("Ada")
    await laptop.editing.set(NAME, "Lovelace")
    await give(laptop, after)
    expect(await after.editing.get(NAME)).toBe("Lovelace")
    for (const desk of [laptop, after]) await desk[Symbol.asyncDispose]()
    const later = await openDesk(world, laptopOf, vendor)
    expect(await later.editing.get(NAME)).toBe("Lovelace")
    await later[Symbol.asyncDispose]()
  })

  test("are loaded whole while what was loaded last is being saved", async () => {
    const random = seededRandom("straddle")
    const [card, things] = [documentId("card"), documentId("things")]
    for (let turns = 0; turns < 40; turns++) {
      const store = await openMemoryStore({ disk: new MemoryDisk() })
      const vault = await openVault({ store, key: random.bytes(32), random })
      const cache = new DocumentCache(vault)
      const loadedMax = { documents: 1, bytes: 1 << 20 }
      const reload: Reload = (document) => cache.reload(document)
      const documents = await openInLineDocuments({ reload, loadedMax })
      for (let at = 1; at <= 3; at++) {
        const edits = [{ op: "set", path: ["name", "full"], value: `${at}` }] as const
        const made = await documents.edit({ document: card, edits, actor: new Uint8Array(16) })
        if (made === undefined) throw new TypeError("an edit changed nothing")
        const placed = { arrival: at, index: 0, change: made.change }
        await vault.write(cache.putChanges(card, [placed]))
        documents.kept([card])
      }
      const ops = await cache.compact(card, documents)
      const read = documents.read(things).then(() => documents.read(card))
      for (let turn = 0; turn < turns; turn++) await null
      await vault.write(ops)
      expect(await read, `after ${turns} turns`).toEqual({ name: { full: "3" } })
      await documents[Symbol.asyncDispose]()
      await vault.close()
    }
  })
})
