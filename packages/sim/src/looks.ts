/**
 * How often it is looked whether all show the same, once faults have stopped.
 *
 * @module
 */

/** The part of the time waited by which a look may come late. */
const LATE = 20

/** Milliseconds until the next look: what takes long is looked at more rarely, as each look costs. */
export function untilLookMs({
  waitedMs,
  leastMs,
}: {
  readonly waitedMs: number
  readonly leastMs: number
}): number {
  return Math.max(leastMs, Math.floor(waitedMs / LATE))
}
