/**
 * Reading an attachment's content.
 *
 * @module
 */
import { equalBytes } from "@fulcrum/codec/bytes"
import { SealError } from "@fulcrum/crypto/seal-error"
import type { BlobFile } from "@fulcrum/store/blobs"
import { AttachmentError } from "./attachment-error.ts"
import {
  type AttachmentRef,
  attachmentId,
  attachmentKey,
  attachmentShape,
  chunkHash,
  chunkPlace,
  listedHash,
  openChunk,
} from "./format.ts"

/**
 * Its content, a chunk at a time; each was checked before it is given.
 *
 * @throws {AttachmentError} `ATTACHMENT_DAMAGED`: what was given before is right. @throws {StoreError}
 */
export async function* readAttachment(
  file: BlobFile,
  ref: AttachmentRef,
): AsyncGenerator<Uint8Array, void, undefined> {
  const shape = attachmentShape(ref.bytes)
  const key = attachmentKey(ref.secret)
  const list = await file.read(0, shape.listBytes)
  if (!equalBytes(attachmentId(list), ref.id)) throw damaged()
  const checked = async (index: number): Promise<Uint8Array> => {
    const { offset, length } = chunkPlace(shape, index)
    const sealed = await file.read(offset, length)
    const listed = listedHash(list, index)
    if (sealed.length === length && equalBytes(await chunkHash(sealed), listed)) return sealed
    throw damaged()
  }
  let left = ref.bytes
  let reading: Promise<Uint8Array> | undefined
  const read = (index: number): void => {
    reading = index < shape.chunks ? checked(index) : undefined
    // It is waited for in its turn, and before the file is closed.
    reading?.catch(() => undefined)
  }
  read(0)
  try {
    for (let index = 0; reading !== undefined; index++) {
      const sealed: Uint8Array = await reading
      // The next one while this one is taken. What is padding alone is checked too.
      read(index + 1)
      const content = opened(key, index, sealed).subarray(0, left)
      left -= content.length
      if (content.length > 0) yield content
    }
  } finally {
    await reading?.catch(() => undefined)
  }
}

function opened(key: Uint8Array, index: number, sealed: Uint8Array): Uint8Array {
  try {
    return openChunk(key, index, sealed)
  } catch (error) {
    if (error instanceof SealError) throw damaged(error)
    throw error
  }
}

function damaged(cause?: Error): AttachmentError {
  const message = "what is kept of this attachment is damaged"
  return new AttachmentError("ATTACHMENT_DAMAGED", message, { cause })
}
