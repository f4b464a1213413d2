/**
 * The tiers of logs that others wrote: only their writer merges them, so whoever has their small
 * spans looks for the merged ones elsewhere.
 *
 * @module
 */
import type { IncarnationTree } from "./incarnation-tree.ts"
import { endOfLog, lastOfLog, recordsWithin, startOfLog } from "./lines.ts"
import type { SpanPlace } from "./log-records.ts"
import type { LogTables } from "./log-tables.ts"
import { dueMerge } from "./tiers.ts"

/** Spans given for one place. */
const WIDER_SPANS_MAX = 64

/** Records that are looked at for it. */
const RECORDS_MAX = 1024

export class ForeignTiers {
  readonly #tables: LogTables
  /** Incarnations that went on, and how far each log was sought, by its first. */
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
    const passed = new Set<string>()
    for (const key of [...this.#grown]) {
      if (places.length >= limit) break
      this.#grown.delete(key)
      const grown = tree.byKey(key)
      if (grown === undefined) continue
      const node = endOfLog(tree, grown, passed)
      if (node === undefined) continue
      const line = await lastOfLog(this.#tables, tree, node)
      const due = dueMerge(line)
      const [first, last] = due ? [line[due.from], line[due.to - 1]] : []
      if (first === undefined || last === undefined) continue
      const log = startOfLog(tree, node).key
      if (last.end <= (this.#soughtUpTo.get(log) ?? 0)) continue
      this.#soughtUpTo.set(log, last.end)
      places.push({ incarnation: last.incarnation, start: first.start, end: last.end })
    }
    return places
  }
}

/** See `Replica.wider`. */
export async function widerSpans(
  tables: LogTables,
  tree: IncarnationTree,
  place: SpanPlace,
  bytesMax: number,
): Promise<readonly Uint8Array[]> {
  const whole = await tables.recordOf(place.incarnation, place.start, place.end)
  const within = whole ? [] : ((await recordsWithin(tables, tree, place, RECORDS_MAX)) ?? [])
  const parts = whole ? [whole] : within.filter(({ from }) => from > 0)
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
