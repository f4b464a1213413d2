/**
 * `npm run demo`: one address change, two devices, three companies, with the programs as their
 * users run them: real processes on 127.0.0.1, each with a folder of its own.
 *
 * Ends with status 0, or with 1 and the file that holds what every process printed.
 *
 * @module
 */
import { writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Board, Imported, MovePreview, Relationship, WhoHas } from "../harness/answers.ts"
import { Company } from "../harness/company.ts"
import { Device } from "../harness/device.ts"
import { joinArgs, pairDevices } from "../harness/pairing.ts"
import { Stage } from "../harness/programs.ts"
import { folderBytes, needlesOf, searchBytes, searchFolder } from "../harness/search.ts"
import { Service } from "../harness/service.ts"
import { until } from "../harness/until.ts"
import { CARD, type CastCompany, FORUM, NEW_ADDRESS, NEW_EMAIL, NEWSLETTER, SHOP } from "./cast.ts"
import { Narrator } from "./narrator.ts"

/** It takes half a minute at most on two slow cores; something hangs if it takes this long. */
const DEMO_MS_MAX = 110_000

const begun = performance.now()
let isEnding = false
const say = new Narrator(process.stdout)
const stage = await Stage.create()
const late = setTimeout(() => end(new Error("it took too long")), DEMO_MS_MAX)
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => void end(new Error(`ended by ${signal}`)))
}

try {
  await demo()
  await end()
} catch (error) {
  await end(error)
}

async function demo(): Promise<void> {
  say.title("Fulcrum: one address change, two devices, three companies.")
  say.note(say.faint(`real processes on 127.0.0.1, their folders in ${stage.folder}`))

  const relay = await startRelay()
  const casting = Promise.all([SHOP, NEWSLETTER, FORUM].map((one) => openCompany(one, relay)))
  casting.catch(() => undefined)
  const laptop = await beginOnLaptop(relay)
  const phone = await addPhone(laptop)
  await editBothWays(laptop, phone)
  const [shop, newsletter, forum] = await casting
  if (!(shop && newsletter && forum)) throw new Error("a company is missing")
  await connect(laptop, { shop, newsletter, forum })
  const old = await laptop.get()
  await move(laptop, phone, { shop, newsletter, forum })
  await comeBack(laptop, phone, shop)
  await sum(laptop, { relay, forum, old })
}

interface Companies {
  readonly shop: Company
  readonly newsletter: Company
  readonly forum: Company
}

async function startRelay(): Promise<Service> {
  const args = ["up", "--listen", "/ip4/127.0.0.1/tcp/0"]
  const relay = new Service(stage, { program: "fulcrum-relay", home: "relay", args })
  await relay.up()
  say.step("A relay starts. It keeps sealed messages for whoever is off, and cannot read them.")
  say.command("fulcrum-relay up")
  return relay
}

/** What a company does once, before it has customers. */
async function openCompany(cast: CastCompany, relay: Service): Promise<Company> {
  const company = await Company.create(stage, { ...cast, relay: relay.address })
  await company.setUp()
  await company.node.up()
  return company
}

async function beginOnLaptop(relay: Service): Promise<Device> {
  say.step("Mara begins a record on her laptop, with her contact card as her phone exports it.")
  const laptop = new Device(stage, { name: "laptop", relay: relay.address })
  await laptop.init()
  const imported = await laptop.json<Imported>("import", CARD)
  await laptop.daemon.up()
  say.command("fulcrum init && fulcrum import mara-whitlock.vcf && fulcrum up")
  say.note(`${imported.files[0]?.fields.length} fields; 24 words bring them back one day`)
  return laptop
}

async function addPhone(laptop: Device): Promise<Device> {
  say.step("She adds her phone: a code on one, typed on the other, the same words on both.")
  const phone = new Device(stage, { name: "phone", relay: laptop.relay })
  const { pair, join, compared } = await pairDevices(laptop, phone, {
    onCode(code) {
      say.command("fulcrum pair")
      say.command(`fulcrum ${joinArgs(code, phone).slice(0, 2).join(" ")}`)
    },
  })
  if (!compared || pair.status !== 0 || join.status !== 0) {
    throw new Error(`pairing failed: ${pair.stderr} ${join.stderr}`)
  }
  await phone.daemon.up()
  await isSame("the phone has the whole record", laptop, phone)
  const { words }: { readonly words: readonly string[] } = JSON.parse(join.stdout)
  say.note(`both showed “${words.join(" ")}”; the phone has the whole record`)
  return phone
}

async function editBothWays(laptop: Device, phone: Device): Promise<void> {
  await laptop.json("set", "card/phones/mobile/number", "+41 79 555 01 88")
  await phone.json("set", "card/nicknames/1/name", "Mar")
  await isSame("an edit on either shows on the other", laptop, phone)
  const nickname = await laptop.get("card/nicknames/1/name")
  const number = await phone.get("card/phones/mobile/number")
  say.note(`edited on the laptop, on the phone: ${number}; the other way round: ${nickname}`)
}

async function connect(laptop: Device, { shop, newsletter, forum }: Companies): Promise<void> {
  say.step("She connects to three companies, on terms that both sides sign. Each gets its part:")
  const invitations = await Promise.all(
    [shop, newsletter, forum].map((company) => company.invite()),
  )
  // A front door works while its company sleeps.
  await forum.node.down()
  const pairs = [SHOP, NEWSLETTER, FORUM].map((cast, i) => [cast, invitations[i] ?? ""] as const)
  for (const [cast, invitation] of pairs) {
    const disclose = cast.disclose.length === 0 ? [] : ["--disclose", cast.disclose.join(",")]
    await laptop.json<Relationship>("connect", invitation, ...disclose, "--yes")
    const { state } = await answered(laptop, cast === FORUM ? "proffered" : "agreed", cast)
    const note = cast === FORUM ? `${state} at its front door: it is down` : `${state} on SD-BASE`
    say.note(`${cast.name.padEnd(19)}${cast.gets.padEnd(25)}${note}`)
  }
  await forum.node.up()
  const { state, terms } = await answered(laptop, "agreed", FORUM)
  say.note(`${FORUM.name.padEnd(19)}comes back${" ".repeat(15)}${state} on ${terms}`)
  await until(() => shop.receiver.events.length >= 2 && newsletter.receiver.events.length >= 2, {
    what: "both companies' systems were told what they were given",
  })
}

/** Waits for a relationship to stand as it should. */
function answered(laptop: Device, state: string, { name }: CastCompany): Promise<Relationship> {
  return until(
    async () => {
      const rows = await laptop.json<readonly Relationship[]>("relationships")
      return rows.find((row) => row.vendor === name && row.state === state)
    },
    { what: `${name} is ${state}` },
  )
}

async function move(laptop: Device, phone: Device, companies: Companies): Promise<void> {
  const { shop, newsletter } = companies
  await phone.daemon.down()
  await shop.node.down()
  say.step(`Mara moves house. Her phone is off, and ${SHOP.name} is down.`)
  const assignments = [
    `card/addresses/home=${NEW_ADDRESS}`,
    `card/emails/home/address=${NEW_EMAIL}`,
  ]
  say.command(`fulcrum move ${assignments.map((one) => `'${one}'`).join(" ")}`)
  const preview = await laptop.json<MovePreview>("move", ...assignments, "--dry-run")
  for (const { vendor, paths } of preview.gets) say.note(`tells ${vendor}: ${paths.join(", ")}`)
  say.note(`does not tell ${preview.unaffected.map(({ vendor }) => vendor).join(", ")}`)

  const confirmed = await laptop.run(["move", ...assignments], { input: "y\n" })
  if (confirmed.status !== 0) throw new Error(`the move failed: ${confirmed.stderr}`)
  say.note("confirmed; this is the board, each mark from a signed receipt:\n ")
  await watchBoard(laptop, (board) => {
    return stateOf(board, SHOP) === "relayed" && stateOf(board, NEWSLETTER) === "applied"
  })
  const told = newsletter.receiver.events.at(-1)
  if (!told?.body.includes(NEW_EMAIL)) throw new Error("the newsletter's system was not told")
}

async function comeBack(laptop: Device, phone: Device, shop: Company): Promise<void> {
  say.step(`${SHOP.name} comes back, and so does the phone.`)
  await shop.node.up()
  await watchBoard(laptop, (board) => board.done)
  const told = shop.receiver.events.at(-1)
  if (!told?.body.includes(NEW_ADDRESS)) throw new Error("the shop's system was not told")
  await phone.daemon.up()
  await isSame("the phone shows the same record and board", laptop, phone)
  say.note("\nthe phone shows the same record, and the same board")
}

/** Follows `fulcrum board --watch` until it shows what is waited for. */
async function watchBoard(laptop: Device, isThere: (board: Board) => boolean): Promise<void> {
  const watching = await laptop.start("board", "--watch")
  const screen = say.board([SHOP.name, NEWSLETTER.name])
  let read = 0
  await until(
    () => {
      for (const line of watching.lines.slice(read)) {
        read++
        const shown: Board | { readonly ready: true } = JSON.parse(line)
        if (!("lines" in shown)) continue
        screen.update(shown.lines)
        if (isThere(shown)) return true
      }
      return false
    },
    { what: "the board", everyMs: 50 },
  )
  watching.kill("SIGINT")
  await watching.finished
}

function stateOf(board: Board, { name }: CastCompany): string | undefined {
  return board.lines.find(({ vendor }) => vendor === name)?.state
}

async function isSame(what: string, laptop: Device, phone: Device): Promise<void> {
  await until(
    async () => {
      const [here, there] = await Promise.all([look(laptop), look(phone)])
      return here === there
    },
    { what },
  )
}

async function look(device: Device): Promise<string> {
  return JSON.stringify(await Promise.all([device.get(), device.board()]))
}

/** Who has what, and who has nothing: by receipts, and by looking at every byte. */
async function sum(
  laptop: Device,
  {
    relay,
    forum,
    old,
  }: { readonly relay: Service; readonly forum: Company; readonly old: unknown },
): Promise<void> {
  say.step("Who has what now, by signed receipts:")
  for (const path of ["card/name", "card/addresses/home", "card/emails/home/address"]) {
    const rows = await laptop.json<readonly WhoHas[]>("who-has", path)
    for (const { vendor, evidence } of rows) {
      say.note(`${path.padEnd(26)}${vendor.padEnd(19)}${evidence}`)
    }
  }
  const needles = needlesOf([old, await laptop.get()])
  const said = [
    JSON.stringify(await forum.json("export")),
    forum.node.printed,
    relay.printed,
    ...forum.receiver.bodies,
  ].join("\n")
  const found = [
    ...(await searchFolder(stage.home("relay"), needles)),
    ...(await searchFolder(forum.folder, needles)),
    ...searchBytes(Buffer.from(said), needles, "what the relay and the forum said"),
  ]
  if (found.length > 0) throw new Error(`found where it must not be: ${JSON.stringify(found)}`)
  const bytes = (await folderBytes(stage.home("relay"))) + (await folderBytes(forum.folder))
  say.note(
    `\nsearched ${Math.round(bytes / 1024)} KiB, all that the relay and ${FORUM.name} keep, for each of\n` +
      `${needles.length} values of the record, old and new: not one byte of them is there`,
  )
}

/** Ends every process, removes the folder, and says how it went. */
async function end(error?: unknown): Promise<void> {
  if (isEnding) return
  isEnding = true
  clearTimeout(late)
  let log: string | undefined
  if (error !== undefined) {
    log = join(tmpdir(), `fulcrum-demo-${process.pid}.log`)
    await writeFile(log, stage.transcript(), { mode: 0o600 }).catch(() => undefined)
  }
  await stage[Symbol.asyncDispose]()
  if (log !== undefined) {
    const message = error instanceof Error ? error.message : String(error)
    process.stderr.write(`\n${say.bad("The demo failed:")} ${message}\nlogs: ${log}\n`)
    process.exit(1)
  }
  const seconds = Math.round((performance.now() - begun) / 1000)
  say.plain(`\n${say.good("Done")} in ${seconds} s; all processes ended, all folders removed.\n`)
  say.plain("Next:")
  say.plain("  npx fulcrum init --name laptop     begin a record of your own")
  say.plain("  npx fulcrum-vendor --help          be a company that asks for it")
  say.plain("  npm test                           see what is promised, and kept")
  process.exit(0)
}
