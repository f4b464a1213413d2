/**
 * What one share is told in a step, as entries: the puts, and the items that go with them.
 *
 * @module
 */
import { CodecError } from "@fulcrum/codec/codec-error"
import { type PersonItem, type Put, personLane } from "@fulcrum/relations/lane"

/** Whether an entry can hold it. */
export function fitsEntry(put: Put): boolean {
  return encoded([{ kind: "put", value: put }]) !== undefined
}

/**
 * Bodies of entries, in order: one, if that holds all of it.
 *
 * @param puts - Each of which fits.
 * @param extra - Items that go into each entry.
 * @throws {RangeError} `extra` does not fit beside a put.
 */
export function shareMessages(
  puts: readonly Put[],
  extra: readonly PersonItem[],
): readonly Uint8Array[] {
  if (puts.length === 0) return []
  const body = encoded([...puts.map((value) => ({ kind: "put", value }) as const), ...extra])
  if (body !== undefined) return [body]
  if (puts.length === 1) throw new RangeError("an entry's other items leave no room for a put")
  const half = Math.ceil(puts.length / 2)
  return [puts.slice(0, half), puts.slice(half)].flatMap((part) => shareMessages(part, extra))
}

/** `undefined`: out of the lane's bounds. */
function encoded(items: readonly PersonItem[]): Uint8Array | undefined {
  try {
    return personLane.encode(items)
  } catch (error) {
    if (error instanceof CodecError) return undefined
    throw error
  }
}
