/**
 * Spans that were checked and opened and did not come in whole: kept open, so that a span that
 * waits for its writer or its predecessor is not opened again at each step.
 *
 * Bounded by what they take together; the longest unused go first. Nothing is lost with them: the
 * sealed span waits in the waiting room.
 *
 * @module
 */
import type { Segment } from "./segments.ts"
import type { Span } from "./span.ts"
import type { SpanEntry } from "./span-entries.ts"
import type { Verified } from "./verified.ts"

/** What they may take together in a space whose spans are merged. */
export const OPENED_BYTES_MAX: number = 16 * 1024 * 1024

/** And in any other: of those there may be thousands in one process. */
export const OPENED_BYTES_DEFAULT: number = 256 * 1024

/** About what an entry takes besides its body, and a row of what it was written on. */
const ENTRY_BYTES = 256
const ROW_BYTES = 512

/** A span that was checked and opened. */
export interface OpenedSpan {
  readonly span: Verified<Span>
  readonly entries: readonly SpanEntry[]
  readonly segments: readonly Segment[]
  /** Its writer was let in, for all of them: that is not asked again. */
  isLetIn: boolean
}

export class OpenedSpans {
  readonly #bytesMax: number
  /** By the very bytes that came in, which nobody changes; the longest unused first. */
  readonly #spans = new Map<Uint8Array, { readonly opened: OpenedSpan; readonly bytes: number }>()
  #bytes = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  find(encoded: Uint8Array): OpenedSpan | undefined {
    const kept = this.#spans.get(encoded)
    if (kept === undefined) return undefined
    this.#spans.delete(encoded)
    this.#spans.set(encoded, kept)
    return kept.opened
  }

  keep(opened: OpenedSpan): void {
    const encoded = opened.span.bytes
    this.forget(encoded)
    const bytes = costOf(opened)
    this.#spans.set(encoded, { opened, bytes })
    this.#bytes += bytes
    for (const oldest of this.#spans.keys()) {
      if (this.#bytes <= this.#bytesMax) return
      this.forget(oldest)
    }
  }

  forget(encoded: Uint8Array): void {
    const kept = this.#spans.get(encoded)
    if (kept === undefined) return
    this.#spans.delete(encoded)
    this.#bytes -= kept.bytes
  }

  clear(): void {
    this.#spans.clear()
    this.#bytes = 0
  }
}

/** In memory, about: an entry may name many rows and hold nothing. */
function costOf({ span, entries }: OpenedSpan): number {
  let bytes = span.bytes.length
  for (const { body, on } of entries) bytes += ENTRY_BYTES + body.length + ROW_BYTES * on.length
  return bytes
}
