/**
 * What a document in Automerge's form takes right after it was loaded.
 *
 * A load leaves each column in one slab, and every operation of a batch copies the slab that it falls
 * into, into memory of its own. So the first batch costs its operations times the document, in time and
 * in memory: measured on Automerge 3.5, 4,096 changes on a document of 70,000 took 2 s instead of 0.1
 * and left a memory so torn that the next load took 4.5 s instead of 0.4; 128 changes on one of 16 MB
 * took 800 MiB. A few changes first divide the slabs where they fall, and more divide them further.
 *
 * @module
 */

/** So many at a time, then all that are left. */
const FIRST: readonly number[] = [4, 32, 256]
const FEW: number = FIRST.reduce((sum, count) => sum + count)

/** Of a document in Automerge's form. */
export interface AsLoaded {
  /** Much came there at once, and but a few changes since. Absent: not so. */
  readonly isAsLoaded?: boolean
}

/** Changes in order, in the portions in which it takes them. */
export function* inPortions(
  changes: readonly Uint8Array[],
  { isAsLoaded = false }: AsLoaded,
): Generator<readonly Uint8Array[]> {
  let from = 0
  for (const count of isAsLoaded ? FIRST : []) {
    if (from + count >= changes.length) break
    yield changes.slice(from, from + count)
    from += count
  }
  if (from < changes.length) yield changes.slice(from)
}

/** What it is once it has taken so many changes more. */
export function afterMore({ isAsLoaded = false }: AsLoaded, count: number): AsLoaded {
  return { isAsLoaded: isAsLoaded && count < FEW }
}
