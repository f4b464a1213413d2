/**
 * The inputs that are worth changing: the seeds, and each that ran code or gave an answer that
 * none before it had.
 *
 * @module
 */
import type { Dice } from "./dice.ts"

const INPUTS_MAX = 4096
const BYTES_MAX: number = 16 << 20
/** Half of what is picked is of the newest, one in so many of all. */
const NEWEST_OF = 8

export class Corpus {
  readonly #inputs: Uint8Array[] = []
  #bytes = 0

  get size(): number {
    return this.#inputs.length
  }

  get bytes(): number {
    return this.#bytes
  }

  add(input: Uint8Array): void {
    if (this.#inputs.length >= INPUTS_MAX || this.#bytes + input.length > BYTES_MAX) return
    this.#inputs.push(input)
    this.#bytes += input.length
  }

  pick(dice: Dice): Uint8Array {
    const newest = dice.once(2) ? Math.ceil(this.#inputs.length / NEWEST_OF) : this.#inputs.length
    return this.#inputs[this.#inputs.length - 1 - dice.below(newest)] ?? new Uint8Array()
  }
}
