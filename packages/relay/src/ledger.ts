/**
 * The ledger: how much of the relay is used, in all and on account of each front door.
 *
 * Room is taken when a change is staged and given back if its flush fails, so the bounds hold
 * exactly whatever runs at the same time. Kept in memory, and counted anew from the mailboxes'
 * own records at each start.
 *
 * @module
 */
import { bytesToHex } from "@fulcrum/codec/bytes"
import type { MailboxName } from "@fulcrum/log/ids"
import type { RelayLimits } from "./limits.ts"
import { RelayError } from "./relay-error.ts"

export interface Ledger {
  readonly bytes: number
  readonly items: number
  readonly mailboxes: number
  /** @throws {RelayError} `RELAY_FULL`; `RELAY_QUOTA` if the sponsor's room is used up. */
  takeItem(bytes: number, sponsor: MailboxName | undefined): void
  /** @throws {RelayError} likewise. */
  takeMailbox(sponsor: MailboxName | undefined): void
  /** Books what is so, without asking: gives back, or counts what the disk turned out to hold. */
  book(change: {
    readonly bytes?: number
    readonly items?: number
    readonly mailboxes?: number
    readonly sponsor: MailboxName | undefined
  }): void
}

interface Account {
  bytes: number
  mailboxes: number
}

export function createLedger(limits: RelayLimits): Ledger {
  const total = { bytes: 0, items: 0, mailboxes: 0, free: 0 }
  const accounts = new Map<string, Account>()

  function accountOf(sponsor: MailboxName): Account {
    return accounts.get(bytesToHex(sponsor)) ?? { bytes: 0, mailboxes: 0 }
  }

  const ledger: Ledger = {
    get bytes() {
      return total.bytes
    },
    get items() {
      return total.items
    },
    get mailboxes() {
      return total.mailboxes
    },
    takeItem(bytes, sponsor) {
      if (total.bytes + bytes > limits.relayBytesMax) {
        throw new RelayError("RELAY_FULL", "the relay has no room")
      }
      if (sponsor && accountOf(sponsor).bytes + bytes > limits.sponsoredBytesMax) {
        throw new RelayError("RELAY_QUOTA", "the front door's owner has no room left")
      }
      ledger.book({ bytes, items: 1, sponsor })
    },
    takeMailbox(sponsor) {
      if (total.mailboxes >= limits.mailboxesMax) {
        throw new RelayError("RELAY_FULL", "the relay has as many mailboxes as it may")
      }
      if (sponsor === undefined && total.free >= limits.freeMailboxesMax) {
        throw new RelayError("RELAY_FULL", "the relay has no more mailboxes without a token")
      }
      if (sponsor && accountOf(sponsor).mailboxes >= limits.sponsoredMailboxesMax) {
        throw new RelayError("RELAY_QUOTA", "the front door's owner has no mailboxes left")
      }
      ledger.book({ mailboxes: 1, sponsor })
    },
    book({ bytes = 0, items = 0, mailboxes = 0, sponsor }) {
      total.bytes += bytes
      total.items += items
      total.mailboxes += mailboxes
      if (sponsor === undefined) {
        total.free += mailboxes
        return
      }
      const account = accountOf(sponsor)
      account.bytes += bytes
      account.mailboxes += mailboxes
      const name = bytesToHex(sponsor)
      if (account.bytes === 0 && account.mailboxes === 0) accounts.delete(name)
      else accounts.set(name, account)
    },
  }
  return ledger
}
