/**
 * The programs of the scenario *apart*: four devices of one person and the relays that they meet at.
 *
 * Settled once for many runs, as `town.ts` is: a run begins with copies of the settled disks, on which
 * all programs start anew.
 *
 * @module
 */
import { openInLineDocuments } from "@fulcrum/record/in-line"
import type { MemoryDisk } from "@fulcrum/store/memory"
import { healWorld } from "./faults.ts"
import { Findings } from "./findings.ts"
import type { Machine } from "./machine.ts"
import { PersonDevice } from "./person-device.ts"
import { RelayProgram } from "./relay-program.ts"
import { SimError } from "./sim-error.ts"
import { World } from "./world.ts"

const DEVICES = ["phone", "laptop", "tablet", "desk"] as const
const RELAYS = ["north", "south"] as const

/** How many households the seeds share; every other one has one relay alone. */
const HOUSEHOLDS = 4
const SETTLING_MS = 3_600_000
/** Until what is settled has nothing left to say. */
const QUIET_MS = 60_000
const SAME_MS = 240_000
const LOOK_MS = 1_000

/** What is left of a household when all of it is switched off. */
export interface SettledHousehold {
  readonly endMs: number
  readonly relays: readonly string[]
  readonly keys: ReadonlyMap<string, Uint8Array>
  readonly disks: ReadonlyMap<string, MemoryDisk>
  readonly written: number
}

interface HouseholdParts {
  readonly world: World
  readonly relays: readonly string[]
  readonly keyOf: (name: string) => Uint8Array
}

export class Household {
  readonly world: World
  readonly findings: Findings = new Findings()
  readonly devices: readonly PersonDevice[]
  readonly relays: readonly RelayProgram[]
  #written = 0

  private constructor({ world, relays, keyOf }: HouseholdParts) {
    this.world = world
    const at = (name: string) => [world.machine(name), keyOf(name), this.findings] as const
    this.devices = DEVICES.map((name) => new PersonDevice(...at(name)))
    this.relays = relays.map((name) => new RelayProgram(...at(name)))
  }

  /** Makes the record and has all devices join it, with nothing going wrong. */
  static async settle(world: World, relays: readonly string[]): Promise<SettledHousehold> {
    const random = world.random.fork("household")
    const keys = new Map([...DEVICES, ...relays].map((name) => [name, random.bytes(32)]))
    const household = new Household({ world, relays, keyOf: keyIn(keys) })
    const { machines, devices } = household
    healWorld(world, machines)
    for (const relay of household.relays) await relay.boot()
    const [first, ...others] = devices
    if (first === undefined) throw new RangeError("no device")
    const addresses = household.relays.map(({ address }) => address)
    const host = await first.create(addresses)
    await household.set(first)
    for (const device of others) await device.join(host, addresses[0])
    await household.#untilSame()
    await world.clock.sleep(QUIET_MS)
    household.findings.throwIfFailed()
    for (const machine of machines) machine.crash()
    return {
      ...{ relays, keys },
      endMs: world.clock.now(),
      disks: new Map(machines.map((machine) => [machine.name, machine.backUp()])),
      written: household.#written,
    }
  }

  /** All of a settled household's programs, started on copies of its disks. */
  static async open(world: World, settled: SettledHousehold): Promise<Household> {
    const { relays, keys, disks, written } = settled
    const household = new Household({ world, relays, keyOf: keyIn(keys) })
    healWorld(world, household.machines)
    for (const machine of household.machines) {
      const disk = disks.get(machine.name)
      if (disk) machine.insert(disk)
    }
    household.#written = written
    await Promise.all(household.programs.map((program) => program.boot()))
    household.findings.throwIfFailed()
    return household
  }

  get programs(): readonly (PersonDevice | RelayProgram)[] {
    return [...this.relays, ...this.devices]
  }

  get machines(): readonly Machine[] {
    return this.programs.map(({ machine }) => machine)
  }

  /** No device hears another until this is healed. */
  keepApart(): void {
    const { network } = this.world
    for (const [at, one] of DEVICES.entries()) {
      for (const other of DEVICES.slice(at + 1)) network.cut(one, other)
    }
  }

  /** Writes a value that was never written before. @returns It. */
  async set(device: PersonDevice): Promise<string> {
    const value = `Ada ${this.#written++}`
    await device.set("card/name/full", value)
    return value
  }

  async #untilSame(): Promise<void> {
    const { clock } = this.world
    const sinceMs = clock.now()
    for (;;) {
      const states = await Promise.all(this.devices.map((device) => device.state()))
      if (states.every((state) => state !== undefined && state === states[0])) return
      if (clock.now() - sinceMs > SAME_MS) {
        throw new SimError("SIM_DIVERGED", `the household does not settle\n${states.join("\n")}`)
      }
      await clock.sleep(LOOK_MS)
    }
  }
}

const households = new Map<number, Promise<SettledHousehold>>()

/** The settled household that a seed begins with; made when it is first asked for. */
export async function settledHousehold(
  seed: number,
  turn: () => Promise<void>,
): Promise<SettledHousehold> {
  await using _ = await openInLineDocuments()
  const number = seed % HOUSEHOLDS
  const known = households.get(number) ?? settleAlone(number, turn)
  households.set(number, known)
  return known
}

async function settleAlone(number: number, turn: () => Promise<void>): Promise<SettledHousehold> {
  const world = new World({ seed: `household ${number}`, turn })
  const relays = RELAYS.slice(0, 1 + (number % RELAYS.length))
  return world.clock.run(Household.settle(world, relays), SETTLING_MS)
}

function keyIn(keys: ReadonlyMap<string, Uint8Array>): (name: string) => Uint8Array {
  return (name) => {
    const key = keys.get(name)
    if (key === undefined) throw new RangeError(`${name} has no key`)
    return key
  }
}
