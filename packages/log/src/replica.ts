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
import { equalBytes } from "@fulcrum/codec/bytes"
import type { Random } from "@fulcrum/crypto/random"
import { Admission, type AdmitResult } from "./admission.ts"
import { AdmissionBatch } from "./admission-batch.ts"
import { type AdmittedEntry, admittedEntries } from "./admitted-entry.ts"
import type { Deflate } from "./deflate.ts"
import type { BodyColumns } from "./entry-columns.ts"
import { ForeignTiers, widerSpans } from "./foreign-tiers.ts"
import { type ActorId, type EpochId, type EpochKey, type IncarnationId, idKey } from "./ids.ts"
import type { IncarnationTree } from "./incarnation-tree.ts"
import { LogError } from "./log-error.ts"
import { type LogState, loadState } from "./log-state.ts"
import { firstOf, LogTables, type PlacedRecord, type SpanPlace } from "./log-tables.ts"
import type { LogOp, LogVault } from "./log-vault.ts"
import { cutSpan, type MergedSpan, takeInSpans } from "./merging.ts"
import { Mutex } from "./mutex.ts"
import { type MadeSpan, OwnLine } from "./own-line.ts"
import { OwnTiers } from "./own-tiers.ts"
import type { CheckWriter, SpaceKeyring, WriterSource } from "./space-keyring.ts"
import { epochIdOf, followsDigest, readSpan, SPAN_ENTRIES, SPAN_KEY, type Span } from "./span.ts"
import { type SpansAfter, selectSpans } from "./span-selection.ts"
import { StoredEntries } from "./stored-entries.ts"
import { type VersionVector, vectorDigest } from "./vector.ts"
import type { WaitingRoom, WaitingSpan } from "./waiting-room.ts"

export type { AdmitResult } from "./admission.ts"
export type { AdmittedEntry } from "./admitted-entry.ts"
export type { MergedSpan } from "./merging.ts"

/** Most bytes of spans that one write makes durable: a batch above it takes several. */
const WRITE_BYTES_MAX: number = 8 * 1024 * 1024

export interface ReplicaOptions {
  readonly vault: LogVault
  readonly keyring: SpaceKeyring
  readonly writer: WriterSource
  /** Who may write here; absent: whoever has the keys. */
  readonly checkWriter?: CheckWriter
  readonly random: Random
  readonly deflate: Deflate
  /** How the bodies of entries are written together; absent: one after another. */
  readonly bodies?: BodyColumns
}

export interface StagedAppend {
  /** To be written in one `vault.write`, with whatever else must be atomic with it. */
  readonly ops: readonly LogOp[]
  /** To be sent, once they are durable. */
  readonly spans: readonly Uint8Array[]
  readonly entries: readonly AdmittedEntry[]
  /** The write resolved. */
  commit(): void
  /** Nothing was written, nor will be. */
  abandon(): void
}

export interface StagedKey extends StagedAppend {
  readonly epochId: EpochId
}

/** Who writes next here, before anything is written. */
export interface NextWriter {
  readonly incarnation: IncarnationId
  readonly actor: ActorId
  readonly publicKey: Uint8Array
  /** Sequence of the next entry; one more if it must begin the incarnation first. */
  readonly sequence: number
  readonly hasBegun: boolean
}

export interface ForkProof {
  /** The span that contradicts ours, signed. */
  readonly span: Uint8Array
}

/** Opens a space's log in a vault; it may be empty. @throws {VaultError} */
export async function openReplica(options: ReplicaOptions): Promise<Replica> {
  const tables = new LogTables(options.vault, options.keyring.tag)
  return new Replica(options, tables, await loadState(tables))
}

export class Replica {
  readonly #options: ReplicaOptions
  readonly #tables: LogTables
  readonly #stored: StoredEntries
  readonly #tiers: OwnTiers
  readonly #foreign: ForeignTiers
  readonly #mutex = new Mutex()
  #tree: IncarnationTree
  #waiting: WaitingRoom
  #forks: Set<string>
  #lastArrival: number
  #own: OwnLine | undefined
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
  /** Spans that came in and may take the place of smaller ones. */
  #wider: Span[] = []

  constructor(options: ReplicaOptions, tables: LogTables, loaded: LogState) {
    this.#options = options
    this.#tables = tables
    this.#stored = new StoredEntries(tables, options)
    this.#tiers = new OwnTiers({ ...options, tables, lastMerge: loaded.lastMerge })
    this.#foreign = new ForeignTiers(tables)
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

  get waitingCount(): number {
    return this.#waiting.size
  }

  /** How many forks were found. */
  get forkCount(): number {
    return this.#forks.size
  }

  /** The incarnation that the next append belongs to, drawn if need be. */
  nextWriter(): NextWriter {
    const own = this.#ownLine()
    const { incarnation, actor, hasBegun } = own
    const { publicKey } = own.signer
    return { incarnation, actor, publicKey, hasBegun, sequence: own.sequence + 1 }
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
    const own = this.#ownLine()
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
    const own = this.#ownLine()
    const made = own.makeKeySpan(input.body, this.vector, {
      key: input.epoch.key,
      clear: input.clear,
      follows: followsDigest(input.follows),
    })
    return { ...this.#stage(own, [made]), epochId: epochIdOf(made.bytes) }
  }

  /** A write's outcome is not known: whatever it held, the next append begins a new incarnation. */
  poison(): void {
    if (this.#staged) this.#uncertain.push({ ...this.#staged, isOwn: true })
    this.#staged = undefined
    this.#own = undefined
  }

  /**
   * Takes spans, in any order and however often. Durable when it resolves.
   *
   * @param options - `extraOps` become durable with the last of the spans.
   * @returns One result for each span, then one for each that waited and no longer does. Read in
   * this order, the admitted entries are in the order of arrival.
   * @throws Whatever the vault threw; then it is not known what landed, and the next call finds out.
   */
  admit(
    spans: readonly Uint8Array[],
    options: { readonly extraOps?: readonly LogOp[] } = {},
  ): Promise<AdmitResult[]> {
    return this.#mutex.run(() => this.#admit(spans, [], options.extraOps ?? []))
  }

  /** Tries all that waits again: after keys or writers have become known. */
  retryWaiting(): Promise<AdmitResult[]> {
    return this.#mutex.run(() => this.#admit([], this.#waiting.all(), []))
  }

  /**
   * Merges what is due of this device's own logs, one merge at a time, each in one write. Appends go
   * on meanwhile.
   *
   * @returns What was merged; `undefined`: nothing is due, or nothing can be done now.
   * @throws {LogError} `LOG_SEAL`, `LOG_CHAIN`: what is stored is not what it says.
   * @throws Whatever the vault threw; nothing is lost by it, whether it was written or not.
   */
  merge(): Promise<MergedSpan | undefined> {
    return this.#mutex.run(async () => {
      if (this.#uncertain.length > 0) return undefined
      // None is begun for this: its parent would be fixed before anything is written.
      const { signer } = this.#own ?? this.#drawLine()
      return this.#tiers.merge(this.#tree, signer)
    })
  }

  /**
   * Entries of others that are here in spans which their writer would merge, of logs that went on
   * since this was last asked: whoever else has these may have wider ones. Each once.
   *
   * @param limit - How many, at most; the others come with the next call.
   */
  sought(limit: number): Promise<readonly SpanPlace[]> {
    return this.#foreign.sought(this.#tree, limit)
  }

  /**
   * The widest spans here of these entries: one for all of them, or several of two entries or more,
   * `bytesMax` of them or a single one.
   */
  async wider(
    place: SpanPlace,
    limit: { readonly bytesMax: number },
  ): Promise<readonly Uint8Array[]> {
    return widerSpans(this.#tables, place, limit.bytesMax)
  }

  /**
   * Spans that were merged here after the merge numbered `after`, and not taken in by a later one.
   * Each once, in order.
   */
  async *mergesAfter(after: number): AsyncIterable<MergedSpan & { readonly order: number }> {
    for await (const { order, ...place } of this.#tables.merges(after + 1)) {
      const bytes = await this.#bytesOf(place)
      if (bytes) yield { ...place, order, bytes }
    }
  }

  /** Whether this very span is kept here as far as it came: the rest waits for other entries. */
  async keepsPart(span: Uint8Array): Promise<boolean> {
    const { incarnation, start, end } = readSpan(span).header
    const node = this.#tree.get(incarnation)
    if (node === undefined || node.sequence >= end) return false
    const [record] = await this.#tables.spansFrom(incarnation, node.sequence, 1)
    if (record?.end !== node.sequence || record.start !== start) return false
    const [stored] = await this.#tables.spansAt([record.arrival])
    return stored !== undefined && equalBytes(stored.bytes, span)
  }

  /** Whether this very span is kept here: it was opened, and is what it says. */
  async keeps(span: Uint8Array): Promise<boolean> {
    const kept = await this.#bytesOf(readSpan(span).header)
    return kept !== undefined && equalBytes(kept, span)
  }

  async #bytesOf(place: SpanPlace): Promise<Uint8Array | undefined> {
    const [record] = await this.#tables.spansFrom(place.incarnation, place.end, 1)
    if (record?.end !== place.end || record.start !== place.start) return undefined
    const [stored] = await this.#tables.spansAt([record.arrival])
    if (stored === undefined) return undefined
    // A wider one may have come in its place since.
    const { start, end } = readSpan(stored.bytes).header
    return start === place.start && end === place.end ? stored.bytes : undefined
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
    const cut = (bytes: Uint8Array, from: number) =>
      cutSpan(this.#options, {
        signer: (this.#own ?? this.#drawLine()).signer,
        bytes,
        from,
        always: limit.cut === "always",
      })
    return selectSpans({ ...source, cut: limit.cut ? cut : undefined }, vector, limit.bytesMax)
  }

  /**
   * Entries whose arrival number is above `arrival`, in that order, to rebuild what is above.
   *
   * @throws {LogError} `LOG_SEAL` when the keyring lacks an epoch by the time its span is read.
   */
  async *entriesAfter(arrival: number): AsyncIterable<AdmittedEntry> {
    // A span whose first write failed but landed all the same may be on disk twice.
    const reached = new Map<string, number>()
    for await (const { entries } of this.#stored.runs(arrival + 1)) {
      for (const entry of entries) {
        const key = idKey(entry.incarnation)
        if (entry.arrival <= arrival || entry.sequence <= (reached.get(key) ?? 0)) continue
        reached.set(key, entry.sequence)
        yield entry
      }
    }
  }

  /** Spans that contradict what is here, as they were signed. */
  async *forks(): AsyncIterable<ForkProof> {
    for await (const { value } of this.#tables.forks()) yield { span: value }
  }

  #takeArrivals(count: number): number {
    this.#lastArrival += count
    return this.#lastArrival
  }

  #requireIdle(): void {
    if (this.#staged) throw new RangeError("an append is staged already")
  }

  #ownLine(): OwnLine {
    // A span being admitted goes on with our incarnation: a copy of this machine wrote it.
    if (this.#own && !this.#batch?.admitted.has(this.#own.key)) return this.#own
    this.#own = this.#drawLine()
    return this.#own
  }

  #drawLine(): OwnLine {
    const { keyring, writer, random, deflate } = this.#options
    const node = this.#ownKey === undefined ? undefined : this.#tree.byKey(this.#ownKey)
    const parent = node && {
      incarnation: node.incarnation,
      sequence: node.sequence,
      chain: node.chain,
    }
    return new OwnLine({ keyring, writer, random, deflate, parent })
  }

  #stage(own: OwnLine, made: readonly MadeSpan[]): StagedAppend {
    const { vector } = this
    const { incarnation, parent } = own
    const ops: LogOp[] = []
    const records: PlacedRecord[] = []
    const entries: AdmittedEntry[] = []
    const writer = own.signer.publicKey
    const from = this.#lastArrival + 1
    if (!own.hasBegun) {
      ops.push(this.#tables.putIncarnation({ incarnation, writer, parent, arrival: from }))
      ops.push(this.#tables.putWriter({ incarnation, seed: own.signer.seed }))
    }
    for (const span of made) {
      const lastArrival = this.#takeArrivals(span.entries.length)
      const { start, end, chainEnd, announces, bytes } = span
      const kind = announces ? SPAN_KEY : SPAN_ENTRIES
      const run = { arrival: lastArrival, from: start, end }
      ops.push(...this.#tables.putSpan({ ...span, incarnation, kind, runs: [run] }))
      records.push({ ...run, first: firstOf([run]), start, chainEnd, size: bytes.length, kind })
      const origin = { incarnation, writer, end, lastArrival, announces }
      entries.push(...admittedEntries(origin, span.entries))
    }
    const staged = { from, to: this.#lastArrival + 1 }
    this.#staged = staged
    const settle = () => {
      if (this.#staged !== staged) throw new RangeError("this append is not staged any more")
      this.#staged = undefined
    }
    return {
      ops,
      spans: made.map((span) => span.bytes),
      entries,
      commit: () => {
        settle()
        const first = entries[0]
        const last = made.at(-1)
        if (first === undefined || last === undefined) return
        const { chain } = first
        const start = { incarnation, writer, arrival: from, chain, ...(parent && { parent }) }
        // Into a tree that was read from the disk, which may have it already.
        const enter = (tree: IncarnationTree) => {
          if (tree.byKey(own.key) === undefined) tree.begin(start)
          if ((tree.byKey(own.key)?.sequence ?? 0) <= last.end) {
            tree.advance(own.key, last.end, last.chainEnd)
          }
        }
        enter(this.#tree)
        this.#committed?.push(enter)
        own.commit(made, vector)
        this.#ownKey = own.key
        this.#tiers.grew(own.key, records)
      },
      abandon: settle,
    }
  }

  async #admit(
    spans: readonly Uint8Array[],
    retried: readonly WaitingSpan[],
    extraOps: readonly LogOp[],
  ): Promise<AdmitResult[]> {
    if (this.#uncertain.length > 0) this.#untold.push(...(await this.#refresh()))
    const released: AdmitResult[] = []
    const results: AdmitResult[] = []
    let durable = 0
    try {
      await this.#admitAll({
        spans,
        retried,
        extraOps,
        results,
        released,
        finished: () => {
          durable = results.length
        },
      })
      durable = results.length
      await this.#takeIn()
    } catch (error) {
      this.#untold.push(...results.slice(0, durable), ...released)
      throw error
    }
    const untold = this.#untold
    this.#untold = []
    return [...results, ...untold, ...released]
  }

  async #admitAll(input: {
    readonly spans: readonly Uint8Array[]
    readonly retried: readonly WaitingSpan[]
    readonly extraOps: readonly LogOp[]
    readonly results: AdmitResult[]
    readonly released: AdmitResult[]
    readonly finished: () => void
  }): Promise<void> {
    const { spans, retried, extraOps, results, released, finished } = input
    const again = this.#hasUnsorted ? this.#waiting.all() : retried
    this.#hasUnsorted = false
    let batch = this.#beginBatch()
    for (const bytes of spans) {
      if (batch.admission.bytes >= WRITE_BYTES_MAX) {
        released.push(...(await this.#finishBatch(batch, [])))
        finished()
        batch = this.#beginBatch()
      }
      const judgement = await batch.admission.judge(bytes)
      results.push(batch.settle(bytes, judgement))
    }
    const late: AdmitResult[] = []
    for (const span of again) {
      const result = await this.#retry(batch, span)
      if (result) late.push(result)
    }
    late.push(...(await this.#finishBatch(batch, extraOps)))
    released.push(...late)
  }

  #beginBatch(): AdmissionBatch {
    const { keyring, deflate, bodies, checkWriter = () => "ok" as const } = this.#options
    const admission = new Admission({
      tables: this.#tables,
      stored: this.#stored,
      tree: this.#tree,
      keyring,
      checkWriter,
      deflate,
      bodies,
      takeArrivals: (count) => this.#takeArrivals(count),
      isBusy: (key) => this.#staged !== undefined && key === this.#own?.key,
    })
    if (this.#own) admission.progress.set(this.#own.key, this.#own.sequence)
    this.#batch = new AdmissionBatch(admission, this.#tables, this.#waiting, this.#forks)
    this.#batchFrom = this.#lastArrival + 1
    return this.#batch
  }

  /** Lets in what waited for this batch, makes all of it durable, then shows it. */
  async #finishBatch(batch: AdmissionBatch, extraOps: readonly LogOp[]): Promise<AdmitResult[]> {
    const { admission } = batch
    const released: AdmitResult[] = []
    for (;;) {
      const candidates = this.#candidates(admission)
      if (candidates.length === 0) break
      for (const span of candidates) {
        const result = await this.#retry(batch, span)
        if (result) released.push(result)
      }
    }
    const ops = [...batch.ops(), ...extraOps]
    try {
      if (ops.length > 0) await this.#options.vault.write(ops)
    } catch (error) {
      this.#uncertain.push({ from: this.#batchFrom, to: this.#lastArrival + 1, isOwn: false })
      throw error
    } finally {
      this.#batch = undefined
    }
    admission.draft.apply()
    this.#foreign.grew(batch.admitted)
    this.#wider.push(...admission.wider)
    this.#giveUpIfContinued(batch)
    return released
  }

  /** What came in takes the place of the smaller spans that it covers. */
  async #takeIn(): Promise<void> {
    const wider = this.#wider
    this.#wider = []
    const tables = this.#tables
    const options = { ...this.#options, tables, stored: this.#stored, tree: this.#tree }
    for (const span of wider) {
      const ops = await takeInSpans(options, span)
      if (ops === undefined) continue
      this.#tiers.changed(idKey(span.header.incarnation))
      await this.#options.vault.write(ops)
    }
  }

  #candidates(admission: Admission): readonly WaitingSpan[] {
    const candidates: WaitingSpan[] = []
    for (const [key, sequence] of admission.progress) {
      candidates.push(...this.#waiting.reached(key, sequence))
    }
    admission.progress.clear()
    for (const epoch of this.#waiting.epochs()) {
      const [first, ...rest] = this.#waiting.forEpoch(epoch)
      if (first === undefined) continue
      const { epoch: id } = readSpan(first.bytes).header
      if (idKey(id) === epoch && this.#options.keyring.epochKey(id)) candidates.push(first, ...rest)
    }
    return candidates
  }

  /** @returns What became of a waiting span; `undefined` if it goes on waiting. */
  async #retry(batch: AdmissionBatch, span: WaitingSpan): Promise<AdmitResult | undefined> {
    if (!this.#waiting.find(span.bytes)) return undefined
    const judgement = await batch.admission.judge(span.bytes)
    const result = batch.settle(span.bytes, judgement)
    return result.outcome === "waiting" ? undefined : result
  }

  /** Somebody else goes on with our incarnation: a copy of this machine. We begin another. */
  #giveUpIfContinued(batch: AdmissionBatch): void {
    if (this.#own && batch.admitted.has(this.#own.key)) {
      this.#ownKey = this.#own.key
      this.#own = undefined
    }
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
      landed = await this.#landed(writes)
    } catch (error) {
      this.#uncertain.push(...writes)
      throw error
    } finally {
      this.#committed = undefined
    }
    for (const enter of committed) enter(loaded.tree)
    this.#tree = loaded.tree
    this.#waiting = loaded.waiting
    this.#hasUnsorted = loaded.waiting.size > 0
    this.#forks = loaded.forks
    const { ownKey } = loaded
    // Read last, so that it may name a line that was begun since, or is not the newest any more.
    const isKnown = ownKey === undefined || loaded.tree.byKey(ownKey) !== undefined
    if (this.#own === undefined && committed.length === 0 && isKnown) this.#ownKey = ownKey
    this.#lastArrival = Math.max(this.#lastArrival, loaded.lastArrival)
    return landed
  }

  /** What is on the disk of writes that failed, and was not told. */
  async #landed(writes: readonly UncertainWrite[]): Promise<AdmitResult[]> {
    const landed = new Map<number, AdmitResult>()
    // Our own first: numbers of theirs lie in between those of an admission.
    for (const { from, to, isOwn } of writes.toSorted(
      (a, b) => Number(b.isOwn) - Number(a.isOwn),
    )) {
      for await (const run of this.#stored.runs(from, to)) {
        const { arrival } = run
        if (landed.has(arrival) || this.#isUnderWay(arrival)) continue
        const entries = run.entries.filter(
          ({ incarnation, sequence }) =>
            isOwn || (this.#tree.get(incarnation)?.sequence ?? 0) < sequence,
        )
        if (entries.length > 0) landed.set(arrival, { outcome: "admitted", entries })
      }
    }
    return [...landed].toSorted(([a], [b]) => a - b).map(([, result]) => result)
  }

  /** Whether this belongs to an append of which its owner will learn what came of it. */
  #isUnderWay(arrival: number): boolean {
    return this.#staged !== undefined && arrival >= this.#staged.from && arrival < this.#staged.to
  }
}

/** Arrival numbers `from` on, before `to`. */
interface ArrivalRange {
  readonly from: number
  readonly to: number
}

interface UncertainWrite extends ArrivalRange {
  /** An append, not an admission. */
  readonly isOwn: boolean
}
