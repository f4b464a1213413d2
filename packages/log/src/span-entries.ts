/**
 * The entries of a span: how they come out of it, and how the chain ties them (`span.ts`).
 *
 * @module
 */
import { equalBytes } from "@fulcrum/codec/bytes"
import { encodeCbor } from "@fulcrum/codec/cbor"
import { array, bytesMax, decodeAs, type Schema } from "@fulcrum/codec/schema"
import type { Deflate } from "./deflate.ts"
import {
  type Begin,
  decodeBegin,
  decodeEntry,
  ENTRY_BYTES_MAX,
  type Entry,
  nextChain,
} from "./entry.ts"
import { type BodyColumns, decodeEntryColumns, isInColumns } from "./entry-columns.ts"
import { type ChainHash, type ChainKey, type EpochKey, type IncarnationId, idKey } from "./ids.ts"
import { LogError, readingAs } from "./log-error.ts"
import { SPAN_INFLATED_MAX } from "./packing.ts"
import { atOnce, SLICE_PARTS, type Sliced } from "./slices.ts"
import {
  malformed,
  openSpanContent,
  SPAN_ENTRIES_MAX,
  SPAN_KEY,
  type Span,
  type SpanHeader,
  type SpanKind,
} from "./span.ts"
import type { Verified } from "./verified.ts"

/** An entry as it comes out of a span, with the chain that ties it. */
export interface SpanEntry extends Entry {
  readonly incarnation: IncarnationId
  readonly sequence: number
  readonly chainBefore: ChainHash
  readonly chain: ChainHash
  /** What a begin entry says. */
  readonly begin?: Begin
}

export interface SpanSecrets extends ContentSecrets {
  readonly chainKey: ChainKey
}

/** What opens a span, and reads its content. */
export interface ContentSecrets {
  readonly epochKey: EpochKey
  readonly deflate: Deflate
  /** Absent: entries in columns cannot be read. */
  readonly bodies?: BodyColumns | undefined
}

const entriesSchema: Schema<readonly Uint8Array[]> = array(
  bytesMax(ENTRY_BYTES_MAX),
  SPAN_ENTRIES_MAX,
)

const EMPTY = new Uint8Array(0)

export function encodeSpanEntries(entries: readonly Uint8Array[]): Uint8Array {
  return encodeCbor(entries)
}

/**
 * Opens a span of entries or a key span and checks its chain.
 *
 * @throws {LogError} `LOG_SEAL`, `LOG_MALFORMED`, `LOG_VERSION`, `LOG_CHAIN`.
 */
export function openSpan(span: Verified<Span>, secrets: SpanSecrets): readonly SpanEntry[] {
  return atOnce(openingSpan(span, secrets))
}

/** As {@link openSpan}, in slices. */
export function* openingSpan(
  span: Verified<Span>,
  secrets: SpanSecrets,
): Sliced<readonly SpanEntry[]> {
  const { header } = span
  const encoded = yield* openEncodedEntries(span, secrets)
  const placed = placeEntries(header, encoded.map(decodeEntry))
  const entries: SpanEntry[] = []
  let chainBefore = header.chainBefore
  for (const [i, entry] of placed.entries()) {
    const parent = i > 0 ? entry.begin?.parent : undefined
    if (parent && !equalBytes(parent.chain, chainBefore)) throw unchained()
    const chain = nextChain(secrets.chainKey, chainBefore, encoded[i] ?? EMPTY)
    entries.push({ ...entry, chainBefore, chain })
    chainBefore = chain
    if (i % SLICE_PARTS === 0) yield
  }
  if (!equalBytes(chainBefore, header.chainEnd)) throw unchained()
  if (!kindsFit(header.kind, entries)) throw malformed()
  return entries
}

/**
 * The entries of a span of entries or a key span, as they are chained; the chain is not checked.
 *
 * @throws {LogError} `LOG_SEAL`, `LOG_MALFORMED`.
 */
export function* openEncodedEntries(
  span: Verified<Span>,
  secrets: ContentSecrets,
): Sliced<readonly Uint8Array[]> {
  const { start, end } = span.header
  const count = end - start + 1
  const content = openSpanContent(span, secrets)
  yield
  const list = yield* readingAs("LOG_MALFORMED", "not a list of entries", function* () {
    return isInColumns(content)
      ? yield* decodeEntryColumns(content, count, secrets.bodies)
      : decodeAs(entriesSchema, content, { bytesMax: SPAN_INFLATED_MAX })
  })
  if (list.length !== count) throw malformed()
  return list
}

/**
 * Which incarnation each entry is of. The header names the last one's; whoever begins after an entry
 * of the same span continues it, and says of which incarnation that is.
 */
function placeEntries(
  header: SpanHeader,
  entries: readonly Entry[],
): readonly Omit<SpanEntry, "chainBefore" | "chain">[] {
  const placed: Omit<SpanEntry, "chainBefore" | "chain">[] = []
  const known = new Set<string>()
  let { incarnation } = header
  for (let i = entries.length - 1; i >= 0; i--) {
    const entry = entries[i]
    if (entry === undefined) continue
    const { kind, on, body } = entry
    const sequence = header.start + i
    const begin = kind === "begin" ? decodeBegin(body) : undefined
    placed.push({ kind, on, body, incarnation, sequence, ...(begin && { begin }) })
    if (begin === undefined || i === 0) continue
    known.add(idKey(incarnation))
    const { parent } = begin
    if (parent?.sequence !== sequence - 1 || known.has(idKey(parent.incarnation))) throw malformed()
    incarnation = parent.incarnation
  }
  return placed.reverse()
}

/** A key entry comes only, and last, in a key span; there nothing begins but with the first. */
function kindsFit(kind: SpanKind, entries: readonly SpanEntry[]): boolean {
  return (
    entries.every((entry, i) => {
      if (entry.kind === "begin") return i === 0 || kind !== SPAN_KEY
      return (
        (entry.kind === "key") === (kind === SPAN_KEY) &&
        (kind !== SPAN_KEY || i === entries.length - 1)
      )
    }) &&
    (kind !== SPAN_KEY || entries.at(-1)?.kind === "key")
  )
}

function unchained(): LogError {
  return new LogError("LOG_CHAIN", "entries that do not give the chain hash their header names")
}
