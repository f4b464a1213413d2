/**
 * The main job: one address change, two devices, three companies, on real input, with real
 * processes that know of each other only what their users would type.
 *
 * @module
 */
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFailed, test } from "vitest"
import type {
  Customers,
  Disclosures,
  Edit,
  Imported,
  MovePreview,
  Relationship,
  ShareChange,
  ShownRelationship,
  WhoHas,
} from "../harness/answers.ts"
import type { Company } from "../harness/company.ts"
import type { Device } from "../harness/device.ts"
import { pairDevices } from "../harness/pairing.ts"
import { folderBytes, needlesOf, searchBytes, searchFolder } from "../harness/search.ts"
import { until } from "../harness/until.ts"
import { NAMES, OWN_CARD, realCard, World } from "./world.ts"

const NEW_ADDRESS = "17 Heronwater Lane, Fallowmere FM4 2XQ"
const NEWER_ADDRESS = "Appartement 9, 44 rue des Saulnières, 44230 Vertou"
const NEW_EMAIL = "new.box@heronwater.example"
const HOME = "card/addresses/home"

describe("cards as phones and mail programs export them", () => {
  test.for([
    ["John_Doe_IPHONE", "Silicon Alley 5", "905-555-1234"],
    ["John_Doe_GMAIL", "Crescent moon drive", "905-555-1234"],
    ["John_Doe_MS_OUTLOOK", "Silicon Alley 5", "(905) 666-1234"],
  ] as const)("%s is taken in whole", async ([name, street, phone], context) => {
    const card = realCard(name)
    if (card === undefined) return context.skip("../shared/corpora is not there")
    await using world = await World.create()
    const device = world.device("laptop")
    await device.init()
    const { files } = await device.json<Imported>("import", card)
    expect(files).toMatchObject([{ cards: 1 }])
    expect(await device.get("card/name/full")).toMatch(/^Mr\. John Richter,? James Doe Sr\.$/)
    expect(JSON.stringify(await device.get(HOME))).toContain(street)
    expect(JSON.stringify(await device.get("card/phones"))).toContain(phone)
    const exported = await device.run(["export", "--format", "vcard"])
    expect(exported.stdout).toMatch(/\r\nN:Doe;John;Richter(,|\\, )James;Mr\.;Sr\./)
    expect(exported.stdout.replaceAll("\r\n ", "")).toContain(street)
  })
})

describe("the main job", () => {
  const card = realCard("John_Doe_IPHONE") ?? OWN_CARD
  let world: World
  let laptop: Device
  let phone: Device
  let shop: Company
  let newsletter: Company
  let forum: Company
  /** Every value that the record ever held. */
  const values = new Set<string>()
  let email: string
  let hasFailed = false

  beforeAll(async () => {
    world = await World.create()
    laptop = world.device("laptop")
    phone = world.device("phone")
  })
  afterAll(() => world[Symbol.asyncDispose]())
  beforeEach((context) => {
    if (hasFailed) context.skip("a step before this one failed")
    onTestFailed(() => {
      hasFailed = true
    })
  })

  const remember = async () => {
    for (const needle of needlesOf(await laptop.get())) values.add(needle)
  }
  const same = (what: string) =>
    until(
      async () => {
        const [here, there] = await Promise.all([seen(laptop), seen(phone)])
        return here === there
      },
      { what: `both devices show the same: ${what}` },
    )

  test("1. a record on one device, with a card that a telephone exported", async (context) => {
    if (card === OWN_CARD) context.annotate("../shared/corpora is not there: our own card is used")
    const { words } = await laptop.init()
    expect(words).toHaveLength(24)
    const imported = await laptop.json<Imported>("import", card)
    expect(imported.files).toMatchObject([{ cards: 1 }])
    expect(imported.files[0]?.fields.length).toBeGreaterThan(15)
    email = `card/emails/${Object.keys(Object(await laptop.get("card/emails")))[0]}/address`
    await remember()
  })

  test("2. a second device joins by a code, and has the whole record", async () => {
    const { pair, join, compared } = await pairDevices(laptop, phone)
    expect({ status: pair.status, stderr: pair.stderr }).toMatchObject({ status: 0 })
    expect({ status: join.status, stderr: join.stderr }).toMatchObject({ status: 0 })
    expect(compared).toBe(true)
    await laptop.daemon.up()
    await phone.daemon.up()
    expect(await phone.get()).toEqual(await laptop.get())
    expect(await phone.json("devices")).toMatchObject([{ name: "laptop" }, { name: "phone" }])
  })

  test("3. edits cross, also those made while apart; to different fields, both survive", async () => {
    await laptop.json<Edit>("set", "card/phones/mobile/number", "+44 7700 900123")
    await until(async () => (await phone.get("card/phones/mobile/number")) === "+44 7700 900123", {
      what: "the phone has the laptop's edit",
    })
    await phone.json<Edit>("set", "card/nicknames/1/name", "Johnno")
    await until(async () => (await laptop.get("card/nicknames/1/name")) === "Johnno", {
      what: "the laptop has the phone's edit",
    })
    await remember()

    await Promise.all([laptop.daemon.down(), phone.daemon.down(), world.relay.down()])
    const offline = ["--wait", "1"]
    await laptop.json("set", "card/phones/home/number", "+44 1632 960111", ...offline)
    await phone.json("set", "card/notes/1/note", "Bell is at the Garden Gate", ...offline)
    await laptop.json("set", "card/titles/title/name", "Penny Counter", ...offline)
    await phone.json("set", "card/titles/title/name", "Pound Counter", ...offline)
    await world.relay.up()
    await Promise.all([laptop.daemon.up(), phone.daemon.up()])
    await same("what both wrote while apart")
    expect(await laptop.get("card/phones/home/number")).toBe("+44 1632 960111")
    expect(await laptop.get("card/notes/1/note")).toBe("Bell is at the Garden Gate")
    expect(["Penny Counter", "Pound Counter"]).toContain(await phone.get("card/titles/title/name"))
    const history = await phone.json<readonly { readonly value?: unknown; device?: string }[]>(
      "history",
      "card/titles/title/name",
    )
    expect(history).toMatchObject(
      expect.arrayContaining([
        expect.objectContaining({ value: "Penny Counter", device: "laptop" }),
        expect.objectContaining({ value: "Pound Counter", device: "phone" }),
      ]),
    )
    await remember()
  })

  test("4. three companies sign her terms; each gets its part, and one is down meanwhile", async () => {
    shop = await world.company("shop")
    newsletter = await world.company("newsletter")
    forum = await world.company("forum")
    for (const company of [shop, newsletter, forum]) await company.node.up()
    const [toShop, toNewsletter, toForum] = [
      await shop.invite(),
      await newsletter.invite(),
      await forum.invite(),
    ]
    await forum.node.down()

    const asks = ["--disclose", "card/name", "--yes"]
    await expect(laptop.json("connect", toShop, ...asks)).rejects.toMatchObject({
      code: "CONNECT_FIELD_REQUIRED",
    })
    const answer = await laptop.json<Relationship>(
      ...["connect", toShop, "--disclose", `card/name,${HOME}`, "--terms", "SD-BASE"],
      ...["--wait", "20", "--yes"],
    )
    expect(answer).toMatchObject({ vendor: NAMES.shop, state: "agreed", terms: "SD-BASE" })
    await laptop.json("connect", toNewsletter, "--disclose", email, "--wait", "20", "--yes")
    expect(await laptop.json("connect", toForum, "--yes")).toMatchObject({ state: "proffered" })
    const again = await laptop.json<Relationship>("connect", toShop, "--yes")
    expect(again.id).toBe(answer.id)

    await forum.node.up()
    const rows = await until(
      async () => {
        const all = await laptop.json<readonly Relationship[]>("relationships")
        return all.length === 3 && all.every(({ state }) => state === "agreed") && all
      },
      { what: "all three agreed" },
    )
    expect(rows.map(({ vendor, fields }) => [vendor, [...fields].sort()])).toEqual(
      expect.arrayContaining([
        [NAMES.shop, [HOME, "card/name"]],
        [NAMES.newsletter, [email]],
        [NAMES.forum, []],
      ]),
    )
    await until(() => told(shop, HOME) && told(newsletter, email), {
      what: "both companies' systems have what they were given",
    })
    await isSignedByBoth(laptop, shop)
    expect(shop.receiver.events.map(({ type }) => type)).toContain("relationship.agreed")
    const { disclosures } = await shop.json<Disclosures>("disclosures")
    expect(disclosures.map(({ path, value }) => [path, value])).toEqual(
      expect.arrayContaining([
        ["card/name", await laptop.get("card/name")],
        [HOME, await laptop.get(HOME)],
      ]),
    )
    await until(() => forum.receiver.events.some(({ type }) => type === "relationship.agreed"), {
      what: "the forum's system knows of a member",
    })
    const dids = await Promise.all(
      [shop, newsletter, forum].map(async (company) => {
        return (await company.json<Customers>("customers")).customers[0]?.did
      }),
    )
    expect(new Set(dids).size).toBe(3)
  })

  test("5. a move tells those who were given the address, and nobody else", async () => {
    const before = counts(newsletter, forum)
    const preview = await laptop.json<MovePreview>("move", `${HOME}=${NEW_ADDRESS}`, "--dry-run")
    expect(preview.gets).toMatchObject([{ vendor: NAMES.shop, paths: [HOME] }])
    expect(preview.unaffected.map(({ vendor }) => vendor).sort()).toEqual(
      [NAMES.newsletter, NAMES.forum].sort(),
    )
    expect(JSON.stringify(await laptop.get(HOME))).not.toContain(NEW_ADDRESS)

    const declined = await laptop.run(["move", `${HOME}=${NEW_ADDRESS}`], { input: "n\n" })
    expect({ status: declined.status, told: declined.stderr }).toMatchObject({
      status: 1,
      told: expect.stringContaining("DECLINED"),
    })
    const moved = await laptop.run(["move", `${HOME}=${NEW_ADDRESS}`], { input: "y\n" })
    expect({ status: moved.status, stderr: moved.stderr }).toMatchObject({ status: 0 })
    const board = await until(
      async () => {
        const shown = await laptop.board()
        return shown?.done === true && shown
      },
      { what: "the move is applied" },
    )
    expect(board.lines.map(({ vendor, state }) => [vendor, state])).toEqual([
      [NAMES.shop, "applied"],
    ])
    const [line] = board.lines
    expect(line?.steps.map(({ state }) => state).slice(-5)).toEqual([
      ...["sealed", "relayed", "delivered", "accepted", "applied"],
    ])
    const signers = new Map(line?.steps.map(({ state, signedBy }) => [state, signedBy]))
    expect(signers.get("relayed")).toMatch(/^[0-9a-f]{64}$/)
    expect(signers.get("applied")).toMatch(/^[0-9a-f]{64}$/)
    expect(signers.get("applied")).not.toBe(signers.get("relayed"))
    expect(toldMoves(shop, NEW_ADDRESS)).toHaveLength(1)
    expect(counts(newsletter, forum)).toEqual(before)
    await remember()
  })

  test("6. what is down catches up: a company and a device", async () => {
    await phone.daemon.down()
    await shop.node.down()
    const moved = await laptop.run(["move", `${HOME}=${NEWER_ADDRESS}`, `${email}=${NEW_EMAIL}`], {
      input: "y\n",
    })
    expect({ status: moved.status, stderr: moved.stderr }).toMatchObject({ status: 0 })
    await until(async () => (await lineStates(laptop)).join() === "applied,relayed", {
      what: "one company has applied it, the other's waits at the relay",
    })
    // Typed again, as by somebody who was cut off, it is the same move.
    const made = await laptop.board()
    expect(await laptop.json("move", `${HOME}=${NEWER_ADDRESS}`, `${email}=${NEW_EMAIL}`)).toEqual(
      expect.objectContaining({ move: made?.move }),
    )
    const paths = newsletter.receiver.events.flatMap(({ data }) => changesOf(data))
    expect(new Set(paths.map(({ path }) => path))).toEqual(new Set([email]))

    await shop.node.up()
    await until(async () => (await laptop.board())?.done, { what: "both have applied it" })
    expect(toldMoves(shop, NEWER_ADDRESS)).toHaveLength(1)
    await phone.daemon.up()
    await same("the record and the board")
    expect((await phone.board())?.lines.map(({ state }) => state)).toEqual(["applied", "applied"])
    const held = await phone.json<readonly WhoHas[]>("who-has", HOME)
    expect(held).toMatchObject([{ vendor: NAMES.shop, evidence: "applied" }])
    for (const company of [shop, newsletter, forum]) {
      expect(company.receiver.refused).toEqual([])
      expect(await company.json("queue")).toEqual({ waiting: [], dead: [] })
    }
    await remember()
  })

  test("7. who was not given a value holds no byte of it", async () => {
    const everything = [...values]
    expect(everything.length).toBeGreaterThan(15)
    const emails = [needlesOf([await laptop.get("card/emails"), NEW_EMAIL]), "john.doe@ibm.com"]
    const notAnEmail = everything.filter((value) => !emails.flat().includes(value))

    expect(await folderBytes(world.relay.folder)).toBeGreaterThan(10_000)
    expect(await searchFolder(world.relay.folder, everything)).toEqual([])
    expect(searchBytes(Buffer.from(world.relay.printed), everything, "the relay's log")).toEqual([])
    expect(await searched(forum, everything)).toEqual([])
    expect(await searched(newsletter, notAnEmail)).toEqual([])
    // The search itself works: who was given the address says so.
    expect(await searched(shop, [NEWER_ADDRESS])).not.toEqual([])
    // A device's folder is sealed too.
    await laptop.daemon.down()
    expect(await searchFolder(laptop.folder, everything)).toEqual([])
  })
})

async function seen(device: Device): Promise<string> {
  return JSON.stringify(await Promise.all([device.get(), device.board()]))
}

/** Whether a company's system was told of a value at this path. */
function told({ receiver }: Company, path: string): boolean {
  return receiver.events.some(({ data }) => changesOf(data).some((one) => one.path === path))
}

function changesOf(data: unknown): NonNullable<ShareChange["changes"]> {
  const { changes = [] }: Partial<ShareChange> = Object(data)
  return changes
}

/** The moves that brought this address, each told once. */
function toldMoves({ receiver }: Company, address: string): readonly string[] {
  const ids = receiver.events.flatMap(({ id, data, body }) =>
    "move" in Object(data) && body.includes(address) ? [id] : [],
  )
  return [...new Set(ids)]
}

function counts(...companies: readonly Company[]): readonly number[] {
  return companies.map(({ receiver }) => receiver.bodies.length)
}

async function lineStates(device: Device): Promise<readonly string[]> {
  const board = await device.board()
  return (board?.lines ?? []).map(({ state }) => state).sort()
}

/** Both keep the same agreement, signed by both. */
async function isSignedByBoth(device: Device, company: Company): Promise<void> {
  const shown = await device.json<ShownRelationship & { readonly agreement: unknown }>(
    "show",
    company.name,
  )
  const { agreements } = await company.json<{
    readonly agreements: readonly { readonly did: string; readonly signed?: string }[]
  }>("agreements")
  const kept = agreements.find(({ did }) => did === shown.did)
  const signed: { readonly agreement: unknown; readonly signatures: readonly unknown[] } =
    JSON.parse(kept?.signed ?? "{}")
  expect(signed.agreement).toEqual(shown.agreement)
  expect(signed.signatures).toHaveLength(2)
}

/** All that a company keeps, prints, tells its system or exports. */
async function searched(company: Company, needles: readonly string[]) {
  const exported = JSON.stringify(await company.json("export"))
  return [
    ...(await searchFolder(company.folder, needles)),
    ...searchBytes(Buffer.from(exported), needles, "its export"),
    ...searchBytes(Buffer.from(company.node.printed), needles, "its log"),
    ...searchBytes(Buffer.from(company.receiver.bodies.join("\n")), needles, "its webhooks"),
  ]
}
