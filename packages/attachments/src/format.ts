/**
 * An attachment at rest and on its way: content of up to 32 GiB, padded and sealed in chunks under a
 * key of its own, and the list of the chunks' hashes, by which each is checked alone, also by who
 * has no key.
 *
 * | part   | bytes                        | is                                                    |
 * | ------ | ---------------------------: | ----------------------------------------------------- |
 * | list   | 32 for each chunk            | `hash("attachment-chunk", SHA-256(chunk))`, in order  |
 * | chunks | 262,160 each, the last fewer | ChaCha20-Poly1305 of 262,144 bytes of padded content  |
 *
 * The content is padded with zeros to a length of `padding.ts`, so the file says its size to within
 * an eighth. The key is `hkdf("attachment-key", secret)` of 32 random bytes that serve this attachment
 * alone; the nonce is the chunk's index, 12 bytes, the highest first: each is used once. The id is
 * `hash("attachment", list)`. Id, secret and size are in an entry of the record, which is sealed and
 * signed: whoever seals a chunk again under the same secret has another id.
 *
 * Source: DESIGN, "The sync engine" (attachments outside the documents); RFC 8439 (the cipher).
 *
 * @module
 */
import { concatBytes, uint64ToBytes } from "@fulcrum/codec/bytes"
import { AEAD_KEY_BYTES, AEAD_TAG_BYTES, open, seal } from "@fulcrum/crypto/aead"
import { contexts } from "@fulcrum/crypto/contexts"
import { HASH_BYTES, hash, hkdf, sha256Later } from "@fulcrum/crypto/hash"
import { paddedLength } from "@fulcrum/log/padding"
import { AttachmentError } from "./attachment-error.ts"

/** Content in one chunk. */
export const CHUNK_BYTES: number = 256 * 1024

/** One chunk sealed, at most. */
export const SEALED_BYTES: number = CHUNK_BYTES + AEAD_TAG_BYTES

/** Of content: its list then fits into one message. */
export const ATTACHMENT_BYTES_MAX: number = 32 * 1024 ** 3

export const SECRET_BYTES = 32
export const ID_BYTES: number = HASH_BYTES

/** What the record says of an attachment, and all that is needed to check and open it. */
export interface AttachmentRef {
  /** 32 bytes. */
  readonly id: Uint8Array
  /** 32 bytes. */
  readonly secret: Uint8Array
  /** Of its content, at most {@link ATTACHMENT_BYTES_MAX}. */
  readonly bytes: number
}

export interface AttachmentShape {
  readonly chunks: number
  /** Of padded content in the last chunk. */
  readonly lastBytes: number
  readonly listBytes: number
  /** List and chunks. */
  readonly fileBytes: number
}

/** @throws {AttachmentError} `ATTACHMENT_TOO_LARGE`. */
export function attachmentShape(bytes: number): AttachmentShape {
  if (bytes > ATTACHMENT_BYTES_MAX) {
    const message = `an attachment has at most ${ATTACHMENT_BYTES_MAX} bytes`
    throw new AttachmentError("ATTACHMENT_TOO_LARGE", message)
  }
  const padded = paddedLength(bytes)
  const chunks = Math.ceil(padded / CHUNK_BYTES)
  const listBytes = chunks * HASH_BYTES
  return {
    chunks,
    lastBytes: padded - (chunks - 1) * CHUNK_BYTES,
    listBytes,
    fileBytes: listBytes + padded + chunks * AEAD_TAG_BYTES,
  }
}

/** Where a chunk lies in the file, and how long it is there. */
export function chunkPlace(
  { chunks, lastBytes, listBytes }: AttachmentShape,
  index: number,
): { readonly offset: number; readonly length: number } {
  if (!Number.isSafeInteger(index) || index < 0 || index >= chunks) {
    throw new RangeError(`no chunk ${index} of ${chunks}`)
  }
  const plain = index === chunks - 1 ? lastBytes : CHUNK_BYTES
  return {
    offset: listBytes + index * SEALED_BYTES,
    length: plain + AEAD_TAG_BYTES,
  }
}

export function attachmentId(list: Uint8Array): Uint8Array {
  return hash(contexts.attachment, list)
}

/** By another thread where there is one. @param sealed - Not to be changed before it resolves. */
export async function chunkHash(sealed: Uint8Array): Promise<Uint8Array> {
  return hash(contexts.attachmentChunk, await sha256Later(sealed))
}

/** @returns The hash that a list names for a chunk. */
export function listedHash(list: Uint8Array, index: number): Uint8Array {
  return list.subarray(index * HASH_BYTES, (index + 1) * HASH_BYTES)
}

export function attachmentKey(secret: Uint8Array): Uint8Array {
  return hkdf(contexts.attachmentKey, secret, NOTHING, NOTHING, AEAD_KEY_BYTES)
}

/** @param key - Of {@link attachmentKey}: for the chunks of one attachment, each sealed once. */
export function sealChunk(key: Uint8Array, index: number, plaintext: Uint8Array): Uint8Array {
  return seal({ key, nonce: nonceOf(index), aad: NOTHING, plaintext })
}

/** @throws {SealError} */
export function openChunk(key: Uint8Array, index: number, sealed: Uint8Array): Uint8Array {
  return open({ key, nonce: nonceOf(index), aad: NOTHING, sealed })
}

const NOTHING: Uint8Array = new Uint8Array(0)

function nonceOf(index: number): Uint8Array {
  return concatBytes([new Uint8Array(4), uint64ToBytes(index)])
}
