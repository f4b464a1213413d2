/**
 * The documents themselves, answering one call at a time, in a worker or in line. Automerge is started
 * at the first call that needs it.
 *
 * @module
 */
import { bytesToHex, utf8Length } from "@fulcrum/codec/bytes"
import { equalJson, type JsonValue } from "@fulcrum/codec/json"
import { type AutomergeEngine, type AutomergeHandle, startAutomerge } from "./automerge-wasm.ts"
import { encodeCell } from "./cell.ts"
import { ACTOR_BYTES, parseChange } from "./change-format.ts"
import { ChangeWriter, type Sha256 } from "./change-writer.ts"
import {
  type Cells,
  conflicts,
  isUnder,
  nextCounter,
  pathOf,
  registersAround,
  valuesOf,
  writeCell,
} from "./document-cells.ts"
import {
  type ApplyInput,
  CHANGE_BYTES_MAX,
  CHANGE_OPS_MAX,
  type Conflict,
  type CountedRegister,
  type DocumentId,
  EDITS_MAX,
  type Edit,
  type EditInput,
  type EditResult,
  type Heads,
  type HistoryEntry,
  MESSAGE_CHARS_MAX,
} from "./documents.ts"
import { applyChanges, type ForeignParts, loadSaved, restored } from "./foreign-changes.ts"
import { OpenDocument } from "./open-document.ts"
import { RecordError } from "./record-error.ts"
import { assemble, pathToKey, planEdits } from "./registers.ts"
import { LINE_OPS_MAX, type LineEdit } from "./straight-line.ts"

/** What can be asked of the host: name to argument and answer. */
export interface HostCalls {
  edit: [EditInput, EditResult | undefined]
  apply: [ApplyInput, Heads]
  applyMany: [readonly ApplyInput[], undefined]
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

/** Of a change at most, besides its operations: its head, and dependencies that are heads. */
const CHANGE_FRAME_BYTES = 16_384
/** Of an operation besides its texts. */
const OPERATION_BYTES = 48
/** With the actor that it names. */
const PREDECESSOR_BYTES = 32

export interface HostParts {
  /** Automerge's WebAssembly, as it is published. */
  readonly module: () => Uint8Array
  /** Of its memory. */
  readonly memoryBytesMax: number
  readonly sha256: Sha256
  /** Automerge was loaded and started. */
  readonly started?: () => void
}

export function openDocumentHost(parts: HostParts): DocumentHost {
  const { module, memoryBytesMax, sha256, started } = parts
  const writer = new ChangeWriter(sha256)
  const automerge = async (): Promise<AutomergeEngine> => {
    const engine = await startAutomerge(module, memoryBytesMax)
    started?.()
    return engine
  }
  const foreign: ForeignParts = { writer, automerge }
  const documents = new Map<DocumentId, OpenDocument>()
  const resting = new Resting()
  const open = (document: DocumentId) => documents.get(document) ?? OpenDocument.empty()
  const put = (document: DocumentId, next: OpenDocument): Heads => {
    documents.get(document)?.free(next)
    documents.set(document, next)
    resting.use(document, next)
    return { heads: next.heads }
  }
  const handleOf = async (document: DocumentId): Promise<AutomergeHandle> => {
    const one = open(document)
    const { handle } = one.written(await automerge())
    put(document, one)
    return handle
  }
  const apply = async ({ document, changes }: ApplyInput): Promise<Heads> =>
    put(document, await applyChanges(open(document), changes, foreign))
  return {
    edit: async (input) => {
      const { next, result } = await edit(open(input.document), input, foreign)
      put(input.document, next)
      return result
    },
    apply,
    applyMany: async (inputs) => {
      for (const input of inputs) await apply(input)
      return undefined
    },
    read: async (document) => assemble(valuesOf(open(document).cells)),
    conflicts: async (document) => conflicts(open(document).cells),
    registers: async ({ document, path }) => registersAround(open(document).cells, path),
    history: async ({ document, path }) => history(await handleOf(document), path),
    save: async (document) => (await handleOf(document)).save(),
    load: async ({ document, bytes }) => put(document, await loadSaved(bytes, foreign)),
    restore: async ({ document, pieces }) => put(document, await restored(pieces, foreign)),
    heads: async (document) => open(document).heads,
    forget: async (document) => {
      documents.get(document)?.free()
      documents.delete(document)
      resting.forget(document)
      return undefined
    },
    forgetAll: async () => {
      for (const document of documents.values()) document.free()
      documents.clear()
      resting.forgetAll()
      return undefined
    },
  }
}

/** Automerge's form of so many documents is kept that could do without: some 40 kB each. */
const WRITTEN_MAX = 256

/** Lets documents rest whose form by Automerge was longest unused. */
class Resting {
  readonly #written = new Map<DocumentId, OpenDocument>()

  use(document: DocumentId, open: OpenDocument): void {
    this.#written.delete(document)
    if (!open.canRest) return
    this.#written.set(document, open)
    if (this.#written.size <= WRITTEN_MAX) return
    const [longest] = this.#written
    if (longest === undefined) return
    longest[1].rest()
    this.#written.delete(longest[0])
  }

  forget(document: DocumentId): void {
    this.#written.delete(document)
  }

  forgetAll(): void {
    this.#written.clear()
  }
}

/** Whether the instance may be broken after this: a trap, or no memory. */
export function isFatal(error: unknown): boolean {
  return !(error instanceof RecordError)
}

async function edit(
  before: OpenDocument,
  { document, edits, actor: actorBytes, message = "" }: EditInput,
  { automerge, writer }: ForeignParts,
): Promise<{ readonly next: OpenDocument; readonly result: EditResult | undefined }> {
  if (actorBytes.length !== ACTOR_BYTES) throw new RangeError("an actor is 16 bytes")
  if (edits.length > EDITS_MAX || message.length > MESSAGE_CHARS_MAX) {
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
  const one = { actor: bytesToHex(actorBytes), message, writes }
  const { next, change } =
    onLine(before, one, writer) ?? withAutomerge(before, one, await automerge())
  return {
    next,
    result: {
      change,
      heads: next.heads,
      overwrote: writes.map(([key]) => ({ path: pathOf(key), value: values.get(key) })),
      wrote: writes.map(([key, value]) => ({ path: pathOf(key), value })),
    },
  }
}

interface Edited {
  readonly next: OpenDocument
  readonly change: Uint8Array
}

function onLine(before: OpenDocument, edit: LineEdit, writer: ChangeWriter): Edited | undefined {
  const edited = before.line?.edited(edit, writer)
  if (edited === undefined || edited.line.opCount > LINE_OPS_MAX) return undefined
  return { next: before.extended([edited.change], edited.line), change: edited.change }
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
  return { next: OpenDocument.of({ handle, actor }, cells), change }
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
