/**
 * Which devices have all of an attachment: one that attached or fetched it has said so.
 *
 * @module
 */
import type { MemberDevice } from "@fulcrum/access/member-state"
import { bytesToHex, equalBytes } from "@fulcrum/codec/bytes"
import type { AttachmentItem } from "../items/record-items.ts"
import type { Ledger } from "../ledger/ledger.ts"
import type { SingleCopies } from "../person/person-devices.ts"

/** This device knows what it has. */
export interface OwnFiles {
  readonly device: Uint8Array
  isWhole(id: string): boolean
}

/** Of those that belong. */
export function holdersOf(
  { state, membership }: Ledger,
  item: AttachmentItem,
  own: OwnFiles,
): readonly MemberDevice[] {
  const key = bytesToHex(item.id)
  const told = new Set([bytesToHex(item.device), ...state.attachmentHolders(key)])
  return membership.view.devices.filter(({ id }) =>
    equalBytes(id, own.device) ? own.isWhole(key) : told.has(bytesToHex(id)),
  )
}

/** How many of the record's attachments one device alone has, or none. */
export function singleCopies(ledger: Ledger, own: OwnFiles): readonly SingleCopies[] {
  const counts = new Map<MemberDevice | undefined, number>()
  for (const item of ledger.state.attachments.values()) {
    const [first, second] = holdersOf(ledger, item, own)
    if (second === undefined) counts.set(first, (counts.get(first) ?? 0) + 1)
  }
  return [...counts].map(([device, attachments]) => ({ device: device?.name, attachments }))
}
