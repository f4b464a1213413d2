/**
 * What of an attachment a file holds: found by its hashes, not by notes of what was written, which
 * a crash could make untrue.
 *
 * @module
 */
import { equalBytes } from "@fulcrum/codec/bytes"
import type { BlobFile } from "@fulcrum/store/blobs"
import {
  type AttachmentRef,
  attachmentId,
  attachmentShape,
  chunkHash,
  chunkPlace,
  listedHash,
} from "./format.ts"

/** Chunks from `from` on, before `to`. */
export interface ChunkRange {
  readonly from: number
  readonly to: number
}

export interface Holding {
  /** `undefined`: it is not there, or damaged. */
  readonly list: Uint8Array | undefined
  /** In order; all, where the list is not there. */
  readonly missing: readonly ChunkRange[]
}

/** Reads all that is there. @throws {StoreError} @throws The reason of `signal`, once it fires. */
export async function holdingOf(
  file: BlobFile,
  ref: AttachmentRef,
  signal?: AbortSignal,
): Promise<Holding> {
  const shape = attachmentShape(ref.bytes)
  const list = await file.read(0, shape.listBytes)
  if (!equalBytes(attachmentId(list), ref.id)) {
    return { list: undefined, missing: [{ from: 0, to: shape.chunks }] }
  }
  const size = await file.size()
  const missing: { from: number; to: number }[] = []
  for (let index = 0; index < shape.chunks; index++) {
    signal?.throwIfAborted()
    const { offset, length } = chunkPlace(shape, index)
    const isThere =
      offset + length <= size &&
      equalBytes(await chunkHash(await file.read(offset, length)), listedHash(list, index))
    if (isThere) continue
    const last = missing.at(-1)
    if (last?.to === index) last.to++
    else missing.push({ from: index, to: index + 1 })
  }
  return { list, missing }
}

export function chunksIn(ranges: readonly ChunkRange[]): number {
  return ranges.reduce((sum, { from, to }) => sum + to - from, 0)
}
