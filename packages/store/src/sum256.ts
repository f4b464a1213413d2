/**
 * Sums of 256-bit numbers, modulo 2^256: the digest of a set to which elements are added and from
 * which they are taken, in any order.
 *
 * A number is eight words of 32 bits, the lowest first; as bytes it is 32, the highest first.
 *
 * @module
 */

const WORDS = 8

export type Sum256 = Uint32Array

export function newSum(): Sum256 {
  return new Uint32Array(WORDS)
}

/** @param bytes - 32 bytes. */
export function bytesToSum(bytes: Uint8Array): Sum256 {
  const sum = newSum()
  for (let word = 0; word < WORDS; word++) sum[word] = wordOf(bytes, word)
  return sum
}

export function sumToBytes(sum: Sum256): Uint8Array {
  const bytes = new Uint8Array(4 * WORDS)
  const view = new DataView(bytes.buffer)
  for (let word = 0; word < WORDS; word++) view.setUint32(28 - 4 * word, sum[word] ?? 0)
  return bytes
}

/** Adds 32 bytes to `sum`, in place. */
export function addToSum(sum: Sum256, bytes: Uint8Array): void {
  let carry = 0
  for (let word = 0; word < WORDS; word++) {
    const added = (sum[word] ?? 0) + wordOf(bytes, word) + carry
    sum[word] = added
    carry = added > 0xffffffff ? 1 : 0
  }
}

/** Takes 32 bytes from `sum`, in place. */
export function takeFromSum(sum: Sum256, bytes: Uint8Array): void {
  let borrow = 0
  for (let word = 0; word < WORDS; word++) {
    const left = (sum[word] ?? 0) - wordOf(bytes, word) - borrow
    sum[word] = left
    borrow = left < 0 ? 1 : 0
  }
}

export function equalSums(a: Sum256, b: Sum256): boolean {
  return a.every((word, at) => word === b[at])
}

function wordOf(bytes: Uint8Array, word: number): number {
  const at = 28 - 4 * word
  const [a = 0, b = 0, c = 0, d = 0] = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]
  return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0
}
