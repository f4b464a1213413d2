/**
 * What is said of a row of times.
 *
 * @module
 */

export interface Summary {
  readonly median: number
  readonly least: number
  readonly most: number
  readonly count: number
}

/**
 * The least of the values that at least `percent` of all do not exceed (nearest rank).
 *
 * @throws {RangeError} There are no values.
 */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  const value = sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)]
  if (value === undefined) throw new RangeError("no values")
  return value
}

/** @throws {RangeError} There is nothing to summarise. */
export function summarise(values: readonly number[]): Summary {
  const sorted = values.toSorted((a, b) => a - b)
  const least = sorted[0]
  const most = sorted.at(-1)
  if (least === undefined || most === undefined) throw new RangeError("no values")
  const middle = (sorted.length - 1) / 2
  const [below = least, above = least] = [sorted[Math.floor(middle)], sorted[Math.ceil(middle)]]
  return { median: (below + above) / 2, least, most, count: sorted.length }
}
