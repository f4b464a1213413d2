/**
 * The tiers of logs that others wrote: only their writer merges them, so whoever has their small
 * spans looks for the merged ones elsewhere.
 *
 * @module
 */
import type { IncarnationTree } from "./incarnation-tree.ts"
import type { LogTables, SpanPlace } from "./log-tables.ts"
import { dueMerge, LINE_SPANS_MAX } from "./tiers.ts"

/** Spans given for one place. */
const WIDER_SPANS_MAX = 64

export class ForeignTiers {
  readonly #tables: LogTables
  /** Logs that went on, and where each was sought last. */
  readonly #grown = new Set<string>()
  readonly #soughtUpTo = new Map<string, number>()

  constructor(tables: LogTables) {
    this.#tables = tables
  }

  grew(keys: ReadonlySet<string>): void {
    for (const key of keys) this.#grown.add(key)
  }

  async sought(tree: IncarnationTree, limit: number): Promise<readonly SpanPlace[]> {
    const places: SpanPlace[] = []
    for (const key of [...this.#grown]) {
      if (places.length >= limit) break
      this.#grown.delete(key)
      const node = tree.byKey(key)
      if (node === undefined) continue
      const { incarnation } = node
      const line = (await this.#tables.lastSpans(incarnation, LINE_SPANS_MAX)).toReversed()
      const due = dueMerge(line)
      const [first, last] = due ? [line[due.from], line[due.to - 1]] : []
      if (first === undefined || last === undefined) continue
      if (last.end <= (this.#soughtUpTo.get(key) ?? 0)) continue
      this.#soughtUpTo.set(key, last.end)
      places.push({ incarnation, start: first.start, end: last.end })
    }
    return places
  }
}

/** See `Replica.wider`. */
export async function widerSpans(
  tables: LogTables,
  { incarnation, start, end }: SpanPlace,
  bytesMax: number,
): Promise<readonly Uint8Array[]> {
  const whole = await tables.recordOf(incarnation, start, end)
  const parts = whole ? [whole] : await tables.spansWithin(incarnation, start, end, LINE_SPANS_MAX)
  const wide = parts.filter((part) => part.end > part.start).slice(0, WIDER_SPANS_MAX)
  const spans: Uint8Array[] = []
  let bytes = 0
  for (const stored of await tables.spansAt(wide.map(({ arrival }) => arrival))) {
    if (stored === undefined) continue
    bytes += stored.bytes.length
    if (bytes > bytesMax && spans.length > 0) break
    spans.push(stored.bytes)
  }
  return spans
}
