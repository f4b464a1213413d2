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

/** Once because it is so, and once more so that whoever says otherwise hears of this one. */
const TIMES_MAX = 2

/**
 * Says it, if the record says otherwise: as often as {@link TIMES_MAX}, for another program that speaks
 * as this device, from a copy of its folder, says other things, and would be answered for ever.
 */
export class OwnEntryWriter {
  readonly #ledger: Ledger
  readonly #own: () => OwnEntry
  /** What this start said last, and how often. */
  #said: string | undefined
  #times = 0

  constructor(ledger: Ledger, own: () => OwnEntry) {
    this.#ledger = ledger
    this.#own = own
  }

  get isDue(): boolean {
    return newsOf(this.#ledger, this.#own()).length > 0 && !this.#isSaid(this.#own())
  }

  /** @throws The store's error. */
  async write(): Promise<void> {
    const own = this.#own()
    const items = newsOf(this.#ledger, own)
    if (items.length === 0) return
    const text = textOf(own)
    if (this.#isSaid(own)) return
    await this.#ledger.transact(async (step) => {
      for (const item of items) step.add(item)
    })
    this.#times = this.#said === text ? this.#times + 1 : 1
    this.#said = text
  }

  #isSaid(own: OwnEntry): boolean {
    return this.#said === textOf(own) && this.#times >= TIMES_MAX
  }
}

function textOf({ addresses, kind }: OwnEntry): string {
  return JSON.stringify([addresses.map(withoutTransport), kind])
}

/** What the record does not say yet; transport ids are left out. */
function newsOf({ state }: Ledger, own: OwnEntry): readonly RecordItem[] {
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
