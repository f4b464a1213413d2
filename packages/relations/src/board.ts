/**
 * The board: how far a move has got at one company, from what others signed.
 *
 * `planned` and `sealed` are this side's own. Every later state has a signature behind it: a relay's
 * receipt for `relayed`, an entry of the vendor's lane for the rest. A state may be skipped, and is
 * then not shown. Of several answers the vendor's last decides.
 *
 * Source: DESIGN, "Relations" (move, receipts).
 *
 * @module
 */
import { equalBytes } from "@fulcrum/codec/bytes"
import type { Receipt, RejectionCode } from "./lane.ts"

/** How far a line gets if nothing is rejected, in order. */
export const LINE_STATES = [
  "planned",
  "sealed",
  "relayed",
  "delivered",
  "accepted",
  "applied",
] as const

export type LineState = (typeof LINE_STATES)[number] | "rejected"

/** Which entry of the share carries the move; absent: it is only planned. */
export interface LineEntry {
  readonly incarnation: Uint8Array
  readonly sequence: number
  readonly chain: Uint8Array
}

/** A relay's receipt whose signature was checked. */
export interface RelayedSpan {
  readonly incarnation: Uint8Array
  /** First and last sequence of the span. */
  readonly start: number
  readonly end: number
  /** The relay's public key. */
  readonly signedBy: Uint8Array
}

/** A receipt in an admitted entry of the vendor's lane. */
export interface VendorReceipt {
  readonly receipt: Receipt
  /** Sequence of the entry that it is in. */
  readonly sequence: number
  /** The vendor's public key, which certified the entry's writer. */
  readonly signedBy: Uint8Array
}

export interface LineStep {
  readonly state: LineState
  /** Public key of the signer; none for `planned` and `sealed`. */
  readonly signedBy: Uint8Array | undefined
}

export interface LineProgress {
  readonly state: LineState
  readonly steps: readonly LineStep[]
  /** With `rejected`. */
  readonly code: RejectionCode | undefined
  readonly pointer: string | undefined
  readonly retry: Receipt["retry"]
  /** Nothing more is to come. */
  readonly done: boolean
}

/** @param input.entry - Of this relationship's share; receipts about others are passed over. */
export function lineState(input: {
  readonly entry: LineEntry | undefined
  readonly relayReceipts: readonly RelayedSpan[]
  readonly vendorReceipts: readonly VendorReceipt[]
}): LineProgress {
  const { entry } = input
  const steps: LineStep[] = [{ state: "planned", signedBy: undefined }]
  if (entry === undefined) return progress(steps, undefined)
  steps.push({ state: "sealed", signedBy: undefined })
  const relayed = input.relayReceipts.find((one) => covers(one, entry))
  if (relayed !== undefined) steps.push({ state: "relayed", signedBy: relayed.signedBy })
  const answers = input.vendorReceipts
    .filter(({ receipt }) => equalBytes(receipt.about, entry.chain))
    .sort((a, b) => a.sequence - b.sequence)
  const delivered = answers.find(({ receipt }) => receipt.state === "delivered")
  if (delivered !== undefined) steps.push({ state: "delivered", signedBy: delivered.signedBy })
  const last = answers.findLast(({ receipt }) => receipt.state !== "delivered")
  if (last?.receipt.state === "rejected") {
    steps.push({ state: "rejected", signedBy: last.signedBy })
    return progress(steps, last.receipt)
  }
  for (const state of ["accepted", "applied"] as const) {
    const answer = answers.findLast(({ receipt }) => receipt.state === state)
    if (answer !== undefined) steps.push({ state, signedBy: answer.signedBy })
  }
  return progress(steps, undefined)
}

function progress(steps: readonly LineStep[], rejection: Receipt | undefined): LineProgress {
  const state = steps.at(-1)?.state ?? "planned"
  return {
    state,
    steps,
    code: rejection === undefined ? undefined : (rejection.code ?? "other"),
    pointer: rejection?.pointer,
    retry: rejection?.retry,
    done: state === "applied" || state === "rejected",
  }
}

function covers(span: RelayedSpan, entry: LineEntry): boolean {
  return (
    equalBytes(span.incarnation, entry.incarnation) &&
    span.start <= entry.sequence &&
    entry.sequence <= span.end
  )
}
