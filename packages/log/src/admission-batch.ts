/**
 * One write's worth of spans from elsewhere: what is admitted, what waits, what proves a fork.
 *
 * @module
 */
import type { Admission, AdmitResult, Judgement } from "./admission.ts"
import type { AdmittedEntry } from "./admitted-entry.ts"
import { idKey } from "./ids.ts"
import type { LogTables } from "./log-tables.ts"
import type { LogOp } from "./log-vault.ts"
import type { SpaceKeyring } from "./space-keyring.ts"
import { readSpan, SPAN_KEY, spanHash } from "./span.ts"
import { epochOf } from "./stored-span.ts"
import type { Need, WaitingRoom, WaitingSpan } from "./waiting-room.ts"

/** Most proofs of forks that are kept: the first ones say what there is to say. */
export const FORKS_MAX = 256

/** What one call has found, as it goes: the results of its spans, and of what waited. */
export interface Told {
  readonly results: AdmitResult[]
  readonly released: AdmitResult[]
  /** How many of the results are durable. */
  durable: number
}

/** What a layer above adds to a write, of what becomes durable with it. */
export interface Beside {
  readonly ops: readonly LogOp[]
  /** It is durable. */
  written(): void
}

/**
 * Asked before a write that admits entries, in the order of arrival.
 *
 * @param from - Arrivals below it were given before, or never will be.
 * @returns `undefined`: nothing now.
 */
export type WriteBeside = (
  entries: readonly AdmittedEntry[],
  from: number,
) => Promise<Beside | undefined>

export interface AdmitOptions {
  readonly extraOps?: readonly LogOp[]
  readonly beside?: WriteBeside
}

/** What one write will make durable of admitted, waiting and contradicting spans. */
export class AdmissionBatch {
  readonly admission: Admission
  /** Incarnations that went on in this batch. */
  readonly admitted: Set<string> = new Set()
  readonly #tables: LogTables
  readonly #waiting: WaitingRoom
  readonly #forks: Set<string>
  /** Waiting spans that came in this batch. */
  readonly #arrived = new Map<string, WaitingSpan>()
  readonly #ops: LogOp[] = []
  readonly #entries: AdmittedEntry[] = []

  constructor(admission: Admission, tables: LogTables, waiting: WaitingRoom, forks: Set<string>) {
    this.admission = admission
    this.#tables = tables
    this.#waiting = waiting
    this.#forks = forks
  }

  /** Notes what becomes of a span, be it new or one that waited. */
  settle(bytes: Uint8Array, judgement: Judgement): AdmitResult {
    switch (judgement.outcome) {
      case "waiting": {
        const hasRoom = this.#wait(bytes, judgement.need)
        if (!hasRoom) return { outcome: "refused", code: "LOG_WAITING_FULL" }
        return { outcome: "waiting", why: judgement.need.why }
      }
      case "admitted": {
        const { outcome, entries, need } = judgement
        const [entry] = entries
        this.#entries.push(...entries)
        if (entry) this.admitted.add(idKey(entry.incarnation))
        // Whoever sees how far it came brings the rest again, if there is no room for it here.
        if (need === undefined || !this.#wait(bytes, need)) this.#leave(bytes)
        return { outcome, entries }
      }
      default:
        if (judgement.outcome === "fork") this.#keepProof(bytes)
        this.#leave(bytes)
        return judgement
    }
  }

  /** @returns What became of a waiting span; `undefined` if it goes on waiting. */
  async retry(span: WaitingSpan): Promise<AdmitResult | undefined> {
    if (!this.#waiting.find(span.bytes)) return undefined
    const result = this.settle(span.bytes, await this.admission.judge(span.bytes))
    return result.outcome === "waiting" ? undefined : result
  }

  /** What may come in by what came in since this was last asked. */
  candidates(keyring: SpaceKeyring): readonly WaitingSpan[] {
    const { progress } = this.admission
    const candidates: WaitingSpan[] = []
    for (const [key, sequence] of progress) {
      candidates.push(...this.#waiting.reached(key, sequence))
    }
    progress.clear()
    for (const epoch of this.#waiting.epochs()) {
      for (const one of this.#waiting.forEpoch(epoch)) {
        const span = readSpan(one.bytes)
        const id = epochOf(span)
        const isCarried = span.header.kind === SPAN_KEY && keyring.carriedKey?.(id) !== undefined
        if (isCarried || keyring.epochKey(id)) candidates.push(one)
      }
    }
    return candidates
  }

  #wait(bytes: Uint8Array, need: Need): boolean {
    const present = this.#waiting.find(bytes)
    const span = this.#waiting.add(bytes, need)
    if (present !== undefined && present.bytes !== bytes) this.admission.leave(present.bytes)
    if (span === undefined) {
      this.admission.leave(bytes)
      return false
    }
    if (present === undefined || this.#arrived.has(span.hash)) this.#arrived.set(span.hash, span)
    return true
  }

  /** What it admits, in the order of arrival. */
  entries(): readonly AdmittedEntry[] {
    return this.#entries.toSorted((a, b) => a.arrival - b.arrival)
  }

  ops(): readonly LogOp[] {
    const arrived = [...this.#arrived.values()]
    return [
      ...this.admission.ops(),
      ...this.#ops,
      ...arrived.map(({ order, bytes }) => this.#tables.putWaiting(order, bytes)),
    ]
  }

  #leave(bytes: Uint8Array): void {
    const span = this.#waiting.find(bytes)
    if (span === undefined) return
    this.#waiting.remove(span)
    if (!this.#arrived.delete(span.hash)) this.#ops.push(this.#tables.dropWaiting(span.order))
  }

  #keepProof(bytes: Uint8Array): void {
    const hash = idKey(spanHash(bytes))
    if (this.#forks.size >= FORKS_MAX || this.#forks.has(hash)) return
    this.#forks.add(hash)
    this.#ops.push(this.#tables.putFork(this.#forks.size, bytes))
  }
}
