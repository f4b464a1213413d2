/**
 * One session of two devices, counted: the product's own log, session and driver, over the network
 * in memory, whose only time is one fixed delay each way.
 *
 * @module
 */

import type { SeededRandom } from "@fulcrum/crypto/random"
import { type PeerSpace, SYNC_PROTOCOL, SyncLink } from "@fulcrum/engine/sync-link"
import type { Channel } from "@fulcrum/net/contract"
import { MemoryNetwork } from "@fulcrum/net/memory"
import { ChannelCount, countedChannel } from "./counted.ts"
import { IdleClock } from "./idle-clock.ts"

/** One way, in milliseconds of the virtual clock. */
const DELAY_MS = 1000

export interface CountedSession {
  /** Of the device that was dialed, and of the one that dialed. */
  readonly fromListener: ChannelCount
  readonly fromDialer: ChannelCount
  /** From the open channel until `done`; half a one is a message that needed no answer. */
  readonly roundTrips: number
}

export interface SessionEnds {
  readonly listener: PeerSpace
  readonly dialer: PeerSpace
  readonly random: SeededRandom
  /** Resolves when what is counted has happened; absent: both have heard of each other. */
  readonly done?: Promise<void>
}

export async function countSession(ends: SessionEnds): Promise<CountedSession> {
  const clock = new IdleClock()
  const quality = { latencyMs: [DELAY_MS, DELAY_MS] as const }
  const network = new MemoryNetwork({ clock, random: ends.random, quality })
  const fromListener = new ChannelCount()
  const fromDialer = new ChannelCount()
  const stop = new AbortController()
  const links: Promise<unknown>[] = []
  const run = (channel: Channel, count: ChannelCount, space: PeerSpace) => {
    const counted = countedChannel(channel, count)
    const link = new SyncLink({
      ...{ channel: counted, spaces: [space], clock },
      peerHas: () => undefined,
    })
    links.push(link.run(stop.signal))
  }
  const synced = async (): Promise<number> => {
    const host = await network.machine("listener").host()
    const [address = ""] = await host.listen(["/ip4/127.0.0.1/tcp/0"])
    host.handle(SYNC_PROTOCOL, (channel) => run(channel, fromListener, ends.listener))
    const guest = await network.machine("dialer").host()
    const channel = await guest.dial(address, SYNC_PROTOCOL, { signal: stop.signal })
    const opened = clock.now()
    run(channel, fromDialer, ends.dialer)
    await (ends.done ?? clock.sleep(DELAY_MS))
    return clock.now() - opened
  }
  const tookMs = await clock.run(synced())
  // What is still on its way, the dialer's last word above all, belongs to the session.
  await clock.run(clock.sleep(2 * DELAY_MS))
  stop.abort()
  await clock.run(Promise.all(links))
  return { fromListener, fromDialer, roundTrips: tookMs / (2 * DELAY_MS) }
}
