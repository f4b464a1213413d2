/**
 * Undo, path by path: puts back what an entry overwrote, wherever the value is still the
 * entry's.
 *
 * The owner keeps `wrote` and `overwrote` of each local edit with its entry, so undo works after
 * a restart; and since an undo is an edit with both of its own, it can be undone.
 *
 * @module
 */
import { equalJson, type JsonValue } from "@fulcrum/codec/json"
import type { DocumentId, Edit, Register } from "./documents.ts"
import { formatPath } from "./path.ts"
import { RecordError } from "./record-error.ts"
import { valueAt } from "./registers.ts"

/** What one local edit did to one document. */
export interface Undoable {
  readonly document: DocumentId
  readonly wrote: readonly Register[]
  readonly overwrote: readonly Register[]
}

/**
 * Plans it.
 *
 * @param current - The document as it reads now.
 * @throws {RecordError} `UNDO_CHANGED`, with the path: somebody wrote there since.
 */
export function planUndo(entry: Undoable, current: JsonValue | undefined): readonly Edit[] {
  for (const { path, value } of entry.wrote) {
    const now = valueAt(current, path)
    if (equalJson(now, value) || (value === undefined && isBetween(entry, path))) continue
    const shown = formatPath({ document: entry.document, path })
    throw new RecordError("UNDO_CHANGED", `${shown} has changed since`, { path: shown })
  }
  // What is unset goes first: a text that took an object's place stands above what comes back.
  const unsets = entry.overwrote.filter(({ value }) => value === undefined)
  const sets = entry.overwrote.filter(({ value }) => value !== undefined)
  return [
    ...unsets.map(({ path }): Edit => ({ op: "unset", path })),
    ...sets.flatMap(({ path, value }): readonly Edit[] =>
      value === undefined ? [] : [{ op: "set", path, value }],
    ),
  ]
}

/** Whether the entry itself wrote below a path that it unset: a scalar became an object. */
function isBetween(entry: Undoable, path: readonly string[]): boolean {
  return entry.wrote.some(
    (other) =>
      other.value !== undefined &&
      other.path.length > path.length &&
      path.every((segment, at) => other.path[at] === segment),
  )
}
