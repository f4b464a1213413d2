/**
 * Sealing a file's content as an attachment.
 *
 * @module
 */
import type { Random } from "@fulcrum/crypto/random"
import type { BlobFile } from "@fulcrum/store/blobs"
import { AttachmentError } from "./attachment-error.ts"
import {
  type AttachmentRef,
  attachmentId,
  attachmentKey,
  attachmentShape,
  CHUNK_BYTES,
  chunkHash,
  chunkPlace,
  SECRET_BYTES,
  sealChunk,
} from "./format.ts"
import { InOrder } from "./in-order.ts"
import { Writes } from "./writes.ts"

export interface SealInput {
  /** Empty; nothing of it counts unless this resolves. */
  readonly file: BlobFile
  readonly content: AsyncIterable<Uint8Array>
  /** How many bytes the content has. */
  readonly bytes: number
  readonly random: Random
  /** That of one that was sealed before, to make it once more; absent: a new one is drawn. */
  readonly secret?: Uint8Array
  /** Told after each chunk how many bytes of the content are sealed. */
  progress?(bytes: number): void
}

/**
 * @returns What the record has to say of it, once all of it is flushed.
 * @throws {AttachmentError} `ATTACHMENT_TOO_LARGE`, `ATTACHMENT_CHANGED`. @throws What `content` does.
 * @throws {StoreError}
 */
export async function sealAttachment(input: SealInput): Promise<AttachmentRef> {
  const { file, content, bytes, random, progress } = input
  const shape = attachmentShape(bytes)
  const secret = input.secret ?? random.bytes(SECRET_BYTES)
  const key = attachmentKey(secret)
  const list = new Uint8Array(shape.listBytes)
  const writes = new Writes(file)
  let index = 0
  let taken = 0
  const hashing = new InOrder<SealedChunk>(async ({ at, sealed, hashed }) => {
    list.set(hashed, at * hashed.length)
    await writes.add(chunkPlace(shape, at).offset, sealed)
  })
  const add = async (plaintext: Uint8Array): Promise<void> => {
    await hashing.add(hashedChunk(index, sealChunk(key, index, plaintext)))
    index++
    progress?.(Math.min(taken, bytes))
  }
  const chunk = new Uint8Array(CHUNK_BYTES)
  let filled = 0
  try {
    for await (const part of content) {
      taken += part.length
      if (taken > bytes) throw changed()
      for (let at = 0; at < part.length; ) {
        const some = part.subarray(at, at + CHUNK_BYTES - filled)
        chunk.set(some, filled)
        filled += some.length
        at += some.length
        if (filled < CHUNK_BYTES || index === shape.chunks - 1) continue
        await add(chunk)
        filled = 0
      }
    }
    if (taken < bytes) throw changed()
    chunk.fill(0, filled)
    while (index < shape.chunks) {
      await add(index === shape.chunks - 1 ? chunk.subarray(0, shape.lastBytes) : chunk)
      chunk.fill(0)
    }
    await hashing.ended()
    await writes.add(0, list)
  } finally {
    await writes.ended()
  }
  await file.flush()
  return { id: attachmentId(list), secret, bytes }
}

interface SealedChunk {
  readonly at: number
  readonly sealed: Uint8Array
  readonly hashed: Uint8Array
}

async function hashedChunk(at: number, sealed: Uint8Array): Promise<SealedChunk> {
  return { at, sealed, hashed: await chunkHash(sealed) }
}

function changed(): AttachmentError {
  return new AttachmentError("ATTACHMENT_CHANGED", "the file changed while it was read")
}
