/**
 * A share: what one vendor holds of a record, as a map of registers that only grow.
 *
 * A register is a leaf of the record, at or below a disclosed path, with a value, or with none
 * (*cleared*, which is not *never disclosed*). It goes by the record's own order: the greater
 * counter, then a value before none, then the greater canonical text. So the register that is held
 * is the greatest that was ever put, whoever wrote it, and whatever arrived first.
 *
 * Source: DESIGN, "Record and shares"; decisions 4 and 7.
 *
 * @module
 */
import { compareBytes } from "@fulcrum/codec/bytes"
import type { JsonValue } from "@fulcrum/codec/json"
import { compareCells } from "@fulcrum/record/cell"
import { assemble, keyToPath, valueAt } from "@fulcrum/record/registers"
import { isWithin } from "./field-path.ts"
import type { Put, PutDay } from "./lane.ts"

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
  /** From when it holds; `undefined`: at once. */
  readonly day?: PutDay | undefined
  readonly by: EntryPosition
}

/** The registers of one share by path. Merging is idempotent, commutative and associative. */
export class Share {
  readonly #registers = new Map<string, ShareRegister>()

  get registers(): ReadonlyMap<string, ShareRegister> {
    return this.#registers
  }

  /** @returns Whether the put changed the register. */
  apply(put: Put, by: EntryPosition): boolean {
    const before = this.#registers.get(put.path)
    const { path, value, counter, day } = put
    const after = { path, value, counter, day, by }
    const order = before === undefined ? 1 : compareRegisters(after, before)
    // What is said again, by the same device or another, is as far as its last entry.
    const isAgain = order === 0 && before !== undefined && comparePositions(by, before.by) > 0
    if (order > 0 || isAgain) this.#registers.set(put.path, after)
    return order > 0
  }

  /** What stands at and below a path; empty: nothing was ever told of it. */
  at(path: string): readonly ShareRegister[] {
    return [...this.#registers.values()].filter((register) => isWithin(register.path, path))
  }

  /** The value at a path, put together from its registers. */
  valueAt(path: string): JsonValue | undefined {
    return assembledAt(path, this.at(path))
  }
}

/** Greater than 0 if `a` wins; 0: they say the same. */
export function compareRegisters(
  a: Pick<ShareRegister, "counter" | "value">,
  b: Pick<ShareRegister, "counter" | "value">,
): number {
  return compareCells(a, b)
}

/** By writer, then sequence. */
export function comparePositions(a: EntryPosition, b: EntryPosition): number {
  return compareBytes(a.writer, b.writer) || a.sequence - b.sequence
}

/**
 * The value at a path from the registers at and below it, as the record puts it together from its
 * own; `undefined`: none of them holds anything.
 */
export function assembledAt(
  path: string,
  registers: Iterable<Pick<ShareRegister, "path" | "value">>,
): JsonValue | undefined {
  const values = new Map<string, JsonValue>()
  for (const register of registers) {
    if (register.value !== undefined) values.set(keyOf(register.path), register.value)
  }
  const only = values.size === 1 ? values.get(keyOf(path)) : undefined
  if (only !== undefined) return only
  return valueAt(assemble(values), keyToPath(keyOf(path)) ?? [])
}

/** Of a document's path, the pointer inside of it; of a whole document, none. */
function keyOf(path: string): string {
  const at = path.indexOf("/")
  return at < 0 ? "" : path.slice(at)
}
