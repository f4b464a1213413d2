/**
 * The programs of the basic scenario: a person's phone and laptop, a relay, and a shop that has
 * signed her terms and was given one field.
 *
 * A town is settled once for many runs: pairing and connecting take most of a run's time, and the
 * scenario is about what comes after. A run begins with copies of the settled disks, on which all
 * programs start anew.
 *
 * @module
 */
import { openInLineDocuments } from "@fulcrum/record/in-line"
import type { MemoryDisk } from "@fulcrum/store/memory"
import { healWorld } from "./faults.ts"
import { Findings } from "./findings.ts"
import { HookChecks } from "./hook-checks.ts"
import { untilLookMs } from "./looks.ts"
import type { Machine } from "./machine.ts"
import { PersonDevice } from "./person-device.ts"
import { RelayProgram } from "./relay-program.ts"
import { SimError } from "./sim-error.ts"
import { DISCLOSED, type Posted, VendorProgram, WITHHELD } from "./vendor-program.ts"
import { World } from "./world.ts"

/** In every value that the shop may not see. */
export const SECRET = "withheld"

const NAMES = ["phone", "laptop", "relay", "shop"] as const
type Name = (typeof NAMES)[number]

const AGREED_MS = 120_000
/** Longest until all have the same when nothing stands in their way, in virtual time. */
const SAME_MS = 600_000
/** No agreement ends sooner than that. */
const TERMS_MS = 700 * 86_400_000
/** A hook that was down for long is tried once in 72 minutes. */
const HOOK_MS = 4_800_000
const LOOK_MS = 1_000
/** Until nothing is left to be said. */
const QUIET_MS = 60_000
const SETTLING_MS = 3_600_000

/** What is left of a town when all of it is switched off. */
export interface SettledTown {
  readonly endMs: number
  readonly keys: Readonly<Record<Name, Uint8Array>>
  readonly disks: Readonly<Record<Name, MemoryDisk>>
  readonly posted: readonly Posted[]
  readonly acknowledged: readonly string[]
  readonly written: number
}

export class Town {
  readonly world: World
  readonly findings: Findings = new Findings()
  readonly phone: PersonDevice
  readonly laptop: PersonDevice
  readonly relay: RelayProgram
  readonly shop: VendorProgram
  readonly #keys: Readonly<Record<Name, Uint8Array>>
  readonly #hookChecks = new HookChecks(this.findings, SECRET)
  #written = 0

  private constructor(world: World, keys: Readonly<Record<Name, Uint8Array>>) {
    this.world = world
    this.#keys = keys
    const at = (name: Name) => [world.machine(name), keys[name], this.findings] as const
    this.phone = new PersonDevice(...at("phone"))
    this.laptop = new PersonDevice(...at("laptop"))
    this.relay = new RelayProgram(...at("relay"))
    this.shop = new VendorProgram(...at("shop"))
  }

  /** Makes the record, pairs, connects and agrees, with nothing going wrong. */
  static async settle(world: World): Promise<SettledTown> {
    const random = world.random.fork("town")
    const town = new Town(
      world,
      byName(() => random.bytes(32)),
    )
    const { phone, laptop, relay, shop } = town
    healWorld(world, town.machines)
    await relay.boot()
    const invitation = await shop.create(relay.address)
    const person = await phone.create([relay.address])
    await town.set(phone, DISCLOSED)
    await town.set(phone, `${WITHHELD}/address`)
    await laptop.join(person, relay.address)
    await person.connect({ invitation, disclose: [DISCLOSED] })
    const { state } = await person.waitForAgreement("Bookshop", AGREED_MS)
    if (state !== "agreed") throw new SimError("SIM_BROKE", `the vendor's answer: ${state}`)
    await town.untilSame()
    await world.clock.sleep(QUIET_MS)
    town.look()
    for (const machine of town.machines) machine.crash()
    return {
      endMs: world.clock.now(),
      keys: town.#keys,
      disks: byName((name) => world.machine(name).backUp()),
      posted: [...shop.posted],
      acknowledged: [...phone.acknowledged],
      written: town.#written,
    }
  }

  /** All of a settled town's programs, started on copies of its disks. */
  static async open(world: World, settled: SettledTown): Promise<Town> {
    const town = new Town(world, settled.keys)
    healWorld(world, town.machines)
    for (const name of NAMES) world.machine(name).insert(settled.disks[name])
    town.#written = settled.written
    town.shop.posted.push(...settled.posted)
    town.phone.adopt(settled.acknowledged)
    await Promise.all(town.programs.map((program) => program.boot()))
    town.look()
    return town
  }

  get programs(): readonly (PersonDevice | RelayProgram | VendorProgram)[] {
    return [this.relay, this.shop, this.phone, this.laptop]
  }

  get devices(): readonly PersonDevice[] {
    return [this.phone, this.laptop]
  }

  get machines(): readonly Machine[] {
    return this.programs.map(({ machine }) => machine)
  }

  /** Writes a value that was never written before. */
  async set(device: PersonDevice, path: string): Promise<void> {
    const number = this.#written++
    if (path !== DISCLOSED) return device.set(path, `${SECRET}.${number}@example.org`)
    const value = `Street ${number}, Berlin`
    const before = await device.shownAt(`${path}/full`)
    this.#hookChecks.wrote(value, before)
    await device.set(path, value)
  }

  /** What must hold at every step of what the vendor was told. */
  look(): void {
    this.#hookChecks.look(this.shop.posted)
    const books = JSON.stringify(this.shop.vendor?.exportBooks() ?? null)
    if (books.includes(SECRET)) this.findings.fail("SIM_LEAK", "the books hold what is withheld")
    this.findings.throwIfFailed()
  }

  /** Until both devices show one record, the vendor holds what it says, and the hook knows. */
  async untilSame(): Promise<void> {
    const { clock } = this.world
    const begunMs = clock.now()
    let sinceMs = begunMs
    this.findings.throwIfFailed()
    while (!(await this.#isSame())) {
      // What the hook was told last has its way to go from then on.
      if ((this.shop.vendor?.queue().length ?? 0) > 0) sinceMs = clock.now()
      if (clock.now() - sinceMs > SAME_MS || sinceMs - begunMs > HOOK_MS) {
        throw new SimError("SIM_DIVERGED", await this.#howTheyDiffer())
      }
      await clock.sleep(untilLookMs({ waitedMs: clock.now() - sinceMs, leastMs: LOOK_MS }))
      this.look()
    }
  }

  async #isSame(): Promise<boolean> {
    // A flush under way when all healed may have been a machine's last.
    for (const program of this.programs) if (!program.machine.isRunning) await program.boot()
    const { vendor } = this.shop
    if (vendor === undefined || vendor.queue().length > 0) return false
    // Two records may look alike while one lacks an edit that did not win.
    const [phone, laptop] = await Promise.all([this.phone.state(), this.laptop.state()])
    if (phone !== laptop) return false
    const said = await this.phone.person?.get(DISCLOSED)
    if (JSON.stringify(this.shop.held(DISCLOSED)) === JSON.stringify(said)) return true
    // By the shop's clock her terms had ended: it says so, signed, and to both.
    if (this.shop.machine.mostAheadMs < TERMS_MS) return false
    return (await this.#isRejected(this.phone)) && (await this.#isRejected(this.laptop))
  }

  /** Whether the shop's last word about the disclosed field was no. */
  async #isRejected({ person }: PersonDevice): Promise<boolean> {
    const [relationship] = (await person?.relationships()) ?? []
    const shown = relationship && (await person?.show(relationship.id))
    return shown?.disclosures.find(({ path }) => path === DISCLOSED)?.state === "rejected"
  }

  async #howTheyDiffer(): Promise<string> {
    const lines = [
      `not the same ${SAME_MS / 1000} s after healing`,
      `phone: ${await this.phone.state()}`,
      `laptop: ${await this.laptop.state()}`,
      `shop: ${JSON.stringify(this.shop.held(DISCLOSED))}`,
      `hooks: ${this.shop.vendor?.queue().length} queued`,
      `held by phone: ${JSON.stringify((await this.phone.person?.status())?.held)}`,
    ]
    return lines.join("\n")
  }
}

/** How many towns the seeds share: each is settled under a seed of its own. */
const TOWNS = 4
const towns = new Map<number, Promise<SettledTown>>()

/** The settled town that a seed begins with; made when it is first asked for. */
export async function settledTown(seed: number, turn: () => Promise<void>): Promise<SettledTown> {
  await using _ = await openInLineDocuments()
  const number = seed % TOWNS
  const known = towns.get(number) ?? settleAlone(number, turn)
  towns.set(number, known)
  return known
}

async function settleAlone(number: number, turn: () => Promise<void>): Promise<SettledTown> {
  const world = new World({ seed: `town ${number}`, turn })
  return world.clock.run(Town.settle(world), SETTLING_MS)
}

function byName<T>(make: (name: Name) => T): Readonly<Record<Name, T>> {
  return {
    phone: make("phone"),
    laptop: make("laptop"),
    relay: make("relay"),
    shop: make("shop"),
  }
}
