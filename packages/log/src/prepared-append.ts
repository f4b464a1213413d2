/**
 * What an append writes: made from the spans, before anything of it is durable; and what whoever
 * appends is given of it.
 *
 * @module
 */
import { type AdmittedEntry, admittedEntries } from "./admitted-entry.ts"
import type { EpochId } from "./ids.ts"
import type { IncarnationTree } from "./incarnation-tree.ts"
import type { PlacedRecord } from "./log-records.ts"
import { firstOf, type LogTables } from "./log-tables.ts"
import type { LogOp } from "./log-vault.ts"
import type { MadeSpan, OwnLine } from "./own-line.ts"
import { SPAN_ENTRIES, SPAN_KEY } from "./span.ts"

export interface StagedAppend {
  /** To be written in one `vault.write`, with whatever else must be atomic with it. */
  readonly ops: readonly LogOp[]
  /** To be sent, once they are durable. */
  readonly spans: readonly Uint8Array[]
  readonly entries: readonly AdmittedEntry[]
  /** The write resolved. */
  commit(): void
  /** Nothing was written, nor will be. */
  abandon(): void
}

export interface StagedKey extends StagedAppend {
  readonly epochId: EpochId
  /**
   * In place of this append: the same, and after it payloads under the new epoch.
   *
   * @throws {RangeError} A body is too large; this is not staged any more.
   */
  followedBy(bodies: readonly Uint8Array[]): StagedAppend
}

export interface PreparedAppend {
  readonly ops: readonly LogOp[]
  readonly records: readonly PlacedRecord[]
  readonly entries: readonly AdmittedEntry[]
  /** Number of the last entry. */
  readonly lastArrival: number
  /** Shows it in a tree, which may have been read from the disk and have it already. */
  enter(tree: IncarnationTree): void
}

/** @param arrival - Number of the first entry. */
export function prepareAppend(
  tables: LogTables,
  own: OwnLine,
  made: readonly MadeSpan[],
  arrival: number,
): PreparedAppend {
  const { incarnation, parent, key } = own
  const writer = own.signer.publicKey
  const ops: LogOp[] = []
  const records: PlacedRecord[] = []
  const entries: AdmittedEntry[] = []
  let lastArrival = arrival - 1
  if (!own.hasBegun) {
    ops.push(tables.putIncarnation({ incarnation, writer, parent, arrival }))
    ops.push(tables.putWriter({ incarnation, seed: own.signer.seed }))
  }
  for (const span of made) {
    lastArrival += span.entries.length
    const { start, end, chainEnd, announces, bytes } = span
    const kind = announces ? SPAN_KEY : SPAN_ENTRIES
    const run = { arrival: lastArrival, from: start, end }
    const size = bytes.length
    ops.push(
      ...tables.putSpan({ start, bytes, kind }, [{ incarnation, end, chainEnd, runs: [run] }]),
    )
    records.push({ ...run, incarnation, first: firstOf([run]), start, chainEnd, size, kind })
    entries.push(...admittedEntries({ writer, end, lastArrival, announces }, span.entries))
  }
  const [first] = entries
  const last = made.at(-1)
  return {
    ops,
    records,
    entries,
    lastArrival,
    enter(tree) {
      if (first === undefined || last === undefined) return
      const { chain } = first
      if (tree.byKey(key) === undefined) {
        tree.begin({ incarnation, writer, arrival, chain, ...(parent && { parent }) })
      }
      if ((tree.byKey(key)?.sequence ?? 0) <= last.end) tree.advance(key, last.end, last.chainEnd)
    },
  }
}
