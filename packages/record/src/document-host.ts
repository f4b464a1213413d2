/**
 * The documents themselves: the only code that calls Automerge.
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
import { bytesToHex, concatBytes, equalBytes } from "@fulcrum/codec/bytes"
import { canonicalJson, type JsonValue } from "@fulcrum/codec/json"
import { type AutomergeHandle, startAutomerge } from "./automerge-wasm.ts"
import {
  ACTOR_BYTES,
  inspectSavedForm,
  isSavedForm,
  type ParsedChange,
  parseChange,
} from "./change-format.ts"
import {
  APPLY_BYTES_MAX,
  APPLY_CHANGES_MAX,
  type ApplyInput,
  CHANGE_OPS_MAX,
  type Conflict,
  DOCUMENT_OPS_MAX,
  type DocumentId,
  EDITS_MAX,
  type EditInput,
  type EditResult,
  type Heads,
  type HistoryEntry,
  MESSAGE_CHARS_MAX,
  type Register,
} from "./documents.ts"
import { RecordError } from "./record-error.ts"
import {
  assemble,
  decodeComposite,
  encodeComposite,
  hiddenKeys,
  keyToPath,
  planEdits,
  type Registers,
} from "./registers.ts"

/** What can be asked of the host: name to argument and answer. */
export interface HostCalls {
  edit: [EditInput, EditResult | undefined]
  apply: [ApplyInput, Heads]
  read: [DocumentId, JsonValue | undefined]
  conflicts: [DocumentId, readonly Conflict[]]
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
}

export type HostCall = keyof HostCalls

export type DocumentHost = {
  readonly [K in HostCall]: (input: HostCalls[K][0]) => Promise<HostCalls[K][1]>
}

interface OpenDocument {
  readonly handle: AutomergeHandle
  readonly actor: string
  /** Winners, kept in step. */
  readonly registers: Registers
}

/** No writer's: of a document that nothing was written to here. */
const NO_ACTOR = "00".repeat(ACTOR_BYTES)
const ROOT = "_root"

/** @param memoryBytesMax - See `startAutomerge`. */
export async function openDocumentHost(memoryBytesMax: number): Promise<DocumentHost> {
  await startAutomerge(memoryBytesMax)
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
    read: async (document) => assemble(open(document).registers),
    conflicts: async (document) => conflicts(open(document)),
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
  }
}

/** Whether the instance may be broken after this: a trap, or no memory. */
export function isFatal(error: unknown): boolean {
  return !(error instanceof RecordError)
}

function emptyDocument(): OpenDocument {
  const handle = Automerge.getBackend(Automerge.init<Record<string, unknown>>({ actor: NO_ACTOR }))
  return { handle, actor: NO_ACTOR, registers: new Map() }
}

function edit(
  before: OpenDocument,
  { document, edits, actor: actorBytes, message }: EditInput,
): { readonly next: OpenDocument; readonly result: EditResult | undefined } {
  if (actorBytes.length !== ACTOR_BYTES) throw new RangeError("an actor is 16 bytes")
  if (edits.length > EDITS_MAX || (message ?? "").length > MESSAGE_CHARS_MAX) {
    throw new RecordError("RECORD_EDIT_REFUSED", "more than one edit may hold")
  }
  const writes = effective(before, planEdits(document, before.registers, edits))
  if (writes.length === 0) return { next: before, result: undefined }
  if (writes.length > CHANGE_OPS_MAX) {
    throw new RecordError("RECORD_EDIT_REFUSED", "more fields than one edit may write")
  }
  const actor = bytesToHex(actorBytes)
  const handle = before.actor === actor ? before.handle : before.handle.clone(actor)
  const registers = new Map(before.registers)
  for (const [key, value] of writes) {
    if (value === undefined) registers.delete(key)
    else registers.set(key, value)
    write(handle, key, value)
  }
  handle.commit(message ?? null, 0)
  const change = handle.getLastLocalChange()
  if (change === null) throw new Error("a change was lost")
  const register =
    (registersBefore: Registers) =>
    (write: readonly [string, unknown]): Register => ({
      path: pathOf(write[0]),
      value: registersBefore.get(write[0]),
    })
  return {
    next: { handle, actor, registers },
    result: {
      change,
      heads: headsOf(handle),
      overwrote: writes.map(register(before.registers)),
      wrote: writes.map(register(registers)),
    },
  }
}

/** The writes that change something, in order of keys. One that settles a conflict does. */
function effective(
  { handle, registers }: OpenDocument,
  plan: ReadonlyMap<string, JsonValue | undefined>,
): readonly (readonly [string, JsonValue | undefined])[] {
  return [...plan]
    .filter(([key, value]) => {
      const before = registers.get(key)
      if (before === undefined || value === undefined) return before !== value
      return canonicalJson(before) !== canonicalJson(value) || handle.getAll(ROOT, key).length > 1
    })
    .sort(([a], [b]) => (a < b ? -1 : 1))
}

function write(handle: AutomergeHandle, key: string, value: JsonValue | undefined): void {
  if (value === undefined) handle.delete(ROOT, key)
  else if (value === null) handle.put(ROOT, key, null, "null")
  else if (typeof value === "string") handle.put(ROOT, key, value, "str")
  else if (typeof value === "boolean") handle.put(ROOT, key, value, "boolean")
  else if (typeof value !== "number") handle.put(ROOT, key, encodeComposite(value), "bytes")
  else handle.put(ROOT, key, value, Number.isSafeInteger(value) ? "int" : "f64")
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
    checkNumbers(handle, headsOf(before.handle))
    const registers = readRegisters(handle)
    checkLoadsAgain(handle, registers)
    return { handle, actor: before.actor, registers }
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
  const handle = before.handle.clone(actor)
  const registers = new Map(before.registers)
  for (const { key, value } of writes) {
    if (value === undefined) registers.delete(key)
    else registers.set(key, value)
    write(handle, key, value)
  }
  handle.commit(message === "" ? null : message, 0)
  const made = handle.getLastLocalChange()
  if (made !== null && equalBytes(made, bytes)) return { handle, actor, registers }
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

function checkComplete(handle: AutomergeHandle): void {
  if (handle.getMissingDeps([]).length > 0) {
    throw new RecordError("RECORD_CHANGE_MISSING", "a change that this one follows is not here")
  }
}

/** Each change's operations begin one above the highest that it follows, as Automerge's do. */
function checkNumbers(handle: AutomergeHandle, since: readonly string[]): void {
  const added = handle.getChangesMeta([...since])
  const highestByHash = new Map(added.map(({ hash, maxOp }) => [hash, maxOp]))
  const highest = (hash: string): number =>
    highestByHash.get(hash) ?? handle.getChangeMetaByHash(hash)?.maxOp ?? 0
  for (const { deps, startOp } of added) {
    if (startOp !== 1 + Math.max(0, ...deps.map(highest))) {
      throw new RecordError("RECORD_CHANGE_REFUSED", "a change that numbers its operations falsely")
    }
  }
}

function checkLoadsAgain(handle: AutomergeHandle, registers: Registers): void {
  const again = refuseErrors(() => loadHandle(handle.save()))
  try {
    const isSame =
      headsOf(again).join() === headsOf(handle).join() &&
      sameRegisters(readRegisters(again), registers)
    if (!isSame) throw new RecordError("RECORD_CHANGE_REFUSED", "a change that does not load again")
  } finally {
    again.free()
  }
}

function sameRegisters(a: Registers, b: Registers): boolean {
  if (a.size !== b.size) return false
  for (const [key, value] of a) {
    const other = b.get(key)
    if (other === undefined || canonicalJson(other) !== canonicalJson(value)) return false
  }
  return true
}

async function load(bytes: Uint8Array): Promise<OpenDocument> {
  if (!isSavedForm(bytes)) {
    throw new RecordError("RECORD_CHANGE_REFUSED", "not a saved document")
  }
  await inspectSavedForm(bytes)
  const handle = refuseErrors(() => loadHandle(bytes))
  try {
    checkComplete(handle)
    checkNumbers(handle, [])
    const registers = readRegisters(handle)
    checkLoadsAgain(handle, registers)
    return { handle, actor: NO_ACTOR, registers }
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
  return { handle, actor: NO_ACTOR, registers: readRegisters(handle) }
}

function loadHandle(bytes: Uint8Array): AutomergeHandle {
  return Automerge.getBackend(Automerge.load<Record<string, unknown>>(bytes, { actor: NO_ACTOR }))
}

function readRegisters(handle: AutomergeHandle): Registers {
  const registers = new Map<string, JsonValue>()
  for (const key of handle.keys(ROOT)) {
    pathOf(key)
    const held = handle.getWithType(ROOT, key)
    if (held !== null) registers.set(key, fromAutomerge(held[0], held[1]))
  }
  return registers
}

function fromAutomerge(type: string, value: unknown): JsonValue {
  if (type === "null") return null
  if (type === "str" && typeof value === "string") return value
  if (type === "boolean" && typeof value === "boolean") return value
  const isNumber = type === "int" || type === "uint" || type === "f64"
  // Automerge gives the largest integers as bigint.
  if (isNumber && typeof value === "bigint") return fromAutomerge(type, safeNumber(value))
  if (isNumber && typeof value === "number" && Number.isFinite(value)) return value
  if (type === "bytes" && value instanceof Uint8Array) {
    const composite = refuseErrors(() => decodeComposite(value))
    if (composite !== undefined) return composite
  }
  throw new RecordError("RECORD_CHANGE_REFUSED", "a document with a value of another kind")
}

function safeNumber(value: bigint): number | undefined {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : undefined
}

function conflicts({ handle, registers }: OpenDocument): readonly Conflict[] {
  const found: Conflict[] = []
  for (const key of [...registers.keys()].sort()) {
    const all = handle.getAll(ROOT, key)
    if (all.length < 2) continue
    // Automerge gives the winner last.
    const values = all.map(([type, value]) => fromAutomerge(type, value)).reverse()
    found.push({ path: pathOf(key), values })
  }
  for (const key of hiddenKeys(registers)) {
    const value = registers.get(key)
    if (value !== undefined) found.push({ path: pathOf(key), values: [value] })
  }
  return found
}

function history(handle: AutomergeHandle, path: readonly string[]): readonly HistoryEntry[] {
  const entries: (HistoryEntry & { readonly order: number })[] = []
  const hashes = new Map(
    handle.getChangesMeta([]).map(({ actor, seq, hash }) => [`${actor} ${seq}`, hash]),
  )
  for (const bytes of handle.getChanges([])) {
    const { actor, seq, startOp, writes } = parseChange(bytes)
    for (const [at, write] of writes.entries()) {
      if (!path.every((part, index) => index >= write.path.length || write.path[index] === part)) {
        continue
      }
      const changeHash = hashes.get(`${actor} ${seq}`) ?? ""
      entries.push({
        actor,
        seq,
        changeHash,
        path: write.path,
        value: write.value,
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

function pathOf(key: string): readonly string[] {
  const path = keyToPath(key)
  if (path === undefined) {
    throw new RecordError("RECORD_CHANGE_REFUSED", "a document with a key that none has")
  }
  return path
}

function limit(what: string): RecordError {
  return new RecordError("RECORD_CHANGE_LIMIT", what)
}
