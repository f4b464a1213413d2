/**
 * Taking what others wrote: read by `change-format.ts` before Automerge sees it, tried on a copy, and
 * the copy takes the document's place only if what came of it numbers its operations as honest writers
 * do, and saves and loads again to the same heads and the same values.
 *
 * That last test costs one save and one load (10 to 50 ms at 10,000 changes). It is left out for what
 * cannot need it: changes that come out byte for byte the same when their edits are made again
 * (`straight-line.ts` without Automerge; one change on several heads with it). Then Automerge never
 * reads foreign bytes that it would not have written. (That each operation replaces just what stands
 * there is not enough: of changes in another encoding than Automerge's own, many apply, save, and never
 * load again.)
 *
 * @module
 */
import { concatBytes, equalBytes } from "@fulcrum/codec/bytes"
import { afterMore, inPortions } from "./as-loaded.ts"
import type { AutomergeEngine, AutomergeHandle } from "./automerge-wasm.ts"
import { inspectSavedForm, isSavedForm, type ParsedChange, parseChange } from "./change-format.ts"
import type { ChangeWriter } from "./change-writer.ts"
import {
  type Cells,
  cellsAt,
  nextCounter,
  readCells,
  sameCells,
  writeCell,
} from "./document-cells.ts"
import { APPLY_BYTES_MAX, APPLY_CHANGES_MAX, DOCUMENT_OPS_MAX } from "./documents.ts"
import { headsOf, NO_ACTOR, OpenDocument, type Written } from "./open-document.ts"
import { RecordError } from "./record-error.ts"
import type { LongerLine } from "./straight-line.ts"

/** Of more at once Automerge is quicker, which then saves them too. */
const LINE_CHANGES_MAX = 512

type ChangeMeta = ReturnType<AutomergeHandle["getChangesMeta"]>[number]

export interface ForeignParts {
  readonly writer: ChangeWriter
  /** Whether a line is held as one: of a longer one Automerge has to be asked. */
  readonly fits: (line: LongerLine) => boolean
  /** Started at its first use. */
  readonly automerge: () => Promise<AutomergeEngine>
}

/** @throws {RecordError} As `Documents.apply`; the document is as it was. */
export async function applyChanges(
  before: OpenDocument,
  changes: readonly Uint8Array[],
  parts: ForeignParts,
): Promise<OpenDocument> {
  if (changes.length > APPLY_CHANGES_MAX) throw limit("more changes than one call may have")
  const bytes = changes.reduce((sum, change) => sum + change.length, 0)
  if (bytes > APPLY_BYTES_MAX) throw limit("more bytes than one call may have")
  return extended(before, changes, parts) ?? tried(before, changes, await parts.automerge())
}

/** @throws {RecordError} As `Documents.load`. */
export async function loadSaved(
  bytes: Uint8Array,
  { automerge }: ForeignParts,
): Promise<OpenDocument> {
  if (!isSavedForm(bytes)) {
    throw new RecordError("RECORD_CHANGE_REFUSED", "not a saved document")
  }
  await inspectSavedForm(bytes)
  const engine = await automerge()
  const handle = refuseErrors(() => engine.load(bytes, NO_ACTOR))
  try {
    checkComplete(handle)
    checkNumbers(handle, handle.getChangesMeta([]))
    const cells = readCells(handle)
    const saved = checkLoadsAgain(handle, cells, engine)
    return OpenDocument.of({ handle, actor: NO_ACTOR, isAsLoaded: true }, cells, saved)
  } catch (error) {
    handle.free()
    throw error
  }
}

/** Of what was admitted before: read first, and not tried again. @throws {RecordError} */
export async function restored(
  pieces: readonly Uint8Array[],
  parts: ForeignParts,
): Promise<OpenDocument> {
  const line = extended(OpenDocument.empty(), pieces, parts)
  if (line !== undefined) return line
  for (const piece of pieces) {
    if (isSavedForm(piece)) await inspectSavedForm(piece)
    else parseChange(piece)
  }
  const handle = (await parts.automerge()).empty(NO_ACTOR)
  const [first] = pieces
  const isSaved = first !== undefined && isSavedForm(first)
  const loaded = isSaved ? [first] : pieces
  const later = pieces.slice(loaded.length)
  refuseErrors(() => {
    for (const some of [loaded, ...inPortions(later, { isAsLoaded: true })]) {
      if (some.length > 0) handle.loadIncremental(concatBytes(some))
    }
  })
  checkComplete(handle)
  const now = afterMore({ isAsLoaded: true }, later.length)
  return OpenDocument.of({ handle, actor: NO_ACTOR, ...now }, readCells(handle))
}

/**
 * With what was admitted since, elsewhere: read first, and not tried again. The document that it was is
 * used no more.
 *
 * @throws {RecordError}
 */
export async function followed(
  before: OpenDocument,
  changes: readonly Uint8Array[],
  parts: ForeignParts,
): Promise<OpenDocument> {
  const line = extended(before, changes, parts)
  if (line !== undefined) return line
  for (const change of changes) parseChange(change)
  const written = before.written(await parts.automerge())
  const { handle, actor } = written
  refuseErrors(() => {
    for (const some of inPortions(changes, written)) handle.loadIncremental(concatBytes(some))
  })
  checkComplete(handle)
  const now = afterMore(written, changes.length)
  return OpenDocument.of({ handle, actor, ...now }, readCells(handle))
}

function extended(
  before: OpenDocument,
  changes: readonly Uint8Array[],
  { writer, fits }: ForeignParts,
): OpenDocument | undefined {
  if (changes.length > LINE_CHANGES_MAX) return undefined
  const longer = before.line?.extended(changes, writer)
  if (longer === undefined || !fits(longer)) return undefined
  return before.extended(changes, longer.take())
}

function tried(
  before: OpenDocument,
  changes: readonly Uint8Array[],
  automerge: AutomergeEngine,
): OpenDocument {
  const parsed = changes.map((change) => parseChange(change))
  const ops = parsed.reduce((sum, change) => sum + change.writes.length, 0)
  const written = before.written(automerge)
  if (written.handle.stats().numOps + ops > DOCUMENT_OPS_MAX) {
    throw limit("more operations than a document may have")
  }
  const [only, ...more] = parsed
  const [bytesOfOnly] = changes
  if (only !== undefined && bytesOfOnly !== undefined && more.length === 0) {
    const next = writtenAgain(before, written, only, bytesOfOnly)
    if (next !== undefined) return next
  }
  const handle = written.handle.clone(written.actor)
  try {
    refuseErrors(() => {
      for (const some of inPortions(changes, written)) handle.applyChanges([...some])
    })
    checkComplete(handle)
    const added = handle.getChangesMeta([...before.heads])
    checkNumbers(handle, added)
    checkCounters(handle, before, parsed, added)
    const cells = readCells(handle)
    const saved = checkLoadsAgain(handle, cells, automerge)
    const isFirst = before.heads.length === 0
    const now = isFirst ? { isAsLoaded: true } : afterMore(written, changes.length)
    return OpenDocument.of({ handle, actor: written.actor, ...now }, cells, saved)
  } catch (error) {
    handle.free()
    throw error
  }
}

/**
 * Makes a change as its writer did, if it was written on exactly what is here.
 *
 * @returns `undefined` if what is made is not byte for byte the same.
 */
function writtenAgain(
  before: OpenDocument,
  written: Written,
  { actor, deps, message, writes }: ParsedChange,
  bytes: Uint8Array,
): OpenDocument | undefined {
  if ([...deps].sort().join() !== before.heads.join()) return undefined
  if (writes.some(({ key, cell }) => cell.counter !== nextCounter(before.cells, key))) {
    throw countedFalsely()
  }
  const handle = written.handle.clone(actor)
  for (const { key, cell } of writes) writeCell(handle, key, cell)
  handle.commit(message === "" ? null : message, 0)
  const made = handle.getLastLocalChange()
  if (made !== null && equalBytes(made, bytes)) {
    const cells = new Map(before.cells)
    for (const { key, cell } of writes) cells.set(key, [cell])
    return OpenDocument.of({ handle, actor, ...afterMore(written, 1) }, cells)
  }
  handle.free()
  return undefined
}

/** Whatever Automerge says of foreign bytes is a refusal, except that it broke. */
function refuseErrors<T>(run: () => T): T {
  try {
    return run()
  } catch (cause) {
    if (isTrap(cause)) throw cause
    throw new RecordError("RECORD_CHANGE_REFUSED", "Automerge refuses the change", { cause })
  }
}

/** Automerge's own errors come as a `RangeError` too; those of the engine have these words. */
function isTrap(error: unknown): boolean {
  if (!(error instanceof Error)) return true
  if (error instanceof RangeError) return /call stack|allocat|^Invalid/.test(error.message)
  return error.name === "RuntimeError"
}

/** Each write counts one more than the greatest that its change follows at its key. */
function checkCounters(
  handle: AutomergeHandle,
  before: OpenDocument,
  changes: readonly ParsedChange[],
  added: readonly ChangeMeta[],
): void {
  const hashes = new Map(added.map(({ actor, seq, hash }) => [`${actor} ${seq}`, hash]))
  // As long as each follows the one before it, what it follows is known without a look at history.
  let heads: string | undefined = before.heads.join()
  const counters = new Map<string, number>()
  for (const { actor, seq, deps, writes } of changes) {
    const isNext: boolean = [...deps].sort().join() === heads
    for (const { key, cell } of writes) {
      const [known = before.cells.get(key)?.[0]?.counter] = [counters.get(key)]
      const replaced = isNext ? known : cellsAt(handle, key, deps)[0]?.counter
      if (cell.counter !== 1 + (replaced ?? 0)) throw countedFalsely()
      counters.set(key, cell.counter)
    }
    heads = isNext ? hashes.get(`${actor} ${seq}`) : undefined
  }
}

function countedFalsely(): RecordError {
  return new RecordError("RECORD_CHANGE_REFUSED", "a change that counts a register falsely")
}

function checkComplete(handle: AutomergeHandle): void {
  if (handle.getMissingDeps([]).length > 0) {
    throw new RecordError("RECORD_CHANGE_MISSING", "a change that this one follows is not here")
  }
}

/** Each change's operations begin one above the highest that it follows, as Automerge's do. */
function checkNumbers(handle: AutomergeHandle, added: readonly ChangeMeta[]): void {
  const highestByHash = new Map(added.map(({ hash, maxOp }) => [hash, maxOp]))
  const highest = (hash: string): number =>
    highestByHash.get(hash) ?? handle.getChangeMetaByHash(hash)?.maxOp ?? 0
  for (const { deps, startOp } of added) {
    if (startOp !== 1 + Math.max(0, ...deps.map(highest))) {
      throw new RecordError("RECORD_CHANGE_REFUSED", "a change that numbers its operations falsely")
    }
  }
}

/** @returns Its saved form. */
function checkLoadsAgain(
  handle: AutomergeHandle,
  cells: Cells,
  automerge: AutomergeEngine,
): Uint8Array {
  const saved = refuseErrors(() => handle.save())
  const again = refuseErrors(() => automerge.load(saved, NO_ACTOR))
  try {
    const isSame =
      headsOf(again).join() === headsOf(handle).join() && sameCells(readCells(again), cells)
    if (!isSame) throw new RecordError("RECORD_CHANGE_REFUSED", "a change that does not load again")
    return saved
  } finally {
    again.free()
  }
}

function limit(what: string): RecordError {
  return new RecordError("RECORD_CHANGE_LIMIT", what)
}
