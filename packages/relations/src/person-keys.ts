/**
 * The keys of one relationship, from its first on: which of them speaks for the person now, which
 * did before, and whether two claim to.
 *
 * A key is known if it is the first, or the one decided on last, or if all that it follows are: in
 * whatever order the statements come. A *newest* key is a known one that nothing known follows.
 *
 * Source: `successor.ts`, rules 4 to 7.
 *
 * @module
 */
import { bytesToHex, compareBytes, hexToBytes } from "@fulcrum/codec/bytes"
import type { VectorRow } from "@fulcrum/log/vector"
import type { Verified } from "@fulcrum/log/verified"
import type { Decision, Successor } from "./successor.ts"

/** Statements of one relationship that are kept; a person removes fewer devices in a lifetime. */
export const SUCCESSORS_MAX = 256
/** Statements that follow keys which are not known: another device's, that comes a little later. */
const AWAITED_MAX = 64
/** Newest keys that are told of: two are enough to say that something is wrong. */
export const NEWEST_KEYS_MAX = 8

/** A statement, its keys as they name them in maps. */
interface Link {
  readonly old: readonly string[]
  readonly key: string
  readonly seen: readonly VectorRow[]
}

export class PersonKeys {
  readonly #first: string
  /** In order of arrival; several rotations may say the same. */
  #links: readonly Link[] = []
  #decision: Verified<Decision> | undefined
  /** More statements came than are kept: nobody knows what they would have said. */
  #isOverrun = false
  /** By key, what makes it one. */
  #known: ReadonlyMap<string, readonly Link[]> = new Map()
  /** By key, what replaces it. */
  #followers: ReadonlyMap<string, readonly Link[]> = new Map()
  #newest: readonly Uint8Array[] = []
  /** Keys that were known before a decision and are not its own, with how far they were seen. */
  #before: Map<string, readonly VectorRow[]> = new Map()

  constructor(first: Uint8Array) {
    this.#first = bytesToHex(first)
    this.#reckon()
  }

  /** Ascending; at most {@link NEWEST_KEYS_MAX}. */
  get newest(): readonly Uint8Array[] {
    return this.#newest.slice(0, NEWEST_KEYS_MAX)
  }

  /** All that claim to speak for the person. */
  get claimants(): readonly Uint8Array[] {
    return this.#newest
  }

  /** The one that speaks for the person; `undefined`: nobody can tell. */
  get current(): Uint8Array | undefined {
    return this.#isOverrun || this.#newest.length !== 1 ? undefined : this.#newest[0]
  }

  /** Whether two keys claim to be the next one. */
  get isFrozen(): boolean {
    return this.current === undefined
  }

  /** Whether it is still the first that speaks for the person, and nothing was ever said of another. */
  get isFirst(): boolean {
    return this.#decision === undefined && this.#known.size === 1
  }

  /** Of the last decision; 0: there was none. */
  get decided(): number {
    return this.#decision?.number ?? 0
  }

  /** @returns Whether it said something new. */
  add({ old, key, seen }: Verified<Successor>): boolean {
    const link = { old: old.map(bytesToHex), key: bytesToHex(key), seen }
    // What follows a key that was decided against, or about, says nothing any more.
    if (link.old.some((one) => this.#before.has(one))) return false
    this.#links = [...this.#links, link]
    this.#reckon()
    const rooted = new Set([...this.#known.values()].flat())
    const awaited = this.#links.filter((one) => !rooted.has(one))
    const dropped = new Set(awaited.slice(0, Math.max(0, awaited.length - AWAITED_MAX)))
    if (rooted.size > SUCCESSORS_MAX) {
      this.#isOverrun = true
      dropped.add(link)
    }
    if (dropped.size === 0) return true
    this.#links = this.#links.filter((one) => !dropped.has(one))
    this.#reckon()
    return true
  }

  /** From now on only that key and its successors count. @returns Whether it said something new. */
  decide(decision: Verified<Decision>): boolean {
    if (decision.number <= this.decided) return false
    const chosen = bytesToHex(decision.chosen)
    this.#before = this.#beforeChoosing(chosen)
    this.#before.delete(chosen)
    this.#decision = decision
    this.#links = this.#links.filter(({ old }) => old.every((one) => !this.#before.has(one)))
    this.#isOverrun = false
    this.#reckon()
    return true
  }

  /** Whether it speaks for the person, or did. */
  knows(key: Uint8Array): boolean {
    return this.#known.has(bytesToHex(key))
  }

  isNewest(key: Uint8Array): boolean {
    const wanted = bytesToHex(key)
    return this.#newest.some((one) => bytesToHex(one) === wanted)
  }

  /**
   * How far what this key certified had been seen by whoever replaced it.
   *
   * @returns `undefined`: it speaks for her now, or never did.
   */
  seenOf(key: Uint8Array): readonly VectorRow[] | undefined {
    const hex = bytesToHex(key)
    const before = this.#before.get(hex)
    if (before !== undefined) return before
    if (!this.#known.has(hex)) return undefined
    return this.#followers.get(hex)?.flatMap(({ seen }) => [...seen])
  }

  /** The one that speaks for the person; of several, the last that all of them follow. */
  get settled(): Uint8Array {
    if (this.current !== undefined) return this.current
    const [first, ...others] = this.#newest.map((one) => this.#ancestorsOf(bytesToHex(one)))
    const shared = [...(first ?? [])].find((one) => others.every((other) => other.has(one)))
    return hexToBytes(shared ?? this.#root)
  }

  /** The one that speaks for the person, then what it follows, the nearest first. */
  get lineage(): readonly Uint8Array[] {
    const { settled } = this
    return [settled, ...[...this.#ancestorsOf(bytesToHex(settled))].map(hexToBytes)]
  }

  get #root(): string {
    return this.#decision === undefined ? this.#first : bytesToHex(this.#decision.chosen)
  }

  #reckon(): void {
    const root = this.#root
    const known = new Map<string, Link[]>([[root, []]])
    let due = this.#links.filter(({ key }) => key !== root)
    for (let hasGrown = true; hasGrown; ) {
      const awaited: Link[] = []
      for (const link of due) {
        const by = known.get(link.key)
        if (!link.old.every((one) => known.has(one))) awaited.push(link)
        else if (by) by.push(link)
        else known.set(link.key, [link])
      }
      hasGrown = awaited.length < due.length
      due = awaited
    }
    const followers = new Map<string, Link[]>()
    for (const link of [...known.values()].flat()) {
      for (const one of link.old) followers.set(one, [...(followers.get(one) ?? []), link])
    }
    this.#known = known
    this.#followers = followers
    this.#newest = [...known.keys()]
      .filter((key) => !followers.has(key))
      .map(hexToBytes)
      .toSorted(compareBytes)
  }

  /** What a key follows, the nearest first; itself left out. */
  #ancestorsOf(key: string): ReadonlySet<string> {
    const found = new Set<string>()
    const due = [key]
    for (let next = due.shift(); next !== undefined; next = due.shift()) {
      for (const one of (this.#known.get(next) ?? []).flatMap(({ old }) => old)) {
        if (found.has(one)) continue
        found.add(one)
        due.push(one)
      }
    }
    return found
  }

  #isFrom(key: string, ancestor: string): boolean {
    return key === ancestor || this.#ancestorsOf(key).has(ancestor)
  }

  /**
   * All that is known but what follows the chosen one, with how far of each had been seen on the way
   * there: of what was decided against, nothing.
   */
  #beforeChoosing(chosen: string): Map<string, readonly VectorRow[]> {
    const before = new Map(this.#before)
    for (const one of this.#known.keys()) {
      if (this.#isFrom(one, chosen)) continue
      const onTheWay = (this.#followers.get(one) ?? []).filter(({ key }) =>
        this.#isFrom(chosen, key),
      )
      before.set(
        one,
        onTheWay.flatMap(({ seen }) => [...seen]),
      )
    }
    return before
  }
}
