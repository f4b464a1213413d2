/**
 * Spans that came too early: they wait for a predecessor, for what they were written on, for an
 * epoch's key, for a writer to become known, or for a newer program.
 *
 * All of them are on disk, and in memory too, since their bytes are bounded.
 *
 * @module
 */
import { idKey } from "./ids.ts"
import { spanHash } from "./span.ts"

/** Most spans of one space that wait. */
export const WAITING_SPANS_MAX = 4096

/** Most bytes of one space that wait. */
export const WAITING_BYTES_MAX: number = 32 * 1024 * 1024

export type WaitingFor = "predecessor" | "on" | "epoch" | "writer" | "version"

/** What would let a span in. */
export interface Need {
  readonly why: WaitingFor
  /** The incarnation or epoch that it waits for, by its key. */
  readonly key?: string
  /** How far that incarnation must go. */
  readonly sequence?: number
}

export interface WaitingSpan {
  readonly hash: string
  readonly order: number
  readonly bytes: Uint8Array
  readonly need: Need
}

export class WaitingRoom {
  readonly #byHash = new Map<string, WaitingSpan>()
  readonly #byNeed = new Map<string, Set<WaitingSpan>>()
  #bytes = 0
  #lastOrder = 0

  get size(): number {
    return this.#byHash.size
  }

  /** Puts a span in. `undefined`: there is no room. */
  add(bytes: Uint8Array, need: Need, order: number = this.#lastOrder + 1): WaitingSpan | undefined {
    const hash = hashOf(bytes)
    const present = this.#byHash.get(hash)
    if (present === undefined) {
      if (this.#byHash.size >= WAITING_SPANS_MAX) return undefined
      if (this.#bytes + bytes.length > WAITING_BYTES_MAX) return undefined
    } else this.remove(present)
    const span = { hash, order: present?.order ?? order, bytes, need }
    this.#byHash.set(hash, span)
    this.#bytes += bytes.length
    this.#lastOrder = Math.max(this.#lastOrder, span.order)
    const key = needKey(need)
    const others = this.#byNeed.get(key)
    if (others) others.add(span)
    else this.#byNeed.set(key, new Set([span]))
    return span
  }

  /** The span with these bytes, if it waits. */
  find(bytes: Uint8Array): WaitingSpan | undefined {
    return this.#byHash.size === 0 ? undefined : this.#byHash.get(hashOf(bytes))
  }

  remove(span: WaitingSpan): void {
    const present = this.#byHash.get(span.hash)
    if (present === undefined) return
    this.#byHash.delete(present.hash)
    this.#bytes -= present.bytes.length
    const key = needKey(present.need)
    const others = this.#byNeed.get(key)
    others?.delete(present)
    if (others?.size === 0) this.#byNeed.delete(key)
  }

  all(): readonly WaitingSpan[] {
    return [...this.#byHash.values()]
  }

  /** Those that an incarnation's coming this far lets try again, the earliest first. */
  reached(incarnation: string, sequence: number): readonly WaitingSpan[] {
    const waiting = this.#byNeed.get(`incarnation ${incarnation}`)
    if (waiting === undefined) return []
    return [...waiting]
      .filter(({ need }) => (need.sequence ?? 0) <= sequence)
      .toSorted((a, b) => (a.need.sequence ?? 0) - (b.need.sequence ?? 0))
  }

  /** Epochs that something waits for, by key. */
  epochs(): readonly string[] {
    const prefix = "epoch "
    return [...this.#byNeed.keys()].flatMap((key) =>
      key.startsWith(prefix) ? [key.slice(prefix.length)] : [],
    )
  }

  forEpoch(epoch: string): readonly WaitingSpan[] {
    return [...(this.#byNeed.get(`epoch ${epoch}`) ?? [])]
  }
}

/** A large span that comes in bit by bit is looked up for each of them. */
const hashes = new WeakMap<Uint8Array, string>()

function hashOf(bytes: Uint8Array): string {
  const known = hashes.get(bytes)
  if (known !== undefined) return known
  const hash = idKey(spanHash(bytes))
  hashes.set(bytes, hash)
  return hash
}

function needKey({ why, key }: Need): string {
  if (why === "epoch") return `epoch ${key}`
  return why === "predecessor" || why === "on" ? `incarnation ${key}` : why
}
