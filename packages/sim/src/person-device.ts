/**
 * A person's device: the whole engine on one machine, and what it acknowledged.
 *
 * @module
 */
import { canonicalJson, type JsonValue } from "@fulcrum/codec/json"
import { EngineError } from "@fulcrum/engine/engine-error"
import { joinPerson } from "@fulcrum/engine/join-person"
import { createPerson, openPerson, type PersonOptions } from "@fulcrum/engine/open-person"
import type { DeviceRow, Person } from "@fulcrum/engine/person"
import { systemDeflate } from "@fulcrum/log/deflate"
import { type LoadedMax, openInLineDocuments } from "@fulcrum/record/in-line"
import { RecordError } from "@fulcrum/record/record-error"
import type { Findings } from "./findings.ts"
import type { Machine } from "./machine.ts"

/** What a person may be told of an edit. */
const USUAL: readonly string[] = ["UNDO_NOTHING", "UNDO_CHANGED"]

/** So few that documents make room for each other all the time. */
const LOADED_MAX: LoadedMax = { documents: 2, bytes: 1 << 20 }

/** That a device was removed. */
export interface Removal {
  readonly name: string
  /** Names of those whose removals of it stand. */
  readonly by: readonly string[]
}

export class PersonDevice {
  readonly machine: Machine
  readonly #findings: Findings
  readonly #vaultKey: Uint8Array
  /** Values that were acknowledged here; each is written once. */
  readonly #acknowledged = new Set<string>()
  #person: Person | undefined
  /** It was removed, and may be told so. */
  mayBeRemoved = false
  /** It removed another, and may set aside what that one wrote. */
  setsAside = false

  constructor(machine: Machine, vaultKey: Uint8Array, findings: Findings) {
    this.machine = machine
    this.#vaultKey = vaultKey
    this.#findings = findings
  }

  get name(): string {
    return this.machine.name
  }

  get acknowledged(): ReadonlySet<string> {
    return this.#acknowledged
  }

  /** Values that were acknowledged before this run. */
  adopt(values: Iterable<string>): void {
    for (const value of values) this.#acknowledged.add(value)
  }

  /** The open record; `undefined` while the machine is down or its program is starting. */
  get person(): Person | undefined {
    return this.machine.isRunning ? this.#person : undefined
  }

  /** The first device of a new record. */
  async create(relays: readonly string[]): Promise<Person> {
    const { person } = await createPerson({ ...(await this.#options()), name: this.name, relays })
    return this.#start(person)
  }

  /** Becomes a device of the record that another one holds. */
  async join(host: Person, relay: string | undefined): Promise<Person> {
    const shown = Promise.withResolvers<string>()
    const { signal } = new AbortController()
    const approve = async () => true
    const added = host.pair({ code: ({ code }) => shown.resolve(code), approve }, signal)
    added.catch(shown.reject)
    const code = await shown.promise
    const options = { ...(await this.#options()), name: this.name, relay, confirm: approve, signal }
    const person = await joinPerson({ ...options, code })
    await this.#start(person)
    await added
    return person
  }

  /** Starts the program on what the disk holds; the machine may die, or its disk refuse. */
  async boot(): Promise<void> {
    await Promise.race([this.#boot(), this.machine.died()])
  }

  /** Closes the program in good order. */
  async stop(): Promise<void> {
    const { person, machine } = this
    if (person === undefined) return
    const closed = person.close().catch((error: unknown) => this.#findings.threw(this.name, error))
    await Promise.race([closed, machine.died()])
    machine.crash()
  }

  /** @param value - Never written before, by anybody. */
  async set(path: string, value: string): Promise<void> {
    await this.edit(async (person) => {
      await person.set(path, value)
      this.#acknowledged.add(value)
    })
  }

  /** Anything that changes the record; what the disk refuses was not acknowledged. */
  async edit(work: (person: Person) => Promise<unknown>): Promise<void> {
    const { person } = this
    if (person === undefined) return
    const worked = work(person).then(
      () => undefined,
      (error: unknown) => this.#editFailed(error),
    )
    await Promise.race([worked, this.machine.died()])
  }

  /** All that the record says, in one text. */
  async shown(): Promise<string> {
    const { person } = this
    if (person === undefined) return "nothing: it does not run"
    return canonicalJson((await person.get()) ?? null)
  }

  /** The record, and what its log holds; `undefined`: the program does not run. */
  async state(): Promise<string | undefined> {
    const status = await this.person?.status()
    return status && `${status.vector} ${await this.shown()}`
  }

  /** The text at one path; `undefined`: none, or the program does not run. */
  async shownAt(path: string): Promise<string | undefined> {
    const value = await this.person?.get(path)
    return typeof value === "string" ? value : undefined
  }

  /**
   * Every text that was ever in the record, as far as it is known here; `undefined`: it does not
   * run, or died while it was asked.
   */
  async written(): Promise<ReadonlySet<string> | undefined> {
    const { person } = this
    if (person === undefined) return undefined
    const rows = await Promise.race([person.history(), this.machine.died()])
    return rows ? new Set(rows.flatMap(({ value }) => textsIn(value))) : undefined
  }

  /** Whether the program says that it was removed from the record. */
  async saysRemoved(): Promise<boolean> {
    const checks = (await this.person?.doctor()) ?? []
    return checks.some(({ check, ok }) => check === "membership" && !ok)
  }

  /** Names of the other devices that it takes for members; none while it does not run. */
  async others(): Promise<readonly string[]> {
    const rows = await this.#rows()
    return rows.flatMap(({ name, state, isThis }) => (state === "member" && !isThis ? [name] : []))
  }

  /** Those that it takes for removed. */
  async removals(): Promise<readonly Removal[]> {
    const rows = await this.#rows()
    return rows.flatMap(({ name, state, removedBy }) => {
      if (state !== "removed") return []
      return [{ name, by: removedBy.map((by) => by.name ?? by.by) }]
    })
  }

  async #rows(): Promise<readonly DeviceRow[]> {
    return (await Promise.race([this.person?.devices(), this.machine.died()])) ?? []
  }

  /** Nobody may be told that a relay contradicts itself that never did. */
  async trustsRelays(): Promise<void> {
    const checks = (await this.person?.doctor()) ?? []
    const isAccused = checks.some(
      ({ check, ok }) => check === "relays before" || (check === "relays" && !ok),
    )
    if (!isAccused) return
    this.#findings.fail("SIM_ACCUSED", `${this.name} says that an honest relay lies`)
  }

  /** What was acknowledged, by whomever, must be in the record's history here. */
  async holds(values: Iterable<string>): Promise<void> {
    const { person } = this
    if (person === undefined) return
    const written = await this.written()
    if (written === undefined) return
    for (const value of values) {
      if (!written.has(value)) this.#findings.fail("SIM_LOST", `${this.name} lacks ${value}`)
    }
    const { quarantined, forks } = await person.status()
    if (quarantined > 0 && !this.setsAside)
      this.#findings.fail("SIM_BROKE", `${this.name} quarantined an entry`)
    if (forks > 0) this.#findings.fail("SIM_FORK", `${this.name} found a fork; nobody forked`)
  }

  async #boot(): Promise<void> {
    this.#person = undefined
    try {
      const person = await openPerson(await this.#options())
      await this.#start(person)
      await this.holds(this.#acknowledged)
    } catch (error) {
      this.#findings.threw(this.name, error)
      this.machine.crash()
    }
  }

  async #start(person: Person): Promise<Person> {
    await person.start({ listen: [`/memory/${this.name}`] })
    this.#person = person
    return person
  }

  async #options(): Promise<PersonOptions> {
    const life = this.machine.start()
    return {
      store: await this.machine.openStore(life),
      vaultKey: this.#vaultKey,
      network: life.network,
      discovery: life.discovery,
      openDocuments: (reload) => openInLineDocuments({ reload, loadedMax: LOADED_MAX }),
      random: life.random,
      clock: life.clock,
      deflate: systemDeflate(),
      zone: "Europe/Berlin",
    }
  }

  #editFailed(error: unknown): void {
    const usual = this.mayBeRemoved ? [...USUAL, "DEVICE_REMOVED"] : USUAL
    const isUsual =
      (error instanceof EngineError || error instanceof RecordError) && usual.includes(error.code)
    if (!isUsual) this.#findings.threw(this.name, error)
  }
}

/** Every text in a value. */
function textsIn(value: JsonValue | undefined): readonly string[] {
  if (typeof value === "string") return [value]
  return value && typeof value === "object" ? Object.values(value).flatMap(textsIn) : []
}
