/**
 * What one share is told in a step, as entries: the puts, and the items that go with them.
 *
 * @module
 */
import { CodecError } from "@fulcrum/codec/codec-error"
import { type PersonItem, type Put, personLane } from "@fulcrum/relations/lane"

export interface ShareMessages {
  /** Bodies of entries, in order: one, if that holds all of it. */
  readonly bodies: readonly Uint8Array[]
  /** Puts that no entry can hold. */
  readonly unfit: readonly Put[]
}

/** @param extra - Items that go into each entry. */
export function shareMessages(puts: readonly Put[], extra: readonly PersonItem[]): ShareMessages {
  if (puts.length === 0) return { bodies: [], unfit: [] }
  const body = encoded([...puts.map((value) => ({ kind: "put", value }) as const), ...extra])
  if (body !== undefined) return { bodies: [body], unfit: [] }
  if (puts.length === 1) return { bodies: [], unfit: puts }
  const half = Math.ceil(puts.length / 2)
  const parts = [puts.slice(0, half), puts.slice(half)].map((part) => shareMessages(part, extra))
  return {
    bodies: parts.flatMap(({ bodies }) => bodies),
    unfit: parts.flatMap(({ unfit }) => unfit),
  }
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
