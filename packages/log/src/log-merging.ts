/**
 * How the spans of a replica become fewer: merging what this device wrote, taking in what others
 * merged, and what peers and relays need to know of it. Only tables change: what is in the log, and
 * what is shown of it, stays.
 *
 * @module
 */
import { equalBytes } from "@fulcrum/codec/bytes"
import type { SigningKey } from "@fulcrum/crypto/ed25519"
import { ForeignTiers, widerSpans } from "./foreign-tiers.ts"
import { idKey } from "./ids.ts"
import type { IncarnationTree } from "./incarnation-tree.ts"
import type { PlacedRecord, SpanPlace } from "./log-records.ts"
import type { LogVault } from "./log-vault.ts"
import { cutSpan, endHere, type MergedSpan, type MergingOptions, takeInSpans } from "./merging.ts"
import { OwnTiers } from "./own-tiers.ts"
import { isSigned, readSpan, type Span, spanHash } from "./span.ts"
import type { StoredEntries } from "./stored-entries.ts"
import { dueMerge, dueUnderLoad } from "./tiers.ts"
import type { VectorRow } from "./vector.ts"

/** Hashes kept of spans that took nothing's place. */
const IDLE_MAX = 1024

export interface LogMergingOptions extends MergingOptions {
  readonly vault: LogVault
  readonly stored: StoredEntries
  readonly lastMerge: number
  /** The log as it is now. */
  tree(): IncarnationTree
  /** Signs what this device writes. */
  signer(): SigningKey
  /** What lies on the disk in the place of what was appended is other spans now. */
  rewritten(): void
  /** Runs while nothing is admitted; not at all while it is not known what a failed write left. */
  whenSure<T>(work: () => Promise<T>): Promise<T | undefined>
}

export class LogMerging {
  readonly #options: LogMergingOptions
  readonly #own: OwnTiers
  readonly #foreign: ForeignTiers
  /** Spans that came in and may take the place of smaller ones. */
  #wider: Span[] = []
  /** Hashes of those that lately had none to take: the same come from every peer. */
  readonly #idle = new Set<string>()

  constructor(options: LogMergingOptions) {
    this.#options = options
    this.#own = new OwnTiers(options)
    this.#foreign = new ForeignTiers(options.tables)
  }

  /**
   * Merges what is due of this device's own logs, one merge at a time, each in one write. Appends go
   * on meanwhile.
   *
   * @param options - `underLoad`: more is being written, so what would soon be merged again is left.
   * @returns What was merged; `undefined`: nothing is due, or nothing can be done now.
   * @throws {LogError} `LOG_SEAL`, `LOG_CHAIN`: what is stored is not what it says.
   * @throws Whatever the vault threw; nothing is lost by it, whether it was written or not.
   */
  async merge(options: { readonly underLoad?: boolean } = {}): Promise<MergedSpan | undefined> {
    const { tree, signer, rewritten, whenSure } = this.#options
    const due = options.underLoad ? dueUnderLoad : dueMerge
    const merged = await whenSure(() => this.#own.merge(tree(), signer(), due))
    if (merged) rewritten()
    return merged
  }

  /**
   * Spans that were merged here after the merge numbered `after`, and not taken in by a later one.
   * Each once, in order.
   */
  async *mergesAfter(after: number): AsyncIterable<MergedSpan & { readonly order: number }> {
    for await (const { order, ...place } of this.#options.tables.merges(after + 1)) {
      const bytes = await this.#bytesOf(place)
      if (bytes) yield { ...place, order, bytes }
    }
  }

  /** Whether this very span is kept here: it was opened, and is what it says. */
  async keeps(span: Uint8Array): Promise<boolean> {
    const kept = await this.#bytesOf(readSpan(span).header)
    return kept !== undefined && equalBytes(kept, span)
  }

  /**
   * How far a span came of which the rest waits for other entries; `undefined`: it is not this very
   * one that is kept here.
   */
  async partHere(span: Uint8Array): Promise<VectorRow | undefined> {
    const { tables, tree } = this.#options
    const read = readSpan(span)
    const here = isSigned(read) ? endHere({ ...this.#options, tree: tree() }, read) : undefined
    if (here === undefined || here.sequence >= read.header.end) return undefined
    const { incarnation, sequence } = here
    const [record] = await tables.spansFrom(incarnation, sequence, 1)
    if (record?.end !== sequence || record.start !== read.header.start) return undefined
    const [stored] = await tables.spansAt([record.arrival])
    const isThis = stored !== undefined && equalBytes(stored.bytes, span)
    return isThis ? { incarnation, sequence, chain: record.chainEnd } : undefined
  }

  /**
   * Entries of others that are here in spans which their writer would merge, of logs that went on
   * since this was last asked: whoever else has these may have wider ones. Each once.
   *
   * @param limit - How many, at most; the others come with the next call.
   */
  sought(limit: number): Promise<readonly SpanPlace[]> {
    return this.#foreign.sought(this.#options.tree(), limit)
  }

  /**
   * The widest spans here of these entries: one for all of them, or several of two entries or more,
   * `bytesMax` of them or a single one.
   */
  wider(place: SpanPlace, limit: { readonly bytesMax: number }): Promise<readonly Uint8Array[]> {
    const { tables, tree } = this.#options
    return widerSpans(tables, tree(), place, limit.bytesMax)
  }

  /** The entries of a merged span of this device from a sequence on, as `cutSpan`. */
  cut(bytes: Uint8Array, from: number, when: "much" | "always"): Uint8Array | undefined {
    const signer = this.#options.signer()
    return cutSpan(this.#options, { signer, bytes, from, always: when === "always" })
  }

  /** This device appended these spans to its log. */
  appended(key: string, records: readonly PlacedRecord[]): void {
    this.#own.grew(key, records)
  }

  /** These logs went on by what came in, of which some may take the place of smaller spans. */
  admitted(keys: ReadonlySet<string>, wider: Iterable<Span>): void {
    this.#foreign.grew(keys)
    this.#wider.push(...wider)
  }

  /** What came in takes the place of the smaller spans that it covers. @throws The vault's error. */
  async takeIn(): Promise<void> {
    const wider = this.#wider
    this.#wider = []
    const options = { ...this.#options, tree: this.#options.tree() }
    for (const span of wider) {
      const hash = idKey(spanHash(span.bytes))
      if (this.#idle.has(hash)) continue
      const ops = await takeInSpans(options, span)
      if (ops === undefined) {
        this.#noteIdle(hash, span)
        continue
      }
      this.#own.changed(idKey(span.header.incarnation))
      await this.#options.vault.write(ops)
      this.#options.rewritten()
    }
  }

  /** Of what is here as a whole nothing comes in later that it could cover. */
  #noteIdle(hash: string, { header }: Span): void {
    const node = this.#options.tree().get(header.incarnation)
    if (node === undefined || node.sequence < header.end) return
    const [oldest] = this.#idle
    if (oldest !== undefined && this.#idle.size >= IDLE_MAX) this.#idle.delete(oldest)
    this.#idle.add(hash)
  }

  async #bytesOf(place: SpanPlace): Promise<Uint8Array | undefined> {
    const { tables } = this.#options
    const [record] = await tables.spansFrom(place.incarnation, place.end, 1)
    if (record?.end !== place.end || record.start !== place.start) return undefined
    const [stored] = await tables.spansAt([record.arrival])
    if (stored === undefined) return undefined
    // A wider one may have come in its place since.
    const { start, end } = readSpan(stored.bytes).header
    return start === place.start && end === place.end ? stored.bytes : undefined
  }
}
