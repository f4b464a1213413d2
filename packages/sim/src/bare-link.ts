/**
 * One sync session between two bare replicas over a channel, driven as the product drives its own.
 *
 * @module
 */
import type { Clock } from "@fulcrum/crypto/clock"
import { type PeerSpace, SyncLink } from "@fulcrum/engine/sync-link"
import type { VersionVector } from "@fulcrum/log/vector"
import type { Channel } from "@fulcrum/net/contract"
import type { BareReplica } from "./bare-replica.ts"

export class BareLink {
  readonly #replica: BareReplica
  readonly #space: PeerSpace
  readonly #link: SyncLink

  constructor(options: {
    readonly replica: BareReplica
    readonly channel: Channel
    readonly clock: Clock
    readonly peerHas: (peerId: string, vector: VersionVector) => void
  }) {
    const { replica, channel, clock, peerHas } = options
    const { tag, chainKey, log } = replica
    this.#replica = replica
    this.#space = {
      tag,
      chainKey,
      log,
      admit: async (spans) => {
        await replica.admit(spans)
      },
    }
    this.#link = new SyncLink({
      channel,
      spaces: [this.#space],
      clock,
      peerHas: (_, vector) => peerHas(channel.remoteId, vector),
      broke: (error) => replica.threw(error),
    })
  }

  /** Something new is durable here. */
  local(): void {
    this.#link.local(this.#space)
  }

  /** Until the connection ends. */
  async run(): Promise<void> {
    const failure = await this.#link.run(new AbortController().signal)
    if (failure !== undefined) this.#replica.broken(failure)
  }
}
