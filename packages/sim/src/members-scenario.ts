/**
 * Scenario *members*: the devices of one person, and whoever has her recovery words, change who
 * belongs to her record, at the same time and without knowing of each other; they write entries, meet
 * and exchange, over a network that parts them, on disks that fail, with machines that crash, folders
 * that are copied and old ones that are put back. In some runs one of them leaves wraps out or adds
 * some. Then all that ends, everything is brought to everybody, and who remains has the same.
 *
 * No documents and no companies: entries say nothing, so that many runs go by in little time.
 *
 * @module
 */
import { bytesToHex } from "@fulcrum/codec/bytes"
import type { SeededRandom } from "@fulcrum/crypto/random"
import { idKey } from "@fulcrum/log/ids"
import { Dice } from "./dice.ts"
import { healWorld, type Trouble, troubleNetwork } from "./faults.ts"
import { MemberChecks } from "./member-checks.ts"
import { MemberHistory } from "./member-history.ts"
import { WORDS_MAX, wordsKeys } from "./member-keys.ts"
import { wrongWraps } from "./member-lies.ts"
import { type Place, someWords } from "./member-places.ts"
import type { MemberProgram } from "./member-program.ts"
import { MemberRules } from "./member-rules.ts"
import { MemberTown } from "./member-town.ts"
import { type Plan, planned } from "./plan.ts"
import { SimError } from "./sim-error.ts"
import type { World } from "./world.ts"

/** Many short runs find more than a few long ones in the same time; some things need long ones. */
const STEPS = {
  short: [4, 16],
  middle: [16, 36],
  long: [36, 80],
} as const satisfies Record<string, readonly [number, number]>
const LENGTHS = { short: 87, middle: 11, long: 2 } as const
const ACTS = {
  write: 22,
  exchange: 26,
  bring: 4,
  add: 5,
  remove: 6,
  feud: 2,
  rotate: 4,
  rename: 2,
  suite: 1,
  words: 5,
  merge: 2,
  boot: 6,
} as const
const STEP_MS = [0, 400] as const
/** Of a run: one of its devices lies about wraps. */
const LIES_CHANCE = 0.05
/** Spans that are carried at once. */
const LOAD_MAX = 6
/** In which all is brought to everybody once nothing stands in their way. */
const ROUNDS_MAX = 16

export async function runMembers(world: World, trouble: Trouble, plan: Plan): Promise<void> {
  const run = new MembersRun(world, planned(trouble, plan), world.random.fork("scenario"))
  await run.start()
  await run.trouble(plan)
  await run.heal()
}

class MembersRun {
  readonly #world: World
  readonly #trouble: Trouble
  readonly #random: SeededRandom
  /** Of the step that is taken. */
  #dice: Dice
  readonly #history = new MemberHistory()
  readonly #checks = new MemberChecks(this.#history)
  readonly #town: MemberTown
  #words = 0
  #written = 0
  /** Whose wraps are not what they should be. */
  #liar: string | undefined

  constructor(world: World, trouble: Trouble, random: SeededRandom) {
    this.#world = world
    this.#trouble = trouble
    this.#random = random
    this.#dice = new Dice(random)
    const told = { history: this.#history, checks: this.#checks }
    this.#town = new MemberTown(world, this.#dice, told)
  }

  /** A record with a few devices, all of which have it. */
  async start(): Promise<void> {
    const dice = this.#dice
    const first = await this.#town.found()
    for (let more = dice.between(1, 4); more > 0; more--) await this.#town.add(first)
    await this.#town.typeWords(0)
    for (let again = 0; again < 2; again++) {
      for (const place of this.#town.running) await this.#town.bringAll(first, place)
    }
    this.#checks.throwIfFailed()
    if (dice.happens(LIES_CHANCE)) this.#liar = dice.pick(this.#town.runningDevices).by.id
  }

  async trouble({ stepsMax, skip }: Plan): Promise<void> {
    this.#town.suffer(this.#trouble)
    const [least, most] = STEPS[this.#dice.weighted(LENGTHS)]
    const steps = this.#dice.between(least, most)
    for (let step = 0; step < Math.min(steps, stepsMax); step++) {
      if (skip.has(step)) continue
      this.#dice = new Dice(this.#random.fork(`step ${step}`))
      await this.#world.clock.sleep(this.#dice.between(...STEP_MS))
      await this.#step(step)
      for (const { program } of this.#town.running) if (program) await this.#town.look(program)
      this.#checks.throwIfFailed()
    }
  }

  async heal(): Promise<void> {
    healWorld(
      this.#world,
      this.#town.places.map(({ machine }) => machine),
    )
    await this.#town.ended()
    const rules = new MemberRules(this.#history, this.#checks)
    for (let round = 0; ; round++) {
      // One may have been about to die when all that ended.
      await this.#town.bootAll()
      const before = this.#standing()
      if (round === 0) await this.#everybodyMeets()
      await this.#everybodyExchanges()
      this.#checks.throwIfFailed()
      if (this.#standing() === before) break
      if (round > ROUNDS_MAX) throw new SimError("SIM_DIVERGED", "devices go on for ever")
    }
    this.#world.trace.note("everybody has exchanged with everybody")
    const programs = this.#town.running.flatMap(({ program }) => program ?? [])
    await rules.settled(programs)
    this.#checks.leaks()
    this.#checks.throwIfFailed()
  }

  async #step(step: number): Promise<void> {
    const { relapse: _, clock: __, backup, ...weights } = this.#trouble.weights
    const lie = this.#liar === undefined ? 0 : 6
    const act = this.#dice.weighted({ ...ACTS, lie, backup: 2 * backup, ...weights })
    this.#world.trace.step(step, act)
    const place = this.#dice.pick(this.#town.places.filter(({ by }) => !by.isWords))
    const { machine } = place
    const running = this.#town.runningDevices
    const [one] = running.length === 0 ? [] : [this.#dice.pick(running)]
    switch (act) {
      case "boot":
        if (!machine.isRunning) await this.#town.boot(place)
        return
      case "crash":
        machine.crash()
        return
      case "stop":
        await this.#town.stop(place)
        return
      case "backup":
        await this.#town.backUp(place, this.#dice)
        return
      case "network": {
        const names = this.#town.places.flatMap((it) => (it.by.isWords ? [] : [it.machine.name]))
        if (names.length > 1) troubleNetwork(this.#world, names, this.#trouble, this.#dice)
        return
      }
      case "full":
        machine.capacityBytes = this.#dice.happens(0.5)
          ? machine.usedBytes + this.#dice.below(4096)
          : Number.POSITIVE_INFINITY
        return
      default:
        if (one?.program) this.#change(act, one, one.program)
    }
  }

  #change(
    act: Exclude<keyof typeof ACTS, "boot"> | "lie" | "carry",
    place: Place,
    program: MemberProgram,
  ): void {
    const dice = this.#dice
    const goOn = (work: Promise<unknown>) => this.#town.goOn(place, work)
    switch (act) {
      case "write":
        goOn(program.write(Array.from({ length: dice.between(1, 4) }, () => this.#name())))
        return
      case "exchange": {
        const other = this.#other(place)
        if (other) goOn(program.exchange(other.machine.name))
        return
      }
      case "bring": {
        const other = dice.pick(this.#town.running)
        if (other !== place) goOn(this.#town.bringAll(place, other))
        return
      }
      case "carry":
        this.#carry()
        return
      case "add":
        goOn(this.#town.add(place))
        return
      case "remove":
        goOn(this.#remove(program))
        return
      case "feud": {
        const other = this.#other(place)
        if (other?.program === undefined) return
        goOn(program.change(removalOf(other.by.id)))
        this.#town.goOn(other, other.program.change(removalOf(place.by.id)))
        return
      }
      case "rotate":
        goOn(program.change(() => [{ kind: "rotate", value: {} }]))
        return
      case "rename": {
        const name = `${place.by.name} ${dice.below(1000)}`
        const at = dice.below(8)
        goOn(
          program.change(({ devices }) => {
            const device = devices[at % Math.max(1, devices.length)]
            return device ? [{ kind: "rename", value: { device: device.id, name } }] : []
          }),
        )
        return
      }
      case "suite": {
        // Under a higher one these programs would write nothing more.
        const least = Math.min(1, dice.between(1, 3))
        goOn(program.change(() => [{ kind: "suite", value: { least } }]))
        return
      }
      case "words":
        goOn(this.#useWords(place, program))
        return
      case "merge":
        goOn(program.merge())
        return
      case "lie":
        this.#lie()
    }
  }

  /** Somebody brings spans late, twice and in any order. */
  #carry(): void {
    const { spans } = this.#history
    if (spans.length === 0) return
    const place = this.#dice.pick(this.#town.running)
    const { program } = place
    const count = this.#dice.between(1, LOAD_MAX)
    const load = Array.from({ length: count }, () => this.#dice.pick(spans))
    if (program) this.#town.goOn(place, this.#town.bring(program, load))
  }

  async #remove(program: MemberProgram): Promise<void> {
    const others = program.view.devices.filter(({ id }) => bytesToHex(id) !== program.by.id)
    if (others.length === 0) return
    await program.change(removalOf(bytesToHex(this.#dice.pick(others).id)))
  }

  /** The words are typed in somewhere, or others are written down. */
  async #useWords(place: Place, program: MemberProgram): Promise<void> {
    const dice = this.#dice
    if (dice.happens(0.3)) return await this.#replaceWords(program)
    const words = dice.pick(this.#town.places.filter(({ by }) => by.isWords))
    if (words.program === undefined) return
    // What the archives have: not always the newest.
    if (dice.happens(0.8)) await this.#town.bringAll(place, words)
    const { devices, removed } = words.program.view
    const other = removed.length > 0 && dice.happens(0.6) ? dice.pick(removed) : undefined
    const target =
      devices.length > 1 && (!other || dice.happens(0.4)) ? dice.pick(devices) : undefined
    const given = await words.program.change((view, ledger) => [
      ...(other ? [{ kind: "add" as const, value: other }] : []),
      ...(target ? removalOf(bytesToHex(target.id))(view, ledger) : []),
    ])
    if (given === undefined) return
    await this.#town.bringAll(words, place)
    if (other) await this.#town.giveBack(other.writer, given)
  }

  async #replaceWords(program: MemberProgram): Promise<void> {
    if (this.#words + 1 >= WORDS_MAX) return
    const index = ++this.#words
    const { certificate } = wordsKeys(index)
    this.#history.meet(someWords(index))
    await program.change(() => [{ kind: "recovery", value: { certificate } }])
    await this.#town.typeWords(index)
  }

  #lie(): void {
    const places = this.#town.runningDevices.filter(({ by }) => by.id === this.#liar)
    const [place] = places
    if (place?.program === undefined) return
    const at = this.#dice.below(100)
    const kind = this.#dice.pick(["leave out", "add"] as const)
    this.#world.trace.note(`${place.machine.name} lies: ${kind}`)
    this.#town.goOn(
      place,
      place.program.lie((clear) => wrongWraps(clear, kind, at)),
    )
  }

  /** By sync sessions. */
  async #everybodyMeets(): Promise<void> {
    const places = this.#town.runningDevices
    for (const [at, { program }] of places.entries()) {
      for (const other of places.slice(at + 1)) {
        await Promise.race([program?.exchange(other.machine.name), program?.over])
      }
    }
  }

  /** By relays, or whoever else brings spans: also of those who do not meet any more. */
  async #everybodyExchanges(): Promise<void> {
    for (const place of this.#town.running) {
      for (const other of this.#town.running) await this.#town.bringAll(place, other)
    }
    // Whoever finds that wraps are not what they should be rotates; who was left out finds nothing. Where that
    // is the only other device, it is whoever has the words.
    const lies = this.#history.keyEntries.filter(({ key }) => key.isLie).map(({ epoch }) => epoch)
    const { running } = this.#town
    const byKind = running.toSorted((a, b) => Number(a.by.isWords) - Number(b.by.isWords))
    const honest = byKind.find(({ by, program }) => {
      const isFound = program?.view.heads.some((id) => lies.includes(idKey(id)))
      return isFound && program?.isMember && by.id !== this.#liar
    })
    await honest?.program?.change(() => [{ kind: "rotate", value: {} }])
    for (const { program } of this.#town.running) {
      if (program === undefined) continue
      await (program.isWords ? program.settle() : program.followUp())
      await this.#town.look(program)
    }
  }

  #standing(): string {
    return this.#town.running.map(({ program }) => program?.standing).join("\n")
  }

  #other(place: Place): Place | undefined {
    const others = this.#town.runningDevices.filter((other) => other !== place)
    return others.length === 0 ? undefined : this.#dice.pick(others)
  }

  /** What an entry says: nothing but that it is one. */
  #name(): Uint8Array {
    const name = new Uint8Array(32)
    new DataView(name.buffer).setUint32(0, ++this.#written)
    return name
  }
}

type Changes = Parameters<MemberProgram["change"]>[0]

/** Removes a device, if it belongs. @param id - In hex. */
function removalOf(id: string): Changes {
  return ({ devices }, { record }) =>
    devices
      .filter((device) => bytesToHex(device.id) === id)
      .map((device) => ({ kind: "remove", value: { device: device.id, on: record.vector } }))
}
