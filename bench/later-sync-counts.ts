/**
 * What later syncs take of two devices that had the same, counted: when nothing is missing, and when
 * the last ten edits are. The history is merged after every edit, or after so many, as a device's is.
 *
 * @module
 */
import { equalBytes } from "@fulcrum/codec/bytes"
import { openInLineDocuments } from "@fulcrum/record/in-line"
import {
  admitChanges,
  type ChangesByDocument,
  openMemoryDevice,
  peerSpace,
} from "./bench-device.ts"
import { countSession } from "./counted-session.ts"
import { type RecordShape, shapeSeed, spaceKeysOf, writeSeededRecord } from "./seeded-record.ts"

export const LATER_SYNC = "later-sync"

/** Exact: less is better, for each of them. */
export type LaterSyncCounts = {
  readonly idleBytesEachWay: number
  readonly idleMessagesEachWay: number
  /** To whoever lacks the last ten edits, and from it. */
  readonly tenBytesTo: number
  readonly tenBytesFrom: number
  readonly tenMessagesTo: number
  readonly tenMessagesFrom: number
  /** From the open channel until they are durable there. */
  readonly tenRoundTrips: number
}

const LAST = 10
const ALL = { bytesMax: Number.MAX_SAFE_INTEGER }

export async function countLaterSyncs(
  shape: RecordShape,
  { mergedEvery = 1 }: { readonly mergedEvery?: number } = {},
): Promise<LaterSyncCounts> {
  const keys = spaceKeysOf(shape)
  const seed = shapeSeed(shape)
  const first = await openMemoryDevice(shape, "first device")
  const second = await openMemoryDevice(shape, "second device")
  const changes: ChangesByDocument = new Map()
  await using documents = await openInLineDocuments()
  let written = 0
  await writeSeededRecord(shape, first, documents, async () => {
    written++
    const isLastHad = written === shape.edits - LAST
    if (isLastHad || written > shape.edits - LAST || written % mergedEvery === 0) {
      while ((await first.replica.merging.merge()) !== undefined);
    }
    if (!isLastHad) return
    await admitChanges(second, (await first.replica.spansAfter([], ALL)).spans, changes)
  })

  const done = Promise.withResolvers<void>()
  const listener = peerSpace(first, keys, async () => {
    throw new Error("the second device has nothing to give")
  })
  const dialer = peerSpace(second, keys, async (spans) => {
    await admitChanges(second, spans, changes)
    if (equalBytes(second.replica.digest, first.replica.digest)) done.resolve()
  })
  const ends = { listener, dialer }
  const ten = await countSession({ ...ends, random: seed.fork("ten"), done: done.promise })
  const idle = await countSession({ ...ends, random: seed.fork("idle") })
  const { fromListener, fromDialer } = idle
  if (fromListener.bytes !== fromDialer.bytes) throw new Error("one of the two had news")
  return {
    idleBytesEachWay: fromDialer.bytes,
    idleMessagesEachWay: Math.max(fromDialer.messages, fromListener.messages),
    tenBytesTo: ten.fromListener.bytes,
    tenBytesFrom: ten.fromDialer.bytes,
    tenMessagesTo: ten.fromListener.messages,
    tenMessagesFrom: ten.fromDialer.messages,
    tenRoundTrips: ten.roundTrips,
  }
}

export function describeLaterSyncs(name: string, counts: LaterSyncCounts): string {
  const { idleBytesEachWay, idleMessagesEachWay, tenBytesTo, tenBytesFrom, tenRoundTrips } = counts
  return [
    `${name}, nothing missing: ${idleMessagesEachWay} message of ${idleBytesEachWay} bytes each way;`,
    `the last ten edits missing: ${tenBytesTo.toLocaleString("en")} bytes to the device,`,
    `${tenBytesFrom} from it, ${tenRoundTrips} round trips`,
  ].join(" ")
}
