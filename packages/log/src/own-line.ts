/**
 * The line that this start of the device writes: its incarnation, drawn now and begun with its
 * first entry, and the spans made of what is appended to it.
 *
 * @module
 */

import { equalBytes } from "@fulcrum/codec/bytes"
import type { SigningKey } from "@fulcrum/crypto/ed25519"
import type { Random } from "@fulcrum/crypto/random"
import type { Announcement } from "./admitted-entry.ts"
import type { Deflate } from "./deflate.ts"
import {
  type Begin,
  type EntryKind,
  encodeBegin,
  encodeEntry,
  nextChain,
  rootChain,
} from "./entry.ts"
import {
  type ActorId,
  actorIdSchema,
  type ChainHash,
  type EpochId,
  type EpochKey,
  type IncarnationId,
  idKey,
  incarnationIdSchema,
} from "./ids.ts"
import type { SpaceKeyring, WriterSource } from "./space-keyring.ts"
import { epochIdOf, SPAN_ENTRIES, SPAN_KEY, type SpanKind, sealSpan } from "./span.ts"
import { encodeSpanEntries, type SpanEntry } from "./span-entries.ts"
import { type VectorRow, type VersionVector, vectorDifference } from "./vector.ts"

/** Most bytes of entries gathered in one span, unless a single entry has more. */
const GATHERED_BYTES_MAX: number = 1024 * 1024

/** Most entries gathered in one span. */
const GATHERED_ENTRIES_MAX = 4096

export interface OwnLineOptions {
  readonly keyring: SpaceKeyring
  readonly writer: WriterSource
  readonly random: Random
  readonly deflate: Deflate
  /** Where this device's line has come to; absent: this is its first incarnation here. */
  readonly parent: VectorRow | undefined
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

/** A span that has been made but is not known to be on disk. */
export interface MadeSpan {
  readonly bytes: Uint8Array
  readonly start: number
  readonly end: number
  readonly chainEnd: ChainHash
  readonly entries: readonly SpanEntry[]
  readonly announces: Announcement | undefined
}

interface NewItem {
  readonly kind: EntryKind
  readonly body: Uint8Array
  readonly begin?: Begin
}

export class OwnLine {
  readonly incarnation: IncarnationId
  readonly key: string
  readonly actor: ActorId
  readonly signer: SigningKey
  readonly parent: VectorRow | undefined
  readonly #options: OwnLineOptions
  readonly #certificate: Uint8Array
  #hasBegun = false
  #sequence: number
  #chain: ChainHash
  /** What the line's newest entry was written on. */
  #seen: VersionVector = []

  constructor(options: OwnLineOptions) {
    const { keyring, writer, random, parent } = options
    this.#options = options
    this.incarnation = incarnationIdSchema.decode(random.bytes(16))
    this.key = idKey(this.incarnation)
    this.actor = actorIdSchema.decode(random.bytes(16))
    if (parent) {
      const { incarnation, sequence, chain } = parent
      this.parent = { incarnation, sequence, chain }
    }
    const { key, certificate } = writer.begin(this.incarnation)
    this.signer = key
    this.#certificate = certificate
    this.#sequence = parent?.sequence ?? 0
    this.#chain = parent?.chain ?? rootChain(keyring.chainKey, keyring.tag, this.incarnation)
  }

  /** Who writes the next entry, as it is now. */
  get next(): NextWriter {
    const { incarnation, actor, hasBegun } = this
    return {
      ...{ incarnation, actor, hasBegun },
      publicKey: this.signer.publicKey,
      sequence: this.#sequence + 1,
    }
  }

  get hasBegun(): boolean {
    return this.#hasBegun
  }

  get sequence(): number {
    return this.#sequence
  }

  get chain(): ChainHash {
    return this.#chain
  }

  /**
   * Makes spans of the items, in order, after what is committed, or after a span that was made and
   * is to be written with them. Changes nothing yet.
   */
  makeSpans(
    items: readonly NewItem[],
    vector: VersionVector,
    epoch: { readonly id: EpochId; readonly key: EpochKey },
    follows?: MadeSpan,
  ): readonly MadeSpan[] {
    const made: MadeSpan[] = []
    let gathered: Gathered = this.#gather(follows)
    for (const item of follows === undefined ? this.#withBegin(items) : items) {
      const isFirst = follows === undefined && made.length === 0 && gathered.entries.length === 0
      const encoded = encodeEntry({ ...item, on: isFirst ? this.#on(vector) : [] })
      const isFull =
        gathered.bytes + encoded.length > GATHERED_BYTES_MAX ||
        gathered.entries.length >= GATHERED_ENTRIES_MAX
      if (isFull && gathered.entries.length > 0) {
        const span = this.#seal(gathered, { ...epoch, kind: SPAN_ENTRIES })
        made.push(span)
        gathered = this.#gather(span)
      }
      this.#add(gathered, item, isFirst ? this.#on(vector) : [], encoded)
    }
    if (gathered.entries.length > 0) {
      made.push(this.#seal(gathered, { ...epoch, kind: SPAN_ENTRIES }))
    }
    return made
  }

  /** Makes a key span of one key entry. */
  makeKeySpan(
    body: Uint8Array,
    vector: VersionVector,
    epoch: { readonly follows: EpochId; readonly key: EpochKey; readonly clear: Uint8Array },
  ): MadeSpan {
    const gathered = this.#gather(undefined)
    for (const item of this.#withBegin([{ kind: "key", body }])) {
      const on = gathered.entries.length === 0 ? this.#on(vector) : []
      this.#add(gathered, item, on, encodeEntry({ ...item, on }))
    }
    const { key, clear, follows } = epoch
    const made = this.#seal(gathered, { id: follows, key, clear, kind: SPAN_KEY })
    return { ...made, announces: { epoch: epochIdOf(made.bytes), follows, clear } }
  }

  /** What was made is durable. */
  commit(made: readonly MadeSpan[], vector: VersionVector): void {
    const last = made.at(-1)
    if (last === undefined) return
    this.#hasBegun = true
    this.#sequence = last.end
    this.#chain = last.chainEnd
    this.#seen = vector
  }

  #withBegin(items: readonly NewItem[]): readonly NewItem[] {
    if (this.#hasBegun) return items
    const { parent, actor } = this
    const begin = { parent, actor, certificate: this.#certificate }
    return [{ kind: "begin", body: encodeBegin(begin), begin }, ...items]
  }

  /**
   * All rows at the beginning, then those that changed; never those of this line itself. What a copy of
   * this folder appends to the line that this one continues is none of it.
   */
  #on(vector: VersionVector): readonly VectorRow[] {
    if (this.#options.writer.namesNothing === true) return []
    const rows = this.#hasBegun ? vectorDifference(vector, this.#seen) : vector
    const { parent } = this
    return rows.filter(({ incarnation, sequence }) => {
      const isBefore =
        parent !== undefined &&
        equalBytes(incarnation, parent.incarnation) &&
        sequence <= parent.sequence
      return !isBefore && idKey(incarnation) !== this.key
    })
  }

  #gather(after: MadeSpan | undefined): Gathered {
    return {
      start: (after?.end ?? this.#sequence) + 1,
      chainBefore: after?.chainEnd ?? this.#chain,
      chainEnd: after?.chainEnd ?? this.#chain,
      encoded: [],
      entries: [],
      bytes: 0,
    }
  }

  #add(to: Gathered, item: NewItem, on: readonly VectorRow[], encoded: Uint8Array): void {
    const chainBefore = to.chainEnd
    const chain = nextChain(this.#options.keyring.chainKey, chainBefore, encoded)
    const sequence = to.start + to.entries.length
    const { incarnation } = this
    to.entries.push({ ...item, on, incarnation, sequence, chainBefore, chain })
    to.encoded.push(encoded)
    to.bytes += encoded.length
    to.chainEnd = chain
  }

  #seal(
    gathered: Gathered,
    under: {
      readonly id: EpochId
      readonly key: EpochKey
      readonly kind: SpanKind
      readonly clear?: Uint8Array
    },
  ): MadeSpan {
    const { keyring, random, deflate } = this.#options
    const { start, chainBefore, chainEnd, entries } = gathered
    const end = start + entries.length - 1
    const bytes = sealSpan({
      kind: under.kind,
      space: keyring.tag,
      signer: this.signer,
      incarnation: this.incarnation,
      start,
      end,
      chainBefore,
      chainEnd,
      epoch: under.id,
      epochKey: under.key,
      ...(under.clear && { clear: under.clear }),
      content: encodeSpanEntries(gathered.encoded),
      random,
      deflate,
    })
    return { bytes, start, end, chainEnd, entries, announces: undefined }
  }
}

interface Gathered {
  readonly start: number
  readonly chainBefore: ChainHash
  chainEnd: ChainHash
  readonly encoded: Uint8Array[]
  readonly entries: SpanEntry[]
  bytes: number
}
