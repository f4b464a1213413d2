/**
 * Cells: what one register of a document holds, and which of several concurrent ones it shows.
 *
 * A cell is one Automerge `str`, the canonical JSON (RFC 8785) of `[counter, value]`, or of
 * `[counter]` where the register was unset. Its counter is one more than the greatest of those that
 * its writer replaced, from 1. Of concurrent cells the greatest counter is shown; of equal ones a
 * value before none, then the greater canonical text by UTF-16 code units.
 *
 * So whatever replaced a cell is greater than it, and a register only ever grows: it can be copied
 * elsewhere by the same order, and nothing that was overwritten comes back there. Automerge's own
 * order could not be used so: it goes by how much else was written in the document.
 *
 * @module
 */
import { CodecError } from "@fulcrum/codec/codec-error"
import { canonicalJson, type JsonValue, parseJson } from "@fulcrum/codec/json"
import { RecordError } from "./record-error.ts"
import { REGISTER_BYTES_MAX, REGISTER_LIMITS } from "./registers.ts"

/** Bytes of a cell besides its value. */
const COUNTER_BYTES_MAX = 20

export const CELL_BYTES_MAX: number = REGISTER_BYTES_MAX + COUNTER_BYTES_MAX

const CELL_LIMITS = {
  ...REGISTER_LIMITS,
  bytesMax: CELL_BYTES_MAX,
  depthMax: REGISTER_LIMITS.depthMax + 1,
  itemsMax: REGISTER_LIMITS.itemsMax + 2,
}

export interface Cell {
  /** From 1. */
  readonly counter: number
  /** `undefined`: unset. */
  readonly value: JsonValue | undefined
}

export function encodeCell({ counter, value }: Cell): string {
  return canonicalJson(value === undefined ? [counter] : [counter, value])
}

/** @throws {RecordError} `RECORD_CHANGE_REFUSED`: no cell, or another text for it. */
export function decodeCell(text: string): Cell {
  const cell = cellIn(text)
  if (cell === undefined) {
    throw new RecordError("RECORD_CHANGE_REFUSED", "a document with a value that none has")
  }
  return cell
}

function cellIn(text: string): Cell | undefined {
  let parsed: JsonValue
  try {
    parsed = parseJson(text, CELL_LIMITS)
  } catch (error) {
    if (error instanceof CodecError) return undefined
    throw error
  }
  if (!Array.isArray(parsed) || parsed.length > 2) return undefined
  const [counter, value] = parsed
  if (typeof counter !== "number" || !Number.isSafeInteger(counter) || counter < 1) return undefined
  const cell = { counter, value }
  return encodeCell(cell) === text ? cell : undefined
}

/** Greater than 0 if `a` is shown. The same for shares: see `relations/share`. */
export function compareCells(a: Cell, b: Cell): number {
  if (a.counter !== b.counter) return a.counter - b.counter
  if (a.value === undefined || b.value === undefined) {
    return Number(a.value !== undefined) - Number(b.value !== undefined)
  }
  const [left, right] = [canonicalJson(a.value), canonicalJson(b.value)]
  if (left === right) return 0
  return left > right ? 1 : -1
}
