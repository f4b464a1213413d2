/**
 * How a device comes to an open record: what the engine does, as the program needs it. Tests put
 * a record of their own in its place.
 *
 * @module
 */
import type { Clock } from "@fulcrum/crypto/clock"
import type { Random } from "@fulcrum/crypto/random"
import type { Person } from "@fulcrum/engine/person"
import type { Deflate } from "@fulcrum/log/deflate"
import type { Network } from "@fulcrum/net"
import type { Discovery } from "@fulcrum/net/discovery"
import type { Documents, Reload } from "@fulcrum/record/documents"
import type { Store } from "@fulcrum/store"

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
}

export interface CreateRequest {
  /** Of this device. */
  readonly name: string
  readonly relays: readonly string[]
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

export interface RecordMaker {
  /** @throws `RECORD_ABSENT`, and what store and vault say. */
  open(parts: RecordParts): Promise<Person>
  /** @throws `RECORD_EXISTS` */
  create(
    parts: RecordParts,
    request: CreateRequest,
  ): Promise<{ readonly person: Person; readonly words: readonly string[] }>
  /** @throws `RECORD_EXISTS`, and what pairing says. */
  join(parts: RecordParts, request: JoinRequest): Promise<Person>
}
