/**
 * Entries as the layers above get them: admitted, durable, in the order of arrival.
 *
 * @module
 */
import type { PublicKey } from "@fulcrum/crypto/ed25519"
import type { Begin, EntryKind } from "./entry.ts"
import type { ChainHash, EpochId, IncarnationId } from "./ids.ts"
import { epochIdOf, SPAN_KEY, type Span } from "./span.ts"
import type { SpanEntry } from "./span-entries.ts"
import type { VectorRow } from "./vector.ts"

export interface AdmittedEntry {
  /** Its number in the order in which entries came to this device, from 1; it may leave gaps. */
  readonly arrival: number
  readonly incarnation: IncarnationId
  readonly writer: PublicKey
  readonly sequence: number
  readonly chain: ChainHash
  readonly chainBefore: ChainHash
  readonly kind: EntryKind
  readonly on: readonly VectorRow[]
  readonly body: Uint8Array
  /** What a begin entry says. */
  readonly begin?: Begin
  /** What goes with a key entry. */
  readonly announces?: Announcement
}

/** A key span's clear side. */
export interface Announcement {
  readonly epoch: EpochId
  /** Digest of the epochs that it follows. */
  readonly follows: EpochId
  /** The wraps. */
  readonly clear: Uint8Array
}

/** What the entries of one run have in common. */
export interface AdmittedFrom {
  readonly writer: PublicKey
  /** Sequence of the last. */
  readonly end: number
  /** Its number; the others count down from it. */
  readonly lastArrival: number
  readonly announces: Announcement | undefined
}

export function admittedEntries(
  from: AdmittedFrom,
  entries: readonly SpanEntry[],
): readonly AdmittedEntry[] {
  const { writer, end, lastArrival, announces } = from
  return entries.map((entry) => {
    const arrival = lastArrival - (end - entry.sequence)
    const admitted = { ...entry, arrival, writer }
    return entry.kind === "key" && announces ? { ...admitted, announces } : admitted
  })
}

/** What a key span announces; `undefined` for any other. */
export function announcementOf({ header, bytes, clear }: Span): Announcement | undefined {
  if (header.kind !== SPAN_KEY) return undefined
  return { epoch: epochIdOf(bytes), follows: header.epoch, clear }
}
