/**
 * What the record's documents show: what is here, or, while a document's history is still coming,
 * what another own device showed of it (`early-documents.ts`).
 *
 * @module
 */
import type { JsonValue } from "@fulcrum/codec/json"
import type { PublicKey } from "@fulcrum/crypto/ed25519"
import { LogError } from "@fulcrum/log/log-error"
import type { Replica } from "@fulcrum/log/replica"
import type { VersionVector } from "@fulcrum/log/vector"
import type { DocumentId, Documents } from "@fulcrum/record/documents"
import type { Vault } from "@fulcrum/store/vault"
import type { Membership } from "../membership/membership.ts"
import type { DocumentCache } from "./document-cache.ts"
import { documentSnapshots } from "./document-snapshots.ts"
import { EarlyDocuments } from "./early-documents.ts"

export interface ShownDocumentsOptions {
  readonly vault: Vault
  readonly record: Replica
  readonly membership: Membership
  readonly documents: Documents
  readonly cache: DocumentCache
  /** Runs while nothing changes the record. */
  still<T>(work: () => Promise<T>): Promise<T>
  /** The same for what writes. */
  writing(work: () => Promise<void>): Promise<void>
  /** Called when documents show something else. */
  changed(documents: ReadonlySet<DocumentId>): void
}

export class ShownDocuments {
  readonly #options: ShownDocumentsOptions
  readonly #early: EarlyDocuments
  readonly #listeners: (() => void)[] = []

  constructor(options: ShownDocumentsOptions) {
    this.#options = options
    this.#early = new EarlyDocuments(options.vault)
  }

  /** How many are shown ahead of their history. */
  get early(): number {
    return this.#early.size
  }

  /** How many showed something else than their history gave, since the program began. */
  get wrong(): number {
    return this.#early.wrong
  }

  /** Whether a document is shown ahead of its history: what is here of it is older. */
  isEarly(document: DocumentId): boolean {
    return this.#early.has(document)
  }

  load(): Promise<void> {
    return this.#early.load()
  }

  /** What one shows; while its history is coming nobody waits for what is being taken in. */
  async read(document: DocumentId): Promise<JsonValue | undefined> {
    const early = await this.#early.read(document)
    // Until it is this one's turn a snapshot may have been taken in.
    return early ?? this.#options.still(() => this.readStill(document))
  }

  /** The same for whoever has the turn. */
  async readStill(document: DocumentId): Promise<JsonValue | undefined> {
    return (await this.#early.read(document)) ?? this.#options.documents.read(document)
  }

  /** @param listener - Called when documents are shown ahead of their history, or no more. */
  onChange(listener: () => void): void {
    this.#listeners.push(listener)
  }

  /** What documents show, for a device that has as much as `after` says: nothing, if that is most. */
  snapshotsFor(after: VersionVector): AsyncIterable<Uint8Array> {
    const { record, documents, cache, still } = this.#options
    const isEarly = (document: DocumentId) => this.isEarly(document)
    return documentSnapshots({ record, documents, still, isEarly, long: () => cache.long() }, after)
  }

  /**
   * Shows what another device's documents show, until their history has come. What is no snapshot of
   * a device that belongs is passed over.
   *
   * @param belongs - Whether a device belongs whose key this is: known before the log is here.
   */
  show(
    snapshots: readonly Uint8Array[],
    belongs: (writer: PublicKey) => boolean = (key) => this.#options.membership.isMember(key),
  ): Promise<void> {
    return this.#options.writing(async () => {
      for (const bytes of snapshots) await this.#show(bytes, belongs)
    })
  }

  /** Documents whose history has come show that; so do those that a removed device showed. */
  async dropCome(): Promise<void> {
    if (this.early === 0) return
    const { vault, record, membership, documents } = this.#options
    const strange = this.#early.strange((key) => !membership.hasJoined || membership.isMember(key))
    const { come, wrong } = await this.#early.come(record.tree, documents)
    const over = new Set([...strange, ...come])
    if (over.size === 0) return
    await vault.write(this.#early.opsToDrop(over))
    this.#early.drop(over, wrong)
    this.#tell(over)
  }

  async #show(bytes: Uint8Array, belongs: (writer: PublicKey) => boolean): Promise<void> {
    const { vault, record, cache } = this.#options
    const opened = openedSnapshot(record, bytes)
    if (opened === undefined || !belongs(opened.writer)) return
    const isEmpty = (document: DocumentId) => cache.isEmpty(document)
    const { writer, snapshot } = opened
    const { ops, kept } = await this.#early.take(writer, snapshot, record.tree, isEmpty)
    if (ops.length === 0) return
    await vault.write(ops)
    this.#tell(new Set(kept()))
  }

  #tell(documents: ReadonlySet<DocumentId>): void {
    this.#options.changed(documents)
    for (const listener of this.#listeners) listener()
  }
}

function openedSnapshot(record: Replica, bytes: Uint8Array) {
  try {
    return record.snapshots.open(bytes)
  } catch (error) {
    if (error instanceof LogError) return undefined
    throw error
  }
}
