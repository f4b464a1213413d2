/**
 * One share space on one machine, the person's or the vendor's: its log, and what both lanes add
 * up to. The two sides differ only in which lane they write and who certifies their writers.
 *
 * @module
 */
import { bytesToHex, equalBytes } from "@fulcrum/codec/bytes"
import { CodecError } from "@fulcrum/codec/codec-error"
import type { SigningKey } from "@fulcrum/crypto/ed25519"
import type { Random } from "@fulcrum/crypto/random"
import type { Deflate } from "@fulcrum/log/deflate"
import {
  chainHashSchema,
  chainKeySchema,
  type EpochId,
  type EpochKey,
  epochIdSchema,
  epochKeySchema,
  idKey,
  type SpaceTag,
  spaceTagSchema,
} from "@fulcrum/log/ids"
import {
  type AdmitResult,
  type AdmittedEntry,
  openReplica,
  type Replica,
} from "@fulcrum/log/replica"
import type { SpaceKeyring } from "@fulcrum/log/space-keyring"
import type { VectorRow, VersionVector } from "@fulcrum/log/vector"
import type { VendorReceipt } from "@fulcrum/relations/board"
import type { Lane, LaneKeys } from "@fulcrum/relations/certificate"
import {
  type MoveNote,
  type NewestKeys,
  type Refused,
  type VendorItem,
  vendorLane,
} from "@fulcrum/relations/lane"
import { PersonKeys } from "@fulcrum/relations/person-keys"
import type { Share } from "@fulcrum/relations/share"
import {
  RENEWED_PLACES_MAX,
  readShareKeyBody,
  type SharePlaceNote,
} from "@fulcrum/relations/share-key"
import { readDecision, readSuccessor } from "@fulcrum/relations/successor"
import type { Vault } from "@fulcrum/store/vault"
import { type PersonEntry, PersonLane } from "./person-lane.ts"
import { type OwnSide, ShareWriters } from "./share-writers.ts"

/** Places told for one key of the person's. */
const PLACES_PER_KEY_MAX = 4
/** Of what is told under one key of mailboxes that are known: the newest. */
const RENEWALS_PER_KEY_MAX: number = 2 * RENEWED_PLACES_MAX

export interface ShareSpaceOptions {
  readonly vault: Vault
  readonly spaceTag: Uint8Array
  readonly chainKey: Uint8Array
  /** An epoch's key, by its id in hex; live, so that a key that is learned later opens what waits. */
  readonly epochKey: (id: string) => Uint8Array | undefined
  /** The epoch that new entries are sealed under. */
  readonly currentEpoch: () => Uint8Array | undefined
  readonly keys: LaneKeys
  readonly own: OwnSide
  /** How a member that did not make an epoch's key finds it in its key span. */
  readonly openKeySpan?: SpaceKeyring["openKeySpan"]
  /** Told of each entry once it counts, at opening too. */
  readonly heard?: (entry: AdmittedEntry, lane: Lane | undefined) => void
  /** Whether a signature that the vendor's lane gives is right; one that is not says nothing. */
  readonly isAgreement?: (signature: Uint8Array) => boolean
  readonly random: Random
  readonly deflate: Deflate
}

export class ShareSpace {
  readonly replica: Replica
  readonly #options: ShareSpaceOptions
  readonly #tag: SpaceTag
  readonly #keys: PersonKeys
  readonly #writers: ShareWriters
  readonly #person: PersonLane
  /** By the person's key that they belong to, the first and the newest epoch of each. */
  readonly #epochs = new Map<string, { readonly first: EpochId; newest: EpochId }>()
  readonly #receipts = new Map<string, VendorReceipt[]>()
  #agreedSignature: Uint8Array | undefined
  #refused: Refused | undefined
  #newestKeys: NewestKeys | undefined
  #toldKeysAt: Omit<VectorRow, "chain"> | undefined
  #toldKey: Uint8Array | undefined
  /**
   * By the person's key that they belong to. Devices that follow up on one removal at once tell the same
   * mailbox; another is told by somebody who has the key too, and never takes the place of the first.
   */
  readonly #places = new Map<string, SharePlaceNote[]>()
  /** By the key that they were told under. */
  readonly #renewals = new Map<string, readonly SharePlaceNote[]>()
  /** Entries whose writer's side said something that it may not say, or not in form. */
  #refusedEntries = 0

  private constructor(
    options: ShareSpaceOptions,
    parts: {
      readonly replica: Replica
      readonly tag: SpaceTag
      readonly keys: PersonKeys
      readonly writers: ShareWriters
    },
  ) {
    this.#options = options
    this.replica = parts.replica
    this.#tag = parts.tag
    this.#keys = parts.keys
    this.#writers = parts.writers
    this.#person = new PersonLane({
      side: options.own.lane,
      keys: parts.keys,
      tree: () => this.replica.tree,
      isAnswered: (chain) => this.receiptsAbout(chain).length > 0,
      counted: (entry) => options.heard?.(entry, "person"),
    })
  }

  static async open(options: ShareSpaceOptions): Promise<ShareSpace> {
    const tag = spaceTagSchema.decode(options.spaceTag)
    const keys = new PersonKeys(options.keys.person)
    const writers = new ShareWriters({ ...options, tag, personKeys: keys })
    writers.refresh()
    const replica = await openReplica({
      vault: options.vault,
      keyring: {
        tag,
        chainKey: chainKeySchema.decode(options.chainKey),
        epochKey: (id) => epochKeyOf(options.epochKey, id),
        get current() {
          const id = options.currentEpoch()
          const epochKey = id && epochKeyOf(options.epochKey, id)
          return id && epochKey ? { id: epochIdSchema.decode(id), key: epochKey } : undefined
        },
        ...(options.openKeySpan && { openKeySpan: options.openKeySpan }),
      },
      writer: writers,
      checkWriter: writers.check,
      random: options.random,
      deflate: options.deflate,
    })
    const space = new ShareSpace(options, { replica, tag, keys, writers })
    const entries: AdmittedEntry[] = []
    for await (const entry of replica.entriesAfter(0)) entries.push(entry)
    space.absorb(entries)
    return space
  }

  /** What the entries that count add up to. */
  get share(): Share {
    this.#refresh()
    return this.#person.share
  }

  /** Entries of the person's that count. */
  get personEntries(): readonly PersonEntry[] {
    this.#refresh()
    return this.#person.counting
  }

  /** Those that do not count too. */
  get toldEntries(): readonly PersonEntry[] {
    return this.#person.told
  }

  /** On the person's side: what the vendor took, and no device that speaks for her stands by. */
  get disownedEntries(): readonly PersonEntry[] {
    this.#refresh()
    return this.#keys.isFirst ? [] : this.#person.disowned
  }

  /** Whether this device's line has entries that count only once it goes on under a newer key. */
  get isOrphaned(): boolean {
    this.#refresh()
    const { ownNode } = this.replica
    if (this.#keys.isFirst || ownNode === undefined) return false
    return this.#person.isOrphaned(ownNode)
  }

  /** Ours that nothing follows. On the person's side: several until they are joined. */
  get ownKeys(): readonly SigningKey[] {
    this.#refresh()
    return this.#writers.newest
  }

  /** On the person's side: those that spoke for her before, the nearest first. */
  get earlierKeys(): readonly SigningKey[] {
    this.#refresh()
    return this.#keys.isFirst ? [] : this.#writers.earlier
  }

  /** On the person's side: whether the vendor's last word is that her newest key speaks for her. */
  get isHeard(): boolean {
    const [own, ...others] = this.ownKeys
    const [told, ...more] = this.#newestKeys?.keys ?? []
    if (own === undefined || told === undefined || others.length + more.length > 0) return false
    return equalBytes(own.publicKey, told)
  }

  /** At a vendor: where the share lies that this key of the person's speaks in, as it was told: first first. */
  placesOf(key: Uint8Array): readonly SharePlaceNote[] {
    return this.#places.get(bytesToHex(key)) ?? []
  }

  /** At a vendor: how mailboxes that it knows may be opened, as it was told since under this key. */
  renewalsOf(key: Uint8Array): readonly SharePlaceNote[] {
    return this.#renewals.get(bytesToHex(key)) ?? []
  }

  /** Where the vendor's last word about her keys stands in its lane. */
  get toldKeysAt(): Omit<VectorRow, "chain"> | undefined {
    return this.#toldKeysAt
  }

  /** The last key of which the vendor said that it alone speaks for the person. */
  get toldKey(): Uint8Array | undefined {
    return this.#toldKey
  }

  /** The person's keys, as this side knows them. */
  get personKeys(): PersonKeys {
    this.#refresh()
    return this.#keys
  }

  /** The newest keys of the person's, by the vendor's last word; `undefined`: it has said nothing. */
  get newestKeys(): NewestKeys | undefined {
    return this.#newestKeys
  }

  /** How far the person's lane goes here. */
  get personRows(): readonly VectorRow[] {
    return this.replica.vector.filter((row) => this.#writers.of(row.incarnation)?.lane === "person")
  }

  /** What the vendor has in any case: its own lane, and of the person's what it has answered. */
  get vendorRows(): VersionVector {
    const own = this.replica.vector.filter(
      ({ incarnation }) => this.#writers.of(incarnation)?.lane === "vendor",
    )
    const answered = new Map<string, VectorRow>()
    for (const { incarnation, at } of this.#person.told) {
      if (this.receiptsAbout(at.chain).length === 0) continue
      const chain = chainHashSchema.decode(at.chain)
      answered.set(idKey(incarnation), { incarnation, sequence: at.sequence, chain })
    }
    return this.replica.tree.merge(own, [...answered.values()])
  }

  /**
   * The epoch that a vendor writes under: the newest that came with the key that speaks for the
   * person. While two claim to, the first of the key that both follow: whatever came with it later,
   * one of the two may be unable to open.
   */
  get announcedEpoch(): EpochId | undefined {
    const epochs = this.#epochs.get(bytesToHex(this.#keys.settled))
    return this.#keys.isFrozen ? epochs?.first : epochs?.newest
  }

  /** The epoch that new entries are sealed under. */
  get currentEpoch(): EpochId | undefined {
    const id = this.#options.currentEpoch()
    return id === undefined ? undefined : epochIdSchema.decode(id)
  }

  /** The vendor's signature over the agreement, once its lane holds a right one. */
  get agreedSignature(): Uint8Array | undefined {
    return this.#agreedSignature
  }

  get refused(): Refused | undefined {
    return this.#refused
  }

  get refusedEntries(): number {
    return this.#refusedEntries + this.#person.refused
  }

  /** The vendor's receipts about the person's entry with this chain hash, as they came. */
  receiptsAbout(chain: Uint8Array): readonly VendorReceipt[] {
    return this.#receipts.get(bytesToHex(chain)) ?? []
  }

  /** The person's entry with this chain hash. */
  entryAt(chain: Uint8Array): PersonEntry | undefined {
    return this.#person.entryAt(chain)
  }

  /** Whether the vendor's last word about the entry is that it has it in its books. */
  hasTaken(chain: Uint8Array): boolean {
    const last = this.receiptsAbout(chain).findLast(({ receipt }) => receipt.state !== "delivered")
    return last?.receipt.state === "accepted" || last?.receipt.state === "applied"
  }

  /**
   * On the person's side: how much the vendor says that it took which is not here. Another device wrote it
   * and its entry is still to come, or a removed one did, and it never comes.
   */
  get unknownTaken(): number {
    const abouts = [...this.#receipts.values()].flatMap(([one]) => one?.receipt.about ?? [])
    return abouts.filter((about) => this.hasTaken(about) && this.entryAt(about) === undefined)
      .length
  }

  /** Takes spans from a relay or a peer, and reads what was admitted. */
  async admit(spans: readonly Uint8Array[]): Promise<readonly AdmitResult[]> {
    const results = await this.replica.admit(spans)
    const entries = results
      .flatMap((result) => (result.outcome === "admitted" ? result.entries : []))
      .toSorted((a, b) => a.arrival - b.arrival)
    this.absorb(entries)
    return results
  }

  /** Reads entries that are in the log: admitted ones, or our own once they are flushed. */
  absorb(entries: readonly AdmittedEntry[]): void {
    this.#refresh()
    for (const entry of entries) {
      this.#writers.learn(entry)
      const writer = this.#writers.of(entry.incarnation)
      if (writer?.lane === "person") this.#hearPerson(entry, writer.by)
      else this.#hearVendor(entry, writer?.lane)
    }
    this.#person.settle()
  }

  /** Takes in what the record has come to know of successors. */
  #refresh(): void {
    if (this.#writers.refresh()) this.#person.rebuild()
  }

  #hearPerson(entry: AdmittedEntry, certifier: Uint8Array): void {
    const isNews = entry.kind === "key" && this.#hearRotation(entry, certifier)
    this.#person.hear(entry, certifier)
    if (isNews) this.#person.settle()
  }

  /** @returns Whether other keys may speak for the person now. */
  #hearRotation({ announces, body }: AdmittedEntry, certifier: Uint8Array): boolean {
    const { own } = this.#options
    // On the person's side her record says which keys are hers.
    if (announces === undefined || own.lane === "person") return false
    const { clear, epoch } = announces
    const binding = { spaceTag: this.#tag, clear }
    const { statement, decision, place, places } = readShareKeyBody(body)
    const successor = statement && readSuccessor(statement, binding)
    const { recoveryHash } = own
    const decided = decision && readDecision(decision, { ...binding, recoveryHash })
    const key = bytesToHex(successor?.key ?? decided?.chosen ?? certifier)
    const known = this.#epochs.get(key)
    if (known === undefined) this.#epochs.set(key, { first: epoch, newest: epoch })
    else known.newest = epoch
    if (successor !== undefined) {
      if (place !== undefined) this.#addPlace(key, place)
      return this.#keys.add(successor)
    }
    if (places !== undefined) {
      const told = [...this.renewalsOf(certifier), ...places]
      this.#renewals.set(key, told.slice(-RENEWALS_PER_KEY_MAX))
    }
    return decided !== undefined && this.#keys.decide(decided)
  }

  #addPlace(key: string, place: SharePlaceNote): void {
    const there = this.#places.get(key) ?? []
    this.#places.set(key, there)
    const isNew = there.every(({ mailbox }) => !equalBytes(mailbox, place.mailbox))
    if (isNew && there.length < PLACES_PER_KEY_MAX) there.push(place)
  }

  #hearVendor(entry: AdmittedEntry, lane: Lane | undefined): void {
    this.#options.heard?.(entry, lane)
    if (entry.kind !== "payload") return
    if (lane === undefined) {
      this.#refusedEntries++
      return
    }
    try {
      for (const item of vendorLane.decode(entry.body)) this.#hear(item, entry)
    } catch (error) {
      if (!(error instanceof CodecError)) throw error
      this.#refusedEntries++
    }
  }

  #hearAgreed(signature: Uint8Array): void {
    if (this.#agreedSignature !== undefined) return
    const isRight = this.#options.isAgreement?.(signature) ?? true
    if (isRight) this.#agreedSignature = signature
    else this.#refusedEntries++
  }

  #hear(item: VendorItem, { incarnation, sequence }: AdmittedEntry): void {
    if (item.kind === "agreed") this.#hearAgreed(item.value.signature)
    if (item.kind === "refused") this.#refused ??= item.value
    if (item.kind === "keys" && item.value.number > (this.#newestKeys?.number ?? 0)) {
      this.#newestKeys = item.value
      this.#toldKeysAt = { incarnation, sequence }
      const [only, ...others] = item.value.keys
      if (others.length === 0) this.#toldKey = only ?? this.#toldKey
    }
    if (item.kind === "receipt") {
      const about = bytesToHex(item.value.about)
      const receipts = this.#receipts.get(about)
      const receipt = { receipt: item.value, sequence, signedBy: this.#options.keys.vendor }
      if (receipts === undefined) this.#receipts.set(about, [receipt])
      else receipts.push(receipt)
    }
  }
}

/** The move that an entry's puts belong to, if they belong to one. */
export function moveOf(entry: PersonEntry): MoveNote | undefined {
  for (const item of entry.items) if (item.kind === "move") return item.value
  return undefined
}

function epochKeyOf(
  find: (id: string) => Uint8Array | undefined,
  id: Uint8Array,
): EpochKey | undefined {
  const key = find(bytesToHex(id))
  return key === undefined ? undefined : epochKeySchema.decode(key)
}
