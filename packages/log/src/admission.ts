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
 * @module
 */
import { compareBytes, equalBytes } from "@fulcrum/codec/bytes"
import { type AdmittedEntry, admittedEntries, announcementOf } from "./admitted-entry.ts"
import type { Deflate } from "./deflate.ts"
import { type Begin, decodeBegin, rootChain } from "./entry.ts"
import { type ChainHash, type EpochKey, type IncarnationId, idKey } from "./ids.ts"
import type { IncarnationTree } from "./incarnation-tree.ts"
import { LogError, type LogErrorCode } from "./log-error.ts"
import type { LogTables } from "./log-tables.ts"
import type { LogOp } from "./log-vault.ts"
import type { CheckWriter, SpaceKeyring } from "./space-keyring.ts"
import {
  epochIdOf,
  isSigned,
  openSpan,
  readSpan,
  SPAN_KEY,
  SPAN_SNAPSHOT,
  type Span,
  type SpanEntry,
  type SpanHeader,
} from "./span.ts"
import { type Head, TreeDraft } from "./tree-draft.ts"
import { VECTOR_ROWS_MAX } from "./vector.ts"
import type { Verified } from "./verified.ts"
import type { Need, WaitingFor } from "./waiting-room.ts"

/** Most incarnations in one space: several starts a day, by several devices, for decades. */
export const INCARNATIONS_MAX = 65_536

export type AdmitResult =
  | { readonly outcome: "admitted"; readonly entries: readonly AdmittedEntry[] }
  | { readonly outcome: "known" }
  | { readonly outcome: "waiting"; readonly why: WaitingFor }
  | { readonly outcome: "refused"; readonly code: LogErrorCode }
  /** Its writer signed two histories; the span is kept as proof. */
  | { readonly outcome: "fork"; readonly incarnation: IncarnationId }

/** What a batch makes of one span; only waiting says more than the caller is told. */
export type Judgement =
  | Exclude<AdmitResult, { readonly outcome: "waiting" }>
  | { readonly outcome: "waiting"; readonly need: Need }

export interface AdmissionOptions {
  readonly tables: LogTables
  readonly tree: IncarnationTree
  readonly keyring: SpaceKeyring
  readonly checkWriter: CheckWriter
  readonly deflate: Deflate
  /** Hands out arrival numbers, each once, and gives the last of them. */
  readonly takeArrivals: (count: number) => number
  /** Whether an append of ours is under way there: nothing else may continue it meanwhile. */
  readonly isBusy: (incarnation: string) => boolean
}

export class Admission {
  readonly draft: TreeDraft
  /** What makes this batch durable. */
  readonly ops: LogOp[] = []
  /** How far each incarnation came in this batch. */
  readonly progress: Map<string, number> = new Map()
  readonly #options: AdmissionOptions
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

  /** Takes a span, or says why not. */
  async judge(encoded: Uint8Array): Promise<Judgement> {
    try {
      const span = readSpan(encoded)
      return await this.#judge(span)
    } catch (error) {
      if (!(error instanceof LogError)) throw error
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
    if (!isSigned(span)) return refuse("LOG_SIGNATURE")
    if (head && compareBytes(head.writer, header.writer) !== 0) return refuse("LOG_WRITER")
    if (head && header.start > head.sequence + 1) return wait(predecessor(key, header.start - 1))
    if (this.#options.isBusy(key)) return wait(predecessor(key, header.end))
    if (head && header.start < head.first) return refuse("LOG_CHAIN")
    if (head && header.start === head.sequence + 1 && !equalBytes(header.chainBefore, head.chain)) {
      return fork(span)
    }
    const epochKey = this.#epochKey(span)
    if (epochKey === undefined) return wait({ why: "epoch", key: idKey(epochOf(span)) })
    const { chainKey } = this.#options.keyring
    const entries = openSpan(span, { chainKey, epochKey, deflate: this.#options.deflate })
    return this.#judgeOpened(span, key, head, entries)
  }

  async #judgeOpened(
    span: Verified<Span>,
    key: string,
    head: Head | undefined,
    entries: readonly SpanEntry[],
  ): Promise<Judgement> {
    const { header } = span
    const first = entries[0]
    const begin = first?.kind === "begin" ? decodeBegin(first.body) : undefined
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
    const fresh = skipped === 0 ? entries : entries.slice(skipped)
    const missing = this.#missingRow(fresh)
    return missing ? wait(missing) : this.#take({ span, key, begin, skipped, fresh })
  }

  /** All of it is here already, or something else is in its place. */
  async #judgeCovered(span: Span, key: string, head: Head): Promise<Judgement> {
    const { header } = span
    const { end, incarnation, chainEnd } = header
    if (header.start < head.first) return refuse("LOG_CHAIN")
    const ours = end === head.sequence ? head.chain : await this.chainAt(key, incarnation, end)
    if (ours === undefined) return refuse("LOG_CHAIN")
    if (equalBytes(ours, chainEnd)) return { outcome: "known" }
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
    const { tables } = this.#options
    const [record] = await tables.spansFrom(incarnation, sequence, 1)
    if (record === undefined || record.start > sequence) return undefined
    if (record.end === sequence) return record.chainEnd
    const [stored] = await tables.spansAt([record.arrival])
    return stored && this.open(stored.bytes).entries[sequence - record.start]?.chain
  }

  /** Opens a span that was verified before it was stored. */
  open(stored: Uint8Array): { readonly span: Span; readonly entries: readonly SpanEntry[] } {
    return openStored(stored, this.#options)
  }

  #take(taken: {
    readonly span: Verified<Span>
    readonly key: string
    readonly begin: Begin | undefined
    readonly skipped: number
    readonly fresh: readonly SpanEntry[]
  }): Judgement {
    const { span, key, begin, skipped, fresh } = taken
    const { incarnation, writer, start, end, chainEnd } = span.header
    const { draft } = this
    const lastArrival = this.#options.takeArrivals(fresh.length)
    if (draft.head(key) === undefined) {
      const parent = begin?.parent
      const first = fresh[0]
      if (first === undefined) throw new TypeError("a span has at least one entry")
      const started = { incarnation, writer, arrival: lastArrival - fresh.length + 1 }
      this.ops.push(this.#options.tables.putIncarnation({ ...started, parent }))
      draft.begin({ ...started, ...(parent && { parent }), chain: first.chain })
    }
    draft.advance(key, end, chainEnd)
    this.#bytes += span.bytes.length
    const { bytes } = span
    const record = { arrival: lastArrival, skipped, bytes, incarnation, start, end, chainEnd }
    this.ops.push(...this.#options.tables.putSpan(record))
    this.#boundaries.set(`${key} ${end}`, chainEnd)
    this.progress.set(key, end)
    const announces = announcementOf(span)
    const from = { incarnation, writer, end, lastArrival, announces }
    return { outcome: "admitted", entries: admittedEntries(from, fresh) }
  }

  #missingRow(entries: readonly SpanEntry[]): Need | undefined {
    for (const { on } of entries) {
      for (const { incarnation, sequence } of on) {
        const key = idKey(incarnation)
        const head = this.draft.head(key)
        if (head === undefined || head.sequence < sequence) return { why: "on", key, sequence }
      }
    }
    return undefined
  }

  #epochKey(span: Span): EpochKey | undefined {
    return epochKeyFor(span, this.#options.keyring)
  }
}

/** The key that opens a span, if the keyring has it. */
export function epochKeyFor(span: Span, keyring: SpaceKeyring): EpochKey | undefined {
  const { header, clear } = span
  const epoch = epochOf(span)
  const known = keyring.epochKey(epoch)
  if (known || header.kind !== SPAN_KEY) return known
  return keyring.openKeySpan?.({ epoch, header, clear })
}

/**
 * Opens a span that this replica verified before it stored it, and whose record its vault
 * authenticated.
 *
 * @throws {LogError} `LOG_SEAL` if the keyring lacks its epoch.
 */
export function openStored(
  stored: Uint8Array,
  { keyring, deflate }: { readonly keyring: SpaceKeyring; readonly deflate: Deflate },
): { readonly span: Span; readonly entries: readonly SpanEntry[] } {
  const span = asVerified(readSpan(stored))
  const epochKey = epochKeyFor(span, keyring)
  if (epochKey === undefined) throw new LogError("LOG_SEAL", "the keyring lacks a stored epoch")
  const { chainKey } = keyring
  return { span, entries: openSpan(span, { chainKey, epochKey, deflate }) }
}

function asVerified(span: Span): Verified<Span>
function asVerified(span: Span): Span {
  return span
}

function epochOf(span: Span) {
  return span.header.kind === SPAN_KEY ? epochIdOf(span.bytes) : span.header.epoch
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
