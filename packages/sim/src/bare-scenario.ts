/**
 * Scenario *bare*: replicas of one space append opaque entries and exchange them in sync
 * sessions, and through a courier that brings spans late, twice, out of order and damaged; over
 * a network that breaks, on disks that fail, with machines that crash. Then all that ends, and
 * within bounded virtual time all have the same.
 *
 * Each seed draws which faults there are and how often, so that rare ones meet quiet ones too.
 *
 * @module
 */
import { equalBytes } from "@fulcrum/codec/bytes"
import { generateSigningKey, type SigningKey } from "@fulcrum/crypto/ed25519"
import { chainKeySchema, epochIdSchema, epochKeySchema, spaceTagSchema } from "@fulcrum/log/ids"
import { BareChecks } from "./bare-checks.ts"
import { BareReplica, type BareSpace } from "./bare-replica.ts"
import { Courier } from "./courier.ts"
import { Dice } from "./dice.ts"
import { healWorld, type Trouble, troubleClock, troubleMachine, troubleNetwork } from "./faults.ts"
import type { Machine } from "./machine.ts"
import { SimError } from "./sim-error.ts"
import type { World } from "./world.ts"

const NAMES = ["ada", "ben", "cleo"] as const
/** Many short runs find more than a few long ones in the same time; some things need long ones. */
const STEPS = {
  short: [4, 24],
  middle: [24, 70],
  long: [70, 160],
} as const satisfies Record<string, readonly [number, number]>
const LENGTHS = { short: 85, middle: 12, long: 3 } as const
/** Of a run; its bodies are then past what one span may hold. */
const LARGE_BODIES_CHANCE = 0.04
const STEP_MS = [0, 400] as const
/** Longest that replicas may take once nothing stands in their way, in virtual time. */
const HEALED_MS = 180_000
const LOOK_MS = 500

export async function runBare(world: World, trouble: Trouble): Promise<void> {
  const random = world.random.fork("scenario")
  const run = new BareRun(world, trouble, new Dice(random), drawSpace(random))
  await run.start()
  await run.trouble()
  await run.heal()
}

interface Place {
  readonly machine: Machine
  readonly writer: SigningKey
  /** The program that runs there. */
  replica: BareReplica | undefined
}

class BareRun {
  readonly #world: World
  readonly #trouble: Trouble
  readonly #dice: Dice
  readonly #space: BareSpace
  readonly #checks = new BareChecks()
  readonly #courier: Courier
  readonly #places: readonly Place[]
  /** What goes on by itself. */
  readonly #underWay = new Set<Promise<void>>()
  #appended = 0
  readonly #hasLargeBodies: boolean

  constructor(world: World, trouble: Trouble, dice: Dice, space: BareSpace) {
    this.#world = world
    this.#trouble = trouble
    this.#dice = dice
    this.#space = space
    this.#courier = new Courier(dice, this.#checks)
    this.#hasLargeBodies = dice.happens(LARGE_BODIES_CHANCE)
    const names = NAMES.slice(0, dice.between(2, NAMES.length))
    this.#places = names.map((name) => ({
      machine: world.machine(name),
      writer: generateSigningKey(dice.random),
      replica: undefined,
    }))
  }

  async start(): Promise<void> {
    for (const place of this.#places) await this.#boot(place)
  }

  async trouble(): Promise<void> {
    const names = this.#places.map(({ machine }) => machine.name)
    for (const { machine } of this.#places) troubleMachine(machine, this.#trouble)
    const [least, most] = STEPS[this.#dice.weighted(LENGTHS)]
    const steps = this.#dice.between(least, most)
    for (let step = 0; step < steps; step++) {
      await this.#world.clock.sleep(this.#dice.between(...STEP_MS))
      await this.#step(names)
      this.#checks.throwIfFailed()
    }
  }

  async heal(): Promise<void> {
    healWorld(
      this.#world,
      this.#places.map(({ machine }) => machine),
    )
    await Promise.all(this.#underWay)
    const healedMs = this.#world.clock.now()
    for (const place of this.#places) if (!place.machine.isRunning) await this.#boot(place)
    while (!this.#isSame()) {
      if (this.#world.clock.now() - healedMs > HEALED_MS) {
        throw new SimError("SIM_DIVERGED", `not the same ${HEALED_MS / 1000} s after healing`)
      }
      await this.#world.clock.sleep(LOOK_MS)
      this.#checks.throwIfFailed()
    }
    await this.#checks.settled(this.#running)
    this.#world.trace.note("all have the same", this.#running[0]?.log.digest)
  }

  get #running(): readonly BareReplica[] {
    return this.#places.flatMap(({ replica, machine }) =>
      replica && machine.isRunning ? [replica] : [],
    )
  }

  async #step(names: readonly string[]): Promise<void> {
    const { weights } = this.#trouble
    const place = this.#dice.pick(this.#places)
    const { machine } = place
    const act = this.#dice.weighted({ append: 40, boot: 10, ...weights })
    switch (act) {
      case "append":
        if (machine.isRunning) this.#append(place)
        return
      case "boot":
        if (!machine.isRunning) await this.#boot(place)
        return
      case "carry":
        if (machine.isRunning && place.replica) {
          this.#goOn(machine, this.#courier.carry(place.replica))
        }
        return
      case "crash":
        machine.crash()
        return
      case "stop":
        await this.#stop(place)
        return
      case "network":
        troubleNetwork(this.#world, names, this.#trouble, this.#dice)
        return
      case "full":
        machine.capacityBytes = this.#dice.happens(0.5)
          ? machine.usedBytes + this.#dice.below(4096)
          : Number.POSITIVE_INFINITY
    }
  }

  #append({ replica, machine }: Place): void {
    if (replica === undefined) return
    const count = this.#dice.happens(0.2) ? this.#dice.between(2, 12) : 1
    const bodies = Array.from({ length: count }, () => this.#body())
    this.#world.trace.note(`${replica.name} appends ${count}`)
    const appended = replica.append(bodies).then(
      (spans) => {
        this.#courier.take(spans ?? [])
        const other = this.#dice.pick(this.#places)
        if (other.replica === undefined || !other.machine.isRunning) return
        this.#goOn(other.machine, this.#courier.ambush(other.replica, spans ?? []))
      },
      (error: unknown) => this.#checks.threw(replica.name, error),
    )
    this.#goOn(machine, appended)
  }

  /** Lets work go on by itself, so that it meets crashes and other work. */
  #goOn(machine: Machine, work: Promise<void>): void {
    const ended = Promise.race([work, machine.died()])
    this.#underWay.add(ended)
    void ended.then(() => this.#underWay.delete(ended))
  }

  #body(): Uint8Array {
    const bytes =
      this.#hasLargeBodies && this.#dice.happens(0.1)
        ? this.#dice.between(20_000, 400_000)
        : this.#dice.between(8, 300)
    const body = new Uint8Array(bytes)
    new DataView(body.buffer).setUint32(0, this.#appended++)
    return body
  }

  /** Starts a program; its machine may die meanwhile, or its disk refuse. */
  async #boot(place: Place): Promise<void> {
    const { machine } = place
    troubleClock(machine, this.#trouble, this.#dice)
    const booted = this.#open(place)
    await Promise.race([booted, machine.died()])
    this.#checks.throwIfFailed()
  }

  async #open(place: Place): Promise<void> {
    const { machine, writer } = place
    place.replica = undefined
    try {
      const replica = await BareReplica.start(machine, this.#space, writer, this.#checks)
      await this.#checks.opened(replica)
      await replica.connect(
        this.#places.map((other) => other.machine.name).filter((name) => name !== machine.name),
      )
      place.replica = replica
    } catch (error) {
      this.#checks.threw(machine.name, error)
      machine.crash()
    }
  }

  async #stop({ machine, replica }: Place): Promise<void> {
    if (!machine.isRunning || replica === undefined) return
    await Promise.race([replica.stop(), machine.died()])
    if (machine.isRunning) machine.crash()
  }

  #isSame(): boolean {
    const running = this.#running
    if (running.length < this.#places.length) return false
    const [first] = running
    return running.every(
      ({ log }) => first !== undefined && equalBytes(log.digest, first.log.digest),
    )
  }
}

function drawSpace(random: Dice["random"]): BareSpace {
  return {
    tag: spaceTagSchema.decode(random.bytes(32)),
    chainKey: chainKeySchema.decode(random.bytes(32)),
    epoch: {
      id: epochIdSchema.decode(random.bytes(32)),
      key: epochKeySchema.decode(random.bytes(32)),
    },
  }
}
