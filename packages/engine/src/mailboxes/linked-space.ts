/**
 * What a link to a mailbox is given: how the mailbox is reached, and the space that it carries.
 *
 * @module
 */
import type { PublicKey, SigningKey } from "@fulcrum/crypto/ed25519"
import type { Replica } from "@fulcrum/log/replica"
import type { VersionVector } from "@fulcrum/log/vector"
import type { CreateMailbox, RelayClient } from "@fulcrum/relay/client"
import type { RelayReceipt } from "@fulcrum/relay/receipt"

/** How a mailbox is reached, and how it is made if the relay does not have it. */
export interface MailboxAccess {
  readonly mailbox: PublicKey
  readonly holder: SigningKey
  capability(right: "append" | "read"): Uint8Array
  /** Absent: only its maker can. */
  readonly create?: CreateMailbox | undefined
}

/** A span that the relay holds, by its signed receipt. */
export interface StoredSpan {
  readonly span: Uint8Array
  readonly receipt: RelayReceipt
}

/** What a link carries. */
export interface LinkedSpace {
  readonly replica: Replica
  /** Takes what was read; durable when it resolves. */
  admit(spans: readonly Uint8Array[]): Promise<void>
  /** Told of each span that the relay is known to hold, brought by us or by others. */
  stored?(items: readonly StoredSpan[]): Promise<void>
  /**
   * Up to where a drop may forget, once everything below `next` was admitted; `undefined`: not yet.
   */
  mayAcknowledge?(next: number): Promise<number | undefined>
  /**
   * Once on each connection, before anything is brought: a front door to knock at.
   *
   * @param isNew - Whether the relay has lost what it had, or never had anything.
   */
  arrive?(client: RelayClient, isNew: boolean): Promise<void>
  /** After each round: all that the relay has of it was read, as far as is known, and all here brought. */
  inStep?(client: RelayClient): Promise<void>
  /** What whoever reads the mailbox has in any case, and is not brought to one that is empty. */
  known?(): VersionVector
  /** Whether anything is brought there; absent: all that is here. */
  mayBring?(): Promise<boolean>
  /** Whether its mailboxes are archives, in which merged spans replace what they cover. */
  readonly isArchived?: boolean
}
