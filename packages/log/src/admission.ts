/**
 * Admission: which spans a replica takes, in one batch that becomes durable at once.
 *
 * A span is admitted if it is for this space, signed by its incarnation's writer, opens, gives
 * the chain hashes it names, follows what is here, and everything it was written on is here. One
 * that may still be admitted later waits. One that contradicts what is here is a fork: two
 * histories under one incarnation, both signed; it is kept as proof and not applied.
 *
 * `on` rows count by their sequence alone: whoever honestly built on the other side of a fork
 * must not be locked out with the forger.
 *
 * A span is taken entry by entry: once writers who wrote on each other's entries have merged theirs,
 * each of two spans needs entries of the other. What a span has that is still to come waits with it.
 * One that reaches over several incarnations is compared with what is here of each before any entry
 * of it is taken.
 *
 * @module
 */

import { compareBytes, equalBytes } from "@fulcrum/codec/bytes"
import type { Clock } from "@fulcrum/crypto/clock"
import { type AdmittedEntry, admittedEntries, announcementOf } from "./admitted-entry.ts"
import { type Begin, rootChain } from "./entry.ts"
import { type ChainHash, type IncarnationId, idKey } from "./ids.ts"
import type { IncarnationTree } from "./incarnation-tree.ts"
import { LogError, type LogErrorCode } from "./log-error.ts"
import type { Run, SpanPart } from "./log-records.ts"
import { addRun, type LogTables } from "./log-tables.ts"
import type { LogOp } from "./log-vault.ts"
import type { OpenedSpan, OpenedSpans } from "./opened-spans.ts"
import { type Segment, segmentsOf } from "./segments.ts"
import { inSlices } from "./slices.ts"
import type { CheckWriter } from "./space-keyring.ts"
import { isSigned, readSpan, SPAN_KEY, SPAN_SNAPSHOT, type Span, type SpanHeader } from "./span.ts"
import { openingSpan, type SpanEntry, type SpanSecrets } from "./span-entries.ts"
import type { StoredEntries } from "./stored-entries.ts"
import { epochOf, type LogSecrets, secretsFor } from "./stored-span.ts"
import { type Head, TreeDraft } from "./tree-draft.ts"
import { VECTOR_ROWS_ADMITTED_MAX, type VectorRow } from "./vector.ts"
import type { Verified } from "./verified.ts"
import type { Need, WaitingFor } from "./waiting-room.ts"

/** Most incarnations in one space: several starts a day, by several devices, for decades. */
export const INCARNATIONS_MAX = 65_536

/** About what one run takes on the disk. */
const RUN_BYTES = 128

export type AdmitResult =
  | { readonly outcome: "admitted"; readonly entries: readonly AdmittedEntry[] }
  /** All of it was here; it may have taken the place of smaller spans. */
  | { readonly outcome: "known" }
  | { readonly outcome: "waiting"; readonly why: WaitingFor }
  | { readonly outcome: "refused"; readonly code: LogErrorCode }
  /** Its writer signed two histories; the span is kept as proof. */
  | { readonly outcome: "fork"; readonly incarnation: IncarnationId }

/** What a batch makes of one span; only waiting says more than the caller is told. */
export type Judgement =
  | Exclude<AdmitResult, { readonly outcome: "waiting" | "admitted" }>
  | { readonly outcome: "waiting"; readonly need: Need }
  | {
      readonly outcome: "admitted"
      readonly entries: readonly AdmittedEntry[]
      /** What the rest of it waits for. */
      readonly need: Need | undefined
    }

/** What a batch took of one span. */
interface TakenSpan {
  readonly span: Verified<Span>
  readonly entries: readonly SpanEntry[]
  readonly parts: TakenPart[]
}

/** Of one incarnation. */
interface TakenPart extends SpanPart {
  readonly runs: Run[]
  end: number
  chainEnd: ChainHash
}

export interface AdmissionOptions extends LogSecrets {
  readonly tables: LogTables
  readonly stored: StoredEntries
  readonly tree: IncarnationTree
  /** Absent: a span is opened at once. */
  readonly clock?: Clock | undefined
  /** Those of earlier batches too. */
  readonly opened: OpenedSpans
  readonly checkWriter: CheckWriter
  /** Hands out arrival numbers, each once, and gives the last of them. */
  readonly takeArrivals: (count: number) => number
  /** Whether an append of ours is under way there: nothing else may continue it meanwhile. */
  readonly isBusy: (incarnation: string) => boolean
}

export class Admission {
  readonly draft: TreeDraft
  /** How far each incarnation came in this batch. */
  readonly progress: Map<string, number> = new Map()
  /** Spans that may take the place of smaller ones, once this batch is durable. */
  readonly wider: Set<Span> = new Set()
  readonly #options: AdmissionOptions
  readonly #ops: LogOp[] = []
  readonly #taken = new Map<Uint8Array, TakenSpan>()
  /** Boundaries of spans in this batch, which the tables do not show yet. */
  readonly #boundaries = new Map<string, ChainHash>()
  #bytes = 0

  constructor(options: AdmissionOptions) {
    this.#options = options
    this.draft = new TreeDraft(options.tree)
  }

  /** Bytes of the spans taken so far. */
  get bytes(): number {
    return this.#bytes
  }

  /** What makes this batch durable. */
  ops(): readonly LogOp[] {
    const { tables } = this.#options
    const puts = [...this.#taken].flatMap(([bytes, { span, parts }]) => {
      const { start, kind } = span.header
      return kind === SPAN_SNAPSHOT ? [] : tables.putSpan({ start, bytes, kind }, parts)
    })
    return [...this.#ops, ...puts]
  }

  /** It does not wait here any more, or as other bytes. */
  leave(encoded: Uint8Array): void {
    this.#options.opened.forget(encoded)
  }

  /** Takes a span, or says why not. */
  async judge(encoded: Uint8Array): Promise<Judgement> {
    const { opened } = this.#options
    try {
      const judgement = await this.#judge(opened.find(encoded)?.span ?? readSpan(encoded))
      if (!("need" in judgement) || judgement.need === undefined) opened.forget(encoded)
      return judgement
    } catch (error) {
      if (!(error instanceof LogError)) throw error
      opened.forget(encoded)
      return error.code === "LOG_VERSION" ? wait({ why: "version" }) : refuse(error.code)
    }
  }

  async #judge(span: Span, openedBefore?: OpenedSpan): Promise<Judgement> {
    const { header } = span
    const { tag } = this.#options.keyring
    if (compareBytes(header.space, tag) !== 0) return refuse("LOG_SPACE")
    if (header.kind === SPAN_SNAPSHOT) return refuse("LOG_MALFORMED")
    const key = idKey(header.incarnation)
    const head = this.draft.head(key)
    if (head && header.end <= head.sequence) return this.#judgeCovered(span, key, head)
    if (!this.#isSigned(span)) return refuse("LOG_SIGNATURE")
    if (head && compareBytes(head.writer, header.writer) !== 0) return refuse("LOG_WRITER")
    if (head && header.start > head.sequence + 1) return await this.#judgeAhead(span, key)
    if (this.#options.isBusy(key)) return wait(predecessor(key, header.end))
    if (head && header.start === head.sequence + 1 && !equalBytes(header.chainBefore, head.chain)) {
      return fork(header.incarnation)
    }
    const opened = openedBefore ?? this.#options.opened.find(span.bytes)
    const secrets = opened ? undefined : secretsFor(span, this.#options)
    if (opened === undefined) {
      if (secrets === undefined) return wait({ why: "epoch", key: idKey(epochOf(span)) })
      // Meanwhile others have their turn, and what was looked at may be otherwise.
      return this.#judge(span, await this.#open(span, secrets))
    }
    return this.#judgeWriter(opened) ?? this.#judgeOpened(opened)
  }

  /** Its predecessors are not here. A key span is opened all the same: it may carry their keys. */
  async #judgeAhead(span: Verified<Span>, key: string): Promise<Judgement> {
    const { header } = span
    if (header.kind === SPAN_KEY) {
      const known = this.#options.opened.find(span.bytes)
      const secrets = known ? undefined : secretsFor(span, this.#options)
      const opened = known ?? (secrets && (await this.#open(span, secrets)))
      if (opened === undefined) return wait({ why: "epoch", key: idKey(epochOf(span)) })
    }
    return wait(predecessor(key, header.start - 1))
  }

  #judgeWriter(opened: OpenedSpan): Judgement | undefined {
    if (opened.isLetIn) return undefined
    const { span, segments } = opened
    const { kind, writer } = span.header
    const verdicts = segments.map(({ incarnation, first: { begin } }) =>
      this.#options.checkWriter({ kind, writer, incarnation }, begin),
    )
    if (verdicts.includes("refused")) return refuse("LOG_WRITER")
    if (verdicts.includes("unknown")) return wait({ why: "writer" })
    opened.isLetIn = true
    return undefined
  }

  #tellKeys({ span, entries }: OpenedSpan): void {
    const { header } = span
    const body = entries.at(-1)?.body
    if (header.kind !== SPAN_KEY || body === undefined) return
    this.#options.keyring.openedKeySpan?.({ epoch: epochOf(span), header, body })
  }

  async #judgeOpened(opened: OpenedSpan): Promise<Judgement> {
    const { span, entries, segments } = opened
    const { header } = span
    let skipped = 0
    let begun = 0
    for (const segment of segments) {
      const head = this.draft.head(segment.key)
      const contradiction = head
        ? await this.#judgeGoingOn(opened, segment, head)
        : await this.#judgeNew(span, segment, begun++)
      if (contradiction) return contradiction
      if (head) skipped = Math.min(head.sequence, segment.last.sequence) - header.start + 1
    }
    if (skipped > 0) this.wider.add(span)
    const { count, need } = this.#ready(entries, skipped)
    const isWhole = header.kind === SPAN_KEY
    if (need && (count === 0 || isWhole)) return wait(need)
    const ready = segmentsOf(entries.slice(skipped, skipped + count))
    if (this.#isTooWide(ready)) return refuse("LOG_TOO_MANY")
    return this.#take(opened, entries.slice(skipped, skipped + count), need)
  }

  /** Whether so many lines would part that a vector could not name them. */
  #isTooWide(ready: readonly Segment[]): boolean {
    const after = this.draft.leafCountWith(
      ready.map(({ key, first, last }) => ({
        key,
        end: last.sequence,
        parent: first.begin?.parent,
      })),
    )
    return after > VECTOR_ROWS_ADMITTED_MAX && after > this.draft.leafCount
  }

  /** What a span has of an incarnation that is here. */
  async #judgeGoingOn(
    { span, entries }: OpenedSpan,
    { incarnation, key, first, last }: Segment,
    head: Head,
  ): Promise<Judgement | undefined> {
    if (!equalBytes(head.writer, span.header.writer)) return refuse("LOG_WRITER")
    if (first.begin ? first.sequence !== head.first : first.sequence < head.first) {
      return refuse("LOG_CHAIN")
    }
    if (first.sequence > head.sequence + 1) return wait(predecessor(key, first.sequence - 1))
    if (this.#options.isBusy(key)) return wait(predecessor(key, last.sequence))
    const common = Math.min(head.sequence, last.sequence)
    const ours =
      common === head.sequence ? head.chain : await this.chainAt(key, incarnation, common)
    const theirs =
      common < first.sequence ? first.chainBefore : entries[common - span.header.start]?.chain
    return ours && theirs && equalBytes(ours, theirs) ? undefined : fork(incarnation)
  }

  /**
   * What a span has of one that is not.
   *
   * @param begun - How many it has before it that are not here either.
   */
  #judgeNew(
    { header }: Span,
    { incarnation, key, first }: Segment,
    begun: number,
  ): Promise<Judgement | undefined> | Judgement | undefined {
    if (this.#options.isBusy(key)) return wait(predecessor(key, first.sequence))
    if (this.draft.size + begun >= INCARNATIONS_MAX) return refuse("LOG_TOO_MANY")
    // What the span has before it is what it continues: that was looked at when it was opened.
    if (first.sequence > header.start) return undefined
    const { begin } = first
    return begin
      ? this.#judgeBegin(incarnation, header, begin)
      : wait(predecessor(key, header.start - 1))
  }

  /** All of it is here already, or something else is in its place. */
  async #judgeCovered(span: Span, key: string, head: Head): Promise<Judgement> {
    const { header } = span
    const { end, incarnation, chainEnd } = header
    const ours = end === head.sequence ? head.chain : await this.chainAt(key, incarnation, end)
    if (ours === undefined) return refuse("LOG_CHAIN")
    if (equalBytes(ours, chainEnd)) {
      // One that somebody else signed takes nothing's place.
      if (header.start < end && equalBytes(head.writer, header.writer)) this.wider.add(span)
      return { outcome: "known" }
    }
    if (!isSigned(span)) return refuse("LOG_SIGNATURE")
    if (compareBytes(head.writer, header.writer) !== 0) return refuse("LOG_WRITER")
    return fork(incarnation)
  }

  async #judgeBegin(
    incarnation: IncarnationId,
    { start, chainBefore }: Pick<SpanHeader, "start" | "chainBefore">,
    { parent }: Begin,
  ): Promise<Judgement | undefined> {
    const { keyring } = this.#options
    const before = parent?.chain ?? rootChain(keyring.chainKey, keyring.tag, incarnation)
    if (start !== (parent?.sequence ?? 0) + 1) return refuse("LOG_CHAIN")
    if (!equalBytes(chainBefore, before)) return refuse("LOG_CHAIN")
    if (parent === undefined) return undefined
    const parentKey = idKey(parent.incarnation)
    const head = this.draft.head(parentKey)
    if (head === undefined || head.sequence < parent.sequence) {
      return wait(predecessor(parentKey, parent.sequence))
    }
    const chain =
      head.sequence === parent.sequence
        ? head.chain
        : await this.chainAt(parentKey, parent.incarnation, parent.sequence)
    return chain && equalBytes(chain, parent.chain) ? undefined : refuse("LOG_CHAIN")
  }

  /** The chain hash of an entry that is here; `undefined` if its incarnation begins later. */
  async chainAt(
    key: string,
    incarnation: IncarnationId,
    sequence: number,
  ): Promise<ChainHash | undefined> {
    const inBatch = this.#boundaries.get(`${key} ${sequence}`)
    if (inBatch) return inBatch
    for (const { span, entries, parts } of this.#taken.values()) {
      const entry = entries[sequence - span.header.start]
      const isIn = entry !== undefined && sequence <= (parts.at(-1)?.end ?? 0)
      if (isIn && equalBytes(entry.incarnation, incarnation)) return entry.chain
    }
    return this.#options.stored.chainAt(incarnation, sequence)
  }

  async #open(span: Verified<Span>, secrets: SpanSecrets): Promise<OpenedSpan> {
    const entries = await inSlices(openingSpan(span, secrets), this.#options.clock)
    const opened = { span, entries, segments: segmentsOf(entries), isLetIn: false }
    this.#options.opened.keep(opened)
    this.#tellKeys(opened)
    return opened
  }

  #isSigned(span: Span): span is Verified<Span> {
    return this.#options.opened.find(span.bytes) !== undefined || isSigned(span)
  }

  #take(opened: OpenedSpan, ready: readonly SpanEntry[], need: Need | undefined): Judgement {
    const { span } = opened
    const { writer } = span.header
    const end = ready.at(-1)?.sequence
    if (end === undefined) throw new TypeError("nothing was ready")
    const lastArrival = this.#options.takeArrivals(ready.length)
    for (const { incarnation, key, first, last } of segmentsOf(ready)) {
      if (this.draft.head(key) === undefined) {
        const parent = first.begin?.parent
        const started = { incarnation, writer, arrival: lastArrival - (end - first.sequence) }
        this.#ops.push(this.#options.tables.putIncarnation({ ...started, parent }))
        this.draft.begin({ ...started, ...(parent && { parent }), chain: first.chain })
      }
      this.draft.advance(key, last.sequence, last.chain)
      const arrival = lastArrival - (end - last.sequence)
      this.#note(
        opened,
        incarnation,
        { arrival, from: first.sequence, end: last.sequence },
        last.chain,
      )
      this.#boundaries.set(`${key} ${last.sequence}`, last.chain)
      this.progress.set(key, last.sequence)
    }
    const from = { writer, end, lastArrival, announces: announcementOf(span) }
    return { outcome: "admitted", entries: admittedEntries(from, ready), need }
  }

  #note(
    { span, entries }: OpenedSpan,
    incarnation: IncarnationId,
    run: Run,
    chainEnd: ChainHash,
  ): void {
    let taken = this.#taken.get(span.bytes)
    // A run that stands alone takes a record of its own.
    this.#bytes += RUN_BYTES
    if (taken === undefined) {
      taken = { span, entries, parts: [] }
      this.#taken.set(span.bytes, taken)
      this.#bytes += span.bytes.length
    }
    const part = taken.parts.at(-1)
    if (part === undefined || !equalBytes(part.incarnation, incarnation)) {
      taken.parts.push({ incarnation, runs: [run], end: run.end, chainEnd })
      return
    }
    addRun(part.runs, run)
    part.end = run.end
    part.chainEnd = chainEnd
  }

  /** How many entries from `from` on have all that they were written on here, and what lacks then. */
  #ready(
    entries: readonly SpanEntry[],
    from: number,
  ): { readonly count: number; readonly need: Need | undefined } {
    for (let at = from; at < entries.length; at++) {
      const need = this.#missingRow(entries[at]?.on ?? [])
      if (need) return { count: at - from, need }
    }
    return { count: entries.length - from, need: undefined }
  }

  #missingRow(on: readonly VectorRow[]): Need | undefined {
    for (const { incarnation, sequence } of on) {
      const key = idKey(incarnation)
      const head = this.draft.head(key)
      if (head === undefined || head.sequence < sequence) return { why: "on", key, sequence }
    }
    return undefined
  }
}

function predecessor(key: string, sequence: number): Need {
  return { why: "predecessor", key, sequence }
}

function wait(need: Need): Judgement {
  return { outcome: "waiting", need }
}

function fork(incarnation: IncarnationId): Judgement {
  return { outcome: "fork", incarnation }
}

function refuse(code: LogErrorCode): Judgement {
  return { outcome: "refused", code }
}
