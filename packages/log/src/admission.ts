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
 *
 * @module
 */
import { compareBytes, equalBytes } from "@fulcrum/codec/bytes"
import { type AdmittedEntry, admittedEntries, announcementOf } from "./admitted-entry.ts"
import { type Begin, decodeBegin, rootChain } from "./entry.ts"
import { type ChainHash, type IncarnationId, idKey } from "./ids.ts"
import type { IncarnationTree } from "./incarnation-tree.ts"
import { LogError, type LogErrorCode } from "./log-error.ts"
import { addRun, type LogTables, type Run } from "./log-tables.ts"
import type { LogOp } from "./log-vault.ts"
import type { OpenedSpan, OpenedSpans } from "./opened-spans.ts"
import type { CheckWriter } from "./space-keyring.ts"
import {
  isSigned,
  openSpan,
  readSpan,
  SPAN_KEY,
  SPAN_SNAPSHOT,
  type Span,
  type SpanEntry,
  type SpanHeader,
} from "./span.ts"
import type { StoredEntries } from "./stored-entries.ts"
import { epochOf, type LogSecrets, secretsFor } from "./stored-span.ts"
import { type Head, TreeDraft } from "./tree-draft.ts"
import { VECTOR_ROWS_MAX, type VectorRow } from "./vector.ts"
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
  readonly runs: Run[]
  chainEnd: ChainHash
}

export interface AdmissionOptions extends LogSecrets {
  readonly tables: LogTables
  readonly stored: StoredEntries
  readonly tree: IncarnationTree
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
    const puts = [...this.#taken].flatMap(([bytes, { span, runs, chainEnd }]) => {
      const { incarnation, start, kind } = span.header
      const end = runs.at(-1)?.end
      if (end === undefined || kind === SPAN_SNAPSHOT) return []
      return tables.putSpan({ incarnation, start, end, chainEnd, bytes, kind, runs })
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

  async #judge(span: Span): Promise<Judgement> {
    const { header } = span
    const { tag } = this.#options.keyring
    if (compareBytes(header.space, tag) !== 0) return refuse("LOG_SPACE")
    if (header.kind === SPAN_SNAPSHOT) return refuse("LOG_MALFORMED")
    const key = idKey(header.incarnation)
    const head = this.draft.head(key)
    if (head && header.end <= head.sequence) return this.#judgeCovered(span, key, head)
    if (!this.#isSigned(span)) return refuse("LOG_SIGNATURE")
    if (head && compareBytes(head.writer, header.writer) !== 0) return refuse("LOG_WRITER")
    if (head && header.start > head.sequence + 1) return wait(predecessor(key, header.start - 1))
    if (this.#options.isBusy(key)) return wait(predecessor(key, header.end))
    if (head && header.start < head.first) return refuse("LOG_CHAIN")
    if (head && header.start === head.sequence + 1 && !equalBytes(header.chainBefore, head.chain)) {
      return fork(span)
    }
    const opened = this.#open(span)
    if (opened === undefined) return wait({ why: "epoch", key: idKey(epochOf(span)) })
    return this.#judgeOpened(opened, key, head)
  }

  async #judgeOpened(opened: OpenedSpan, key: string, head: Head | undefined): Promise<Judgement> {
    const { span, entries, begin } = opened
    const { header } = span
    const verdict = this.#options.checkWriter(header, begin)
    if (verdict === "refused") return refuse("LOG_WRITER")
    if (verdict === "unknown") return wait({ why: "writer" })
    if (head === undefined) {
      const refusal = begin
        ? await this.#judgeBegin(header, begin)
        : wait(predecessor(key, header.start - 1))
      if (refusal) return refusal
    } else {
      if (begin && header.start !== head.first) return refuse("LOG_CHAIN")
      const overlapping = entries[head.sequence - header.start]
      if (overlapping && !equalBytes(overlapping.chain, head.chain)) return fork(span)
    }
    const skipped = head === undefined ? 0 : head.sequence - header.start + 1
    if (skipped > 0) this.wider.add(span)
    const { count, need } = this.#ready(entries, skipped)
    const isWhole = header.kind === SPAN_KEY
    if (need && (count === 0 || isWhole)) return wait(need)
    return this.#take(opened, key, entries.slice(skipped, skipped + count), need)
  }

  /** All of it is here already, or something else is in its place. */
  async #judgeCovered(span: Span, key: string, head: Head): Promise<Judgement> {
    const { header } = span
    const { end, incarnation, chainEnd } = header
    if (header.start < head.first) return refuse("LOG_CHAIN")
    const ours = end === head.sequence ? head.chain : await this.chainAt(key, incarnation, end)
    if (ours === undefined) return refuse("LOG_CHAIN")
    if (equalBytes(ours, chainEnd)) {
      // One that somebody else signed takes nothing's place.
      if (header.start < end && equalBytes(head.writer, header.writer)) this.wider.add(span)
      return { outcome: "known" }
    }
    if (!isSigned(span)) return refuse("LOG_SIGNATURE")
    if (compareBytes(head.writer, header.writer) !== 0) return refuse("LOG_WRITER")
    return fork(span)
  }

  async #judgeBegin(header: SpanHeader, begin: Begin): Promise<Judgement | undefined> {
    const { keyring, tree } = this.#options
    const { parent } = begin
    const before = parent?.chain ?? rootChain(keyring.chainKey, keyring.tag, header.incarnation)
    if (header.start !== (parent?.sequence ?? 0) + 1) return refuse("LOG_CHAIN")
    if (!equalBytes(header.chainBefore, before)) return refuse("LOG_CHAIN")
    const isFull =
      this.draft.size >= INCARNATIONS_MAX ||
      tree.leafCount + this.draft.begunCount >= VECTOR_ROWS_MAX
    if (isFull) return refuse("LOG_TOO_MANY")
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
    for (const { span, entries, runs } of this.#taken.values()) {
      const { start } = span.header
      const isIn = sequence >= start && sequence <= (runs.at(-1)?.end ?? 0)
      if (isIn && equalBytes(span.header.incarnation, incarnation)) {
        return entries[sequence - start]?.chain
      }
    }
    return this.#options.stored.chainAt(incarnation, sequence)
  }

  /** `undefined`: its key is not known. */
  #open(span: Verified<Span>): OpenedSpan | undefined {
    const known = this.#options.opened.find(span.bytes)
    if (known) return known
    const secrets = secretsFor(span, this.#options)
    if (secrets === undefined) return undefined
    const entries = openSpan(span, secrets)
    const first = entries[0]
    const begin = first?.kind === "begin" ? decodeBegin(first.body) : undefined
    const opened = { span, entries, begin }
    this.#options.opened.keep(opened)
    return opened
  }

  #isSigned(span: Span): span is Verified<Span> {
    return this.#options.opened.find(span.bytes) !== undefined || isSigned(span)
  }

  #take(
    opened: OpenedSpan,
    key: string,
    ready: readonly SpanEntry[],
    need: Need | undefined,
  ): Judgement {
    const { span, begin } = opened
    const { incarnation, writer } = span.header
    const { draft } = this
    const [first, last] = [ready[0], ready.at(-1)]
    if (first === undefined || last === undefined) throw new TypeError("nothing was ready")
    const arrival = this.#options.takeArrivals(ready.length)
    if (draft.head(key) === undefined) {
      const parent = begin?.parent
      const started = { incarnation, writer, arrival: arrival - ready.length + 1 }
      this.#ops.push(this.#options.tables.putIncarnation({ ...started, parent }))
      draft.begin({ ...started, ...(parent && { parent }), chain: first.chain })
    }
    draft.advance(key, last.sequence, last.chain)
    this.#note(opened, { arrival, from: first.sequence, end: last.sequence }, last.chain)
    this.#boundaries.set(`${key} ${last.sequence}`, last.chain)
    this.progress.set(key, last.sequence)
    const announces = announcementOf(span)
    const from = { incarnation, writer, end: last.sequence, lastArrival: arrival, announces }
    return { outcome: "admitted", entries: admittedEntries(from, ready), need }
  }

  #note({ span, entries }: OpenedSpan, run: Run, chainEnd: ChainHash): void {
    const taken = this.#taken.get(span.bytes)
    // A run that stands alone takes a record of its own.
    this.#bytes += RUN_BYTES
    if (taken) {
      addRun(taken.runs, run)
      taken.chainEnd = chainEnd
      return
    }
    this.#taken.set(span.bytes, { span, entries, runs: [run], chainEnd })
    this.#bytes += span.bytes.length
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

function fork(span: Span): Judgement {
  return { outcome: "fork", incarnation: span.header.incarnation }
}

function refuse(code: LogErrorCode): Judgement {
  return { outcome: "refused", code }
}
