/**
 * One edit of one document: planned against what stands in it, and made as a change of its line, or by
 * Automerge.
 *
 * @module
 */
import { bytesToHex, utf8Length } from "@fulcrum/codec/bytes"
import { equalJson, type JsonValue } from "@fulcrum/codec/json"
import { afterMore } from "./as-loaded.ts"
import type { AutomergeEngine } from "./automerge-wasm.ts"
import { encodeCell } from "./cell.ts"
import { ACTOR_BYTES } from "./change-format.ts"
import { type Cells, isUnder, nextCounter, pathOf, shownIn, writeCell } from "./document-cells.ts"
import {
  CHANGE_BYTES_MAX,
  CHANGE_OPS_MAX,
  EDITS_MAX,
  type Edit,
  type EditInput,
  type EditResult,
  MESSAGE_CHARS_MAX,
} from "./documents.ts"
import type { ForeignParts } from "./foreign-changes.ts"
import { OpenDocument } from "./open-document.ts"
import { RecordError } from "./record-error.ts"
import { pathToKey, planEdits } from "./registers.ts"
import type { LineEdit } from "./straight-line.ts"

/** Of a change at most, besides its operations: its head, and dependencies that are heads. */
const CHANGE_FRAME_BYTES = 16_384
/** Of an operation besides its texts. */
const OPERATION_BYTES = 48
/** With the actor that it names. */
const PREDECESSOR_BYTES = 32

/** @throws {RecordError} As `Documents.edit`; the document is as it was. */
export async function editOpen(
  before: OpenDocument,
  { document, edits, actor: actorBytes, message = "" }: EditInput,
  parts: ForeignParts,
): Promise<{ readonly next: OpenDocument; readonly result: EditResult | undefined }> {
  if (actorBytes.length !== ACTOR_BYTES) throw new RangeError("an actor is 16 bytes")
  if (edits.length > EDITS_MAX || message.length > MESSAGE_CHARS_MAX) {
    throw new RecordError("RECORD_EDIT_REFUSED", "more than one edit may hold")
  }
  const shown = shownIn(before.cells)
  const writes = effective(before.cells, planEdits(document, shown, edits), edits)
  if (writes.length === 0) return { next: before, result: undefined }
  if (writes.length > CHANGE_OPS_MAX) {
    throw new RecordError("RECORD_EDIT_REFUSED", "more fields than one edit may write")
  }
  if (changeBytes(before.cells, writes, message) > CHANGE_BYTES_MAX) {
    throw new RecordError("RECORD_EDIT_REFUSED", "more than one edit may write")
  }
  const one = { actor: bytesToHex(actorBytes), message, writes }
  const overwrote = writes.map(([key]) => ({ path: pathOf(key), value: shown.get(key) }))
  const { next, change } =
    onLine(before, one, parts) ?? withAutomerge(before, one, await parts.automerge())
  return {
    next,
    result: {
      change,
      heads: next.heads,
      overwrote,
      wrote: writes.map(([key, value]) => ({ path: pathOf(key), value })),
    },
  }
}

interface Edited {
  readonly next: OpenDocument
  readonly change: Uint8Array
}

function onLine(
  before: OpenDocument,
  edit: LineEdit,
  { writer, fits }: ForeignParts,
): Edited | undefined {
  const edited = before.line?.edited(edit, writer)
  if (edited === undefined || !fits(edited.longer)) return undefined
  const { change, longer } = edited
  return { next: before.extended([change], longer.take()), change }
}

function withAutomerge(
  before: OpenDocument,
  { actor, message, writes }: LineEdit,
  automerge: AutomergeEngine,
): Edited {
  const written = before.written(automerge)
  const handle = written.actor === actor ? written.handle : written.handle.clone(actor)
  const cells = new Map(before.cells)
  for (const [key, value] of writes) {
    const cell = { counter: nextCounter(cells, key), value }
    cells.set(key, [cell])
    writeCell(handle, key, cell)
  }
  handle.commit(message === "" ? null : message, 0)
  const change = handle.getLastLocalChange()
  if (change === null) throw new Error("a change was lost")
  return { next: OpenDocument.of({ handle, actor, ...afterMore(written, 1) }, cells), change }
}

/** The writes that change something, in order of keys. One that settles a conflict does. */
function effective(
  cells: Cells,
  plan: ReadonlyMap<string, JsonValue | undefined>,
  edits: readonly Edit[],
): readonly (readonly [string, JsonValue | undefined])[] {
  const writes = new Map(plan)
  // What shows as unset is no part of the plan, and may have others beside it.
  const unset = edits.flatMap(({ op, path }) => (op === "unset" ? [pathToKey(path)] : []))
  for (const [key, [shown, ...others]] of unset.length > 0 ? cells : []) {
    if (shown?.value !== undefined || others.length === 0 || writes.has(key)) continue
    if (unset.some((above) => isUnder(key, above))) writes.set(key, undefined)
  }
  return [...writes]
    .filter(([key, value]) => {
      const [shown, ...others] = cells.get(key) ?? []
      return others.length > 0 || !equalJson(shown?.value, value)
    })
    .sort(([a], [b]) => (a < b ? -1 : 1))
}

/** What their change takes at most: a longer one would be refused by whoever reads it. */
function changeBytes(
  cells: Cells,
  writes: readonly (readonly [string, JsonValue | undefined])[],
  message = "",
): number {
  let bytes = CHANGE_FRAME_BYTES + utf8Length(message)
  for (const [key, value] of writes) {
    const replaced = cells.get(key)?.length ?? 0
    const text = encodeCell({ counter: nextCounter(cells, key), value })
    bytes += OPERATION_BYTES + utf8Length(key) + utf8Length(text) + PREDECESSOR_BYTES * replaced
  }
  return bytes
}
