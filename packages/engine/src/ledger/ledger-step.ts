/**
 * A step of the ledger: what is changed at once, in the record's documents and items and in the
 * logs of all spaces concerned; gathered, staged, and taken back if it cannot be written. Steps that
 * are written together have an entry each, and one append.
 *
 * @module
 */

import type { AdmittedEntry, Replica, StagedAppend, StagedKey } from "@fulcrum/log/replica"
import type { DocumentId, Documents } from "@fulcrum/record/documents"
import type { RecordChange } from "@fulcrum/record/record"
import type { VaultOp } from "@fulcrum/store/vault"
import { RecordBehindError } from "../failures/engine-error.ts"
import { ITEMS_PER_ENTRY_MAX, type RecordItem, recordItems } from "../items/record-items.ts"

/** One step in the making: everything in it is written at once, or nothing is. */
export interface Step {
  /** For edits and reads; what an edit gives must be passed to {@link Step.keep}. */
  readonly documents: Documents
  /** Who writes: the Automerge actor of this start's incarnation. */
  readonly actor: Uint8Array
  /** Whether a document is shown ahead of its history, so that the step cannot read or edit it. */
  isEarly(document: DocumentId): boolean
  /** Makes a document's change part of this step's entry. `undefined`: nothing changed. */
  keep(change: RecordChange | undefined): void
  add(item: RecordItem): void
  /** Appends to another space's log, once. @returns The entries as they will stand there. */
  append(replica: Replica, bodies: readonly Uint8Array[]): readonly AdmittedEntry[]
  /** A key span staged elsewhere. Items are added after one of the record, under its new epoch. */
  join(replica: Replica, staged: StagedKey): void
  write(...ops: readonly VaultOp[]): void
  /** Runs once the step is durable. */
  after(done: () => void): void
}

/** Appends to the record's log by one or more steps, and what makes them durable with the rest. */
export interface StagedSteps {
  readonly ops: readonly VaultOp[]
  /** What the steps append to the record's own log. */
  readonly recordEntries: readonly AdmittedEntry[]
  commit(): void
  abandon(): void
  /** Nobody knows whether it was written: each log goes on under a new incarnation. */
  poison(): void
}

/** Stages the record's own entries last, so that they can name what the shares' hold. */
export function stageSteps(record: Replica, steps: readonly OpenStep[]): StagedSteps {
  const bodies = steps.flatMap((step) => step.bodies())
  const isJoined = bodies.length > 0 && steps.some((step) => step.follow(record, bodies))
  const joined = steps.flatMap((step) => step.appendsTo(record))
  const own =
    bodies.length === 0 || isJoined
      ? undefined
      : record.stage(bodies.map((body) => ({ kind: "payload", body })))
  return {
    ops: [...steps.flatMap((step) => step.allOps), ...(own?.ops ?? [])],
    recordEntries: [...joined, ...(own === undefined ? [] : [own])].flatMap(
      ({ entries }) => entries,
    ),
    commit: () => {
      for (const step of steps) step.commit()
      own?.commit()
    },
    abandon: () => own?.abandon(),
    poison: () => {
      for (const step of steps) step.poison()
      if (own !== undefined) record.poison()
    },
  }
}

/** Gathers one step, and takes it back if it cannot be written. */
export class OpenStep implements Step {
  readonly ops: VaultOp[] = []
  readonly documents: Documents
  readonly documentsEdited: Set<DocumentId> = new Set()
  readonly isEarly: (document: DocumentId) => boolean
  readonly #record: Replica
  readonly #items: RecordItem[] = []
  readonly #staged: {
    readonly replica: Replica
    readonly append: StagedAppend
    readonly key?: StagedKey
  }[] = []
  readonly #done: (() => void)[] = []
  #bodies: readonly Uint8Array[] | undefined

  /** @param isEarly - Whether a document is shown ahead of its history, which must come first. */
  constructor(record: Replica, documents: Documents, isEarly: (document: DocumentId) => boolean) {
    this.#record = record
    this.isEarly = isEarly
    this.documents = noting(documents, this.documentsEdited, isEarly)
  }

  get actor(): Uint8Array {
    return this.#record.nextWriter().actor
  }

  /** Whether it announces a key of the record. */
  get announces(): boolean {
    return this.#staged.some(({ replica, key }) => replica === this.#record && key !== undefined)
  }

  /** Whether it comes to nothing. */
  get isEmpty(): boolean {
    return this.#staged.length + this.#items.length + this.ops.length === 0
  }

  /** Whether it changes documents and nothing else that a later step could see. */
  get isPlain(): boolean {
    return this.#staged.length === 0 && this.#items.every(({ kind }) => kind === "change")
  }

  /** Of the changes in it. */
  get bytes(): number {
    return this.#items.reduce(
      (sum, item) => sum + (item.kind === "change" ? item.value.change.length : 0),
      0,
    )
  }

  get allOps(): readonly VaultOp[] {
    return [...this.#staged.flatMap(({ append }) => append.ops), ...this.ops]
  }

  /** What was staged for a log before the items. */
  appendsTo(replica: Replica): readonly StagedAppend[] {
    return this.#staged.flatMap((one) => (one.replica === replica ? [one.append] : []))
  }

  /**
   * Of the entries that its items make; none is added any more.
   *
   * @throws {CodecError} They are more than an entry may hold.
   */
  bodies(): readonly Uint8Array[] {
    this.#bodies ??= this.#encode()
    return this.#bodies
  }

  #encode(): readonly Uint8Array[] {
    const bodies: Uint8Array[] = []
    for (let at = 0; at < this.#items.length; at += ITEMS_PER_ENTRY_MAX) {
      bodies.push(recordItems.encode(this.#items.slice(at, at + ITEMS_PER_ENTRY_MAX)))
    }
    return bodies
  }

  keep(change: RecordChange | undefined): void {
    if (change === undefined) return
    const { document } = change
    this.#items.push({ kind: "change", value: { document, change: change.change } })
  }

  add(item: RecordItem): void {
    this.#items.push(item)
  }

  append(replica: Replica, bodies: readonly Uint8Array[]): readonly AdmittedEntry[] {
    const append = replica.stage(bodies.map((body) => ({ kind: "payload", body })))
    this.#staged.push({ replica, append })
    return append.entries
  }

  join(replica: Replica, key: StagedKey): void {
    this.#staged.push({ replica, append: key, key })
  }

  /** Has these come after the key span that was staged for a log. @returns Whether one was. */
  follow(replica: Replica, bodies: readonly Uint8Array[]): boolean {
    const at = this.#staged.findIndex((one) => one.replica === replica && one.key !== undefined)
    const key = this.#staged[at]?.key
    if (key === undefined) return false
    this.#staged[at] = { replica, append: key.followedBy(bodies) }
    return true
  }

  write(...ops: readonly VaultOp[]): void {
    this.ops.push(...ops)
  }

  after(done: () => void): void {
    this.#done.push(done)
  }

  commit(): void {
    for (const { append } of this.#staged) append.commit()
    this.#staged.length = 0
  }

  finish(): void {
    for (const done of this.#done) done()
  }

  /** Nobody knows whether it was written: each log goes on under a new incarnation. */
  poison(): void {
    for (const { replica } of this.#staged) replica.poison()
    this.#staged.length = 0
  }

  /** The documents forget what was never kept; the logs go on as if it had not been. */
  async abandon(): Promise<void> {
    for (const { append } of this.#staged) append.abandon()
    await Promise.all([...this.documentsEdited].map((document) => this.documents.forget(document)))
  }
}

/**
 * The same documents; what is edited is noted first, so that it can be taken back, and of one that is
 * shown ahead of its history nothing is read or edited.
 */
function noting(
  documents: Documents,
  edited: Set<DocumentId>,
  isEarly: (document: DocumentId) => boolean,
): Documents {
  const note = <T>(document: DocumentId, work: () => Promise<T>): Promise<T> => {
    edited.add(document)
    return work()
  }
  const here = async <T>(document: DocumentId, work: () => Promise<T>): Promise<T> => {
    if (isEarly(document)) throw new RecordBehindError(document)
    return work()
  }
  return {
    edit: (input) => here(input.document, () => note(input.document, () => documents.edit(input))),
    apply: (input) => note(input.document, () => documents.apply(input)),
    applyMany: async (inputs) => {
      for (const { document } of inputs) edited.add(document)
      await documents.applyMany(inputs)
    },
    load: (document, bytes) => note(document, () => documents.load(document, bytes)),
    read: (document) => here(document, () => documents.read(document)),
    conflicts: (document) => here(document, () => documents.conflicts(document)),
    registers: (document, path) => here(document, () => documents.registers(document, path)),
    history: (document, path) => documents.history(document, path),
    save: (document) => documents.save(document),
    heads: (document) => documents.heads(document),
    forget: (document) => documents.forget(document),
    forgetAll: () => documents.forgetAll(),
    kept: (which) => documents.kept(which),
    [Symbol.asyncDispose]: () => documents[Symbol.asyncDispose](),
  }
}
