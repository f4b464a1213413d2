/**
 * The ledger: the record's log on this device and what it adds up to — membership, items, documents.
 *
 * Everything that changes the record goes through {@link Ledger.transact}: one step at a time,
 * gathered, staged in the logs of all spaces that it touches, and written in ONE flushed batch;
 * only then does it count. Everything that arrives goes through {@link Ledger.admit}. The logs are
 * the truth: the tables beside them are a cache up to the arrival number in `engine.applied`
 * (`absorption.ts`), which is brought forward when the ledger opens.
 *
 * Source: DESIGN, "Layers" and "Record and shares".
 *
 * @module
 */

import { bytesToHex } from "@fulcrum/codec/bytes"
import type { AdmitResult, AdmittedEntry, Beside, Replica, WriteBeside } from "@fulcrum/log/replica"
import type { DocumentId, Documents, Reload } from "@fulcrum/record/documents"
import type { Vault, VaultOp } from "@fulcrum/store/vault"
import { DocumentCache } from "../documents/document-cache.ts"
import { ShownDocuments } from "../documents/shown-documents.ts"
import { recordOutdated } from "../failures/engine-error.ts"
import { errorCode } from "../failures/error-code.ts"
import { inPieces, isOnePiece, PIECE_ENTRIES_MAX, readPieces } from "../items/entry-pieces.ts"
import { RecordState } from "../items/record-state.ts"
import { areVouchedFor } from "../membership/admission-evidence.ts"
import type { Membership } from "../membership/membership.ts"
import { WrapAudits } from "../membership/wrap-audits.ts"
import { type Absorbed, Absorption, OWED_MIN, OWED_PART } from "./absorption.ts"
import { admittedEntries } from "./kept-entries.ts"
import type { LedgerChange, LedgerParts } from "./ledger-change.ts"
import { OpenStep, type Step, stageSteps } from "./ledger-step.ts"
import type { Quarantine } from "./quarantine.ts"
import { StepQueue } from "./step-queue.ts"

export class Ledger {
  readonly record: Replica
  readonly membership: Membership
  readonly documents: Documents
  readonly shown: ShownDocuments
  readonly audits: WrapAudits
  readonly #vault: Vault
  readonly #cache: DocumentCache
  readonly #absorption: Absorption
  readonly #entriesMax: number
  readonly #queue = new StepQueue({
    open: () => new OpenStep(this.record, this.documents, (one) => this.shown.isEarly(one)),
    mend: () => this.#mend(),
    write: async (steps) => {
      // Who belongs can be changed all the same: else whoever asks for too much could not be removed.
      const isRefused = steps.some((step) => !step.isEmpty && !step.announces)
      if (isRefused && this.membership.isOutdated) throw recordOutdated()
      await this.#sure(() => this.#write(steps))
    },
    gaveUp: () => this.#tryToMend(),
    ended: () => this.#tidy(),
  })
  readonly #listeners = new Set<(change: LedgerChange) => void>()
  #state = new RecordState()
  /** Documents that were changed since this was opened. */
  readonly #used = new Set<DocumentId>()
  #applied = 0
  /** A rebuild goes through all entries, and must not begin another. */
  #isRebuilding = false
  /** A removal was heard of and what it means has not been made anew yet. */
  #owesRebuild = false
  /** A write failed: memory and disk may differ, and the log may hold what nothing here shows. */
  #isUnsure = false
  readonly #menders = new Set<() => Promise<void>>()

  private constructor(
    parts: LedgerParts & { readonly documents: Documents; readonly cache: DocumentCache },
  ) {
    this.#vault = parts.vault
    this.record = parts.record
    this.membership = parts.membership
    this.audits = new WrapAudits(parts.vault, parts.membership)
    this.documents = parts.documents
    this.#cache = parts.cache
    const { owedMin = OWED_MIN, owedPart = OWED_PART } = parts.bounds ?? {}
    this.#absorption = new Absorption({ ...parts, owedMin, owedPart })
    this.#entriesMax = parts.bounds?.entriesMax ?? PIECE_ENTRIES_MAX
    this.shown = new ShownDocuments({
      ...parts,
      still: (work) => this.still(work),
      writing: (work) =>
        this.#queue.turn(async () => {
          await this.#mend()
          await this.#sure(async () => {
            await this.#absorption.pay("all")
            await work()
          })
        }),
      changed: (documents) => this.#tell({ documents, items: [], membership: false, local: false }),
    })
  }

  static async open(
    parts: LedgerParts & { readonly openDocuments: (reload: Reload) => Promise<Documents> },
  ): Promise<Ledger> {
    const cache = new DocumentCache(parts.vault)
    const documents = await parts.openDocuments((document) => cache.reload(document))
    const ledger = new Ledger({ ...parts, documents, cache })
    try {
      await ledger.#catchUp()
      if (ledger.#absorption.quarantine.hasLost) await ledger.#rebuild([])
      await ledger.shown.dropCome()
      return ledger
    } catch (error) {
      await documents[Symbol.asyncDispose]()
      throw error
    }
  }

  /** What the items add up to; another object after a removal had it made anew. */
  get state(): RecordState {
    return this.#state
  }

  /** Entries that are kept but not applied. */
  get quarantine(): Pick<Quarantine, "count" | "stranded" | "strandedAt"> {
    return this.#absorption.quarantine
  }

  onChange(listener: (change: LedgerChange) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /**
   * After a write whose outcome is not known, and before anything else is written, everything is
   * brought in line with the disk; what is kept elsewhere joins in here.
   */
  onMend(mend: () => Promise<void>): void {
    this.#menders.add(mend)
  }

  /**
   * Finds out what became of a write that failed, if one did: whoever decides by what is here what
   * to write, so that doing it again completes it, calls this first.
   */
  mend(): Promise<void> {
    return this.#queue.turn(() => this.#mend())
  }

  /**
   * Makes one step. Nothing else changes the record meanwhile.
   *
   * @returns What `work` returns, once all that it gathered is flushed.
   * @throws What `work` throws, or the store's error; then nothing of the step is kept.
   */
  transact<T>(work: (step: Step) => Promise<T>): Promise<T> {
    return this.#queue.alone(work)
  }

  /**
   * As {@link transact}, for what only edits documents as they are: those that wait for their turn one
   * after another are written together, each as an entry of its own. One that turns out to do more is
   * the last of those.
   */
  gather<T>(work: (step: Step) => Promise<T>): Promise<T> {
    return this.#queue.gather(work)
  }

  /** Runs `work` while nothing changes the record: for what reads several places. */
  still<T>(work: () => Promise<T>): Promise<T> {
    return this.#queue.turn(work)
  }

  /** Whether something that is shown, and in the log, waits for a quiet moment to be kept beside it. */
  get owes(): boolean {
    return this.#absorption.owes
  }

  /** Writes that. What fails is found out before the next write. */
  settle(): Promise<void> {
    return this.#queue.turn(() => this.#after(() => this.#absorption.pay("all")))
  }

  /** Writes some of it, as {@link settle} does, so that nobody waits long. @returns Whether more waits. */
  async settleSome(): Promise<boolean> {
    await this.#queue.turn(() => this.#after(() => this.#absorption.pay("part")))
    return this.owes && !this.#isUnsure
  }

  /** Takes spans of the record space from a peer, a relay or a file. */
  admit(spans: readonly Uint8Array[]): Promise<readonly AdmitResult[]> {
    return this.#queue.turn(async () => {
      await this.#mend()
      try {
        return await this.#sure(() => this.#admit(spans))
      } catch (error) {
        await this.#tryToMend()
        throw error
      }
    })
  }

  /** Name of the device that an Automerge actor stands for. */
  async deviceOfActor(actor: Uint8Array): Promise<string | undefined> {
    const writer = await this.#absorption.writerOf(bytesToHex(actor))
    return writer === undefined ? undefined : this.membership.deviceByWriter(writer)?.name
  }

  /** The spans of a share that the record carries. */
  carried(relationship: Uint8Array): AsyncIterable<readonly Uint8Array[]> {
    return this.#absorption.items.carried(relationship)
  }

  async close(): Promise<void> {
    await this.settle()
    await this.#queue.turn(async () => this.documents[Symbol.asyncDispose]())
  }

  async #admit(spans: readonly Uint8Array[]): Promise<readonly AdmitResult[]> {
    const told: LedgerChange[] = []
    const beside: WriteBeside = (...read) => this.#beside(...read, (change) => told.push(change))
    const results = await this.record.admit(spans, { beside })
    if (told.length > 0) await this.#compactDue()
    for (const change of told) this.#tell(change)
    let admitted = admittedEntries(results)
    while (await this.#absorbAll(admitted)) {
      // New members and keys: what waited for them may come in now.
      const released = await this.record.retryWaiting({ beside: this.#keysBeside })
      results.push(...released)
      admitted = admittedEntries(released)
    }
    if (this.shown.early > 0) await this.#absorption.pay("all")
    await this.shown.dropCome()
    return results
  }

  /** Notes if writing fails: then nobody knows what landed. */
  async #sure<T>(write: () => Promise<T>): Promise<T> {
    try {
      return await write()
    } catch (error) {
      this.#isUnsure = true
      throw error
    }
  }

  /**
   * Finds out what landed of writes that failed, and shows just what is on the disk. Otherwise an
   * edit would build on changes that are nowhere, and what the log took meanwhile would be passed
   * over for good.
   */
  async #mend(): Promise<void> {
    if (!this.#isUnsure) return
    const { view } = this.membership
    await this.record.admit([], { beside: this.#keysBeside })
    await this.membership.refresh()
    await this.documents.forgetAll()
    this.#state = new RecordState()
    this.#applied = 0
    this.#absorption.forget()
    await this.#catchUp()
    await this.shown.dropCome()
    for (const mend of this.#menders) await mend()
    this.#isUnsure = false
    const membership = !this.membership.isSettledSince(view)
    this.#tell({ documents: this.#used, items: [], membership, local: true })
  }

  /** Right after the failure, so that nothing half done is shown; else before the next write. */
  async #tryToMend(): Promise<void> {
    try {
      await this.#mend()
    } catch (error) {
      if (errorCode(error) === undefined) throw error
    }
  }

  async #write(steps: readonly OpenStep[]): Promise<void> {
    const staged = stageSteps(this.record, steps)
    const [own, ops] = [staged.recordEntries, [...staged.ops]]
    if (ops.length === 0) return
    let absorbed: Absorbed
    try {
      absorbed = await this.#absorption.own(own)
      ops.push(...absorbed.ops, ...this.membership.opsFor(own))
    } catch (error) {
      staged.abandon()
      throw error
    }
    try {
      await this.#vault.write(ops)
    } catch (error) {
      staged.poison()
      throw error
    }
    staged.commit()
    const documents = new Set(steps.flatMap(({ documentsEdited }) => [...documentsEdited]))
    const { removed } = this.membership.view
    const changed = this.membership.absorb(own)
    // What was left out, or is in by somebody's word, may count otherwise now.
    const mayTurn = this.#absorption.quarantine.hasStranded || areVouchedFor(removed, this.record)
    if (changed === "removed" && mayTurn) this.#owesRebuild = true
    const membership = changed !== "same"
    const change = this.#take({ ...absorbed, documents }, { membership, local: true })
    for (const step of steps) step.finish()
    this.#tell(change)
  }

  /** Brings everything beside the log up to what the log has. */
  async #catchUp(): Promise<void> {
    this.#applied = (await this.#absorption.readApplied()) ?? this.#applied
    for await (const item of this.#absorption.items.all()) this.#state.apply(item)
    await this.#absorption.quarantine.load()
    await this.shown.load()
    await this.#absorbAfter(this.#applied)
  }

  /** @returns Whether membership changed. */
  async #absorbAll(entries: readonly AdmittedEntry[]): Promise<boolean> {
    let hasChanged = false
    const pieces = inPieces(entries, this.#entriesMax)
    for (const piece of pieces) {
      // Where everything was made anew meanwhile, the rest of these is in it.
      const left = piece.filter(({ arrival }) => arrival > this.#applied)
      if (await this.#absorb(left, { mayOwe: piece === pieces.at(-1) })) hasChanged = true
    }
    return hasChanged
  }

  /** Applies what the log has after an arrival, a bounded number of entries at a time. */
  async #absorbAfter(arrival: number): Promise<void> {
    const entries = this.record.entriesAfter(arrival)
    for await (const piece of readPieces(entries, this.#entriesMax)) await this.#absorb(piece)
  }

  /**
   * What entries add up to, to be written with them. Those that say who belongs are applied once
   * they are in the log, and so is what comes after something that is not applied yet.
   */
  async #beside(
    entries: readonly AdmittedEntry[],
    from: number,
    applied: (change: LedgerChange) => void,
  ): Promise<Beside | undefined> {
    const isPlain = entries.every(
      ({ kind, writer }) => kind !== "key" && this.membership.isMember(writer),
    )
    const isNext = from === this.#applied + 1 && isOnePiece(entries, this.#entriesMax)
    if (!isNext || !isPlain || this.#mustRebuild) return await this.#keysBeside(entries, from)
    const absorbed = await this.#absorption.foreign(entries, { mayBegin: false })
    return {
      ops: absorbed.ops,
      written: () => applied(this.#take(absorbed, { membership: false, local: false })),
    }
  }

  /** The keys that these announce: without them they could not be read again. */
  readonly #keysBeside: WriteBeside = async (entries) => {
    const ops = this.membership.keysOf(entries)
    return ops.length === 0 ? undefined : { ops, written: () => undefined }
  }

  /**
   * Applies entries that are in the log already, in the order of their arrival.
   *
   * @param options - `mayOwe`: it may be shown, and be written at a quiet moment.
   * @returns Whether membership changed.
   */
  async #absorb(
    entries: readonly AdmittedEntry[],
    options: { readonly mayOwe?: boolean } = {},
  ): Promise<boolean> {
    if (entries.length === 0) return false
    const changed = this.membership.absorb(entries)
    const memberOps = [...this.membership.opsFor(entries), ...this.audits.opsFor(entries)]
    if (changed === "removed") this.#owesRebuild = true
    if (!this.#isRebuilding && this.#mustRebuild) {
      await this.#rebuild(memberOps)
      return changed !== "same"
    }
    const absorbed = await this.#absorption.foreign(entries, { mayBegin: options.mayOwe === true })
    // Keys are never owed: they open what is in the log.
    await this.#vault.write([...memberOps, ...absorbed.ops])
    const change = this.#take(absorbed, { membership: changed !== "same", local: false })
    await this.#compactDue()
    this.#tell(change)
    return changed !== "same"
  }

  /** These entries are durable. */
  #take(
    absorbed: Absorbed,
    how: { readonly membership: boolean; readonly local: boolean },
  ): LedgerChange {
    const { documents, items, applied = this.#applied } = absorbed
    this.#absorption.written(absorbed)
    this.#applied = applied
    for (const document of documents) this.#used.add(document)
    for (const item of items) this.#state.apply(item)
    return { documents, items, ...how }
  }

  /** What a removed device wrote counts or not by what all logs together show. */
  get #mustRebuild(): boolean {
    return this.#owesRebuild || this.#absorption.quarantine.hasStranded
  }

  /** Makes everything beside the log anew, from all of the log. */
  async #rebuild(ops: readonly VaultOp[]): Promise<void> {
    await this.#vault.write([...ops, ...(await this.#absorption.clear())])
    this.#state = new RecordState()
    this.#absorption.quarantine.forget()
    // All: one that was only read since the program began holds what does not count any more too.
    await this.documents.forgetAll()
    this.#isRebuilding = true
    try {
      await this.#absorbAfter(0)
      this.#owesRebuild = false
    } finally {
      this.#isRebuilding = false
    }
  }

  /** After a step. */
  async #tidy(): Promise<void> {
    if (this.#owesRebuild) await this.#after(() => this.#rebuild([]))
    await this.#compactDue()
    await this.#after(() => this.shown.dropCome())
  }

  #compactDue(): Promise<void> {
    return this.#after(async () => {
      for (const document of this.#cache.due) {
        await this.#vault.write(await this.#cache.compact(document, this.documents))
      }
    })
  }

  /** What this is for is durable already, and is not said to have failed if only this does. */
  async #after(work: () => Promise<void>): Promise<void> {
    if (this.#isUnsure) return
    try {
      await work()
    } catch (error) {
      if (errorCode(error) === undefined) throw error
      this.#isUnsure = true
    }
  }

  #tell(change: LedgerChange): void {
    for (const listener of this.#listeners) listener(change)
  }
}
