/**
 * The documents themselves: the only code, with `document-cells.ts`, that calls Automerge.
 *
 * It runs in a worker, or in line. It is given one call at a time. Foreign bytes are read by
 * `change-format.ts` first, tried on a copy, and the copy takes the document's place only if
 * what came of it numbers its operations as honest writers do, and saves and loads again to the
 * same heads and the same values.
 *
 * That last test costs one save and one load (10 to 50 ms at 10,000 changes). It is left out for
 * the everyday case that cannot need it: one change, written on exactly what is here, that comes
 * out byte for byte the same when its edits are made again. Then Automerge never reads the foreign
 * bytes at all. (That each operation replaces just what stands there is not enough: of changes in
 * another encoding than Automerge's own, many apply, save, and never load again.)
 *
 * @module
 */
import * as Automerge from "@automerge/automerge/slim"
import { bytesToHex, concatBytes, equalBytes, utf8Length } from "@fulcrum/codec/bytes"
import { equalJson, type JsonValue } from "@fulcrum/codec/json"
import { type AutomergeHandle, startAutomerge } from "./automerge-wasm.ts"
import { type Cell, encodeCell } from "./cell.ts"
import {
  ACTOR_BYTES,
  inspectSavedForm,
  isSavedForm,
  type ParsedChange,
  parseChange,
} from "./change-format.ts"
import {
  type Cells,
  cellsAt,
  conflicts,
  isUnder,
  nextCounter,
  pathOf,
  ROOT,
  readCells,
  registersAround,
  sameCells,
  valuesOf,
} from "./document-cells.ts"
import {
  APPLY_BYTES_MAX,
  APPLY_CHANGES_MAX,
  type ApplyInput,
  CHANGE_BYTES_MAX,
  CHANGE_OPS_MAX,
  type Conflict,
  type CountedRegister,
  DOCUMENT_OPS_MAX,
  type DocumentId,
  EDITS_MAX,
  type Edit,
  type EditInput,
  type EditResult,
  type Heads,
  type HistoryEntry,
  MESSAGE_CHARS_MAX,
} from "./documents.ts"
import { RecordError } from "./record-error.ts"
import { assemble, pathToKey, planEdits } from "./registers.ts"

/** What can be asked of the host: name to argument and answer. */
export interface HostCalls {
  edit: [EditInput, EditResult | undefined]
  apply: [ApplyInput, Heads]
  read: [DocumentId, JsonValue | undefined]
  conflicts: [DocumentId, readonly Conflict[]]
  registers: [
    { readonly document: DocumentId; readonly path: readonly string[] },
    readonly CountedRegister[],
  ]
  history: [
    { readonly document: DocumentId; readonly path: readonly string[] },
    readonly HistoryEntry[],
  ]
  save: [DocumentId, Uint8Array]
  load: [{ readonly document: DocumentId; readonly bytes: Uint8Array }, Heads]
  /** What the owner has: admitted before, so not tried again, but still read first. */
  restore: [{ readonly document: DocumentId; readonly pieces: readonly Uint8Array[] }, Heads]
  heads: [DocumentId, readonly string[]]
  forget: [DocumentId, undefined]
  /** All of them. */
  forgetAll: [undefined, undefined]
}

export type HostCall = keyof HostCalls

export type DocumentHost = {
  readonly [K in HostCall]: (input: HostCalls[K][0]) => Promise<HostCalls[K][1]>
}

interface OpenDocument {
  readonly handle: AutomergeHandle
  readonly actor: string
  readonly cells: Cells
}

/** No writer's: of a document that nothing was written to here. */
const NO_ACTOR = "00".repeat(ACTOR_BYTES)

/** Of a change at most, besides its operations: its head, and dependencies that are heads. */
const CHANGE_FRAME_BYTES = 16_384
/** Of an operation besides its texts. */
const OPERATION_BYTES = 48
/** With the actor that it names. */
const PREDECESSOR_BYTES = 32

type ChangeMeta = ReturnType<AutomergeHandle["getChangesMeta"]>[number]

/** @param module - As for `startAutomerge`, like the bound. */
export async function openDocumentHost(
  module: () => Uint8Array,
  memoryBytesMax: number,
): Promise<DocumentHost> {
  await startAutomerge(module, memoryBytesMax)
  const documents = new Map<DocumentId, OpenDocument>()
  const open = (document: DocumentId): OpenDocument => documents.get(document) ?? emptyDocument()
  const put = (document: DocumentId, next: OpenDocument): Heads => {
    const before = documents.get(document)
    documents.set(document, next)
    if (before !== undefined && before.handle !== next.handle) before.handle.free()
    return { heads: headsOf(next.handle) }
  }
  return {
    edit: async (input) => {
      const { next, result } = edit(open(input.document), input)
      put(input.document, next)
      return result
    },
    apply: async ({ document, changes }) => put(document, apply(open(document), changes)),
    read: async (document) => assemble(valuesOf(open(document).cells)),
    conflicts: async (document) => conflicts(open(document).cells),
    registers: async ({ document, path }) => registersAround(open(document).cells, path),
    history: async ({ document, path }) => history(open(document).handle, path),
    save: async (document) => open(document).handle.save(),
    load: async ({ document, bytes }) => put(document, await load(bytes)),
    restore: async ({ document, pieces }) => put(document, await restore(pieces)),
    heads: async (document) => headsOf(open(document).handle),
    forget: async (document) => {
      documents.get(document)?.handle.free()
      documents.delete(document)
      return undefined
    },
    forgetAll: async () => {
      for (const { handle } of documents.values()) handle.free()
      documents.clear()
      return undefined
    },
  }
}

/** Whether the instance may be broken after this: a trap, or no memory. */
export function isFatal(error: unknown): boolean {
  return !(error instanceof RecordError)
}

function emptyDocument(): OpenDocument {
  const handle = Automerge.getBackend(Automerge.init<Record<string, unknown>>({ actor: NO_ACTOR }))
  return { handle, actor: NO_ACTOR, cells: new Map() }
}

function edit(
  before: OpenDocument,
  { document, edits, actor: actorBytes, message }: EditInput,
): { readonly next: OpenDocument; readonly result: EditResult | undefined } {
  if (actorBytes.length !== ACTOR_BYTES) throw new RangeError("an actor is 16 bytes")
  if (edits.length > EDITS_MAX || (message ?? "").length > MESSAGE_CHARS_MAX) {
    throw new RecordError("RECORD_EDIT_REFUSED", "more than one edit may hold")
  }
  const values = valuesOf(before.cells)
  const writes = effective(before.cells, planEdits(document, values, edits), edits)
  if (writes.length === 0) return { next: before, result: undefined }
  if (writes.length > CHANGE_OPS_MAX) {
    throw new RecordError("RECORD_EDIT_REFUSED", "more fields than one edit may write")
  }
  if (changeBytes(before.cells, writes, message) > CHANGE_BYTES_MAX) {
    throw new RecordError("RECORD_EDIT_REFUSED", "more than one edit may write")
  }
  const actor = bytesToHex(actorBytes)
  const handle = before.actor === actor ? before.handle : before.handle.clone(actor)
  const cells = new Map(before.cells)
  for (const [key, value] of writes) {
    const cell = { counter: nextCounter(cells, key), value }
    cells.set(key, [cell])
    write(handle, key, cell)
  }
  handle.commit(message ?? null, 0)
  const change = handle.getLastLocalChange()
  if (change === null) throw new Error("a change was lost")
  return {
    next: { handle, actor, cells },
    result: {
      change,
      heads: headsOf(handle),
      overwrote: writes.map(([key]) => ({ path: pathOf(key), value: values.get(key) })),
      wrote: writes.map(([key, value]) => ({ path: pathOf(key), value })),
    },
  }
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

function write(handle: AutomergeHandle, key: string, cell: Cell): void {
  handle.put(ROOT, key, encodeCell(cell), "str")
}

function apply(before: OpenDocument, changes: readonly Uint8Array[]): OpenDocument {
  if (changes.length > APPLY_CHANGES_MAX) throw limit("more changes than one call may have")
  const bytes = changes.reduce((sum, change) => sum + change.length, 0)
  if (bytes > APPLY_BYTES_MAX) throw limit("more bytes than one call may have")
  const parsed = changes.map(parseChange)
  const ops = parsed.reduce((sum, change) => sum + change.writes.length, 0)
  if (before.handle.stats().numOps + ops > DOCUMENT_OPS_MAX) {
    throw limit("more operations than a document may have")
  }
  const [only, ...more] = parsed
  const [bytesOfOnly] = changes
  if (only !== undefined && bytesOfOnly !== undefined && more.length === 0) {
    const next = writeAgain(before, only, bytesOfOnly)
    if (next !== undefined) return next
  }
  const handle = before.handle.clone(before.actor)
  try {
    refuseErrors(() => handle.applyChanges([...changes]))
    checkComplete(handle)
    const added = handle.getChangesMeta([...headsOf(before.handle)])
    checkNumbers(handle, added)
    checkCounters(handle, before, parsed, added)
    const cells = readCells(handle)
    checkLoadsAgain(handle, cells)
    return { handle, actor: before.actor, cells }
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
function writeAgain(
  before: OpenDocument,
  { actor, deps, message, writes }: ParsedChange,
  bytes: Uint8Array,
): OpenDocument | undefined {
  if ([...deps].sort().join() !== headsOf(before.handle).join()) return undefined
  if (writes.some(({ key, cell }) => cell.counter !== nextCounter(before.cells, key))) {
    throw countedFalsely()
  }
  const handle = before.handle.clone(actor)
  for (const { key, cell } of writes) write(handle, key, cell)
  handle.commit(message === "" ? null : message, 0)
  const made = handle.getLastLocalChange()
  if (made !== null && equalBytes(made, bytes)) {
    const cells = new Map(before.cells)
    for (const { key, cell } of writes) cells.set(key, [cell])
    return { handle, actor, cells }
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
  let heads: string | undefined = headsOf(before.handle).join()
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

function checkLoadsAgain(handle: AutomergeHandle, cells: Cells): void {
  const again = refuseErrors(() => loadHandle(handle.save()))
  try {
    const isSame =
      headsOf(again).join() === headsOf(handle).join() && sameCells(readCells(again), cells)
    if (!isSame) throw new RecordError("RECORD_CHANGE_REFUSED", "a change that does not load again")
  } finally {
    again.free()
  }
}

async function load(bytes: Uint8Array): Promise<OpenDocument> {
  if (!isSavedForm(bytes)) {
    throw new RecordError("RECORD_CHANGE_REFUSED", "not a saved document")
  }
  await inspectSavedForm(bytes)
  const handle = refuseErrors(() => loadHandle(bytes))
  try {
    checkComplete(handle)
    checkNumbers(handle, handle.getChangesMeta([]))
    const cells = readCells(handle)
    checkLoadsAgain(handle, cells)
    return { handle, actor: NO_ACTOR, cells }
  } catch (error) {
    handle.free()
    throw error
  }
}

async function restore(pieces: readonly Uint8Array[]): Promise<OpenDocument> {
  for (const piece of pieces) {
    if (isSavedForm(piece)) await inspectSavedForm(piece)
    else parseChange(piece)
  }
  const { handle } = emptyDocument()
  if (pieces.length > 0) refuseErrors(() => handle.loadIncremental(concatBytes(pieces)))
  checkComplete(handle)
  return { handle, actor: NO_ACTOR, cells: readCells(handle) }
}

function loadHandle(bytes: Uint8Array): AutomergeHandle {
  return Automerge.getBackend(Automerge.load<Record<string, unknown>>(bytes, { actor: NO_ACTOR }))
}

function history(handle: AutomergeHandle, path: readonly string[]): readonly HistoryEntry[] {
  const around = pathToKey(path)
  const entries: (HistoryEntry & { readonly order: number })[] = []
  const hashes = new Map(
    handle.getChangesMeta([]).map(({ actor, seq, hash }) => [`${actor} ${seq}`, hash]),
  )
  for (const bytes of handle.getChanges([])) {
    const { actor, seq, startOp, writes } = parseChange(bytes)
    for (const [at, write] of writes.entries()) {
      if (!isUnder(write.key, around) && !isUnder(around, write.key)) continue
      const changeHash = hashes.get(`${actor} ${seq}`) ?? ""
      entries.push({
        actor,
        seq,
        changeHash,
        path: write.path,
        value: write.cell.value,
        order: startOp + at,
      })
    }
  }
  return entries
    .sort((a, b) => a.order - b.order || (a.actor < b.actor ? -1 : 1))
    .map(({ order: _, ...entry }) => entry)
}

function headsOf(handle: AutomergeHandle): readonly string[] {
  return handle.getHeads().sort()
}

function limit(what: string): RecordError {
  return new RecordError("RECORD_CHANGE_LIMIT", what)
}
