/**
 * What own devices say to each other of attachments, `/fulcrum/attachments/1`, on a channel beside
 * the one on which they have met. Requests are answered in their order, canonical CBOR each way:
 *
 * | message         | fields                      | answered by                                       |
 * | --------------- | --------------------------- | ------------------------------------------------- |
 * | `list`     `[0` | id, 32 bytes                | the list, as it lies in the file; empty: not here |
 * | `chunks`   `[1` | id; ranges, at most 1,024   | each chunk in order, a message each, as it lies   |
 *
 * Whoever cannot answer a request for chunks ends the channel.
 *
 * @module
 */
import {
  array,
  bytes,
  decodeAs,
  encodeAs,
  type Schema,
  struct,
  uint,
  variant,
} from "@fulcrum/codec/schema"
import { ID_BYTES } from "./format.ts"
import type { ChunkRange } from "./holding.ts"

export const ATTACHMENTS_PROTOCOL = "/fulcrum/attachments/1"

/** In one request for chunks. */
export const RANGES_MAX = 1024

const REQUEST_BYTES_MAX = 32 * 1024

export type AttachmentRequest =
  | { readonly kind: "list"; readonly value: { readonly id: Uint8Array } }
  | {
      readonly kind: "chunks"
      readonly value: { readonly id: Uint8Array; readonly ranges: readonly ChunkRange[] }
    }

const requestSchema: Schema<AttachmentRequest> = variant({
  list: [0, struct({ id: bytes(ID_BYTES) })],
  chunks: [
    1,
    struct({
      id: bytes(ID_BYTES),
      ranges: array(struct({ from: uint(), to: uint() }), RANGES_MAX),
    }),
  ],
})

export function encodeRequest(request: AttachmentRequest): Uint8Array {
  return encodeAs(requestSchema, request)
}

/** @throws {CodecError} */
export function decodeRequest(message: Uint8Array): AttachmentRequest {
  return decodeAs(requestSchema, message, { bytesMax: REQUEST_BYTES_MAX })
}
