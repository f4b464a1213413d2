/**
 * A share: what one vendor holds of a record, as last-writer-wins registers.
 *
 * A register is a disclosed path with a value, or with none (*cleared*, which is not *never
 * disclosed*). The greater counter wins; of equal counters the greater position does, comparing
 * writer keys and then sequences, so every replica agrees whatever arrived first.
 *
 * Source: DESIGN, "Record and shares".
 *
 * @module
 */
import { compareBytes } from "@fulcrum/codec/bytes"
import type { JsonValue } from "@fulcrum/codec/json"
import type { Put } from "./lane.ts"

/** Which entry of the share's log wrote something. */
export interface EntryPosition {
  readonly writer: Uint8Array
  readonly sequence: number
  readonly chain: Uint8Array
}

export interface ShareRegister {
  readonly path: string
  /** `undefined`: cleared. */
  readonly value: JsonValue | undefined
  readonly counter: number
  readonly by: EntryPosition
}

/** The registers of one share by path. Merging is idempotent, commutative and associative. */
export class Share {
  readonly #registers = new Map<string, ShareRegister>()

  get registers(): ReadonlyMap<string, ShareRegister> {
    return this.#registers
  }

  /** @returns The register as it was before, if the put won; else `undefined` under `won: false`. */
  apply(put: Put, by: EntryPosition): { readonly won: boolean; readonly before?: ShareRegister } {
    const before = this.#registers.get(put.path)
    const after = { path: put.path, value: put.value, counter: put.counter, by }
    if (before !== undefined && compareRegisters(after, before) <= 0) return { won: false }
    this.#registers.set(put.path, after)
    return before === undefined ? { won: true } : { won: true, before }
  }
}

/** Greater than 0 if `a` wins. */
export function compareRegisters(a: ShareRegister, b: ShareRegister): number {
  return (
    a.counter - b.counter || compareBytes(a.by.writer, b.by.writer) || a.by.sequence - b.by.sequence
  )
}
