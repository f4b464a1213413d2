/**
 * Requests: what a vendor asks of whoever wants to deal with it.
 *
 * A request is canonical JSON (RFC 8785):
 *
 * | member     | type            | notes                                                      |
 * | ---------- | --------------- | ---------------------------------------------------------- |
 * | v          | 1               |                                                            |
 * | name       | text, 100 bytes | as the vendor calls itself; shown beside its domain        |
 * | domain     | host name       | may be left out: then nobody can check who it is           |
 * | key        | `did:key`       | the vendor's Ed25519 key, which also signs the request     |
 * | wrap       | base64url       | its X-Wing public key (1,216 bytes), for connect messages  |
 * | agreements | 1 to 13 IRIs    | those that it accepts, the one that it prefers first       |
 * | fields     | up to 64        | `{path, purpose, required, retention, why}`, no path twice |
 * | made       | day             |                                                            |
 *
 * It is published as the canonical JSON of `{request, signatures: [{by, sig}]}`, at most 16 KiB:
 * the front door's pinned object. Invitations and agreements name it by the hash of those bytes.
 *
 * Source: DESIGN, "Relations".
 *
 * @module
 */
import { base64urlToBytes, bytesToBase64url, bytesToUtf8, equalBytes } from "@fulcrum/codec/bytes"
import { CodecError } from "@fulcrum/codec/codec-error"
import type { JsonValue } from "@fulcrum/codec/json"
import { contexts } from "@fulcrum/crypto/contexts"
import { publicKeyToDidKey } from "@fulcrum/crypto/didkey"
import type { PublicKey, SigningKey } from "@fulcrum/crypto/ed25519"
import { hash } from "@fulcrum/crypto/hash"
import type { WrapPublicKey } from "@fulcrum/crypto/wrap"
import type { Verified } from "@fulcrum/log/verified"
import { findAgreement } from "./agreements.ts"
import { anyJson, arrayOf, objectOf, type Shape, textOf } from "./json-shape.ts"
import { RelationsError } from "./relations-error.ts"
import {
  checked,
  draft,
  isObject,
  malformed,
  REQUEST_BYTES_MAX,
  readKey,
  readWrap,
  request,
  shaped,
  type VendorRequest,
} from "./request-form.ts"
import {
  canonicalBytes,
  type DetachedSignature,
  parseCanonical,
  signDocument,
  verifyDocument,
} from "./signed-json.ts"

/** A request as it was published, and what it says about keys, decoded. */
export interface SignedRequest {
  readonly request: VendorRequest
  /** The bytes that were signed around; what the hash is of. */
  readonly bytes: Uint8Array
  readonly hash: Uint8Array
  readonly vendor: PublicKey
  readonly wrap: WrapPublicKey
}

interface Envelope {
  readonly request: JsonValue
  readonly signatures: readonly DetachedSignature[]
}

const envelope: Shape<Envelope> = objectOf({
  request: anyJson(REQUEST_BYTES_MAX),
  signatures: arrayOf(objectOf({ by: textOf(256), sig: textOf(128) }), { min: 1, max: 4 }),
})

/**
 * Completes what a vendor wrote.
 *
 * @param json - From a file or a form: checked here.
 * @throws {RelationsError} `REQUEST_MALFORMED` (with the pointer), `AGREEMENT_UNKNOWN`.
 */
export function draftRequest(
  json: unknown,
  own: { readonly vendor: PublicKey; readonly wrap: Uint8Array; readonly made: string },
): VendorRequest {
  const written = shaped(draft, checked(json))
  const complete: VendorRequest = {
    v: 1,
    ...written,
    key: publicKeyToDidKey(own.vendor),
    wrap: bytesToBase64url(own.wrap),
    agreements: [...new Set(written.agreements.map((one) => findAgreement(one).iri))],
    made: own.made,
  }
  return readBody(checked(complete)).request
}

/**
 * Signs a request and makes the object that a front door pins.
 *
 * @throws {RelationsError} `REQUEST_MALFORMED`: also when it is above `REQUEST_BYTES_MAX`.
 */
export function signRequest(key: SigningKey, made: VendorRequest): Verified<SignedRequest> {
  const body = checked(made)
  const signature = signDocument(contexts.relationRequest, key, canonicalBytes(body))
  const bytes = canonicalBytes({ request: body, signatures: [{ ...signature }] })
  return readRequest(bytes, { vendor: key.publicKey, requestHash: requestHash(bytes) })
}

/** Names a published request. @param bytes - The whole pinned object, as received. */
export function requestHash(bytes: Uint8Array): Uint8Array {
  return hash(contexts.relationRequestHash, bytes)
}

/**
 * Reads a published request, and makes sure that it is the one that the invitation names.
 *
 * @throws {RelationsError} `REQUEST_MALFORMED`, `REQUEST_VERSION`, `REQUEST_UNSIGNED`,
 * `CONNECT_REQUEST_MISMATCH`.
 */
export function readRequest(
  bytes: Uint8Array,
  expected: { readonly vendor: Uint8Array; readonly requestHash: Uint8Array },
): Verified<SignedRequest> {
  const own = Uint8Array.from(bytes)
  const named = requestHash(own)
  if (!equalBytes(named, expected.requestHash)) {
    throw new RelationsError(
      "CONNECT_REQUEST_MISMATCH",
      "this is not the request that the invitation names: ask the vendor for a new invitation",
    )
  }
  const json = own.length > REQUEST_BYTES_MAX ? undefined : parseCanonical(own)
  if (json === undefined) throw malformed("", "not canonical JSON, or too long")
  const { request: inner, signatures } = shaped(envelope, json)
  const document = canonicalBytes(inner)
  const isOwn = signatures.some((signature) =>
    verifyDocument(contexts.relationRequest, expected.vendor, document, signature),
  )
  if (!isOwn) throw unsigned()
  const read = { ...readBody(inner), bytes: own, hash: named }
  if (!isBy(read, expected.vendor)) throw unsigned()
  return read
}

function readBody(value: JsonValue): Pick<SignedRequest, "request" | "vendor" | "wrap"> {
  if (isObject(value) && typeof value.v === "number" && value.v > 1) {
    throw new RelationsError("REQUEST_VERSION", "this request needs a newer Fulcrum")
  }
  const read = shaped(request, value)
  const twice = read.fields.findIndex(
    (one, i) => read.fields.findIndex((other) => other.path === one.path) !== i,
  )
  if (twice !== -1) throw malformed(`/fields/${twice}/path`, "asked for twice")
  return { request: read, vendor: readKey(read.key), wrap: readWrap(read.wrap) }
}

/**
 * The X-Wing key of a request that {@link readRequest} took when it came and that was kept since: nothing of
 * it is verified again.
 *
 * @returns `undefined` if it is no request.
 */
export function keptWrapKey(bytes: Uint8Array): Uint8Array | undefined {
  try {
    const kept: JsonValue = JSON.parse(bytesToUtf8(bytes))
    const request = isObject(kept) ? kept.request : undefined
    const wrap = isObject(request) ? request.wrap : undefined
    return typeof wrap === "string" ? base64urlToBytes(wrap) : undefined
  } catch (error) {
    if (error instanceof CodecError || error instanceof SyntaxError) return undefined
    throw error
  }
}

/** The signature was checked by then: what is left is that the request names its signer. */
function isBy(read: SignedRequest, vendor: Uint8Array): read is Verified<SignedRequest> {
  return equalBytes(read.vendor, vendor)
}

function unsigned(): RelationsError {
  return new RelationsError("REQUEST_UNSIGNED", "not signed by the key that the invitation names")
}
