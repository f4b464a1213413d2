/**
 * A peer on bare libp2p, with no manners of its own.
 *
 * @module
 */

import { noise } from "@chainsafe/libp2p-noise"
import { yamux } from "@chainsafe/libp2p-yamux"
import { generateKeyPair } from "@libp2p/crypto/keys"
import type { Connection, MessageStream } from "@libp2p/interface"
import { tcp } from "@libp2p/tcp"
import { multiaddr } from "@multiformats/multiaddr"
import { createLibp2p } from "libp2p"

export interface HostilePeer {
  readonly connect: (address: string) => Promise<Connection>
  readonly stop: () => Promise<void>
}

/** @param onEncrypted - Gets the encrypted bytes below yamux, to say on them what it likes. */
export async function hostilePeer(
  keyType: "Ed25519" | "secp256k1" | "RSA" = "Ed25519",
  onEncrypted: (stream: MessageStream) => void = () => undefined,
): Promise<HostilePeer> {
  const node = await createLibp2p({
    privateKey: await (keyType === "RSA" ? generateKeyPair("RSA", 2048) : generateKeyPair(keyType)),
    addresses: { listen: [] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [
      () => {
        const factory = yamux()()
        const create = factory.createStreamMuxer.bind(factory)
        factory.createStreamMuxer = (stream) => {
          const muxer = create(stream)
          queueMicrotask(() => onEncrypted(stream))
          return muxer
        }
        return factory
      },
    ],
    connectionMonitor: { enabled: false },
  })
  return {
    connect: (address) => node.dial(multiaddr(address)),
    stop: async () => {
      for (const connection of node.getConnections()) connection.abort(new Error("enough"))
      await node.stop()
    },
  }
}
