/**
 * Two sessions in one process, each over its own replicas, and a pipe between them that can be
 * cut at any message.
 *
 * @module
 */
import type { Replica } from "@fulcrum/log/replica"
import type { VersionVector } from "@fulcrum/log/vector"
import {
  CHUNK_BYTES,
  createSession,
  type Session,
  type SyncAction,
  type SyncSpace,
} from "../src/session.ts"
import { type Device, openDevice, type SpaceSecrets } from "./device.ts"

export interface TestSpace extends SyncSpace {
  readonly log: Replica
  readonly device: Device
}

export class Peer {
  readonly spaces: TestSpace[]
  readonly agreed: Map<TestSpace, VersionVector> = new Map()
  readonly sent: Uint8Array[] = []
  readonly admittedSpans: number[] = []
  session: Session<TestSpace>
  outbox: Uint8Array[] = []
  failure: string | undefined
  /** Actions that take time, to be carried out when the test says so. */
  #pending: SyncAction<TestSpace>[] = []

  constructor(spaces: TestSpace[]) {
    this.spaces = spaces
    this.session = this.#newSession()
  }

  #newSession(): Session<TestSpace> {
    return createSession({ spaces: this.spaces, agreed: (space) => this.agreed.get(space) })
  }

  connect(): void {
    this.session = this.#newSession()
    this.#pending = []
    this.outbox = []
    this.failure = undefined
    this.#take(this.session.step({ type: "connected" }))
  }

  receive(bytes: Uint8Array): void {
    this.#take(this.session.step({ type: "message", bytes }))
  }

  local(space: TestSpace): void {
    this.#take(this.session.step({ type: "local", space }))
  }

  /** Asks for wider spans of what came in small ones. */
  async seek(space: TestSpace): Promise<void> {
    for (const place of await space.log.merging.sought(4)) {
      this.#take(this.session.step({ type: "seek", space, place }))
    }
  }

  tick(nowMs: number): void {
    this.#take(this.session.step({ type: "tick", nowMs }))
  }

  get isIdle(): boolean {
    return this.#pending.length === 0 && this.outbox.length === 0
  }

  /** Carries out what was asked for so far. */
  async work(): Promise<void> {
    for (const action of this.#pending.splice(0)) await this.#carryOut(action)
  }

  /** Carries out the first that was asked for of one kind: a disk may read late and write soon. */
  async workOne(type: "read" | "admit"): Promise<void> {
    const index = this.#pending.findIndex((action) => action.type === type)
    const [action] = index < 0 ? [] : this.#pending.splice(index, 1)
    if (action) await this.#carryOut(action)
  }

  async #carryOut(action: SyncAction<TestSpace>): Promise<void> {
    if (action.type === "read") {
      const { space, after, bytesMax } = action
      const { spans, reached } = await space.log.spansAfter(after, { bytesMax })
      this.#take(this.session.step({ type: "read", space, spans, reached }))
    } else if (action.type === "admit") {
      const { space, spans } = action
      this.admittedSpans.push(spans.length)
      await space.log.admit(spans)
      this.#take(this.session.step({ type: "admitted", space }))
    } else if (action.type === "find") {
      const { space, place } = action
      const spans = await space.log.merging.wider(place, { bytesMax: CHUNK_BYTES })
      this.#take(this.session.step({ type: "found", space, spans }))
    }
  }

  #take(actions: readonly SyncAction<TestSpace>[]): void {
    for (const action of actions) {
      if (action.type === "send") {
        this.outbox.push(action.bytes)
        this.sent.push(action.bytes)
      } else if (action.type === "fail") this.failure = action.code
      else if (action.type === "peerHas") this.agreed.set(action.space, action.vector)
      else this.#pending.push(action)
    }
  }
}

export async function openPeer(name: string, ...secrets: SpaceSecrets[]): Promise<Peer> {
  const spaces: TestSpace[] = []
  for (const space of secrets) {
    const device = await openDevice(space, name)
    spaces.push({ tag: space.tag, chainKey: space.chainKey, log: device.replica, device })
  }
  return new Peer(spaces)
}

/** Lets both talk until neither has anything to say, or `messagesMax` messages have crossed. */
export async function talk(a: Peer, b: Peer, messagesMax = 10_000): Promise<number> {
  let crossed = 0
  while (!a.isIdle || !b.isIdle) {
    const fromA = a.outbox.splice(0)
    const fromB = b.outbox.splice(0)
    for (const [to, messages] of [
      [b, fromA],
      [a, fromB],
    ] as const) {
      for (const message of messages) {
        if (crossed++ >= messagesMax) return crossed
        to.receive(message)
      }
    }
    await a.work()
    await b.work()
  }
  return crossed
}
