/**
 * A key entry as a device keeps it beside the log.
 *
 * @module
 */
import { AccessError } from "@fulcrum/access/access-error"
import { type KeyBody, readKeyBody } from "@fulcrum/access/key-body"
import { bytes, bytesMax, type Schema, struct, uint } from "@fulcrum/codec/schema"
import {
  type EpochId,
  epochIdSchema,
  type IncarnationId,
  incarnationIdSchema,
} from "@fulcrum/log/ids"
import type { AdmittedEntry } from "@fulcrum/log/replica"

export interface StoredKeyEntry {
  readonly epoch: EpochId
  readonly follows: EpochId
  readonly writer: Uint8Array
  readonly incarnation: IncarnationId
  readonly sequence: number
  readonly body: Uint8Array
}

export const storedSchema: Schema<StoredKeyEntry> = struct({
  epoch: epochIdSchema,
  follows: epochIdSchema,
  writer: bytes(32),
  incarnation: incarnationIdSchema,
  sequence: uint(),
  body: bytesMax(2 * 1024 * 1024),
})

export function storedOf(entry: AdmittedEntry): StoredKeyEntry | undefined {
  const { announces, kind, writer, incarnation, sequence, body } = entry
  if (kind !== "key" || announces === undefined) return undefined
  const { epoch, follows } = announces
  return { epoch, follows, writer, incarnation, sequence, body }
}

export function readEpochs(stored: StoredKeyEntry): KeyBody["previousKeys"] {
  return readBody(stored)?.previousKeys ?? []
}

/** A member may write nonsense; then its key entry says nothing. */
export function readBody(stored: Pick<StoredKeyEntry, "body" | "follows">): KeyBody | undefined {
  try {
    return readKeyBody(stored.body, stored.follows)
  } catch (error) {
    if (error instanceof AccessError) return undefined
    throw error
  }
}
