/**
 * Invitations: how a person reaches a vendor's front door.
 *
 * `fulcrum:1.` and the base64url, unpadded, of a canonical CBOR array:
 *
 * | field       | type                  | notes                                          |
 * | ----------- | --------------------- | ---------------------------------------------- |
 * | vendor      | bytes(32)             | the vendor's Ed25519 key                       |
 * | door        | bytes(32)             | name of its front door                         |
 * | relays      | up to 4 texts         | multiaddrs, each ending in `/p2p/` and its id  |
 * | requestHash | bytes(32)             | of the request that it makes                   |
 * | token       | bytes(32) or null     | for one person; null: public                   |
 *
 * Source: DESIGN, "Relations" (connecting, in order).
 *
 * @module
 */
import { base64urlToBytes, bytesToBase64url } from "@fulcrum/codec/bytes"
import { CodecError } from "@fulcrum/codec/codec-error"
import {
  array,
  bytes,
  decodeAs,
  encodeAs,
  optional,
  type Schema,
  struct,
  text,
} from "@fulcrum/codec/schema"
import { RelationsError } from "./relations-error.ts"

/** Characters of an invitation: it must fit a QR code. */
export const INVITATION_CHARS_MAX = 2048

export interface Invitation {
  readonly vendor: Uint8Array
  readonly door: Uint8Array
  readonly relays: readonly string[]
  readonly requestHash: Uint8Array
  readonly token?: Uint8Array | undefined
}

const SCHEME = "fulcrum:"
const VERSION = "1."

const schema: Schema<Invitation> = struct({
  vendor: bytes(32),
  door: bytes(32),
  relays: array(text(256), 4),
  requestHash: bytes(32),
  token: optional(bytes(32)),
})

export function encodeInvitation(invitation: Invitation): string {
  return `${SCHEME}${VERSION}${bytesToBase64url(encodeAs(schema, invitation))}`
}

/**
 * @param typed - As pasted: surrounding white space does not matter.
 * @throws {RelationsError} `INVITATION_MALFORMED`, `INVITATION_VERSION`.
 */
export function decodeInvitation(typed: string): Invitation {
  const text = typed.trim()
  if (!text.startsWith(SCHEME) || text.length > INVITATION_CHARS_MAX) throw malformed()
  const rest = text.slice(SCHEME.length)
  if (!rest.startsWith(VERSION)) {
    if (/^[0-9]+\./.test(rest)) {
      throw new RelationsError("INVITATION_VERSION", "this invitation needs a newer Fulcrum")
    }
    throw malformed()
  }
  try {
    const encoded = base64urlToBytes(rest.slice(VERSION.length))
    return decodeAs(schema, encoded, { bytesMax: INVITATION_CHARS_MAX })
  } catch (cause) {
    if (cause instanceof CodecError) throw malformed(cause)
    throw cause
  }
}

function malformed(cause?: unknown): RelationsError {
  const message = "this is no invitation, or it was cut short: ask the vendor for it again"
  return new RelationsError("INVITATION_MALFORMED", message, { cause })
}
