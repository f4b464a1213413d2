/**
 * Comparing secrets: the time it takes says nothing about where they differ.
 *
 * @module
 */

/** Whether both hold the same bytes. Their lengths are no secret. */
export function equalInConstantTime(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  let difference = 0
  for (let i = 0; i < a.length; i++) difference |= (a[i] ?? 0) ^ (b[i] ?? 0)
  return difference === 0
}
