/**
 * Reading all of a record that a mailbox holds, from a relay that may say anything: each span is kept
 * once, what is not of the record is not kept, and what goes on for ever ends.
 *
 * @module
 */
import { bytesToHex, equalBytes } from "@fulcrum/codec/bytes"
import { LogError } from "@fulcrum/log/log-error"
import { readSpanHeader, spanHash } from "@fulcrum/log/span"

/** Bytes of a record that are taken from all of its mailboxes together. */
export const RECORD_BYTES_MAX: number = 2 ** 29
/** Pages in a row with nothing of the record in them, and not a word of what was there. */
export const EMPTY_PAGES_MAX = 64
/** Bytes of spans read at a time. */
const PAGE_BYTES_MAX: number = 1024 * 1024

/** What was read, in the order in which it came. */
export class FoundSpans {
  readonly all: Uint8Array[] = []
  readonly #space: Uint8Array
  readonly #known = new Set<string>()
  #bytes = 0

  constructor(space: Uint8Array) {
    this.#space = space
  }

  /** Whether no more is taken. */
  get isFull(): boolean {
    return this.#bytes >= RECORD_BYTES_MAX
  }

  /** @returns What it goes by; `undefined`: it is not of the record, or there is no room. */
  add(span: Uint8Array): string | undefined {
    if (this.isFull || !isOfSpace(span, this.#space)) return undefined
    const id = bytesToHex(spanHash(span))
    if (this.#known.has(id)) return id
    this.#known.add(id)
    this.all.push(span)
    this.#bytes += span.length
    return id
  }
}

function isOfSpace(span: Uint8Array, space: Uint8Array): boolean {
  try {
    return equalBytes(readSpanHeader(span).space, space)
  } catch (error) {
    if (error instanceof LogError) return false
    throw error
  }
}

/** What a relay says of a mailbox, a page at a time. */
export interface ArchivePages {
  read(range: { readonly from: number; readonly bytesMax: number }): Promise<{
    readonly items: readonly { readonly bytes: Uint8Array }[]
    /** Hashes of what was there before. */
    readonly gone: readonly Uint8Array[]
    readonly next: number
    readonly end: number
  }>
}

/** @param found - Told after each page how many spans of the record this mailbox has shown. */
export async function readArchive(
  mailbox: ArchivePages,
  into: FoundSpans,
  found: (spans: number) => void,
): Promise<void> {
  // Another mailbox may hold the same; one holds nothing twice.
  const shown = new Set<string>()
  let next = 1
  for (let empty = 0; empty < EMPTY_PAGES_MAX && !into.isFull; ) {
    const page = await mailbox.read({ from: next, bytesMax: PAGE_BYTES_MAX })
    const before = shown.size
    for (const { bytes } of page.items) {
      const id = into.add(bytes)
      if (id !== undefined) shown.add(id)
    }
    found(shown.size)
    // What was merged away leaves long stretches that are named.
    empty = shown.size > before || page.gone.length > 0 ? 0 : empty + 1
    // A page that does not go on would be asked for without end.
    if (page.next >= page.end || page.next <= next) return
    next = page.next
  }
}
