/**
 * What the record space's items add up to, apart from the documents: relationships, moves, relays,
 * addresses. A function of the set of items, whatever the order in which they arrived.
 *
 * @module
 */
import { bytesToHex, compareBytes } from "@fulcrum/codec/bytes"
import { isPublicKey } from "@fulcrum/crypto/ed25519"
import type { VectorRow } from "@fulcrum/log/vector"
import {
  type AsideDecidedItem,
  type AttachmentItem,
  type BeaconItem,
  encodeAttachment,
  encodeBeaconItem,
  type MoveItem,
  type RecordItem,
  type RecordRelayItem,
} from "./record-items.ts"
import type {
  AccessItem,
  CarriedItem,
  RelationshipItem,
  RelayReceiptItem,
  RenewedItem,
  SuccessorItem,
} from "./relationship-items.ts"
import { spanEnd } from "./span-end.ts"

/** A relationship as the log holds it: secrets, the pending connect message, relays' receipts. */
export interface RelationshipSecrets {
  readonly id: string
  readonly item: RelationshipItem
  /** Keys of the share space by epoch id, in hex. */
  readonly epochKeys: ReadonlyMap<string, Uint8Array>
  readonly connect: Uint8Array | undefined
  /** Why a relay refused the connect message for good. */
  readonly connectRefused: string | undefined
  readonly relayReceipts: readonly RelayReceiptItem[]
  /** Keys that succeeded the first, as they were told. */
  readonly successors: readonly SuccessorItem[]
  /** Its recovery key, wrapped to words that came after those in the item. */
  readonly recoveries: readonly Uint8Array[]
}

type EntryPlace = AsideDecidedItem["rows"][number]

interface MutableRelationship {
  readonly id: string
  readonly item: RelationshipItem
  readonly epochKeys: Map<string, Uint8Array>
  connect: Uint8Array | undefined
  connectRefused: string | undefined
  readonly relayReceipts: RelayReceiptItem[]
  readonly successors: SuccessorItem[]
  readonly recoveries: Uint8Array[]
}

export class RecordState {
  readonly #relationships = new Map<string, MutableRelationship>()
  /** The shares' tags: two relationships with one log would each pass over what the other writes. */
  readonly #spaces = new Set<string>()
  readonly #moves = new Map<string, MoveItem>()
  readonly #relays = new Map<string, RecordRelayItem>()
  readonly #addresses = new Map<string, readonly string[]>()
  readonly #kinds = new Map<string, string>()
  readonly #removalsDone = new Set<string>()
  /** Relationships by the epochs of removals that their keys come after. */
  readonly #renewed = new Map<string, Set<string>>()
  /** By relationship and key, in hex: until when its company may open the place of that key. */
  readonly #access = new Map<string, number>()
  readonly #asideDecided = new Set<string>()
  readonly #carried = new Map<string, VectorRow[]>()
  readonly #attachments = new Map<string, AttachmentItem>()
  readonly #attachmentsRemoved = new Set<string>()
  readonly #attachmentHolders = new Map<string, Set<string>>()
  readonly #beacons = new Map<string, BeaconItem>()
  /** Items that speak of a relationship whose own item is not here yet. */
  readonly #early = new Map<string, RecordItem[]>()

  get relationships(): ReadonlyMap<string, RelationshipSecrets> {
    return this.#relationships
  }

  /** By id in hex; their order is told by {@link MoveItem.madeMs}. */
  get moves(): ReadonlyMap<string, MoveItem> {
    return this.#moves
  }

  /** Listening addresses by device id in hex. */
  get addresses(): ReadonlyMap<string, readonly string[]> {
    return this.#addresses
  }

  /** What sort of machine each device says that it is, by its id in hex. */
  get kinds(): ReadonlyMap<string, string> {
    return this.#kinds
  }

  /** Epochs, in hex, of removals after which the record has moved. */
  get removalsDone(): ReadonlySet<string> {
    return this.#removalsDone
  }

  /** Whether a relationship's keys were drawn by a device that knew of a removal; both in hex. */
  isRenewed(relationship: string, removal: string): boolean {
    return this.#renewed.get(removal)?.has(relationship) === true
  }

  /**
   * Until when a company may open the mailbox that belongs to this key of its relationship; both in hex.
   *
   * @returns Seconds since 1970; `undefined`: nothing was said of it since the company was met.
   */
  accessUntil(relationship: string, key: string): number | undefined {
    return this.#access.get(accessKey(relationship, key))
  }

  /** Whether an entry that was set aside was taken or dropped. */
  isAsideDecided(entry: EntryPlace): boolean {
    return this.#asideDecided.has(entryKey(entry))
  }

  /** Relays that keep the record now. */
  get relays(): readonly RecordRelayItem[] {
    return [...this.#relays.values()].filter(({ removed }) => !removed)
  }

  /** Relays, and mailboxes of relays, that kept it. */
  get leftRelays(): readonly RecordRelayItem[] {
    return [...this.#relays.values()].filter(({ removed }) => removed)
  }

  /** Whether the record says that it lies no more in this mailbox of this relay. */
  hasLeft(address: string, mailboxSeed: Uint8Array): boolean {
    return this.#relays.get(relayKey(address, mailboxSeed))?.removed === true
  }

  apply(item: RecordItem): void {
    switch (item.kind) {
      case "change":
        return
      case "carried":
        this.#carry(item.value)
        return
      case "relationship":
        this.#addRelationship(item.value)
        return
      case "connect":
      case "connectRefused":
      case "relayReceipt":
      case "shareEpoch":
      case "successor":
      case "recoveryRewrapped":
        this.#tell(bytesToHex(item.value.relationship), item)
        return
      case "move":
        this.#moves.set(bytesToHex(item.value.id), item.value)
        return
      case "recordRelay": {
        const { address, mailboxSeed } = item.value
        const key = relayKey(address, mailboxSeed)
        if (this.#relays.get(key)?.removed !== true) this.#relays.set(key, item.value)
        return
      }
      case "removalDone":
        this.#removalsDone.add(bytesToHex(item.value.epoch))
        return
      case "renewed":
        this.#renew(item.value)
        return
      case "access":
        this.#noteAccess(item.value)
        return
      case "asideDecided":
        this.#decideAside(item.value)
        return
      case "addresses":
        this.#addresses.set(bytesToHex(item.value.device), item.value.addresses)
        return
      case "deviceKind":
        this.#kinds.set(bytesToHex(item.value.device), item.value.machine)
        return
      case "attachment": {
        const id = bytesToHex(item.value.id)
        if (this.#attachmentsRemoved.has(id)) return
        keepLeast(this.#attachments, id, item.value, encodeAttachment)
        return
      }
      case "attachmentRemoved": {
        const id = bytesToHex(item.value.id)
        this.#attachmentsRemoved.add(id)
        this.#attachments.delete(id)
        return
      }
      case "attachmentHeld": {
        const id = bytesToHex(item.value.id)
        const holders = this.#attachmentHolders.get(id) ?? new Set()
        this.#attachmentHolders.set(id, holders.add(bytesToHex(item.value.device)))
        return
      }
      case "beacon":
        keepLeast(this.#beacons, bytesToHex(item.value.words), item.value, encodeBeaconItem)
    }
  }

  /** Files that belong to the record, by their ids in hex. */
  get attachments(): ReadonlyMap<string, AttachmentItem> {
    return this.#attachments
  }

  /** Ids, in hex, of those that were taken away. */
  get attachmentsRemoved(): ReadonlySet<string> {
    return this.#attachmentsRemoved
  }

  /** Ids, in hex, of the devices that said that they have fetched all of one. */
  attachmentHolders(id: string): ReadonlySet<string> {
    return this.#attachmentHolders.get(id) ?? NOBODY
  }

  /** Beacons, by the key, in hex, of the recovery words that look for it; also of replaced words. */
  get beacons(): ReadonlyMap<string, BeaconItem> {
    return this.#beacons
  }

  /** How far the record carries a share's spans; rows that others cover may be among them. */
  carried(relationship: string): readonly VectorRow[] {
    return this.#carried.get(relationship) ?? []
  }

  #renew({ removals, relationships }: RenewedItem): void {
    for (const removal of removals.map(bytesToHex)) {
      const ids = this.#renewed.get(removal) ?? new Set()
      for (const id of relationships) ids.add(bytesToHex(id))
      this.#renewed.set(removal, ids)
    }
  }

  #decideAside({ rows }: AsideDecidedItem): void {
    for (const row of rows) this.#asideDecided.add(entryKey(row))
  }

  /** The longest counts: whatever ended earlier is of no use any more. */
  #noteAccess({ until, rows }: AccessItem): void {
    for (const { relationship, key } of rows) {
      const name = accessKey(bytesToHex(relationship), bytesToHex(key))
      this.#access.set(name, Math.max(until, this.#access.get(name) ?? 0))
    }
  }

  #carry({ relationship, spans }: CarriedItem): void {
    const id = bytesToHex(relationship)
    const rows = this.#carried.get(id) ?? []
    for (const span of spans) {
      const row = spanEnd(span)
      if (row !== undefined) rows.push(row)
    }
    this.#carried.set(id, rows)
  }

  #addRelationship(item: RelationshipItem): void {
    const id = bytesToHex(item.id)
    // One with what is no key nobody could deal in: only a hostile device writes that down.
    const areKeys = isPublicKey(item.vendor) && isPublicKey(item.vendorAccess)
    if (this.#relationships.has(id) || !areKeys || this.#spaces.has(bytesToHex(item.spaceTag)))
      return
    this.#spaces.add(bytesToHex(item.spaceTag))
    this.#relationships.set(id, {
      id,
      item,
      epochKeys: new Map([[bytesToHex(item.epoch), item.epochKey]]),
      connect: undefined,
      connectRefused: undefined,
      relayReceipts: [],
      successors: [],
      recoveries: [],
    })
    for (const early of this.#early.get(id) ?? []) this.#tell(id, early)
    this.#early.delete(id)
  }

  #tell(id: string, item: RecordItem): void {
    const relationship = this.#relationships.get(id)
    if (relationship === undefined) {
      this.#early.set(id, [...(this.#early.get(id) ?? []), item])
      return
    }
    if (item.kind === "connect") relationship.connect ??= item.value.message
    if (item.kind === "connectRefused") {
      // Of several, the same one in whatever order they came.
      const codes = [item.value.code, relationship.connectRefused ?? item.value.code]
      relationship.connectRefused = codes.toSorted()[0]
    }
    if (item.kind === "recoveryRewrapped") relationship.recoveries.push(item.value.recovery)
    if (item.kind === "successor") relationship.successors.push(item.value)
    if (item.kind === "relayReceipt") relationship.relayReceipts.push(item.value)
    if (item.kind === "shareEpoch") {
      relationship.epochKeys.set(bytesToHex(item.value.epoch), item.value.epochKey)
    }
  }
}

const NOBODY: ReadonlySet<string> = new Set()

function relayKey(address: string, mailboxSeed: Uint8Array): string {
  return `${bytesToHex(mailboxSeed)} ${address}`
}

function entryKey({ incarnation, sequence }: EntryPlace): string {
  return `${bytesToHex(incarnation)} ${sequence}`
}

function accessKey(relationship: string, key: string): string {
  return `${relationship} ${key}`
}

/** Of several by one key the same one stays, in whatever order they came. */
function keepLeast<T>(
  kept: Map<string, T>,
  key: string,
  value: T,
  encode: (value: T) => Uint8Array,
): void {
  const there = kept.get(key)
  if (there === undefined || compareBytes(encode(value), encode(there)) < 0) kept.set(key, value)
}
