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
const AMBUSH_CHANCE = 0.1
/** Of all that a replica has: more may be past what another keeps waiting. */
const ALL_MAX = 100
const ALL_BYTES_MAX = 1024 * 1024
const PARTS_MAX = 4

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
    const load = Array.from({ length: count }, () => this.#dice.pick(this.#spans))
    await this.#bring(to, () => to.admit(load))
  }

  /** Sometimes brings spans that were made just now, but changed, before they come by themselves. */
  async ambush(to: BareReplica, spans: readonly Uint8Array[]): Promise<void> {
    if (spans.length === 0 || !this.#dice.happens(AMBUSH_CHANCE)) return
    const changed = spans.map((span) => this.#change(span))
    await this.#bring(to, () => to.admitChanged(changed))
  }

  /**
   * Brings all that one has to another, in any order and in parts: once the last is there, so is
   * everything, whatever had to wait for what.
   */
  async bringAll(from: BareReplica, to: BareReplica, dice: Dice): Promise<void> {
    const all = await this.#allOf(from)
    if (all === undefined || all.spans.length > ALL_MAX) return
    const { spans, reached } = all
    const parts = dice.between(1, PARTS_MAX)
    const load = shuffled(spans, dice)
    const size = Math.ceil(load.length / parts)
    try {
      for (let at = 0; at < load.length; at += size) await to.admit(load.slice(at, at + size))
    } catch (error) {
      return this.#checks.threw(to.name, error)
    }
    this.#checks.hasAll(to, from.name, reached)
  }

  async #allOf(
    from: BareReplica,
  ): Promise<Awaited<ReturnType<BareReplica["log"]["spansAfter"]>> | undefined> {
    try {
      return await from.log.spansAfter([], { bytesMax: ALL_BYTES_MAX })
    } catch (error) {
      this.#checks.threw(from.name, error)
      return undefined
    }
  }

  async #bring(to: BareReplica, admit: () => Promise<unknown>): Promise<void> {
    try {
      await admit()
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

function shuffled<T>(items: readonly T[], dice: Dice): readonly T[] {
  const mixed = [...items]
  return items.flatMap(() => mixed.splice(dice.below(mixed.length), 1))
}
