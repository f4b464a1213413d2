/**
 * What another device sends of an attachment, checked before any of it is kept: its list by the id,
 * each chunk by the list.
 *
 * @module
 */
import { equalBytes } from "@fulcrum/codec/bytes"
import { AttachmentError } from "./attachment-error.ts"
import {
  type AttachmentRef,
  type AttachmentShape,
  attachmentId,
  attachmentShape,
  chunkHash,
  chunkPlace,
  listedHash,
} from "./format.ts"

export class IncomingAttachment {
  readonly shape: AttachmentShape
  readonly #id: Uint8Array
  #list: Uint8Array | undefined

  /** @param list - If it is here: checked already. */
  constructor({ id, bytes }: AttachmentRef, list: Uint8Array | undefined) {
    this.#id = id
    this.shape = attachmentShape(bytes)
    this.#list = list
  }

  /** @throws {AttachmentError} `ATTACHMENT_FORGED`. */
  takeList(list: Uint8Array): void {
    if (list.length !== this.shape.listBytes || !equalBytes(attachmentId(list), this.#id)) {
      throw forged()
    }
    this.#list = list
  }

  /**
   * @param sealed - Not to be changed any more.
   * @returns Where it belongs in the file.
   * @throws {AttachmentError} `ATTACHMENT_FORGED`. @throws {TypeError} Before the list is here.
   */
  async takeChunk(index: number, sealed: Uint8Array): Promise<number> {
    if (this.#list === undefined) throw new TypeError("a chunk before the list")
    const { offset, length } = chunkPlace(this.shape, index)
    const listed = listedHash(this.#list, index)
    if (sealed.length !== length || !equalBytes(await chunkHash(sealed), listed)) throw forged()
    return offset
  }
}

function forged(): AttachmentError {
  const message = "what the other device sent is no part of this attachment"
  return new AttachmentError("ATTACHMENT_FORGED", message)
}
