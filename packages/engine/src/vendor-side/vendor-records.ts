/**
 * What a vendor keeps beside its customers' share logs, and where. All of it lies in one vault,
 * each value a canonical CBOR array of its schema below.
 *
 * | table              | group           | order   | value                                     |
 * | ------------------ | --------------- | ------- | ----------------------------------------- |
 * | `vendor.identity`  | none            | 0       | keys and name                             |
 * | `vendor.settings`  | none            | 0       | relays, terms, whether anybody may come   |
 * | `vendor.requests`  | none            | version | a published request, and its X-Wing key   |
 * | `vendor.tokens`    | none            | from 1  | an invitation's token, and who used it    |
 * | `vendor.customers` | relationship id | 0       | what its connect message said             |
 * | `vendor.effects`   | relationship id | arrival | a dated entry whose day was dealt with    |
 * | `vendor.usage`     | relationship id | 0       | bytes that the customer has sent          |
 * | `vendor.doors`     | relay's hash    | 0       | how far the front door there was read     |
 * | `vendor.hooks`     | hook id         | 0       | where webhooks go                         |
 * | `vendor.queue`     | customer ‖ hook | from 1  | an event on its way (`vendor-hooks.ts`)   |
 * | `vendor.dead`      | customer ‖ hook | from 1  | an event that was given up                |
 *
 * A relationship's id is 16 random bytes of the vendor's own: the key by which its other systems
 * match, derived from nothing that the person said.
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
  text,
  uint,
} from "@fulcrum/codec/schema"
import { isPublicKey, type PublicKey } from "@fulcrum/crypto/ed25519"
import { AGREEMENT_BYTES_MAX } from "@fulcrum/relations/agreement"
import { REQUEST_BYTES_MAX } from "@fulcrum/relations/request-form"
import { VendorError } from "./vendor-error.ts"

/** Relays that keep one front door: as many as an invitation names. */
export const RELAYS_MAX = 4
/** Unused invitations: as many tokens as a relay's front door registers. */
export const TOKENS_MAX = 65_536
/** Bytes of one record. */
const RECORD_BYTES_MAX: number = 128 * 1024

/** The one group of tables that have no groups. */
export const NOTHING: Uint8Array = new Uint8Array(1)

export interface VendorIdentity {
  readonly version: 1
  /** Seed of the vendor's Ed25519 key, which its invitations carry. */
  readonly seed: Uint8Array
  /** Seed of the key that names its front door. */
  readonly doorSeed: Uint8Array
  /** Seed of the key that opens the front door on a relay. */
  readonly accessSeed: Uint8Array
  readonly name: string
  readonly domain?: string | undefined
}

export interface VendorSettings {
  readonly relays: readonly string[]
  /** IRIs of the agreements that it accepts, the preferred one first. */
  readonly terms: readonly string[]
  /** Whether there are public invitations: messages without a token are let in then. */
  readonly isPublic: boolean
}

export interface StoredRequest {
  /** Secret of the X-Wing key that this version names. */
  readonly wrapSecret: Uint8Array
  /** As published. */
  readonly bytes: Uint8Array
}

export interface InvitationToken {
  readonly token: Uint8Array
  /** For the vendor's own use: whom it invited. */
  readonly note?: string | undefined
  /** Day on which it was made. */
  readonly made: string
  /** Hash of the one message that it let in, and the relationship that came of it. */
  readonly message?: Uint8Array | undefined
  readonly customer?: Uint8Array | undefined
}

export interface CustomerRecord {
  readonly id: Uint8Array
  /** Hash of the connect message. */
  readonly message: Uint8Array
  /** The request that it answers. */
  readonly request: Uint8Array
  readonly since: string
  readonly note?: string | undefined
  readonly relationshipKey: PublicKey
  readonly spaceTag: Uint8Array
  readonly chainKey: Uint8Array
  readonly mailbox: PublicKey
  /** The relay that its share lies on. */
  readonly relay: string
  readonly accessSeed: Uint8Array
  readonly appendCapability: Uint8Array
  readonly readCapability: Uint8Array
  readonly recoveryHash: Uint8Array
  readonly agreement: Uint8Array
  readonly signature: Uint8Array
}

/** Where the reading of a front door stands on one relay. */
export interface DoorCursor {
  /** Names the life of the mailbox that the rest is about. */
  readonly sequenceId: Uint8Array
  readonly next: number
  /** Number of the last token that was registered there. */
  readonly registered: number
  readonly head?: Uint8Array | undefined
}

const publicKey: Schema<PublicKey> = {
  encode: (key) => key,
  decode(value, path) {
    const key = bytes(32).decode(value, path)
    if (!isPublicKey(key)) throw new CodecError("SCHEMA_VALUE", "no key", { path: path ?? "" })
    return key
  },
}
const address = text(512)
const day = text(10)
const note = optional(text(200))

export const identitySchema: Schema<VendorIdentity> = struct({
  version: literal(1),
  seed: bytes(32),
  doorSeed: bytes(32),
  accessSeed: bytes(32),
  name: text(100),
  domain: optional(text(253)),
})

export const settingsSchema: Schema<VendorSettings> = struct({
  relays: array(address, RELAYS_MAX),
  terms: array(text(128), 13),
  isPublic: bool,
})

export const requestSchema: Schema<StoredRequest> = struct({
  wrapSecret: bytes(32),
  bytes: bytesMax(REQUEST_BYTES_MAX),
})

export const tokenSchema: Schema<InvitationToken> = struct({
  token: bytes(32),
  note,
  made: day,
  message: optional(bytes(32)),
  customer: optional(bytes(16)),
})

export const customerSchema: Schema<CustomerRecord> = struct({
  id: bytes(16),
  message: bytes(32),
  request: bytes(32),
  since: day,
  note,
  relationshipKey: publicKey,
  spaceTag: bytes(32),
  chainKey: bytes(32),
  mailbox: publicKey,
  relay: address,
  accessSeed: bytes(32),
  appendCapability: bytesMax(512),
  readCapability: bytesMax(512),
  recoveryHash: bytes(32),
  agreement: bytesMax(AGREEMENT_BYTES_MAX),
  signature: bytes(64),
})

export const doorCursorSchema: Schema<DoorCursor> = struct({
  sequenceId: bytes(16),
  next: uint(),
  registered: uint(),
  head: optional(bytesMax(2048)),
})

export const usageSchema: Schema<number> = uint()

export function encodeStored<T>(schema: Schema<T>, value: T): Uint8Array {
  return encodeAs(schema, value)
}

/** @throws {VendorError} `VENDOR_DAMAGED`: another program wrote it. */
export function decodeStored<T>(
  schema: Schema<T>,
  stored: Uint8Array,
  bytesMaximum: number = RECORD_BYTES_MAX,
): T {
  try {
    return decodeAs(schema, stored, { bytesMax: bytesMaximum })
  } catch (cause) {
    if (!(cause instanceof CodecError)) throw cause
    throw new VendorError("VENDOR_DAMAGED", "a stored record is not of this version", { cause })
  }
}
