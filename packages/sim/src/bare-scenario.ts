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
import { bytesToHex, equalBytes } from "@fulcrum/codec/bytes"
import { generateSigningKey, type SigningKey } from "@fulcrum/crypto/ed25519"
import type { SeededRandom } from "@fulcrum/crypto/random"
import { chainKeySchema, epochIdSchema, epochKeySchema, spaceTagSchema } from "@fulcrum/log/ids"
import { MemoryDisk } from "@fulcrum/store/memory"
import { VaultError } from "@fulcrum/store/vault-error"
import { BareChecks } from "./bare-checks.ts"
import { BareReplica, type BareSpace } from "./bare-replica.ts"
import { Courier } from "./courier.ts"
import { Dice } from "./dice.ts"
import { healWorld, type Trouble, troubleClock, troubleMachine, troubleNetwork } from "./faults.ts"
import { untilLookMs } from "./looks.ts"
import type { Machine } from "./machine.ts"
import { type Plan, planned } from "./plan.ts"
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
/** Machines, copies of others among them. */
const PLACES_MAX = 4
const STEP_MS = [0, 400] as const
/** Of a run; in it disks go bad. */
const FLIPS_CHANCE = 0.3
/** For each step. */
const ALL_CHANCE = 0.05
const MERGE_CHANCE = 0.15
/** Longest that replicas may take once nothing stands in their way, in virtual time. */
const HEALED_MS = 180_000
const LOOK_MS = 500

export async function runBare(world: World, trouble: Trouble, plan: Plan): Promise<void> {
  const random = world.random.fork("scenario")
  const run = new BareRun(world, planned(trouble, plan), random, drawSpace(random))
  await run.start()
  await run.trouble(plan)
  await run.heal()
}

interface Place {
  readonly machine: Machine
  readonly writer: SigningKey
  /** The program that runs there. */
  replica: BareReplica | undefined
  /** A copy of its folder, and what it had acknowledged by then. */
  backup: { readonly disk: MemoryDisk; readonly acknowledged: ReadonlySet<string> } | undefined
}

class BareRun {
  readonly #world: World
  readonly #trouble: Trouble
  readonly #random: SeededRandom
  /** Of the step that is taken. */
  #dice: Dice
  readonly #space: BareSpace
  readonly #checks = new BareChecks()
  readonly #courier: Courier
  readonly #places: Place[]
  /** What goes on by itself. */
  readonly #underWay = new Set<Promise<void>>()
  /** Of a step. */
  readonly #flipChance: number
  #appended = 0
  readonly #hasLargeBodies: boolean

  constructor(world: World, trouble: Trouble, random: SeededRandom, space: BareSpace) {
    this.#world = world
    this.#trouble = trouble
    this.#random = random
    const dice = new Dice(random)
    this.#dice = dice
    this.#space = space
    this.#courier = new Courier(dice, this.#checks)
    this.#hasLargeBodies = dice.happens(LARGE_BODIES_CHANCE)
    const goesBad = new Dice(random.fork("flips")).happens(FLIPS_CHANCE)
    this.#flipChance = goesBad ? trouble.flipChance : 0
    const names = NAMES.slice(0, dice.between(2, NAMES.length))
    this.#places = names.map((name) => ({
      machine: world.machine(name),
      writer: generateSigningKey(dice.random),
      replica: undefined,
      backup: undefined,
    }))
  }

  async start(): Promise<void> {
    for (const place of this.#places) await this.#boot(place)
  }

  async trouble({ stepsMax, skip }: Plan): Promise<void> {
    for (const { machine } of this.#places) troubleMachine(machine, this.#trouble)
    const noisy = this.#dice.pick(this.#places).machine
    noisy.noiseChance = this.#trouble.noiseChance
    if (noisy.noiseChance > 0) this.#checks.expectNoise(noisy.name)
    const [least, most] = STEPS[this.#dice.weighted(LENGTHS)]
    const steps = this.#dice.between(least, most)
    for (let step = 0; step < Math.min(steps, stepsMax); step++) {
      if (skip.has(step)) continue
      this.#dice = new Dice(this.#random.fork(`step ${step}`))
      await this.#world.clock.sleep(this.#dice.between(...STEP_MS))
      await this.#step(step)
      await this.#bringAll(step)
      this.#merge(step)
      this.#flip(step)
      this.#checks.throwIfFailed()
    }
  }

  async heal(): Promise<void> {
    healWorld(
      this.#world,
      this.#places.map(({ machine }) => machine),
    )
    await Promise.all(this.#underWay)
    for (const place of this.#places) await this.#inspect(place)
    const { clock } = this.#world
    const healedMs = clock.now()
    while (!(await this.#isSame())) {
      const waitedMs = clock.now() - healedMs
      if (waitedMs > HEALED_MS) {
        throw new SimError("SIM_DIVERGED", this.#howTheyDiffer())
      }
      await clock.sleep(untilLookMs({ waitedMs, leastMs: LOOK_MS }))
      this.#checks.throwIfFailed()
    }
    await this.#checks.settled(this.#running)
    this.#world.trace.note("all have the same", this.#running[0]?.log.digest)
  }

  /** Sometimes all that one has is brought to another, in disorder. */
  async #bringAll(step: number): Promise<void> {
    const dice = new Dice(this.#random.fork(`bring all ${step}`))
    const running = this.#places.filter(({ replica, machine }) => replica && machine.isRunning)
    if (running.length < 2 || !dice.happens(ALL_CHANCE)) return
    const [from, to] = [dice.pick(running), dice.pick(running)]
    if (!from.replica || !to.replica || from === to) return
    this.#world.trace.note(`all that ${from.machine.name} has is brought to ${to.machine.name}`)
    const brought = this.#courier.bringAll(from.replica, to.replica, dice)
    this.#goOn(to.machine, Promise.race([brought, from.machine.died()]))
  }

  /** Sometimes one merges what is due, and what it made goes the ways of all spans. */
  #merge(step: number): void {
    const dice = new Dice(this.#random.fork(`merge ${step}`))
    const running = this.#places.filter(({ replica, machine }) => replica && machine.isRunning)
    if (running.length === 0 || !dice.happens(MERGE_CHANCE)) return
    const { machine, replica } = dice.pick(running)
    if (replica === undefined) return
    const merged = replica.merge().then(
      (spans) => this.#courier.take(spans),
      (error: unknown) => this.#checks.threw(replica.name, error),
    )
    this.#goOn(machine, merged)
  }

  /** Sometimes a bit flips on a disk that nobody has in use. */
  #flip(step: number): void {
    const dice = new Dice(this.#random.fork(`flip ${step}`))
    const idle = this.#places.filter(({ machine }) => !machine.isRunning && !machine.isDamaged)
    if (idle.length === 0 || !dice.happens(this.#flipChance)) return
    const { machine } = dice.pick(idle)
    machine.flipBit(dice)
    if (machine.isDamaged) this.#checks.expectDamage(machine.name)
  }

  /** A disk that went bad, and nobody met it: whoever looks finds it. */
  async #inspect(place: Place): Promise<void> {
    const { machine } = place
    if (!machine.isDamaged) return
    machine.crash()
    try {
      await BareReplica.inspect(machine)
      this.#checks.fail("SIM_UNNOTICED", `${machine.name}: a bit flipped, and nothing is missed`)
    } catch (error) {
      this.#checks.threw(machine.name, error)
    }
    machine.crash()
    this.#replace(place)
  }

  #replace(place: Place): void {
    place.machine.insert(new MemoryDisk())
    this.#checks.replaced(place.machine.name)
    place.replica = undefined
  }

  get #running(): readonly BareReplica[] {
    return this.#places.flatMap(({ replica, machine }) =>
      replica && machine.isRunning ? [replica] : [],
    )
  }

  async #step(step: number): Promise<void> {
    const { relapse: _, ...weights } = this.#trouble.weights
    const place = this.#dice.pick(this.#places)
    const { machine } = place
    const act = this.#dice.weighted({ append: 40, boot: 10, ...weights })
    this.#world.trace.step(step, act)
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
      case "network": {
        const names = this.#places.map(({ machine: { name } }) => name)
        troubleNetwork(this.#world, names, this.#trouble, this.#dice)
        return
      }
      case "clock":
        troubleClock(machine, this.#trouble, this.#dice)
        return
      case "backup":
        this.#backUp(place)
        return
      case "full":
        machine.capacityBytes = this.#dice.happens(0.5)
          ? machine.usedBytes + this.#dice.below(4096)
          : Number.POSITIVE_INFINITY
    }
  }

  /** A folder is copied; or an older copy is put back, or put to use on a machine beside it. */
  #backUp(place: Place): void {
    const { machine, writer, backup } = place
    if (backup === undefined || this.#dice.happens(0.3)) {
      const acknowledged = this.#checks.acknowledgedBy(machine.name)
      place.backup = { disk: machine.backUp(), acknowledged }
      this.#world.trace.note(`${machine.name} is backed up`)
    } else if (!machine.isRunning) {
      machine.insert(backup.disk)
      this.#checks.restored(machine.name, backup.acknowledged)
      if (machine.isDamaged) this.#checks.expectDamage(machine.name)
      place.replica = undefined
    } else if (this.#places.length < PLACES_MAX) {
      const clone = this.#world.machine(`${machine.name}-${this.#places.length}`)
      clone.insert(backup.disk)
      if (clone.isDamaged) this.#checks.expectDamage(clone.name)
      troubleMachine(clone, this.#trouble)
      this.#places.push({ machine: clone, writer, replica: undefined, backup: undefined })
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
      if (error instanceof VaultError && machine.isDamaged) this.#replace(place)
    }
  }

  async #stop({ machine, replica }: Place): Promise<void> {
    if (!machine.isRunning || replica === undefined) return
    await Promise.race([replica.stop(), machine.died()])
    if (machine.isRunning) machine.crash()
  }

  #howTheyDiffer(): string {
    const rows = this.#places.map(({ machine, replica }) => {
      const vector = replica?.log.vector.map(
        ({ incarnation, sequence }) => `${bytesToHex(incarnation).slice(0, 6)}:${sequence}`,
      )
      const state = machine.isRunning ? vector?.join(" ") : "does not run"
      return `${machine.name}: ${state}`
    })
    return `not the same ${HEALED_MS / 1000} s after healing\n${rows.join("\n")}`
  }

  async #isSame(): Promise<boolean> {
    for (const place of this.#places) {
      // A flush under way may have been its last.
      if (!place.machine.isRunning) await this.#boot(place)
      // A write that failed may have landed: whoever goes on looks, and so do they here.
      await Promise.race([place.replica?.admit([]), place.machine.died()])
    }
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
