/**
 * Who belongs, where they are and where the record lies: as the record says, and before it has come
 * this far as the pairing package said.
 *
 * @module
 */
import type { MemberDevice } from "@fulcrum/access/member-state"
import {
  type Membership as MembershipView,
  provisionalMembership,
} from "@fulcrum/access/membership"
import { bytesToHex, equalBytes } from "@fulcrum/codec/bytes"
import type { RecordRelayItem } from "../items/record-items.ts"
import type { Hints } from "../ledger/hints.ts"
import type { Ledger } from "../ledger/ledger.ts"

export class Whereabouts {
  readonly #ledger: Ledger
  readonly #hints: Hints

  constructor(ledger: Ledger, hints: Hints) {
    this.#ledger = ledger
    this.#hints = hints
  }

  get members(): MembershipView {
    const { view, hasJoined, genesis } = this.#ledger.membership
    return hasJoined ? view : provisionalMembership(this.#hints.members, genesis)
  }

  /** Until the record says where a device is: the addresses from pairing that are no other's. */
  addressesOf({ id }: MemberDevice): readonly string[] {
    const { addresses } = this.#ledger.state
    const known = addresses.get(bytesToHex(id))
    if (known !== undefined) return known
    const others = new Set([...addresses.values()].flat())
    return this.#hints.addresses.filter((one) => !others.has(withoutTransport(one)))
  }

  get relays(): readonly RecordRelayItem[] {
    const { state, membership } = this.#ledger
    const known = state.relays
    if (known.length > 0 && membership.hasJoined) return known
    const hinted = this.#hints.mailboxes.flatMap(({ relays, seed: mailboxSeed }) =>
      relays
        .filter((address) => !state.hasLeft(address, mailboxSeed))
        .map((address) => ({ address, mailboxSeed, removed: false })),
    )
    const isKnown = (one: RecordRelayItem) =>
      known.some(
        ({ address, mailboxSeed }) =>
          address === one.address && equalBytes(mailboxSeed, one.mailboxSeed),
      )
    // A record that has not come this far may have moved since.
    return [...known, ...hinted.filter((one) => !isKnown(one))]
  }
}

/** Transport ids change with each start. */
export function withoutTransport(address: string): string {
  return address.replace(/\/p2p\/[^/]+$/, "")
}
