/**
 * kill -9 at any moment of the main job loses nothing that was acknowledged.
 *
 * Each step is done again and again, and each time one process is killed at one seeded moment: the
 * command under way, a device's daemon, a company's node or the relay. The script starts what died
 * and repeats the command it was in, nothing else.
 *
 * Three points for each step by default. All of them, and others:
 *
 *     FULCRUM_KILL_POINTS=20 FULCRUM_KILL_SEED=7 npx vitest run --project e2e tests/e2e/kill.test.ts
 *
 * @module
 */
import { readlink } from "node:fs/promises"
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFailed, test } from "vitest"
import type { Board, Disclosures, Relationship, ShownRelationship } from "../harness/answers.ts"
import type { Company } from "../harness/company.ts"
import type { Device } from "../harness/device.ts"
import { KillingStage } from "../harness/killing-stage.ts"
import { joinArgs, shownBy } from "../harness/pairing.ts"
import { codeIn } from "../harness/programs.ts"
import { type Seeded, seeded } from "../harness/seeded.ts"
import type { Service } from "../harness/service.ts"
import { until } from "../harness/until.ts"
import { pairThroughKills } from "./pairing-through-kills.ts"
import { type CompanyName, NAMES, OWN_CARD, World } from "./world.ts"

const POINTS = Number(process.env.FULCRUM_KILL_POINTS ?? 3)
const SEED = Number(process.env.FULCRUM_KILL_SEED ?? 1)
const HOME = "card/addresses/home"
const NAMES_IN_ORDER: readonly CompanyName[] = ["shop", "newsletter", "forum"]
const EMAIL = "card/emails/home/address"

/** Point 0 is not killed: its duration is what the others are drawn from. */
const points = Array.from({ length: POINTS + 1 }, (_, point) => point)
const strikes: string[] = []

describe(`killed at ${POINTS} points of each step, seed ${SEED}`, () => {
  let stage: KillingStage
  let world: World
  let laptop: Device
  let phone: Device
  let hasFailed = false
  const companies = new Map<CompanyName, Company>()
  const connected: string[] = []
  /** What a command said is done: path and value, and a move's id. */
  const acknowledged = new Map<string, string>()
  const moves: string[] = []
  const typicalMs = new Map<string, number>()

  beforeAll(async () => {
    stage = await KillingStage.create()
    world = new World(stage)
    await world.relay.up()
    laptop = world.device("laptop")
    await laptop.init()
    await laptop.json("import", OWN_CARD)
    await laptop.daemon.up()
    stage.keep(world.relay, laptop.daemon)
  })
  afterAll(() => world[Symbol.asyncDispose]())
  beforeEach((context) => {
    if (hasFailed) context.skip("a point before this one failed")
    onTestFailed(() => {
      hasFailed = true
    })
  })

  /** Does a step, killing one process at one moment of it. */
  async function cut(step: string, point: number, act: (random: Seeded) => Promise<void>) {
    const random = seeded(SEED * 1_000_003 + hashOf(step) * 1009 + point)
    const targets: readonly ("command" | Service)[] = ["command", "command", ...stage.targets]
    const victim = random.pick(targets)
    const afterMs = Math.round(random.next() * (typicalMs.get(step) ?? 0))
    const begun = performance.now()
    if (point > 0) stage.arm({ victim, afterMs })
    try {
      await act(random)
    } catch (cause) {
      const who = typeof victim === "string" ? victim : victim.name
      throw new Error(`${who}, to be killed after ${afterMs} ms: ${String(cause)}`, { cause })
    }
    if (point === 0) typicalMs.set(step, performance.now() - begun)
    const { killed, repeated } = await stage.disarm()
    if (killed !== undefined) {
      const again = repeated.length === 0 ? "" : `; repeated ${repeated.join(", ")}`
      strikes.push(`${step}, point ${point}: after ${afterMs} ms ${killed}${again}`)
    }
  }

  async function keepsAll(device: Device): Promise<void> {
    const record = await device.get()
    for (const [path, value] of acknowledged) expect(record).toHaveProperty(path.split("/"), value)
    const { quarantined } = await device.status()
    expect(quarantined).toBe(0)
  }

  test("what is killed is the program itself", async (context) => {
    if (process.platform !== "linux") return context.skip("there is no /proc")
    const { running } = laptop.daemon
    expect(await readlink(`/proc/${running?.pid}/exe`)).toMatch(/\/node$/)
  })

  test.for(points)("2. pairing, point %i", async (point) => {
    const guest = world.device(`phone-${point}`)
    await cut("2", point, async () => {
      await pairThroughKills(stage, laptop, guest)
    })
    expect(await guest.get()).toEqual(await laptop.get())
    const rows = await laptop.json<readonly { readonly name: string }[]>("devices")
    expect(rows.filter(({ name }) => name === guest.name)).toHaveLength(1)
    if (point > 0) return
    phone = guest
    stage.keep(phone.daemon)
  })

  test.for(points)("3. edits on both devices, point %i", async (point) => {
    await phone.daemon.up()
    await cut("3", point, async () => {
      const edits = [
        [laptop, "card/phones/mobile/number", `+41 79 555 01 ${10 + point}`],
        [phone, "card/nicknames/1/name", `Mara the ${point}th`],
        [laptop, "card/organizations/1/name", `Ferryworks ${point}`],
      ] as const
      for (const [device, path, value] of edits) {
        await device.json("set", path, value)
        acknowledged.set(path, value)
      }
      for (const device of [laptop, phone]) {
        await until(() => isHeldBy(device, acknowledged), { what: `${device.name} has all edits` })
      }
    })
    await keepsAll(laptop)
    await keepsAll(phone)
  })

  /** Follows a new invitation until the company has what it was given; the forum is down then. */
  async function connect(name: CompanyName): Promise<string> {
    const company = known(companies.get(name))
    const invitation = await company.invite()
    if (name === "forum") await company.node.down()
    const disclose = { shop: `card/name,${HOME}`, newsletter: EMAIL, forum: undefined }[name]
    const choice = disclose === undefined ? [] : ["--disclose", disclose]
    const { id } = await laptop.json<Relationship>("connect", invitation, ...choice, "--yes")
    await company.node.up()
    await until(
      async () => {
        const shown = await laptop.json<ShownRelationship>("show", id)
        return shown.state === "agreed" && shown.disclosures.every((one) => one.state === "applied")
      },
      { what: `${name} agreed and has what it was given` },
    )
    return id
  }

  test("4. three companies are set up", async () => {
    for (const name of NAMES_IN_ORDER) {
      const company = await world.company(name)
      await company.node.up()
      stage.keep(company.node)
      companies.set(name, company)
    }
  })

  test.for(points)("4. connecting, point %i", async (point) => {
    // All three at first, then one after another.
    const names = point === 0 ? NAMES_IN_ORDER : NAMES_IN_ORDER.slice(point % 3).slice(0, 1)
    for (const name of names) {
      await cut(`4, ${name}`, point, async () => {
        connected.push(await connect(name))
      })
    }
    // The same invitation again never makes a second relationship.
    const rows = await laptop.json<readonly Relationship[]>("relationships")
    expect(rows.map(({ id }) => id).sort()).toEqual([...connected].sort())
    await keepsAll(laptop)
  })

  test.for(points)("5 and 6. a move, and what was down comes back, point %i", async (point) => {
    const shop = known(companies.get("shop"))
    const newsletter = known(companies.get("newsletter"))
    const address = `${point + 1} Gullwing Terrace, Fallowmere FM${point} 2XQ`
    const email = `mara.${point}@gullwing.example`
    await phone.daemon.down()
    await shop.node.down()
    let id = ""
    await cut("5", point, async () => {
      const move = await laptop.json<Board>(
        "move",
        `${HOME}=${address}`,
        `${EMAIL}=${email}`,
        "--yes",
      )
      id = move.move
      moves.push(id)
      await until(async () => isRelayed(await laptop.board()), {
        what: "who is up has applied it, for who is down it waits at the relay",
      })
    })
    acknowledged.set(`${HOME}/full`, address)
    acknowledged.set(EMAIL, email)

    await cut("6", point, async () => {
      await shop.node.up()
      await phone.daemon.up()
      for (const device of [laptop, phone]) {
        await until(async () => isDone(await device.board(), id), {
          what: `${device.name} shows that all have applied it`,
        })
      }
    })
    await keepsAll(laptop)
    await keepsAll(phone)
    expect(await phone.board()).toEqual(await laptop.board())
    for (const [company, path, value] of [
      [shop, HOME, await laptop.get(HOME)],
      [newsletter, EMAIL, email],
    ] as const) {
      const { disclosures } = await company.json<Disclosures>("disclosures")
      const held = disclosures.filter((one) => one.path === path)
      expect(held.length).toBeGreaterThan(0)
      for (const one of held) expect(one.value).toEqual(value)
      expect(company.receiver.refused).toEqual([])
      isToldOnce(company, id, held.length)
    }
  })

  test("every move is still on the board, and applied", async () => {
    for (const id of moves) {
      expect(await laptop.json<Board>("board", id)).toMatchObject({ move: id, done: true })
    }
    expect(known(companies.get("forum")).receiver.bodies.join()).not.toContain("Gullwing")
    const checks = await laptop.json<{ readonly ok: boolean }>("doctor")
    expect(checks).toMatchObject({ ok: true })
    console.log(`killed:\n  ${strikes.join("\n  ")}`)
    expect(strikes.length).toBeGreaterThan(0)
  })
})

describe("pairing that is cut off", () => {
  test("before approval, the code is used up, and `pair` says so", async () => {
    await using stage = await KillingStage.create()
    await using world = new World(stage)
    await world.relay.up()
    const laptop = world.device("laptop")
    const phone = world.device("phone")
    await laptop.init()
    const pair = await laptop.start("pair")
    const shown = await shownBy(pair)
    if (typeof shown === "string") throw new Error(`no code: ${pair.stderr}`)
    const join = await phone.start(...joinArgs(shown.code, phone))
    await until(() => join.stderr.includes("Check words:"), { what: "check words" })
    await until(() => pair.lines.some((line) => line.includes('"asking"')), { what: "a question" })
    pair.kill("SIGKILL")
    await pair.finished
    join.write("y\n", { end: true })

    const again = await laptop.start("pair", "--yes")
    const second = await shownBy(again)
    if (typeof second === "string") throw new Error(`no second code: ${again.stderr}`)
    expect(second.code).not.toBe(shown.code)
    expect(again.stderr).toMatch(/used up/)
    const old = await world.device("tablet").run([...joinArgs(shown.code, phone), "--yes"])
    expect(old.status).toBe(1)
    expect(codeIn(old.stderr)).toMatch(/^PAIR_/)
    // Whoever typed it still waits for the other device: she gives up, and types the new one.
    join.kill("SIGINT")
    expect((await join.finished).status).toBe(1)
    const good = await phone.run([...joinArgs(second.code, phone), "--yes"])
    expect({ status: good.status, stderr: good.stderr }).toMatchObject({ status: 0 })
    expect((await again.finished).status).toBe(0)
  })

  test("after approval, it completes by itself", async () => {
    await using stage = await KillingStage.create()
    await using world = new World(stage)
    await world.relay.up()
    const laptop = world.device("laptop")
    const phone = world.device("phone")
    await laptop.init()
    await laptop.json("import", OWN_CARD)
    await laptop.daemon.up()
    stage.keep(laptop.daemon)
    const pair = await laptop.start("pair")
    const shown = await shownBy(pair)
    if (typeof shown === "string") throw new Error(`no code: ${pair.stderr}`)
    const join = await phone.start(...joinArgs(shown.code, phone))
    await until(() => pair.lines.some((line) => line.includes('"asking"')), { what: "a question" })
    // It hears nothing of the approval before it is killed.
    join.kill("SIGSTOP")
    pair.write("y\n", { end: true })
    await until(
      async () => {
        const rows = await laptop.json<readonly { readonly name: string }[]>("devices")
        return rows.some(({ name }) => name === "phone")
      },
      { what: "approval" },
    )
    join.kill("SIGKILL")
    await laptop.daemon.kill()
    expect((await pair.finished).status).toBe(1)
    const { codes } = await pairThroughKills(stage, laptop, phone, shown.code)
    expect(codes).toEqual([shown.code])
    expect(await phone.get()).toEqual(await laptop.get())
  })
})

function valueAt(tree: unknown, [first, ...rest]: readonly string[]): unknown {
  if (first === undefined) return tree
  if (typeof tree !== "object" || tree === null) return undefined
  return valueAt(Reflect.get(tree, first), rest)
}

function known<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("a step before this one did not get that far")
  return value
}

async function isHeldBy(device: Device, values: ReadonlyMap<string, string>): Promise<boolean> {
  const record = await device.get()
  return [...values].every(([path, value]) => valueAt(record, path.split("/")) === value)
}

/** Newsletters have applied it, and the shops' lines wait at the relay. */
function isRelayed(board: Board | null): boolean {
  return (
    board?.lines.every(({ vendor, state }) =>
      vendor === NAMES.shop ? state === "relayed" : state === "applied",
    ) ?? false
  )
}

function isDone(board: Board | null, id: string): boolean {
  return board?.move === id && board.done && board.lines.every(({ state }) => state === "applied")
}

/** Each customer's change came under one id, however often it was sent. */
function isToldOnce({ receiver }: Company, move: string, customers: number): void {
  const bodies = new Map<string, string>()
  for (const { id, body } of receiver.events) {
    if (!body.includes(move)) continue
    expect(bodies.get(id) ?? body).toBe(body)
    bodies.set(id, body)
  }
  expect(bodies.size).toBe(customers)
}

function hashOf(text: string): number {
  return [...text].reduce((sum, character) => sum * 31 + (character.codePointAt(0) ?? 0), 7)
}
