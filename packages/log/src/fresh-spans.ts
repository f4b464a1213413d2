/**
 * The spans that were appended last, as they were made: whoever follows along gets them without the
 * disk being asked for what was just written there.
 *
 * @module
 */
import { equalBytes } from "@fulcrum/codec/bytes"
import type { SpansAfter } from "./span-selection.ts"
import type { VersionVector } from "./vector.ts"

/** By then the oldest of them are merged. */
const APPENDS_MAX = 8
/** What is more than that was not typed just now. */
const BYTES_MAX: number = 64 * 1024

interface Append {
  /** What was here before it. */
  readonly before: VersionVector
  /** What is here with it. */
  readonly after: VersionVector
  readonly spans: readonly Uint8Array[]
  readonly bytes: number
}

export class FreshSpans {
  #appends: Append[] = []

  /** These are durable now. */
  appended(before: VersionVector, after: VersionVector, spans: readonly Uint8Array[]): void {
    const bytes = spans.reduce((sum, { length }) => sum + length, 0)
    // Of what came in between nothing is known here.
    if (this.#appends.at(-1)?.after !== before) this.#appends = []
    this.#appends.push({ before, after, spans, bytes })
    let held = this.#appends.reduce((sum, append) => sum + append.bytes, 0)
    while (held > BYTES_MAX || this.#appends.length > APPENDS_MAX) {
      held -= this.#appends.shift()?.bytes ?? 0
    }
  }

  /** They may lie merged on the disk, or not be there. */
  clear(): void {
    this.#appends = []
  }

  /** What the owner of `vector` lacks, if that is just what was appended last; as `selectSpans`. */
  after(vector: VersionVector, bytesMax: number): SpansAfter | undefined {
    const from = this.#appends.findIndex(({ before }) => isSame(before, vector))
    if (from < 0) return undefined
    const spans: Uint8Array[] = []
    let reached = vector
    let bytes = 0
    for (const append of this.#appends.slice(from)) {
      bytes += append.bytes
      if (bytes > bytesMax && (spans.length > 0 || append.spans.length > 1)) break
      spans.push(...append.spans)
      reached = append.after
    }
    return spans.length > 0 ? { spans, reached } : undefined
  }
}

function isSame(a: VersionVector, b: VersionVector): boolean {
  if (a.length !== b.length) return false
  return a.every(({ incarnation, sequence, chain }, at) => {
    const other = b[at]
    return (
      other !== undefined &&
      other.sequence === sequence &&
      equalBytes(other.incarnation, incarnation) &&
      equalBytes(other.chain, chain)
    )
  })
}
