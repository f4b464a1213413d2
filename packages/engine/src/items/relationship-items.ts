/**
 * What the record says of relationships: items of its entries (`record-items.ts`), which are a wire format.
 *
 * Source: DESIGN, "Keys", "Meeting" and "Relations".
 *
 * @module
 */
import {
  array,
  bytes,
  bytesMax,
  optional,
  type Schema,
  struct,
  text,
  uint,
} from "@fulcrum/codec/schema"
import { SUCCESSOR_BYTES_MAX } from "@fulcrum/relations/successor"

/** Spans that one item carries, and bytes of each. */
export const CARRIED_SPANS_MAX = 256
export const CARRIED_SPAN_BYTES_MAX: number = 2 * 1024 * 1024

/** What one item says of removals and of relationships; of more there are several items. */
export const RENEWED_EPOCHS_MAX = 64
export const RENEWED_RELATIONSHIPS_MAX = 4096

/** Relationships of which one item says when access ends; of more there are several items. */
export const ACCESS_MAX = 4096

const RECOVERY_WRAP_BYTES_MAX = 4096

export interface RelationshipItem {
  readonly id: Uint8Array
  /** Seed of the relationship's signing key, whose public half is its `did:key`. */
  readonly signingSeed: Uint8Array
  /** The vendor's Ed25519 key, from the invitation. */
  readonly vendor: Uint8Array
  readonly spaceTag: Uint8Array
  readonly chainKey: Uint8Array
  readonly epoch: Uint8Array
  readonly epochKey: Uint8Array
  /** Seed of the key that names the share's mailbox and signs its capabilities. */
  readonly mailboxSeed: Uint8Array
  /** Seed of the key that all own devices open the share's mailbox with. */
  readonly accessSeed: Uint8Array
  /** The key that the vendor opens the share's mailbox with; drawn for this relationship alone. */
  readonly vendorAccess: Uint8Array
  readonly relays: readonly string[]
  /** Name of the vendor's front door. */
  readonly door: Uint8Array
  readonly token?: Uint8Array | undefined
  /** The signed request, as it was fetched. */
  readonly request: Uint8Array
  /** The proffered agreement, canonical JSON, and the relationship key's signature over it. */
  readonly agreement: Uint8Array
  readonly signature: Uint8Array
  /** The relationship's recovery key, wrapped to the recovery words' key alone. */
  readonly recovery: Uint8Array
  readonly invitation: string
}

export interface ConnectItem {
  readonly relationship: Uint8Array
  readonly message: Uint8Array
}

export interface RelayReceiptItem {
  readonly relationship: Uint8Array
  readonly incarnation: Uint8Array
  readonly start: number
  readonly end: number
  readonly receipt: Uint8Array
}

export interface CarriedItem {
  readonly relationship: Uint8Array
  readonly spans: readonly Uint8Array[]
}

export interface ConnectRefusedItem {
  readonly relationship: Uint8Array
  /** As the relay said it, such as `RELAY_TOKEN_SPENT`. Nobody signed it: a company's word is more. */
  readonly code: string
}

export interface ShareEpochItem {
  readonly relationship: Uint8Array
  readonly epoch: Uint8Array
  readonly epochKey: Uint8Array
}

/** In the same entry as the {@link ShareEpochItem} of the rotation that tells the vendor. */
export interface SuccessorItem {
  readonly relationship: Uint8Array
  /** Seed of the relationship's next signing key. */
  readonly signingSeed: Uint8Array
  /** As the share's key span has it (`relations/successor.ts`). */
  readonly statement: Uint8Array
}

/** Keys of relationships that were drawn, first or anew, by a device that knew of removals. */
export interface RenewedItem {
  /** Their epochs, at most {@link RENEWED_EPOCHS_MAX}. */
  readonly removals: readonly Uint8Array[]
  /** Ids, at most {@link RENEWED_RELATIONSHIPS_MAX}. */
  readonly relationships: readonly Uint8Array[]
}

/** The key of a relationship's whose place its company may open. */
export interface AccessRow {
  readonly relationship: Uint8Array
  readonly key: Uint8Array
}

export interface AccessItem {
  /** Seconds since 1970, inclusive: the end of a day. */
  readonly until: number
  /** At most {@link ACCESS_MAX}. */
  readonly rows: readonly AccessRow[]
}

/** A relationship's recovery key, wrapped to other recovery words than those that there were when it began. */
export interface RecoveryRewrappedItem {
  readonly relationship: Uint8Array
  readonly recovery: Uint8Array
}

/** Of a relationship. */
export const relationshipId: Schema<Uint8Array> = bytes(16)
/** A multiaddr. */
export const address: Schema<string> = text(512)

export const relationship: Schema<RelationshipItem> = struct({
  id: relationshipId,
  signingSeed: bytes(32),
  vendor: bytes(32),
  spaceTag: bytes(32),
  chainKey: bytes(32),
  epoch: bytes(32),
  epochKey: bytes(32),
  mailboxSeed: bytes(32),
  accessSeed: bytes(32),
  vendorAccess: bytes(32),
  relays: array(address, 8),
  door: bytes(32),
  token: optional(bytes(32)),
  request: bytesMax(64 * 1024),
  agreement: bytesMax(64 * 1024),
  signature: bytes(64),
  recovery: bytesMax(RECOVERY_WRAP_BYTES_MAX),
  invitation: text(4096),
})

export const recoveryRewrapped: Schema<RecoveryRewrappedItem> = struct({
  relationship: relationshipId,
  recovery: bytesMax(RECOVERY_WRAP_BYTES_MAX),
})

export const connect: Schema<ConnectItem> = struct({
  relationship: relationshipId,
  message: bytesMax(64 * 1024),
})

export const relayReceipt: Schema<RelayReceiptItem> = struct({
  relationship: relationshipId,
  incarnation: bytes(16),
  start: uint(),
  end: uint(),
  receipt: bytesMax(1024),
})

export const carried: Schema<CarriedItem> = struct({
  relationship: relationshipId,
  spans: array(bytesMax(CARRIED_SPAN_BYTES_MAX), CARRIED_SPANS_MAX),
})

export const shareEpoch: Schema<ShareEpochItem> = struct({
  relationship: relationshipId,
  epoch: bytes(32),
  epochKey: bytes(32),
})

export const successor: Schema<SuccessorItem> = struct({
  relationship: relationshipId,
  signingSeed: bytes(32),
  statement: bytesMax(SUCCESSOR_BYTES_MAX),
})

export const renewed: Schema<RenewedItem> = struct({
  removals: array(bytes(32), RENEWED_EPOCHS_MAX),
  relationships: array(relationshipId, RENEWED_RELATIONSHIPS_MAX),
})

export const access: Schema<AccessItem> = struct({
  until: uint(),
  rows: array(struct({ relationship: relationshipId, key: bytes(32) }), ACCESS_MAX),
})

export const connectRefused: Schema<ConnectRefusedItem> = struct({
  relationship: relationshipId,
  code: text(64),
})
