/**
 * Reading and editing the record: import, get, set, unset, history, undo. Each edit is one step:
 * the record's entry, the puts to every share that it reaches, and what undoes it.
 *
 * @module
 */
import { bytesToHex, hexToBytes } from "@fulcrum/codec/bytes"
import { canonicalJson, type JsonValue } from "@fulcrum/codec/json"
import type { Clock } from "@fulcrum/crypto/clock"
import { DOCUMENT_NAMES, type DocumentId, documentId, type Edit } from "@fulcrum/record/documents"
import { formatPath, parsePath, type RecordPath } from "@fulcrum/record/path"
import {
  editDocument,
  getPath,
  type RecordChange,
  setPath,
  undoEntry,
  unsetPath,
} from "@fulcrum/record/record"
import { isObject, valueAt } from "@fulcrum/record/registers"
import { writeJsContact, writeVcard } from "@fulcrum/record/vcard-export"
import { CARD_DOCUMENT, cardEdits, readCards } from "@fulcrum/record/vcard-import"
import {
  attachmentEdits,
  attachmentPlace,
  attachmentReferences,
} from "../attachments/attachment-place.ts"
import { EngineError } from "../failures/engine-error.ts"
import type { AttachmentItem } from "../items/record-items.ts"
import type { Ledger } from "../ledger/ledger.ts"
import type { Step } from "../ledger/ledger-step.ts"
import type { EditResult, HistoryRow, ImportedField, ImportResult } from "../person/person.ts"
import { type Relationships, reachesOf } from "../relationships/relationships.ts"
import { EditTurns } from "./edit-turns.ts"
import { type UndoLog, undoableParts } from "./undo-log.ts"

export interface EditingOptions {
  readonly ledger: Ledger
  readonly relationships: Relationships
  readonly undoLog: UndoLog
  readonly clock: Clock
  /** Fires when the record is closed. */
  readonly signal: AbortSignal
}

export class Editing {
  readonly #ledger: Ledger
  readonly #relationships: Relationships
  readonly #undoLog: UndoLog
  readonly #turns: EditTurns

  constructor({ ledger, relationships, undoLog, clock, signal }: EditingOptions) {
    this.#turns = new EditTurns({ shown: ledger.shown, clock, signal })
    this.#ledger = ledger
    this.#relationships = relationships
    this.#undoLog = undoLog
  }

  get(path?: string): Promise<JsonValue | undefined> {
    const { shown } = this.#ledger
    if (shown.early > 0) return getPath(shown, path)
    const still = { read: (document: DocumentId) => shown.readStill(document) }
    return this.#ledger.still(() => getPath(still, path))
  }

  /** Whether what is at a path is shown ahead of its history. */
  isShown(path: string): boolean {
    return this.#ledger.shown.isEarly(parsePath(path).document)
  }

  set(path: string, typed: string): Promise<EditResult> {
    return this.#edit(async ({ documents, actor }) => {
      const change = await setPath(documents, { path, value: { typed }, actor })
      return change === undefined ? [] : [change]
    })
  }

  /**
   * Makes an attachment part of the record.
   *
   * @param path - What is there is to refer to it.
   * @throws {EngineError} `ATTACHMENT_PLACE`. @throws {RecordError} As {@link set}.
   */
  async attach(item: AttachmentItem, path: string | undefined): Promise<void> {
    const at = path === undefined ? undefined : attachmentPlace(path, item.mediaType)
    await this.#edit(async (step) => {
      step.add({ kind: "attachment", value: item })
      if (at === undefined) return []
      const { documents, actor } = step
      const before = valueAt(await documents.read(at.document), at.path)
      const edits = attachmentEdits(at, before, item)
      const change = await editDocument(documents, { document: at.document, edits, actor })
      return change === undefined ? [] : [change]
    })
  }

  /** Takes an attachment away from the record, and all that refers to it, for good: it is not undone. */
  async detach(id: Uint8Array): Promise<void> {
    const work = async (step: Step): Promise<readonly RecordChange[]> => {
      step.add({ kind: "attachmentRemoved", value: { id } })
      const { documents, actor } = step
      const changes: RecordChange[] = []
      const references = await referencesIn((document) => documents.read(document))
      const places = references.get(bytesToHex(id)) ?? []
      for (const [document, at] of Map.groupBy(places, (place) => place.document)) {
        const edits = at.map(({ path }): Edit => ({ op: "unset", path }))
        const change = await editDocument(documents, { document, edits, actor })
        if (change !== undefined) changes.push(change)
      }
      return changes
    }
    await this.#edit(work, { isUndoable: false })
  }

  /** Any edit, in one step. @param work - Makes its changes; what it adds to the step besides belongs to it. */
  edit(work: (step: Step) => Promise<readonly RecordChange[]>): Promise<EditResult> {
    return this.#edit(work)
  }

  /** A device has fetched all of an attachment. */
  async tellHeld(id: Uint8Array, device: Uint8Array): Promise<void> {
    await this.#ledger.transact(async (step) => {
      step.add({ kind: "attachmentHeld", value: { id, device } })
    })
  }

  /** Paths that refer to attachments, by their ids in hex. */
  async attachmentPaths(): Promise<ReadonlyMap<string, readonly string[]>> {
    const { shown } = this.#ledger
    const references = await referencesIn((document) => shown.read(document))
    return new Map([...references].map(([id, places]) => [id, places.map(formatPath)]))
  }

  unset(path: string): Promise<EditResult> {
    return this.#edit(async ({ documents, actor }) => {
      const change = await unsetPath(documents, { path, actor })
      return change === undefined ? [] : [change]
    })
  }

  async importFile(bytes: Uint8Array): Promise<ImportResult> {
    const cards = readCards(bytes)
    const [first] = cards
    if (first === undefined) return { cards: 0, fields: [], warnings: [] }
    let fields: readonly ImportedField[] = []
    await this.#edit(async ({ documents, actor }) => {
      const edits = cardEdits(first.card, await documents.read(CARD_DOCUMENT))
      const change = await editDocument(documents, { document: CARD_DOCUMENT, edits, actor })
      if (change === undefined) return []
      fields = change.wrote.map(({ path, value }, at) => ({
        path: formatPath({ document: CARD_DOCUMENT, path }),
        value,
        before: change.overwrote[at]?.value,
      }))
      return [change]
    })
    return { cards: cards.length, fields, warnings: first.warnings }
  }

  async exportRecord(options: {
    readonly format: "json" | "jscontact" | "vcard"
    readonly all: boolean
  }): Promise<string> {
    if (options.format === "json") {
      const whole = options.all ? await this.#everything() : await this.get("card")
      return `${canonicalJson(whole ?? {})}\n`
    }
    const card = await this.get("card")
    if (options.format === "vcard") return writeVcard(card)
    return `${canonicalJson(writeJsContact(card))}\n`
  }

  /** Every document, those of the relationships among them. */
  async #everything(): Promise<JsonValue> {
    const own = (await this.get()) ?? {}
    const relationships: { [id: string]: JsonValue } = {}
    for (const { id } of this.#relationships.all) {
      const document = documentId(`relationships/${id}`)
      const value = await this.#ledger.shown.read(document)
      if (value !== undefined) relationships[id] = value
    }
    return isObject(own) ? { ...own, relationships } : own
  }

  async history(path?: string): Promise<readonly HistoryRow[]> {
    const at = path === undefined ? undefined : parsePath(path)
    const documents: readonly DocumentId[] =
      at === undefined ? DOCUMENT_NAMES.map(documentId) : [at.document]
    const rows: HistoryRow[] = []
    for (const document of documents) {
      const entries = await this.#ledger.still(() =>
        this.#ledger.documents.history(document, at?.path),
      )
      for (const entry of entries) {
        rows.push({
          path: formatPath({ document, path: entry.path }),
          value: entry.value,
          device: await this.#ledger.deviceOfActor(hexToBytes(entry.actor)),
          sequence: entry.seq,
        })
      }
    }
    return rows
  }

  /** @throws {EngineError} `UNDO_NOTHING`. @throws {RecordError} `UNDO_CHANGED`, with the path. */
  undo(): Promise<EditResult> {
    return this.#turns.run((turn) => this.#ledger.transact((step) => this.#undo(turn, step)))
  }

  async #undo(turn: number, step: Step): Promise<EditResult> {
    const newest = await this.#undoLog.newest()
    if (newest === undefined) throw new EngineError("UNDO_NOTHING", "nothing to undo here")
    if (newest.record.kind === "move") {
      throw new EngineError("UNDO_NOTHING", "the newest change is a move: those are not undone")
    }
    const { documents, actor } = step
    const changes = await undoEntry(documents, { entry: undoableParts(newest.record), actor })
    await this.#undoLog.replace(step, newest.order, changes)
    return this.#finish(turn, step, changes)
  }

  #edit(
    work: (step: Step) => Promise<readonly RecordChange[]>,
    { isUndoable = true }: { readonly isUndoable?: boolean } = {},
  ): Promise<EditResult> {
    const edit = async (turn: number, step: Step): Promise<EditResult> => {
      const changes = await work(step)
      if (changes.length === 0) return { changed: [], reaches: [] }
      if (isUndoable) await this.#undoLog.push(step, "edit", changes)
      return this.#finish(turn, step, changes)
    }
    return this.#turns.run((turn) => this.#ledger.gather((step) => edit(turn, step)))
  }

  /** Of what edits documents: in its turn, once they are here. */
  whenHere<T>(work: () => Promise<T>): Promise<T> {
    return this.#turns.run(work)
  }

  async #finish(turn: number, step: Step, changes: readonly RecordChange[]): Promise<EditResult> {
    this.#turns.requireNext(
      turn,
      changes.map(({ document }) => document),
    )
    const changed = changes.flatMap(({ document, wrote }) =>
      wrote.map(({ path }) => formatPath({ document, path })),
    )
    for (const change of changes) step.keep(change)
    const projected = await this.#relationships.project(step, changed)
    return { changed, reaches: await reachesOf(this.#relationships, projected) }
  }
}

async function referencesIn(
  read: (document: DocumentId) => Promise<JsonValue | undefined>,
): Promise<ReadonlyMap<string, readonly RecordPath[]>> {
  const documents: (readonly [DocumentId, JsonValue | undefined])[] = []
  for (const name of DOCUMENT_NAMES) {
    const document = documentId(name)
    documents.push([document, await read(document)])
  }
  return attachmentReferences(documents)
}
