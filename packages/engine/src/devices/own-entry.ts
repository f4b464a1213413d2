/**
 * What a device says of itself in the record, for the others to read.
 *
 * @module
 */
import { bytesToHex } from "@fulcrum/codec/bytes"
import type { RecordItem } from "../items/record-items.ts"
import type { Ledger } from "../ledger/ledger.ts"
import { withoutTransport } from "./whereabouts.ts"

export interface OwnEntry {
  readonly device: Uint8Array
  /** Where it listens; none: it does not. */
  readonly addresses: readonly string[]
  /** What sort of machine it is; absent: that is not said. */
  readonly kind: string | undefined
}

/** Says so, if the record says otherwise. Transport ids are left out. @throws The store's error. */
export async function writeOwnEntry(ledger: Ledger, own: OwnEntry): Promise<void> {
  const items = newsOf(ledger, own)
  if (items.length === 0) return
  await ledger.transact(async (step) => {
    for (const item of items) step.add(item)
  })
}

/** What the record does not say yet. */
export function newsOf({ state }: Ledger, own: OwnEntry): readonly RecordItem[] {
  const { device, kind } = own
  const id = bytesToHex(device)
  const addresses = own.addresses.map(withoutTransport)
  const known = state.addresses.get(id) ?? []
  const items: RecordItem[] = []
  if (addresses.length > 0 && known.join(" ") !== addresses.join(" ")) {
    items.push({ kind: "addresses", value: { device, addresses } })
  }
  if (kind !== undefined && state.kinds.get(id) !== kind) {
    items.push({ kind: "deviceKind", value: { device, machine: kind } })
  }
  return items
}
