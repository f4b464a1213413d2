/**
 * A machine that sends anything: its messages are changed, cut, repeated, held back or replaced by
 * older ones, as a program would that is broken or means ill.
 *
 * @module
 */
import { concatBytes } from "@fulcrum/codec/bytes"
import { MESSAGE_BYTES_MAX } from "@fulcrum/net/contract"
import type { Dice } from "./dice.ts"

const KEPT_MAX = 16
const KINDS = ["flip", "cut", "grow", "repeat", "old", "drop", "splice"] as const

/** The noise of one channel; it knows what went before. */
export class Noise {
  readonly #dice: Dice
  readonly #chance: () => number
  readonly #kept: Uint8Array[] = []

  constructor(dice: Dice, chance: () => number) {
    this.#dice = dice
    this.#chance = chance
  }

  /** @returns What goes out in a message's place; `undefined`: just that message. */
  of(message: Uint8Array): readonly Uint8Array[] | undefined {
    const chance = this.#chance()
    if (chance <= 0) return undefined
    this.#kept.push(message)
    if (this.#kept.length > KEPT_MAX) this.#kept.shift()
    return this.#dice.happens(chance) ? this.#made(message) : undefined
  }

  #made(message: Uint8Array): readonly Uint8Array[] {
    const dice = this.#dice
    const changed = message.slice()
    const at = dice.below(Math.max(1, message.length))
    switch (dice.pick(KINDS)) {
      case "flip":
        changed[at] = (changed[at] ?? 0) ^ (1 << dice.below(8))
        return [changed]
      case "cut":
        return [changed.subarray(0, Math.max(1, at))]
      case "grow":
        return [sendable(concatBytes([changed, dice.random.bytes(dice.between(1, 40))]))]
      case "repeat":
        return [message, message]
      case "old":
        return [dice.pick(this.#kept)]
      case "drop":
        return []
      case "splice": {
        const other = dice.pick(this.#kept)
        const rest = other.subarray(dice.below(other.length + 1))
        return [sendable(concatBytes([message.subarray(0, Math.max(1, at)), rest]))]
      }
    }
  }
}

/** What is too long is refused on the sending side, where nobody means ill. */
function sendable(message: Uint8Array): Uint8Array {
  return message.subarray(0, MESSAGE_BYTES_MAX)
}
