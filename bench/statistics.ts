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
