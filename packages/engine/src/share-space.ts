/**
 * One share space on one machine, the person's or the vendor's: its log, and what both lanes add
 * up to. The two sides differ only in which lane they write and who certifies their writers.
 *
 * @module
 */
import { bytesToHex } from "@fulcrum/codec/bytes"
import { CodecError } from "@fulcrum/codec/codec-error"
import { generateSigningKey, type SigningKey } from "@fulcrum/crypto/ed25519"
import type { Random } from "@fulcrum/crypto/random"
import type { Deflate } from "@fulcrum/log/deflate"
import {
  chainKeySchema,
  type EpochId,
  type EpochKey,
  epochIdSchema,
  epochKeySchema,
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
import type { VendorReceipt } from "@fulcrum/relations/board"
import { certifyWriter, type Lane, type LaneKeys, writerLane } from "@fulcrum/relations/certificate"
import {
  type MoveNote,
  type PersonItem,
  personLane,
  type Refused,
  type VendorItem,
  vendorLane,
} from "@fulcrum/relations/lane"
import { type EntryPosition, Share } from "@fulcrum/relations/share"
import type { Vault } from "@fulcrum/store/vault"

export interface ShareSpaceOptions {
  readonly vault: Vault
  readonly spaceTag: Uint8Array
  readonly chainKey: Uint8Array
  /** An epoch's key, by its id in hex; live, so that a key that is learned later opens what waits. */
  readonly epochKey: (id: string) => Uint8Array | undefined
  /** The epoch that new entries are sealed under. */
  readonly currentEpoch: () => Uint8Array | undefined
  readonly keys: LaneKeys
  /** Which lane is ours, and the key that certifies our writers. */
  readonly own: { readonly lane: Lane; readonly key: SigningKey }
  /** How a member that did not make an epoch's key finds it in its key span. */
  readonly openKeySpan?: SpaceKeyring["openKeySpan"]
  /** Told of each entry that is read, at opening too, in the order of arrival. */
  readonly heard?: (entry: AdmittedEntry, lane: Lane | undefined) => void
  /** Whether a signature that the vendor's lane gives is right; one that is not says nothing. */
  readonly isAgreement?: (signature: Uint8Array) => boolean
  readonly random: Random
  readonly deflate: Deflate
}

/** An entry of the person's lane, read. */
export interface PersonEntry {
  readonly at: EntryPosition
  readonly incarnation: Uint8Array
  readonly arrival: number
  readonly items: readonly PersonItem[]
}

/** An entry of the vendor's lane, read. */
export interface VendorEntry {
  readonly at: EntryPosition
  readonly arrival: number
  readonly items: readonly VendorItem[]
}

export class ShareSpace {
  readonly replica: Replica
  readonly share: Share = new Share()
  readonly personEntries: PersonEntry[] = []
  readonly #entryByChain = new Map<string, PersonEntry>()
  readonly #lanes = new Map<string, Lane>()
  readonly #receipts = new Map<string, VendorReceipt[]>()
  readonly #keys: LaneKeys
  readonly #tag: SpaceTag
  readonly #currentEpoch: () => Uint8Array | undefined
  readonly #heard: ShareSpaceOptions["heard"]
  readonly #isAgreement: NonNullable<ShareSpaceOptions["isAgreement"]>
  #agreedSignature: Uint8Array | undefined
  #refused: Refused | undefined
  /** Entries whose writer's side said something that it may not say, or not in form. */
  #refusedEntries = 0

  private constructor(replica: Replica, options: ShareSpaceOptions, tag: SpaceTag) {
    this.replica = replica
    this.#keys = options.keys
    this.#tag = tag
    this.#currentEpoch = options.currentEpoch
    this.#heard = options.heard
    this.#isAgreement = options.isAgreement ?? (() => true)
  }

  static async open(options: ShareSpaceOptions): Promise<ShareSpace> {
    const tag = spaceTagSchema.decode(options.spaceTag)
    const { key, lane } = options.own
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
      writer: {
        begin(incarnation) {
          const writer = generateSigningKey(options.random)
          const claim = { spaceTag: tag, incarnation, writer: writer.publicKey }
          return { key: writer, certificate: certifyWriter(lane, key, claim) }
        },
      },
      checkWriter: (header, begin) => {
        if (begin === undefined) return "ok"
        const claim = { spaceTag: tag, incarnation: header.incarnation, writer: header.writer }
        return writerLane(options.keys, claim, begin.certificate) === undefined ? "refused" : "ok"
      },
      random: options.random,
      deflate: options.deflate,
    })
    const space = new ShareSpace(replica, options, tag)
    const entries: AdmittedEntry[] = []
    for await (const entry of replica.entriesAfter(0)) entries.push(entry)
    space.absorb(entries)
    return space
  }

  /** The epoch that new entries are sealed under. */
  get currentEpoch(): EpochId | undefined {
    const id = this.#currentEpoch()
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
    return this.#refusedEntries
  }

  /** The vendor's receipts about the person's entry with this chain hash, as they came. */
  receiptsAbout(chain: Uint8Array): readonly VendorReceipt[] {
    return this.#receipts.get(bytesToHex(chain)) ?? []
  }

  /** The person's entry with this chain hash. */
  entryAt(chain: Uint8Array): PersonEntry | undefined {
    return this.#entryByChain.get(bytesToHex(chain))
  }

  /** Whether the vendor's last word about the entry is that it has it in its books. */
  hasTaken(chain: Uint8Array): boolean {
    const last = this.receiptsAbout(chain).findLast(({ receipt }) => receipt.state !== "delivered")
    return last?.receipt.state === "accepted" || last?.receipt.state === "applied"
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
    for (const entry of entries) {
      if (entry.begin !== undefined) this.#learnLane(entry)
      this.#heard?.(entry, this.#lanes.get(bytesToHex(entry.writer)))
      if (entry.kind !== "payload") continue
      try {
        this.#read(entry)
      } catch (error) {
        if (!(error instanceof CodecError)) throw error
        this.#refusedEntries++
      }
    }
  }

  #learnLane(entry: AdmittedEntry): void {
    const { incarnation, writer } = entry
    const claim = { spaceTag: this.#tag, incarnation, writer }
    const lane = writerLane(this.#keys, claim, entry.begin?.certificate ?? new Uint8Array())
    if (lane !== undefined) this.#lanes.set(bytesToHex(writer), lane)
  }

  #read(entry: AdmittedEntry): void {
    const { writer, sequence, chain, arrival, incarnation } = entry
    const at = { writer, sequence, chain }
    const lane = this.#lanes.get(bytesToHex(writer))
    if (lane === "person") {
      const items = personLane.decode(entry.body)
      const read = { at, incarnation, arrival, items }
      this.personEntries.push(read)
      this.#entryByChain.set(bytesToHex(chain), read)
      for (const item of items) if (item.kind === "put") this.share.apply(item.value, at)
    } else if (lane === "vendor") {
      for (const item of vendorLane.decode(entry.body)) this.#hear(item, sequence)
    } else {
      this.#refusedEntries++
    }
  }

  #hearAgreed(signature: Uint8Array): void {
    if (this.#agreedSignature !== undefined) return
    if (this.#isAgreement(signature)) this.#agreedSignature = signature
    else this.#refusedEntries++
  }

  #hear(item: VendorItem, sequence: number): void {
    if (item.kind === "agreed") this.#hearAgreed(item.value.signature)
    if (item.kind === "refused") this.#refused ??= item.value
    if (item.kind === "receipt") {
      const about = bytesToHex(item.value.about)
      const receipts = this.#receipts.get(about)
      const receipt = { receipt: item.value, sequence, signedBy: this.#keys.vendor }
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
