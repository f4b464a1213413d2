import { systemClock } from "@fulcrum/crypto/clock"
import { systemRandom } from "@fulcrum/crypto/random"
import { systemDeflate } from "@fulcrum/log/deflate"
import { libp2pNetwork } from "@fulcrum/net/libp2p"
import { openInLineDocuments } from "@fulcrum/record/in-line"
import { MemoryDisk, openMemoryStore } from "@fulcrum/store/memory"
import { afterEach, describe, expect, test } from "vitest"
import { joinPerson } from "../src/join-person.ts"
import { createPerson, openPerson, type PersonOptions } from "../src/open-person.ts"
import type { Person } from "../src/person.ts"

const opened: Person[] = []

afterEach(async () => {
  for (const person of opened.splice(0)) await person.close()
})

function keep(person: Person): Person {
  opened.push(person)
  return person
}

/** One device's folder: what stays when it is closed. */
class Folder {
  readonly disk: MemoryDisk = new MemoryDisk()
  readonly vaultKey: Uint8Array = systemRandom().bytes(32)

  async options(): Promise<PersonOptions> {
    return {
      store: await openMemoryStore({ disk: this.disk }),
      vaultKey: this.vaultKey,
      network: libp2pNetwork(),
      openDocuments: (reload) => openInLineDocuments({ reload }),
      random: systemRandom(),
      clock: systemClock(),
      deflate: systemDeflate(),
      zone: "Europe/Berlin",
    }
  }

  async create(name: string): Promise<Person> {
    const made = await createPerson({ ...(await this.options()), name, relays: [] })
    return keep(made.person)
  }

  async open(): Promise<Person> {
    return keep(await openPerson(await this.options()))
  }
}

async function reaches(what: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 200; i++) {
    if (await what()) return
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
  throw new Error("it never came about")
}

async function pair(host: Person, folder: Folder, name: string, at: string): Promise<Person> {
  const shown = Promise.withResolvers<string>()
  const { signal } = new AbortController()
  const added = host.pair(
    { code: ({ code }) => shown.resolve(code), approve: async () => true },
    signal,
  )
  const code = await shown.promise
  const joined = await joinPerson({
    ...(await folder.options()),
    name,
    code,
    at,
    confirm: async () => true,
    signal,
  })
  await joined.settle(5000)
  expect((await added).device).toBe(name)
  return keep(joined)
}

describe("a record on one device", () => {
  test("what was set is there after a restart, and can be undone", async () => {
    const folder = new Folder()
    const first = await folder.create("phone")
    await first.set("card/name/full", "Ada Example")
    await first.set("card/name/full", "Ada Lovelace")
    await first.close()
    const again = await folder.open()
    expect(await again.get("card/name/full")).toBe("Ada Lovelace")
    await again.undo()
    expect(await again.get("card/name/full")).toBe("Ada Example")
    expect((await again.history("card/name/full")).map(({ device }) => device)).toContain("phone")
  })

  test("a folder without a record says so", async () => {
    await expect(new Folder().open()).rejects.toMatchObject({ code: "RECORD_ABSENT" })
  })
})

describe("two devices", () => {
  test("pair, have the same record, and converge after edits apart", async () => {
    const [one, two] = [new Folder(), new Folder()]
    const phone = await one.create("phone")
    await phone.set("card/name/full", "Ada Example")
    const [at = ""] = await phone.start({ listen: ["/ip4/127.0.0.1/tcp/0"] })
    const laptop = await pair(phone, two, "laptop", at)
    expect(await laptop.get("card/name/full")).toBe("Ada Example")
    await laptop.start({ listen: ["/ip4/127.0.0.1/tcp/0"] })
    await laptop.set("card/emails/home/address", "ada@example.org")
    await reaches(async () => (await phone.get("card/emails/home/address")) === "ada@example.org")
    await phone.set("card/nicknames/1/name", "ada")
    await reaches(async () => (await laptop.get("card/nicknames/1/name")) === "ada")
  })
})
