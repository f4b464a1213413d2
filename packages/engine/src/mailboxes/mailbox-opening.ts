/**
 * Opening a mailbox, which is made where the relay does not have it.
 *
 * @module
 */
import type { RelayClient } from "@fulcrum/relay/client"
import type { OpenMailbox } from "@fulcrum/relay/open-mailbox"
import { RelayError } from "@fulcrum/relay/relay-error"
import type { MailboxAccess } from "./linked-space.ts"

/** A mailbox as it is open on one connection. */
export interface OpenOnce {
  readonly client: RelayClient
  readonly append: OpenMailbox
  readonly read: OpenMailbox
}

export interface MailboxOpening {
  readonly access: MailboxAccess
  readonly right: "append" | "read"
  /** What the relay signed last, which it is held against. */
  readonly known: Uint8Array | undefined
  /** It was made: what was known of it is of another life. */
  made(): Promise<void>
}

/** @throws {RelayError} `RELAY_UNKNOWN_MAILBOX`: it is not there, and only its maker can make it. */
export async function openOrMake(
  client: RelayClient,
  { access, right, known, made }: MailboxOpening,
): Promise<OpenMailbox> {
  const { mailbox, holder, create } = access
  const input = { capability: access.capability(right), mailbox, holder }
  try {
    return await client.open({ ...input, ...(known && right === "read" && { known }) })
  } catch (error) {
    if (!isGone(error) || create === undefined) throw error
    await client.create(create)
    await made()
    return client.open(input)
  }
}

/** Whether a relay says that it has no such mailbox. */
export function isGone(error: unknown): boolean {
  return error instanceof RelayError && error.code === "RELAY_UNKNOWN_MAILBOX"
}

/** The same, or that its maker has removed it. */
export function isAbsent(error: unknown): boolean {
  return isGone(error) || (error instanceof RelayError && error.code === "RELAY_GONE")
}
