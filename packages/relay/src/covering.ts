/**
 * Whether a merged span may take the place of others, by their headers alone.
 *
 * Source: DESIGN, "How replication works" (relays drop covered spans).
 *
 * @module
 */
import { equalBytes } from "@fulcrum/codec/bytes"
import type { SpanHeader } from "@fulcrum/log/span"

/**
 * Whether each of the spans is by the merged one's writer, and lies on an unbroken line from the merged span's start to its end, with
 * its boundary hashes; what was merged before and what that covers may both be among them.
 */
export function isCovering(merged: SpanHeader, covered: readonly SpanHeader[]): boolean {
  const { start, end, chainBefore, chainEnd, space, kind } = merged
  const isLike = covered.every(
    (one) =>
      one.kind === kind && equalBytes(one.space, space) && equalBytes(one.writer, merged.writer),
  )
  const begins = reached(
    { at: start - 1, chain: chainBefore },
    covered.toSorted((a, b) => a.start - b.start || a.end - b.end),
    (one) => ({ at: one.start - 1, chain: one.chainBefore }),
    (one) => ({ at: one.end, chain: one.chainEnd }),
  )
  const ends = reached(
    { at: end, chain: chainEnd },
    covered.toSorted((a, b) => b.end - a.end || b.start - a.start),
    (one) => ({ at: one.end, chain: one.chainEnd }),
    (one) => ({ at: one.start - 1, chain: one.chainBefore }),
  )
  const isThrough = (ends && holds(ends, { at: start - 1, chain: chainBefore })) ?? false
  return isLike && begins !== undefined && isThrough
}

interface Boundary {
  readonly at: number
  readonly chain: Uint8Array
}

/** All boundaries on the way from one; `undefined`: a span does not begin, or end, at one of them. */
function reached(
  first: Boundary,
  spans: readonly SpanHeader[],
  near: (span: SpanHeader) => Boundary,
  far: (span: SpanHeader) => Boundary,
): ReadonlyMap<number, Uint8Array> | undefined {
  const known = new Map([[first.at, first.chain]])
  for (const span of spans) {
    if (!holds(known, near(span))) return undefined
    const { at, chain } = far(span)
    if (known.has(at) && !holds(known, { at, chain })) return undefined
    known.set(at, chain)
  }
  return known
}

function holds(known: ReadonlyMap<number, Uint8Array>, { at, chain }: Boundary): boolean {
  const there = known.get(at)
  return there !== undefined && equalBytes(there, chain)
}
