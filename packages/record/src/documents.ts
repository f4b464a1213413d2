/**
 * The documents contract: the only way to a record's documents.
 *
 * Automerge runs behind it and nowhere else: `worker-threads.ts` keeps it in a thread that can
 * be killed, `in-line.ts` in the caller's (for simulation). Importing this file loads neither.
 *
 * Documents are a cache of the logs. Whoever opens them passes `reload`, which gives what the
 * owner has durably: a saved form and the changes after it, or nothing. It is asked at a
 * document's first use, and again when a worker had to be started anew, or when the document made
 * room for others meanwhile. The change format and
 * what a document may hold are in `registers.ts` and `change-format.ts`.
 *
 * @module
 */
import type { Brand } from "@fulcrum/codec/brand"
import type { JsonValue } from "@fulcrum/codec/json"
import type { Cell } from "./cell.ts"
import { RecordError } from "./record-error.ts"

/** `card`, `identities`, …, or `relationships/<id>`: see `DOCUMENT_NAMES`. */
export type DocumentId = Brand<string, "DocumentId">

/** The documents of which each record has one. */
export const DOCUMENT_NAMES = [
  "card",
  "identities",
  "payments",
  "things",
  "preferences",
  "intents",
  "terms",
  "devices",
  "moves",
] as const

/** The families of documents: one for each id after the stroke. */
export const DOCUMENT_FAMILIES = ["relationships"] as const

export type Edit =
  | { readonly op: "set"; readonly path: readonly string[]; readonly value: JsonValue }
  | { readonly op: "unset"; readonly path: readonly string[] }

/** One register: `undefined` where there is none. */
export interface Register {
  readonly path: readonly string[]
  readonly value: JsonValue | undefined
}

/** One register that was ever set, with what its place among concurrent ones goes by. */
export interface CountedRegister extends Register {
  /** From 1; see `cell.ts`. */
  readonly counter: number
  /** What stands beside it and is not shown, greatest first. */
  readonly others: readonly Cell[]
}

export interface EditInput {
  readonly document: DocumentId
  /** Applied in order, as one change. */
  readonly edits: readonly Edit[]
  /** 16 bytes, of the writer's incarnation: never used by two starts. */
  readonly actor: Uint8Array
  readonly message?: string
}

export interface EditResult {
  /** One uncompressed Automerge change, as `change-format.ts` describes. */
  readonly change: Uint8Array
  /** Sorted hex hashes. */
  readonly heads: readonly string[]
  /** What stood in each register that this change writes: what undo puts back. */
  readonly overwrote: readonly Register[]
  /** What it wrote there, in the same order. */
  readonly wrote: readonly Register[]
}

export interface ApplyInput {
  readonly document: DocumentId
  /** In causal order. */
  readonly changes: readonly Uint8Array[]
}

export interface Heads {
  readonly heads: readonly string[]
}

export interface Conflict {
  readonly path: readonly string[]
  /**
   * The one that reads give first, the others in an order that every replica shares; each once.
   * `undefined`: unset.
   */
  readonly values: readonly (JsonValue | undefined)[]
}

/** One register written once. */
export interface HistoryEntry {
  /** Hex. */
  readonly actor: string
  readonly seq: number
  readonly changeHash: string
  readonly path: readonly string[]
  /** `undefined`: unset. */
  readonly value: JsonValue | undefined
}

export interface Documents extends AsyncDisposable {
  /**
   * Writes here. Tried once more if the worker dies.
   *
   * The change stays part of the document, also across a restart of the worker; an owner who
   * could not keep it calls `forget`.
   *
   * @returns `undefined` if nothing changes.
   * @throws {RecordError} `RECORD_EDIT_REFUSED`, `RECORD_WORKER`, `RECORD_BUSY`.
   */
  edit(input: EditInput): Promise<EditResult | undefined>
  /**
   * Takes foreign changes: all of them, or none and the document is as it was.
   *
   * Not tried again: a change that kills the worker is the owner's to quarantine.
   *
   * @throws {RecordError} `RECORD_CHANGE_REFUSED`, `RECORD_CHANGE_LIMIT`,
   * `RECORD_CHANGE_MISSING`, `RECORD_WORKER`, `RECORD_BUSY`.
   */
  apply(input: ApplyInput): Promise<Heads>
  /**
   * The same of many documents, in as few steps as can be. If it fails, any of them may have taken its
   * changes: the caller forgets them all.
   *
   * @throws {RecordError} As `apply`.
   */
  applyMany(inputs: readonly ApplyInput[]): Promise<void>
  /** Nested JSON with the winner of each conflict; `undefined` if the document is empty. */
  read(document: DocumentId): Promise<JsonValue | undefined>
  conflicts(document: DocumentId): Promise<readonly Conflict[]>
  /** Registers at, under and above `path`, in order of path. */
  registers(document: DocumentId, path: readonly string[]): Promise<readonly CountedRegister[]>
  /** Who wrote what at, under or above `path`, in causal order, the same on every replica. */
  history(document: DocumentId, path?: readonly string[]): Promise<readonly HistoryEntry[]>
  /** The document's saved form, for the owner's cache. */
  save(document: DocumentId): Promise<Uint8Array>
  /**
   * Begins a document from a saved form, instead of what was there.
   *
   * @throws {RecordError} As `apply`.
   */
  load(document: DocumentId, bytes: Uint8Array): Promise<Heads>
  heads(document: DocumentId): Promise<readonly string[]>
  /** Drops what is in memory: the next use asks `reload`. */
  forget(document: DocumentId): Promise<void>
  /** The same of every document, whoever has used it. */
  forgetAll(): Promise<void>
  /**
   * What was answered of these is durable: `reload` gives it from now on, and no change of them is
   * under way.
   */
  kept(documents: Iterable<DocumentId>): void
}

/**
 * What the owner has durably of a document: saved forms and changes, in any order that is
 * causal. Repetition is harmless.
 */
export type Reload = (document: DocumentId) => Promise<readonly Uint8Array[]>

/** A foreign change on the wire: an edit of a large photograph is some hundred kB. */
export const CHANGE_BYTES_MAX: number = 1 << 20
/** Registers in one change: a first import writes some hundreds. */
export const CHANGE_OPS_MAX = 16_384
/** Predecessors in one change: each register may replace several concurrent ones. */
export const CHANGE_PREDS_MAX = 65_536
/** Changes in one call of `apply`. */
export const APPLY_CHANGES_MAX = 100_000
/** Bytes in one call of `apply`. */
export const APPLY_BYTES_MAX: number = 32 << 20
/** Operations in one document: at 100,000 a load takes half a second. */
export const DOCUMENT_OPS_MAX = 1_000_000
/** A saved form, as it is and inflated. */
export const SAVED_BYTES_MAX: number = 64 << 20
/** Characters in a message kept with a change. */
export const MESSAGE_CHARS_MAX = 200
/** Edits in one call. */
export const EDITS_MAX = 16_384

const documentIdPattern = /^(?:[a-z]{1,32}|[a-z]{1,32}\/[A-Za-z0-9._~-]{1,128})$/

/** @throws {RecordError} `DOCUMENT_UNKNOWN`. */
export function documentId(text: string): DocumentId {
  if (!isDocumentId(text)) {
    throw new RecordError("DOCUMENT_UNKNOWN", "no document of that name")
  }
  return text
}

function isDocumentId(text: string): text is DocumentId {
  if (!documentIdPattern.test(text)) return false
  const [family, id] = text.split("/")
  const names: readonly string[] = id === undefined ? DOCUMENT_NAMES : DOCUMENT_FAMILIES
  return family !== undefined && names.includes(family)
}
