/**
 * Snapshots: what documents show, sealed, so that a new device need not wait for their history.
 *
 * A span of kind 2 whose content is the CBOR array
 *
 * | field     | type                                   | notes                                     |
 * | --------- | -------------------------------------- | ----------------------------------------- |
 * | vector    | rows                                   | what the documents stand for              |
 * | documents | list, at most `SNAPSHOT_DOCUMENTS_MAX` | of `[document, heads, shown]`             |
 *
 * `document` (at most 256 bytes) is its name, `heads` (at most 1,024 of 32 bytes) are its newest
 * changes, and `shown` is what it shows then, both as the layer above has them.
 *
 * A snapshot is a hint that saves time: nothing is admitted or deleted for it, and it stands for its
 * documents only until what its vector names has come.
 *
 * @module
 */
import {
  array,
  bytes,
  bytesMax,
  decodeAs,
  encodeAs,
  type Schema,
  struct,
} from "@fulcrum/codec/schema"
import type { SigningKey } from "@fulcrum/crypto/ed25519"
import type { Random } from "@fulcrum/crypto/random"
import type { Deflate } from "./deflate.ts"
import type { EpochId, EpochKey, SpaceTag } from "./ids.ts"
import { LogError, readAs } from "./log-error.ts"
import { SPAN_INFLATED_MAX } from "./packing.ts"
import { openSpanContent, SPAN_SNAPSHOT, type Span, sealSpan } from "./span.ts"
import { type VectorRow, type VersionVector, vectorSchema } from "./vector.ts"
import type { Verified } from "./verified.ts"

/** Largest content, in bytes. It must also fit a span once it is deflated and sealed. */
export const SNAPSHOT_BYTES_MAX: number = SPAN_INFLATED_MAX - 512 * 1024

/** Most documents in one. */
export const SNAPSHOT_DOCUMENTS_MAX = 1024

export interface Snapshot {
  readonly vector: VersionVector
  readonly documents: readonly SnapshotDocument[]
}

export interface SnapshotDocument {
  readonly document: Uint8Array
  readonly heads: readonly Uint8Array[]
  readonly shown: Uint8Array
}

const snapshotSchema: Schema<Snapshot> = struct({
  vector: vectorSchema,
  documents: array(
    struct({
      document: bytesMax(256),
      heads: array(bytes(32), 1024),
      shown: bytesMax(SNAPSHOT_BYTES_MAX),
    }),
    SNAPSHOT_DOCUMENTS_MAX,
  ),
})

/**
 * @param input - `at` is where the writer's own line stands.
 * @throws {RangeError} It does not fit a span.
 */
export function sealSnapshot(input: {
  readonly space: SpaceTag
  readonly signer: SigningKey
  readonly at: VectorRow
  readonly epoch: { readonly id: EpochId; readonly key: EpochKey }
  readonly snapshot: Snapshot
  readonly random: Random
  readonly deflate: Deflate
}): Uint8Array {
  const { at, epoch, snapshot, space, signer, random, deflate } = input
  return sealSpan({
    kind: SPAN_SNAPSHOT,
    space,
    signer,
    incarnation: at.incarnation,
    start: at.sequence,
    end: at.sequence,
    chainBefore: at.chain,
    chainEnd: at.chain,
    epoch: epoch.id,
    epochKey: epoch.key,
    content: encodeAs(snapshotSchema, snapshot),
    random,
    deflate,
  })
}

/** @throws {LogError} `LOG_SEAL`, `LOG_MALFORMED`. */
export function openSnapshot(
  span: Verified<Span>,
  secrets: { readonly epochKey: EpochKey; readonly deflate: Deflate },
): Snapshot {
  if (span.header.kind !== SPAN_SNAPSHOT) throw new LogError("LOG_MALFORMED", "not a snapshot")
  const content = openSpanContent(span, secrets)
  return readAs("LOG_MALFORMED", "not a snapshot", () =>
    decodeAs(snapshotSchema, content, { bytesMax: SPAN_INFLATED_MAX }),
  )
}
