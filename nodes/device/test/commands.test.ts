import { recoveryWordsFromEntropy } from "@fulcrum/access/recovery-words"
import { bytesToBase64url, utf8ToBytes } from "@fulcrum/codec/bytes"
import type { JsonValue } from "@fulcrum/codec/json"
import type { DeviceRow } from "@fulcrum/engine/person"
import type { AsideRow } from "@fulcrum/engine/person-aside"
import { RecordError } from "@fulcrum/record/record-error"
import { describe, expect, test } from "vitest"
import { Args } from "../src/args.ts"
import { CATALOG } from "../src/catalog.ts"
import type { Outcome } from "../src/command.ts"
import { orFailure } from "../src/commands/doctor.ts"
import { qrLines } from "../src/qr-code.ts"
import { runCommand } from "../src/run-command.ts"
import { paint } from "../src/text.ts"
import { MemoryIo } from "./memory-io.ts"
import { CodedError, MemoryPerson } from "./memory-person.ts"

interface Ran {
  readonly person: MemoryPerson
  readonly io: MemoryIo
  readonly outcome: Outcome | undefined
  readonly text: string
}

async function run(
  name: string,
  given: JsonValue = {},
  options: {
    readonly person?: MemoryPerson
    readonly io?: MemoryIo
    readonly signal?: AbortSignal
    readonly held?: readonly string[]
    readonly nowMs?: number
    readonly online?: (options: {
      readonly listen: boolean
      readonly at?: readonly string[]
    }) => void
  } = {},
): Promise<Ran> {
  const { person = new MemoryPerson(), io = new MemoryIo(), held = [] } = options
  const command = CATALOG.find((known) => known.name === name)
  const load = await command?.load?.()
  if (command === undefined || load === undefined) throw new TypeError(`no command ${name}`)
  const outcome = await runCommand(command, load, {
    person,
    io,
    args: Args.read(given, command.parameters),
    clock: { now: () => options.nowMs ?? 0, sleep: async () => undefined },
    signal: options.signal ?? new AbortController().signal,
    settle: async () => held,
    goOnline: async (asked) => {
      options.online?.(asked)
      await person.start({ listen: [] })
    },
  })
  return { person, io, outcome, text: paint(outcome?.text ?? "", { color: false }) }
}

describe("the record", () => {
  test("set says what changed, whom it reaches, and what still waits here", async () => {
    const ran = await run(
      "set",
      { path: "card/phones/home", value: "+49 1" },
      { held: ["1 entry for relay R"] },
    )
    expect(ran.outcome?.document).toEqual({
      changed: ["card/phones/home"],
      reaches: [{ relationship: "b3f19c02aa", vendor: "Acme", path: "card/phones/home" }],
      held: ["1 entry for relay R"],
    })
    expect(ran.text).toBe(
      [
        "Set card/phones/home.",
        "Reaches Acme:",
        "  Acme  card/phones/home",
        "Still kept here; `fulcrum up` brings it by itself, and `fulcrum sync` tries again:",
        "  1 entry for relay R",
      ].join("\n"),
    )
  })

  test("get prints text as it is, and the rest by path", async () => {
    const person = new MemoryPerson()
    person.values.set("card/name", "Ada\nBlume")
    const { outcome } = await run("get", { path: "card/name" }, { person })
    expect(outcome).toEqual({ document: "Ada\nBlume", text: "Ada\nBlume\n", exact: true })
    person.values.set("card", { phones: { "a/b": { number: "1" } }, tags: ["x"] })
    expect((await run("get", { path: "card" }, { person })).text).toBe(
      'card/phones/a~1b/number  1\ncard/tags                ["x"]',
    )
  })

  test("get shows a name and an address in one line, and with --json as they are", async () => {
    const person = new MemoryPerson()
    const card = {
      name: { components: [{ kind: "given", value: "Ada" }], full: "Ada Rose" },
      addresses: {
        home: { components: [{ kind: "locality", value: "Bern" }], contexts: { private: true } },
      },
    }
    person.values.set("card", card)
    const { outcome, text } = await run("get", { path: "card" }, { person })
    expect(text.split("\n").map((row) => row.split(/ {2,}/))).toEqual([
      ["card/name", "Ada Rose"],
      ["card/addresses/home", "Bern"],
      ["card/addresses/home/contexts/private", "true"],
    ])
    expect(outcome?.document).toEqual(card)
  })

  test("nothing there is null, and a note", async () => {
    const { outcome, io } = await run("get", { path: "card/name" })
    expect(outcome).toEqual({ document: null, text: "" })
    expect(io.notes).toEqual(["Nothing is there."])
  })

  test("unset, undo and history", async () => {
    const person = new MemoryPerson()
    await run("set", { path: "card/name", value: "Ada" }, { person })
    expect((await run("history", {}, { person })).text).toContain("card/name  Ada    laptop")
    expect((await run("unset", { path: "card/name" }, { person })).text).toBe("Removed card/name.")
    expect((await run("unset", { path: "card/name" }, { person })).text).toBe(
      "That was so already.",
    )
    const { outcome, text } = await run("undo", {}, { person })
    expect(text).toBe("Undone: card/name.\nThere now:\n  card/name  Ada")
    expect(outcome?.document).toMatchObject({ now: [{ path: "card/name", value: "Ada" }] })
    expect(person.values.get("card/name")).toBe("Ada")
    const first = await run("undo", {}, { person })
    expect(first.text).toContain("There now:\n  card/name  (nothing)")
    expect(first.outcome?.document).toMatchObject({ now: [{ path: "card/name", value: null }] })
  })

  test("import shows what it took from each file", async () => {
    const bytes = bytesToBase64url(utf8ToBytes("BEGIN:VCARD"))
    const { outcome, text } = await run("import", { files: [{ name: "me.vcf", bytes }] })
    expect(outcome?.document).toMatchObject({ files: [{ file: "me.vcf", cards: 2 }], held: [] })
    expect(text).toBe("me.vcf: 1 field, from the first of 2 cards\n  card/name  11 bytes")
  })

  test("import shows what it replaced", async () => {
    const person = new MemoryPerson()
    person.values.set("card/name", "Ada Blume")
    const bytes = bytesToBase64url(utf8ToBytes("BEGIN:VCARD"))
    const { outcome, text } = await run(
      "import",
      { files: [{ name: "me.vcf", bytes }] },
      { person },
    )
    expect(outcome?.document).toMatchObject({ files: [{ fields: [{ before: "Ada Blume" }] }] })
    expect(text).toContain("an import back:\n  card/name  Ada Blume  →  11 bytes")
  })

  test("import says of which file it warns, and which it cannot take", async () => {
    const person = new MemoryPerson()
    const io = new MemoryIo()
    person.importWarnings = ["PHOTO left out"]
    const files = ["a.vcf", "b.vcf"].map((name) => ({
      name,
      bytes: bytesToBase64url(utf8ToBytes(name)),
    }))
    const { outcome } = await run("import", { files }, { person, io })
    expect(io.notes).toEqual(["a.vcf: PHOTO left out", "b.vcf: PHOTO left out"])
    expect(outcome?.document).toMatchObject({ files: [{ warnings: person.importWarnings }, {}] })
    const take = person.importFile.bind(person)
    person.importFile = async (bytes) => {
      if (bytes[0] === 0x61) return await take(bytes)
      throw new RecordError("VCARD_INVALID", "no card in this file")
    }
    await expect(run("import", { files }, { person })).rejects.toMatchObject({
      code: "VCARD_INVALID",
      message: "b.vcf: no card in this file",
      todo: expect.stringContaining("export your own contact"),
    })
  })

  test("export gives the file itself, and with --json one document", async () => {
    const { outcome } = await run("export", { format: "vcard" })
    expect(outcome).toEqual({
      document: { format: "vcard", text: "BEGIN:VCARD\r\nEND:VCARD\r\n" },
      text: "BEGIN:VCARD\r\nEND:VCARD\r\n",
      exact: true,
    })
    expect((await run("export")).outcome?.document).toEqual({})
    await expect(run("export", { format: "pdf" })).rejects.toMatchObject({ code: "USAGE" })
  })
})

test("a move of what is not there says how to add it", async () => {
  const person = new MemoryPerson()
  const unknown = new RecordError("PATH_UNKNOWN", "no such path; did you mean card/addresses/home?")
  person.planMove = () => Promise.reject(unknown)
  const ran = run("move", { assignments: ["card/addresses/hmoe=B"] }, { person })
  await expect(ran).rejects.toMatchObject({
    code: "PATH_UNKNOWN",
    message: unknown.message,
    todo: expect.stringContaining("`fulcrum set`"),
  })
})

describe("devices and relays", () => {
  test("pair shows the code, then the check words, and asks", async () => {
    const io = new MemoryIo(["yes"])
    const { outcome, person } = await run("pair", {}, { io })
    expect(person.approved).toBe(true)
    expect(io.emitted.map(({ document }) => document)).toEqual([
      {
        ready: true,
        addresses: [],
        relays: [],
        code: "4711-copper-lemon-orbit",
        uri: "fulcrum-pair:1.AAAA",
        lanOnly: false,
        expiresAt: "1970-01-01T00:02:00.000Z",
      },
      { asking: { words: ["apple", "river"], name: "phone" } },
      { device: "phone" },
    ])
    expect(io.emitted.map(({ drawing }) => drawing?.lines)).toEqual([
      qrLines("fulcrum-pair:1.AAAA"),
      undefined,
      undefined,
    ])
    expect(outcome).toBeUndefined()
  })

  test("pair says what to add to the other command where the code alone does not do", async () => {
    const person = new MemoryPerson()
    person.addresses = ["/ip4/192.0.2.1/tcp/1", "/ip4/192.0.2.2/tcp/1"]
    await person.addRelay("/ip4/192.0.2.3/tcp/1/p2p/x")
    const { io } = await run("pair", {}, { person, io: new MemoryIo(["yes"]) })
    expect(
      paint(io.emitted[0]?.text ?? "", { color: false })
        .split("\n")
        .slice(-4),
    ).toEqual([
      "If this device is not found, or from elsewhere, add one of these to the command:",
      "  --at /ip4/192.0.2.1/tcp/1",
      "  --at /ip4/192.0.2.2/tcp/1",
      "  --relay /ip4/192.0.2.3/tcp/1/p2p/x",
    ])
  })

  test("pair listens where it is told", async () => {
    const asked: object[] = []
    const io = new MemoryIo(["yes"])
    const listen = ["/ip4/127.0.0.1/tcp/0"]
    await run("pair", { listen }, { io, online: (options) => asked.push(options) })
    expect(asked).toEqual([{ listen: true, at: listen }])
  })

  test("a device that you do not approve is not added", async () => {
    const ran = run("pair", {}, { io: new MemoryIo(["no"]) })
    await expect(ran).rejects.toMatchObject({ code: "PAIR_DECLINED" })
  })

  test("a device is renamed, and what waits is named", async () => {
    const person = new MemoryPerson()
    const held = ["the record: not all of it is on R"]
    const given = { name: "phone", newName: "old phone" }
    const { outcome, text } = await run("devices rename", given, { person, held })
    expect(outcome?.document).toMatchObject({
      ...{ renamed: "phone", name: "old phone", held },
      devices: [{ name: "laptop" }, { name: "old phone" }],
    })
    expect(text).toMatch(/^phone is old phone from now on\.\nStill kept here/)
    const same = await run("devices rename", { name: "old phone", newName: "old phone" })
    expect(same.text).toBe("old phone is its name already.")
    const taken = run("devices rename", { name: "phone", newName: "laptop" })
    await expect(taken).rejects.toMatchObject({ code: "DEVICE_NAME_TAKEN" })
  })

  test("[P109] what removed devices wrote is listed, taken and dropped by its id", async () => {
    expect((await run("devices aside")).text).toBe("Nothing is set aside.")
    const person = new MemoryPerson()
    const fields = [
      { path: "card/emails/home/address", value: "a@example.org", now: "b@example.org" },
      { path: "card/phones/home", value: undefined, now: { number: "+49 1" } },
    ]
    const row: AsideRow = { id: "3fa94c01d2", device: "old phone", fields, others: ["company"] }
    person.strays = [row]
    const { outcome, text } = await run("devices aside", {}, { person })
    expect(outcome?.document).toEqual([row])
    expect(text).toMatch(/3fa94c01 +old phone +card\/emails\/home\/address +a@example.org +b@ex/)
    expect(text).toMatch(/old phone +card\/phones\/home +removes it +/)
    expect(text).toMatch(/old phone +not to be taken: a company that it met/)
    expect(text).toContain("`fulcrum devices take ID…`")
    expect((await run("doctor", {}, { person })).text).toMatch(/set aside +1 entry of a removed/)
    const held = ["the record: not all of it is on R"]
    const taken = await run("devices take", { id: ["3fa94c01"] }, { person, held })
    expect(taken.text).toMatch(
      /^Taken: card\/emails\/home\/address and card\/phones\/home\.\nStill kept/,
    )
    const dropped = await run("devices drop", { id: ["all"] }, { person })
    expect(dropped.outcome?.document).toMatchObject({ dropped: ["3fa94c01d2"] })
    expect(dropped.text).toBe("Dropped: 3fa94c01. No device of yours lists it any more.")
    expect(person.decided).toEqual(["take 3fa94c01", "drop 3fa94c01d2"])
    // What holds no field is none of all that is taken.
    person.strays = [{ ...row, fields: [] }]
    const none = await run("devices take", { id: ["all"] }, { person })
    expect(none.text).toBe("Nothing that is set aside is a field.")
    person.strays = []
    expect((await run("devices drop", { id: ["all"] }, { person })).text).toBe(
      "Nothing is set aside.",
    )
    expect(person.decided).toHaveLength(2)
  })

  test("whom to remove is looked up before anything is asked", async () => {
    for (const [name, code] of [
      ["toaster", "DEVICE_UNKNOWN"],
      ["laptop", "DEVICE_IS_THIS"],
    ] as const) {
      const io = new MemoryIo(["yes"])
      await expect(run("devices revoke", { name }, { io })).rejects.toMatchObject({ code })
      expect(io.asked).toEqual([])
    }
  })

  test("to remove a device somebody at a terminal has to say yes; --yes is one", async () => {
    for (const [interactive, fallback] of [
      [true, "no"],
      [false, "yes"],
    ] as const) {
      const io = new MemoryIo(["yes"], { interactive })
      await run("devices revoke", { name: "phone" }, { io })
      expect(io.asked.map((question) => question.default)).toEqual([fallback])
    }
  })

  test("a device is removed once you said yes", async () => {
    const no = run("devices revoke", { name: "phone" }, { io: new MemoryIo(["no"]) })
    await expect(no).rejects.toMatchObject({ code: "DECLINED" })
    const { text } = await run("devices revoke", { name: "phone" }, { io: new MemoryIo(["yes"]) })
    expect(text).toBe("phone is removed.")
  })

  test("what a removal can do and what nothing can is shown before it is asked, and given with --json", async () => {
    const person = new MemoryPerson()
    person.phone = { kind: "Windows", lastSeenMs: 0, lag: { behind: 3, ahead: 0 } }
    person.revokes = { attachments: 2, companies: 2, entries: 7 }
    const io = new MemoryIo(["yes"])
    const { outcome } = await run("devices revoke", { name: "phone" }, { person, io, nowMs: 7.2e6 })
    const shown = io.shown.map(({ text }) => paint(text, { color: false })).join("\n")
    expect(shown).toContain("phone (Windows; seen 2 hours ago)\nIt has already, and nothing can")
    for (const part of [
      "the whole record, as it had it last: 3 entries behind then",
      "2 files of the record",
      "the keys of all that was written until now",
      "anything that is written from now on",
      "it moves to mailboxes that this device does not know",
      "what the shares of 2 companies hold from now on",
      "What it wrote and is here stays: 7 entries. What is not here yet is set aside:",
      "it can still write to them as you",
    ]) {
      expect(shown).toContain(part)
    }
    const comesTo = {
      keeps: {
        record: { connected: false, lastSeenMs: 0, lag: { behind: 3, ahead: 0 } },
        attachments: 2,
      },
      ...{ companies: 2, stays: { entries: 7 } },
    }
    expect(io.asked[0]).toMatchObject({
      text: "Remove phone for good?",
      document: { revoke: "phone", ...comesTo },
    })
    expect(outcome?.document).toMatchObject({ removed: "phone", ...comesTo })
  })

  test("of one that is removed already it is said that the removal is finished", async () => {
    const person = new MemoryPerson()
    person.revokes = { device: undefined }
    const io = new MemoryIo(["no"])
    const { outcome } = await run("devices revoke", { name: "phone" }, { person, io })
    expect(io.asked).toEqual([])
    expect(io.shown[0]?.text).toContain("removed already")
    expect(outcome?.document).not.toHaveProperty("keeps")
  })

  test("devices tells of each what it is, who let it in, when it was seen and what it has", async () => {
    const person = new MemoryPerson()
    const rows = async (phone: Partial<DeviceRow>, nowMs = 7_200_000) => {
      person.phone = phone
      const { text } = await run("devices", {}, { person, nowMs })
      return text.split("\n").map((row) => row.split(/ {2,}/))
    }
    const head = ["name", "kind", "added by", "last seen", "holds"]
    const laptop = ["laptop", "Linux, laptop", "itself", "this device", "what is here"]
    expect(await rows({})).toEqual([
      head,
      laptop,
      ["phone", "not known", "laptop", "never", "not known"],
    ])
    const lag = { behind: 0, ahead: 0 }
    const seen = { kind: "Windows", lastSeenMs: 0, lag }
    const words = { by: "recovery", name: undefined } as const
    const byLaptop = { by: "device", name: "laptop" } as const
    for (const [phone, ...cells] of [
      [seen, "laptop", "2 hours ago", "in step then"],
      [{ ...seen, lastSeenMs: 7_199_000 }, "laptop", "just now", "in step then"],
      [{ ...seen, lag: { behind: 1, ahead: 0 } }, "laptop", "2 hours ago", "1 entry behind then"],
      [
        { ...seen, lag: { behind: 3, ahead: 2 } },
        ...["laptop", "2 hours ago", "3 entries behind then, has 2 entries that are not here"],
      ],
      [{ ...seen, connected: true, hasEverything: true }, "laptop", "connected", "in step"],
      [{ ...seen, connected: true }, "laptop", "connected", expect.stringContaining("shares")],
      [
        { ...seen, connected: true, lag: { behind: 2, ahead: 0 } },
        ...["laptop", "connected", "2 entries behind"],
      ],
      [
        { ...seen, state: "removed", removedBy: [byLaptop, words], addedBy: words },
        ...["the recovery words", "2 hours ago", "removed by laptop and the recovery words"],
      ],
    ] as const) {
      expect(await rows(phone)).toEqual([head, laptop, ["phone", "Windows", ...cells]])
    }
  })

  test("devices of a device that was removed says so first", async () => {
    const person = new MemoryPerson()
    person.isRemoved = true
    const { text, outcome } = await run("devices", {}, { person })
    expect(text).toMatch(/^This device was removed from the record: it gets and sends nothing/)
    expect(text).toContain("`fulcrum join CODE --home NEW-FOLDER`")
    expect(outcome?.document).toMatchObject([{ isThis: true, state: "removed" }, {}])
  })

  test("what else a device that was removed shows comes with a word about that", async () => {
    const person = new MemoryPerson()
    person.values.set("card/phones/home", "+49 1")
    for (const [name, given] of [
      ["get", { path: "card/phones/home" }],
      ["relationships", {}],
      ["who-has", { path: "card/phones/home" }],
    ] as const) {
      const io = new MemoryIo()
      await run(name, given, { person, io })
      expect(io.notes.filter((note) => note.includes("was removed"))).toEqual([])
      person.isRemoved = true
      await run(name, given, { person, io })
      expect(io.notes).toContainEqual(expect.stringMatching(/^This device was removed/))
      person.isRemoved = false
    }
    // Those that say so themselves say it once.
    person.isRemoved = true
    const io = new MemoryIo()
    await run("status", {}, { person, io })
    expect(io.notes).toEqual([])
  })

  test("new words are made with the old at hand, or it is said for what those are kept", async () => {
    const old = recoveryWordsFromEntropy(new Uint8Array(32)).join(" ")
    const given: (string | undefined)[] = []
    const person = new MemoryPerson()
    person.recovering = {
      replaceWords: async (before) => {
        given.push(before)
        const undecided = before === undefined ? 1 : 0
        return { words: ["abandon"], undecided, wordsSeen: async () => undefined }
      },
    }
    // The one word that is shown is asked for twice.
    for (const typed of [old, ""]) {
      const io = new MemoryIo(["yes", typed, "abandon", "abandon"], { interactive: true })
      const { text } = await run("recovery-words", {}, { person, io })
      expect(io.asked[1]?.text).toMatch(/^Your words until now/)
      expect(text.includes("then destroy the old backups and the old words.")).toBe(typed === old)
      expect(text.includes("Keep the old words for 1 company")).toBe(typed !== old)
    }
    // A script is asked nothing.
    await run("recovery-words", {}, { person, io: new MemoryIo(["yes"]) })
    expect(given).toEqual([old, undefined, undefined])
    // Nor is anybody who has met no company.
    person.relationships = async () => []
    const io = new MemoryIo(["yes", "abandon", "abandon"], { interactive: true })
    await run("recovery-words", {}, { person, io })
    expect(given).toHaveLength(4)
  })

  test("a removed device is not asked for the words, which it has no use for", async () => {
    const person = new MemoryPerson()
    person.isRemoved = true
    for (const command of ["recovery-drill", "recovery-words"]) {
      const io = new MemoryIo(["yes"])
      const refused = run(command, {}, { person, io })
      await expect(refused).rejects.toMatchObject({ code: "DEVICE_REMOVED" })
      expect(io.asked).toEqual([])
    }
  })

  test("relays are added, listed and removed", async () => {
    const person = new MemoryPerson()
    await run("relay add", { address: "/ip4/127.0.0.1/tcp/1/p2p/x" }, { person })
    expect((await run("relay list", {}, { person })).text).toBe(
      "not asked now  not everything yet  /ip4/127.0.0.1/tcp/1/p2p/x",
    )
    await run("relay remove", { address: "/ip4/127.0.0.1/tcp/1/p2p/x" }, { person })
    expect((await run("relay list", {}, { person })).outcome?.document).toEqual([])
  })
})

describe("relationships", () => {
  test("connect shows who gets what before it asks, and gives nothing by default", async () => {
    const io = new MemoryIo(["yes"])
    const { person, outcome } = await run("connect", { invitation: "fulcrum:1.x" }, { io })
    expect(person.connected).toEqual([{ invitation: "fulcrum:1.x", disclose: [] }])
    const shown = paint(io.shown[0]?.text ?? "", { color: false })
    expect(shown).toContain("Acme (acme.example), not checked")
    expect(shown).toContain("It gets no field: you stay nameless.")
    expect(shown).toContain("card/phones/home  optional  delivery  P1Y  to call you")
    expect(shown).toContain("made for one person")
    expect(outcome?.document).toMatchObject({ state: "proffered", held: [] })
  })

  test("connect with --wait goes on until the company has answered", async () => {
    const given = {
      invitation: "fulcrum:1.x",
      disclose: "card/name, card/phones/home:once",
      wait: 5,
    }
    const { person, outcome, text } = await run("connect", given, { io: new MemoryIo(["yes"]) })
    expect(person.connected[0]?.disclose).toEqual(["card/name", "card/phones/home:once"])
    expect(outcome?.document).toMatchObject({ state: "agreed" })
    expect(text).toBe("Agreed with Acme on SD-BASE.")
  })

  test("an invitation that was agreed on before asks nothing, and waits for nothing", async () => {
    const person = new MemoryPerson()
    const given = { path: "card/phones/home", value: "+49 1", follows: true, given: true }
    person.followed = {
      ...{ resumes: "b3f19c02aa", state: "agreed", ownDid: "did:key:z6MkOwn", disclosed: [given] },
    }
    const io = new MemoryIo()
    const asked = { invitation: "fulcrum:1.x", disclose: "card/name", wait: 5 }
    const { outcome, text } = await run("connect", asked, { io, person })
    expect(io.asked).toEqual([])
    expect(person.connected).toEqual([])
    expect(text).toContain("you appear as  did:key:z6MkOwn")
    expect(text).toContain("It has from you:\n  card/phones/home  +49 1  and later changes")
    expect(text).not.toContain("It gets")
    expect(text).toContain("Not given by following it again: card/name")
    expect(text).toContain(
      "You and Acme have agreed on SD-BASE already; see `fulcrum show b3f19c02`.",
    )
    expect(outcome).toMatchObject({ failed: false, document: { state: "agreed", held: [] } })
  })

  test("an invitation that somebody else used fails, also where nobody waits", async () => {
    const person = new MemoryPerson()
    person.isUsed = true
    for (const wait of [{}, { wait: 5 }]) {
      const given = { invitation: "fulcrum:1.x", ...wait }
      const ran = run("connect", given, { person, io: new MemoryIo(["yes"]) })
      await expect(ran).rejects.toMatchObject({ code: "CONNECT_INVITATION_USED" })
    }
    person.relationship = { state: "refused", refusedBy: "relay" }
    expect((await run("relationships", {}, { person })).text).toContain(
      "refused: invitation used already",
    )
    const { text } = await run("show", { vendor: "Acme" }, { person })
    expect(text).toContain("Acme (acme.example), refused: invitation used already")
  })

  test("somebody at a terminal is asked which fields to give", async () => {
    const io = new MemoryIo(["card/name", "yes"], { interactive: true })
    const { person } = await run("connect", { invitation: "fulcrum:1.x" }, { io })
    expect(person.connected[0]?.disclose).toEqual(["card/name"])
    expect(io.asked[0]?.default).toBe("none")
  })

  test("a no sends nothing", async () => {
    const person = new MemoryPerson()
    const io = new MemoryIo(["no"])
    const ran = run("connect", { invitation: "fulcrum:1.x" }, { io, person })
    await expect(ran).rejects.toMatchObject({ code: "DECLINED" })
    expect(person.connected).toEqual([])
  })

  test("show, relationships, who-has and terms read well", async () => {
    expect((await run("relationships")).text).toBe(
      "b3f19c02  Acme  acme.example  agreed  3 deliverable  SD-BASE  1 field",
    )
    expect((await run("show", { vendor: "Acme" })).text).toContain(
      "card/phones/home  +49 1  applied  follows  delivery  P1Y",
    )
    expect((await run("who-has", { path: "card/phones/home" })).text).toContain("applied")
    expect((await run("who-has", { path: "card/name" })).text).toBe("No company has it from you.")
    expect((await run("terms list")).text).toBe("SD-BASE  Service, no more")
  })
})

describe("who-has", () => {
  const value = "+49 2"
  const holds = { value: "+49 1", evidence: "applied" } as const
  const cells = async (had: MemoryPerson["had"]): Promise<readonly (readonly string[])[]> => {
    const person = new MemoryPerson()
    person.had = had
    const { text } = await run("who-has", { path: "card/phones/home" }, { person })
    const rows = text.split("\n").slice(1)
    return rows.map((row) => row.split(/ {2,}/)).map((row) => [row[2] ?? "", row[5] ?? ""])
  }

  test("names what the company has, and what is on its way to it", async () => {
    expect(await cells({ value, evidence: undefined, state: "sealed", holds })).toEqual([
      ["+49 1", "applied"],
      ["+49 2", "on its way: sealed"],
    ])
    expect(await cells({ value: undefined, evidence: "relayed", state: "relayed", holds })).toEqual(
      [
        ["+49 1", "applied"],
        ["(nothing)", "on its way: relayed"],
      ],
    )
  })

  test("says what was rejected", async () => {
    expect(await cells({ value, evidence: undefined, state: "rejected", holds })).toEqual([
      ["+49 1", "applied"],
      ["+49 2", "rejected"],
    ])
    expect(await cells({ value, evidence: undefined, state: "rejected" })).toEqual([
      ["+49 2", "rejected"],
    ])
    expect(await cells({ value, evidence: undefined, state: "sealed" })).toEqual([
      ["+49 2", "not confirmed"],
    ])
  })
})

describe("moves", () => {
  const given = { assignments: ["card/phones/home=+41 = 2"], from: "2026-12-15" }

  test("a dry run shows who would get what, and changes nothing", async () => {
    const { person, text } = await run("move", { ...given, dryRun: true })
    expect(person.moves).toEqual([])
    expect(text).toBe(
      [
        "From 2026-12-15:",
        "  card/phones/home  (nothing)  →  +41 = 2",
        "",
        "Who is told:",
        "  Acme  card/phones/home",
        "Not told: Other",
      ].join("\n"),
    )
  })

  test("the preview comes first, always; then the board", async () => {
    const io = new MemoryIo(["yes"])
    const { outcome, text } = await run("move", given, { io })
    expect(io.shown).toHaveLength(1)
    expect(outcome?.document).toMatchObject({ move: "77aa01", held: [] })
    expect(text).toContain("  Acme  sealed → relayed\n0 of 1 done")
  })

  test("a no changes nothing", async () => {
    const person = new MemoryPerson()
    const ran = run("move", given, { io: new MemoryIo(["no"]), person })
    await expect(ran).rejects.toMatchObject({ code: "DECLINED" })
    expect(person.moves).toEqual([])
  })

  test("a change without a value is wrong usage", async () => {
    const ran = run("move", { assignments: ["card/name"] })
    await expect(ran).rejects.toMatchObject({ code: "USAGE" })
  })

  test("the board is watched until every company has answered", async () => {
    const person = new MemoryPerson()
    const io = new MemoryIo()
    const begun = await person.move({ assignments: [{ path: "card/name", value: "A" }] })
    const watching = run("board", { watch: true }, { person, io })
    await expect.poll(() => io.emitted.length).toBe(2)
    person.changed("network")
    person.moves.push({ ...begun, done: true })
    person.changed("board")
    expect((await watching).outcome).toBeUndefined()
    expect(io.emitted.map(({ document }) => document)).toEqual([
      { ready: true, addresses: [] },
      begun,
      { ...begun, done: true },
    ])
    expect(person.listeners.size).toBe(0)
  })

  test("without a move there is no board", async () => {
    expect((await run("board")).outcome?.document).toBeNull()
  })
})

describe("in step", () => {
  test("status tells devices, relays and what waits", async () => {
    const person = new MemoryPerson()
    person.held = ["2 entries for your other devices"]
    const { text } = await run("status", {}, { person })
    expect(text).toContain("laptop: 1 document, 0 entries, 1 relationship")
    expect(text).toContain("Waits here\n  2 entries for your other devices")
  })

  test("status says who has all of it, who is behind and since when, and why a relay lacks it", async () => {
    const person = new MemoryPerson()
    const [good, bad] = ["/dns4/a.example/tcp/1", "/dns4/b.example/tcp/1"]
    person.phone = { lastSeenMs: 0, lag: { behind: 0, ahead: 0 } }
    person.relays = async () => [
      { address: good, state: "reachable", pending: 0, code: undefined },
      { address: bad, state: "unreachable", pending: 1, code: "NET_TIMEOUT" },
    ]
    const shown = async () =>
      (await run("status", {}, { person, nowMs: 3_600_000 })).text.replaceAll(/ {2,}/g, "  ")
    expect(await shown()).toContain(`also on phone and the relay ${good}.\nNothing waits`)
    expect(await shown()).toContain(`reachable  holds everything  ${good}`)
    expect(await shown()).toContain(`unreachable (NET_TIMEOUT)  not everything yet  ${bad}`)
    person.phone = { lastSeenMs: 0, lag: { behind: 4, ahead: 0 } }
    expect(await shown()).toContain("phone  seen 1 hour ago  4 entries behind then")
    expect(await shown()).toContain(`also on the relay ${good}.`)
    // By what it signed last, though it is not asked.
    const asked = await person.relays()
    person.relays = async () => asked.map((one) => ({ ...one, state: "untried" as const }))
    expect(await shown()).toContain(`also on the relay ${good}.`)
    expect(await shown()).toContain(`not asked now  held everything  ${good}`)
    person.relays = async () => []
    expect(await shown()).toContain("Nobody else is known to have all of the record that is here.")
    person.phone = { state: "removed", removedBy: [{ by: "device", name: "laptop" }] }
    expect(await shown()).toContain("phone  removed by laptop")
    expect(await shown()).toContain("All of it is on this device alone")
  })

  test("status tells of files that are on one device only, and of lost ones", async () => {
    const person = new MemoryPerson()
    person.singleCopies = [
      { device: "phone", attachments: 2 },
      { device: undefined, attachments: 1 },
    ]
    const { text, outcome } = await run("status", {}, { person })
    expect(text).toContain("2 attachments are on phone alone: `fulcrum attachments get NAME`")
    expect(text).toContain("1 attachment is on none of your devices")
    expect(outcome?.document).toMatchObject({ singleCopies: person.singleCopies })
  })

  test("doctor says who holds the record, and what is out of step, where and why", async () => {
    const person = new MemoryPerson()
    person.relays = async () => [
      { address: "/dns4/b.example/tcp/1", state: "full", pending: 1, code: "RELAY_FULL" },
    ]
    person.phone = { lastSeenMs: 0, lag: { behind: 4, ahead: 0 } }
    const { outcome } = await run("doctor", {}, { person, nowMs: 3_600_000 })
    expect(outcome).toMatchObject({ failed: false })
    expect(outcome?.document).toMatchObject({
      checks: expect.arrayContaining([
        { check: "held by", ok: true, detail: expect.stringMatching(/^Nobody else is known/) },
        {
          ...{ check: "not in step", ok: true },
          detail: "phone: seen 1 hour ago, 4 entries behind then",
        },
        {
          ...{ check: "not in step", ok: true },
          detail: "/dns4/b.example/tcp/1: not everything is there yet (RELAY_FULL)",
        },
      ]),
    })
  })

  test("status is watched until interrupted", async () => {
    const controller = new AbortController()
    const io = new MemoryIo()
    const watching = run("status", { watch: true }, { io, signal: controller.signal })
    await expect.poll(() => io.emitted.length).toBe(2)
    controller.abort()
    await watching
  })

  test("sync settles for as long as it is told", async () => {
    const person = new MemoryPerson()
    const [relay, lacking] = ["/dns4/relay.example/tcp/4001", "/dns4/other.example/tcp/4001"]
    person.relays = async () => [
      { address: relay, state: "reachable", pending: 0, code: undefined },
      { address: lacking, state: "reachable", pending: 1, code: undefined },
    ]
    const { text } = await run("sync", { wait: 3 }, { person })
    expect(person.settled).toEqual([3000])
    expect(text).toBe(
      "In step with the relay /dns4/relay.example/tcp/4001.\nNot met: phone; all of this is on the relay.",
    )
  })

  test("sync does not say so of devices that it met nowhere", async () => {
    const { text } = await run("sync")
    expect(text).toMatch(/^No other device was met, and no relay keeps the record\./)
  })

  test("sync names the relays that it could not read", async () => {
    const person = new MemoryPerson()
    const { status } = person
    const [away, liar] = ["/dns4/away.example/tcp/4001", "/dns4/liar.example/tcp/4001"]
    const unread = { state: "unreachable", pending: 0 } as const
    person.status = async () => ({
      ...(await status.call(person)),
      relays: [
        { ...unread, address: away, code: "NET_UNREACHABLE" },
        { ...unread, address: liar, code: "RELAY_EQUIVOCATION" },
      ],
    })
    const { text } = await run("sync", {}, { person })
    expect(text).not.toContain("in step")
    expect(text).toContain(`Nothing waits here.\nNot reached: ${away} (NET_UNREACHABLE)`)
    expect(text).toContain(`contradicts what it signed: ${liar}`)
  })

  test("sync fails on a device that was removed, known before or just heard", async () => {
    const person = new MemoryPerson()
    const settle = person.settle.bind(person)
    person.settle = async (timeoutMs) => {
      person.isRemoved = true
      return settle(timeoutMs)
    }
    for (const settled of [[3000], [3000]]) {
      const ran = run("sync", { wait: 3 }, { person })
      await expect(ran).rejects.toMatchObject({ code: "DEVICE_REMOVED" })
      expect(person.settled).toEqual(settled)
    }
  })

  test("status and doctor of a removed device say that it is one, and what to do", async () => {
    const person = new MemoryPerson()
    person.isRemoved = true
    const { text, outcome } = await run("status", {}, { person })
    expect(text).toContain(
      "This device was removed from the record: it gets and sends nothing any more.",
    )
    expect(text).not.toContain("Nothing waits")
    expect(outcome?.document).toMatchObject({ removed: true })
    person.doctor = async () => [{ check: "membership", ok: false, detail: "removed" }]
    const doctor = await run("doctor", {}, { person })
    expect(doctor.outcome?.failed).toBe(true)
    expect(doctor.text).toMatch(
      /removed: what is here stays readable: take it with `fulcrum export`/,
    )
    expect(doctor.text).not.toContain("in step")
  })

  test("doctor says what to do about damage", async () => {
    for (const code of ["STORE_CORRUPT", "VAULT_DAMAGED"]) {
      const outcome = await orFailure(async () => {
        throw new CodedError(code, "000005.ldb is damaged")
      })
      const text = paint(outcome?.text ?? "", { color: false })
      expect(outcome?.failed).toBe(true)
      expect(text).toContain(`000005.ldb is damaged (${code}): `)
      expect(text).toContain("fulcrum doctor --repair")
    }
  })

  test("doctor fails when something is not well", async () => {
    const person = new MemoryPerson()
    expect((await run("doctor", {}, { person })).outcome?.failed).toBe(false)
    person.doctor = async () => [{ check: "record", ok: false, detail: "a hole" }]
    const { outcome, text } = await run("doctor", {}, { person })
    expect(outcome).toMatchObject({ failed: true, document: { ok: false } })
    expect(text).toMatch(/not ok {2}record +a hole/)
  })
})
