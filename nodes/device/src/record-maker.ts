/**
 * How a device comes to an open record: what the engine does, as the program needs it. Tests put
 * a record of their own in its place.
 *
 * @module
 */
import type { Clock } from "@fulcrum/crypto/clock"
import type { Random } from "@fulcrum/crypto/random"
import type { Person } from "@fulcrum/engine/person"
import type { Recovered, RestoredAttachments } from "@fulcrum/engine/recover-person"
import type { RepairReport } from "@fulcrum/engine/repair-person"
import type { SpareFile } from "@fulcrum/engine/spare"
import type { Deflate } from "@fulcrum/log/deflate"
import type { Network } from "@fulcrum/net"
import type { Discovery } from "@fulcrum/net/discovery"
import type { Documents, Reload } from "@fulcrum/record/documents"
import type { Store } from "@fulcrum/store"
import type { Blobs } from "@fulcrum/store/blobs"

export type { Recovered, RepairReport }

/** Everything that a record touches the world with. The store belongs to the record once open. */
export interface RecordParts {
  readonly store: Store
  readonly vaultKey: Uint8Array
  readonly network: Network
  readonly discovery?: Discovery
  readonly openDocuments: (reload: Reload) => Promise<Documents>
  readonly random: Random
  readonly clock: Clock
  readonly deflate: Deflate
  /** IANA name of the person's time zone. */
  readonly zone: string
  /** What sort of machine this is, as its person's other devices show it. */
  readonly kind?: string | undefined
  /** Where the files of attachments lie. */
  readonly blobs?: Blobs | undefined
  /** An empty store that is thrown away afterwards. */
  readonly openScratch: () => Promise<Store>
  /** Where the device's keys lie again, should the store be damaged. */
  readonly spare: SpareFile
}

export interface CreateRequest {
  /** Of this device. */
  readonly name: string
  readonly relays: readonly string[]
}

export interface NewRecord {
  readonly person: Person
  /** The 24 recovery words. */
  readonly words: readonly string[]
  /** They were seen, and are kept here no longer; until then the same again gives them again. */
  wordsSeen(): Promise<void>
}

export interface JoinRequest {
  readonly name: string
  readonly code: string
  readonly relay?: string
  readonly at?: string
  confirm(words: readonly string[]): Promise<boolean>
  /** Told before it fails, if the same command would find nothing here to go on from. */
  leftNothing?(): void
  readonly signal: AbortSignal
}

export interface RecoverRequest {
  readonly name: string
  /** The 24 words, as they were typed. */
  readonly words: string
  /** Where the record may lie. */
  readonly relays: readonly string[]
  /** Where a device of the record listens; then no relay is asked. */
  readonly at?: string | undefined
  /** A backup, from its beginning each time; then its own relays are asked, and not needed. */
  readonly backup?: () => AsyncIterable<Uint8Array>
  /** Told before it fails, if the same command would find nothing here to go on from. */
  leftNothing?(): void
  readonly signal: AbortSignal
}

/** What can be had of a damaged store, and an empty one. */
export interface RepairParts
  extends Omit<RecordParts, "store" | "network" | "discovery" | "openScratch"> {
  readonly damaged: Store
  readonly into: Store
}

export interface RecordMaker {
  /** Whether every record opens and none is missing; closes the store. */
  isWhole(parts: Pick<RecordParts, "store" | "vaultKey" | "random">): Promise<boolean>
  /** @throws `REPAIR_KEYS_LOST`, and what store and vault say. */
  repair(parts: RepairParts): Promise<RepairReport>
  /** @throws `RECORD_ABSENT`, and what store and vault say. */
  open(parts: RecordParts): Promise<Person>
  /** @throws `RECORD_EXISTS`, once the words of the record that is here were seen. */
  create(parts: RecordParts, request: CreateRequest): Promise<NewRecord>
  /** @throws `RECORD_EXISTS`, `RECOVERY_…`. */
  recover(parts: RecordParts, request: RecoverRequest): Promise<Recovered>
  /** Those of a backup that are not here. @throws `BACKUP_WORDS_OTHER`. */
  restoreAttachments(
    person: Person,
    from: { readonly words: string; backup(): AsyncIterable<Uint8Array> },
  ): Promise<RestoredAttachments>
  /** @throws `RECORD_EXISTS`, and what pairing says. */
  join(parts: RecordParts, request: JoinRequest): Promise<Person>
}
