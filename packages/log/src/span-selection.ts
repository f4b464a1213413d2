/**
 * What to send: the spans that the owner of a version vector lacks, in the order in which the
 * earliest of their entries arrived, so that whatever an entry was written on has been sent before.
 * What a merged span holds besides may be written on what comes later: of it that much waits.
 *
 * Read from the index of those incarnations of which something lacks, so that what it costs goes
 * by what is sent, not by what there is.
 *
 * @module
 */
import { equalBytes } from "@fulcrum/codec/bytes"
import { idKey } from "./ids.ts"
import type { IncarnationTree, TreeNode } from "./incarnation-tree.ts"
import { LogError } from "./log-error.ts"
import type { PlacedRecord, StoredSpan } from "./log-records.ts"
import type { LogTables } from "./log-tables.ts"
import { readSpanHeader } from "./span.ts"
import type { StoredEntries } from "./stored-entries.ts"
import type { VectorRow, VersionVector } from "./vector.ts"

/** Index records read at a time, for each incarnation of which something lacks. */
const LISTED_SPANS_MAX = 512

export interface SpansAfter {
  readonly spans: readonly Uint8Array[]
  /** What whoever had the vector asked for has with these spans too. */
  readonly reached: VersionVector
}

interface Lacking {
  readonly node: TreeNode
  readonly from: number
}

/** A span of which something lacks, and the records by which it was found: one for each incarnation. */
interface Found {
  readonly records: LackingRecord[]
  /** Number of the earliest entry that lacks. */
  first: number
  /** Sequence from which on its log is lacking. */
  lackingFrom: number
}

interface LackingRecord extends PlacedRecord {
  readonly node: TreeNode
}

export interface SpanSource {
  readonly tables: LogTables
  readonly stored: StoredEntries
  readonly tree: IncarnationTree
  /** The entries of a span from a sequence on, as a span of their own; `undefined`: take it whole. */
  readonly cut?: ((span: Uint8Array, from: number) => Uint8Array | undefined) | undefined
}

/** How often what is to be sent is chosen anew because a merge took some of it in meanwhile. */
const CHOICES_MAX = 16

/** @param bytesMax - About how much, but at least one span. */
export async function selectSpans(
  source: SpanSource,
  vector: VersionVector,
  bytesMax: number,
): Promise<SpansAfter> {
  for (let choice = 0; choice < CHOICES_MAX; choice++) {
    const selected = await selectOnce(source, vector, bytesMax)
    if (selected) return selected
  }
  throw new LogError("LOG_CHAIN", "spans that are listed and not there")
}

/** `undefined`: a merge came in between. */
async function selectOnce(
  source: SpanSource,
  vector: VersionVector,
  bytesMax: number,
): Promise<SpansAfter | undefined> {
  const { tables, tree, cut } = source
  const lacking = await lackingIn(source, vector)
  const chosen = await choose(tables, lacking, bytesMax)
  if (chosen === undefined) return undefined
  if (chosen.length === 0) return { spans: [], reached: vector }
  const spans: Uint8Array[] = []
  const rows = new Map<string, VectorRow>()
  const reach = (key: string, row: VectorRow) => {
    if (row.sequence >= (rows.get(key)?.sequence ?? 0)) rows.set(key, row)
  }
  const kept = await tables.spansAt(chosen.map(({ records }) => records[0]?.arrival ?? 0))
  for (const [at, { records, lackingFrom }] of chosen.entries()) {
    const stored = kept[at]
    if (stored === undefined) return undefined
    const start = records[0]?.start ?? lackingFrom
    const part = start < lackingFrom ? cut?.(stored.bytes, lackingFrom) : undefined
    spans.push(part ?? stored.bytes)
    for (const { node, incarnation, end, chainEnd } of records) {
      reach(node.key, { incarnation, sequence: end, chain: chainEnd })
    }
    const last = records.some(({ from }) => from > 0) ? undefined : endOf(tree, stored)
    if (last) reach(idKey(last.incarnation), last)
  }
  return { spans, reached: tree.merge(vector, [...rows.values()]) }
}

/** Where a span ends that is here as a whole; its last record may not have been listed. */
function endOf(tree: IncarnationTree, { bytes, kept }: StoredSpan): VectorRow | undefined {
  const { incarnation, start, end, chainEnd } = readSpanHeader(bytes)
  const isHere = (tree.get(incarnation)?.sequence ?? 0) >= end
  return isHere && start + kept - 1 === end
    ? { incarnation, sequence: end, chain: chainEnd }
    : undefined
}

/** Incarnations of which the vector's owner lacks something, and from which sequence on. */
async function lackingIn(
  { tables, stored, tree }: SpanSource,
  vector: VersionVector,
): Promise<readonly Lacking[]> {
  const covered = new Map(tree.coveredBy(vector))
  for (const row of vector) {
    const node = tree.get(row.incarnation)
    if (node === undefined || row.sequence < node.first || row.sequence > node.sequence) continue
    const start = await forkedAt(tables, stored, node, row)
    if (start !== undefined) covered.set(node.key, start - 1)
  }
  const lacking: Lacking[] = []
  for (const node of tree.nodes()) {
    const from = Math.max(node.first, (covered.get(node.key) ?? 0) + 1)
    if (from <= node.sequence) lacking.push({ node, from })
  }
  return lacking.sort((a, b) => a.node.arrival - b.node.arrival)
}

/** Start of the span in which a row differs from what is here. */
async function forkedAt(
  tables: LogTables,
  stored: StoredEntries,
  node: TreeNode,
  row: VectorRow,
): Promise<number | undefined> {
  if (row.sequence === node.sequence && equalBytes(row.chain, node.chain)) return undefined
  const ours = await stored.chainAt(node.incarnation, row.sequence)
  if (ours === undefined || equalBytes(ours, row.chain)) return undefined
  return (await tables.recordOf(node.incarnation, row.sequence))?.start
}

async function choose(
  tables: LogTables,
  lacking: readonly Lacking[],
  bytesMax: number,
): Promise<readonly Found[] | undefined> {
  const found = new Map<number, Found>()
  // Spans that arrived after this may come after some that were not listed.
  let listedUpTo = Number.POSITIVE_INFINITY
  for (const [i, { node, from }] of lacking.entries()) {
    if (node.arrival > listedUpTo) break
    const records = await tables.spansFrom(node.incarnation, from, LISTED_SPANS_MAX)
    // What has come in since the tree was looked at may be written on what was not listed.
    for (const record of records) {
      // A merge that goes on past what was looked at: without it, what was written on it is not sent.
      if (record.start <= node.sequence && record.end > node.sequence) return undefined
      if (record.end <= node.sequence) add(found, { ...record, node }, from)
    }
    const last = records.at(-1)
    if (last && records.length === LISTED_SPANS_MAX) {
      listedUpTo = Math.min(listedUpTo, last.first)
    }
    const next = lacking[i + 1]?.node.arrival
    // Whatever the incarnations after this one have arrived later than all these.
    if (next !== undefined && i % 16 === 15) {
      const before = [...found.values()].filter(({ first }) => first < next && first <= listedUpTo)
      if (before.reduce((sum, one) => sum + sizeOf(one), 0) >= bytesMax) {
        listedUpTo = Math.min(listedUpTo, next - 1)
        break
      }
    }
  }
  const ordered = [...found.values()]
    .filter(({ first }) => first <= listedUpTo)
    .sort((a, b) => a.first - b.first)
  let bytes = 0
  const end = ordered.findIndex((one, i) => {
    bytes += sizeOf(one)
    return bytes > bytesMax && i > 0
  })
  return end < 0 ? ordered : ordered.slice(0, end)
}

/** A span that reaches over several incarnations is found in each of them. */
function add(found: Map<number, Found>, record: LackingRecord, from: number): void {
  const { arrival, first } = record
  const one = found.get(arrival)
  if (one === undefined) found.set(arrival, { records: [record], first, lackingFrom: from })
  else {
    one.records.push(record)
    one.first = Math.min(one.first, first)
    one.lackingFrom = Math.min(one.lackingFrom, from)
  }
}

function sizeOf({ records }: Found): number {
  return records[0]?.size ?? 0
}
