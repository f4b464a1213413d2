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
import { bytesToHex, utf8Length } from "@fulcrum/codec/bytes"
import { canonicalJson, equalJson, type JsonValue } from "@fulcrum/codec/json"
import { dayAt } from "./day.ts"
import { isWithin } from "./field-path.ts"
import type {
  Agreed,
  MoveNote,
  PersonItem,
  Put,
  PutDay,
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
}

/** What a vendor keeps of one share. */
export interface BookSize {
  readonly registers: number
  /** Of all entries. */
  readonly puts: number
  /** Of what the agreed paths hold at most, as JSON. */
  readonly bytes: number
}

/** An agreed path before and after an entry: what a webhook tells. */
export interface BookChange {
  readonly path: string
  readonly value: JsonValue | undefined
  readonly previous: JsonValue | undefined
  /** Day from which it holds, where that was not at once. */
  readonly effective: string | undefined
}

/** What some entries say of a register, all alike. */
interface Written {
  readonly register: ShareRegister
  readonly puts: readonly WrittenPut[]
}

interface WrittenPut {
  /** Chain hash of the entry, in hex. */
  readonly entry: string
  readonly day: PutDay | undefined
  /** The entry is about it, and tells of it on that day; else it only says it again. */
  readonly isTold: boolean
}

export class Books {
  readonly #paths: readonly string[]
  readonly #entries = new Map<string, { by: EntryPosition; puts: Put[]; move?: MoveNote }>()
  /** By register all that some day may make the value, greatest first. */
  readonly #written = new Map<string, Written[]>()
  /** By register the most bytes that it had. */
  readonly #bytes = new Map<string, number>()
  #puts = 0
  /** Chain hashes of rejected entries, in hex. */
  readonly #rejected = new Set<string>()
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

  /** How much there would be with these puts as well, whatever becomes of them. */
  sizeWith(puts: readonly Put[]): BookSize {
    const bytes = new Map(this.#bytes)
    for (const put of puts) {
      bytes.set(put.path, Math.max(bytes.get(put.path) ?? 0, this.#sizeOf(put)))
    }
    const total = [...bytes.values()].reduce((sum, one) => sum + one, 0)
    return { registers: bytes.size, puts: this.#puts + puts.length, bytes: total }
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
    for (const put of puts) {
      const isTold = put.day?.from === move?.from
      this.#write(put, by, { entry: key, day: put.day, isTold })
    }
    return true
  }

  /** In bytes of JSON, once for each agreed path that it is a part of. */
  #sizeOf({ path, value }: Put): number {
    const fields = this.#paths.filter((agreed) => isWithin(path, agreed)).length
    return fields * (path.length + (value === undefined ? 0 : utf8Length(canonicalJson(value))))
  }

  #write(put: Put, by: EntryPosition, written: WrittenPut): void {
    const { path, value, counter, day } = put
    const register: ShareRegister = { path, value, counter, day, by }
    const all = this.#written.get(path) ?? []
    this.#written.set(path, all)
    const at = placeOf(register, all)
    const there = all[at]
    const isAlike = there !== undefined && compareRegisters(there.register, register) === 0
    const puts = [...(isAlike ? there.puts : []), written]
    all.splice(at, isAlike ? 1 : 0, { register, puts })
    this.#bytes.set(path, Math.max(this.#bytes.get(path) ?? 0, this.#sizeOf(put)))
    this.#puts++
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
      } else if (item.kind === "receipt") {
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
    if (this.#statesOf(receipt.about).has("rejected")) this.#rejected.add(key)
    else this.#rejected.delete(key)
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

  /**
   * What an entry of the person's changes by now, against what was told before it. Nothing of a
   * field in which something newer has overtaken it.
   *
   * @param isUntold - Whether another entry, by its chain hash in hex, holds by now and is told later.
   */
  changesOf(
    chain: Uint8Array,
    nowMs: number,
    isUntold: (entry: string) => boolean = () => false,
  ): readonly BookChange[] {
    const key = bytesToHex(chain)
    const entry = this.#entries.get(key)
    if (entry === undefined) return []
    const isOwn = (put: WrittenPut) => put.entry === key
    const isNow = ({ day }: WrittenPut) => isEffective(day, nowMs)
    // What has a day is told on that day, and may be asked about before it.
    const isOwnTold = (put: WrittenPut) => isOwn(put) && put.isTold
    const isTold = (put: WrittenPut) => isNow(put) && (isOwn(put) || !isUntold(put.entry))
    return this.#paths.flatMap((path): BookChange[] => {
      const own = entry.puts.filter((put) => isWithin(put.path, path))
      if (own.length === 0) return []
      const before = this.#registersAt(path, isTold, isOwn)
      const after = this.#registersAt(path, (put) => isTold(put) || isOwnTold(put))
      const newest = this.#registersAt(path, (put) => isNow(put) || isOwnTold(put))
      const isNewest = own.some(({ path: at, value, counter }) =>
        newest.some((held) => held.path === at && compareRegisters(held, { value, counter }) === 0),
      )
      const [previous, value] = [assembledAt(path, before), assembledAt(path, after)]
      if (!isNewest || equalJson(previous, value)) return []
      return [{ path, value, previous, effective: entry.move?.from }]
    })
  }

  #fieldAt(path: string, nowMs: number): BookField {
    const isNow = ({ day }: WrittenPut) => isEffective(day, nowMs)
    const held = this.#registersAt(path, isNow)
    const pending = this.#daysToCome(path, held, isNow).map(({ from, zone }): PendingValue => {
      const isBy = (put: WrittenPut) => isNow(put) || (put.day?.from ?? "") <= from
      return { value: assembledAt(path, this.#registersAt(path, isBy)), from, zone }
    })
    return { path, value: assembledAt(path, held), held: held.length > 0, pending }
  }

  /** Days that have not come and on which something will hold, in order. */
  #daysToCome(
    path: string,
    held: readonly ShareRegister[],
    isNow: (put: WrittenPut) => boolean,
  ): readonly PutDay[] {
    const heldByPath = new Map(held.map((register) => [register.path, register]))
    const days = new Map<string, PutDay>()
    for (const [at, written] of this.#writtenAt(path)) {
      const before = heldByPath.get(at)
      for (const { register, puts } of written) {
        if (before !== undefined && compareRegisters(register, before) <= 0) break
        for (const put of puts) {
          if (put.day === undefined || isNow(put) || this.#rejected.has(put.entry)) continue
          days.set(`${put.day.from} ${put.day.zone ?? ""}`, put.day)
        }
      }
    }
    return [...days].sort(([a], [b]) => compareText(a, b)).map(([, day]) => day)
  }

  /**
   * The registers at and below a path, each the greatest that holds. One that several entries say
   * alike holds once it does by all of them.
   *
   * @param isAbsent - What is thought away: an entry, and what holds only since it does.
   */
  #registersAt(
    path: string,
    holds: (put: WrittenPut) => boolean,
    isAbsent: (put: WrittenPut) => boolean = () => false,
  ): readonly ShareRegister[] {
    return this.#writtenAt(path).flatMap(([, written]) => {
      const shown = written.find(({ puts }) => {
        const standing = puts.filter(({ entry }) => !this.#rejected.has(entry))
        const others = standing.filter((put) => !isAbsent(put))
        const isLast = lastToldDay(standing) > lastToldDay(others)
        return others.length > 0 && !isLast && others.every(holds)
      })
      return shown === undefined ? [] : [shown.register]
    })
  }

  /** By register at and below a path, what was written there, greatest first. */
  #writtenAt(path: string): readonly (readonly [string, readonly Written[]])[] {
    return [...this.#written].filter(([at]) => isWithin(at, path))
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

/** Whether what holds from a day, or at once, holds by now. */
export function isEffective(
  day: { readonly from?: string | undefined; readonly zone?: string | undefined } | undefined,
  nowMs: number,
): boolean {
  return day?.from === undefined || dayAt(nowMs, day.zone) >= day.from
}

/** Where a register is or belongs among others, greatest first. */
function placeOf(register: ShareRegister, written: readonly Written[]): number {
  let [from, to] = [0, written.length]
  while (from < to) {
    const middle = (from + to) >>> 1
    const other = written[middle]
    if (other !== undefined && compareRegisters(other.register, register) > 0) from = middle + 1
    else to = middle
  }
  return from
}

/** The last day on which one of them is told of; none comes first. */
function lastToldDay(puts: readonly WrittenPut[]): string {
  return puts.reduce((last, { day, isTold }) => {
    const from = (isTold ? day?.from : undefined) ?? ""
    return from > last ? from : last
  }, "")
}

function compareText(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}
