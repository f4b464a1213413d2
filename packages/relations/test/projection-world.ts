/**
 * A world for projection tests: devices with a record (last writer wins by Lamport time, marks as
 * a document's keys) and a share, a vendor that watches, and deliveries in any causal order.
 *
 * @module
 */
import type { JsonValue } from "@fulcrum/codec/json"
import type { Put } from "../src/lane.ts"
import { type ProjectedDisclosure, type Projection, project } from "../src/projection.ts"
import { Share } from "../src/share.ts"

interface Entry {
  readonly id: number
  readonly author: number
  /** Ids of the entries of the same space that the author had. */
  readonly deps: ReadonlySet<number>
}

interface RecordEntry extends Entry {
  readonly value?: { readonly text: string; readonly lamport: number }
  readonly marks: readonly { readonly mark: string; readonly counter: number }[]
  readonly drops: readonly number[]
}

interface ShareEntry extends Entry {
  readonly puts: readonly Put[]
}

export const PATH = "card/emails/home"

export class Device {
  readonly number: number
  readonly record: Map<number, RecordEntry> = new Map()
  readonly shareEntries: Map<number, ShareEntry> = new Map()
  readonly share: Share = new Share()
  /** By its clock the disclosure has ended. */
  isLate = false

  constructor(number: number) {
    this.number = number
  }

  /** The record's winner. */
  get value(): string | undefined {
    return this.#winner()?.value?.text
  }

  get lamport(): number {
    return this.#winner()?.value?.lamport ?? 0
  }

  #winner(): RecordEntry | undefined {
    return [...this.record.values()]
      .filter((entry) => entry.value !== undefined)
      .sort((a, b) => (b.value?.lamport ?? 0) - (a.value?.lamport ?? 0) || b.author - a.author)[0]
  }

  /** Marks that no entry dropped that had seen them; with the entries that added them. */
  markEntries(): readonly {
    readonly id: number
    readonly mark: string
    readonly counter: number
  }[] {
    const dropped = new Set([...this.record.values()].flatMap((entry) => entry.drops))
    return [...this.record.values()]
      .filter((entry) => !dropped.has(entry.id))
      .flatMap((entry) => entry.marks.map((mark) => ({ id: entry.id, ...mark })))
  }

  disclosure(): ProjectedDisclosure {
    const marks = new Map(this.markEntries().map(({ mark, counter }) => [mark, counter]))
    return { path: PATH, follows: true, counter: Math.max(0, ...marks.values()), marks }
  }

  project(edited: readonly string[]): Projection {
    const disclosures = [this.disclosure()]
    return project({
      disclosures: this.isLate ? [] : disclosures,
      ended: this.isLate ? disclosures : [],
      valueAt: (): JsonValue | undefined => this.value,
      share: this.share,
      edited,
    })
  }
}

export class World {
  readonly devices: readonly Device[]
  readonly vendorShare: Share = new Share()
  /** Every value that the vendor held, in order. */
  readonly seen: string[] = []
  readonly #vendorHas = new Set<number>()
  readonly #record: RecordEntry[] = []
  readonly #share: ShareEntry[] = []
  #next = 1

  constructor(devices: number) {
    this.devices = Array.from({ length: devices }, (_, number) => new Device(number))
  }

  /**
   * The person sets the field on a device.
   *
   * @param number - Of the writer: a device has one for each of its starts, so that which of two
   * concurrent values wins is not the same for all of its edits.
   */
  edit(number: number, text: string, leap = 0): void {
    const device = this.#device(number)
    const value = { text, lamport: device.lamport + 1 + leap }
    const entry: RecordEntry = {
      ...this.#entry(number, device.record),
      value,
      marks: [],
      drops: [],
    }
    device.record.set(entry.id, entry)
    this.#project(device, [PATH], entry)
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
      if (!this.vendorShare.apply(put, positionOf(entry)).won) continue
      if (this.seen.at(-1) !== put.value) this.seen.push(String(put.value))
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

  /** Whether `older` was overwritten by somebody who had seen it, in favour of `newer`. */
  isOverwrittenBy(older: string, newer: string): boolean {
    const find = (text: string): RecordEntry | undefined =>
      this.#record.find((entry) => entry.value?.text === text)
    const [a, b] = [find(older), find(newer)]
    return a !== undefined && b?.deps.has(a.id) === true
  }

  #project(device: Device, edited: readonly string[], editing?: RecordEntry): void {
    const known = device.markEntries()
    const { puts, updates } = device.project(edited)
    const marks = updates.map(({ mark, counter }) => ({ mark, counter }))
    const drops = updates.flatMap(({ drop }) =>
      known.filter(({ mark }) => drop.includes(mark)).map(({ id }) => id),
    )
    if (editing !== undefined) {
      const entry = { ...editing, marks, drops }
      device.record.set(entry.id, entry)
      this.#record.push(entry)
    } else if (updates.length > 0) {
      const entry = { ...this.#entry(device.number, device.record), marks, drops }
      device.record.set(entry.id, entry)
      this.#record.push(entry)
    }
    if (puts.length === 0) return
    const entry = { ...this.#entry(device.number, device.shareEntries), puts }
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
