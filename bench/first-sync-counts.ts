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
import { type PeerSpace, SYNC_PROTOCOL, SyncLink } from "@fulcrum/engine/sync-link"
import { MemoryNetwork } from "@fulcrum/net/memory"
import { openInLineDocuments } from "@fulcrum/record/in-line"
import { MemoryDisk, openMemoryStore } from "@fulcrum/store/memory"
import {
  admitChanges,
  type BenchDevice,
  type ChangesByDocument,
  checkValues,
  openBenchDevice,
  peerSpace,
} from "./bench-device.ts"
import { ChannelCount, countedChannel, countedStore, StoreCount } from "./counted.ts"
import { IdleClock } from "./idle-clock.ts"
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

/** One way, in milliseconds of the virtual clock. */
const DELAY_MS = 1000

export async function countFirstSync(shape: RecordShape): Promise<FirstSyncCounts> {
  const keys = spaceKeysOf(shape)
  const seed = shapeSeed(shape)
  const stored = new StoreCount()
  const open = async (name: string, count: StoreCount): Promise<BenchDevice> =>
    openBenchDevice({
      store: countedStore(await openMemoryStore({ disk: new MemoryDisk() }), count),
      keys,
      random: seed.fork(name),
      vaultRandom: seed.fork(`${name} vault`),
    })
  const first = await open("first device", new StoreCount())
  const second = await open("second device", stored)
  await using written = await openInLineDocuments()
  await writeSeededRecord(shape, first, written)
  const beforeWrites = stored.writes
  const beforeBytes = stored.bytes

  const clock = new IdleClock()
  const quality = { latencyMs: [DELAY_MS, DELAY_MS] as const }
  const network = new MemoryNetwork({ clock, random: seed.fork("network"), quality })
  const toNew = new ChannelCount()
  const fromNew = new ChannelCount()
  const stop = new AbortController()
  const links: Promise<unknown>[] = []
  const run = (channel: Parameters<typeof countedChannel>[0], count: ChannelCount, at: PeerSpace) =>
    new SyncLink({
      channel: countedChannel(channel, count),
      spaces: [at],
      clock,
      peerHas: () => undefined,
    }).run(stop.signal)

  const changes: ChangesByDocument = new Map()
  const done = Promise.withResolvers<number>()
  const spans = { count: 0, bytes: 0 }
  const there = peerSpace(second, keys, async (arrived) => {
    await admitChanges(second, arrived, changes)
    spans.count += arrived.length
    spans.bytes += arrived.reduce((sum, { length }) => sum + length, 0)
    if (equalBytes(second.replica.digest, first.replica.digest)) done.resolve(clock.now())
  })
  const here = peerSpace(first, keys, async () => {
    throw new Error("a new device has nothing to give")
  })
  const synced = async (): Promise<number> => {
    const host = await network.machine("first").host()
    const [address = ""] = await host.listen(["/ip4/127.0.0.1/tcp/0"])
    host.handle(SYNC_PROTOCOL, (channel) => {
      links.push(run(channel, toNew, here))
    })
    const guest = await network.machine("second").host()
    const channel = await guest.dial(address, SYNC_PROTOCOL, { signal: stop.signal })
    const opened = clock.now()
    links.push(run(channel, fromNew, there))
    return (await done.promise) - opened
  }
  const tookMs = await clock.run(synced())
  // What is still on its way, the new device's last word above all, belongs to the sync.
  await clock.run(clock.sleep(2 * DELAY_MS))
  stop.abort()
  await clock.run(Promise.all(links))
  await using documents = await openInLineDocuments({
    reload: async (document) => changes.get(document) ?? [],
  })
  await checkValues(documents, seededValues(shape))
  return {
    bytesToNewDevice: toNew.bytes,
    bytesFromNewDevice: fromNew.bytes,
    messagesToNewDevice: toNew.messages,
    messagesFromNewDevice: fromNew.messages,
    roundTrips: tookMs / (2 * DELAY_MS),
    spans: spans.count,
    spanBytes: spans.bytes,
    storeWrites: stored.writes - beforeWrites,
    storeBytes: stored.bytes - beforeBytes,
  }
}
