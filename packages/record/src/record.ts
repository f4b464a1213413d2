/**
 * The record's everyday acts: get, set, unset, undo and import of a card.
 *
 * Each gives back what the engine makes an entry of: the change, and what `undo` will need. None
 * keeps anything itself.
 *
 * @module
 */
import type { JsonValue } from "@fulcrum/codec/json"
import {
  DOCUMENT_NAMES,
  type DocumentId,
  type Documents,
  documentId,
  type Edit,
  type EditResult,
} from "./documents.ts"
import { KNOWN_PATHS, type KnownPaths } from "./known-paths.ts"
import { checkValue, editsForSet, parsePath } from "./path.ts"
import { RecordError } from "./record-error.ts"
import { valueAt } from "./registers.ts"
import { planUndo, type Undoable } from "./undo.ts"
import { CARD_DOCUMENT, cardEdits, readCards } from "./vcard-import.ts"

/** What one entry does to one document. */
export interface RecordChange extends EditResult {
  readonly document: DocumentId
}

/** @returns What is there; for no path, every document that is not empty. */
export async function getPath(
  documents: Pick<Documents, "read">,
  typed: string | undefined,
  known: KnownPaths = KNOWN_PATHS,
): Promise<JsonValue | undefined> {
  if (typed !== undefined) {
    const { document, path } = parsePath(typed, known)
    return valueAt(await documents.read(document), path)
  }
  const all: { [name: string]: JsonValue } = {}
  for (const name of DOCUMENT_NAMES) {
    const value = await documents.read(documentId(name))
    if (value !== undefined) all[name] = value
  }
  return all
}

export interface SetInput {
  readonly path: string
  /** As typed, or JSON from a program. */
  readonly value: { readonly typed: string } | { readonly json: JsonValue }
  readonly actor: Uint8Array
  readonly known?: KnownPaths
}

/**
 * @returns `undefined` if it was so already.
 * @throws {RecordError} `PATH_UNKNOWN`, `PATH_MALFORMED`, `VALUE_INVALID`, and as `edit`.
 */
export async function setPath(
  documents: Documents,
  input: SetInput,
): Promise<RecordChange | undefined> {
  const known = input.known ?? KNOWN_PATHS
  const at = parsePath(input.path, known)
  return editDocument(documents, { document: at.document, edits: edits(), actor: input.actor })

  function edits(): readonly Edit[] {
    if ("typed" in input.value) return editsForSet(at, input.value.typed, known)
    checkValue(at, input.value.json, known)
    return [{ op: "set", path: at.path, value: input.value.json }]
  }
}

/** @returns `undefined` if nothing was there. */
export async function unsetPath(
  documents: Documents,
  input: { readonly path: string; readonly actor: Uint8Array; readonly known?: KnownPaths },
): Promise<RecordChange | undefined> {
  const { document, path } = parsePath(input.path, input.known)
  return editDocument(documents, { document, edits: [{ op: "unset", path }], actor: input.actor })
}

/**
 * Undoes one entry in every document that it touched.
 *
 * All of it is planned before any of it is written.
 *
 * @throws {RecordError} `UNDO_CHANGED`, with the path.
 */
export async function undoEntry(
  documents: Documents,
  input: { readonly entry: readonly Undoable[]; readonly actor: Uint8Array },
): Promise<readonly RecordChange[]> {
  const plans: { readonly document: DocumentId; readonly edits: readonly Edit[] }[] = []
  for (const part of input.entry) {
    const edits = planUndo(part, await documents.read(part.document))
    plans.push({ document: part.document, edits })
  }
  const changes: RecordChange[] = []
  for (const plan of plans) {
    const change = await editDocument(documents, { ...plan, actor: input.actor })
    if (change !== undefined) changes.push(change)
  }
  return changes
}

export interface CardImport {
  /** `undefined` if the record has it all already. */
  readonly change: RecordChange | undefined
  /** The full name on each card of the file, to choose by. */
  readonly names: readonly string[]
  /** What was left out of the chosen card, and why. */
  readonly warnings: readonly string[]
}

/**
 * Brings one card of a file into the record.
 *
 * @param input.index - Which of the file's cards; the first by default.
 * @throws {RecordError} `VCARD_INVALID`, also if the file has no such card; `VCARD_TOO_LARGE`.
 */
export async function importCard(
  documents: Documents,
  input: { readonly bytes: Uint8Array; readonly index?: number; readonly actor: Uint8Array },
): Promise<CardImport> {
  const cards = readCards(input.bytes)
  const chosen = cards[input.index ?? 0]
  if (chosen === undefined) {
    throw new RecordError(
      "VCARD_INVALID",
      `the file has ${cards.length} cards, and only one is a person's own`,
    )
  }
  const edits = cardEdits(chosen.card, await documents.read(CARD_DOCUMENT))
  const change = await editDocument(documents, {
    document: CARD_DOCUMENT,
    edits,
    actor: input.actor,
  })
  return { change, names: cards.map(({ name }) => name), warnings: chosen.warnings }
}

/** One edit of one document, named. */
export async function editDocument(
  documents: Documents,
  input: {
    readonly document: DocumentId
    readonly edits: readonly Edit[]
    readonly actor: Uint8Array
  },
): Promise<RecordChange | undefined> {
  const result = await documents.edit(input)
  return result === undefined ? undefined : { document: input.document, ...result }
}
