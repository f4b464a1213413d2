/**
 * kill -9 of devices on real folders, while they write, move and sync.
 *
 * Five devices run in one process, each with a folder of its own, so that one kill strikes five
 * folders at five unrelated moments; with another device of each, a company and a relay outside it,
 * which live on. Each folder is then opened again, by the next process: within 2 s, with all that was
 * acknowledged and, of the one act under way, all or nothing. Fifty points by default. A thousand,
 * and others:
 *
 *     FULCRUM_KILL_POINTS=1000 FULCRUM_KILL_SEED=7 npx vitest run packages/engine/test/kill.test.ts
 *
 * The seed chooses acts and moments; what the machine does in between it cannot choose.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { setTimeout as sleep } from "node:timers/promises"
import { bytesToHex } from "@fulcrum/codec/bytes"
import { randomBelow, type SeededRandom, seededRandom } from "@fulcrum/crypto/random"
import { expect, test } from "vitest"
import type { Person } from "../src/person/person.ts"
import {
  type DeviceLine,
  type DeviceState,
  type DeviceTask,
  EMAIL,
  HOME,
  HOME_FULL,
  PHONE,
} from "./children/devices.ts"
import { Folder, reaches, Stage } from "./stage.ts"

const POINTS = Number(process.env.FULCRUM_KILL_POINTS ?? 50)
const SEED = process.env.FULCRUM_KILL_SEED ?? "1"
const DEVICES = 5

/** Then all is begun anew, so that logs stay as long as a person's are. */
const POINTS_IN_TOWN_MAX = 100

/** Counted in what they say, and a little after: on a slow machine they are no further by then. */
const KILL_LINES_MAX = 80
const KILL_MS_MAX = 30
const OPEN_MS_MAX = 2000
const TEST_MS_MAX = 60_000 + POINTS * 10_000

test(
  `[E1] killed at ${POINTS} points, devices lose nothing and open at once`,
  async () => {
    const random = seededRandom(`kill ${SEED}`)
    const seen = { points: 0, acts: 0, underWay: 0, landed: 0, slowestMs: 0 }
    for (let town = 0; seen.points < POINTS; town++) {
      await using stage = new Stage()
      const folder = await mkdtemp(join(tmpdir(), "fulcrum-kill-"))
      try {
        const homes = await settleTown(stage, folder)
        const own = random.fork(`town ${town}`)
        const end = Math.min(POINTS, seen.points + POINTS_IN_TOWN_MAX)
        for (; seen.points < end; seen.points += DEVICES) await strike(homes, own, seen)
        await converge(homes, seen)
      } finally {
        await rm(folder, { recursive: true, force: true })
      }
    }
    if (POINTS > 50) console.log(seen)
    expect(seen.acts).toBeGreaterThan(POINTS)
    expect(seen.underWay).toBeGreaterThan(POINTS / 10)
  },
  TEST_MS_MAX,
)

interface Seen {
  points: number
  acts: number
  /** Acts that a kill cut off, and those of them that had landed. */
  underWay: number
  landed: number
  /** To open: on a busy machine only what it used of a processor counts. */
  slowestMs: number
}

/** A device in the process that is killed, and its owner's other one outside. */
interface Home {
  readonly name: string
  readonly folder: Folder
  readonly other: Person
  /** What was acknowledged, by path. */
  readonly values: Map<string, string>
  /** What the act under way would make of it. */
  begun: Readonly<Record<string, string>> | undefined
  move: string | undefined
  next: number
}

async function settleTown(stage: Stage, folder: string): Promise<readonly Home[]> {
  const relay = await stage.relay(new Folder())
  const shop = await stage.vendor(new Folder(), "Shop", relay)
  await shop.editRequest({
    name: "Shop",
    agreements: ["SD-BASE"],
    fields: [HOME, EMAIL].map((path) => ({
      path,
      purpose: "dpv:ServiceProvision",
      retention: "P2Y",
      required: false,
      why: "to serve you",
    })),
  })
  await shop.start()
  const homes: Home[] = []
  for (let at = 0; at < DEVICES; at++) {
    const own = new Folder(join(folder, `device-${at}`))
    const phone = await stage.person(own, "phone", [relay])
    const values = new Map([
      [HOME_FULL, "Old Street 1"],
      [EMAIL, "ada@example.org"],
    ])
    await phone.set(HOME, "Old Street 1")
    await phone.set(EMAIL, "ada@example.org")
    const other = await stage.pair(phone, new Folder(), "laptop", { relay })
    const { invitation } = await shop.invite({ waitMs: 5000 })
    const { id } = await phone.connect({ invitation, disclose: [HOME, EMAIL] })
    await phone.waitForAgreement(id, 10_000)
    await phone.settle(5000)
    await phone.close()
    await other.start({ listen: ["/ip4/127.0.0.1/tcp/0"] })
    homes.push({
      name: `device ${at}`,
      folder: own,
      other,
      values,
      begun: undefined,
      move: undefined,
      next: 1,
    })
  }
  return homes
}

/** Runs all devices, kills them at one moment, and looks at what they said. */
async function strike(homes: readonly Home[], random: SeededRandom, seen: Seen): Promise<void> {
  const child = startDevices(
    homes.map((home) => taskOf(home, random, randomBelow(random, 3) === 0 ? "alone" : "in touch")),
  )
  const said = child.said(1 + randomBelow(random, KILL_LINES_MAX))
  for (const { other, next } of homes) {
    if (randomBelow(random, 3) === 0) await other.set(PHONE, `+49 30 ${next}`)
  }
  await said
  await sleep(randomBelow(random, KILL_MS_MAX))
  child.process.kill("SIGKILL")
  hear(homes, await child.lines, seen)
  // One that ended by itself has failed, and said why on standard error.
  expect(child.process.signalCode).toBe("SIGKILL")
}

/** One last time, in peace: both devices of each have the same, and nothing ails them. */
async function converge(homes: readonly Home[], seen: Seen): Promise<void> {
  const child = startDevices(homes.map((home) => taskOf(home, seededRandom(""), "look")))
  const lines = await child.lines
  expect(child.process.exitCode).toBe(0)
  hear(homes, lines, seen)
  for (const home of homes) {
    const looked = lines.find((line) => line.device === home.name && "looked" in line)
    if (looked === undefined || !("looked" in looked)) throw new Error(`${home.name} is silent`)
    await home.other.settle(5000)
    const held = JSON.stringify(looked.looked.record)
    await reaches(async () => JSON.stringify(await home.other.get()) === held)
    const board = home.move === undefined ? undefined : await home.other.board(home.move)
    expect(board?.lines.map(({ vendor }) => vendor) ?? ["Shop"]).toEqual(["Shop"])
    const checks = await home.other.doctor()
    expect(checks.filter(({ ok }) => !ok)).toEqual([])
  }
}

function taskOf(home: Home, random: SeededRandom, mode: DeviceTask["mode"]): DeviceTask {
  return {
    name: home.name,
    folder: home.folder.path ?? "",
    vaultKey: bytesToHex(home.folder.vaultKey),
    seed: bytesToHex(random.bytes(8)),
    next: home.next,
    move: home.move,
    mode,
  }
}

function hear(homes: readonly Home[], lines: readonly DeviceLine[], seen: Seen): void {
  for (const line of lines) {
    const home = homes.find(({ name }) => name === line.device)
    if (home === undefined) throw new Error(`there is no ${line.device}`)
    if ("opened" in line) holdsAll(home, line.opened, seen)
    else if ("begins" in line) {
      home.begun = line.begins
      home.next = line.number + 1
    } else if ("done" in line) {
      seen.acts++
      home.begun = undefined
      home.move = line.move ?? home.move
      for (const [path, value] of Object.entries(line.done)) home.values.set(path, value)
    }
  }
}

/** @throws What was acknowledged is not there, or what was under way is there in part. */
function holdsAll(home: Home, state: DeviceState, seen: Seen): void {
  const before = Object.fromEntries(home.values)
  const there = Object.fromEntries(
    [...home.values.keys()].map((path) => [path, state.values[path]]),
  )
  if (home.begun === undefined) expect(there, home.name).toEqual(before)
  else {
    seen.underWay++
    const paths = Object.keys({ ...before, ...home.begun })
    const all = Object.fromEntries(paths.map((path) => [path, state.values[path] ?? undefined]))
    expect([before, { ...before, ...home.begun }], home.name).toContainEqual(all)
    const hasLanded = Object.entries(home.begun).every(([path, value]) => all[path] === value)
    if (hasLanded) {
      seen.landed++
      for (const [path, value] of Object.entries(home.begun)) home.values.set(path, value)
    }
    home.begun = undefined
  }
  expect(state.hasMove, `${home.name}: the last move is on the board`).toBe(true)
  expect(state.ailments, home.name).toEqual([])
  const { wallMs, processorMs, isBusy } = state.open
  const time = isBusy ? processorMs : wallMs
  expect(time, `${home.name}: ms to open`).toBeLessThan(OPEN_MS_MAX)
  seen.slowestMs = Math.max(seen.slowestMs, Math.round(time))
}

interface RunningDevices {
  readonly process: ChildProcess
  /** Once they have said so many lines, or ended. */
  said(count: number): Promise<void>
  /** All, once it has ended. */
  readonly lines: Promise<readonly DeviceLine[]>
}

function startDevices(tasks: readonly DeviceTask[]): RunningDevices {
  const script = join(import.meta.dirname, "children/devices.ts")
  const args = ["--disable-warning=ExperimentalWarning", script, JSON.stringify(tasks)]
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] })
  const lines: DeviceLine[] = []
  const waiting: { readonly count: number; readonly wake: () => void }[] = []
  const reader = createInterface({ input: child.stdout })
  reader.on("line", (line) => {
    // The last one may have been cut short with the process: then it was never said.
    if (line.endsWith("}")) lines.push(JSON.parse(line))
    for (const { count, wake } of waiting) if (lines.length >= count) wake()
  })
  const ended = new Promise<readonly DeviceLine[]>((resolve) => {
    child.once("close", () => {
      for (const { wake } of waiting) wake()
      resolve(lines)
    })
  })
  const said = (count: number) =>
    new Promise<void>((wake) => {
      if (lines.length >= count) wake()
      else waiting.push({ count, wake })
    })
  return { process: child, said, lines: ended }
}
