/**
 * Scenario *shop*: two devices of one person, a vendor and a relay. One field is disclosed, one is
 * not; both are edited on both devices, everything crashes and loses sight of everything. At no time
 * does the vendor see an old value return, or anything of what was not disclosed; in the end it
 * holds what the record says, and its hook was told of each value under one id.
 *
 * @module
 */
import { openInLineDocuments } from "@fulcrum/record/in-line"
import { Dice } from "./dice.ts"
import { healWorld, type Trouble, troubleClock, troubleMachine, troubleNetwork } from "./faults.ts"
import { Findings } from "./findings.ts"
import { HookChecks } from "./hook-checks.ts"
import type { Machine } from "./machine.ts"
import { PersonDevice } from "./person-device.ts"
import { RelayProgram } from "./relay-program.ts"
import { SimError } from "./sim-error.ts"
import { DISCLOSED, VendorProgram, WITHHELD } from "./vendor-program.ts"
import type { World } from "./world.ts"

const STEPS = [15, 50] as const
const STEP_MS = [0, 3_000] as const
/** Longest that all may take once nothing stands in their way, in virtual time. */
const HEALED_MS = 600_000
const LOOK_MS = 1_000
const AGREED_MS = 120_000
/** In every value that the vendor may not see. */
const SECRET = "withheld"

/** Loads what a run may not wait for. */
export async function prepareShop(): Promise<void> {
  await openInLineDocuments()
}

export async function runShop(world: World, trouble: Trouble): Promise<void> {
  const run = new ShopRun(world, trouble)
  await run.start()
  await run.trouble()
  await run.heal()
}

class ShopRun {
  readonly #world: World
  readonly #trouble: Trouble
  readonly #dice: Dice
  readonly #findings = new Findings()
  readonly #phone: PersonDevice
  readonly #laptop: PersonDevice
  readonly #relay: RelayProgram
  readonly #shop: VendorProgram
  readonly #hookChecks = new HookChecks(this.#findings, SECRET)
  readonly #underWay = new Set<Promise<void>>()
  #written = 0

  constructor(world: World, trouble: Trouble) {
    this.#world = world
    this.#trouble = trouble
    const random = world.random.fork("scenario")
    this.#dice = new Dice(random)
    const device = (name: string) =>
      new PersonDevice(world.machine(name), random.bytes(32), this.#findings)
    this.#phone = device("phone")
    this.#laptop = device("laptop")
    this.#relay = new RelayProgram(world.machine("relay"), random.bytes(32), this.#findings)
    this.#shop = new VendorProgram(world.machine("shop"), random.bytes(32), this.#findings)
  }

  async start(): Promise<void> {
    const { address } = this.#relay
    healWorld(this.#world, this.#machines)
    await this.#relay.boot()
    const invitation = await this.#shop.create(address)
    const phone = await this.#phone.create([address])
    await this.#set(this.#phone, DISCLOSED)
    await this.#set(this.#phone, `${WITHHELD}/address`)
    await this.#laptop.join(phone, address)
    await phone.connect({ invitation, disclose: [DISCLOSED] })
    const { state } = await phone.waitForAgreement("Bookshop", AGREED_MS)
    if (state !== "agreed") throw new SimError("SIM_BROKE", `the vendor's answer: ${state}`)
    await this.#untilSame()
    this.#world.trace.note("agreed")
  }

  async trouble(): Promise<void> {
    for (const machine of this.#machines) troubleMachine(machine, this.#trouble)
    const steps = this.#dice.between(...STEPS)
    for (let step = 0; step < steps; step++) {
      await this.#world.clock.sleep(this.#dice.between(...STEP_MS))
      await this.#step()
      this.#look()
    }
  }

  async heal(): Promise<void> {
    healWorld(this.#world, this.#machines)
    this.#shop.isHookUp = true
    await Promise.all(this.#underWay)
    for (const program of this.#programs) if (!program.machine.isRunning) await program.boot()
    await this.#untilSame()
    const acknowledged = [...this.#phone.acknowledged, ...this.#laptop.acknowledged]
    for (const device of [this.#phone, this.#laptop]) await device.holds(acknowledged)
    this.#look()
    this.#world.trace.note(`the shop holds ${JSON.stringify(this.#shop.held(DISCLOSED))}`)
  }

  get #programs(): readonly (PersonDevice | RelayProgram | VendorProgram)[] {
    return [this.#relay, this.#shop, this.#phone, this.#laptop]
  }

  get #machines(): readonly Machine[] {
    return this.#programs.map(({ machine }) => machine)
  }

  async #step(): Promise<void> {
    const { crash, stop, network, full } = this.#trouble.weights
    const program = this.#dice.pick(this.#programs)
    const device = this.#dice.pick([this.#phone, this.#laptop])
    const { machine } = program
    const weights = { disclosed: 15, withheld: 10, boot: 15, hook: 2, crash, stop, network, full }
    switch (this.#dice.weighted(weights)) {
      case "disclosed":
        this.#goOn(device.machine, this.#set(device, DISCLOSED))
        return
      case "withheld":
        this.#goOn(device.machine, this.#set(device, `${WITHHELD}/address`))
        return
      case "boot":
        troubleClock(machine, this.#trouble, this.#dice)
        if (!machine.isRunning) await program.boot()
        return
      case "hook":
        this.#shop.isHookUp = !this.#shop.isHookUp
        return
      case "crash":
        machine.crash()
        return
      case "stop":
        await device.stop()
        return
      case "network": {
        const names = this.#machines.map(({ name }) => name)
        troubleNetwork(this.#world, names, this.#trouble, this.#dice)
        return
      }
      case "full":
        machine.capacityBytes = this.#dice.happens(0.5)
          ? machine.usedBytes + this.#dice.below(16_384)
          : Number.POSITIVE_INFINITY
    }
  }

  async #set(device: PersonDevice, path: string): Promise<void> {
    const number = this.#written++
    if (path !== DISCLOSED) return device.set(path, `${SECRET}.${number}@example.org`)
    const value = `Street ${number}, Berlin`
    const before = await device.shownAt(`${path}/full`)
    this.#hookChecks.wrote(value, before)
    await device.set(path, value)
  }

  /** Lets work go on by itself, so that it meets crashes and other work. */
  #goOn(machine: Machine, work: Promise<void>): void {
    const ended = Promise.race([work, machine.died()])
    this.#underWay.add(ended)
    void ended.then(() => this.#underWay.delete(ended))
  }

  /** What must hold at every step of what the vendor was told. */
  #look(): void {
    this.#hookChecks.look(this.#shop.posted)
    const books = JSON.stringify(this.#shop.vendor?.exportBooks() ?? null)
    if (books.includes(SECRET)) this.#findings.fail("SIM_LEAK", "the books hold what is withheld")
    this.#findings.throwIfFailed()
  }

  async #untilSame(): Promise<void> {
    const { clock } = this.#world
    const sinceMs = clock.now()
    this.#findings.throwIfFailed()
    while (!(await this.#isSame())) {
      if (clock.now() - sinceMs > HEALED_MS) {
        throw new SimError("SIM_DIVERGED", await this.#howTheyDiffer())
      }
      await clock.sleep(LOOK_MS)
      this.#look()
    }
  }

  /** Both devices show one record, the vendor holds what it says, and the hook knows. */
  async #isSame(): Promise<boolean> {
    const [phone, laptop] = await Promise.all([this.#phone.shown(), this.#laptop.shown()])
    if (phone !== laptop) return false
    const { vendor } = this.#shop
    const said = await this.#phone.person?.get(DISCLOSED)
    if (vendor === undefined || vendor.queue().length > 0) return false
    return JSON.stringify(this.#shop.held(DISCLOSED)) === JSON.stringify(said)
  }

  async #howTheyDiffer(): Promise<string> {
    const lines = [
      `not the same ${HEALED_MS / 1000} s after healing`,
      `phone: ${await this.#phone.shown()}`,
      `laptop: ${await this.#laptop.shown()}`,
      `shop: ${JSON.stringify(this.#shop.held(DISCLOSED))}`,
      `hooks: ${this.#shop.vendor?.queue().length} queued`,
      `held by phone: ${JSON.stringify((await this.#phone.person?.status())?.held)}`,
    ]
    return lines.join("\n")
  }
}
