/**
 * What a worker was running when it fell silent: its input, in memory that is shared.
 *
 * @module
 */
import { INPUT_BYTES_MAX } from "./mutate.ts"

const HEADER_BYTES = 8
/** Seeds may be longer than what is made of them. */
export const BOX_BYTES: number = HEADER_BYTES + 64 * INPUT_BYTES_MAX

export class BlackBox {
  /** How many inputs were begun, and the length of the one that was begun last. */
  readonly #header: Int32Array
  readonly #input: Uint8Array

  constructor(memory: SharedArrayBuffer) {
    this.#header = new Int32Array(memory, 0, 2)
    this.#input = new Uint8Array(memory, HEADER_BYTES)
  }

  get begun(): number {
    return Atomics.load(this.#header, 0)
  }

  write(input: Uint8Array): void {
    const part = input.subarray(0, this.#input.length)
    this.#input.set(part)
    Atomics.store(this.#header, 1, part.length)
    Atomics.add(this.#header, 0, 1)
  }

  read(): Uint8Array {
    return this.#input.slice(0, Atomics.load(this.#header, 1))
  }
}
