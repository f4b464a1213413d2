/**
 * What goes wrong at a user's hands is one line with a stable code and what to do, and loses
 * nothing.
 *
 * @module
 */
import { existsSync } from "node:fs"
import { cp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises"
import { createServer, type Server } from "node:net"
import { join as joinPath } from "node:path"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { folderHolder } from "../../nodes/device/src/folder-holder.ts"
import type { Imported, Relationship, Status } from "../harness/answers.ts"
import type { Device } from "../harness/device.ts"
import { joinArgs, pairDevices, shownBy } from "../harness/pairing.ts"
import {
  codeIn,
  type Finished,
  type ProgramName,
  type Running,
  Stage,
} from "../harness/programs.ts"
import { until } from "../harness/until.ts"
import { OWN_CARD, World } from "./world.ts"

/** Said once to whoever makes a folder without a passphrase; no failure. */
const PLAIN_KEY = "No passphrase: whoever gets a copy of this folder can read your record."

let world: World
let laptop: Device
/** What must still be there after each failure. */
let record: unknown
/** A pairing that nobody answers, begun first and looked at last, at a relay of its own. */
let quiet: World
let unanswered: { readonly pair: Running; readonly code: string; readonly host: Device }

beforeAll(async () => {
  world = await World.create()
  laptop = world.device("laptop")
  await laptop.init()
  await laptop.json("import", OWN_CARD)
  record = await laptop.get()
  quiet = await World.create()
  const host = quiet.device("waiting")
  await host.init()
  const { pair, code } = await shownCode(host)
  unanswered = { pair, code, host }
})
afterAll(async () => {
  await Promise.all([world[Symbol.asyncDispose](), quiet[Symbol.asyncDispose]()])
})

describe("import", () => {
  test.for([
    ["plain text", "Dear Sir or Madam,\nno card is here.\n"],
    ["nothing", ""],
    ["a picture", Buffer.from([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10, 0, 0, 0, 13])],
    ["another calendar format", "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nEND:VCALENDAR\r\n"],
  ] as const)("a file that is no vCard: %s", async ([, bytes]) => {
    const file = joinPath(world.stage.folder, "no-card.vcf")
    await writeFile(file, bytes)
    const failed = await laptop.run(["import", file])
    isFailure(failed, /^VCARD_|^CARD_|^IMPORT_/)
    expect(failed.stderr).toContain("no-card.vcf: ")
    expect(await laptop.get()).toEqual(record)
  })

  test("a file that is not there", async () => {
    isFailure(await laptop.run(["import", "nowhere.vcf"]), /^FILE_IO$/)
    const folder = await laptop.run(["import", OWN_CARD, laptop.folder])
    isFailure(folder, /^FILE_IO$/)
    expect(folder.stderr).toContain(`that is a folder, not a file (${laptop.folder})`)
  })
})

describe("pairing", () => {
  test("a wrong code is used up by the one guess, on both sides", async () => {
    const { pair, code } = await shownCode(laptop)
    const [nameplate, first, second, third] = code.split("-")
    const wrong = [nameplate, second, first, third].join("-")
    const guest = world.device("guesser")
    const guessed = await guest.run([...joinArgs(wrong, guest), "--yes"])
    isFailure(guessed, /^PAIR_CODE_WRONG$/)
    isFailure(await pair.finished, /^PAIR_CODE_WRONG$/, { printed: true })
    const right = await guest.run([...joinArgs(code, guest), "--yes"])
    isFailure(right, /^PAIR_(CODE_USED|CODE_EXPIRED|PEER_ABSENT)$/)
    expect(await laptop.json("devices")).toHaveLength(1)
    expect(await laptop.get()).toEqual(record)
  })

  test("a word that is on no list is told with the nearest, and uses nothing up", async () => {
    const { pair, code } = await shownCode(laptop)
    const guest = world.device("mistyper")
    const mistyped = code.replace(/-(\w+)-/, "-$1x-")
    isFailure(await guest.run([...joinArgs(mistyped, guest), "--yes"]), /^PAIR_WORD_UNKNOWN$/)
    isFailure(await guest.run([...joinArgs("copper", guest), "--yes"]), /^PAIR_CODE_MALFORMED$/)
    // Before a passphrase is asked for, or anything made.
    const asked = await guest.run(["join", mistyped])
    isFailure(asked, /^PAIR_WORD_UNKNOWN$/)
    expect(existsSync(guest.folder)).toBe(false)
    expect(pair.ended).toBe(false)
    pair.kill("SIGINT")
    expect((await pair.finished).status).toBe(1)
  })

  test("a code that was used", async () => {
    const phone = world.device("phone")
    let code = ""
    const { pair, join } = await pairDevices(laptop, phone, {
      onCode: (shown) => {
        code = shown
      },
    })
    expect([pair.status, join.status]).toEqual([0, 0])
    const late = world.device("late")
    isFailure(await late.run([...joinArgs(code, late), "--yes"]), /^PAIR_CODE_USED$/)
    expect(await laptop.json("devices")).toHaveLength(2)
    // Where it was used it is the same command again, for one that was cut off.
    expect((await phone.run([...joinArgs(code, phone), "--yes"])).status).toBe(0)
    const other = code.replace(/^\d+/, (nameplate) => `${Number(nameplate) ^ 1}`)
    isFailure(await phone.run([...joinArgs(other, phone), "--yes"]), /^RECORD_EXISTS$/)
    expect(await phone.get()).toEqual(record)
  })

  test("nobody there", async () => {
    const alone = world.device("alone")
    const code = "51966-copper-orbit-violin"
    isFailure(await alone.run([...joinArgs(code, alone), "--yes"]), /^PAIR_PEER_ABSENT$/)
    const at = ["--at", `/ip4/127.0.0.1/tcp/${await freePort()}/p2p/${idOf(world.relay.address)}`]
    const direct = await alone.run(["join", code, ...at, "--no-passphrase", "--yes"])
    isFailure(direct, /^PAIR_PEER_ABSENT$/)
    expect(existsSync(alone.folder)).toBe(false)
  })
})

describe("connecting", () => {
  test("an invitation whose vendor and relay cannot be reached works once they can", async () => {
    const company = await world.company("newsletter")
    await company.node.up()
    const invitation = await company.invite()
    await company.node.down()
    await world.relay.down()
    const connect = ["connect", invitation, "--disclose", "card/emails/home/address", "--yes"]
    isFailure(await laptop.run(connect), /^CONNECT_UNREACHABLE$/)
    expect(await laptop.json("relationships")).toEqual([])
    await world.relay.up()
    await company.node.up()
    const row = await laptop.json<Relationship>(...connect, "--wait", "20")
    expect(row).toMatchObject({ state: "agreed" })
    await company.node.down()
  })

  test("what is no invitation, or a broken one", async () => {
    for (const invitation of ["fulcrum:1.AAAA", "https://example.com", ""]) {
      isFailure(await laptop.run(["connect", invitation, "--yes"]), /^INVITATION_/)
    }
  })
})

describe("a folder in use", () => {
  test("by a command, and by a daemon", async () => {
    const { pair } = await shownCode(laptop)
    const locked = await laptop.run(["set", "card/name/full", "Nobody"])
    isFailure(locked, /^STORE_LOCKED$/)
    if (process.platform === "linux") expect(locked.stderr).toContain("in use by `fulcrum pair`")
    isFailure(await laptop.run(["up"]), /^STORE_LOCKED$/)
    pair.kill("SIGINT")
    await pair.finished
    await laptop.daemon.up()
    isFailure(await laptop.run(["up"]), /^DAEMON_RUNNING$/)
    await laptop.daemon.down()
    expect(await laptop.get()).toEqual(record)
  })

  test.runIf(process.platform === "linux")(
    "by a daemon that is starting: a command waits for it",
    async () => {
      const starting = laptop.daemon.up()
      const store = joinPath(laptop.folder, "store")
      await until(async () => (await folderHolder(store))?.command === "up", {
        what: "the daemon has the folder",
        everyMs: 2,
      })
      const names = Array.from({ length: 8 }, (_, at) => `during the start ${at}`)
      const sets = await Promise.all(
        names.map((name, at) => laptop.run(["set", `card/notes/start-${at}/note`, name])),
      )
      await starting
      for (const { status, stderr } of sets)
        expect({ status, stderr }).toEqual({ status: 0, stderr: "" })
      const read = JSON.stringify(await laptop.get())
      for (const name of names) expect(read).toContain(name)
      for (const at of names.keys()) await laptop.run(["unset", `card/notes/start-${at}`])
      await laptop.daemon.down()
      expect(await laptop.get()).toEqual(record)
    },
  )

  test("by another relay or vendor node", async () => {
    isFailure(await run("fulcrum-relay", "relay", "up"), /^STORE_LOCKED$/)
    const company = await world.company("forum")
    await company.node.up()
    isFailure(await run("fulcrum-vendor", "forum", "up", "--no-relay"), /_(LOCKED|RUNNING)$/)
    await company.node.down()
  })
})

describe("a port in use", () => {
  let other: Server
  let port: number
  beforeAll(async () => {
    other = createServer().listen(0, "127.0.0.1")
    await new Promise((resolve) => other.once("listening", resolve))
    port = portOf(other)
  })
  afterAll(() => new Promise((resolve) => other.close(resolve)))

  test("is told by each program, for each of its ports", async () => {
    const listen = ["--listen", `/ip4/127.0.0.1/tcp/${port}`]
    const http = ["--http", `127.0.0.1:${port}`]
    isFailure(await laptop.run(["up", ...listen]), /^NET_ADDRESS_IN_USE$/)
    isFailure(await run("fulcrum-relay", "other-relay", "up", ...listen), /^NET_ADDRESS_IN_USE$/)
    const free = ["--listen", "/ip4/127.0.0.1/tcp/0"]
    const relay = await run("fulcrum-relay", "other-relay", "up", ...free, ...http)
    isFailure(relay, /^HTTP_ADDRESS_IN_USE$/)
    const vendor = await run("fulcrum-vendor", "forum", "up", "--no-relay", ...http)
    isFailure(vendor, /^HTTP_ADDRESS_IN_USE$/)
    expect(await laptop.get()).toEqual(record)
  })
})

describe("a damaged data folder", () => {
  test("is told, never read wrongly, and whole again with its files", async () => {
    const store = joinPath(laptop.folder, "store")
    const saved = joinPath(world.stage.folder, "saved")
    await cp(store, saved, { recursive: true })
    let found = 0
    for (const file of await filesIn(saved)) {
      const path = joinPath(store, file)
      const bytes = await readFile(path)
      const middle = Math.floor(bytes.length / 2)
      bytes[middle] = (bytes[middle] ?? 0) ^ 0x10
      await writeFile(path, bytes)
      const got = await laptop.run(["get", "--json"])
      if (got.status === 0) expect(JSON.parse(got.stdout)).toEqual(record)
      else {
        found++
        isFailure(got, /^(STORE_CORRUPT|VAULT_DAMAGED|STORE_IO)$/)
        const doctor = await laptop.run(["doctor"])
        expect({ status: doctor.status, told: doctor.stdout }).toMatchObject({
          status: 1,
          told: expect.stringMatching(/not ok/),
        })
      }
      await rm(store, { recursive: true })
      await cp(saved, store, { recursive: true })
    }
    expect(found).toBeGreaterThan(0)
    expect(await laptop.get()).toEqual(record)
    expect(await laptop.json("doctor")).toMatchObject({ ok: true })
  })

  test("a relay's or a vendor's, too", async () => {
    const company = world.stage.home("forum")
    await world.relay.down()
    for (const [program, folder, args] of [
      ["fulcrum-relay", world.relay.folder, ["up"]],
      ["fulcrum-vendor", company, ["customers"]],
    ] as const) {
      const store = joinPath(folder, "store")
      const saved = `${folder}-saved`
      await cp(store, saved, { recursive: true })
      const [largest] = await filesIn(store)
      const path = joinPath(store, String(largest))
      const bytes = await readFile(path)
      bytes.fill(0xff, Math.floor(bytes.length / 3), Math.floor((bytes.length * 2) / 3))
      await writeFile(path, bytes)
      isFailure(
        await world.stage.run(program, folder.slice(world.stage.folder.length + 1), args),
        /^(STORE_CORRUPT|VAULT_DAMAGED|VENDOR_DAMAGED|BOOKS_DAMAGED)$/,
      )
      await rm(store, { recursive: true })
      await cp(saved, store, { recursive: true })
    }
    await world.relay.up()
    expect(await world.stage.json("fulcrum-vendor", "forum", ["customers"])).toEqual({
      customers: [],
    })
  })
})

describe("what is typed wrongly", () => {
  test("an unknown path is told with the nearest", async () => {
    const failed = await laptop.run(["set", "card/adresses/home", "Somewhere 1"])
    isFailure(failed, /^PATH_UNKNOWN$/)
    expect(failed.stderr).toContain("card/addresses/home")
    isFailure(await laptop.run(["move", "card/adress/home=X", "--yes"]), /^PATH_UNKNOWN$/)
    expect(await laptop.get()).toEqual(record)
  })

  test("wrong usage is status 2; what is not built says so", async () => {
    for (const args of [
      ["sett", "a", "b"],
      ["set", "card/name"],
      ["move", "card/name", "--yes"],
    ]) {
      const { status, stderr } = await laptop.run(args)
      expect({ status, stderr }).toMatchObject({ status: 2 })
    }
    isFailure(await laptop.run(["log"]), /^NOT_YET$/)
    isFailure(await run("fulcrum-vendor", "forum", "crm", "add"), /^NOT_YET$/)
  })

  test("with --json a failure is one document on standard error", async () => {
    const { status, stdout, stderr } = await laptop.run(["set", "card/nme/x", "y", "--json"])
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" })
    expect(JSON.parse(stderr)).toMatchObject({ error: { code: "PATH_UNKNOWN" } })
  })
})

describe("a full relay", () => {
  test("is shown, and gets the rest by itself once there is room", async () => {
    await using full = new World(await Stage.create())
    const roomy = full.relay.args
    full.relay.args = [...roomy, "--quota", "4KiB"]
    await full.relay.up()
    const tablet = full.device("tablet")
    await tablet.init()
    const imported = await tablet.json<Imported & { readonly held: readonly string[] }>(
      ...["import", OWN_CARD, "--wait", "3"],
    )
    expect(imported.held.join()).toContain(full.relay.address)
    const before = await tablet.get()
    expect(before).toEqual(record)
    await tablet.daemon.up()
    await until(
      async () => {
        const { relays } = await tablet.json<Status>("status")
        return relays[0]?.state === "full" && relays[0].pending > 0
      },
      { what: "the relay is shown as full" },
    )
    await full.relay.down()
    full.relay.args = roomy
    await full.relay.up()
    await until(async () => (await tablet.json<Status>("status")).relays[0]?.pending === 0, {
      what: "the relay has everything",
      timeoutMs: 60_000,
    })
    await tablet.daemon.down()
    expect(await tablet.get()).toEqual(before)
  })
})

describe("a code that nobody typed in time", () => {
  test("has expired, on both sides", async () => {
    const { pair, code, host } = unanswered
    isFailure(await pair.finished, /^PAIR_CODE_EXPIRED$/, { printed: true })
    const late = quiet.device("too-late")
    isFailure(await late.run([...joinArgs(code, late), "--yes"]), /^PAIR_CODE_EXPIRED$/)
    expect(await host.json("devices")).toHaveLength(1)
  }, 180_000)
})

/** Status 1, nothing on standard output, and one line with the code and what to do. */
function isFailure(
  { status, signal, stdout, stderr }: Finished,
  code: RegExp,
  options: { readonly printed?: boolean } = {},
): void {
  const lines = stderr.split("\n").filter((line) => line !== "" && line !== PLAIN_KEY)
  const last = lines.at(-1) ?? ""
  expect({ status, signal, code: codeIn(last), stderr }).toMatchObject({
    status: 1,
    signal: null,
    code: expect.stringMatching(code),
  })
  // What happened, and what to do, are two parts.
  if (!last.startsWith("{")) expect(last).toMatch(/^[a-z-]+: .+[:;] .+/)
  if (options.printed === true) return
  expect({ stdout, lines: lines.length, stderr }).toMatchObject({ stdout: "", lines: 1 })
}

function run(program: ProgramName, home: string, ...args: readonly string[]): Promise<Finished> {
  return world.stage.run(program, home, args)
}

async function shownCode(host: Device): Promise<{ readonly pair: Running; readonly code: string }> {
  const pair = await host.start("pair", "--yes")
  const shown = await shownBy(pair)
  if (typeof shown === "string") throw new Error(`no code: ${pair.stderr}`)
  return { pair, code: shown.code }
}

/** The files of a store that hold records or name those that do, the largest first. */
async function filesIn(folder: string): Promise<readonly string[]> {
  const sized = await Promise.all(
    (await readdir(folder)).map(async (name) => {
      return [name, (await stat(joinPath(folder, name))).size] as const
    }),
  )
  return sized
    .filter(([name, size]) => size > 0 && /^(\d+\.(log|ldb)|MANIFEST-\d+|CURRENT)$/.test(name))
    .toSorted(([, a], [, b]) => b - a)
    .map(([name]) => name)
}

function idOf(address: string): string {
  return address.split("/p2p/")[1] ?? ""
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1")
  await new Promise((resolve) => server.once("listening", resolve))
  const port = portOf(server)
  await new Promise((resolve) => server.close(resolve))
  return port
}

function portOf(server: Server): number {
  const address = server.address()
  if (address === null || typeof address === "string") throw new Error("no port")
  return address.port
}
