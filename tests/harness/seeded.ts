/**
 * Chance that can be had again: the same seed, the same numbers.
 *
 * @module
 */

export interface Seeded {
  /** From 0, below 1. */
  next(): number
  /** From 0, below `bound`, whole. */
  below(bound: number): number
  pick<T>(items: readonly T[]): T
}

/** The generator mulberry32, which is enough to choose when and whom to kill. */
export function seeded(seed: number): Seeded {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (bound: number): number => Math.floor(next() * bound)
  return {
    next,
    below,
    pick(items) {
      const item = items[below(items.length)]
      if (item === undefined) throw new RangeError("nothing to pick from")
      return item
    },
  }
}
