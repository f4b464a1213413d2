/**
 * Drives one sync session between two bare replicas over a channel: carries out what the state
 * machine says, in order, and feeds it what happens.
 *
 * @module
 */
import type { Clock } from "@fulcrum/crypto/clock"
import type { VersionVector } from "@fulcrum/log/vector"
import { type Channel, NetError } from "@fulcrum/net/contract"
import {
  CHUNK_BYTES,
  createSession,
  FINDS_MAX,
  type Session,
  type SyncAction,
  type SyncEvent,
} from "@fulcrum/sync/session"
import type { BareReplica } from "./bare-replica.ts"

const TICK_MS = 5_000

export class BareLink {
  readonly #replica: BareReplica
  readonly #channel: Channel
  readonly #clock: Clock
  readonly #peerHas: (peerId: string, vector: VersionVector) => void
  readonly #session: Session<BareReplica>
  #admissions: Promise<void> = Promise.resolve()
  #isOver = false

  constructor(options: {
    readonly replica: BareReplica
    readonly channel: Channel
    readonly clock: Clock
    readonly peerHas: (peerId: string, vector: VersionVector) => void
  }) {
    this.#replica = options.replica
    this.#channel = options.channel
    this.#clock = options.clock
    this.#peerHas = options.peerHas
    this.#session = createSession({ spaces: [options.replica] })
  }

  /** Something new is durable here. */
  local(): void {
    this.#feed({ type: "local", space: this.#replica })
  }

  /** Until the connection ends. */
  async run(): Promise<void> {
    const stop = new AbortController()
    const ticks = this.#tick(stop.signal)
    try {
      this.#feed({ type: "connected" })
      this.#feed({ type: "tick", nowMs: this.#clock.now() })
      for await (const bytes of this.#channel.messages()) {
        this.#feed({ type: "message", bytes })
        if (this.#isOver) break
      }
    } catch (error) {
      if (!(error instanceof NetError)) throw error
    } finally {
      this.#isOver = true
      stop.abort()
      await ticks
      await this.#admissions
      await this.#channel.close()
    }
  }

  async #tick(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#clock.sleep(TICK_MS, signal).catch(() => undefined)
      if (signal.aborted) return
      this.#feed({ type: "tick", nowMs: this.#clock.now() })
      await this.#seek().catch((error: unknown) => this.#end(error))
    }
  }

  async #seek(): Promise<void> {
    const space = this.#replica
    for (const place of await space.log.sought(FINDS_MAX))
      this.#feed({ type: "seek", space, place })
  }

  #feed(event: SyncEvent<BareReplica>): void {
    if (this.#isOver) return
    for (const action of this.#session.step(event)) this.#carryOut(action)
  }

  #carryOut(action: SyncAction<BareReplica>): void {
    switch (action.type) {
      case "send":
        this.#channel.send(action.bytes).catch((error: unknown) => this.#end(error))
        return
      case "read":
        action.space.log
          .spansAfter(action.after, { bytesMax: action.bytesMax, cut: "much" })
          .then(({ spans, reached }) =>
            this.#feed({ type: "read", space: action.space, spans, reached }),
          )
          .catch((error: unknown) => this.#end(error))
        return
      case "admit":
        this.#admissions = this.#admissions
          .then(() => action.space.admit(action.spans))
          .then(() => this.#feed({ type: "admitted", space: action.space }))
          .catch((error: unknown) => this.#end(error))
        return
      case "find": {
        const { space, place } = action
        space.log
          .wider(place, { bytesMax: CHUNK_BYTES })
          .then((spans) => this.#feed({ type: "found", space, spans }))
          .catch((error: unknown) => this.#end(error))
        return
      }
      case "peerHas":
        this.#peerHas(this.#channel.remoteId, action.vector)
        return
      case "fail":
        this.#replica.broken(action.code)
        this.#isOver = true
        this.#channel.abort(new Error(action.code))
    }
  }

  #end(error: unknown): void {
    this.#replica.threw(error)
    this.#isOver = true
    this.#channel.abort(error instanceof Error ? error : new Error("the session broke"))
  }
}
