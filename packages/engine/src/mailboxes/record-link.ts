/**
 * Mailboxes whose key every own device has: the capabilities that a device makes for itself, and the
 * link of the record to one of its own.
 *
 * @module
 */
import type { Clock } from "@fulcrum/crypto/clock"
import { type SigningKey, signingKeyFromSeed } from "@fulcrum/crypto/ed25519"
import type { Random } from "@fulcrum/crypto/random"
import { capabilityEnd, type MailboxRight, signCapability } from "@fulcrum/log/mailbox"
import type { Vault } from "@fulcrum/store/vault"
import type { Ledger } from "../ledger/ledger.ts"
import type { LinkedSpace, MailboxAccess } from "./linked-space.ts"
import { MailboxLink } from "./mailbox-link.ts"

interface Drawing {
  readonly clock: Clock
  readonly random: Random
}

export interface RecordLinkOptions extends Drawing {
  readonly ledger: Ledger
  readonly vault: Vault
  /** The member's key in the record space, which opens the record's mailboxes. */
  readonly writer: SigningKey
  readonly address: string
  readonly mailboxSeed: Uint8Array
  /** How the mailbox is made, where there is none; absent: it is not. */
  readonly made?: "archive" | undefined
  /** What is told of the link beside what every link of the record does. */
  readonly told: Pick<LinkedSpace, "arrive" | "inStep" | "stored">
}

/** A link of the record to one of its mailboxes. */
export function recordLink(options: RecordLinkOptions): MailboxLink {
  const { ledger, vault, clock, random, writer, address, made, told } = options
  const mailboxKey = signingKeyFromSeed(options.mailboxSeed)
  const space: LinkedSpace = {
    replica: ledger.record,
    admit: async (spans) => {
      await ledger.admit(spans)
    },
    isArchived: true,
    ...told,
  }
  const create = made && { key: mailboxKey, kind: made }
  const access = ownAccess({ mailboxKey, holder: writer, create, clock, random })
  return new MailboxLink({ address, access, space, vault, clock, random })
}

/** How a mailbox is reached whose key is here. */
export function ownAccess(
  given: Drawing & Pick<MailboxAccess, "holder" | "create"> & { readonly mailboxKey: SigningKey },
): MailboxAccess {
  const { mailboxKey, holder, create } = given
  return {
    mailbox: mailboxKey.publicKey,
    holder,
    create,
    capability: (right) => ownCapability({ ...given, right }),
  }
}

/** A capability that lasts as long as one may, by the clock here. */
export function ownCapability({
  mailboxKey,
  holder,
  right,
  clock,
  random,
}: Drawing & {
  readonly mailboxKey: SigningKey
  readonly holder: Pick<SigningKey, "publicKey">
  readonly right: MailboxRight
}): Uint8Array {
  return signCapability({
    mailboxKey,
    right,
    holder: holder.publicKey,
    notAfter: capabilityEnd(clock.now()),
    serial: random.bytes(16),
  })
}
