/**
 * Padding: which lengths a sealed plaintext may have, so that its size says little.
 *
 * Up to 4 KiB one of twelve sizes; above, PADMÉ (Nikitin and others, PURBs, 2019): a length
 * of E bits keeps its highest ⌊log2 E⌋ + 1 bits, so at most 12 % is added.
 *
 * @module
 */

const SMALL_SIZES = [256, 384, 512, 768, 1024, 1280, 1536, 2048, 2560, 3072, 3584, 4096] as const

/** The least allowed length that holds `length` bytes. */
export function paddedLength(length: number): number {
  if (!Number.isSafeInteger(length) || length < 0) throw new RangeError("not a length")
  for (const size of SMALL_SIZES) if (length <= size) return size
  const exponent = Math.floor(Math.log2(length))
  const kept = Math.floor(Math.log2(exponent)) + 1
  const step = 2 ** (exponent - kept)
  return Math.ceil(length / step) * step
}

/** Whether `paddedLength` could have given this length. */
export function isPaddedLength(length: number): boolean {
  return paddedLength(length) === length
}
