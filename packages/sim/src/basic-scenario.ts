/**
 * Scenario *basic*: two devices of one person, a vendor and a relay. One field is disclosed, one is
 * not; both are edited on both devices, {@link EDITS} times in all, everything crashes and loses
 * sight of everything. At no time does the vendor see an old value return, or anything of what was
 * not disclosed; in the end it holds what the record says, and its hook was told of each value
 * under one id.
 *
 * @module
 */
import type { SeededRandom } from "@fulcrum/crypto/random"
import { Dice } from "./dice.ts"
import { healWorld, type Trouble, troubleClock, troubleMachine, troubleNetwork } from "./faults.ts"
import { LyingRelay } from "./lying-relay.ts"
import type { Machine } from "./machine.ts"
import { type Plan, planned } from "./plan.ts"
import { type SettledTown, Town } from "./town.ts"
import { DISCLOSED, WITHHELD } from "./vendor-program.ts"
import type { World } from "./world.ts"

const EDITS = 20
/** Runs in which little else happens than edits end with these. */
const STEPS_MAX = 120
const STEP_MS = [0, 3_000] as const
/** Of the runs in which a relay may lie. */
const LIES_CHANCE = 0.4
/** What all other acts weigh, about. */
const ACTS_WEIGHT = 60

export async function runBasic(
  world: World,
  trouble: Trouble,
  { settled, plan }: { readonly settled: SettledTown; readonly plan: Plan },
): Promise<void> {
  const run = new BasicRun(await Town.open(world, settled), planned(trouble, plan))
  await run.trouble(plan)
  await run.heal()
}

class BasicRun {
  readonly #town: Town
  readonly #trouble: Trouble
  readonly #random: SeededRandom
  /** Of the step that is taken. */
  #dice: Dice
  /** What goes on by itself. */
  readonly #underWay = new Set<Promise<void>>()
  readonly #liar: LyingRelay
  /** Of a step. */
  readonly #lieChance: number
  #edits = 0

  constructor(town: Town, trouble: Trouble) {
    this.#town = town
    this.#trouble = trouble
    this.#random = town.world.random.fork("scenario")
    this.#dice = new Dice(this.#random)
    this.#liar = new LyingRelay(town.relay)
    const lies = new Dice(this.#random.fork("lies")).happens(LIES_CHANCE)
    this.#lieChance = lies ? trouble.weights.relapse / ACTS_WEIGHT : 0
  }

  async trouble({ stepsMax, skip }: Plan): Promise<void> {
    const { world, machines } = this.#town
    for (const machine of machines) troubleMachine(machine, this.#trouble)
    const noisy = this.#dice.pick(machines)
    noisy.noiseChance = this.#trouble.noiseChance
    for (let step = 0; step < Math.min(stepsMax, STEPS_MAX) && this.#edits < EDITS; step++) {
      this.#dice = new Dice(this.#random.fork(`step ${step}`))
      if (skip.has(step)) continue
      await world.clock.sleep(this.#dice.between(...STEP_MS))
      await this.#step(step)
      const lies = new Dice(this.#random.fork(`lie ${step}`))
      if (lies.happens(this.#lieChance)) await this.#liar.lie(lies)
      this.#town.look()
    }
  }

  async heal(): Promise<void> {
    const { world, machines, programs, devices, shop } = this.#town
    healWorld(world, machines)
    this.#liar.stop()
    shop.isHookUp = true
    await Promise.all(this.#underWay)
    for (const program of programs) if (!program.machine.isRunning) await program.boot()
    await this.#town.untilSame()
    const acknowledged = devices.flatMap((device) => [...device.acknowledged])
    for (const device of devices) {
      await device.holds(acknowledged)
      if (!this.#liar.hasLied) await device.trustsRelays()
    }
    this.#town.look()
    world.trace.note(`the shop holds ${JSON.stringify(shop.held(DISCLOSED))}`)
  }

  async #step(step: number): Promise<void> {
    const { world, machines, programs, devices, shop } = this.#town
    const { crash, stop, network, full, clock } = this.#trouble.weights
    const program = this.#dice.pick(programs)
    const device = this.#dice.pick(devices)
    const { machine } = program
    const usual = { disclosed: 15, withheld: 10, boot: 15, hook: 2 }
    const act = this.#dice.weighted({ ...usual, crash, stop, network, full, clock })
    world.trace.step(step, act)
    switch (act) {
      case "disclosed":
        this.#edits++
        this.#goOn(device.machine, this.#town.set(device, DISCLOSED))
        return
      case "withheld":
        this.#edits++
        this.#goOn(device.machine, this.#town.set(device, `${WITHHELD}/address`))
        return
      case "boot":
        troubleClock(machine, this.#trouble, this.#dice)
        if (!machine.isRunning) await program.boot()
        return
      case "hook":
        shop.isHookUp = !shop.isHookUp
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
        return
      }
      case "full":
        machine.capacityBytes = this.#dice.happens(0.5)
          ? machine.usedBytes + this.#dice.below(16_384)
          : Number.POSITIVE_INFINITY
    }
  }

  /** Lets work go on by itself, so that it meets crashes and other work. */
  #goOn(machine: Machine, work: Promise<void>): void {
    const ended = Promise.race([work, machine.died()])
    this.#underWay.add(ended)
    void ended.then(() => this.#underWay.delete(ended))
  }
}
