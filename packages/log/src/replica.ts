/**
 * A replica: one space on one device. What is in it is durable; what is staged is not yet.
 *
 * In memory are the incarnation tree, the heads and what waits; spans are in the vault
 * (`log-tables.ts`). Admitting is one write for each batch, appending one for each staged append,
 * which may be written together with other replicas' and other tables' changes.
 *
 * A sequence is never used twice: a start draws a new incarnation, begun with its first entry;
 * and whoever does not know whether a write landed calls `poison`, so that the next append begins
 * another.
 *
 * @module
 */
import { Admission, type AdmitResult } from "./admission.ts"
import { AdmissionBatch, type AdmitOptions, type Beside, type Told } from "./admission-batch.ts"
import type { AdmittedEntry } from "./admitted-entry.ts"
import { FreshSpans } from "./fresh-spans.ts"
import type { EpochId, EpochKey } from "./ids.ts"
import type { IncarnationTree, TreeNode } from "./incarnation-tree.ts"
import { LogError } from "./log-error.ts"
import { LogMerging } from "./log-merging.ts"
import { LogSnapshots } from "./log-snapshots.ts"
import { type LogState, loadState } from "./log-state.ts"
import { type ForkProof, LogTables } from "./log-tables.ts"
import { Mutex } from "./mutex.ts"
import { OPENED_BYTES_DEFAULT, OPENED_BYTES_MAX, OpenedSpans } from "./opened-spans.ts"
import type { MadeSpan, NextWriter, OwnLine } from "./own-line.ts"
import { OwnLines } from "./own-lines.ts"
import { prepareAppend, type StagedAppend, type StagedKey } from "./prepared-append.ts"
import type { ReplicaOptions } from "./replica-options.ts"
import { epochIdOf, followsDigest } from "./span.ts"
import { type SpansAfter, selectSpans } from "./span-selection.ts"
import { StoredEntries } from "./stored-entries.ts"
import { type ArrivalRange, landedOf, type UncertainWrite } from "./uncertain-writes.ts"
import { type VersionVector, vectorDigest } from "./vector.ts"
import type { WaitingRoom, WaitingSpan } from "./waiting-room.ts"

export type { AdmitResult } from "./admission.ts"
export type { Beside, WriteBeside } from "./admission-batch.ts"
export type { AdmittedEntry } from "./admitted-entry.ts"
export type { MergedSpan } from "./merging.ts"
export type { NextWriter } from "./own-line.ts"
export type { StagedAppend, StagedKey } from "./prepared-append.ts"

/** Most bytes of spans that one write makes durable: a batch above it takes several. */
const WRITE_BYTES_MAX: number = 8 * 1024 * 1024

/** Opens a space's log in a vault; it may be empty. @throws {VaultError} */
export async function openReplica(options: ReplicaOptions): Promise<Replica> {
  const tables = new LogTables(options.vault, options.keyring.tag)
  return new Replica(options, tables, await loadState(tables))
}

export class Replica {
  /** How its spans become fewer. */
  readonly merging: LogMerging
  readonly snapshots: LogSnapshots
  readonly #options: ReplicaOptions
  readonly #tables: LogTables
  readonly #stored: StoredEntries
  readonly #opened: OpenedSpans
  readonly #fresh = new FreshSpans()
  readonly #mutex = new Mutex()
  #tree: IncarnationTree
  #waiting: WaitingRoom
  #forks: Set<string>
  #lastArrival: number
  readonly #own: OwnLines
  /** The newest of this device's incarnations that is in the tree. */
  #ownKey: string | undefined
  #staged: ArrivalRange | undefined
  /** The batch being admitted. */
  #batch: AdmissionBatch | undefined
  #batchFrom = 0
  /** Whether what waits was read from the disk and not looked at yet. */
  #hasUnsorted: boolean
  #digest: { readonly vector: VersionVector; readonly digest: Uint8Array } | undefined
  /** Arrivals handed out to writes that failed, so that they may have landed or not. */
  #uncertain: UncertainWrite[] = []
  /** What became durable in calls that failed all the same: the next one tells it. */
  #untold: AdmitResult[] = []
  /** What was committed while the disk was being read again. */
  #committed: ((tree: IncarnationTree) => void)[] | undefined

  constructor(options: ReplicaOptions, tables: LogTables, loaded: LogState) {
    this.#options = options
    this.#tables = tables
    this.#stored = new StoredEntries(tables, options)
    this.#own = new OwnLines({
      ...options,
      newest: () => this.ownNode,
      isContinued: ({ key }) => this.#batch?.admitted.has(key) === true,
    })
    this.snapshots = new LogSnapshots(options, () => {
      const node = this.ownNode
      return node && { node, signer: this.#own.signer }
    })
    const isMerged = options.bodies !== undefined
    this.#opened = new OpenedSpans(isMerged ? OPENED_BYTES_MAX : OPENED_BYTES_DEFAULT)
    this.merging = new LogMerging({
      ...options,
      tables,
      stored: this.#stored,
      lastMerge: loaded.lastMerge,
      tree: () => this.#tree,
      signer: () => this.#own.signer,
      rewritten: () => this.#fresh.clear(),
      whenSure: (work) =>
        this.#mutex.run(async () => (this.#uncertain.length > 0 ? undefined : work())),
    })
    this.#tree = loaded.tree
    this.#waiting = loaded.waiting
    this.#forks = loaded.forks
    this.#lastArrival = loaded.lastArrival
    this.#ownKey = loaded.ownKey
    this.#hasUnsorted = loaded.waiting.size > 0
  }

  /** What is here and durable. */
  get vector(): VersionVector {
    return this.#tree.vector
  }

  get digest(): Uint8Array {
    const { vector } = this.#tree
    if (this.#digest?.vector !== vector) this.#digest = { vector, digest: vectorDigest(vector) }
    return this.#digest.digest
  }

  get tree(): IncarnationTree {
    return this.#tree
  }

  /** The newest incarnation of this device's own. */
  get ownNode(): TreeNode | undefined {
    return this.#ownKey === undefined ? undefined : this.#tree.byKey(this.#ownKey)
  }

  get waitingCount(): number {
    return this.#waiting.size
  }

  /** Grows with whatever is appended or comes in: the number of the newest entry. */
  get lastArrival(): number {
    return this.#staged === undefined ? this.#lastArrival : this.#staged.from - 1
  }

  /** How many forks were found. */
  get forkCount(): number {
    return this.#forks.size
  }

  /** The incarnation that the next append belongs to, drawn if need be. */
  nextWriter(): NextWriter {
    return this.#own.next().next
  }

  /**
   * Makes spans of these payloads, as one atomic append.
   *
   * @throws {RangeError} An append is staged already; a body is too large; there are no items.
   * @throws {LogError} `LOG_NO_EPOCH`.
   */
  stage(items: readonly { readonly kind: "payload"; readonly body: Uint8Array }[]): StagedAppend {
    if (items.length === 0) throw new RangeError("nothing to append")
    const epoch = this.#options.keyring.current
    if (epoch === undefined) throw new LogError("LOG_NO_EPOCH", "there is no epoch to write under")
    this.#requireIdle()
    const own = this.#own.next()
    return this.#stage(own, own.makeSpans(items, this.vector, epoch))
  }

  /**
   * Makes a key span.
   *
   * @param input - `clear` holds the wraps of the new key, `body` what the entry says,
   * `follows` the epochs that the new one comes after.
   */
  stageKey(input: {
    readonly epoch: { readonly key: EpochKey }
    readonly clear: Uint8Array
    readonly body: Uint8Array
    readonly follows: readonly EpochId[]
  }): StagedKey {
    this.#requireIdle()
    const own = this.#own.next()
    const { key } = input.epoch
    const follows = followsDigest(input.follows)
    const made = own.makeKeySpan(input.body, this.vector, { key, clear: input.clear, follows })
    const epochId = epochIdOf(made.bytes)
    const before = this.#lastArrival
    const staged = this.#stage(own, [made])
    return {
      ...staged,
      epochId,
      followedBy: (bodies) => {
        const items = bodies.map((body) => ({ kind: "payload" as const, body }))
        const after = own.makeSpans(items, [], { id: epochId, key }, made)
        staged.abandon()
        if (this.#lastArrival === staged.entries.at(-1)?.arrival) this.#lastArrival = before
        return this.#stage(own, [made, ...after])
      },
    }
  }

  /** A write's outcome is not known: whatever it held, the next append begins a new incarnation. */
  poison(): void {
    if (this.#staged) this.#uncertain.push({ ...this.#staged, isOwn: true })
    this.#staged = undefined
    this.#own.giveUp()
  }

  /**
   * Takes spans, in any order and however often. Durable when it resolves.
   *
   * @param options - `extraOps` become durable with the last of the spans; what `beside` gives of
   * entries, with those.
   * @returns One result for each span, then one for each that waited and no longer does. Read in
   * this order, the admitted entries are in the order of arrival.
   * @throws Whatever the vault threw; then it is not known what landed, and the next call finds out.
   */
  admit(spans: readonly Uint8Array[], options: AdmitOptions = {}): Promise<AdmitResult[]> {
    return this.#mutex.run(() => this.#admit(spans, [], options))
  }

  /** Tries all that waits again: after keys or writers have become known. */
  retryWaiting(options: AdmitOptions = {}): Promise<AdmitResult[]> {
    return this.#mutex.run(() => this.#admit([], this.#waiting.all(), options))
  }

  /**
   * What the owner of `vector` lacks, in the order of arrival of each span's first entry, about
   * `bytesMax` at most but at least one span. Where it contradicts what is here, it gets the spans
   * that prove it.
   *
   * @param limit - `cut`: of a merged span of this device of which a part lacks, only that is given,
   * sealed anew each time: where it saves much, or always; otherwise the spans as they are kept.
   */
  async spansAfter(
    vector: VersionVector,
    limit: { readonly bytesMax: number; readonly cut?: "much" | "always" },
  ): Promise<SpansAfter> {
    const source = { tables: this.#tables, stored: this.#stored, tree: this.#tree }
    const { bytesMax, cut: when } = limit
    const fresh = this.#fresh.after(vector, bytesMax)
    if (fresh) return fresh
    const cut = when && ((bytes: Uint8Array, from: number) => this.merging.cut(bytes, from, when))
    return selectSpans({ ...source, cut }, vector, bytesMax)
  }

  /**
   * Entries whose arrival number is above `arrival`, in that order, to rebuild what is above.
   *
   * @throws {LogError} `LOG_SEAL` when the keyring lacks an epoch by the time its span is read.
   */
  entriesAfter(arrival: number): AsyncIterable<AdmittedEntry> {
    return this.#stored.entriesAfter(arrival)
  }

  /** Spans that contradict what is here, as they were signed. */
  async *forks(): AsyncIterable<ForkProof> {
    for await (const { value } of this.#tables.forks()) yield { span: value }
  }

  #requireIdle(): void {
    if (this.#staged) throw new RangeError("an append is staged already")
  }

  #stage(own: OwnLine, made: readonly MadeSpan[]): StagedAppend {
    const { vector } = this
    const from = this.#lastArrival + 1
    const prepared = prepareAppend(this.#tables, own, made, from)
    this.#lastArrival = prepared.lastArrival
    const staged = { from, to: this.#lastArrival + 1 }
    this.#staged = staged
    const settle = () => {
      if (this.#staged !== staged) throw new RangeError("this append is not staged any more")
      this.#staged = undefined
    }
    return {
      ops: prepared.ops,
      spans: made.map((span) => span.bytes),
      entries: prepared.entries,
      commit: () => {
        settle()
        if (made.length === 0) return
        const before = this.vector
        prepared.enter(this.#tree)
        this.#fresh.appended(
          before,
          this.vector,
          made.map((span) => span.bytes),
        )
        this.#committed?.push((tree) => prepared.enter(tree))
        own.commit(made, vector)
        this.#ownKey = own.key
        this.merging.appended(own.key, prepared.records)
      },
      abandon: settle,
    }
  }

  async #admit(
    spans: readonly Uint8Array[],
    retried: readonly WaitingSpan[],
    options: AdmitOptions,
  ): Promise<AdmitResult[]> {
    if (this.#uncertain.length > 0) this.#untold.push(...(await this.#refresh()))
    const told: Told = { results: [], released: [], durable: 0 }
    try {
      await this.#admitAll(spans, retried, options, told)
      await this.merging.takeIn()
    } catch (error) {
      this.#untold.push(...told.results.slice(0, told.durable), ...told.released)
      throw error
    }
    const untold = this.#untold
    this.#untold = []
    return [...told.results, ...untold, ...told.released]
  }

  async #admitAll(
    spans: readonly Uint8Array[],
    retried: readonly WaitingSpan[],
    options: AdmitOptions,
    told: Told,
  ): Promise<void> {
    const again = this.#hasUnsorted ? this.#waiting.all() : retried
    this.#hasUnsorted = false
    let batch = this.#beginBatch()
    for (const bytes of spans) {
      if (batch.admission.bytes >= WRITE_BYTES_MAX) {
        const { beside } = options
        told.released.push(...(await this.#finishBatch(batch, beside ? { beside } : {})))
        told.durable = told.results.length
        batch = this.#beginBatch()
      }
      const judgement = await batch.admission.judge(bytes)
      told.results.push(batch.settle(bytes, judgement))
    }
    const late: AdmitResult[] = []
    for (const span of again) {
      const result = await batch.retry(span)
      if (result) late.push(result)
    }
    late.push(...(await this.#finishBatch(batch, options)))
    told.released.push(...late)
    told.durable = told.results.length
  }

  #beginBatch(): AdmissionBatch {
    const admission = new Admission({
      checkWriter: () => "ok",
      ...this.#options,
      tables: this.#tables,
      stored: this.#stored,
      tree: this.#tree,
      opened: this.#opened,
      takeArrivals: (count) => {
        this.#lastArrival += count
        return this.#lastArrival
      },
      isBusy: (key) => this.#staged !== undefined && key === this.#own.current?.key,
    })
    const { current } = this.#own
    if (current) admission.progress.set(current.key, current.sequence)
    this.#batch = new AdmissionBatch(admission, this.#tables, this.#waiting, this.#forks)
    this.#batchFrom = this.#lastArrival + 1
    return this.#batch
  }

  /** Lets in what waited for this batch, makes all of it durable, then shows it. */
  async #finishBatch(batch: AdmissionBatch, options: AdmitOptions): Promise<AdmitResult[]> {
    const { admission } = batch
    const released: AdmitResult[] = []
    const candidates = () => batch.candidates(this.#options.keyring)
    for (let again = candidates(); again.length > 0; again = candidates()) {
      for (const span of again) {
        const result = await batch.retry(span)
        if (result) released.push(result)
      }
    }
    const { extraOps = [] } = options
    const entries = batch.entries()
    let beside: Beside | undefined
    try {
      if (entries.length > 0) beside = await options.beside?.(entries, this.#batchFrom)
      const ops = [...batch.ops(), ...extraOps, ...(beside?.ops ?? [])]
      if (ops.length > 0) await this.#options.vault.write(ops)
    } catch (error) {
      this.#uncertain.push({ from: this.#batchFrom, to: this.#lastArrival + 1, isOwn: false })
      throw error
    } finally {
      this.#batch = undefined
    }
    admission.draft.apply()
    beside?.written()
    this.merging.admitted(batch.admitted, admission.wider)
    this.#giveUpIfContinued(batch)
    return released
  }

  /** Somebody else goes on with our incarnation: a copy of this machine. We begin another. */
  #giveUpIfContinued(batch: AdmissionBatch): void {
    const { current } = this.#own
    if (current === undefined || !batch.admitted.has(current.key)) return
    this.#ownKey = current.key
    this.#own.giveUp()
  }

  /**
   * After failed writes: reads again what is there, and gives what had landed unnoticed. Appends go
   * on meanwhile.
   */
  async #refresh(): Promise<AdmitResult[]> {
    const writes = this.#uncertain
    const committed: ((tree: IncarnationTree) => void)[] = []
    this.#uncertain = []
    this.#committed = committed
    let loaded: LogState
    let landed: AdmitResult[]
    try {
      loaded = await loadState(this.#tables)
      landed = await landedOf(
        writes,
        this.#stored,
        () => this.#tree,
        () => this.#staged,
      )
    } catch (error) {
      this.#uncertain.push(...writes)
      throw error
    } finally {
      this.#committed = undefined
    }
    this.#opened.clear()
    this.#fresh.clear()
    for (const enter of committed) enter(loaded.tree)
    this.#tree = loaded.tree
    this.#waiting = loaded.waiting
    this.#hasUnsorted = loaded.waiting.size > 0
    this.#forks = loaded.forks
    // Read last, so that it may name a line that was begun since, or is not the newest any more.
    const isKnown = loaded.ownKey === undefined || loaded.tree.byKey(loaded.ownKey) !== undefined
    if (this.#own.current === undefined && committed.length === 0 && isKnown)
      this.#ownKey = loaded.ownKey
    this.#lastArrival = Math.max(this.#lastArrival, loaded.lastArrival)
    return landed
  }
}
