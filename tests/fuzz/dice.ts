/**
 * Chance for the fuzzer: sfc32 (Chris Doty-Humphrey, PractRand), seeded from a text, so that a run
 * is repeated by its seed. Fast rather than good: millions of draws a second, and no secrets.
 *
 * @module
 */

export class Dice {
  #a: number
  #b: number
  #c: number
  #counter = 1

  constructor(seed: string) {
    // FNV-1a, three times over with another offset.
    const hash = (offset: number) => {
      let h = offset
      for (let i = 0; i < seed.length; i++) h = Math.imul(h ^ seed.charCodeAt(i), 16_777_619)
      return h | 0
    }
    this.#a = hash(0x811c9dc5)
    this.#b = hash(0x2545f491)
    this.#c = hash(0x6c62272e)
    for (let i = 0; i < 12; i++) this.uint32()
  }

  uint32(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0
    return sum >>> 0
  }

  /** 0 up to, not including, `end`; 0 if `end` is 0. */
  below(end: number): number {
    return end <= 1 ? 0 : Math.floor((this.uint32() / 0x1_0000_0000) * end)
  }

  /** True once in so many. */
  once(inSoMany: number): boolean {
    return this.below(inSoMany) === 0
  }

  pick<T>(from: readonly T[]): T | undefined {
    return from[this.below(from.length)]
  }

  /** Small numbers often, large ones seldom: 1 up to `max`. */
  few(max: number): number {
    const bits = this.below(Math.log2(max + 1) + 1)
    return Math.min(max, 1 + this.below(2 ** bits))
  }

  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length)
    for (let i = 0; i < length; i++) bytes[i] = this.uint32() >>> 11
    return bytes
  }
}
