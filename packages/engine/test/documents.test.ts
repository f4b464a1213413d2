/** A record's documents as an engine keeps them: loaded when they are asked for, saved as they grow. */
import { utf8ToBytes } from "@fulcrum/codec/bytes"
import { openInLineDocuments } from "@fulcrum/record/in-line"
import { openVault } from "@fulcrum/store/vault"
import { beforeAll, describe, expect, test } from "vitest"
import { CHANGES_UNSAVED_MAX } from "../src/document-cache.ts"
import { openPerson } from "../src/open-person.ts"
import { loadDocuments, type Machine, PersonWorld } from "./person-world.ts"

const LOOPBACK = "/ip4/127.0.0.1/tcp/0"
const NAME = "card/name/full"

beforeAll(loadDocuments)

/** Changes of a document that stand in the cache beside its saved form. */
async function changesKept(world: PersonWorld, machine: Machine, document: string) {
  const { store, vaultKey, random } = await world.options(machine)
  const vault = await openVault({ store, key: vaultKey, random })
  let kept = 0
  for await (const _ of vault.table("engine.changes").list(utf8ToBytes(document))) kept++
  await vault.close()
  return kept
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
})
