/**
 * What a device says of itself in the record, for the others to read.
 *
 * @module
 */
import { bytesToHex } from "@fulcrum/codec/bytes"
import type { Ledger } from "./ledger.ts"
import type { RecordItem } from "./record-items.ts"
import { withoutTransport } from "./whereabouts.ts"

export interface OwnEntry {
  readonly device: Uint8Array
  /** Where it listens; none: it does not. */
  readonly addresses: readonly string[]
}

/** Says so, if the record says otherwise. Transport ids are left out. @throws The store's error. */
export async function writeOwnEntry(ledger: Ledger, own: OwnEntry): Promise<void> {
  const items = newsOf(ledger, own)
  if (items.length === 0) return
  await ledger.transact(async (step) => {
    for (const item of items) step.add(item)
  })
}

function newsOf({ state }: Ledger, own: OwnEntry): readonly RecordItem[] {
  const { device } = own
  const id = bytesToHex(device)
  const addresses = own.addresses.map(withoutTransport)
  const known = state.addresses.get(id) ?? []
  if (addresses.length === 0 || known.join(" ") === addresses.join(" ")) return []
  return [{ kind: "addresses", value: { device, addresses } }]
}
