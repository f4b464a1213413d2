/**
 * Snapshots: a document's saved form, sealed, so that a new device need not replay its history.
 *
 * A span of kind 2 whose content is the CBOR array
 *
 * | field    | type                              | notes                                        |
 * | -------- | --------------------------------- | -------------------------------------------- |
 * | document | bytes, at most 256                | which document, as the layer above names it  |
 * | vector   | rows                              | what the saved form covers                   |
 * | heads    | list of 32 bytes, at most 1,024   | what it must load to                         |
 * | saved    | bytes, at most `SNAPSHOT_BYTES_MAX` | the saved form                             |
 *
 * A snapshot is a hint that saves time: it is used only by who has admitted everything under its
 * vector, and checked against the heads that the history gives.
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

/** Largest saved form, in bytes. It must also fit a span once it is deflated and sealed. */
export const SNAPSHOT_BYTES_MAX: number = SPAN_INFLATED_MAX - 512 * 1024

export interface Snapshot {
  readonly document: Uint8Array
  readonly vector: VersionVector
  readonly heads: readonly Uint8Array[]
  readonly saved: Uint8Array
}

const snapshotSchema: Schema<Snapshot> = struct({
  document: bytesMax(256),
  vector: vectorSchema,
  heads: array(bytes(32), 1024),
  saved: bytesMax(SNAPSHOT_BYTES_MAX),
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
