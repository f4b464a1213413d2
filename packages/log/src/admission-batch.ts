/**
 * One write's worth of spans from elsewhere: what is admitted, what waits, what proves a fork.
 *
 * @module
 */
import type { Admission, AdmitResult, Judgement } from "./admission.ts"
import { idKey } from "./ids.ts"
import type { LogTables } from "./log-tables.ts"
import type { LogOp } from "./log-vault.ts"
import { spanHash } from "./span.ts"
import type { WaitingRoom, WaitingSpan } from "./waiting-room.ts"

/** Most proofs of forks that are kept: the first ones say what there is to say. */
export const FORKS_MAX = 256

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

  constructor(admission: Admission, tables: LogTables, waiting: WaitingRoom, forks: Set<string>) {
    this.admission = admission
    this.#tables = tables
    this.#waiting = waiting
    this.#forks = forks
  }

  /** Notes what becomes of a span, be it new or one that waited. */
  settle(bytes: Uint8Array, judgement: Judgement): AdmitResult {
    const present = this.#waiting.find(bytes)
    if (judgement.outcome !== "waiting") {
      if (present) this.#leave(present)
      if (judgement.outcome === "fork") this.#keepProof(bytes)
      if (judgement.outcome === "admitted") {
        const entry = judgement.entries[0]
        if (entry) this.admitted.add(idKey(entry.incarnation))
      }
      return judgement
    }
    const span = this.#waiting.add(bytes, judgement.need)
    if (span === undefined) return { outcome: "refused", code: "LOG_WAITING_FULL" }
    if (present === undefined || this.#arrived.has(span.hash)) this.#arrived.set(span.hash, span)
    return { outcome: "waiting", why: judgement.need.why }
  }

  ops(): readonly LogOp[] {
    const arrived = [...this.#arrived.values()]
    return [
      ...this.admission.ops,
      ...this.#ops,
      ...arrived.map(({ order, bytes }) => this.#tables.putWaiting(order, bytes)),
    ]
  }

  #leave(span: WaitingSpan): void {
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
