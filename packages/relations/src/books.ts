/**
 * Books: the vendor's view of one relationship, from the entries of both lanes.
 *
 * Entries may come in any order and more than once; what is read from the books depends only on
 * which there are. A move with a date holds from that day in the person's time zone: until then
 * the register keeps the value that held before. A rejected entry changes nothing.
 *
 * Source: DESIGN, "Relations" (receipts, moves).
 *
 * @module
 */
import { bytesToHex } from "@fulcrum/codec/bytes"
import type { JsonValue } from "@fulcrum/codec/json"
import { dayAt } from "./day.ts"
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
import { compareRegisters, type EntryPosition, type ShareRegister } from "./share.ts"

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

/** What a register holds at an instant, and what it will hold. */
export interface BookRegister {
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

/** A register before and after an entry: what a webhook tells. */
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
  readonly #entries = new Map<string, { by: EntryPosition; puts: Put[]; move?: MoveNote }>()
  /** By register: all puts that some day may make the value. */
  readonly #written = new Map<string, Written[]>()
  readonly #receipts = new Map<string, { receipt: Receipt; by: EntryPosition }[]>()
  #agreed: Agreed | undefined
  #refused: Refused | undefined

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
      written.sort((a, b) => compareRegisters(b.register, a.register))
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

  /** What the vendor holds, by path. */
  registers(nowMs: number): ReadonlyMap<string, BookRegister> {
    const registers = new Map<string, BookRegister>()
    for (const path of [...this.#written.keys()].sort()) {
      const register = this.#registerAt(path, nowMs)
      if (register.held || register.pending.length > 0) registers.set(path, register)
    }
    return registers
  }

  /** What an entry of the person's changes, against what held before it. */
  changesOf(chain: Uint8Array, nowMs: number): readonly BookChange[] {
    const entry = this.#entries.get(bytesToHex(chain))
    if (entry === undefined) return []
    return entry.puts.flatMap((put): BookChange[] => {
      const own = { path: put.path, value: put.value, counter: put.counter, by: entry.by }
      const written = this.#accepted(put.path)
      const later = written.some(
        ({ register, move }) => compareRegisters(register, own) > 0 && isEffective(move, nowMs),
      )
      // Something newer holds already: there is nothing to tell.
      if (later) return []
      const before = written.find(
        ({ register, move }) => compareRegisters(register, own) < 0 && isEffective(move, nowMs),
      )
      return [
        {
          path: put.path,
          value: put.value,
          previous: before?.register.value,
          effective: entry.move?.from,
        },
      ]
    })
  }

  #registerAt(path: string, nowMs: number): BookRegister {
    const written = this.#accepted(path)
    const at = written.findIndex(({ move }) => isEffective(move, nowMs))
    const held = written[at]
    const pending = written.slice(0, at === -1 ? written.length : at).flatMap((one) => {
      const { move, register } = one
      if (move?.from === undefined) return []
      return [{ value: register.value, from: move.from, zone: move.zone, move: move.id }]
    })
    // In the order in which they come to hold.
    pending.reverse()
    return { path, value: held?.register.value, held: held !== undefined, pending }
  }

  /** Greatest first. */
  #accepted(path: string): readonly Written[] {
    return (this.#written.get(path) ?? []).filter(
      ({ register }) => !this.#statesOf(register.by.chain).has("rejected"),
    )
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

function comparePositions(a: EntryPosition, b: EntryPosition): number {
  const [left, right] = [bytesToHex(a.writer), bytesToHex(b.writer)]
  if (left !== right) return left < right ? -1 : 1
  return a.sequence - b.sequence
}
