/**
 * Several devices on level folders, each of which writes, moves and syncs as fast as it can until
 * the process is killed: `node devices.ts JSON`, a list of `DeviceTask`.
 *
 * Prints one JSON document a line, past any buffer: what was printed was printed when the kill comes.
 *
 * @module
 */
import { writeSync } from "node:fs"
import { availableParallelism, loadavg } from "node:os"
import { hexToBytes } from "@fulcrum/codec/bytes"
import { randomBelow, seededRandom } from "@fulcrum/crypto/random"
import { openLevelStore } from "@fulcrum/store/level"
import { openPerson } from "../../src/opening/open-person.ts"
import type { Person } from "../../src/person/person.ts"
import { adapters } from "../stage.ts"

export interface DeviceTask {
  readonly name: string
  readonly folder: string
  readonly vaultKey: string
  readonly seed: string
  /** Numbers from here on have not been used. */
  readonly next: number
  /** A move that was acknowledged. */
  readonly move: string | undefined
  /** `alone`: with its network off. `look`: syncs, says what it has, and ends. */
  readonly mode: "alone" | "in touch" | "look"
}

export interface OpenTime {
  readonly wallMs: number
  readonly processorMs: number
  /** More ran on this machine than it has processors: the wall's time is others' too. */
  readonly isBusy: boolean
}

/** What a device has when it was opened, or looked at. */
export interface DeviceState {
  readonly open: OpenTime
  /** By path. */
  readonly values: Readonly<Record<string, string | null>>
  /** Whether the move that was asked about is on the board. */
  readonly hasMove: boolean
  readonly ailments: readonly string[]
  readonly record: unknown
}

export type DeviceLine = { readonly device: string } & (
  | { readonly opened: DeviceState }
  | { readonly looked: DeviceState }
  /** Values that one act will write, all or none, and its number. */
  | { readonly begins: Readonly<Record<string, string>>; readonly number: number }
  | { readonly done: Readonly<Record<string, string>>; readonly move?: string }
)

export const HOME = "card/addresses/home"
export const HOME_FULL = "card/addresses/home/full"
export const EMAIL = "card/emails/home/address"
export const NICKNAMES: readonly string[] = [1, 2, 3, 4].map((at) => `card/nicknames/${at}/name`)
/** What the other device writes. */
export const PHONE = "card/phones/mobile/number"

const LOOPBACK = "/ip4/127.0.0.1/tcp/0"
const SETTLE_MS_MAX = 3000

interface Opened {
  readonly person: Person
  readonly open: OpenTime
}

async function openDevice(task: DeviceTask): Promise<Opened> {
  const begun = performance.now()
  const used = process.cpuUsage()
  const store = await openLevelStore({ folder: task.folder })
  const person = await openPerson({ ...adapters(), store, vaultKey: hexToBytes(task.vaultKey) })
  const { user, system } = process.cpuUsage(used)
  const open: OpenTime = {
    wallMs: performance.now() - begun,
    processorMs: (user + system) / 1000,
    isBusy: (loadavg()[0] ?? 0) > availableParallelism(),
  }
  print({ device: task.name, opened: await stateOf(person, task, open) })
  return { person, open }
}

async function runDevice(task: DeviceTask, { person, open }: Opened): Promise<void> {
  if (task.mode === "look") {
    await person.start({ listen: [LOOPBACK] })
    await person.settle(SETTLE_MS_MAX * 5)
    print({ device: task.name, looked: await stateOf(person, task, open) })
    return await person.close()
  }
  if (task.mode === "in touch") await person.start({ listen: [LOOPBACK] })
  const random = seededRandom(task.seed)
  for (let number = task.next; ; number++) {
    const choice = randomBelow(random, 8)
    if (choice === 0) {
      const values = { [HOME_FULL]: `Street ${number}`, [EMAIL]: `ada.${number}@example.org` }
      print({ device: task.name, begins: values, number })
      const assignments = Object.entries(values).map(([path, value]) =>
        path === HOME_FULL ? { path: HOME, value } : { path, value },
      )
      const { move } = await person.move({ assignments })
      print({ device: task.name, done: values, move })
    } else if (choice === 1 && task.mode === "in touch") await person.settle(SETTLE_MS_MAX)
    else {
      const path = NICKNAMES[randomBelow(random, NICKNAMES.length)] ?? ""
      const values = { [path]: `nick ${number}` }
      print({ device: task.name, begins: values, number })
      await person.set(path, `nick ${number}`)
      print({ device: task.name, done: values })
    }
  }
}

async function stateOf(person: Person, task: DeviceTask, open: OpenTime): Promise<DeviceState> {
  const values: Record<string, string | null> = {}
  for (const path of [...NICKNAMES, HOME_FULL, EMAIL, PHONE]) {
    const value = await person.get(path)
    values[path] = typeof value === "string" ? value : null
  }
  const checks = await person.doctor()
  return {
    open,
    values,
    hasMove: task.move === undefined || (await person.board(task.move)) !== undefined,
    ailments: checks.filter(({ ok }) => !ok).map(({ check, detail }) => `${check}: ${detail}`),
    record: await person.get(),
  }
}

function print(line: DeviceLine): void {
  writeSync(1, `${JSON.stringify(line)}\n`)
}

if (import.meta.main) {
  const tasks: readonly DeviceTask[] = JSON.parse(process.argv[2] ?? "[]")
  const running: Promise<void>[] = []
  // One at a time, so that what is measured is one's own; the first ones are at work meanwhile.
  for (const task of tasks) running.push(runDevice(task, await openDevice(task)))
  await Promise.all(running)
  process.exit()
}
