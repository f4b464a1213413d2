/**
 * Writes that failed, so that it is not known what of them landed, by the arrival numbers that they
 * were given.
 *
 * @module
 */
import type { AdmitResult } from "./admission.ts"
import type { IncarnationTree } from "./incarnation-tree.ts"
import type { StoredEntries } from "./stored-entries.ts"

/** Arrival numbers `from` on, before `to`. */
export interface ArrivalRange {
  readonly from: number
  readonly to: number
}

export interface UncertainWrite extends ArrivalRange {
  /** An append, not an admission. */
  readonly isOwn: boolean
}

/**
 * What is on the disk of writes that failed, and was not told.
 *
 * @param known - What was in the log, as far as was known.
 * @param underWay - An append of which its owner will learn what came of it.
 */
export async function landedOf(
  writes: readonly UncertainWrite[],
  stored: StoredEntries,
  known: () => IncarnationTree,
  underWay: () => ArrivalRange | undefined,
): Promise<AdmitResult[]> {
  const landed = new Map<number, AdmitResult>()
  // Our own first: numbers of theirs lie in between those of an admission.
  for (const { from, to, isOwn } of writes.toSorted((a, b) => Number(b.isOwn) - Number(a.isOwn))) {
    for await (const run of stored.runs(from, to)) {
      const { arrival } = run
      if (landed.has(arrival) || isIn(arrival, underWay())) continue
      const entries = run.entries.filter(
        ({ incarnation, sequence }) =>
          isOwn || (known().get(incarnation)?.sequence ?? 0) < sequence,
      )
      if (entries.length > 0) landed.set(arrival, { outcome: "admitted", entries })
    }
  }
  return [...landed].toSorted(([a], [b]) => a - b).map(([, result]) => result)
}

function isIn(arrival: number, range: ArrivalRange | undefined): boolean {
  return range !== undefined && arrival >= range.from && arrival < range.to
}
