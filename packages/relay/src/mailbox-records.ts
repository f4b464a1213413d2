/**
 * What a relay stores, each a canonical CBOR value in a table of its vault. The vault seals
 * values and hashes groups, so the disk shows neither mailbox names nor their contents' hashes.
 *
 * | table             | group             | order    | record                                   |
 * | ----------------- | ----------------- | -------- | ---------------------------------------- |
 * | `relay.mailboxes` | name              | 0        | `mailboxSchema`                          |
 * | `relay.items`     | name              | position | the item's bytes                         |
 * | `relay.index`     | name              | position | `indexSchema`; outlives its item a while |
 * | `relay.receipts`  | name ‖ item hash  | 0        | the receipt; lives as long as the index  |
 * | `relay.pins`      | name              | 0        | the object itself                        |
 * | `relay.tokens`    | door ‖ token hash | 0        | `[1, door, token hash, registered at]`   |
 * |                   |                   | 1        | item hash of the message it admitted     |
 * |                   |                   | 2        | name of the mailbox it admitted          |
 *
 * Times are whole seconds since 1970 by the relay's clock.
 *
 * @module
 */
import { CodecError } from "@fulcrum/codec/codec-error"
import {
  array,
  bool,
  bytes,
  bytesMax,
  decodeAs,
  encodeAs,
  literal,
  optional,
  type Schema,
  struct,
  uint,
} from "@fulcrum/codec/schema"
import type { PublicKey } from "@fulcrum/crypto/ed25519"
import type { MailboxName } from "@fulcrum/log/ids"
import { ITEM_BYTES_MAX, READERS_MAX, RECEIPT_BYTES_MAX, WORK_BITS_MAX } from "./limits.ts"
import {
  type MailboxKind,
  mailboxKindSchema,
  mailboxNameSchema,
  publicKeySchema,
  sequenceIdSchema,
} from "./protocol.ts"
import { RelayError } from "./relay-error.ts"

/** More than any of these records: a mailbox with as many readers as it may have. */
const RECORD_BYTES_MAX = 4096

export interface Mailbox {
  readonly version: 1
  readonly key: PublicKey
  readonly kind: MailboxKind
  /** Who must acknowledge, and up to which position each has. */
  readonly readers: readonly { readonly reader: PublicKey; readonly upTo: number }[]
  /** The front door whose token paid for it. */
  readonly sponsor?: MailboxName | undefined
  /** Doors: work that a message without a token must show. */
  readonly workBits?: number | undefined
  readonly sequenceId: Uint8Array
  readonly next: number
  readonly root: Uint8Array
  readonly head?: Uint8Array | undefined
  /** Every item up to here is gone. */
  readonly floor: number
  /** Highest position whose item was past retention before all readers had acknowledged it. */
  readonly expired?: number | undefined
  readonly items: number
  readonly bytes: number
  /** Index rows whose item is gone, tokens registered, bytes of its pin. */
  readonly gone: number
  readonly tokens: number
  readonly pinBytes: number
  readonly createdAt: number
  readonly usedAt: number
  /** Its maker removed it; the rest of the record is what it was when empty. */
  readonly removedAt?: number | undefined
}

export const mailboxSchema: Schema<Mailbox> = struct({
  version: literal(1),
  key: publicKeySchema,
  kind: mailboxKindSchema,
  readers: array(struct({ reader: publicKeySchema, upTo: uint() }), READERS_MAX),
  sponsor: optional(mailboxNameSchema),
  workBits: optional(uint(WORK_BITS_MAX)),
  sequenceId: sequenceIdSchema,
  next: uint(),
  root: bytes(32),
  head: optional(bytesMax(RECEIPT_BYTES_MAX)),
  floor: uint(),
  expired: optional(uint()),
  items: uint(),
  bytes: uint(),
  gone: uint(),
  tokens: uint(),
  pinBytes: uint(),
  createdAt: uint(),
  usedAt: uint(),
  removedAt: optional(uint()),
})

export interface IndexRow {
  readonly version: 1
  readonly hash: Uint8Array
  /** Bytes of the item. */
  readonly length: number
  readonly storedAt: number
  /** Holder of the capability under which it came; absent: a stranger at a front door. */
  readonly by?: PublicKey | undefined
  /** The item is gone since then, and is remembered so that it is not stored again. */
  readonly removedAt?: number | undefined
  /** It went because its time was over, not because all have it: brought again, it is stored. */
  readonly isExpired?: boolean | undefined
}

export const indexSchema: Schema<IndexRow> = struct({
  version: literal(1),
  hash: bytes(32),
  length: uint(ITEM_BYTES_MAX),
  storedAt: uint(),
  by: optional(publicKeySchema),
  removedAt: optional(uint()),
  isExpired: optional(bool),
})

export interface Token {
  readonly version: 1
  readonly door: MailboxName
  readonly token: Uint8Array
  readonly registeredAt: number
}

export const tokenSchema: Schema<Token> = struct({
  version: literal(1),
  door: mailboxNameSchema,
  token: bytes(32),
  registeredAt: uint(),
})

/** Orders under which one token's records lie. */
export const TOKEN_REGISTERED = 0
export const TOKEN_MESSAGE = 1
export const TOKEN_MAILBOX = 2

export function encodeRecord<T>(schema: Schema<T>, record: T): Uint8Array {
  return encodeAs(schema, record)
}

/** @throws {RelayError} `RELAY_DAMAGED`: authentic, and not of this format: of a newer version. */
export function decodeRecord<T>(schema: Schema<T>, record: Uint8Array): T {
  try {
    return decodeAs(schema, record, { bytesMax: RECORD_BYTES_MAX })
  } catch (cause) {
    if (!(cause instanceof CodecError)) throw cause
    throw new RelayError("RELAY_DAMAGED", "a stored record is of an unknown format", { cause })
  }
}
