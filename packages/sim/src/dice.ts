/**
 * A scenario's choices, drawn from its seed.
 *
 * @module
 */
import { type Random, randomBelow } from "@fulcrum/crypto/random"

const CHANCE_STEPS = 2 ** 32

export class Dice {
  readonly random: Random

  constructor(random: Random) {
    this.random = random
  }

  /** 0 up to but not including `bound`. */
  below(bound: number): number {
    return randomBelow(this.random, bound)
  }

  /** Both ends included. */
  between(least: number, most: number): number {
    return least + this.below(most - least + 1)
  }

  /** @param chance - 0 (never) to 1 (always). */
  happens(chance: number): boolean {
    return this.below(CHANCE_STEPS) < chance * CHANCE_STEPS
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)]
    if (item === undefined) throw new RangeError("nothing to pick from")
    return item
  }

  /** A name, as often as its weight says. */
  weighted<Name extends string>(weights: Readonly<Record<Name, number>>): Name {
    const names = Object.keys(weights).filter((name): name is Name => name in weights)
    let left = this.below(names.reduce((sum, name) => sum + weights[name], 0))
    for (const name of names) {
      left -= weights[name]
      if (left < 0) return name
    }
    throw new RangeError("no weights")
  }
}
