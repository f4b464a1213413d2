/**
 * A world for projection tests: devices with a record (one register of cells, and one that says
 * what was told) and a share, a vendor that watches, and deliveries in any causal order.
 *
 * @module
 */
import { canonicalJson, type JsonValue } from "@fulcrum/codec/json"
import { type Cell, compareCells } from "@fulcrum/record/cell"
import { valueAt } from "@fulcrum/record/registers"
import type { Put } from "../src/lane.ts"
import {
  type DisclosedRegister,
  type ProjectedDisclosure,
  type Projection,
  project,
  registerName,
} from "../src/projection.ts"
import { Share } from "../src/share.ts"

interface Entry {
  readonly id: number
  readonly author: number
  /** Ids of the entries of the same space that the author had. */
  readonly deps: ReadonlySet<number>
}

/** What one entry writes into a document: cells, as the record keeps them. */
interface RecordEntry extends Entry {
  readonly whole?: Cell
  readonly told?: Cell
}

interface ShareEntry extends Entry {
  readonly puts: readonly Put[]
  readonly told: Told
}

/** What the device that put something had of the record. */
interface Told {
  /** Which write of the record it showed, by its entry's id. */
  readonly write: number | undefined
  readonly knew: ReadonlySet<number>
}

/** A value that the vendor came to hold. */
interface Seen extends Told {
  readonly text: string
}

/** What is disclosed: a whole register, or a part of one. */
export const WHOLE = "card/name"
export const PART = "card/name/full"

export class Device {
  readonly number: number
  readonly path: string
  readonly record: Map<number, RecordEntry> = new Map()
  readonly shareEntries: Map<number, ShareEntry> = new Map()
  readonly share: Share = new Share()
  /** By its clock the disclosure has ended. */
  isLate = false

  constructor(number: number, path: string) {
    this.number = number
    this.path = path
  }

  /** What the record shows at the disclosed path. */
  get value(): JsonValue | undefined {
    return this.#disclosed(this.shown?.value)
  }

  /** The register that the record shows. */
  get shown(): Cell | undefined {
    return greatest([...this.record.values()].map((entry) => entry.whole))
  }

  get knowledge(): Told {
    const { shown, record } = this
    const writes = [...record.values()].filter(({ whole }) => whole === shown)
    return { write: writes[0]?.id, knew: new Set(record.keys()) }
  }

  /** What those entries say was told that no other one of these replaced. */
  get told(): readonly Cell[] {
    return this.#standing("told")
  }

  project(edited: readonly string[]): Projection {
    const marks = this.told.map(({ value }) => String(value))
    const told = new Map(marks.length === 0 ? [] : [[registerName(this.path), new Set(marks)]])
    const disclosure: ProjectedDisclosure = { path: this.path, follows: true, told }
    return project({
      disclosures: this.isLate ? [] : [disclosure],
      registersAt: () => this.#registers(),
      offsetOf: () => 7,
      share: this.share,
      edited,
    })
  }

  #registers(): readonly DisclosedRegister[] {
    const { shown } = this
    if (shown === undefined) return []
    const beside = this.#standing("whole").filter(
      (cell) => cell !== shown && cell.counter === shown.counter,
    )
    return [
      {
        path: this.path,
        counter: shown.counter,
        value: this.#disclosed(shown.value),
        ties: beside.map(({ value }) => this.#disclosed(value)),
        isPart: this.path === PART,
      },
    ]
  }

  #standing(kind: "whole" | "told"): readonly Cell[] {
    const entries = [...this.record.values()].filter((entry) => entry[kind] !== undefined)
    return entries.flatMap((entry) => {
      const isReplaced = entries.some(({ deps }) => deps.has(entry.id))
      return isReplaced || entry[kind] === undefined ? [] : [entry[kind]]
    })
  }

  #disclosed(whole: JsonValue | undefined): JsonValue | undefined {
    return this.path === PART ? valueAt(whole, ["full"]) : whole
  }
}

export class World {
  readonly devices: readonly Device[]
  readonly vendorShare: Share = new Share()
  /** Whatever changed what the vendor held, in order. */
  readonly seen: Seen[] = []
  /** Puts written, in all. */
  puts = 0
  readonly #path: string
  readonly #vendorHas = new Set<number>()
  readonly #record: RecordEntry[] = []
  readonly #share: ShareEntry[] = []
  #next = 1

  constructor(devices: number, path: string = WHOLE) {
    this.#path = path
    this.devices = Array.from({ length: devices }, (_, number) => new Device(number, path))
  }

  /**
   * The person sets the field on a device.
   *
   * @param text - `undefined`: only what is not disclosed of it changes.
   */
  edit(number: number, text: string | undefined): void {
    const device = this.#device(number)
    const before = device.shown
    const full = text ?? valueAt(before?.value, ["full"])
    // Concurrent wholes are not in the order of their parts.
    const rest = { beside: (this.#next * 7) % 5, other: this.#next }
    const value = full === undefined ? rest : { ...rest, full }
    const whole = { counter: 1 + (before?.counter ?? 0), value }
    const entry: RecordEntry = { ...this.#entry(number, device.record), whole }
    device.record.set(entry.id, entry)
    this.#project(device, [this.#path], entry)
  }

  /** One record entry reaches a device, if there is one that may. */
  deliverRecord(number: number, pick: number): boolean {
    const device = this.#device(number)
    const entry = choose(this.#record, device.record, pick)
    if (entry === undefined) return false
    device.record.set(entry.id, entry)
    this.#project(device, [])
    return true
  }

  deliverShare(number: number, pick: number): boolean {
    const device = this.#device(number)
    const entry = choose(this.#share, device.shareEntries, pick)
    if (entry === undefined) return false
    this.#applyShare(device, entry)
    this.#project(device, [])
    return true
  }

  deliverVendor(pick: number): boolean {
    const entry = choose(this.#share, this.#vendorHas, pick)
    if (entry === undefined) return false
    this.#vendorHas.add(entry.id)
    for (const put of entry.puts) {
      if (!this.vendorShare.apply(put, positionOf(entry))) continue
      this.seen.push({ ...entry.told, text: textOf(put.value) })
    }
    return true
  }

  /** A device's clock is set wrong, or right again. */
  setClock(number: number): void {
    const device = this.#device(number)
    device.isLate = !device.isLate
    this.#project(device, [])
  }

  /** Sets all clocks right and delivers everything. @returns Deliveries made; throws if it never ends. */
  settle(limit = 2000): number {
    for (const device of this.devices) if (device.isLate) this.setClock(device.number)
    let steps = 0
    for (let moved = true; moved; ) {
      moved = false
      for (const { number } of this.devices) {
        moved = this.deliverRecord(number, steps) || moved
        moved = this.deliverShare(number, steps) || moved
      }
      moved = this.deliverVendor(steps) || moved
      if (++steps > limit) throw new Error("it never settles")
    }
    return steps
  }

  /** Whether whoever made the write `newer` had seen `older`. */
  isOverwrittenBy(older: number | undefined, newer: number | undefined): boolean {
    if (older === undefined || newer === undefined) return false
    return this.#record.some(({ id, deps }) => id === newer && deps.has(older))
  }

  #project(device: Device, edited: readonly string[], editing?: RecordEntry): void {
    const { puts, updates } = device.project(edited)
    const mark = updates.at(-1)?.mark
    const counter = 1 + Math.max(0, ...device.told.map((cell) => cell.counter))
    const marked = mark && { counter, value: mark }
    if (editing !== undefined || marked !== undefined) {
      const made = editing ?? this.#entry(device.number, device.record)
      const entry = marked ? { ...made, told: marked } : made
      device.record.set(entry.id, entry)
      this.#record.push(entry)
    }
    if (puts.length === 0) return
    this.puts += puts.length
    const told = device.knowledge
    const entry = { ...this.#entry(device.number, device.shareEntries), puts, told }
    this.#share.push(entry)
    this.#applyShare(device, entry)
  }

  #applyShare(device: Device, entry: ShareEntry): void {
    device.shareEntries.set(entry.id, entry)
    for (const put of entry.puts) device.share.apply(put, positionOf(entry))
  }

  #entry(author: number, has: ReadonlyMap<number, unknown>): Entry {
    return { id: this.#next++, author, deps: new Set(has.keys()) }
  }

  #device(number: number): Device {
    const device = this.devices[number % this.devices.length]
    if (device === undefined) throw new RangeError("no device")
    return device
  }
}

/** One of the entries that are missing and may come: all that they were written on is there. */
function choose<T extends Entry>(
  all: readonly T[],
  has: { has(id: number): boolean },
  pick: number,
): T | undefined {
  const ready = all.filter(
    (entry) => !has.has(entry.id) && [...entry.deps].every((id) => has.has(id)),
  )
  return ready[pick % ready.length]
}

function positionOf(entry: ShareEntry): {
  readonly writer: Uint8Array
  readonly sequence: number
  readonly chain: Uint8Array
} {
  return {
    writer: new Uint8Array(32).fill(entry.author + 1),
    sequence: entry.id,
    chain: new Uint8Array(32).fill(entry.id),
  }
}

function greatest(cells: readonly (Cell | undefined)[]): Cell | undefined {
  return cells
    .filter((cell) => cell !== undefined)
    .reduce<Cell | undefined>(
      (best, cell) => (best === undefined || compareCells(cell, best) > 0 ? cell : best),
      undefined,
    )
}

function textOf(value: JsonValue | undefined): string {
  return value === undefined ? "nothing" : canonicalJson(value)
}
