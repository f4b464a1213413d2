/**
 * Channels and stores that count what goes through them.
 *
 * @module
 */
import type { Channel } from "@fulcrum/net/contract"
import { type Store, type WriteOp, writeBytes } from "@fulcrum/store"

/** Messages as the channel takes them, whatever the transport then makes of them. */
export class ChannelCount {
  messages = 0
  bytes = 0
}

export class StoreCount {
  /** Flushes asked for: each is durable before anything after it. */
  writes = 0
  bytes = 0
}

/** The channel, counting what is sent through it. */
export function countedChannel(channel: Channel, sent: ChannelCount): Channel {
  return {
    localId: channel.localId,
    remoteId: channel.remoteId,
    remotePublicKey: channel.remotePublicKey,
    outbound: channel.outbound,
    closed: channel.closed,
    send(message) {
      sent.messages++
      sent.bytes += message.length
      return channel.send(message)
    },
    messages: () => channel.messages(),
    beside: (protocol, options) => channel.beside(protocol, options),
    close: () => channel.close(),
    abort: (reason) => channel.abort(reason),
  }
}

/** The store, counting what is written to it. */
export function countedStore(store: Store, count: StoreCount): Store {
  return {
    get: (key) => store.get(key),
    getMany: (keys) => store.getMany(keys),
    list: (range) => store.list(range),
    write(ops: readonly WriteOp[]) {
      count.writes++
      count.bytes += writeBytes(ops)
      return store.write(ops)
    },
    close: () => store.close(),
    [Symbol.asyncDispose]: () => store.close(),
  }
}
