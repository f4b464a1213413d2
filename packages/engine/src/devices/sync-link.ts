/**
 * Drives one sync session over a channel between own devices: carries out what the state machine
 * says, in order, and feeds it what happens.
 *
 * @module
 */
import type { Clock } from "@fulcrum/crypto/clock"
import type { ChainKey, SpaceTag } from "@fulcrum/log/ids"
import type { Replica } from "@fulcrum/log/replica"
import type { SpansAfter } from "@fulcrum/log/span-selection"
import type { VersionVector } from "@fulcrum/log/vector"
import type { Channel, SendOptions } from "@fulcrum/net/contract"
import { NetError } from "@fulcrum/net/contract"
import {
  CHUNK_BYTES,
  createSession,
  FINDS_MAX,
  type Session,
  type SyncAction,
  type SyncEvent,
  type SyncFailure,
} from "@fulcrum/sync/session"

/** Between own devices, after they know each other. */
export const SYNC_PROTOCOL = "/fulcrum/sync/1"

/** How often the session looks at its deadlines. */
const TICK_MS = 5000

/** A space that own devices keep in step. The same object for as long as the record is open. */
export interface PeerSpace {
  readonly tag: SpaceTag
  readonly chainKey: ChainKey
  readonly log: Replica
  /** Takes spans; durable when it resolves. */
  admit(spans: readonly Uint8Array[]): Promise<void>
  /** What goes ahead of the log to a peer that has as much as `after` says; absent: nothing. */
  snapshotsFor?(after: VersionVector): AsyncIterable<Uint8Array>
}

export interface SyncLinkOptions {
  readonly channel: Channel
  readonly spaces: readonly PeerSpace[]
  readonly clock: Clock
  /** What the peer holds on its disk. */
  peerHas(space: PeerSpace, vector: VersionVector): void
  /** What relays signed last for this device: told to the peer. */
  heads?(): Promise<readonly Uint8Array[]>
  /** The same of the peer, as it says. */
  heard?(receipts: readonly Uint8Array[]): void
  /** Told of what ended the session besides the peer: the store's error, say. */
  broke?(error: unknown): void
}

export class SyncLink {
  readonly #options: SyncLinkOptions
  readonly #session: Session<PeerSpace>
  readonly #agreed = new Map<PeerSpace, VersionVector>()
  /** What goes ahead of each space's log in this session. */
  readonly #ahead = new Map<PeerSpace, AsyncIterator<Uint8Array>>()
  /** Admissions of one session, one after another. */
  #admissions: Promise<void> = Promise.resolve()
  #failure: SyncFailure | undefined

  constructor(options: SyncLinkOptions) {
    this.#options = options
    this.#session = createSession({ spaces: options.spaces })
  }

  /** What the peer is known to hold of a space. */
  has(space: PeerSpace): VersionVector | undefined {
    return this.#agreed.get(space)
  }

  /** Something new is durable here. */
  local(space: PeerSpace): void {
    this.#feed({ type: "local", space })
  }

  /**
   * Runs until the peer goes or `signal` fires.
   *
   * @returns Why the session ended, if the protocol was broken.
   */
  async run(signal: AbortSignal): Promise<SyncFailure | undefined> {
    const { channel, clock } = this.#options
    const stop = new AbortController()
    const ticks = this.#tick(AbortSignal.any([signal, stop.signal]))
    const close = () => channel.abort(new Error("stopped"))
    signal.addEventListener("abort", close, { once: true })
    if (signal.aborted) close()
    try {
      const heads = (await this.#options.heads?.()) ?? []
      this.#feed({ type: "connected", heads })
      this.#feed({ type: "tick", nowMs: clock.now() })
      for await (const bytes of channel.messages()) {
        this.#feed({ type: "message", bytes })
        if (this.#failure !== undefined) break
      }
    } catch (error) {
      if (!(error instanceof NetError)) throw error
    } finally {
      signal.removeEventListener("abort", close)
      stop.abort()
      await ticks
      await this.#admissions
      await channel.close()
    }
    return this.#failure
  }

  async #tick(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options
    while (!signal.aborted) {
      await clock.sleep(TICK_MS, signal).catch(() => undefined)
      if (signal.aborted) return
      this.#feed({ type: "tick", nowMs: clock.now() })
      await this.#tellHeads()
        .then(() => this.#seek())
        .catch((error: unknown) => this.#broke(error))
    }
  }

  async #tellHeads(): Promise<void> {
    const receipts = await this.#options.heads?.()
    if (receipts) this.#feed({ type: "heads", receipts })
  }

  /** Asks the peer for wider spans of what came in small ones. */
  async #seek(): Promise<void> {
    for (const space of this.#agreed.keys()) {
      for (const place of await space.log.merging.sought(FINDS_MAX))
        this.#feed({ type: "seek", space, place })
    }
  }

  #feed(event: SyncEvent<PeerSpace>): void {
    // That something is on the disk here can wait for whoever shows it.
    const mayWait = event.type === "admitted"
    for (const action of this.#session.step(event)) this.#carryOut(action, { mayWait })
  }

  #carryOut(action: SyncAction<PeerSpace>, how: SendOptions): void {
    const { channel } = this.#options
    switch (action.type) {
      case "send":
        channel.send(action.bytes, how).catch((error: unknown) => this.#broke(error))
        return
      case "read":
        this.#read(action.space, action.after, action.bytesMax)
        return
      case "admit":
        this.#admissions = this.#admissions
          .then(() => action.space.admit(action.spans))
          .then(() => this.#feed({ type: "admitted", space: action.space }))
          .catch((error: unknown) => this.#broke(error))
        return
      case "find": {
        const { space, place } = action
        space.log.merging
          .wider(place, { bytesMax: CHUNK_BYTES })
          .then((spans) => this.#feed({ type: "found", space, spans }))
          .catch((error: unknown) => this.#broke(error))
        return
      }
      case "peerHas":
        this.#agreed.set(action.space, action.vector)
        this.#options.peerHas(action.space, action.vector)
        return
      case "heads":
        this.#options.heard?.(action.receipts)
        return
      case "fail":
        this.#failure = action.code
        channel.abort(new Error(action.code))
    }
  }

  #read(space: PeerSpace, after: VersionVector, bytesMax: number): void {
    this.#next(space, after, bytesMax)
      .then(({ spans, reached }) => this.#feed({ type: "read", space, spans, reached }))
      .catch((error: unknown) => this.#broke(error))
  }

  async #next(space: PeerSpace, after: VersionVector, bytesMax: number): Promise<SpansAfter> {
    let ahead = this.#ahead.get(space)
    if (ahead === undefined && space.snapshotsFor) {
      ahead = space.snapshotsFor(after)[Symbol.asyncIterator]()
      this.#ahead.set(space, ahead)
    }
    const next = await ahead?.next()
    if (next && !next.done) return { spans: [next.value], reached: after }
    return space.log.spansAfter(after, { bytesMax, cut: "much" })
  }

  /** The channel, the store, or what they carried gave out: this session is over. */
  #broke(error: unknown): void {
    this.#options.broke?.(error)
    this.#options.channel.abort(error instanceof Error ? error : new Error("session broke"))
  }
}
