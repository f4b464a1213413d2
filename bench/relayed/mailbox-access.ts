/**
 * A mailbox of a bench at a relay, whoever opens it.
 *
 * @module
 */
import type { Clock } from "@fulcrum/crypto/clock"
import type { SigningKey } from "@fulcrum/crypto/ed25519"
import type { Random } from "@fulcrum/crypto/random"
import { capabilityEnd, type MailboxRight, signCapability } from "@fulcrum/log/mailbox"

/** Gives a right to a mailbox to whoever holds a key. */
export function capabilityOf(input: {
  readonly mailboxKey: SigningKey
  readonly holder: SigningKey
  readonly right: MailboxRight
  readonly clock: Clock
  readonly random: Random
}): Uint8Array {
  const { mailboxKey, holder, right, clock, random } = input
  return signCapability({
    mailboxKey,
    right,
    holder: holder.publicKey,
    notAfter: capabilityEnd(clock.now()),
    serial: random.bytes(16),
  })
}
