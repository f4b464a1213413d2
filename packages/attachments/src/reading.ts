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
  chunkHashLater,
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
    if (sealed.length === length && equalBytes(await chunkHashLater(sealed), listed)) return sealed
    throw damaged()
  }
  let left = ref.bytes
  let reading = checked(0)
  for (let index = 0; left > 0; index++) {
    const sealed = await reading
    if (index + 1 < shape.chunks) {
      // While this one is taken.
      reading = checked(index + 1)
      reading.catch(() => undefined)
    }
    const content = opened(key, index, sealed).subarray(0, left)
    left -= content.length
    yield content
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
