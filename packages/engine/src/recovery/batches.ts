/**
 * Some of many at a time, so that what is done with them takes bounded memory.
 *
 * @module
 */

const BATCH_MAX = 256
const BYTES_MAX: number = 4 * 1024 * 1024

export const byteLength = ({ length }: Uint8Array): number => length

/** At most {@link BATCH_MAX} at a time, and of what has a size about {@link BYTES_MAX}. */
export async function* inBatches<T>(
  items: AsyncIterable<T> | Iterable<T>,
  sizeOf: (item: T) => number = () => 0,
): AsyncIterable<readonly T[]> {
  let batch: T[] = []
  let bytes = 0
  for await (const item of items) {
    batch.push(item)
    bytes += sizeOf(item)
    if (batch.length < BATCH_MAX && bytes < BYTES_MAX) continue
    yield batch
    batch = []
    bytes = 0
  }
  if (batch.length > 0) yield batch
}
