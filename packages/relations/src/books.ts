/**
 * Books: the vendor's view of one relationship, from the entries of both lanes.
 *
 * Entries may come in any order and more than once; what is read from the books depends only on
 * which there are. What holds at an agreed path is put together from the registers at and below it.
 * A move with a date holds from that day in the person's time zone: until then a register keeps the
 * value that held before. A rejected entry changes nothing. Two entries that say the same of a
 * register, by two of her devices, are one: it holds once both would.
 *
 * Source: DESIGN, "Relations" (receipts, moves).
 *
 * @module
 */
import { bytesToHex, compareBytes, equalBytes } from "@fulcrum/codec/bytes"
import { canonicalJson, type JsonValue } from "@fulcrum/codec/json"
import { dayAt } from "./day.ts"
import { isWithin } from "./field-path.ts"
import type {
  Agreed,
  MoveNote,
  PersonItem,
  Put,
  Receipt,
  ReceiptState,
  Refused,
  VendorItem,
} from "./lane.ts"
import {
  assembledAt,
  comparePositions,
  compareRegisters,
  type EntryPosition,
  type ShareRegister,
} from "./share.ts"

/** An entry of the share space, its lane known from its writer's certificate. */
export type BookEntry =
  | { readonly lane: "person"; readonly by: EntryPosition; readonly items: readonly PersonItem[] }
  | { readonly lane: "vendor"; readonly by: EntryPosition; readonly items: readonly VendorItem[] }

/** One entry of the person's, and what the vendor has said about it. */
export interface PersonEntry {
  readonly by: EntryPosition
  readonly puts: readonly Put[]
  readonly move: MoveNote | undefined
  readonly states: ReadonlySet<ReceiptState>
}

/** What holds at an agreed path at an instant, and what will. */
export interface BookField {
  readonly path: string
  /** `undefined`: cleared, or not there before its day. */
  readonly value: JsonValue | undefined
  /** Whether the vendor holds it now; else it only comes later. */
  readonly held: boolean
  readonly pending: readonly PendingValue[]
}

export interface PendingValue {
  readonly value: JsonValue | undefined
  readonly from: string
  readonly zone: string | undefined
  readonly move: Uint8Array
}

/** An agreed path before and after an entry: what a webhook tells. */
export interface BookChange {
  readonly path: string
  readonly value: JsonValue | undefined
  readonly previous: JsonValue | undefined
  /** Day from which it holds, where that was not at once. */
  readonly effective: string | undefined
}

interface Written {
  readonly register: ShareRegister
  readonly move: MoveNote | undefined
}

export class Books {
  readonly #paths: readonly string[]
  readonly #entries = new Map<string, { by: EntryPosition; puts: Put[]; move?: MoveNote }>()
  /** By register: all puts that some day may make the value, greatest first. */
  readonly #written = new Map<string, Written[]>()
  readonly #receipts = new Map<string, { receipt: Receipt; by: EntryPosition }[]>()
  #agreed: Agreed | undefined
  #refused: Refused | undefined

  /** @param paths - The agreed ones. */
  constructor(paths: readonly string[]) {
    this.#paths = paths
  }

  /** The vendor's own last word. */
  get state(): "proffered" | "agreed" | "refused" {
    if (this.#agreed !== undefined) return "agreed"
    return this.#refused === undefined ? "proffered" : "refused"
  }

  get agreed(): Agreed | undefined {
    return this.#agreed
  }

  get refused(): Refused | undefined {
    return this.#refused
  }

  /** Registers that there would be with these as well. */
  registersWith(puts: readonly Put[]): number {
    const more = new Set(puts.map(({ path }) => path).filter((path) => !this.#written.has(path)))
    return this.#written.size + more.size
  }

  /** Takes in an entry. @returns Whether it is new. */
  apply(entry: BookEntry): boolean {
    return entry.lane === "person" ? this.#applyPerson(entry) : this.#applyVendor(entry)
  }

  #applyPerson({ by, items }: Extract<BookEntry, { lane: "person" }>): boolean {
    const key = bytesToHex(by.chain)
    if (this.#entries.has(key)) return false
    const move = items.find((item) => item.kind === "move")?.value
    const puts = items.flatMap((item) => (item.kind === "put" ? [item.value] : []))
    this.#entries.set(key, move === undefined ? { by, puts } : { by, puts, move })
    for (const { path, value, counter } of puts) {
      const written = this.#written.get(path) ?? []
      written.push({ register: { path, value, counter, by }, move })
      written.sort(
        (a, b) =>
          compareRegisters(b.register, a.register) ||
          comparePositions(a.register.by, b.register.by),
      )
      this.#written.set(path, written)
    }
    return true
  }

  #applyVendor({ by, items }: Extract<BookEntry, { lane: "vendor" }>): boolean {
    let isNew = false
    for (const item of items) {
      if (item.kind === "agreed") {
        isNew ||= this.#agreed === undefined
        this.#agreed ??= item.value
      } else if (item.kind === "refused") {
        isNew ||= this.#refused === undefined
        this.#refused ??= item.value
      } else {
        isNew = this.#applyReceipt(item.value, by) || isNew
      }
    }
    return isNew
  }

  #applyReceipt(receipt: Receipt, by: EntryPosition): boolean {
    const key = bytesToHex(receipt.about)
    const receipts = this.#receipts.get(key) ?? []
    const isKnown = receipts.some(
      (one) => one.receipt.state === receipt.state && one.by.sequence === by.sequence,
    )
    if (isKnown) return false
    receipts.push({ receipt, by })
    receipts.sort((a, b) => a.by.sequence - b.by.sequence)
    this.#receipts.set(key, receipts)
    return true
  }

  /** The person's entries in order of writer and sequence. */
  personEntries(): readonly PersonEntry[] {
    return [...this.#entries.values()]
      .map(({ by, puts, move }) => ({ by, puts, move, states: this.#statesOf(by.chain) }))
      .sort((a, b) => comparePositions(a.by, b.by))
  }

  /**
   * The person's entries that have no receipt of this state, and can still get it: a rejected one
   * is never applied, and a decided one needs no second decision.
   */
  unanswered(state: ReceiptState): readonly PersonEntry[] {
    return this.personEntries().filter(({ states }) => {
      if (states.has(state)) return false
      const decided = states.has("accepted") || states.has("rejected") || states.has("applied")
      if (state === "accepted" || state === "rejected") return !decided
      if (state === "applied") return !states.has("rejected")
      return true
    })
  }

  /** Of those accepted and not applied: the ones whose day has come. */
  due(nowMs: number): readonly PersonEntry[] {
    return this.unanswered("applied").filter(
      ({ states, move }) => states.has("accepted") && isEffective(move, nowMs),
    )
  }

  /** What the vendor holds, by agreed path; only what it was told of. */
  fields(nowMs: number): ReadonlyMap<string, BookField> {
    const fields = new Map<string, BookField>()
    for (const path of [...this.#paths].sort()) {
      const field = this.#fieldAt(path, nowMs)
      if (field.held || field.pending.length > 0) fields.set(path, field)
    }
    return fields
  }

  /** What an entry of the person's changes by now, against what held without it. */
  changesOf(chain: Uint8Array, nowMs: number): readonly BookChange[] {
    const entry = this.#entries.get(bytesToHex(chain))
    if (entry === undefined) return []
    const isOwn = ({ register }: Written) => equalBytes(register.by.chain, chain)
    const isNow = ({ move }: Written) => isEffective(move, nowMs)
    return this.#paths.flatMap((path): BookChange[] => {
      if (!entry.puts.some((put) => isWithin(put.path, path))) return []
      const before = this.#registersAt(path, isNow, isOwn)
      // What has a day is told on that day, and may be asked about before it.
      const after = this.#registersAt(path, (one) => isNow(one) || isOwn(one))
      const [previous, value] = [assembledAt(path, before), assembledAt(path, after)]
      if (isSame(previous, value)) return []
      return [{ path, value, previous, effective: entry.move?.from }]
    })
  }

  #fieldAt(path: string, nowMs: number): BookField {
    const isNow = ({ move }: Written) => isEffective(move, nowMs)
    const held = this.#registersAt(path, isNow)
    const coming = this.#coming(path, held, isNow)
    const pending = coming.map(({ from, zone, id }): PendingValue => {
      const isBy = (one: Written) => isNow(one) || (one.move?.from ?? "") <= from
      return { value: assembledAt(path, this.#registersAt(path, isBy)), from, zone, move: id }
    })
    return { path, value: assembledAt(path, held), held: held.length > 0, pending }
  }

  /** Moves whose day has not come and that something will hold of, in order of their days. */
  #coming(
    path: string,
    held: readonly ShareRegister[],
    isNow: (one: Written) => boolean,
  ): readonly (MoveNote & { readonly from: string })[] {
    const heldByPath = new Map(held.map((register) => [register.path, register]))
    const coming = new Map<string, MoveNote & { readonly from: string }>()
    for (const [at, written] of this.#writtenAt(path)) {
      const before = heldByPath.get(at)
      for (const one of written) {
        const { move, register } = one
        if (before !== undefined && compareRegisters(register, before) <= 0) break
        if (isNow(one) || move?.from === undefined || this.#isRejected(one)) continue
        coming.set(bytesToHex(move.id), { ...move, from: move.from })
      }
    }
    return [...coming.values()].sort(
      (a, b) => compareText(a.from, b.from) || compareBytes(a.id, b.id),
    )
  }

  /**
   * The registers at and below a path, each the greatest put that holds. One that several entries
   * say alike holds once it does by all of them.
   *
   * @param isAbsent - What is thought away: an entry, and what holds only since it does.
   */
  #registersAt(
    path: string,
    holds: (one: Written) => boolean,
    isAbsent: (one: Written) => boolean = () => false,
  ): readonly ShareRegister[] {
    return this.#writtenAt(path).flatMap(([, written]) => {
      for (let at = 0, end = 0; at < written.length; at = end) {
        const first = written[at]
        if (first === undefined) break
        do end++
        while (isAlike(first, written[end]))
        const alike = written.slice(at, end).filter((one) => !this.#isRejected(one))
        const others = alike.filter((one) => !isAbsent(one))
        const isLast = lastDay(alike) > lastDay(others)
        if (others.length > 0 && !isLast && others.every(holds)) return [first.register]
      }
      return []
    })
  }

  /** By register at and below a path, what was written there, greatest first. */
  #writtenAt(path: string): readonly (readonly [string, readonly Written[]])[] {
    return [...this.#written].filter(([at]) => isWithin(at, path))
  }

  #isRejected({ register }: Written): boolean {
    return this.#statesOf(register.by.chain).has("rejected")
  }

  /** A later acceptance takes back a rejection. */
  #statesOf(chain: Uint8Array): ReadonlySet<ReceiptState> {
    const states = new Set<ReceiptState>()
    for (const { receipt } of this.#receipts.get(bytesToHex(chain)) ?? []) {
      if (receipt.state === "accepted" || receipt.state === "applied") states.delete("rejected")
      if (receipt.state === "rejected") states.delete("accepted")
      states.add(receipt.state)
    }
    return states
  }
}

/** Whether what an entry with this note says holds by now. */
export function isEffective(move: MoveNote | undefined, nowMs: number): boolean {
  return move?.from === undefined || dayAt(nowMs, move.zone) >= move.from
}

/** The day from which all of them hold; none comes first. */
function lastDay(written: readonly Written[]): string {
  return written.reduce((last, { move }) => {
    const from = move?.from ?? ""
    return from > last ? from : last
  }, "")
}

function isAlike(a: Written, b: Written | undefined): boolean {
  return b !== undefined && compareRegisters(a.register, b.register) === 0
}

function compareText(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}

function isSame(a: JsonValue | undefined, b: JsonValue | undefined): boolean {
  if (a === undefined || b === undefined) return a === b
  return canonicalJson(a) === canonicalJson(b)
}
