/**
 * Tokens at a front door, as a commit lane registers and spends them.
 *
 * @module
 */
import { bytesToHex, concatBytes, equalBytes } from "@fulcrum/codec/bytes"
import { mailboxName } from "@fulcrum/log/mailbox"
import type { VaultOp } from "@fulcrum/store/vault"
import { type ChangeContext, live, type MailboxDraft } from "./mailbox-changes.ts"
import {
  encodeRecord,
  type TOKEN_MAILBOX,
  type TOKEN_MESSAGE,
  TOKEN_REGISTERED,
  tokenSchema,
} from "./mailbox-records.ts"
import { tokenHash } from "./protocol.ts"
import { RelayError } from "./relay-error.ts"

/**
 * Registers tokens at a front door.
 *
 * @throws {RelayError} `RELAY_FORBIDDEN`, `RELAY_QUOTA`.
 */
export async function registerTokens(
  context: ChangeContext,
  draft: MailboxDraft,
  hashes: readonly Uint8Array[],
): Promise<void> {
  const { tables, limits } = context
  const door = live(draft.state)
  if (door.kind !== "door") throw new RelayError("RELAY_FORBIDDEN", "only front doors have tokens")
  const name = mailboxName(door.key)
  const fresh = new Map<string, VaultOp>()
  for (const token of hashes) {
    const group = concatBytes([name, token])
    const id = `token ${bytesToHex(token)}`
    if (draft.notes.has(id) || (await tables.tokens.get(group, TOKEN_REGISTERED))) continue
    const registeredAt = context.nowSeconds()
    const record = encodeRecord(tokenSchema, { version: 1, door: name, token, registeredAt })
    fresh.set(id, tables.tokens.put(group, TOKEN_REGISTERED, record))
  }
  if (door.tokens + fresh.size > limits.tokensMax) {
    throw new RelayError("RELAY_QUOTA", "the front door has as many tokens as it may")
  }
  for (const [id, op] of fresh) {
    draft.notes.set(id, new Uint8Array(0))
    draft.ops.push(op)
  }
  draft.state = { ...door, tokens: door.tokens + fresh.size }
}

/**
 * Binds a front door's token to one message, or to one mailbox; binding it to the same again
 * changes nothing.
 *
 * @throws {RelayError} `RELAY_TOKEN_UNKNOWN`, `RELAY_TOKEN_SPENT`.
 */
export async function spendToken(
  { tables }: ChangeContext,
  draft: MailboxDraft,
  input: {
    readonly token: Uint8Array
    readonly on: typeof TOKEN_MESSAGE | typeof TOKEN_MAILBOX
    /** The message's hash, or the mailbox's name. */
    readonly subject: Uint8Array
  },
): Promise<void> {
  const door = live(draft.state)
  const group = concatBytes([mailboxName(door.key), tokenHash(input.token)])
  if (door.kind !== "door" || !(await tables.tokens.get(group, TOKEN_REGISTERED))) {
    throw new RelayError("RELAY_TOKEN_UNKNOWN", "the front door never registered this token")
  }
  const id = `spent ${input.on} ${bytesToHex(group)}`
  const bound = draft.notes.get(id) ?? (await tables.tokens.get(group, input.on))
  if (bound !== undefined) {
    if (equalBytes(bound, input.subject)) return
    throw new RelayError("RELAY_TOKEN_SPENT", "the token was used before")
  }
  draft.notes.set(id, input.subject)
  draft.ops.push(tables.tokens.put(group, input.on, input.subject))
}
