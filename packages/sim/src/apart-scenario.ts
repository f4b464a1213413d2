/**
 * Scenario *apart*: four devices of one person that meet at relays, in most runs nowhere else. They
 * remove each other, each where it has not heard of the others, write, crash, and lose sight of the
 * relays. Then all that ends, and within bounded virtual time every device either says that it was
 * removed or agrees with all the others that do not: on who belongs, and on the record, with all that
 * they acknowledged. At no time does who was removed see what was written by one that knew.
 *
 * @module
 */
import type { SeededRandom } from "@fulcrum/crypto/random"
import { ApartChecks } from "./apart-checks.ts"
import { Dice } from "./dice.ts"
import { healWorld, type Trouble, troubleClock, troubleMachine, troubleNetwork } from "./faults.ts"
import { Household, type SettledHousehold } from "./household.ts"
import { untilLookMs } from "./looks.ts"
import type { PersonDevice } from "./person-device.ts"
import { type Plan, planned } from "./plan.ts"
import { SimError } from "./sim-error.ts"
import type { World } from "./world.ts"

const STEPS = [10, 40] as const
const STEP_MS = [0, 3_000] as const
const REMOVALS_MAX = 4
/** In the others, devices that hear of each other meet. */
const APART_CHANCE = 0.8
/** A mailbox that the record has left is looked into again every ten minutes, by one after another. */
const AGREED_MS = 2_400_000
const LOOK_MS = 5_000

export async function runApart(
  world: World,
  trouble: Trouble,
  { settled, plan }: { readonly settled: SettledHousehold; readonly plan: Plan },
): Promise<void> {
  const run = new ApartRun(await Household.open(world, settled), planned(trouble, plan))
  await run.trouble(plan)
  await run.heal()
}

class ApartRun {
  readonly #household: Household
  readonly #trouble: Trouble
  readonly #random: SeededRandom
  readonly #checks: ApartChecks
  readonly #isApart: boolean
  /** Of the step that is taken. */
  #dice: Dice
  /** What goes on by itself. */
  readonly #underWay = new Set<Promise<void>>()
  #removals = 0

  constructor(household: Household, trouble: Trouble) {
    this.#household = household
    this.#trouble = trouble
    this.#random = household.world.random.fork("scenario")
    this.#dice = new Dice(this.#random)
    this.#checks = new ApartChecks(household)
    this.#isApart = this.#dice.happens(APART_CHANCE)
  }

  async trouble({ stepsMax, skip }: Plan): Promise<void> {
    const { world, machines, findings } = this.#household
    for (const machine of machines) troubleMachine(machine, this.#trouble)
    if (this.#isApart) this.#household.keepApart()
    const steps = this.#dice.between(...STEPS)
    for (let step = 0; step < Math.min(steps, stepsMax); step++) {
      if (skip.has(step)) continue
      this.#dice = new Dice(this.#random.fork(`step ${step}`))
      await world.clock.sleep(this.#dice.between(...STEP_MS))
      await this.#step(step)
      findings.throwIfFailed()
    }
  }

  async heal(): Promise<void> {
    const { world, machines, programs, findings } = this.#household
    healWorld(world, machines)
    if (this.#isApart) this.#household.keepApart()
    await Promise.all(this.#underWay)
    for (const program of programs) if (!program.machine.isRunning) await program.boot()
    await this.#untilAgreed()
    await this.#checks.holds()
    findings.throwIfFailed()
  }

  async #step(step: number): Promise<void> {
    const { world, machines, programs, devices, relays } = this.#household
    const { crash, stop, network, full, clock } = this.#trouble.weights
    const device = this.#dice.pick(devices)
    const program = this.#dice.pick(programs)
    const { machine } = program
    const remove = this.#removals < REMOVALS_MAX ? 8 : 0
    const usual = { set: 20, remove, lose: 6, find: 6, boot: 12 }
    const act = this.#dice.weighted({ ...usual, crash, stop, network, full, clock })
    world.trace.step(step, act)
    switch (act) {
      case "set":
        this.#goOn(this.#checks.set(device))
        return
      case "remove":
        this.#removals++
        this.#goOn(this.#remove(device))
        return
      case "lose": {
        const relay = this.#dice.pick(relays)
        world.network.cut(device.name, relay.machine.name)
        return
      }
      case "find":
        for (const relay of relays) world.network.heal(device.name, relay.machine.name)
        return
      case "boot":
        troubleClock(machine, this.#trouble, this.#dice)
        if (!machine.isRunning) await program.boot()
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
      case "network": {
        const names = machines.map(({ name }) => name)
        troubleNetwork(world, names, this.#trouble, this.#dice)
        if (this.#isApart) this.#household.keepApart()
        return
      }
      case "full":
        machine.capacityBytes = this.#dice.happens(0.5)
          ? machine.usedBytes + this.#dice.below(16_384)
          : Number.POSITIVE_INFINITY
    }
  }

  /** One device removes another that it takes for a member. */
  async #remove(by: PersonDevice): Promise<void> {
    const dice = this.#dice
    const others = await by.others()
    if (others.length === 0) return
    const removed = dice.pick(others)
    this.#household.world.trace.note(`${by.name} removes ${removed}`)
    for (const device of this.#household.devices) {
      device.mayBeRemoved = true
      device.setsAside = true
    }
    this.#checks.removing(removed)
    await by.edit((person) => person.revokeDevice(removed))
  }

  async #untilAgreed(): Promise<void> {
    const { world, programs, findings } = this.#household
    const { clock } = world
    const sinceMs = clock.now()
    for (;;) {
      // A flush under way when all healed may have been a machine's last.
      for (const program of programs) if (!program.machine.isRunning) await program.boot()
      findings.throwIfFailed()
      if (await this.#checks.areAgreed()) return
      if (clock.now() - sinceMs > AGREED_MS) {
        throw new SimError("SIM_DIVERGED", await this.#checks.howTheyDiffer(AGREED_MS))
      }
      await clock.sleep(untilLookMs({ waitedMs: clock.now() - sinceMs, leastMs: LOOK_MS }))
    }
  }

  /** Lets work go on by itself, so that it meets crashes and other work. */
  #goOn(work: Promise<void>): void {
    this.#underWay.add(work)
    void work.then(() => this.#underWay.delete(work))
  }
}
