/**
 * The relay's protocol, version 1: what travels on one channel of `/fulcrum/relay/1`.
 *
 * Every message is one canonical CBOR value. The relay speaks first, with its challenge; then the
 * client asks, several at a time if it likes, and the relay answers by number, in any order but
 * that appends of one handle keep theirs.
 *
 * | from   | message     | as                                                               |
 * | ------ | ----------- | ---------------------------------------------------------------- |
 * | relay  | `challenge` | `[0, [version, nonce(32)]]`                                      |
 * | client | request     | `[id, [method, fields]]`, ids rising from 1                      |
 * | relay  | `result`    | `[1, [id, [result, fields]]]`                                    |
 * | relay  | `error`     | `[2, [id, code, retryAfterSeconds or null]]`; id 0: the channel  |
 * | relay  | `push`      | `[3, [push, fields]]`                                            |
 *
 * Methods, results and pushes with their fields are the schemas below; order and tags are the
 * format. Positions of a mailbox count from 1. `root(0) = hash(relayRoot, mailbox, sequenceId)`,
 * `root(n) = hash(relayRoot, root(n-1), n as 8 bytes, hash(n))`, where `hash(n)` is
 * log's `spanHash` of the item's bytes, be it a span or a message to a front door.
 *
 * What the maker of a mailbox signs, with the mailbox's key, is the canonical CBOR of
 * `createClaim` or `removeClaim`: both name the relay and this connection's nonce, so neither can
 * be used again or elsewhere.
 *
 * @module
 */
import { uint64ToBytes } from "@fulcrum/codec/bytes"
import { CodecError } from "@fulcrum/codec/codec-error"
import {
  array,
  branded,
  bytes,
  bytesMax,
  decodeAs,
  encodeAs,
  int,
  literal,
  oneOf,
  optional,
  type Schema,
  struct,
  text,
  uint,
  variant,
} from "@fulcrum/codec/schema"
import { contexts } from "@fulcrum/crypto/contexts"
import type { PublicKey } from "@fulcrum/crypto/ed25519"
import { hash } from "@fulcrum/crypto/hash"
import type { MailboxName } from "@fulcrum/log/ids"
import {
  ANSWER_BYTES_MAX,
  CAPABILITY_BYTES_MAX,
  ITEM_BYTES_MAX,
  KNOCK_BYTES_MAX,
  MEET_BYTES_MAX,
  PIN_BYTES_MAX,
  PROOF_BYTES_MAX,
  READ_BYTES_MAX,
  READ_ITEMS_MAX,
  READ_SKIPPED_MAX,
  READERS_MAX,
  RECEIPT_BYTES_MAX,
  REPLACED_MAX,
  REQUEST_BYTES_MAX,
  TOKENS_PER_REQUEST_MAX,
  WORK_BITS_MAX,
} from "./limits.ts"
import { RelayError } from "./relay-error.ts"

export const RELAY_PROTOCOL = "/fulcrum/relay/1"
export const RELAY_VERSION = 1

/**
 * The part of a transport channel that this package needs; `Channel` of `@fulcrum/net` is one.
 * `remotePublicKey` is proved by the transport.
 */
export interface RelayChannel {
  readonly remotePublicKey: Uint8Array
  /** Resolves when the transport can take more. */
  send(message: Uint8Array): Promise<void>
  messages(): AsyncIterable<Uint8Array>
  close(): Promise<void>
  abort(reason: Error): void
  readonly closed: Promise<void>
}

/** An archive keeps until replaced; a drop and a door until acknowledged or past retention. */
export type MailboxKind = "archive" | "drop" | "door"

export const publicKeySchema: Schema<PublicKey> = branded<PublicKey>(bytes(32))
export const mailboxNameSchema: Schema<MailboxName> = branded<MailboxName>(bytes(32))
export const mailboxKindSchema: Schema<MailboxKind> = oneOf(["archive", "drop", "door"])
/** Names one life of a mailbox's sequence: drawn at creation, so a wiped relay is noticed. */
export const sequenceIdSchema: Schema<Uint8Array> = bytes(16)

/** What admits a stranger's message: a one-time token, or work over exactly this message. */
export type KnockAdmission =
  | { readonly kind: "token"; readonly value: Uint8Array }
  | { readonly kind: "work"; readonly value: Uint8Array }

/** Where two meet: a number that the relay drew, or a name that both know already. */
export type MeetingPlace =
  | { readonly kind: "nameplate"; readonly value: number }
  | { readonly kind: "name"; readonly value: Uint8Array }

export interface CreateFields {
  readonly mailbox: PublicKey
  readonly kind: MailboxKind
  /** Who must acknowledge before an item of a drop or door is removed. */
  readonly readers: readonly PublicKey[]
  /** A front door's token, which pays for this mailbox. */
  readonly admission?: { readonly door: MailboxName; readonly token: Uint8Array } | undefined
  /** Doors: leading zero bits that a stranger's message must show; absent: tokens only. */
  readonly workBits?: number | undefined
}

/** Each method with its fields. */
export interface RelayMethods {
  readonly create: CreateFields & { readonly signature: Uint8Array }
  readonly open: { readonly capability: Uint8Array; readonly proof: Uint8Array }
  readonly append: { readonly handle: number; readonly span: Uint8Array }
  readonly read: { readonly handle: number; readonly from: number; readonly bytesMax: number }
  readonly watch: { readonly handle: number }
  readonly acknowledge: { readonly handle: number; readonly upTo: number }
  readonly pin: { readonly handle: number; readonly object: Uint8Array }
  readonly pinned: { readonly mailbox: MailboxName }
  readonly tokens: { readonly handle: number; readonly hashes: readonly Uint8Array[] }
  readonly knock: {
    readonly door: MailboxName
    readonly admission: KnockAdmission
    readonly message: Uint8Array
  }
  readonly replace: {
    readonly handle: number
    readonly merged: number
    readonly covered: readonly number[]
  }
  readonly remove: { readonly mailbox: PublicKey; readonly signature: Uint8Array }
  /** Begins a meeting: at a nameplate that the relay draws, or at a name. */
  readonly meet: { readonly name?: Uint8Array | undefined }
  readonly meetJoin: { readonly place: MeetingPlace }
  readonly meetSend: { readonly bytes: Uint8Array }
  readonly meetLeave: Nothing
  /** Gives a handle back. */
  readonly close: { readonly handle: number }
}

export interface OpenedFields {
  readonly handle: number
  readonly sequenceId: Uint8Array
  /** Position of the next append. */
  readonly next: number
  /** Running root up to `next - 1`. */
  readonly root: Uint8Array
  /** Receipt of position `next - 1`, if there ever was an item. */
  readonly head?: Uint8Array | undefined
}

export interface RelayPage {
  readonly items: readonly {
    readonly position: number
    readonly bytes: Uint8Array
    readonly receipt: Uint8Array
  }[]
  /** Items between that were replaced, acknowledged or expired, and are still remembered. */
  readonly skipped: readonly { readonly position: number; readonly hash: Uint8Array }[]
  /** Where to read on; equal to `end` when there is no more. */
  readonly next: number
  /** Position of the mailbox's next append. */
  readonly end: number
  readonly sequenceId: Uint8Array
  /**
   * Highest position whose item was past retention before all readers had acknowledged it; absent:
   * there is none. Whoever has such an item may bring it again.
   */
  readonly expired?: number | undefined
}

/** Each result with its fields. */
export interface RelayResults {
  readonly done: Nothing
  readonly created: { readonly sequenceId: Uint8Array; readonly next: number }
  readonly opened: OpenedFields
  readonly receipt: Uint8Array
  readonly page: RelayPage
  readonly pinned: {
    readonly object?: Uint8Array | undefined
    readonly workBits?: number | undefined
  }
  readonly meeting: { readonly nameplate?: number | undefined; readonly expiresInSeconds: number }
}

/** Each push with its fields. */
export interface RelayPushes {
  /** Something was appended to a watched mailbox. A hint: the truth is in `read`. */
  readonly watched: { readonly handle: number; readonly next: number }
  /** A guest has come to our meeting. */
  readonly joined: Nothing
  readonly met: { readonly bytes: Uint8Array }
  /** The other side has gone, or the meeting's time is over. */
  readonly parted: Nothing
}

export type Nothing = Readonly<Record<never, never>>
type OneOf<Kinds> = {
  [K in keyof Kinds]: { readonly kind: K; readonly value: Kinds[K] }
}[keyof Kinds]

export type RelayMethod = OneOf<RelayMethods>
export type RelayResult = OneOf<RelayResults>
export type RelayPush = OneOf<RelayPushes>

export interface RelayRequest {
  readonly id: number
  readonly method: RelayMethod
}

export type FromRelay = OneOf<{
  readonly challenge: { readonly version: number; readonly nonce: Uint8Array }
  readonly result: { readonly id: number; readonly result: RelayResult }
  readonly error: {
    readonly id: number
    readonly code: string
    readonly retryAfterSeconds?: number | undefined
  }
  readonly push: RelayPush
}>

/** What a relay states about one item; see `receipt.ts`. */
export interface ReceiptFields {
  readonly version: 1
  readonly relay: PublicKey
  readonly mailbox: MailboxName
  readonly sequenceId: Uint8Array
  readonly position: number
  readonly hash: Uint8Array
  readonly root: Uint8Array
}

const nothing: Schema<Nothing> = struct({})
const handle = uint(0xffff_ffff)
const position = uint()
const hash32 = bytes(32)
const receipt = bytesMax(RECEIPT_BYTES_MAX)

const createFields = {
  mailbox: publicKeySchema,
  kind: mailboxKindSchema,
  readers: array(publicKeySchema, READERS_MAX),
  admission: optional(struct({ door: mailboxNameSchema, token: hash32 })),
  workBits: optional(uint(WORK_BITS_MAX)),
}
const claimFields = { relay: publicKeySchema, nonce: hash32 }
const createClaimSchema = struct({ ...claimFields, ...createFields })
const removeClaimSchema = struct({ ...claimFields, mailbox: publicKeySchema })

const requestSchema: Schema<RelayRequest> = struct({
  id: int(1, Number.MAX_SAFE_INTEGER),
  method: variant({
    create: [0, struct({ ...createFields, signature: bytes(64) })],
    open: [
      1,
      struct({ capability: bytesMax(CAPABILITY_BYTES_MAX), proof: bytesMax(PROOF_BYTES_MAX) }),
    ],
    append: [2, struct({ handle, span: bytesMax(ITEM_BYTES_MAX) })],
    read: [3, struct({ handle, from: position, bytesMax: uint(READ_BYTES_MAX) })],
    watch: [4, struct({ handle })],
    acknowledge: [5, struct({ handle, upTo: position })],
    pin: [6, struct({ handle, object: bytesMax(PIN_BYTES_MAX) })],
    pinned: [7, struct({ mailbox: mailboxNameSchema })],
    tokens: [8, struct({ handle, hashes: array(hash32, TOKENS_PER_REQUEST_MAX) })],
    knock: [
      9,
      struct({
        door: mailboxNameSchema,
        admission: variant({ token: [0, hash32], work: [1, bytes(8)] }),
        message: bytesMax(KNOCK_BYTES_MAX),
      }),
    ],
    replace: [10, struct({ handle, merged: position, covered: array(position, REPLACED_MAX) })],
    remove: [11, struct({ mailbox: publicKeySchema, signature: bytes(64) })],
    meet: [12, struct({ name: optional(hash32) })],
    meetJoin: [13, struct({ place: variant({ nameplate: [0, uint(0xffff)], name: [1, hash32] }) })],
    meetSend: [14, struct({ bytes: bytesMax(MEET_BYTES_MAX) })],
    meetLeave: [15, nothing],
    close: [16, struct({ handle })],
  }),
})

const fromRelaySchema: Schema<FromRelay> = variant({
  challenge: [0, struct({ version: uint(0xffff), nonce: hash32 })],
  result: [
    1,
    struct({
      id: uint(),
      result: variant({
        done: [0, nothing],
        created: [1, struct({ sequenceId: sequenceIdSchema, next: position })],
        opened: [
          2,
          struct({
            handle,
            sequenceId: sequenceIdSchema,
            next: position,
            root: hash32,
            head: optional(receipt),
          }),
        ],
        receipt: [3, receipt],
        page: [
          4,
          struct({
            items: array(
              struct({ position, bytes: bytesMax(ITEM_BYTES_MAX), receipt }),
              READ_ITEMS_MAX,
            ),
            skipped: array(struct({ position, hash: hash32 }), READ_SKIPPED_MAX),
            next: position,
            end: position,
            sequenceId: sequenceIdSchema,
            expired: optional(position),
          }),
        ],
        pinned: [
          5,
          struct({
            object: optional(bytesMax(PIN_BYTES_MAX)),
            workBits: optional(uint(WORK_BITS_MAX)),
          }),
        ],
        meeting: [6, struct({ nameplate: optional(uint(0xffff)), expiresInSeconds: uint(86_400) })],
      }),
    }),
  ],
  error: [2, struct({ id: uint(), code: text(64), retryAfterSeconds: optional(uint(86_400)) })],
  push: [
    3,
    variant({
      watched: [0, struct({ handle, next: position })],
      joined: [1, nothing],
      met: [2, struct({ bytes: bytesMax(MEET_BYTES_MAX) })],
      parted: [3, nothing],
    }),
  ],
})

export const receiptSchema: Schema<ReceiptFields> = struct({
  version: literal(1),
  relay: publicKeySchema,
  mailbox: mailboxNameSchema,
  sequenceId: sequenceIdSchema,
  position,
  hash: hash32,
  root: hash32,
})

export function encodeRequest(request: RelayRequest): Uint8Array {
  return encodeAs(requestSchema, request)
}

/** @throws {RelayError} `RELAY_MALFORMED`. */
export function decodeRequest(message: Uint8Array): RelayRequest {
  return decodeOr("RELAY_MALFORMED", requestSchema, message, REQUEST_BYTES_MAX)
}

export function encodeFromRelay(message: FromRelay): Uint8Array {
  return encodeAs(fromRelaySchema, message)
}

/** @throws {RelayError} `RELAY_PROTOCOL`. */
export function decodeFromRelay(message: Uint8Array): FromRelay {
  return decodeOr("RELAY_PROTOCOL", fromRelaySchema, message, ANSWER_BYTES_MAX)
}

/** What the maker signs to create a mailbox. */
export function createClaim(relay: PublicKey, nonce: Uint8Array, fields: CreateFields): Uint8Array {
  return encodeAs(createClaimSchema, { ...fields, relay, nonce })
}

/** What the maker signs to remove a mailbox. */
export function removeClaim(relay: PublicKey, nonce: Uint8Array, mailbox: PublicKey): Uint8Array {
  return encodeAs(removeClaimSchema, { relay, nonce, mailbox })
}

export function firstRoot(mailbox: MailboxName, sequenceId: Uint8Array): Uint8Array {
  return hash(contexts.relayRoot, mailbox, sequenceId)
}

export function nextRoot(root: Uint8Array, at: number, item: Uint8Array): Uint8Array {
  return hash(contexts.relayRoot, root, uint64ToBytes(at), item)
}

/** What a front door registers for a token, so that its relay cannot spend it. */
export function tokenHash(token: Uint8Array): Uint8Array {
  return hash(contexts.relayToken, token)
}

function decodeOr<T>(
  code: "RELAY_MALFORMED" | "RELAY_PROTOCOL",
  schema: Schema<T>,
  message: Uint8Array,
  bytesMaximum: number,
): T {
  try {
    return decodeAs(schema, message, { bytesMax: bytesMaximum })
  } catch (cause) {
    if (!(cause instanceof CodecError)) throw cause
    throw new RelayError(code, "not a message of the relay protocol", { cause })
  }
}
