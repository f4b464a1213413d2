/**
 * The connect message: what a person leaves at a vendor's front door.
 *
 * Sealed to the X-Wing key of the vendor's request (HPKE base mode; the associated data is the
 * front door's name and the request's hash), so only the vendor reads it, and only as an answer to
 * that request. Inside, a canonical CBOR array `[body, signature]`: the signature is the
 * relationship key's over (door, request hash, body). The body is the array of the fields of
 * {@link ConnectBody} in their order. It holds no field's value.
 *
 * Source: DESIGN, "Relations" (connecting, in order, step 4).
 *
 * @module
 */
import { concatBytes } from "@fulcrum/codec/bytes"
import { CodecError } from "@fulcrum/codec/codec-error"
import {
  array,
  bytes,
  bytesMax,
  decodeAs,
  encodeAs,
  optional,
  type Schema,
  struct,
  text,
} from "@fulcrum/codec/schema"
import { contexts } from "@fulcrum/crypto/contexts"
import { type SigningKey, sign, verify } from "@fulcrum/crypto/ed25519"
import type { Random } from "@fulcrum/crypto/random"
import { SealError } from "@fulcrum/crypto/seal-error"
import { unwrap, type WrapKey, wrap } from "@fulcrum/crypto/wrap"
import { RelationsError } from "./relations-error.ts"

/** Bytes of a sealed connect message; below what a front door takes. */
export const CONNECT_BYTES_MAX: number = 60 * 1024

export interface ConnectBody {
  /** The relationship's Ed25519 key, whose `did:key` the agreement names. */
  readonly relationshipKey: Uint8Array
  readonly spaceTag: Uint8Array
  readonly chainKey: Uint8Array
  /** The share mailbox's public key, and the relays that it lies on. */
  readonly mailbox: Uint8Array
  readonly relays: readonly string[]
  /** Seed of the key that the capabilities name; drawn for this relationship alone. */
  readonly accessSeed: Uint8Array
  readonly appendCapability: Uint8Array
  readonly readCapability: Uint8Array
  /** The share's first key span, whole; its one wrap is for the vendor. */
  readonly keySpan: Uint8Array
  /** Hash of the relationship's recovery key. */
  readonly recoveryHash: Uint8Array
  /** The invitation's one-time token: relays keep it to themselves, and the vendor checks it too. */
  readonly token?: Uint8Array | undefined
  /** The proffered agreement in canonical JSON, and the person's signature over it. */
  readonly agreement: Uint8Array
  readonly signature: Uint8Array
}

/** The door and the request that a message answers. */
export interface ConnectTarget {
  readonly door: Uint8Array
  readonly requestHash: Uint8Array
}

const body: Schema<ConnectBody> = struct({
  relationshipKey: bytes(32),
  spaceTag: bytes(32),
  chainKey: bytes(32),
  mailbox: bytes(32),
  relays: array(text(256), 4),
  accessSeed: bytes(32),
  appendCapability: bytesMax(512),
  readCapability: bytesMax(512),
  keySpan: bytesMax(24 * 1024),
  recoveryHash: bytes(32),
  token: optional(bytes(32)),
  agreement: bytesMax(24 * 1024),
  signature: bytes(64),
})

const signed: Schema<{ readonly body: Uint8Array; readonly signature: Uint8Array }> = struct({
  body: bytesMax(CONNECT_BYTES_MAX),
  signature: bytes(64),
})

export function sealConnect(input: {
  readonly target: ConnectTarget
  /** The request's X-Wing key. */
  readonly to: Uint8Array
  readonly key: SigningKey
  readonly body: ConnectBody
  readonly random: Random
}): Uint8Array {
  const encoded = encodeAs(body, input.body)
  const signature = sign(contexts.connectSignature, input.key, claim(input.target, encoded))
  return wrap({
    context: contexts.connectMessage,
    to: input.to,
    aad: concatBytes([input.target.door, input.target.requestHash]),
    plaintext: encodeAs(signed, { body: encoded, signature }),
    random: input.random,
  })
}

/** @throws {RelationsError} `CONNECT_MALFORMED`, `CONNECT_UNSIGNED`. */
export function openConnect(input: {
  readonly target: ConnectTarget
  readonly key: WrapKey
  readonly message: Uint8Array
}): ConnectBody {
  const { encoded, signature, decoded } = readSealed(input)
  const bytes = claim(input.target, encoded)
  if (!verify(contexts.connectSignature, decoded.relationshipKey, bytes, signature)) {
    throw new RelationsError("CONNECT_UNSIGNED", "not signed by the relationship that it names")
  }
  return decoded
}

function readSealed(input: {
  readonly target: ConnectTarget
  readonly key: WrapKey
  readonly message: Uint8Array
}): { encoded: Uint8Array; signature: Uint8Array; decoded: ConnectBody } {
  try {
    const plaintext = unwrap({
      context: contexts.connectMessage,
      key: input.key,
      aad: concatBytes([input.target.door, input.target.requestHash]),
      sealed: input.message,
    })
    const outer = decodeAs(signed, plaintext, { bytesMax: CONNECT_BYTES_MAX })
    const decoded = decodeAs(body, outer.body, { bytesMax: CONNECT_BYTES_MAX })
    return { encoded: outer.body, signature: outer.signature, decoded }
  } catch (cause) {
    if (cause instanceof SealError || cause instanceof CodecError) {
      throw new RelationsError("CONNECT_MALFORMED", "not a connect message for this door", {
        cause,
      })
    }
    throw cause
  }
}

function claim(target: ConnectTarget, encoded: Uint8Array): Uint8Array {
  return concatBytes([target.door, target.requestHash, encoded])
}
