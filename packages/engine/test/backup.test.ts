/** Backups: one file that the 24 words open, with this program or without it. */
import { execFile } from "node:child_process"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import {
  generateRecoveryEntropy,
  recoveryKeysFromEntropy,
  recoveryWordsFromEntropy,
} from "@fulcrum/access/recovery-words"
import { concatBytes } from "@fulcrum/codec/bytes"
import { seededRandom } from "@fulcrum/crypto/random"
import { MemoryBlobs } from "@fulcrum/store/memory-blobs"
import { wordlist } from "@scure/bip39/wordlists/english.js"
import { Decrypter } from "age-encryption"
import { unpackTar } from "modern-tar"
import { beforeAll, describe, expect, onTestFinished, test } from "vitest"
import { restoreAttachments } from "../src/opening/recover-person.ts"
import type { Person } from "../src/person/person.ts"
import { readBackup, writeBackup } from "../src/recovery/backup-file.ts"
import { ailments, loadDocuments, PersonWorld } from "./person-world.ts"

const NAME = "card/name/full"
const OTHER_WORDS = recoveryWordsFromEntropy(generateRecoveryEntropy(seededRandom("other"))).join(
  " ",
)
const PHOTO = seededRandom("photo").bytes(600_000)

beforeAll(loadDocuments)

async function* piecesOf(bytes: Uint8Array, size = 65_536): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

async function gathered(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const all: Uint8Array[] = []
  for await (const piece of pieces) all.push(piece)
  return concatBytes(all)
}

/** A record that lies on no relay, its backup, and its device's end. */
async function backedUp(world: PersonWorld, fill: (person: Person) => Promise<void>) {
  const machine = { ...world.machine("phone"), blobs: new MemoryBlobs() }
  const phone = await world.create(machine)
  await phone.set(NAME, "Ada Lovelace")
  await fill(phone)
  const file = await gathered(phone.recovery.backup())
  const record = await phone.get()
  const words = world.words.get("phone") ?? ""
  return { machine, phone, file, record, words, backup: () => piecesOf(file) }
}

async function attach(person: Person): Promise<void> {
  const { signal } = new AbortController()
  const photo = { name: "me.jpg", mediaType: "image/jpeg", bytes: PHOTO.length, path: undefined }
  await person.attachments.add({ ...photo, content: piecesOf(PHOTO), signal })
}

/** As the program in the documents makes it of the words, by itself. */
async function identityOf(words: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "fulcrum-backup-"))
  onTestFinished(() => rm(folder, { recursive: true }))
  const [list, typed] = [join(folder, "english.txt"), join(folder, "words.txt")]
  await writeFile(list, wordlist.join("\n"))
  await writeFile(typed, words.replaceAll(" ", "\n"))
  const program = join(import.meta.dirname, "../../../docs/examples/words-to-age.mjs")
  const { stdout } = await promisify(execFile)(process.execPath, [program, list, typed])
  return stdout.trim()
}

describe("[P77] a backup", () => {
  test("brings the whole record back where nothing can be reached, attached files too", async () => {
    await using world = new PersonWorld()
    const { phone, record, words, backup } = await backedUp(world, attach)
    await world.end(phone)
    const machine = { ...world.machine("tablet"), blobs: new MemoryBlobs() }
    const tablet = await world.recover(machine, words, [], backup)
    expect(await tablet.get()).toEqual(record)
    expect(await tablet.history(NAME)).toMatchObject([{ device: "phone" }])
    expect(await restoreAttachments(tablet, { words, backup })).toMatchObject({
      restored: 1,
      isCut: false,
    })
    expect(await restoreAttachments(tablet, { words, backup })).toMatchObject({
      restored: 0,
      wrong: [],
    })
    const [row] = await tablet.attachments.list()
    expect(row).toMatchObject({ name: "me.jpg", here: "whole" })
    expect(await gathered(tablet.attachments.read("me.jpg"))).toEqual(PHOTO)
    await tablet.set(NAME, "Ada King")
    expect(await ailments(tablet)).toEqual([])
  })

  test("is opened by age and tar alone, with what people read in it", async () => {
    await using world = new PersonWorld()
    const { phone, file, words } = await backedUp(world, attach)
    const age = new Decrypter()
    age.addIdentity(await identityOf(words))
    const entries = await unpackTar(await age.decrypt(file), { strict: true })
    const found = new Map(entries.map(({ header, data }) => [header.name, data]))
    const json = new TextDecoder().decode(found.get("record.json"))
    expect(json).toBe(await phone.exportRecord({ format: "json", all: true }))
    expect(new TextDecoder().decode(found.get("card.vcf"))).toContain("FN:Ada Lovelace")
    const photo = entries.find(({ header }) => header.name.endsWith("/me.jpg"))
    expect(photo?.data && new Uint8Array(photo.data)).toEqual(PHOTO)
    expect(entries.every(({ header }) => header.mtime?.getTime() === 0)).toBe(true)
  })

  test("that is damaged in an attached file brings back all the rest", async () => {
    await using world = new PersonWorld()
    const { phone, record, words, file } = await backedUp(world, attach)
    await world.end(phone)
    const damaged = file.map((one, at) => (at === file.length - 100_000 ? one ^ 1 : one))
    for (const [name, changed] of Object.entries({ damaged, short: file.subarray(0, -5) })) {
      const machine = { ...world.machine(name), blobs: new MemoryBlobs() }
      const backup = () => piecesOf(changed)
      const tablet = await world.recover(machine, words, [], backup)
      expect(await tablet.get()).toEqual(record)
      const put = await restoreAttachments(tablet, { words, backup })
      expect(put).toMatchObject({ isCut: true })
      await world.end(tablet)
    }
  })

  test("brings relationships back, which go on", async () => {
    await using world = new PersonWorld()
    const relay = await world.relay()
    const shop = await world.vendor("Shop", relay)
    const { phone, words, backup } = await backedUp(world, (person) => world.dealWith(person, shop))
    const board = await phone.board()
    await world.end(phone)
    const tablet = await world.recover(world.machine("tablet"), words, [], backup)
    expect(await tablet.board()).toEqual(board)
    await world.moveTo(tablet, "Third Street 3")
    expect(shop.posted.filter((body) => body.includes("Third Street 3"))).toHaveLength(1)
  })

  test("of before meets what came after: nothing forks, and nothing is lost", async () => {
    await using world = new PersonWorld()
    const { phone, words, backup } = await backedUp(world, async () => undefined)
    await phone.set("card/nicknames/1/name", "Countess")
    const [at = ""] = await phone.start({ listen: ["/ip4/127.0.0.1/tcp/0"] })
    expect(at).not.toBe("")
    const tablet = await world.recover(world.machine("tablet"), words, [], backup)
    await tablet.set("card/nicknames/2/name", "Enchantress")
    await tablet.start({ listen: ["/ip4/127.0.0.1/tcp/0"] })
    const relay = await world.relay()
    await phone.addRelay(relay.address)
    await tablet.addRelay(relay.address)
    const isSame = async () =>
      JSON.stringify(await phone.get()) === JSON.stringify(await tablet.get())
    await world.until("both have both", isSame)
    expect(await phone.get("card/nicknames")).toMatchObject({ 1: {}, 2: {} })
    expect([await ailments(phone), await ailments(tablet)]).toEqual([[], []])
  })

  test("that was begun to be put back and cut off at any flush is completed", async () => {
    await using world = new PersonWorld()
    const { phone, record, words, backup } = await backedUp(world, async () => undefined)
    await world.end(phone)
    for (let at = 0, isHit = true; isHit; at++) {
      isHit = false
      const machine = world.machine(`tablet ${at}`)
      machine.disk.fault = ({ index }) => {
        if (isHit || index !== at) return undefined
        isHit = true
        return { type: at % 2 === 0 ? "crash-after" : "crash-before" }
      }
      const first = await world.recover(machine, words, [], backup).catch(() => undefined)
      if (first !== undefined) await world.end(first)
      machine.disk.fault = undefined
      machine.disk = machine.disk.copy()
      const again = await world.recover(machine, words, [], backup)
      expect(await again.get(), `cut off at flush ${at}`).toEqual(record)
      expect((await again.devices()).length, `cut off at flush ${at}`).toBe(2)
      await world.end(again)
    }
  })
})

const membersOf = async (person: Person) =>
  (await person.devices()).filter(({ state }) => state === "member").map(({ name }) => name)

describe("[P110] a backup from before a removal", () => {
  async function outdated(world: PersonWorld) {
    const relay = await world.relay()
    const machine = world.machine("phone")
    const phone = await world.during(world.create(machine, [relay.address]))
    await world.during(phone.set(NAME, "Ada Lovelace"))
    const laptop = await world.pair(phone, world.machine("laptop"), { relay: relay.address })
    const file = await gathered(phone.recovery.backup())
    await world.end(laptop)
    await world.during(phone.revokeDevice("laptop"))
    await world.during(phone.set(NAME, "Ada King"))
    await world.during(phone.settle(10_000))
    const words = world.words.get("phone") ?? ""
    return { phone, words, backup: () => piecesOf(file) }
  }

  test("brings the record as it is now, where one of its relays is reached", async () => {
    await using world = new PersonWorld("outdated")
    const { phone, words, backup } = await outdated(world)
    const tablet = await world.recover(world.machine("tablet"), words, [], backup)
    expect(await tablet.get(NAME)).toBe("Ada King")
    expect(await membersOf(tablet)).toEqual(["phone", "tablet"])
    await world.during(tablet.set(NAME, "Augusta Ada King"))
    await world.during(tablet.settle(10_000))
    await world.until("the phone to have it", async () => {
      await world.during(phone.settle(5000))
      return (await phone.get(NAME)) === "Augusta Ada King"
    })
    expect(await membersOf(phone)).toEqual(["phone", "tablet"])
  })

  test("brings it as it was, where none is: nor does it wait long for one that says nothing", async () => {
    await using world = new PersonWorld("outdated")
    const { words, backup } = await outdated(world)
    world.network.cut("tablet", "relay")
    const begun = world.clock.now()
    const tablet = await world.recover(world.machine("tablet"), words, [], backup)
    expect(await tablet.get(NAME)).toBe("Ada Lovelace")
    expect(await membersOf(tablet)).toEqual(["phone", "laptop", "tablet"])
    expect(world.clock.now() - begun).toBeLessThan(30_000)
  })
})

describe("[P113] a mailbox that is left before its relay is reached", () => {
  /** The tablet has a backup of before the others went on, and cannot reach the relay. */
  async function apart(world: PersonWorld) {
    const relay = await world.relay()
    const machine = world.machine("phone")
    const phone = await world.during(world.create(machine, [relay.address]))
    await world.during(phone.set(NAME, "Ada Lovelace"))
    const laptop = await world.pair(phone, world.machine("laptop"), { relay: relay.address })
    const file = await gathered(phone.recovery.backup())
    await world.during(laptop.settle(10_000))
    world.network.cut("tablet", "relay")
    const words = world.words.get("phone") ?? ""
    const tabletMachine = world.machine("tablet")
    const tablet = await world.recover(tabletMachine, words, [], () => piecesOf(file))
    return { relay, phone, laptop, tablet, tabletMachine }
  }

  /** Written where for the tablet the record lies no more; then the relay is reached. */
  async function goOn(world: PersonWorld, phone: Person): Promise<void> {
    await world.during(phone.set(NAME, "Ada King"))
    await world.during(phone.settle(10_000))
    world.network.heal("tablet", "relay")
  }

  test.for([
    ["", false],
    [", after a restart too", true],
  ] as const)(
    "because a device was removed is looked into, and told%s",
    async ([, isRestarted]) => {
      await using world = new PersonWorld(`left unused ${isRestarted}`)
      const { phone, laptop, tabletMachine, ...was } = await apart(world)
      await world.during(was.tablet.revokeDevice("laptop"))
      await world.during(was.tablet.settle(5000))
      if (isRestarted) await world.during(was.tablet.close())
      const tablet = isRestarted ? await world.reopen(tabletMachine) : was.tablet
      await goOn(world, phone)
      await world.until("the laptop to be told, and the phone and the tablet to meet", async () => {
        for (const person of [tablet, laptop, phone]) await world.during(person.settle(5000))
        return laptop.isRemoved && (await tablet.get(NAME)) === "Ada King"
      })
      expect(phone.isRemoved).toBe(false)
      for (const person of [phone, tablet])
        expect(await membersOf(person)).toEqual(["phone", "tablet"])
    },
  )

  test("because the relay was removed is looked into, and told", async () => {
    await using world = new PersonWorld("removed unused")
    const { relay, phone, laptop, tablet } = await apart(world)
    const other = await world.relay("other")
    await world.during(tablet.removeRelay(relay.address))
    await world.during(tablet.addRelay(other.address))
    await goOn(world, phone)
    await world.until("all to meet", async () => {
      for (const person of [tablet, laptop, phone]) await world.during(person.settle(5000))
      const relays = (await phone.relays()).map(({ address }) => address)
      return relays.join() === other.address && (await tablet.get(NAME)) === "Ada King"
    })
    expect(await membersOf(phone)).toEqual(["phone", "laptop", "tablet"])
  })
})

test("[P77] what nobody reads of a backup, or not to its end, holds nothing up", async () => {
  const { wrap } = recoveryKeysFromEntropy(generateRecoveryEntropy(seededRandom("words")))
  const large = seededRandom("large").bytes(500_000)
  async function* files() {
    for (const name of ["passed over", "begun", "read"]) {
      yield { name, bytes: large.length, content: piecesOf(large) }
    }
  }
  const file = await gathered(writeBackup(files(), wrap.publicKey))
  const read: [string, number][] = []
  for await (const { name, content } of readBackup(piecesOf(file), wrap)) {
    let bytes = 0
    if (name !== "passed over") {
      for await (const piece of content) {
        bytes += piece.length
        if (name === "begun") break
      }
    }
    read.push([name, bytes])
  }
  expect(read).toEqual([
    ["passed over", 0],
    ["begun", expect.any(Number)],
    ["read", large.length],
  ])
})

describe("[P78] a backup that cannot be used says why, and leaves nothing", () => {
  const use = async (
    world: PersonWorld,
    change: (file: Uint8Array) => Uint8Array,
    words?: string,
  ): Promise<Person> => {
    const made = await backedUp(world, async () => undefined)
    const content = () => piecesOf(change(made.file), 1000)
    return world.recover(world.machine("tablet"), words ?? made.words, [], content)
  }

  test("for other words", async () => {
    await using world = new PersonWorld()
    const code = expect.objectContaining({ code: "BACKUP_WORDS_OTHER" })
    await expect(use(world, (file) => file, OTHER_WORDS)).rejects.toEqual(code)
  })

  test.for([
    ["cut short", (file: Uint8Array) => file.subarray(0, file.length - 1)],
    ["cut shorter", (file: Uint8Array) => file.subarray(0, file.length >> 1)],
    ["empty", () => new Uint8Array()],
    ["no backup", () => seededRandom("noise").bytes(5000)],
    [
      "with a byte changed",
      (file: Uint8Array) => file.map((one, i) => (i === file.length - 9 ? one ^ 1 : one)),
    ],
    ["with one more byte", (file: Uint8Array) => concatBytes([file, new Uint8Array(1)])],
  ] as const)("%s", async ([, change]) => {
    await using world = new PersonWorld()
    const code = expect.objectContaining({ code: "BACKUP_DAMAGED" })
    await expect(use(world, change)).rejects.toEqual(code)
  })

  test("that cannot be read is no damaged one", async () => {
    await using world = new PersonWorld()
    const { words } = await backedUp(world, async () => undefined)
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield new Uint8Array(1)
      throw Object.assign(new Error("no such file"), { code: "ENOENT" })
    }
    const recovering = world.recover(world.machine("tablet"), words, [], failing)
    await expect(recovering).rejects.toEqual(expect.objectContaining({ code: "ENOENT" }))
  })
})
