/**
 * What a vendor answers to an entry of the person's, and what it keeps of one until its last word.
 *
 * @module
 */
import { CodecError } from "@fulcrum/codec/codec-error"
import type { AdmitResult } from "@fulcrum/log/replica"
import {
  type MoveNote,
  type PersonItem,
  personLane,
  type ReceiptState,
  type VendorItem,
} from "@fulcrum/relations/lane"
import type { Judgement } from "@fulcrum/relations/policy"
import type { EntryPosition } from "@fulcrum/relations/share"

/** An entry of the person's that the vendor has not had its last word on. */
export interface OpenEntry {
  readonly by: EntryPosition
  readonly arrival: number
  readonly items: readonly PersonItem[]
  readonly move: MoveNote | undefined
  /** It cannot be read. */
  readonly isMalformed: boolean
  readonly states: Set<ReceiptState>
  /** Whether what it says holds, and its event was queued. */
  hasEffect: boolean
}

export function isKept(result: AdmitResult | undefined): boolean {
  return result?.outcome === "admitted" || result?.outcome === "waiting"
}

export function itemsOf(body: Uint8Array): readonly PersonItem[] | undefined {
  try {
    return personLane.decode(body)
  } catch (error) {
    if (error instanceof CodecError) return undefined
    throw error
  }
}

export function answer({ by }: OpenEntry, state: ReceiptState): VendorItem {
  return { kind: "receipt", value: { about: by.chain, state } }
}

export function decision({ by }: OpenEntry, judgement: Judgement): VendorItem {
  if (judgement.outcome === "accepted") {
    return { kind: "receipt", value: { about: by.chain, state: "accepted" } }
  }
  const { code, retry } = judgement
  return { kind: "receipt", value: { about: by.chain, state: "rejected", code, retry } }
}
