/**
 * A courier: whoever else may bring a span. It brings them late, again, in any order, and
 * sometimes changed.
 *
 * @module
 */
import type { BareChecks } from "./bare-checks.ts"
import type { BareReplica } from "./bare-replica.ts"
import type { Dice } from "./dice.ts"

/** Spans it remembers: older ones are forgotten first. */
const SPANS_MAX = 256
const LOAD_MAX = 6
const CHANGED_CHANCE = 0.2
const NEW_SPANS = 4

export class Courier {
  readonly #dice: Dice
  readonly #checks: BareChecks
  readonly #spans: Uint8Array[] = []

  constructor(dice: Dice, checks: BareChecks) {
    this.#dice = dice
    this.#checks = checks
  }

  take(spans: readonly Uint8Array[]): void {
    this.#spans.push(...spans)
    this.#spans.splice(0, Math.max(0, this.#spans.length - SPANS_MAX))
  }

  async carry(to: BareReplica): Promise<void> {
    if (this.#spans.length === 0) return
    const count = this.#dice.between(1, LOAD_MAX)
    const isHonest = !this.#dice.happens(CHANGED_CHANCE)
    // What is changed is best brought before the original, so it is a new one.
    const spans = isHonest ? this.#spans : this.#spans.slice(-NEW_SPANS)
    const load = Array.from({ length: count }, () => this.#dice.pick(spans))
    try {
      if (isHonest) await to.admit(load)
      else await to.admitChanged(load.map((span) => this.#change(span)))
    } catch (error) {
      this.#checks.threw(to.name, error)
    }
  }

  #change(span: Uint8Array): Uint8Array {
    const changed = span.slice()
    const isInSignature = this.#dice.happens(0.3)
    const at = changed.length - 1 - this.#dice.below(isInSignature ? 64 : changed.length)
    changed[at] = (changed[at] ?? 0) ^ (1 << this.#dice.below(8))
    return this.#dice.happens(0.2) ? changed.subarray(0, at) : changed
  }
}
