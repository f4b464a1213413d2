/**
 * One mailbox of a relay, open on a client's connection under one capability.
 *
 * @module
 */
import { equalBytes } from "@fulcrum/codec/bytes"
import type { MailboxName } from "@fulcrum/log/ids"
import { spanHash } from "@fulcrum/log/span"
import { READ_BYTES_MAX } from "./limits.ts"
import { type RelayMethod, type RelayResults, tokenHash } from "./protocol.ts"
import type { RelayReceipt } from "./receipt.ts"
import { createReceiptTrail, type ReceiptTrail } from "./receipt-trail.ts"
import { RelayError } from "./relay-error.ts"

export interface RelayItem {
  readonly position: number
  readonly bytes: Uint8Array
  readonly receipt: RelayReceipt
}

/** Positions from one on, before another. */
export interface PositionRange {
  readonly from: number
  readonly to: number
}

export interface MailboxPage {
  /** By position, ascending. */
  readonly items: readonly RelayItem[]
  /** Where to read on; equal to `end` when there is no more. */
  readonly next: number
  /** Position of the mailbox's next append. */
  readonly end: number
  /** Hashes of items between that are gone, as far as the relay remembers them. */
  readonly gone: readonly Uint8Array[]
  /**
   * What the page neither holds nor says to be gone: forgotten long ago, or withheld. Ascending.
   */
  readonly missing: readonly PositionRange[]
  /** Highest position whose item was past retention before all readers had it; 0: none. */
  readonly expired: number
}

/** Pages that are looked through for the next item that is there: as many spans as nobody merges. */
const HOLD_PAGES_MAX = 256

/** What comes of holding a receipt that somebody else was given against what the relay shows here. */
export type Held =
  | { readonly kind: "fits" }
  /** Nothing that is there now follows from it: what did is forgotten, or kept back. */
  | { readonly kind: "unknown" }
  /** It is no receipt of this relay's for this life of the mailbox. */
  | { readonly kind: "strange" }
  /** The relay signed, or keeps back, what cannot be beside it. */
  | { readonly kind: "contradicts"; readonly proofs: readonly Uint8Array[] }

export interface OpenMailbox {
  readonly name: MailboxName
  /** Names this life of the mailbox: another than last time means a relay that lost it. */
  readonly sequenceId: Uint8Array
  /** Position of the next append when it was opened. */
  readonly next: number
  /** Receipt of the newest item when it was opened. */
  readonly head: RelayReceipt | undefined
  /** Needs `append`. Resolves once the relay has flushed it; the same span again, no change. */
  append(span: Uint8Array): Promise<RelayReceipt>
  /** Needs `read`. @param range - From which position, from 1; bytes of items at most. */
  read(range: { readonly from: number; readonly bytesMax?: number }): Promise<MailboxPage>
  /**
   * Needs `read`. Holds a receipt that somebody else was given against what the relay shows here:
   * who is shown another mailbox, or less of it, than others are can tell by it.
   */
  hold(receipt: Uint8Array): Promise<Held>
  /** Needs `read`. Calls back after appends, by anybody, until the connection ends. */
  watch(listener: (next: number) => void): Promise<void>
  /** Needs `read`, as a declared reader: all up to this position is durable here. */
  acknowledge(upTo: number): Promise<void>
  /** Needs `manage`. Replaces the mailbox's public object. */
  pin(object: Uint8Array): Promise<void>
  /** Needs `manage` of a front door. Registers one-time tokens of 32 bytes; the relay sees hashes. */
  registerTokens(tokens: readonly Uint8Array[]): Promise<void>
  /** Needs `append` to an archive; DESIGN, section 4, says who may ask when. */
  replace(input: { readonly merged: number; readonly covered: readonly number[] }): Promise<void>
  close(): Promise<void>
}

export interface MailboxSession {
  /** Asks, and holds the kind of the answer against what was expected. */
  ask<K extends keyof RelayResults>(method: RelayMethod, kind: K): Promise<RelayResults[K]>
  /** Ends the connection for what the relay said; gives the error back. */
  distrust(error: unknown): unknown
  watch(handle: number, listener: ((next: number) => void) | undefined): void
}

export function openMailbox(options: {
  readonly session: MailboxSession
  readonly relay: Uint8Array
  readonly handle: number
  readonly name: MailboxName
  readonly sequenceId: Uint8Array
  readonly next: number
  readonly head: RelayReceipt | undefined
  readonly trail: ReceiptTrail
}): OpenMailbox {
  const { session, handle, trail } = options
  const { relay, name, sequenceId, next, head } = options

  /** Checks what the relay said; what does not hold ends the connection. */
  function checked<T>(check: () => T): T {
    try {
      return check()
    } catch (error) {
      throw session.distrust(error)
    }
  }

  return {
    name,
    sequenceId,
    next,
    head,
    async append(span) {
      const receipt = await session.ask({ kind: "append", value: { handle, span } }, "receipt")
      return checked(() => receiptFor(trail, receipt, span))
    },
    async read({ from, bytesMax = READ_BYTES_MAX }) {
      const page = await session.ask({ kind: "read", value: { handle, from, bytesMax } }, "page")
      return checked(() => checkPage(trail, sequenceId, from, page))
    },
    async hold(receipt) {
      const theirs = createReceiptTrail({ relay, mailbox: name, sequenceId })
      const at = noted(theirs, receipt)
      if (at === undefined) return { kind: "strange" }
      const { position, root } = at
      const ours = trail.rootAt(position)
      if (ours && equalBytes(ours, root)) return { kind: "fits" }
      let from = position
      let isAskedAgain = false
      for (let pages = 0; pages < HOLD_PAGES_MAX; pages++) {
        const value = { handle, from, bytesMax: 1 }
        const page = await session.ask({ kind: "read", value }, "page")
        const { items } = checked(() => checkPage(trail, sequenceId, from, page))
        const proofs = proofsOf(() => checkPage(theirs, sequenceId, from, page))
        if (isKeptBack(page) && !isAskedAgain) {
          // It may have been replaced while the page was made: the next one says so.
          isAskedAgain = true
          continue
        }
        const [next] = items
        const isLast = page.next >= page.end || page.next <= from
        const isLess = page.end <= position || (page.end === position + 1 && isKeptBack(page))
        if (proofs || isLess || (ours && (next || isLast))) {
          if (proofs && proofs.length > 1) return { kind: "contradicts", proofs }
          // Beside it, the nearest that it signed for us.
          const beside = next?.receipt.bytes ?? trail.receiptAt(Math.min(position, page.end - 1))
          return { kind: "contradicts", proofs: [receipt, ...(beside ? [beside] : [])] }
        }
        // What is gone says nothing of the root: the next item that is there does.
        if (next || isLast) {
          const isLinked = next
            ? next.position === position || theirs.rootAt(next.position - 1) !== undefined
            : page.skipped.some((gone) => gone.position === position)
          return { kind: isLinked ? "fits" : "unknown" }
        }
        from = page.next
      }
      return { kind: "unknown" }
    },
    async watch(listener) {
      session.watch(handle, listener)
      await session.ask({ kind: "watch", value: { handle } }, "done")
    },
    async acknowledge(upTo) {
      await session.ask({ kind: "acknowledge", value: { handle, upTo } }, "done")
    },
    async pin(object) {
      await session.ask({ kind: "pin", value: { handle, object } }, "done")
    },
    async registerTokens(tokens) {
      const hashes = tokens.map(tokenHash)
      await session.ask({ kind: "tokens", value: { handle, hashes } }, "done")
    },
    async replace({ merged, covered }) {
      await session.ask({ kind: "replace", value: { handle, merged, covered } }, "done")
    },
    async close() {
      session.watch(handle, undefined)
      await session.ask({ kind: "close", value: { handle } }, "done")
    },
  }
}

function receiptFor(trail: ReceiptTrail, receipt: Uint8Array, span: Uint8Array): RelayReceipt {
  const noted = trail.note(receipt)
  if (!equalBytes(noted.hash, spanHash(span))) throw broken("a receipt for another item")
  return noted
}

/** `undefined`: it is no receipt that this trail could hold. */
function noted(trail: ReceiptTrail, receipt: Uint8Array): RelayReceipt | undefined {
  try {
    return trail.note(receipt)
  } catch (error) {
    if (error instanceof RelayError) return undefined
    throw error
  }
}

/** The receipts that prove that the relay signed two things, if a check shows that. */
function proofsOf(check: () => unknown): readonly Uint8Array[] | undefined {
  try {
    check()
    return undefined
  } catch (error) {
    const isTold = error instanceof RelayError && error.code === "RELAY_EQUIVOCATION"
    if (!isTold) throw error
    return error.proofs
  }
}

/** Whether what is asked for is neither there nor said to be gone. */
function isKeptBack({ items, skipped }: RelayResults["page"]): boolean {
  return items.length === 0 && skipped.length === 0
}

function checkPage(
  trail: ReceiptTrail,
  sequenceId: Uint8Array,
  from: number,
  page: RelayResults["page"],
): MailboxPage {
  if (!equalBytes(page.sequenceId, sequenceId)) throw broken("a page of another sequence")
  const start = Math.max(1, from)
  const { expired = 0 } = page
  if (page.next < start || page.next > Math.max(page.end, start) || expired >= page.end)
    throw broken("a page out of bounds")
  const items: RelayItem[] = []
  const steps = [
    ...page.items.map((item) => ({ position: item.position, item })),
    ...page.skipped.map((gone) => ({ position: gone.position, gone })),
  ].sort((a, b) => a.position - b.position)
  const missing: PositionRange[] = []
  let expected = start
  for (const step of steps) {
    if (step.position < expected || step.position >= page.next) throw broken("items out of order")
    if (step.position > expected) missing.push({ from: expected, to: step.position })
    expected = step.position + 1
    if ("gone" in step) {
      trail.skip(step.position, step.gone.hash)
      continue
    }
    const { position, bytes } = step.item
    const receipt = receiptFor(trail, step.item.receipt, bytes)
    if (receipt.position !== position) throw broken("a receipt for another position")
    items.push({ position, bytes, receipt })
  }
  if (expected < page.next) missing.push({ from: expected, to: page.next })
  const gone = page.skipped.map(({ hash }) => hash)
  return { items, next: page.next, end: page.end, gone, missing, expired }
}

function broken(detail: string): RelayError {
  return new RelayError("RELAY_PROTOCOL", detail)
}
