/**
 * What must hold of bare replicas at every step, and what must be so in the end.
 *
 * @module
 */
import { bytesToHex } from "@fulcrum/codec/bytes"
import { idKey } from "@fulcrum/log/ids"
import type { AdmitResult, AdmittedEntry, Replica } from "@fulcrum/log/replica"
import { readSpan } from "@fulcrum/log/span"
import type { VersionVector } from "@fulcrum/log/vector"
import { VaultError } from "@fulcrum/store/vault-error"
import { Findings } from "./findings.ts"

/** How a session between honest peers may end: the network was silent for too long. */
const HONEST_ENDS: readonly string[] = ["SYNC_TIMEOUT", "SYNC_BYE"]

/** One start of a program that has a replica. */
export interface CheckedReplica {
  readonly name: string
  readonly log: Replica
}

export class BareChecks extends Findings {
  /** The chain hash at each place that anybody had an entry at. */
  readonly #chains = new Map<string, string>()
  /** Places acknowledged by each replica. */
  readonly #acknowledged = new Map<string, Set<string>>()
  /** Each start has a host of its own. */
  readonly #byHost = new Map<string, CheckedReplica>()
  /** Each name's latest replica, running or not: its vector was durable. */
  readonly #latest = new Map<string, CheckedReplica>()
  readonly #salts = new Set<string>()
  readonly #damaged = new Set<string>()
  /** Sends anything: what it says of itself proves nothing, and what it sends may be refused. */
  #noisy: string | undefined

  isAt(hostId: string, replica: CheckedReplica): void {
    this.#byHost.set(hostId, replica)
  }

  acknowledged({ name }: CheckedReplica, entries: readonly AdmittedEntry[]): void {
    const places = this.#acknowledged.get(name) ?? new Set()
    this.#acknowledged.set(name, places)
    for (const entry of entries) {
      this.#saw(name, entry)
      places.add(placeOf(entry))
    }
  }

  /** From now on this machine sends anything. */
  expectNoise(name: string): void {
    this.#noisy = name
  }

  /** What it has acknowledged until now. */
  acknowledgedBy(name: string): ReadonlySet<string> {
    return new Set(this.#acknowledged.get(name))
  }

  /** Its folder was put back to when it had acknowledged this: what nobody else has is gone. */
  restored(name: string, acknowledged: ReadonlySet<string>): void {
    this.#acknowledged.set(name, new Set(acknowledged))
    this.#latest.delete(name)
    this.#damaged.delete(name)
  }

  /** A bit on its disk flipped: from now on it may say that it is damaged. */
  expectDamage(name: string): void {
    this.#damaged.add(name)
  }

  /** It has another disk, an empty one: what nobody else has is gone. */
  replaced(name: string): void {
    this.restored(name, new Set())
  }

  override threw(name: string, error: unknown): void {
    if (error instanceof VaultError && this.#damaged.has(name)) return
    super.threw(name, error)
  }

  /** Each span has a salt of its own: with another's, one key would seal two contents. */
  sealed(spans: readonly Uint8Array[]): void {
    for (const span of spans) {
      const salt = bytesToHex(readSpan(span).header.salt)
      if (this.#salts.has(salt)) this.fail("SIM_REUSED", "two spans have one salt")
      this.#salts.add(salt)
    }
  }

  /** What became of honest spans. */
  admitted({ name }: CheckedReplica, results: readonly AdmitResult[]): void {
    for (const result of results) {
      if (result.outcome === "admitted") for (const entry of result.entries) this.#saw(name, entry)
      if (result.outcome === "fork") this.fail("SIM_FORK", `${name} found a fork; nobody forked`)
      if (result.outcome === "refused" && this.#noisy === undefined) {
        this.fail("SIM_BROKE", `${name} refused an honest span: ${result.code}`)
      }
    }
  }

  /** It was brought everything that another had, to the last span. */
  hasAll({ name, log }: CheckedReplica, from: string, vector: VersionVector): void {
    for (const { incarnation, sequence } of vector) {
      if ((log.tree.get(incarnation)?.sequence ?? 0) >= sequence) continue
      this.fail("SIM_LOST", `${name} was brought all that ${from} had, and does not have it`)
    }
  }

  /** What became of spans that somebody changed on the way. */
  forged({ name }: CheckedReplica, results: readonly AdmitResult[]): void {
    for (const { outcome } of results) {
      if (outcome === "admitted" || outcome === "fork") {
        this.fail("SIM_FORGED", `${name} took a changed span: ${outcome}`)
      }
    }
  }

  /** `at` was told that a peer holds this. */
  claimed(at: CheckedReplica, hostId: string, vector: VersionVector): void {
    // Of the start that said it, which may be over: its folder may be an older one by now.
    const peer = this.#byHost.get(hostId)
    if (peer === undefined || peer.name === this.#noisy) return
    const { tree } = peer.log
    for (const { incarnation, sequence } of vector) {
      if (tree.covers(tree.vector, incarnation, sequence)) continue
      this.fail("SIM_FALSE_CLAIM", `${at.name} believes that ${peer.name} holds what it lacks`)
    }
  }

  sessionFailed(name: string, code: string): void {
    if (this.#noisy !== undefined) return
    if (!HONEST_ENDS.includes(code)) {
      this.fail("SIM_BROKE", `${name} ended a session with an honest peer: ${code}`)
    }
  }

  /** A replica was opened on what a former start left. */
  async opened(replica: CheckedReplica): Promise<void> {
    const { name, log } = replica
    const former = this.#latest.get(name)
    this.#latest.set(name, replica)
    for (const { incarnation, sequence } of former?.log.vector ?? []) {
      if (log.tree.covers(log.vector, incarnation, sequence)) continue
      this.fail("SIM_BACKWARDS", `${name} had more before it was opened again`)
    }
    await this.#everything(replica)
  }

  /** Nothing stands in the way any more: all have the same, and all of it. */
  async settled(replicas: readonly CheckedReplica[]): Promise<void> {
    for (const replica of replicas) {
      const has = await this.#everything(replica)
      for (const [name, places] of this.#acknowledged) this.#holds(replica.name, has, name, places)
      if (replica.log.forkCount > 0) this.fail("SIM_FORK", `${replica.name} keeps a proof`)
    }
    this.throwIfFailed()
  }

  /** Reads a log from its beginning, as whoever rebuilds documents does. */
  async #everything({ name, log }: CheckedReplica): Promise<ReadonlySet<string>> {
    const has = new Set<string>()
    const heads = new Map<string, number>()
    let arrival = 0
    for await (const entry of log.entriesAfter(0)) {
      this.#saw(name, entry)
      has.add(placeOf(entry))
      if (entry.arrival <= arrival) this.fail("SIM_ORDER", `${name}: arrivals do not ascend`)
      arrival = entry.arrival
      const key = idKey(entry.incarnation)
      const before = heads.get(key) ?? entry.begin?.parent?.sequence ?? 0
      if (entry.sequence !== before + 1) this.fail("SIM_ORDER", `${name}: a log has a hole`)
      if (!isAfter(entry, heads)) this.fail("SIM_ORDER", `${name}: an effect before its cause`)
      heads.set(key, entry.sequence)
    }
    for (const { incarnation, sequence } of log.vector) {
      if (heads.get(idKey(incarnation)) === sequence) continue
      this.fail("SIM_LOST", `${name} cannot read all that its vector names`)
    }
    this.#holds(name, has, name, this.#acknowledged.get(name) ?? new Set())
    return has
  }

  #holds(at: string, has: ReadonlySet<string>, by: string, places: ReadonlySet<string>): void {
    for (const place of places) {
      if (!has.has(place)) this.fail("SIM_LOST", `${at} lacks what ${by} acknowledged`)
    }
  }

  #saw(name: string, entry: AdmittedEntry): void {
    const place = placeOf(entry)
    const chain = bytesToHex(entry.chain)
    const known = this.#chains.get(place)
    if (known === undefined) this.#chains.set(place, chain)
    else if (known !== chain) this.fail("SIM_FORK", `${name} has other content at ${place}`)
  }
}

function placeOf({ incarnation, sequence }: AdmittedEntry): string {
  return `${bytesToHex(incarnation)} ${sequence}`
}

/** Whether all that an entry was written on, and its incarnation's parent, came before it. */
function isAfter({ on, begin }: AdmittedEntry, heads: ReadonlyMap<string, number>): boolean {
  const causes = begin?.parent ? [...on, begin.parent] : on
  return causes.every(
    ({ incarnation, sequence }) => (heads.get(idKey(incarnation)) ?? 0) >= sequence,
  )
}
