/**
 * What a first sync takes, counted: the product's own log, session and driver, over the network
 * in memory, whose only time is one fixed delay each way. Seeded and without a real clock, so the
 * same code gives the same numbers on any machine.
 *
 * Round trips are counted from the open channel until the last entry is durable; half a one is a
 * message that needed no answer. What the transport adds (its handshake, its frames) is not in
 * the counts.
 *
 * @module
 */
import { equalBytes } from "@fulcrum/codec/bytes"
import { openInLineDocuments } from "@fulcrum/record/in-line"
import {
  admitChanges,
  type ChangesByDocument,
  checkValues,
  openMemoryDevice,
  peerSpace,
} from "./bench-device.ts"
import { countedStore, StoreCount } from "./counted.ts"
import { countSession } from "./counted-session.ts"
import {
  type RecordShape,
  seededValues,
  shapeSeed,
  spaceKeysOf,
  writeSeededRecord,
} from "./seeded-record.ts"

/** Exact: less is better, for each of them. */
export type FirstSyncCounts = {
  readonly bytesToNewDevice: number
  readonly bytesFromNewDevice: number
  readonly messagesToNewDevice: number
  readonly messagesFromNewDevice: number
  readonly roundTrips: number
  readonly spans: number
  readonly spanBytes: number
  /** Flushes to the new device's store, and what they held. */
  readonly storeWrites: number
  readonly storeBytes: number
}

export async function countFirstSync(shape: RecordShape): Promise<FirstSyncCounts> {
  const keys = spaceKeysOf(shape)
  const seed = shapeSeed(shape)
  const stored = new StoreCount()
  const first = await openMemoryDevice(shape, "first device")
  const second = await openMemoryDevice(shape, "second device", (store) =>
    countedStore(store, stored),
  )
  await using written = await openInLineDocuments()
  await writeSeededRecord(shape, first, written)
  const beforeWrites = stored.writes
  const beforeBytes = stored.bytes

  const changes: ChangesByDocument = new Map()
  const done = Promise.withResolvers<void>()
  const spans = { count: 0, bytes: 0 }
  const dialer = peerSpace(second, keys, async (arrived) => {
    await admitChanges(second, arrived, changes)
    spans.count += arrived.length
    spans.bytes += arrived.reduce((sum, { length }) => sum + length, 0)
    if (equalBytes(second.replica.digest, first.replica.digest)) done.resolve()
  })
  const listener = peerSpace(first, keys, async () => {
    throw new Error("a new device has nothing to give")
  })
  const random = seed.fork("network")
  const session = await countSession({ listener, dialer, random, done: done.promise })
  await using documents = await openInLineDocuments({
    reload: async (document) => changes.get(document) ?? [],
  })
  await checkValues(documents, seededValues(shape))
  return {
    bytesToNewDevice: session.fromListener.bytes,
    bytesFromNewDevice: session.fromDialer.bytes,
    messagesToNewDevice: session.fromListener.messages,
    messagesFromNewDevice: session.fromDialer.messages,
    roundTrips: session.roundTrips,
    spans: spans.count,
    spanBytes: spans.bytes,
    storeWrites: stored.writes - beforeWrites,
    storeBytes: stored.bytes - beforeBytes,
  }
}
