/**
 * What documents show ahead of their history: a new device has it from another device's snapshots
 * while their log is still coming, so that it can be read at once.
 *
 * | table          | group       | order | value                            |
 * | -------------- | ----------- | ----- | -------------------------------- |
 * | `engine.early` | document id | 0     | `[writer, vector, heads, shown]` |
 *
 * A document is shown so only while nothing of it is here but what the log brings, until the log has
 * all that the vector names; then it is compared, if the log has no more, and dropped. It is never
 * edited, projected or saved: what stands in the documents themselves is the log's.
 *
 * @module
 */
import { bytesToHex, bytesToUtf8, utf8ToBytes } from "@fulcrum/codec/bytes"
import { CodecError } from "@fulcrum/codec/codec-error"
import { equalJson, type JsonLimits, type JsonValue, parseJson } from "@fulcrum/codec/json"
import {
  array,
  bytes,
  bytesMax,
  decodeAs,
  encodeAs,
  type Schema,
  struct,
} from "@fulcrum/codec/schema"
import type { IncarnationTree } from "@fulcrum/log/incarnation-tree"
import { SNAPSHOT_BYTES_MAX, type Snapshot } from "@fulcrum/log/snapshot"
import { type VersionVector, vectorSchema } from "@fulcrum/log/vector"
import { type DocumentId, type Documents, documentId } from "@fulcrum/record/documents"
import { RecordError } from "@fulcrum/record/record-error"
import type { Table, Vault, VaultOp } from "@fulcrum/store/vault"

/** Documents that people read; the others are the program's own to keep. */
const READ_DOCUMENTS: ReadonlySet<string> = new Set([
  "card",
  "identities",
  "payments",
  "things",
  "preferences",
  "intents",
  "terms",
])

/** Whether a document may be shown ahead of its history. */
export function isShownEarly(document: DocumentId): boolean {
  return READ_DOCUMENTS.has(document)
}

/** Most documents, and bytes of them, that are shown ahead of their history. */
export const EARLY_DOCUMENTS_MAX = 64
export const EARLY_BYTES_MAX: number = 64 * 1024 * 1024

/** Bytes of what one document shows: of a larger one the history is awaited. */
export const SHOWN_BYTES_MAX: number = 2 * 1024 * 1024

const SHOWN_LIMITS: JsonLimits = {
  bytesMax: SNAPSHOT_BYTES_MAX,
  depthMax: 64,
  itemsMax: 1_000_000,
}

interface EarlyDocument {
  /** Of the device that showed it. */
  readonly writer: Uint8Array
  readonly vector: VersionVector
  readonly heads: readonly Uint8Array[]
  readonly shown: Uint8Array
}

const earlySchema: Schema<EarlyDocument> = struct({
  writer: bytes(32),
  vector: vectorSchema,
  heads: array(bytes(32), 1024),
  shown: bytesMax(SNAPSHOT_BYTES_MAX),
})

/** What is in memory of one. */
interface Waiting {
  readonly writer: Uint8Array
  readonly vector: VersionVector
  readonly heads: readonly string[]
  readonly size: number
}

export class EarlyDocuments {
  readonly #table: Table
  readonly #waiting = new Map<DocumentId, Waiting>()
  #bytes = 0
  #wrong = 0

  constructor(vault: Vault) {
    this.#table = vault.table("engine.early")
  }

  get size(): number {
    return this.#waiting.size
  }

  /** Documents that showed something else than their history gave, since the program began. */
  get wrong(): number {
    return this.#wrong
  }

  has(document: DocumentId): boolean {
    return this.#waiting.has(document)
  }

  async load(): Promise<void> {
    const found: [DocumentId, EarlyDocument][] = []
    for await (const { group, value } of this.#table.groups()) {
      found.push([documentId(bytesToUtf8(group)), read(value)])
    }
    // At once: whoever reads meanwhile is shown what was shown before.
    this.#waiting.clear()
    this.#bytes = 0
    for (const [document, early] of found) this.#note(document, early)
  }

  /** What it shows; `undefined`: nothing ahead of its history. */
  async read(document: DocumentId): Promise<JsonValue | undefined> {
    if (!this.has(document)) return undefined
    const value = await this.#table.get(utf8ToBytes(document))
    return value && parseShown(read(value).shown)
  }

  /**
   * What keeps a snapshot's documents, those of them that are welcome.
   *
   * @returns `documents`: to be given to `kept` once the rest is written.
   */
  async take(
    writer: Uint8Array,
    { vector, documents }: Snapshot,
    tree: IncarnationTree,
    isEmpty: (document: DocumentId) => Promise<boolean>,
  ): Promise<{ readonly ops: readonly VaultOp[]; readonly kept: () => readonly DocumentId[] }> {
    const ops: VaultOp[] = []
    const taken = new Map<DocumentId, EarlyDocument>()
    let bytes = this.#bytes
    for (const { document: name, heads, shown } of hasCome(tree, vector) ? [] : documents) {
      const document = knownDocument(name)
      if (document === undefined || this.has(document) || taken.has(document)) continue
      const isTooMuch =
        shown.length > SHOWN_BYTES_MAX ||
        bytes + shown.length > EARLY_BYTES_MAX ||
        this.size + taken.size >= EARLY_DOCUMENTS_MAX
      if (isTooMuch || !isShownEarly(document)) continue
      if (parseShown(shown) === undefined || !(await isEmpty(document))) continue
      const early = { writer, vector, heads, shown }
      taken.set(document, early)
      bytes += shown.length
      ops.push(this.#table.put(utf8ToBytes(document), 0, encodeAs(earlySchema, early)))
    }
    const kept = () => {
      for (const [document, early] of taken) this.#note(document, early)
      return [...taken.keys()]
    }
    return { ops, kept }
  }

  /**
   * Those of which the log has all that they stand for, and how many of them showed something else
   * than it gives, as far as that can be told.
   */
  async come(
    tree: IncarnationTree,
    documents: Documents,
  ): Promise<{ readonly come: readonly DocumentId[]; readonly wrong: number }> {
    const come: DocumentId[] = []
    let wrong = 0
    for (const [document, { vector, heads }] of this.#waiting) {
      if (!hasCome(tree, vector)) continue
      come.push(document)
      if (!(await this.#isRight(document, heads, documents))) wrong++
    }
    return { come, wrong }
  }

  /** Whether it showed what its log gives; where that goes on, or cannot be read, nobody can tell. */
  async #isRight(
    document: DocumentId,
    heads: readonly string[],
    documents: Documents,
  ): Promise<boolean> {
    try {
      const now = await documents.heads(document)
      if (now.length !== heads.length || now.some((head, at) => head !== heads[at])) return true
      return equalJson(await this.read(document), await documents.read(document))
    } catch (error) {
      if (error instanceof RecordError) return true
      throw error
    }
  }

  /** Those that a device showed which is no member any more. */
  strange(isMember: (writer: Uint8Array) => boolean): readonly DocumentId[] {
    return [...this.#waiting].flatMap(([document, { writer }]) =>
      isMember(writer) ? [] : [document],
    )
  }

  /** What drops these; to be followed by `drop` once it is written. */
  opsToDrop(which: Iterable<DocumentId>): readonly VaultOp[] {
    return [...which].map((document) => this.#table.del(utf8ToBytes(document), 0))
  }

  /** @param wrong - How many of these showed something else than their log gave. */
  drop(which: Iterable<DocumentId>, wrong: number): void {
    this.#wrong += wrong
    for (const document of which) {
      this.#bytes -= this.#waiting.get(document)?.size ?? 0
      this.#waiting.delete(document)
    }
  }

  #note(document: DocumentId, { writer, vector, heads, shown }: EarlyDocument): void {
    this.#bytes += shown.length
    const sorted = heads.map(bytesToHex).toSorted()
    this.#waiting.set(document, { writer, vector, heads: sorted, size: shown.length })
  }
}

function hasCome(tree: IncarnationTree, vector: VersionVector): boolean {
  return vector.every(({ incarnation, sequence }) => {
    const node = tree.get(incarnation)
    return node !== undefined && node.sequence >= sequence
  })
}

function read(value: Uint8Array): EarlyDocument {
  return decodeAs(earlySchema, value, { bytesMax: SNAPSHOT_BYTES_MAX + 128 * 1024 })
}

/** `undefined`: nothing that a document shows. */
function parseShown(shown: Uint8Array): JsonValue | undefined {
  try {
    const value = parseJson(shown, SHOWN_LIMITS)
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value : undefined
  } catch (error) {
    if (error instanceof CodecError) return undefined
    throw error
  }
}

function knownDocument(name: Uint8Array): DocumentId | undefined {
  try {
    return documentId(bytesToUtf8(name))
  } catch (error) {
    if (error instanceof CodecError || error instanceof RecordError) return undefined
    throw error
  }
}
