/**
 * A receipt trail: what a relay has signed about one mailbox so far, held against what it signs
 * next.
 *
 * A relay that forks, rolls back or rewrites must sign two statements that cannot both be true:
 * one position with two items, a root that does not follow from the one before, or an end before
 * what it had signed. Each is thrown as `RELAY_EQUIVOCATION` with the signed receipts as proof.
 *
 * @module
 */
import { equalBytes } from "@fulcrum/codec/bytes"
import type { MailboxName } from "@fulcrum/log/ids"
import { TRAIL_RECEIPTS_MAX } from "./limits.ts"
import { firstRoot, nextRoot } from "./protocol.ts"
import { type RelayReceipt, verifyReceipt } from "./receipt.ts"
import { RelayError } from "./relay-error.ts"

export interface ReceiptTrail {
  /**
   * Checks a receipt and holds it against the others.
   *
   * @throws {RelayError} `RELAY_PROTOCOL`: not this relay's, mailbox's or sequence's;
   * `RELAY_EQUIVOCATION`.
   */
  note(receipt: Uint8Array): RelayReceipt
  /** Goes on over an item that is gone and of which only the hash is known. */
  skip(position: number, hash: Uint8Array): void
  /** The root up to a position, if it is known. */
  rootAt(position: number): Uint8Array | undefined
  /** The receipt for a position, if it was noted. */
  receiptAt(position: number): Uint8Array | undefined
}

interface Step {
  readonly root: Uint8Array
  readonly hash: Uint8Array
  /** Absent where only hashes led here. */
  readonly receipt: Uint8Array | undefined
}

export function createReceiptTrail(options: {
  readonly relay: Uint8Array
  readonly mailbox: MailboxName
  readonly sequenceId: Uint8Array
}): ReceiptTrail {
  const { relay, mailbox, sequenceId } = options
  const steps = new Map<number, Step>()

  function rootAt(position: number): Uint8Array | undefined {
    return position === 0 ? firstRoot(mailbox, sequenceId) : steps.get(position)?.root
  }

  function keep(position: number, step: Step): void {
    steps.set(position, step)
    if (steps.size <= TRAIL_RECEIPTS_MAX) return
    const [oldest] = steps.keys()
    if (oldest !== undefined) steps.delete(oldest)
  }

  function contradicts(...receipts: (Uint8Array | undefined)[]): RelayError {
    const proofs = receipts.filter((one) => one !== undefined)
    return new RelayError("RELAY_EQUIVOCATION", "the relay signed what cannot both be true", {
      proofs,
    })
  }

  return {
    rootAt,
    receiptAt: (position) => steps.get(position)?.receipt,
    note(bytes) {
      const receipt = verifyReceipt(bytes, relay)
      if (!equalBytes(receipt.mailbox, mailbox) || !equalBytes(receipt.sequenceId, sequenceId)) {
        throw new RelayError("RELAY_PROTOCOL", "a receipt for something else")
      }
      const { position, hash, root } = receipt
      const same = steps.get(position)
      if (same && !(equalBytes(same.root, root) && equalBytes(same.hash, hash))) {
        throw contradicts(same.receipt ?? steps.get(position - 1)?.receipt, bytes)
      }
      const before = rootAt(position - 1)
      if (before && !equalBytes(nextRoot(before, position, hash), root)) {
        throw contradicts(steps.get(position - 1)?.receipt, bytes)
      }
      const after = steps.get(position + 1)
      if (after && !equalBytes(nextRoot(root, position + 1, after.hash), after.root)) {
        throw contradicts(bytes, after.receipt)
      }
      if (same?.receipt === undefined) keep(position, { root, hash, receipt: bytes })
      return receipt
    },
    skip(position, hash) {
      const same = steps.get(position)
      if (same && !equalBytes(same.hash, hash)) throw contradicts(same.receipt)
      const before = rootAt(position - 1)
      if (before === undefined) return
      const root = nextRoot(before, position, hash)
      if (same === undefined) keep(position, { root, hash, receipt: undefined })
      else if (!equalBytes(same.root, root)) {
        throw contradicts(steps.get(position - 1)?.receipt, same.receipt)
      }
    },
  }
}
