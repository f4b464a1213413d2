/**
 * Spans that were checked and opened and did not come in whole: kept open, so that a span that
 * waits for its writer or its predecessor is not opened again at each step.
 *
 * Bounded by what they hold together; the longest unused go first. Nothing is lost with them: the
 * sealed span waits in the waiting room.
 *
 * @module
 */
import type { Begin } from "./entry.ts"
import type { Span, SpanEntry } from "./span.ts"
import type { Verified } from "./verified.ts"

/** Entries of all spans that are kept open: some tens of MB at most, for small entries. */
export const OPENED_ENTRIES_MAX = 32_768

/** Bytes of their bodies, together. */
export const OPENED_BYTES_MAX: number = 32 * 1024 * 1024

/** A span that was checked and opened. */
export interface OpenedSpan {
  readonly span: Verified<Span>
  readonly entries: readonly SpanEntry[]
  readonly begin: Begin | undefined
}

export class OpenedSpans {
  /** By the very bytes that came in, which nobody changes; the longest unused first. */
  readonly #spans = new Map<Uint8Array, { readonly opened: OpenedSpan; readonly bytes: number }>()
  #entries = 0
  #bytes = 0

  find(encoded: Uint8Array): OpenedSpan | undefined {
    return this.#spans.get(encoded)?.opened
  }

  keep(opened: OpenedSpan): void {
    const encoded = opened.span.bytes
    this.forget(encoded)
    const bytes = opened.entries.reduce((sum, { body }) => sum + body.length, 0)
    this.#spans.set(encoded, { opened, bytes })
    this.#entries += opened.entries.length
    this.#bytes += bytes
    for (const oldest of this.#spans.keys()) {
      if (this.#entries <= OPENED_ENTRIES_MAX && this.#bytes <= OPENED_BYTES_MAX) return
      this.forget(oldest)
    }
  }

  forget(encoded: Uint8Array): void {
    const kept = this.#spans.get(encoded)
    if (kept === undefined) return
    this.#spans.delete(encoded)
    this.#entries -= kept.opened.entries.length
    this.#bytes -= kept.bytes
  }

  clear(): void {
    this.#spans.clear()
    this.#entries = 0
    this.#bytes = 0
  }
}
