/**
 * Merging: the spans of one log sealed again by their writer as one, or taken in by a wider one that
 * their writer sealed; and the end of such a span, cut off for whoever lacks no more. Entries, their
 * chain and their numbers stay as they are.
 *
 * @module
 */
import { equalBytes } from "@fulcrum/codec/bytes"
import type { Clock } from "@fulcrum/crypto/clock"
import type { SigningKey } from "@fulcrum/crypto/ed25519"
import type { Random } from "@fulcrum/crypto/random"
import { nextChain } from "./entry.ts"
import { type BodyColumns, encodeEntryColumns } from "./entry-columns.ts"
import type { ChainHash, ChainKey, IncarnationId } from "./ids.ts"
import type { IncarnationTree } from "./incarnation-tree.ts"
import { recordsWithin } from "./lines.ts"
import { LogError } from "./log-error.ts"
import type { PlacedRecord } from "./log-records.ts"
import type { LogTables } from "./log-tables.ts"
import type { LogOp } from "./log-vault.ts"
import { SPAN_INFLATED_MAX } from "./packing.ts"
import { atOnce, inSlices, SLICE_PARTS, type Sliced } from "./slices.ts"
import { isSigned, SPAN_ENTRIES, type Span, type SpanHeader, sealSpan } from "./span.ts"
import {
  encodeSpanEntries,
  openEncodedEntries,
  openingSpan,
  openSpan,
  type SpanSecrets,
} from "./span-entries.ts"
import type { StoredEntries } from "./stored-entries.ts"
import { type LogSecrets, readStored, secretsFor, storedSecrets } from "./stored-span.ts"
import type { Verified } from "./verified.ts"

/** Bytes of entries in one merged span: what its content may come to, with room for its frame. */
const MERGED_CONTENT_MAX: number = SPAN_INFLATED_MAX / 2

export interface MergingOptions extends LogSecrets {
  readonly tables: LogTables
  readonly random: Random
  /** Absent: all of a merge at once. */
  readonly clock?: Clock | undefined
}

export interface MergedSpan {
  readonly bytes: Uint8Array
  readonly incarnation: IncarnationId
  readonly start: number
  readonly end: number
}

/** Entries that follow each other in one log, as they are chained, and where they stand. */
interface Stretch {
  readonly incarnation: IncarnationId
  readonly start: number
  readonly end: number
  readonly chainBefore: ChainHash
  readonly chainEnd: ChainHash
  readonly encoded: readonly Uint8Array[]
}

/**
 * Seals the entries of spans that follow each other as one span, of as many of them as it holds.
 *
 * @param input - `records`: those that hold the spans.
 * @returns What to write; `undefined` if not even two fit or they overlap, or there is no epoch.
 * @throws {LogError} `LOG_CHAIN`: what is stored is not what was chained. `LOG_SEAL`.
 */
export async function mergeSpans(
  options: MergingOptions,
  input: {
    readonly signer: SigningKey
    readonly tree: IncarnationTree
    readonly records: readonly PlacedRecord[]
  },
): Promise<{ readonly span: MergedSpan; readonly ops: readonly LogOp[] } | undefined> {
  const { tables, keyring, deflate, bodies } = options
  const { signer, tree } = input
  const epoch = keyring.current
  if (epoch === undefined) return undefined
  const { clock } = options
  const { first, records, encoded } = await gather(options, input.records)
  const last = records.at(-1)
  if (first === undefined || last === undefined || records.length < 2) return undefined
  const { start, chainBefore } = first
  const { incarnation, end, chainEnd } = last
  const chain = await inSlices(chainAfter(keyring.chainKey, chainBefore, encoded), clock)
  if (!equalBytes(chain, chainEnd) || encoded.length !== end - start + 1) throw broken()
  const stretch = { incarnation, start, end, chainBefore, chainEnd, encoded }
  const secrets = { chainKey: keyring.chainKey, epochKey: epoch.key, deflate, bodies }
  let bytes = await inSlices(seal(options, signer, epoch, stretch, bodies), clock)
  // What it takes the place of is deleted: it is opened first, as every reader will.
  if (!(await inSlices(opens(bytes, secrets), clock))) {
    bytes = await inSlices(seal(options, signer, epoch, stretch, undefined), clock)
    await inSlices(openingSpan(readStored(bytes), secrets), clock)
  }
  const span = { bytes, incarnation, start, end }
  const covered = await recordsWithin(tables, tree, span)
  // One of them overlaps what lies before it.
  if (covered?.at(-1)?.end !== end) return undefined
  return { span, ops: tables.replaceSpans(span, covered) }
}

/** The entries of stored spans, each once, of as many spans as fit into one. */
async function gather(
  options: MergingOptions,
  records: readonly PlacedRecord[],
): Promise<{
  readonly first: SpanHeader | undefined
  readonly records: readonly PlacedRecord[]
  readonly encoded: readonly Uint8Array[]
}> {
  const stored = await options.tables.spansAt(records.map(({ arrival }) => arrival))
  const encoded: Uint8Array[] = []
  const fitting: PlacedRecord[] = []
  let first: SpanHeader | undefined
  let bytes = 0
  for (const [at, record] of records.entries()) {
    const one = stored[at]
    if (one === undefined) throw broken()
    const span = readStored(one.bytes)
    first ??= span.header
    // Spans of a folder that was copied may overlap, and of one that came in part the rest is not here.
    const { start } = span.header
    const next = first.start + encoded.length
    if (start > next) throw broken()
    const all = await inSlices(
      openEncodedEntries(span, storedSecrets(span, options)),
      options.clock,
    )
    const fresh = all.slice(next - start, record.end - start + 1)
    bytes += fresh.reduce((sum, { length }) => sum + length, 0)
    if (bytes > MERGED_CONTENT_MAX) break
    encoded.push(...fresh)
    fitting.push(record)
  }
  return { first, records: fitting, encoded }
}

function* opens(sealed: Uint8Array, secrets: SpanSecrets): Sliced<boolean> {
  try {
    yield* openingSpan(readStored(sealed), secrets)
    return true
  } catch (error) {
    if (!(error instanceof LogError)) throw error
    return false
  }
}

/** Below this a span is sent whole: cutting it costs more than it saves. */
const CUT_BYTES_MIN = 8192

/** What is sent of a span is cut if no more than one in so many of its entries is lacking. */
const CUT_SHARE = 4

/**
 * The last entries of a merged span, sealed by its writer as a span of their own, for somebody who
 * lacks no others.
 *
 * @param input - `from`: sequence of the first that is lacking; `always`: not only where it saves
 * much.
 * @returns `undefined`: the whole is as good, or somebody else's.
 */
export function cutSpan(
  options: Omit<MergingOptions, "tables">,
  input: {
    readonly signer: SigningKey
    readonly bytes: Uint8Array
    readonly from: number
    readonly always: boolean
  },
): Uint8Array | undefined {
  const { keyring, bodies } = options
  const { signer, bytes, from, always } = input
  const epoch = keyring.current
  if (epoch === undefined || (!always && bytes.length < CUT_BYTES_MIN)) return undefined
  const span = readStored(bytes)
  const { kind, incarnation, start, end, chainEnd, writer } = span.header
  const isMuch = (end - from + 1) * CUT_SHARE <= end - start + 1
  if (kind !== SPAN_ENTRIES || !(always || isMuch)) return undefined
  if (!equalBytes(writer, signer.publicKey)) return undefined
  const secrets = secretsFor(span, options)
  if (secrets === undefined) return undefined
  const all = atOnce(openEncodedEntries(span, secrets))
  const before = all.slice(0, from - start)
  const chainBefore = atOnce(chainAfter(keyring.chainKey, span.header.chainBefore, before))
  const encoded = all.slice(before.length)
  const stretch = { incarnation, start: from, end, chainBefore, chainEnd, encoded }
  return atOnce(seal(options, signer, epoch, stretch, bodies))
}

function* seal(
  { keyring, random, deflate }: Omit<MergingOptions, "tables">,
  signer: SigningKey,
  epoch: NonNullable<LogSecrets["keyring"]["current"]>,
  { encoded, ...place }: Stretch,
  bodies: BodyColumns | undefined,
): Sliced<Uint8Array> {
  const columns = bodies && (yield* encodeEntryColumns(encoded, bodies))
  yield
  return sealSpan({
    ...place,
    kind: SPAN_ENTRIES,
    space: keyring.tag,
    signer,
    epoch: epoch.id,
    epochKey: epoch.key,
    content: columns ?? encodeSpanEntries(encoded),
    random,
    deflate,
  })
}

function* chainAfter(
  chainKey: ChainKey,
  chainBefore: ChainHash,
  encoded: readonly Uint8Array[],
): Sliced<ChainHash> {
  let chain = chainBefore
  for (const [at, entry] of encoded.entries()) {
    chain = nextChain(chainKey, chain, entry)
    if (at % SLICE_PARTS === 0) yield
  }
  return chain
}

/**
 * How far a span is here. Of one that came in part, the incarnation that its header names may not be
 * here at all.
 *
 * @returns `undefined`: nothing of it, or it does not open.
 */
export function endHere(
  options: LogSecrets & { readonly tree: IncarnationTree },
  span: Verified<Span>,
): { readonly incarnation: IncarnationId; readonly sequence: number } | undefined {
  const { tree } = options
  const { incarnation, end } = span.header
  const node = tree.get(incarnation)
  if (node) return { incarnation, sequence: Math.min(end, node.sequence) }
  const secrets = secretsFor(span, options)
  if (secrets === undefined) return undefined
  try {
    const last = openSpan(span, secrets).findLast(
      (entry) => (tree.get(entry.incarnation)?.sequence ?? 0) >= entry.sequence,
    )
    return last && { incarnation: last.incarnation, sequence: last.sequence }
  } catch (error) {
    if (!(error instanceof LogError)) throw error
    return undefined
  }
}

/**
 * Puts a span from elsewhere in the place of the smaller ones of which it has all entries, once it
 * has been opened and compared, if their own writer signed it.
 *
 * @returns What to write; `undefined` if it covers nothing, or is not what it says.
 */
export async function takeInSpans(
  options: LogSecrets & {
    readonly tables: LogTables
    readonly stored: StoredEntries
    readonly tree: IncarnationTree
    readonly clock?: Clock | undefined
  },
  span: Span,
): Promise<readonly LogOp[] | undefined> {
  const { tables, stored, tree } = options
  const { start, kind, writer } = span.header
  if (kind !== SPAN_ENTRIES || !isSigned(span)) return undefined
  const here = endHere(options, span)
  if (here === undefined) return undefined
  const { incarnation, sequence: end } = here
  const node = tree.get(incarnation)
  // Whoever has the keys could seal another's entries again: only their writer may.
  if (node === undefined || !equalBytes(node.writer, writer)) return undefined
  const covered = await recordsWithin(tables, tree, { incarnation, start, end })
  if (covered?.at(-1)?.end !== end || covered[0]?.arrival === covered.at(-1)?.arrival)
    return undefined
  const secrets = secretsFor(span, options)
  const ours = await stored.chainAt(incarnation, end)
  if (secrets === undefined || ours === undefined) return undefined
  try {
    const opened = await inSlices(openingSpan(span, secrets), options.clock)
    const theirs = opened[end - start]?.chain
    // Equal chain hashes there: all before it, back to its start, is the same.
    if (theirs === undefined || !equalBytes(ours, theirs)) return undefined
  } catch (error) {
    if (!(error instanceof LogError)) throw error
    return undefined
  }
  return tables.replaceSpans({ start, bytes: span.bytes }, covered)
}

function broken(): LogError {
  return new LogError("LOG_CHAIN", "stored spans that do not give the chain their records name")
}
