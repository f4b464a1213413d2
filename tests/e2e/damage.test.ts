/**
 * Damage to each file of whole data folders: of a device, a relay and a company.
 *
 * Each time one file has a bit flipped, a block zeroed, or its end cut off, and the program is asked
 * for what it holds. It says so in one line with a code, or answers as before: never another answer,
 * never a stack trace. Each file once, in one of these ways, by default; in each way, and others:
 *
 *     FULCRUM_DAMAGE_ROUNDS=20 FULCRUM_DAMAGE_SEED=7 npx vitest run --project e2e tests/e2e/damage.test.ts
 *
 * `relay.json` and `ports.json` are settings in plain text, for people to edit: what can be read
 * there is believed.
 *
 * @module
 */
import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import type { ShownRelationship } from "../harness/answers.ts"
import { codeIn, type Finished } from "../harness/programs.ts"
import { type Seeded, seeded } from "../harness/seeded.ts"
import { until } from "../harness/until.ts"
import { OWN_CARD, World } from "./world.ts"

const ROUNDS = Number(process.env.FULCRUM_DAMAGE_ROUNDS ?? 0)
const SEED = Number(process.env.FULCRUM_DAMAGE_SEED ?? 1)
const BLOCK_BYTES = 512

/** Not read: a lock, LevelDB's notes to its authors, room for a full disk. */
const UNREAD = /^(LOCK|LOG|LOG\.old|RESERVE)$/
const FOUND =
  /^(STORE_CORRUPT|STORE_IO|VAULT_DAMAGED|VAULT_KEY_WRONG|KEY_[A-Z]+(_DAMAGED)?|CONFIG_MALFORMED|VENDOR_DAMAGED)$/

let world: World
beforeAll(async () => {
  world = await World.create()
  const laptop = world.device("laptop")
  await laptop.init()
  await laptop.json("import", OWN_CARD)
  const shop = await world.company("shop")
  await shop.node.up()
  const invitation = await shop.invite()
  const { id } = await laptop.json<{ readonly id: string }>(
    ...[
      "connect",
      invitation,
      "--disclose",
      "card/name,card/addresses/home",
      "--wait",
      "20",
      "--yes",
    ],
  )
  await laptop.daemon.up()
  await until(
    async () => {
      const { disclosures } = await laptop.json<ShownRelationship>("show", id)
      return disclosures.length === 2 && disclosures.every(({ state }) => state === "applied")
    },
    { what: "the shop has what it was given" },
  )
  await laptop.daemon.down()
  await shop.node.down()
  await world.relay.down()
}, 180_000)
afterAll(() => world[Symbol.asyncDispose]())

/** The text of what a program holds, or how it failed. */
type Outcome = { readonly held: string } | { readonly failed: Finished }

describe(`[E3] damage, seed ${SEED}`, { timeout: 240_000 + ROUNDS * 300_000 }, () => {
  test("to a device's folder is found, or changes nothing", async () => {
    await damageEach("laptop", () => heldBy("fulcrum", "laptop", [["get"]]))
  })

  test("to a device's store is mended: it is made anew, and has the rest back from its relay", async () => {
    await world.relay.up()
    try {
      await damageAndRepairEach()
    } finally {
      await world.relay.down()
    }
  })

  test("to a company's folder is found, or changes nothing", async () => {
    await damageEach("shop", () => heldBy("fulcrum-vendor", "shop", [["disclosures"]]))
  })

  test("to a relay's folder is found, or changes nothing", async () => {
    await damageEach("relay", async () => {
      const running = await world.stage.start("fulcrum-relay", "relay", [
        ...world.relay.args,
        "--json",
      ])
      const ready = await Promise.race([running.ready().catch(() => undefined), running.finished])
      if (ready === undefined || !("addresses" in ready)) return { failed: await running.finished }
      // What it holds, its own device says: it finds nothing missing there.
      const synced = await world.stage.run("fulcrum", "laptop", ["sync", "--json", "--no-mdns"])
      await running.stop()
      return { held: JSON.stringify([ready.addresses.map(idOf), synced.status]) }
    })
  })
})

async function heldBy(
  program: "fulcrum" | "fulcrum-vendor",
  home: string,
  questions: readonly (readonly string[])[],
): Promise<Outcome> {
  const answers: string[] = []
  for (const question of questions) {
    const finished = await world.stage.run(program, home, [...question, "--json"])
    if (finished.status !== 0) return { failed: finished }
    answers.push(finished.stdout)
  }
  return { held: answers.join() }
}

/** Damages each file of the laptop's store in one way after another, until it is refused for it. */
async function damageAndRepairEach(): Promise<void> {
  const folder = world.stage.home("laptop")
  const saved = join(await mkdtemp(join(world.stage.folder, "saved-")), "laptop")
  await cp(folder, saved, { recursive: true, preserveTimestamps: true })
  const look = () => heldBy("fulcrum", "laptop", [["get"]])
  const right = await look()
  const random = seeded(SEED)
  let repaired = 0
  // Of each kind of file one is enough: what differs is where it shows, not what is made of it.
  const stored = (await filesOf(saved)).filter((file) => file.startsWith("store/"))
  const kinds = new Map(stored.map((file) => [file.replace(/\d+/, "N"), file]))
  for (const file of kinds.values()) {
    for (const [kind, damage] of DAMAGES) {
      await restore(saved, folder)
      await writeFile(
        join(folder, file),
        damage(new Uint8Array(await readFile(join(folder, file))), random),
      )
      if ("held" in (await look())) continue
      const label = `${file}, ${kind}`
      const answer = await inLaptop<RepairAnswer>("doctor", "--repair")
      expect([label, answer.repaired]).toEqual([label, true])
      await inLaptop("sync", "--wait", "30")
      expect([label, await look()]).toEqual([label, right])
      repaired++
      if (repaired > 1) break
      const { checks } = await inLaptop<{ checks: readonly { check: string; ok: boolean }[] }>(
        "doctor",
      )
      expect([label, checks.filter(({ ok }) => !ok)]).toEqual([label, []])
      expect(await inLaptop<RepairAnswer>("doctor", "--repair")).toEqual({ repaired: false })
      expect(await readdir(answer.kept)).toContain(file.replace("store/", ""))
      break
    }
  }
  await restore(saved, folder)
  expect(repaired).toBeGreaterThan(1)
  // All of it gone: nothing new is begun in its place, and it comes back by its spare keys.
  for (const leaves of ["an empty folder", "nothing"]) {
    await restore(saved, folder)
    await rm(join(folder, "store"), { recursive: true })
    if (leaves === "an empty folder") await mkdir(join(folder, "store"))
    for (const words of [["get"], ["init", "--no-passphrase"], ["doctor"]]) {
      const { stdout, stderr } = await world.stage.run("fulcrum", "laptop", [...words, "--json"])
      expect([leaves, stdout + stderr]).toEqual([leaves, expect.stringContaining("STORE_LOST")])
    }
    const answer = await inLaptop<RepairAnswer>("doctor", "--repair")
    expect(answer).toMatchObject({ repaired: true, entries: 0, missing: null })
    await inLaptop("sync", "--wait", "30")
    expect([leaves, await look()]).toEqual([leaves, right])
  }
  await restore(saved, folder)
}

interface RepairAnswer {
  readonly repaired: boolean
  readonly kept: string
}

async function inLaptop<T>(...words: readonly string[]): Promise<T> {
  const finished = await world.stage.run("fulcrum", "laptop", [...words, "--json", "--no-mdns"])
  if (finished.status !== 0)
    throw new Error(`${words.join(" ")}: ${finished.stdout}${finished.stderr}`)
  return JSON.parse(finished.stdout)
}

async function damageEach(home: string, look: () => Promise<Outcome>): Promise<void> {
  const folder = world.stage.home(home)
  const saved = join(await mkdtemp(join(world.stage.folder, "saved-")), home)
  await cp(folder, saved, { recursive: true, preserveTimestamps: true })
  const right = await look()
  if (!("held" in right)) throw new Error(`it fails unharmed: ${right.failed.stderr}`)
  const random = seeded(SEED)
  const wrong: string[] = []
  let found = 0
  for (const file of await filesOf(saved)) {
    const ways =
      ROUNDS === 0 ? [random.pick(DAMAGES)] : Array<readonly Damage[]>(ROUNDS).fill(DAMAGES).flat()
    for (const [round, [kind, damage]] of ways.entries()) {
      await restore(saved, folder)
      const before = new Uint8Array(await readFile(join(folder, file)))
      const after = damage(before, random)
      if (Buffer.compare(before, after) === 0) continue
      await writeFile(join(folder, file), after)
      const outcome = await look()
      const label = `${file}, ${kind}, round ${round}`
      if ("held" in outcome) {
        if (outcome.held !== right.held) wrong.push(`${label}: ${outcome.held}`)
      } else if (isClear(outcome.failed)) found++
      else wrong.push(`${label}: ${outcome.failed.status} ${outcome.failed.stderr}`)
    }
  }
  await restore(saved, folder)
  expect(wrong).toEqual([])
  expect(found).toBeGreaterThan(0)
  expect(await look()).toEqual(right)
}

type Damage = readonly [kind: string, act: (bytes: Uint8Array, random: Seeded) => Uint8Array]

const DAMAGES: readonly Damage[] = [
  [
    "a bit flipped",
    (bytes, random) => {
      const at = random.below(bytes.length)
      return bytes.with(at, (bytes[at] ?? 0) ^ (1 << random.below(8)))
    },
  ],
  [
    "a block zeroed",
    (bytes, random) => {
      const blocks = Math.ceil(bytes.length / BLOCK_BYTES)
      const at = random.below(blocks) * BLOCK_BYTES
      return bytes.slice().fill(0, at, at + BLOCK_BYTES)
    },
  ],
  ["cut short", (bytes, random) => bytes.slice(0, random.below(bytes.length))],
]

/** One line on standard error, as JSON, with a code that tells of damage. */
function isClear({ status, signal, stdout, stderr }: Finished): boolean {
  const lines = stderr.trimEnd().split("\n")
  return (
    status === 1 &&
    signal === null &&
    stdout === "" &&
    lines.length === 1 &&
    FOUND.test(codeIn(stderr) ?? "") &&
    !/\bat .*:\d+:\d+/.test(stderr)
  )
}

async function filesOf(folder: string): Promise<readonly string[]> {
  const files: string[] = []
  for (const name of await readdir(folder, { recursive: true })) {
    const there = await stat(join(folder, name))
    if (there.isFile() && there.size > 0 && !UNREAD.test(name.split("/").at(-1) ?? ""))
      files.push(name)
  }
  return files.toSorted()
}

async function restore(saved: string, folder: string): Promise<void> {
  await rm(folder, { recursive: true })
  await cp(saved, folder, { recursive: true, preserveTimestamps: true })
}

function idOf(address: string): string {
  return address.split("/p2p/")[1] ?? ""
}
