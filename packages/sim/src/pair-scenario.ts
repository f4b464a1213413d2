/**
 * Scenario *pair*: two whole devices of one person, paired by the real pairing, with or without
 * the product's own relay between them. Both are edited at once, crash in the middle of flushes,
 * and lose sight of each other. Then all that ends, sometimes but for the line between the two,
 * and within bounded virtual time both show the same record, with all that was acknowledged. In
 * some runs one removes the other: then that one never sees what is written later, what it writes
 * itself is in nobody's record, and it learns that it was removed.
 *
 * @module
 */
import type { SeededRandom } from "@fulcrum/crypto/random"
import { openInLineDocuments } from "@fulcrum/record/in-line"
import { Dice } from "./dice.ts"
import { healWorld, type Trouble, troubleClock, troubleMachine, troubleNetwork } from "./faults.ts"
import { Findings } from "./findings.ts"
import { untilLookMs } from "./looks.ts"
import { type Machine, PERFECT_DISK } from "./machine.ts"
import { PersonDevice } from "./person-device.ts"
import { type Plan, planned } from "./plan.ts"
import { RelayProgram } from "./relay-program.ts"
import { SimError } from "./sim-error.ts"
import type { World } from "./world.ts"

const NAMES = ["phone", "laptop"] as const
/** Paths, and a value for each number, never the same twice. */
const FIELDS: Readonly<Record<string, (number: number) => string>> = {
  "card/name/full": (number) => `Ada ${number}`,
  "card/emails/home/address": (number) => `ada.${number}@example.org`,
  "card/phones/mobile/number": (number) => `+49 30 ${5_550_000 + number}`,
  "card/nicknames/1/name": (number) => `ada${number}`,
}
const STEPS = [15, 60] as const
const STEP_MS = [0, 1_500] as const
/** Longest that devices may take once nothing stands in their way, in virtual time. */
const HEALED_MS = 240_000
const LOOK_MS = 1_000
const RELAY_CHANCE = 0.5
/** In which a device that was removed may look about for more. */
const QUIET_MS = 30_000
const REMOVAL_CHANCE = 0.25
const REMOVAL_STEPS = [3, 40] as const

/** One device removed the other, and it was acknowledged. */
interface Removal {
  readonly by: PersonDevice
  readonly removed: PersonDevice
  /** What each had acknowledged by then. */
  readonly byHad: ReadonlySet<string>
  readonly removedHad: ReadonlySet<string>
  /** Of all that, what was known to the one that stays. */
  readonly known: ReadonlySet<string>
}

/** Loads what a run may not wait for. */
export async function preparePair(): Promise<void> {
  await openInLineDocuments()
}

export async function runPair(world: World, trouble: Trouble, plan: Plan): Promise<void> {
  const run = new PairRun(world, planned(trouble, plan))
  await run.start()
  await run.trouble(plan)
  await run.heal()
}

class PairRun {
  readonly #world: World
  readonly #trouble: Trouble
  readonly #random: SeededRandom
  #dice: Dice
  readonly #findings = new Findings()
  readonly #devices: readonly PersonDevice[]
  readonly #relay: RelayProgram | undefined
  /** What goes on by itself. */
  readonly #underWay = new Set<Promise<void>>()
  #written = 0
  /** In which step one removes the other. */
  readonly #removalStep: number | undefined
  #removal: Removal | undefined

  constructor(world: World, trouble: Trouble) {
    this.#world = world
    this.#trouble = trouble
    const random = world.random.fork("scenario")
    this.#random = random
    this.#dice = new Dice(random)
    this.#devices = NAMES.map(
      (name) => new PersonDevice(world.machine(name), random.bytes(32), this.#findings),
    )
    const removal = new Dice(random.fork("removal"))
    const isRemoved = removal.happens(REMOVAL_CHANCE)
    this.#removalStep = isRemoved ? removal.between(...REMOVAL_STEPS) : undefined
    const seed = random.bytes(32)
    this.#relay = this.#dice.happens(RELAY_CHANCE)
      ? new RelayProgram(world.machine("relay"), seed, this.#findings)
      : undefined
  }

  /** One device makes the record, the others join it; nothing goes wrong yet. */
  async start(): Promise<void> {
    healWorld(this.#world, this.#machines)
    await this.#relay?.boot()
    const [first, ...others] = this.#devices
    if (first === undefined) throw new RangeError("no device")
    const relays = this.#relay ? [this.#relay.address] : []
    const host = await first.create(relays)
    for (const device of others) await device.join(host, this.#relay?.address)
    this.#world.trace.note("paired")
    await this.#untilSame()
  }

  async trouble({ stepsMax, skip }: Plan): Promise<void> {
    const names = this.#machines.map(({ name }) => name)
    for (const machine of this.#machines) troubleMachine(machine, this.#trouble)
    const steps = this.#dice.between(...STEPS)
    for (let step = 0; step < Math.min(steps, stepsMax); step++) {
      if (skip.has(step)) continue
      this.#dice = new Dice(this.#random.fork(`step ${step}`))
      await this.#world.clock.sleep(this.#dice.between(...STEP_MS))
      await this.#step(step, names)
      if (step === this.#removalStep) await this.#remove(step)
      await this.#look()
      this.#findings.throwIfFailed()
    }
  }

  async heal(): Promise<void> {
    const { network, trace } = this.#world
    healWorld(this.#world, this.#machines)
    const isCut = this.#relay !== undefined && this.#dice.happens(0.5)
    if (isCut) {
      trace.note("only the relay is between them")
      network.cut(...NAMES)
    }
    await Promise.all(this.#underWay)
    if (this.#relay && !this.#relay.machine.isRunning) await this.#relay.boot()
    for (const device of this.#devices) if (!device.machine.isRunning) await device.boot()
    if (this.#removal) await this.#healRemoval(this.#removal, isCut)
    else {
      await this.#untilSame()
      const acknowledged = this.#devices.flatMap((device) => [...device.acknowledged])
      for (const device of this.#devices) await device.holds(acknowledged)
    }
    for (const device of this.#devices) await device.trustsRelays()
    await this.#look()
    this.#findings.throwIfFailed()
    trace.note(`both show ${await this.#devices[0]?.shown()}`)
  }

  get #machines(): readonly Machine[] {
    const machines = this.#devices.map(({ machine }) => machine)
    return this.#relay ? [...machines, this.#relay.machine] : machines
  }

  async #step(step: number, names: readonly string[]): Promise<void> {
    const { crash, stop, network, full, clock } = this.#trouble.weights
    const device = this.#dice.pick(this.#devices)
    const { machine } = device
    const weights = { set: 30, unset: 4, undo: 4, boot: 10, crash, stop, network, full, clock }
    const relay = this.#relay
      ? { relayCrash: crash, relayBoot: 10 }
      : { relayCrash: 0, relayBoot: 0 }
    const act = this.#dice.weighted({ ...weights, ...relay })
    this.#world.trace.step(step, act)
    switch (act) {
      case "set": {
        const [path, valueAt] = this.#dice.pick(Object.entries(FIELDS))
        const value = valueAt(this.#written++)
        this.#world.trace.note(`${device.name} sets ${path} ${value}`)
        this.#goOn(device.set(path, value))
        return
      }
      case "unset": {
        const path = this.#dice.pick(Object.keys(FIELDS))
        this.#goOn(device.edit((person) => person.unset(path)))
        return
      }
      case "undo":
        this.#goOn(device.edit((person) => person.undo()))
        return
      case "boot":
        troubleClock(machine, this.#trouble, this.#dice)
        if (!machine.isRunning) await device.boot()
        return
      case "clock":
        troubleClock(machine, this.#trouble, this.#dice)
        return
      case "crash":
        machine.crash()
        return
      case "stop":
        await device.stop()
        return
      case "relayCrash":
        this.#relay?.machine.crash()
        return
      case "relayBoot":
        if (this.#relay && !this.#relay.machine.isRunning) await this.#relay.boot()
        return
      case "network":
        troubleNetwork(this.#world, names, this.#trouble, this.#dice)
        return
      case "full":
        machine.capacityBytes = this.#dice.happens(0.5)
          ? machine.usedBytes + this.#dice.below(16_384)
          : Number.POSITIVE_INFINITY
    }
  }

  /** One device removes the other, if the disk lets it. */
  async #remove(step: number): Promise<void> {
    const dice = new Dice(this.#random.fork(`remove ${step}`))
    const by = dice.pick(this.#devices)
    const removed = this.#devices.find((device) => device !== by)
    if (removed === undefined || by.person === undefined) return
    this.#world.trace.note(`${by.name} removes ${removed.name}`)
    by.setsAside = true
    removed.mayBeRemoved = true
    let isDone = false
    await by.edit(async (person) => {
      await person.revokeDevice(removed.name)
      isDone = true
    })
    // A write that failed may have landed, which is known once the program has looked.
    if (!isDone) {
      for (const device of this.#devices) device.machine.crash()
      by.machine.quality = PERFECT_DISK
      by.machine.capacityBytes = Number.POSITIVE_INFINITY
      await by.boot()
      const rows = (await by.person?.devices()) ?? []
      isDone = rows.some(({ name, state }) => name === removed.name && state === "removed")
    }
    by.setsAside = isDone
    removed.mayBeRemoved = isDone
    if (!isDone) return
    const [byHad, removedHad] = [new Set(by.acknowledged), new Set(removed.acknowledged)]
    const had = byHad.union(removedHad)
    const known = (await by.written())?.intersection(had) ?? new Set<string>()
    this.#removal = { by, removed, byHad, removedHad, known }
  }

  /** Whoever was removed sees nothing that is newer, and nobody sees what it wrote since. */
  async #look(): Promise<void> {
    if (this.#removal === undefined) return
    const { by, removed, byHad, removedHad } = this.#removal
    const [seen, told] = [await removed.written(), await by.written()]
    for (const value of by.acknowledged) {
      if (byHad.has(value) || !seen?.has(value)) continue
      this.#findings.fail("SIM_LEAK", `${removed.name} was removed, and sees ${value}`)
    }
    for (const value of removed.acknowledged) {
      if (removedHad.has(value) || !told?.has(value)) continue
      this.#findings.fail("SIM_FORGED", `${removed.name} was removed, and ${value} of it was taken`)
    }
  }

  /** What was acknowledged is there, and whoever was removed gets to know it, if it is met. */
  async #healRemoval({ by, removed, known }: Removal, isCut: boolean): Promise<void> {
    const { clock } = this.#world
    // Whoever stays writes on, and the other may look for it wherever it can.
    const last = `Ada ${this.#written++}`
    await by.set("card/name/full", last)
    await clock.sleep(QUIET_MS)
    // A flush under way when all healed may have been a machine's last.
    for (const device of [by, removed]) if (!device.machine.isRunning) await device.boot()
    if (!by.acknowledged.has(last)) await by.set("card/name/full", last)
    const sinceMs = clock.now()
    while (!isCut && !(await removed.saysRemoved())) {
      if (clock.now() - sinceMs > HEALED_MS) {
        throw new SimError("SIM_DIVERGED", `${removed.name} does not learn that it was removed`)
      }
      await clock.sleep(untilLookMs({ waitedMs: clock.now() - sinceMs, leastMs: LOOK_MS }))
      this.#findings.throwIfFailed()
    }
    if (by.person === undefined) throw new SimError("SIM_BROKE", `${by.name} does not start`)
    await by.holds([...known, ...by.acknowledged, last])
  }

  /** Lets work go on by itself, so that it meets crashes and other work. */
  #goOn(work: Promise<void>): void {
    this.#underWay.add(work)
    void work.then(() => this.#underWay.delete(work))
  }

  async #untilSame(): Promise<void> {
    const { clock } = this.#world
    const sinceMs = clock.now()
    this.#findings.throwIfFailed()
    while (!(await this.#isSame())) {
      if (clock.now() - sinceMs > HEALED_MS) {
        throw new SimError("SIM_DIVERGED", await this.#howTheyDiffer())
      }
      await clock.sleep(untilLookMs({ waitedMs: clock.now() - sinceMs, leastMs: LOOK_MS }))
      this.#findings.throwIfFailed()
    }
  }

  /** The record, and what the logs hold. */
  async #isSame(): Promise<boolean> {
    const states = await Promise.all(this.#devices.map((device) => device.state()))
    return states.every((state) => state !== undefined && state === states[0])
  }

  async #howTheyDiffer(): Promise<string> {
    const seen = this.#devices.map(async (device) => `${device.name}: ${await device.state()}`)
    return `not the same ${HEALED_MS / 1000} s after healing\n${(await Promise.all(seen)).join("\n")}`
  }
}
