/**
 * The documents themselves, answering one call at a time, in a worker or in line. Automerge is started
 * at the first call that needs it.
 *
 * @module
 */
import type { JsonValue } from "@fulcrum/codec/json"
import type { AutomergeEngine, AutomergeHandle } from "./automerge-wasm.ts"
import { parseChange } from "./change-format.ts"
import { ChangeWriter, type Sha256 } from "./change-writer.ts"
import { conflicts, isUnder, registersAround, valuesOf } from "./document-cells.ts"
import { editOpen } from "./document-edit.ts"
import type {
  ApplyInput,
  Conflict,
  CountedRegister,
  DocumentId,
  EditInput,
  EditResult,
  Heads,
  HistoryEntry,
} from "./documents.ts"
import {
  applyChanges,
  type ForeignParts,
  followed,
  loadSaved,
  restored,
} from "./foreign-changes.ts"
import { OpenDocument } from "./open-document.ts"
import { RecordError } from "./record-error.ts"
import { assemble, pathToKey } from "./registers.ts"
import type { LongerLine } from "./straight-line.ts"

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
  /** What the owner took since it was restored here: as that. */
  follow: [ApplyInput, Heads]
  heads: [DocumentId, readonly string[]]
  forget: [DocumentId, undefined]
  /** All of them. */
  forgetAll: [undefined, undefined]
}

/** A longer line is Automerge's: it holds it in less room, and is saved by then. */
const LINE_OPS_MAX = 8192

export type HostCall = keyof HostCalls

export type DocumentHost = {
  readonly [K in HostCall]: (input: HostCalls[K][0]) => Promise<HostCalls[K][1]>
}

export interface HostParts {
  readonly sha256: Sha256
  /** Started at its first use. */
  readonly automerge: () => Promise<AutomergeEngine>
}

export function openDocumentHost({ sha256, automerge }: HostParts): DocumentHost {
  const fits = (line: LongerLine) => line.opCount <= LINE_OPS_MAX
  const foreign: ForeignParts = { writer: new ChangeWriter(sha256), automerge, fits }
  const documents = new Map<DocumentId, OpenDocument>()
  const resting = new Resting()
  const open = (document: DocumentId) => documents.get(document) ?? OpenDocument.empty()
  const put = (document: DocumentId, next: OpenDocument): Heads => {
    documents.get(document)?.free(next)
    documents.set(document, next)
    resting.use(document, next)
    return { heads: next.heads }
  }
  const written = async <T>(
    document: DocumentId,
    run: (one: OpenDocument, engine: AutomergeEngine) => T,
  ): Promise<T> => {
    const one = open(document)
    const result = run(one, await automerge())
    put(document, one)
    return result
  }
  const apply = async ({ document, changes }: ApplyInput): Promise<Heads> =>
    put(document, await applyChanges(open(document), changes, foreign))
  return {
    edit: async (input) => {
      const { next, result } = await editOpen(open(input.document), input, foreign)
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
    history: async ({ document, path }) =>
      written(document, (one, engine) => history(one.written(engine).handle, path)),
    save: (document) => written(document, (one, engine) => one.save(engine)),
    load: async ({ document, bytes }) => put(document, await loadSaved(bytes, foreign)),
    restore: async ({ document, pieces }) => put(document, await restored(pieces, foreign)),
    follow: async ({ document, changes }) =>
      put(document, await followed(open(document), changes, foreign)),
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
