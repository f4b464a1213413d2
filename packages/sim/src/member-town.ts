/**
 * All machines of a run of scenario *members*: whose they are, what runs on them, and what goes on there
 * by itself.
 *
 * @module
 */
import type { Dice } from "./dice.ts"
import { type Trouble, troubleMachine } from "./faults.ts"
import type { MemberChecks } from "./member-checks.ts"
import type { MemberHistory } from "./member-history.ts"
import { DEVICES_MAX, deviceKeys } from "./member-keys.ts"
import {
  foundRecord,
  joinRecord,
  type Place,
  type RecordKeys,
  someDevice,
  someWords,
  typeWords,
} from "./member-places.ts"
import { type Given, MemberProgram } from "./member-program.ts"
import type { World } from "./world.ts"

/** Machines, copies of others among them. */
const PLACES_MAX = 10

export class MemberTown {
  readonly places: Place[] = []
  readonly #world: World
  readonly #history: MemberHistory
  readonly #checks: MemberChecks
  /** Keys that devices have, in the order in which they get them. */
  readonly #devices: number[]
  /** What goes on by itself. */
  readonly #underWay = new Set<Promise<void>>()
  #common: RecordKeys | undefined
  #added = 0
  /** What new machines suffer from; absent: nothing yet. */
  #trouble: Trouble | undefined

  constructor(world: World, dice: Dice, told: { history: MemberHistory; checks: MemberChecks }) {
    this.#world = world
    this.#history = told.history
    this.#checks = told.checks
    const left = Array.from({ length: DEVICES_MAX }, (_, index) => index)
    this.#devices = [...left].flatMap(() => left.splice(dice.below(left.length), 1))
  }

  /** Makes the record. @returns Where its first device is. */
  async found(): Promise<Place> {
    const founder = this.#nextDevice()
    const by = someDevice(founder)
    this.#history.meet(by)
    this.#history.meet(someWords(0))
    const machine = this.#world.machine(by.name)
    this.#common = await foundRecord(machine, founder, this.#history, by)
    const first = this.#place(by.name, by, [])
    await this.boot(first)
    return first
  }

  /** Things go wrong from now on. */
  suffer(trouble: Trouble): void {
    this.#trouble = trouble
    for (const { machine, by } of this.places) if (!by.isWords) troubleMachine(machine, trouble)
  }

  /** Resolves once nothing goes on by itself any more. */
  async ended(): Promise<void> {
    await Promise.all(this.#underWay)
  }

  get running(): readonly Place[] {
    return this.places.filter(({ program, machine }) => program && machine.isRunning)
  }

  get runningDevices(): readonly Place[] {
    return this.running.filter(({ by }) => !by.isWords)
  }

  /** Brings all that one has and another lacks. */
  async bringAll({ program: from }: Place, { program: to }: Place): Promise<void> {
    if (from === undefined || to === undefined || from === to) return
    try {
      const spans = await Promise.race([from.allFor(to), from.over])
      if (spans) await this.bring(to, spans)
    } catch (error) {
      this.#checks.threw(from.name, error)
    }
  }

  async bring(to: MemberProgram, spans: readonly Uint8Array[]): Promise<void> {
    try {
      await Promise.race([to.admit(spans), to.over])
    } catch (error) {
      this.#checks.threw(to.name, error)
    }
  }

  async add({ program }: Place): Promise<void> {
    if (program === undefined || this.places.length >= PLACES_MAX) return
    if (this.#added >= DEVICES_MAX) return
    const index = this.#nextDevice()
    const { certificate } = deviceKeys(index)
    const by = someDevice(index)
    this.#history.meet(by)
    const given = await program.change(() => [{ kind: "add", value: { certificate } }])
    const common = this.#common
    if (given === undefined || common === undefined) return
    await joinRecord(this.#world.machine(by.name), common, { index, given })
    const place = this.#place(by.name, by, given.members)
    await this.boot(place)
    if (this.#trouble) troubleMachine(place.machine, this.#trouble)
  }

  /** A device that is brought back is paired again: its folder is still there. */
  async giveBack(writer: Uint8Array, given: Given): Promise<void> {
    const by = this.#history.byWriter(writer)
    for (const { program } of this.running.filter((it) => it.by === by)) {
      await program?.take(given)
    }
  }

  async typeWords(index: number): Promise<void> {
    const by = this.#history.byId(`words ${index}`)
    const common = this.#common
    if (by === undefined || common === undefined) return
    await typeWords(this.#world.machine(by.name), common, index)
    await this.boot(this.#place(by.name, by, []))
  }

  /** A folder is copied; or an older copy is put back, or put to use on a machine beside it. */
  async backUp(place: Place, dice: Dice): Promise<void> {
    const { machine, backup } = place
    if (machine.isRunning && this.places.length < PLACES_MAX && dice.happens(0.4)) {
      await this.#copy(place, dice)
    } else if (backup === undefined || machine.isRunning || dice.happens(0.3)) {
      const acknowledged = this.#checks.acknowledgedBy(machine.name)
      place.backup = { disk: machine.backUp(), acknowledged }
      this.#world.trace.note(`${machine.name} is backed up`)
    } else {
      machine.insert(backup.disk)
      this.#checks.restored(machine.name, backup.acknowledged)
      place.program = undefined
    }
  }

  async #copy({ machine, by, members, backup }: Place, dice: Dice): Promise<void> {
    const disk = backup && dice.happens(0.5) ? backup.disk : machine.backUp()
    const copy = this.#place(`${machine.name}-${this.places.length}`, by, members)
    copy.machine.insert(disk)
    if (this.#trouble) troubleMachine(copy.machine, this.#trouble)
    if (dice.happens(0.8)) await this.boot(copy)
  }

  async bootAll(): Promise<void> {
    for (const place of this.places) if (!place.machine.isRunning) await this.boot(place)
  }

  /** Starts a program; its machine may die meanwhile, or its disk refuse. */
  async boot(place: Place): Promise<void> {
    await Promise.race([this.#open(place), place.machine.died()])
    this.#checks.throwIfFailed()
  }

  async #open(place: Place): Promise<void> {
    const { machine, by, members } = place
    place.program = undefined
    try {
      const program = await MemberProgram.start({
        ...{ machine, by, members, history: this.#history, checks: this.#checks },
      })
      await this.#checks.opened(program)
      await program.begin()
      place.program = program
    } catch (error) {
      this.#checks.threw(machine.name, error)
      machine.crash()
    }
  }

  async stop({ machine, program }: Place): Promise<void> {
    if (!machine.isRunning || program === undefined) return
    await Promise.race([program.stop(), machine.died()])
    if (machine.isRunning) machine.crash()
  }

  /** Once all that it did is done. */
  async look(program: MemberProgram): Promise<void> {
    const place = this.running.find((it) => it.program === program)
    if (place === undefined) return
    const shown = program.ledger.mend().then(
      () => this.#checks.look(program),
      (error: unknown) => this.#checks.threw(program.name, error),
    )
    await Promise.race([shown, place.machine.died()])
  }

  /** Lets work go on by itself, so that it meets crashes and other work. */
  goOn({ machine }: Place, work: Promise<unknown>): void {
    const done = work.then(
      () => undefined,
      (error: unknown) => this.#checks.threw(machine.name, error),
    )
    const ended = Promise.race([done, machine.died()])
    this.#underWay.add(ended)
    void ended.then(() => this.#underWay.delete(ended))
  }

  #place(name: string, by: Place["by"], members: Place["members"]): Place {
    const machine = this.#world.machine(name)
    const place = { machine, by, members, program: undefined, backup: undefined }
    this.places.push(place)
    return place
  }

  #nextDevice(): number {
    const index = this.#devices[this.#added++]
    if (index === undefined) throw new RangeError("no more devices")
    return index
  }
}
