/**
 * Vetting: which of the entries that arrived count, and which are quarantined.
 *
 * All changes of a batch go to the documents' worker together, document by document, since each call
 * costs in proportion to the document's history. Only if the worker refuses one are the entries
 * taken singly; then the refused entry alone is quarantined, and everything else goes on.
 *
 * Source: DESIGN, "Layers" (an entry that makes the worker fail); SECURITY R25.
 *
 * @module
 */
import { equalBytes } from "@fulcrum/codec/bytes"
import { CodecError } from "@fulcrum/codec/codec-error"
import type { Clock } from "@fulcrum/crypto/clock"
import type { AdmittedEntry } from "@fulcrum/log/replica"
import { pacing } from "@fulcrum/log/slices"
import { actorOfChange } from "@fulcrum/record/change-format"
import {
  APPLY_BYTES_MAX,
  APPLY_CHANGES_MAX,
  type ApplyInput,
  type DocumentId,
  type Documents,
  documentId,
} from "@fulcrum/record/documents"
import { RecordError } from "@fulcrum/record/record-error"
import { type RecordItem, recordItems } from "../items/record-items.ts"

export interface ReadEntry {
  readonly entry: AdmittedEntry
  readonly items: readonly RecordItem[]
}

/** Why an entry is kept and not applied: its change names an actor that is not its device's. */
export const FOREIGN_ACTOR = "CHANGE_ACTOR_FOREIGN"

export interface VettingParts {
  readonly documents: Documents
  /** `undefined`: the entry counts; else why not. */
  readonly admits: (entry: AdmittedEntry) => string | undefined
  /** Key of the device that announced an Automerge actor, given in hex. */
  readonly writerOf: (actor: string) => Promise<Uint8Array | undefined>
  /** Absent: others have no turn meanwhile. */
  readonly clock?: Clock | undefined
}

export interface Vetted {
  readonly accepted: readonly ReadEntry[]
  /** With the code of what is wrong. */
  readonly refused: readonly { readonly entry: AdmittedEntry; readonly code: string }[]
  /** Documents that now hold the accepted entries' changes in the worker. */
  readonly documents: ReadonlySet<DocumentId>
}

/**
 * Applies the payload entries' changes in the worker.
 *
 * @param entries - Admitted, in the order of arrival; others than payloads are passed over.
 * @throws Nothing that an entry could cause.
 */
export async function vetEntries(
  entries: readonly AdmittedEntry[],
  parts: VettingParts,
): Promise<Vetted> {
  const readable: ReadEntry[] = []
  const refused: { entry: AdmittedEntry; code: string }[] = []
  const rest = pacing(parts.clock)
  for (const entry of entries) {
    if (entry.kind !== "payload") continue
    await rest()
    const read = await readEntry(entry, parts)
    if ("code" in read) refused.push({ entry, code: read.code })
    else readable.push(read)
  }
  const documents = new Set(changesByDocument(readable).keys())
  if (await applyAll(parts.documents, readable)) return { accepted: readable, refused, documents }
  const accepted: ReadEntry[] = []
  await forgetAll(parts.documents, documents)
  for (const read of readable) {
    const code = await applyOne(parts.documents, read, accepted)
    if (code === undefined) accepted.push(read)
    else refused.push({ entry: read.entry, code })
  }
  return { accepted, refused, documents }
}

/** A document's changes, in order. @throws {RecordError} `DOCUMENT_UNKNOWN`. */
export function changesByDocument(
  entries: readonly ReadEntry[],
): ReadonlyMap<DocumentId, readonly Uint8Array[]> {
  const byDocument = new Map<DocumentId, Uint8Array[]>()
  for (const item of entries.flatMap(({ items }) => items)) {
    if (item.kind !== "change") continue
    const document = documentId(item.value.document)
    const changes = byDocument.get(document)
    if (changes === undefined) byDocument.set(document, [item.value.change])
    else changes.push(item.value.change)
  }
  return byDocument
}

async function readEntry(
  entry: AdmittedEntry,
  { admits, writerOf }: VettingParts,
): Promise<ReadEntry | { readonly code: string }> {
  const code = admits(entry)
  if (code !== undefined) return { code }
  try {
    const items = recordItems.decode(entry.body)
    for (const change of [...changesByDocument([{ entry, items }]).values()].flat()) {
      // Whoever wrote under another device's actor would take the numbers of its next changes.
      const writer = await writerOf(actorOfChange(change))
      if (writer === undefined || !equalBytes(writer, entry.writer)) return { code: FOREIGN_ACTOR }
    }
    return { entry, items }
  } catch (error) {
    return { code: codeOf(error) }
  }
}

async function applyAll(documents: Documents, entries: readonly ReadEntry[]): Promise<boolean> {
  try {
    const short: ApplyInput[] = []
    for (const [document, changes] of changesByDocument(entries)) {
      if (isOneCall(changes)) short.push({ document, changes })
      else await applyInTurns(documents, document, changes)
    }
    await documents.applyMany(short)
    return true
  } catch (error) {
    codeOf(error)
    return false
  }
}

/** @returns Why it is refused; then the worker holds just what was accepted before it. */
async function applyOne(
  documents: Documents,
  read: ReadEntry,
  accepted: readonly ReadEntry[],
): Promise<string | undefined> {
  const own = changesByDocument([read])
  try {
    for (const [document, changes] of own) await applyInTurns(documents, document, changes)
    return undefined
  } catch (error) {
    const code = codeOf(error)
    await forgetAll(documents, own.keys())
    // What this batch has accepted is not on the disk yet, so it is not reloaded by itself.
    for (const [document, changes] of changesByDocument(accepted)) {
      if (own.has(document)) await applyInTurns(documents, document, changes)
    }
    return code
  }
}

function isOneCall(changes: readonly Uint8Array[]): boolean {
  const bytes = changes.reduce((sum, { length }) => sum + length, 0)
  return changes.length <= APPLY_CHANGES_MAX && bytes <= APPLY_BYTES_MAX
}

/** In as few calls as one call's bounds allow. */
async function applyInTurns(
  documents: Documents,
  document: DocumentId,
  changes: readonly Uint8Array[],
): Promise<void> {
  let turn: Uint8Array[] = []
  let bytes = 0
  for (const change of changes) {
    const isFull = bytes + change.length > APPLY_BYTES_MAX || turn.length >= APPLY_CHANGES_MAX
    if (isFull && turn.length > 0) {
      await documents.apply({ document, changes: turn })
      turn = []
      bytes = 0
    }
    turn.push(change)
    bytes += change.length
  }
  if (turn.length > 0) await documents.apply({ document, changes: turn })
}

async function forgetAll(documents: Documents, which: Iterable<DocumentId>): Promise<void> {
  for (const document of which) await documents.forget(document)
}

/** @throws What no entry can cause: a fault of ours, or of the moment. */
function codeOf(error: unknown): string {
  if (error instanceof CodecError) return error.code
  if (error instanceof RecordError && !OF_THE_MOMENT.has(error.code)) return error.code
  throw error
}

/** Says nothing about the entry: it is vetted again later. */
const OF_THE_MOMENT: ReadonlySet<string> = new Set(["RECORD_BUSY", "RECORD_CLOSED"])
