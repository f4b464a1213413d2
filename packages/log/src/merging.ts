/**
 * Merging: the spans of one log sealed again by their writer as one, or taken in by a wider one that
 * their writer sealed. Entries, their chain and their numbers stay as they are.
 *
 * @module
 */
import { equalBytes } from "@fulcrum/codec/bytes"
import type { SigningKey } from "@fulcrum/crypto/ed25519"
import type { Random } from "@fulcrum/crypto/random"
import { asVerified, epochKeyFor } from "./admission.ts"
import type { Deflate } from "./deflate.ts"
import { nextChain } from "./entry.ts"
import { type BodyColumns, encodeEntryColumns } from "./entry-columns.ts"
import type { IncarnationId } from "./ids.ts"
import type { IncarnationTree } from "./incarnation-tree.ts"
import { LogError } from "./log-error.ts"
import type { LogTables, PlacedRecord } from "./log-tables.ts"
import type { LogOp } from "./log-vault.ts"
import { SPAN_INFLATED_MAX } from "./packing.ts"
import type { SpaceKeyring } from "./space-keyring.ts"
import {
  encodeSpanEntries,
  isSigned,
  openEncodedEntries,
  openSpan,
  readSpan,
  SPAN_ENTRIES,
  type Span,
  type SpanHeader,
  type SpanSecrets,
  sealSpan,
} from "./span.ts"
import type { StoredEntries } from "./stored-entries.ts"

/** Bytes of entries in one merged span: what its content may come to, with room for its frame. */
const MERGED_CONTENT_MAX: number = SPAN_INFLATED_MAX / 2

export interface MergingOptions {
  readonly tables: LogTables
  readonly keyring: SpaceKeyring
  readonly random: Random
  readonly deflate: Deflate
  readonly bodies?: BodyColumns | undefined
}

export interface MergedSpan {
  readonly bytes: Uint8Array
  readonly incarnation: IncarnationId
  readonly start: number
  readonly end: number
}

/**
 * Seals the entries of spans that follow each other as one span, of as many of them as it holds.
 *
 * @returns What to write; `undefined` if not even two fit, or there is no epoch.
 * @throws {LogError} `LOG_CHAIN`: what is stored is not what was chained. `LOG_SEAL`.
 */
export async function mergeSpans(
  options: MergingOptions,
  input: {
    readonly signer: SigningKey
    readonly incarnation: IncarnationId
    readonly records: readonly PlacedRecord[]
  },
): Promise<{ readonly span: MergedSpan; readonly ops: readonly LogOp[] } | undefined> {
  const { tables, keyring, random, deflate, bodies } = options
  const { signer, incarnation } = input
  const epoch = keyring.current
  if (epoch === undefined) return undefined
  const stored = await tables.spansAt(input.records.map(({ arrival }) => arrival))
  const encoded: Uint8Array[] = []
  const records: PlacedRecord[] = []
  let first: SpanHeader | undefined
  let bytes = 0
  for (const [at, record] of input.records.entries()) {
    const one = stored[at]
    if (one === undefined) throw broken()
    const span = asVerified(readSpan(one.bytes))
    const epochKey = epochKeyFor(span, keyring)
    if (epochKey === undefined) throw new LogError("LOG_SEAL", "the keyring lacks a stored epoch")
    first ??= span.header
    // Spans of a folder that was copied may overlap, and of one that came in part the rest is not here.
    const { start: own } = span.header
    const next = first.start + encoded.length
    const all = openEncodedEntries(span, { epochKey, deflate, bodies })
    const fresh = all.slice(Math.max(0, next - own), record.end - own + 1)
    if (own > next) throw broken()
    bytes += fresh.reduce((sum, { length }) => sum + length, 0)
    if (bytes > MERGED_CONTENT_MAX) break
    encoded.push(...fresh)
    records.push(record)
  }
  const last = records.at(-1)
  if (first === undefined || last === undefined || records.length < 2) return undefined
  let chain = first.chainBefore
  for (const entry of encoded) chain = nextChain(keyring.chainKey, chain, entry)
  const { start, chainBefore } = first
  const { end, chainEnd } = last
  if (!equalBytes(chain, chainEnd) || encoded.length !== end - start + 1) throw broken()
  const seal = (content: Uint8Array): Uint8Array =>
    sealSpan({
      kind: SPAN_ENTRIES,
      space: keyring.tag,
      signer,
      incarnation,
      start,
      end,
      chainBefore,
      chainEnd,
      epoch: epoch.id,
      epochKey: epoch.key,
      content,
      random,
      deflate,
    })
  const secrets = { chainKey: keyring.chainKey, epochKey: epoch.key, deflate, bodies }
  let sealed = seal(contentOf(encoded, bodies))
  // What it takes the place of is deleted: it is opened first, as every reader will.
  if (!opens(sealed, secrets)) {
    sealed = seal(encodeSpanEntries(encoded))
    openSpan(asVerified(readSpan(sealed)), secrets)
  }
  const span = { bytes: sealed, incarnation, start, end }
  return { span, ops: tables.replaceSpans({ ...span, chainEnd }, records) }
}

function opens(sealed: Uint8Array, secrets: SpanSecrets): boolean {
  try {
    openSpan(asVerified(readSpan(sealed)), secrets)
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
 * @returns `undefined`: the whole is as good.
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
  const { keyring, random, deflate, bodies } = options
  const { signer, bytes, from, always } = input
  const epoch = keyring.current
  if (epoch === undefined || (!always && bytes.length < CUT_BYTES_MIN)) return undefined
  const span = asVerified(readSpan(bytes))
  const { kind, incarnation, start, end, chainEnd, writer } = span.header
  const lacking = end - from + 1
  if (kind !== SPAN_ENTRIES || (!always && lacking * CUT_SHARE > end - start + 1)) return undefined
  if (!equalBytes(writer, signer.publicKey)) return undefined
  const epochKey = epochKeyFor(span, keyring)
  if (epochKey === undefined) return undefined
  const encoded = openEncodedEntries(span, { epochKey, deflate, bodies })
  let chainBefore = span.header.chainBefore
  for (const entry of encoded.slice(0, from - start)) {
    chainBefore = nextChain(keyring.chainKey, chainBefore, entry)
  }
  return sealSpan({
    kind: SPAN_ENTRIES,
    space: keyring.tag,
    signer,
    incarnation,
    start: from,
    end,
    chainBefore,
    chainEnd,
    epoch: epoch.id,
    epochKey: epoch.key,
    content: contentOf(encoded.slice(from - start), bodies),
    random,
    deflate,
  })
}

function contentOf(encoded: readonly Uint8Array[], bodies: BodyColumns | undefined): Uint8Array {
  return (bodies && encodeEntryColumns(encoded, bodies)) ?? encodeSpanEntries(encoded)
}

/**
 * Puts a span from elsewhere in the place of the smaller ones of which it has all entries, once it
 * has been opened and compared, if their own writer signed it.
 *
 * @returns What to write; `undefined` if it covers nothing, or is not what it says.
 */
export async function takeInSpans(
  options: Omit<MergingOptions, "random"> & {
    readonly stored: StoredEntries
    readonly tree: IncarnationTree
  },
  span: Span,
): Promise<readonly LogOp[] | undefined> {
  const { tables, keyring, deflate, bodies, stored, tree } = options
  const { incarnation, start, kind, writer } = span.header
  const node = tree.get(incarnation)
  // Whoever has the keys could seal another's entries again: only their writer may.
  if (node === undefined || !equalBytes(node.writer, writer)) return undefined
  if (kind !== SPAN_ENTRIES || !isSigned(span)) return undefined
  // Of a span that came in part, what is here of it.
  const end = Math.min(span.header.end, node.sequence)
  const covered = await tables.spansWithin(incarnation, start, end)
  if (covered.length < 2 || covered.at(-1)?.end !== end) return undefined
  const epochKey = epochKeyFor(span, keyring)
  const ours = await stored.chainAt(incarnation, end)
  if (epochKey === undefined || ours === undefined) return undefined
  try {
    const { chainKey } = keyring
    const theirs = openSpan(span, { chainKey, epochKey, deflate, bodies })[end - start]?.chain
    // Equal chain hashes there: all before it, back to its start, is the same.
    if (theirs === undefined || !equalBytes(ours, theirs)) return undefined
  } catch (error) {
    if (!(error instanceof LogError)) throw error
    return undefined
  }
  return tables.replaceSpans(
    { incarnation, start, end, chainEnd: ours, bytes: span.bytes },
    covered,
  )
}

function broken(): LogError {
  return new LogError("LOG_CHAIN", "stored spans that do not give the chain their records name")
}
