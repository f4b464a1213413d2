/**
 * Tiers: which spans of one log are due to be merged.
 *
 * A span's tier goes by its number of entries: 0 under 8, 1 under 64, and so on. Once eight spans of
 * one tier lie at the end of a log, with none of a higher tier among them, they and what smaller
 * ones lie between become one of the next tier: a log-structured merge of fan-out 8. At the top,
 * two that fit into one become one. Smaller spans that a larger one came after, when entries were
 * gathered under load, become one, so that no pattern of writing leaves many.
 *
 * Under load ({@link dueUnderLoad}) it waits until two tiers can be done in one go.
 *
 * So n entries lie in O(log n) spans and those that are full, and each is rewritten once a tier.
 *
 * Source: DESIGN, "How replication works"; O'Neil and others, The Log-Structured Merge-Tree, 1996.
 *
 * @module
 */
import type { PlacedRecord } from "./log-records.ts"
import { SPAN_ENTRIES, tierOf } from "./span.ts"

/** Spans of one tier that become one of the next. */
export const FAN_OUT = 8

/** Most entries of a merged span. */
export const MERGED_ENTRIES_MAX = 8192

/** Most bytes of the spans that become one. */
export const MERGED_BYTES_MAX: number = 1024 * 1024

/** How many spans at the end of a log are looked at. */
export const LINE_SPANS_MAX = 128

/** From here on two spans are merged as soon as they fit. */
const TOP_TIER: number = tierOf(MERGED_ENTRIES_MAX / 2)

/** The lowest tiers, whose spans wait under load; and how many may lie there in all. */
const LOAD_TIERS = 3
const LOAD_SPANS_MAX = 112

/** What the rule needs to know of a span. */
export type TieredSpan = Pick<PlacedRecord, "start" | "end" | "size" | "kind">

/** From `from` on, before `to`. */
export interface DueMerge {
  readonly from: number
  readonly to: number
}

/** Which of the last spans of one log, the oldest first, are to become one now. */
export type MergeRule = (line: readonly TieredSpan[]) => DueMerge | undefined

/**
 * @param line - The last spans of one log, the oldest first.
 * @returns Which of them are to become one now; there may be more to do after that.
 */
export function dueMerge(line: readonly TieredSpan[]): DueMerge | undefined {
  const stranded = strandedIn(line)
  if (stranded) return stranded
  for (let tier = 0; tier <= TOP_TIER; tier++) {
    const due = dueAt(line, tier, FAN_OUT)
    if (due) return due
  }
  return undefined
}

/**
 * While entries go on to come: of the lowest tiers so many at a time that two tiers are done in one go,
 * and each entry is rewritten less often.
 */
export function dueUnderLoad(line: readonly TieredSpan[]): DueMerge | undefined {
  if (line.length > LOAD_SPANS_MAX) return dueMerge(line)
  for (let tier = 0; tier <= TOP_TIER; tier++) {
    const due = dueAt(line, tier, tier < LOAD_TIERS ? FAN_OUT * FAN_OUT : FAN_OUT)
    if (due) return due
  }
  return undefined
}

/** @param fanOut - How many of a tier become one, below the top. */
function dueAt(line: readonly TieredSpan[], tier: number, fanOut: number): DueMerge | undefined {
  let count = 0
  let from: number | undefined
  let last: number | undefined
  for (let at = line.length - 1; at >= 0; at--) {
    const span = line[at]
    if (span === undefined || isFull(span) || tierIn(span) > tier) break
    if (tierIn(span) === tier) {
      last ??= at
      count++
    }
    if (last !== undefined) from = at
  }
  if (from === undefined || last === undefined || count < (tier === TOP_TIER ? 2 : fanOut)) {
    return undefined
  }
  return fitting(line, from, last + 1)
}

/** Two or more spans that lie before one of a higher tier, back to one that is none lower. */
function strandedIn(line: readonly TieredSpan[]): DueMerge | undefined {
  for (let at = line.length - 1; at >= 2; at--) {
    const higher = line[at]
    if (higher === undefined || higher.kind !== SPAN_ENTRIES) continue
    let from = at
    for (let span = line[from - 1]; span && isBelow(span, tierIn(higher)); span = line[from - 1]) {
      from--
    }
    if (at - from >= 2) return fitting(line, from, at)
  }
  return undefined
}

function isBelow(span: TieredSpan, tier: number): boolean {
  return !isFull(span) && tierIn(span) < tier
}

/** As many of the oldest as fit into one; any two do. */
function fitting(line: readonly TieredSpan[], from: number, to: number): DueMerge | undefined {
  let bytes = 0
  let entries = 0
  let end = from
  for (; end < to; end++) {
    const span = line[end]
    if (span === undefined) break
    bytes += span.size
    entries += span.end - span.start + 1
    if (bytes > MERGED_BYTES_MAX || entries > MERGED_ENTRIES_MAX) break
  }
  return end - from >= 2 ? { from, to: end } : undefined
}

function tierIn({ start, end }: TieredSpan): number {
  return tierOf(end - start + 1)
}

/** Nothing is merged with it, nor across it. */
function isFull({ start, end, size, kind }: TieredSpan): boolean {
  return (
    kind !== SPAN_ENTRIES || end - start + 1 > MERGED_ENTRIES_MAX / 2 || size > MERGED_BYTES_MAX / 2
  )
}
