/**
 * What one share is told in one entry: its puts, the items that go with them, and what the
 * relationship's document must then say.
 *
 * @module
 */
import { CodecError } from "@fulcrum/codec/codec-error"
import { type PersonItem, personLane } from "@fulcrum/relations/lane"
import { type Projection, project } from "@fulcrum/relations/projection"

export interface ShareMessage extends Projection {
  /** The entry's body; `undefined`: there is nothing to tell. */
  readonly body: Uint8Array | undefined
}

type Projecting = Parameters<typeof project>[0]

/**
 * @param extra - Items that go with the puts of these disclosed paths.
 * @returns `undefined`: it is more than one entry may hold.
 */
export function shareMessage(
  projecting: Projecting,
  extra: (paths: readonly string[]) => readonly PersonItem[],
): ShareMessage | undefined {
  const projection = project(projecting)
  const { puts, paths } = projection
  if (puts.length === 0) return { ...projection, body: undefined }
  const items: PersonItem[] = puts.map((value) => ({ kind: "put", value }))
  const body = encoded([...items, ...extra(paths)])
  return body && { ...projection, body }
}

/**
 * As much of it as one entry holds: what a company cannot be told keeps it from nothing else, and
 * what does not fit is told with the next.
 */
export function partialMessage(projecting: Projecting): ShareMessage {
  let message: ShareMessage = { puts: [], paths: [], updates: [], waits: [], body: undefined }
  const fitting: Projecting["disclosures"][number][] = []
  for (const disclosure of projecting.disclosures) {
    const more = shareMessage({ ...projecting, disclosures: [...fitting, disclosure] }, () => [])
    if (more === undefined) continue
    fitting.push(disclosure)
    message = more
  }
  return message
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
