/**
 * What stands in a document, by key: cells, of which those that none replaced stand side by side.
 *
 * @module
 */
import { equalJson, type JsonValue } from "@fulcrum/codec/json"
import type { AutomergeHandle } from "./automerge-wasm.ts"
import { type Cell, compareCells, decodeCell, encodeCell } from "./cell.ts"
import type { Conflict, CountedRegister } from "./documents.ts"
import { RecordError } from "./record-error.ts"
import { hiddenKeys, keyToPath, pathToKey, type Registers, type RegisterView } from "./registers.ts"

/** Automerge's name for a document's map of keys. */
export const ROOT = "_root"

/** By key what stands there, of which none replaced another, greatest first; kept in step. */
export type Cells = ReadonlyMap<string, readonly Cell[]>

/** The registers that are set. */
export function valuesOf(cells: Cells): Registers {
  const values = new Map<string, JsonValue>()
  for (const [key, [shown]] of cells) {
    if (shown?.value !== undefined) values.set(key, shown.value)
  }
  return values
}

/** The same, looked up as it is asked. */
export function shownIn(cells: Cells): RegisterView {
  return { get: (key) => cells.get(key)?.[0]?.value, keys: () => cells.keys() }
}

export function nextCounter(cells: Cells, key: string): number {
  return 1 + (cells.get(key)?.[0]?.counter ?? 0)
}

export function sameCells(a: Cells, b: Cells): boolean {
  const textOf = (cells: readonly Cell[] = []) => cells.map(encodeCell).join()
  return a.size === b.size && [...a].every(([key, cells]) => textOf(b.get(key)) === textOf(cells))
}

export function readCells(handle: AutomergeHandle): Cells {
  const cells = new Map<string, readonly Cell[]>()
  for (const key of handle.keys(ROOT)) {
    pathOf(key)
    cells.set(key, cellsAt(handle, key))
  }
  return cells
}

/** @param heads - Of an earlier state; absent: of the newest. */
export function cellsAt(
  handle: AutomergeHandle,
  key: string,
  heads?: readonly string[],
): readonly Cell[] {
  const found = handle.getAll(ROOT, key, heads && [...heads])
  const all = found.map(([type, value]) => {
    if (type === "str" && typeof value === "string") return decodeCell(value)
    throw new RecordError("RECORD_CHANGE_REFUSED", "a document with a value of another kind")
  })
  return all.length < 2 ? all : all.sort((a, b) => compareCells(b, a))
}

export function conflicts(cells: Cells): readonly Conflict[] {
  const found: Conflict[] = []
  for (const key of [...cells.keys()].sort()) {
    const values = distinct((cells.get(key) ?? []).map(({ value }) => value))
    if (values.length > 1) found.push({ path: pathOf(key), values })
  }
  const values = valuesOf(cells)
  for (const key of hiddenKeys(values)) {
    const value = values.get(key)
    if (value !== undefined) found.push({ path: pathOf(key), values: [value] })
  }
  return found
}

function distinct(values: readonly (JsonValue | undefined)[]): readonly (JsonValue | undefined)[] {
  return values.filter((value, at) => values.findIndex((other) => equalJson(other, value)) === at)
}

export function registersAround(cells: Cells, path: readonly string[]): readonly CountedRegister[] {
  const around = pathToKey(path)
  return [...cells]
    .filter(([key]) => isUnder(key, around) || isUnder(around, key))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([key, [shown, ...others]]) =>
      shown === undefined ? [] : [{ path: pathOf(key), ...shown, others }],
    )
}

/** Whether one register's key is the other's, or under it. */
export function isUnder(key: string, above: string): boolean {
  return key === above || key.startsWith(`${above}/`)
}

export function pathOf(key: string): readonly string[] {
  const path = keyToPath(key)
  if (path === undefined) {
    throw new RecordError("RECORD_CHANGE_REFUSED", "a document with a key that none has")
  }
  return path
}

export function writeCell(handle: AutomergeHandle, key: string, cell: Cell): void {
  handle.put(ROOT, key, encodeCell(cell), "str")
}
