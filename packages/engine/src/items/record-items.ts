/**
 * What one payload entry of the record space holds: a list of items, applied together or not at
 * all. This is a wire format; tags are never reused.
 *
 * | tag | item           | what it is                                                          |
 * | --: | -------------- | ------------------------------------------------------------------- |
 * |   0 | change         | one Automerge change of one document                                |
 * |   1 | relationship   | the secrets of a relationship: its key, its share's keys, mailbox   |
 * |   2 | connect        | the sealed connect message, sent again byte for byte                |
 * |   3 | relayReceipt   | a relay's signed statement that it stored a share's span            |
 * |   4 | carried        | a share's spans, for own devices that have not fetched them         |
 * |   5 | move           | one move: its changes and the share entry that carries each line    |
 * |   6 | recordRelay    | a relay that keeps the record, with the mailbox there; or its end   |
 * |   7 | addresses      | where a device listens                                              |
 * |   8 | shareEpoch     | the next key of a share space                                       |
 * |   9 | removalDone    | the record moved to other mailboxes after a removal                 |
 * |  10 | connectRefused | a relay refused the connect message for good: the relay's code      |
 * |  11 | attachment     | a file that belongs to the record: its id, secret, size and name    |
 * |  12 | attachmentRemoved | one that does no more: every device deletes what it holds of it  |
 * |  13 | attachmentHeld | another device has fetched all of one                               |
 * |  14 | beacon         | where the recovery words look, and what they signed when made       |
 * |  16 | deviceKind     | what sort of machine a device is, in its own words                  |
 * |  15 | successor      | the next key of a relationship, and the statement that makes it so  |
 * |  17 | renewed        | whose keys were drawn by a device that knew of which removals       |
 * |  18 | access         | until when companies may open the mailboxes of their shares         |
 * |  19 | asideDecided   | entries of removed devices, set aside, that were taken or dropped   |
 * |  20 | recoveryRewrapped | a relationship's recovery key, wrapped to other recovery words   |
 *
 * The body is `array(variant)` in canonical CBOR, at most {@link ITEMS_PER_ENTRY_MAX} items. An
 * unknown tag is kept in the log and ignored here, so that a newer device's items do no harm.
 *
 * Source: DESIGN, "Keys", "Meeting" and "Record and shares".
 *
 * @module
 */
import {
  ATTACHMENT_BYTES_MAX,
  type AttachmentRef,
  ID_BYTES,
  SECRET_BYTES,
} from "@fulcrum/attachments/format"
import { type ItemList, itemList } from "@fulcrum/codec/item-list"
import type { JsonValue } from "@fulcrum/codec/json"
import {
  array,
  bool,
  bytes,
  bytesMax,
  encodeAs,
  json,
  optional,
  type Schema,
  struct,
  text,
  uint,
} from "@fulcrum/codec/schema"
import { ADDRESSES_TOLD_MAX } from "@fulcrum/net/address"
import { oneLine } from "./one-line.ts"
import {
  type AccessItem,
  access,
  address,
  type CarriedItem,
  type ConnectItem,
  type ConnectRefusedItem,
  carried,
  connect,
  connectRefused,
  type RecoveryRewrappedItem,
  type RelationshipItem,
  type RelayReceiptItem,
  type RenewedItem,
  recoveryRewrapped,
  relationship,
  relationshipId,
  relayReceipt,
  renewed,
  type ShareEpochItem,
  type SuccessorItem,
  shareEpoch,
  successor,
} from "./relationship-items.ts"

/** One entry is one step; a larger import is split into several entries. */
export const ITEMS_PER_ENTRY_MAX = 1024
/** Bytes of one payload body: below the span's own cap, with room for its frame. */
export const ITEMS_BYTES_MAX: number = 4 * 1024 * 1024

/** Entries of which one item says that they were decided about. */
export const ASIDE_MAX = 4096

/** Of an attachment's name, in UTF-8. */
export const ATTACHMENT_NAME_BYTES_MAX = 255

/** Of what sort of machine a device says that it is, in UTF-8: what fits a line beside its name. */
export const DEVICE_KIND_BYTES_MAX = 48

export type RecordItem =
  | { readonly kind: "change"; readonly value: ChangeItem }
  | { readonly kind: "relationship"; readonly value: RelationshipItem }
  | { readonly kind: "connect"; readonly value: ConnectItem }
  | { readonly kind: "relayReceipt"; readonly value: RelayReceiptItem }
  | { readonly kind: "carried"; readonly value: CarriedItem }
  | { readonly kind: "move"; readonly value: MoveItem }
  | { readonly kind: "recordRelay"; readonly value: RecordRelayItem }
  | { readonly kind: "addresses"; readonly value: AddressesItem }
  | { readonly kind: "shareEpoch"; readonly value: ShareEpochItem }
  | { readonly kind: "removalDone"; readonly value: RemovalDoneItem }
  | { readonly kind: "connectRefused"; readonly value: ConnectRefusedItem }
  | { readonly kind: "attachment"; readonly value: AttachmentItem }
  | { readonly kind: "attachmentRemoved"; readonly value: AttachmentRemovedItem }
  | { readonly kind: "attachmentHeld"; readonly value: AttachmentHeldItem }
  | { readonly kind: "beacon"; readonly value: BeaconItem }
  | { readonly kind: "deviceKind"; readonly value: DeviceKindItem }
  | { readonly kind: "successor"; readonly value: SuccessorItem }
  | { readonly kind: "renewed"; readonly value: RenewedItem }
  | { readonly kind: "access"; readonly value: AccessItem }
  | { readonly kind: "asideDecided"; readonly value: AsideDecidedItem }
  | { readonly kind: "recoveryRewrapped"; readonly value: RecoveryRewrappedItem }

export interface ChangeItem {
  readonly document: string
  readonly change: Uint8Array
}

export interface MoveItem {
  readonly id: Uint8Array
  /** When it was made, by the clock of the device that made it; orders the board, no more. */
  readonly madeMs: number
  /** Day from which it holds; absent: at once. */
  readonly from?: string | undefined
  readonly assignments: readonly MoveAssignment[]
  readonly lines: readonly MoveLine[]
}

export interface MoveAssignment {
  readonly path: string
  readonly before?: JsonValue | undefined
  readonly after?: JsonValue | undefined
}

/** Which entry of which share carries the move to one company. */
export interface MoveLine {
  readonly relationship: Uint8Array
  readonly paths: readonly string[]
  readonly incarnation: Uint8Array
  readonly sequence: number
  readonly chain: Uint8Array
}

export interface RecordRelayItem {
  readonly address: string
  /** Seed of the record's mailbox there. A pair, once removed, never comes back. */
  readonly mailboxSeed: Uint8Array
  readonly removed: boolean
}

export interface AddressesItem {
  readonly device: Uint8Array
  readonly addresses: readonly string[]
}

export interface RemovalDoneItem {
  /** The epoch that removed a device. */
  readonly epoch: Uint8Array
}

/** Entries that were set aside and are not asked about again; at most {@link ASIDE_MAX}. */
export interface AsideDecidedItem {
  readonly rows: readonly { readonly incarnation: Uint8Array; readonly sequence: number }[]
}

/** A file that belongs to the record; what is in it lies beside the logs. */
export interface AttachmentItem extends AttachmentRef {
  /** As the file was called. */
  readonly name: string
  /** Such as `image/jpeg`. */
  readonly mediaType: string
  /** When it was attached, by the clock of the device that did it. */
  readonly addedMs: number
  readonly device: Uint8Array
}

export interface AttachmentRemovedItem {
  /** One that was removed never comes back. */
  readonly id: Uint8Array
}

/** A device has fetched all of an attachment. */
export interface AttachmentHeldItem {
  readonly id: Uint8Array
  readonly device: Uint8Array
}

/** What every device needs to keep the beacon of some recovery words: see `beacon-keeper.ts`. */
export interface BeaconItem {
  /** The words' key, by which they are known. */
  readonly words: Uint8Array
  /** Seed of the key that names the beacon's mailbox. */
  readonly mailboxSeed: Uint8Array
  /** The words' signature over which record they belong to. */
  readonly signature: Uint8Array
}

export interface DeviceKindItem {
  readonly device: Uint8Array
  /** One line, such as `Linux, laptop`. */
  readonly machine: string
}

const path: Schema<string> = text(512)
const value: Schema<JsonValue> = json({ bytesMax: 64 * 1024, depthMax: 16, itemsMax: 4096 })

const change: Schema<ChangeItem> = struct({
  document: text(128),
  change: bytesMax(2 * 1024 * 1024),
})

const move: Schema<MoveItem> = struct({
  id: bytes(16),
  madeMs: uint(),
  from: optional(text(10)),
  assignments: array(struct({ path, before: optional(value), after: optional(value) }), 64),
  lines: array(
    struct({
      relationship: relationshipId,
      paths: array(path, 64),
      incarnation: bytes(16),
      sequence: uint(),
      chain: bytes(32),
    }),
    10_000,
  ),
})

const recordRelay: Schema<RecordRelayItem> = struct({
  address,
  mailboxSeed: bytes(32),
  removed: bool,
})

const addresses: Schema<AddressesItem> = struct({
  device: bytes(16),
  addresses: array(address, ADDRESSES_TOLD_MAX),
})

const asideDecided: Schema<AsideDecidedItem> = struct({
  rows: array(struct({ incarnation: bytes(16), sequence: uint() }), ASIDE_MAX),
})

/** The last moment that a `Date` can tell (ECMA-262, time values). */
export const DATE_MS_MAX = 8.64e15

const attachment: Schema<AttachmentItem> = struct({
  id: bytes(ID_BYTES),
  secret: bytes(SECRET_BYTES),
  bytes: uint(ATTACHMENT_BYTES_MAX),
  name: text(ATTACHMENT_NAME_BYTES_MAX),
  mediaType: text(127),
  addedMs: uint(DATE_MS_MAX),
  device: bytes(16),
})

export function encodeAttachment(item: AttachmentItem): Uint8Array {
  return encodeAs(attachment, item)
}

const attachmentRemoved: Schema<AttachmentRemovedItem> = struct({ id: bytes(ID_BYTES) })

const attachmentHeld: Schema<AttachmentHeldItem> = struct({
  id: bytes(ID_BYTES),
  device: bytes(16),
})

const beacon: Schema<BeaconItem> = struct({
  words: bytes(32),
  mailboxSeed: bytes(32),
  signature: bytes(64),
})

export function encodeBeaconItem(item: BeaconItem): Uint8Array {
  return encodeAs(beacon, item)
}

const deviceKind: Schema<DeviceKindItem> = struct({
  device: bytes(16),
  machine: oneLine(DEVICE_KIND_BYTES_MAX),
})

const removalDone: Schema<RemovalDoneItem> = struct({ epoch: bytes(32) })

/** The format of a payload entry's body in the record space. */
export const recordItems: ItemList<RecordItem> = itemList(
  {
    change: [0, change],
    relationship: [1, relationship],
    connect: [2, connect],
    relayReceipt: [3, relayReceipt],
    carried: [4, carried],
    move: [5, move],
    recordRelay: [6, recordRelay],
    addresses: [7, addresses],
    shareEpoch: [8, shareEpoch],
    removalDone: [9, removalDone],
    connectRefused: [10, connectRefused],
    attachment: [11, attachment],
    attachmentRemoved: [12, attachmentRemoved],
    attachmentHeld: [13, attachmentHeld],
    beacon: [14, beacon],
    deviceKind: [16, deviceKind],
    successor: [15, successor],
    renewed: [17, renewed],
    access: [18, access],
    asideDecided: [19, asideDecided],
    recoveryRewrapped: [20, recoveryRewrapped],
  },
  { itemsMax: ITEMS_PER_ENTRY_MAX, bytesMax: ITEMS_BYTES_MAX },
)
