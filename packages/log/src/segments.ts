/**
 * Segments: the entries of a span by the incarnation that they are of. Most spans have one.
 *
 * @module
 */
import { equalBytes } from "@fulcrum/codec/bytes"
import { type IncarnationId, idKey } from "./ids.ts"
import type { SpanEntry } from "./span-entries.ts"

/** Entries of one incarnation that follow each other. */
export interface Segment {
  readonly incarnation: IncarnationId
  readonly key: string
  readonly first: SpanEntry
  readonly last: SpanEntry
}

/** The entries of one incarnation after those of another, in order. */
export function segmentsOf(entries: readonly SpanEntry[]): readonly Segment[] {
  const segments: Segment[] = []
  let first = entries[0]
  let last = first
  const end = () => {
    if (first === undefined || last === undefined) return
    const { incarnation } = first
    segments.push({ incarnation, key: idKey(incarnation), first, last })
  }
  for (const entry of entries) {
    if (first && !equalBytes(entry.incarnation, first.incarnation)) {
      end()
      first = entry
    }
    last = entry
  }
  end()
  return segments
}
