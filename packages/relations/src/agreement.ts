/**
 * Agreements: terms that both sides signed, in the manner of IEEE 7012.
 *
 * An agreement is canonical JSON (RFC 8785); both sides sign the same bytes and keep them:
 *
 * | member    | type        | notes                                                         |
 * | --------- | ----------- | ------------------------------------------------------------- |
 * | v         | 1           |                                                               |
 * | agreement | IRI         | one of the standard agreements                                |
 * | person    | `did:key`   | the relationship's key                                        |
 * | vendor    | `did:key`   | the vendor's                                                  |
 * | request   | base64url   | hash of the signed request that it answers (32 bytes)         |
 * | fields    | 0 to 64     | `{follow, path, purpose, retention, until}`, no path twice    |
 * | from      | day         |                                                               |
 * | until     | day         | not before `from`; no field's `until` is after it             |
 * | nonce     | base64url   | 16 random bytes: no two agreements are the same               |
 *
 * Exported, it is the canonical JSON of `{agreement, signatures: [{by, sig}, {by, sig}]}`, the
 * person's signature first; each is Ed25519 over `fulcrum/v1/relation-agreement`, a zero byte and
 * the agreement's canonical JSON. `docs/examples/check-agreement.mjs` checks one by itself.
 *
 * Source: DESIGN, "Relations" (agreement).
 *
 * @module
 */
import { base64urlToBytes, bytesToBase64url, equalBytes } from "@fulcrum/codec/bytes"
import { CodecError } from "@fulcrum/codec/codec-error"
import { canonicalJson, type JsonValue } from "@fulcrum/codec/json"
import { contexts } from "@fulcrum/crypto/contexts"
import { DidKeyError, didKeyToPublicKey, publicKeyToDidKey } from "@fulcrum/crypto/didkey"
import { isPublicKey, type PublicKey, type SigningKey, sign, verify } from "@fulcrum/crypto/ed25519"
import type { Random } from "@fulcrum/crypto/random"
import type { Verified } from "@fulcrum/log/verified"
import { agreementNamed, findAgreement } from "./agreements.ts"
import { addDays, isDay } from "./day.ts"
import type { DisclosureChoice } from "./disclosure.ts"
import { FIELD_PATH_BYTES_MAX, isFieldPath, isWithin } from "./field-path.ts"
import {
  anyJson,
  arrayOf,
  exactly,
  flag,
  objectOf,
  type Shape,
  ShapeFault,
  textOf,
} from "./json-shape.ts"
import { RelationsError } from "./relations-error.ts"
import type { SignedRequest } from "./request.ts"
import { REQUEST_FIELDS_MAX, type RequestField } from "./request-form.ts"
import { canonicalBytes, parseCanonical } from "./signed-json.ts"

/** Bytes of an agreement; it travels inside the connect message. */
export const AGREEMENT_BYTES_MAX: number = 24 * 1024
/** How long an agreement holds, unless the person says otherwise. */
export const AGREEMENT_DAYS = 730
/** Requested fields that a message names: one line of it is read. */
const NAMED_MAX = 8

export interface AgreementField {
  readonly path: string
  readonly purpose: string
  readonly retention: string
  /** Day after which the vendor may not use it. */
  readonly until: string
  /** Whether the vendor also gets later changes. */
  readonly follow: boolean
}

export interface Agreement {
  readonly v: 1
  readonly agreement: string
  readonly person: string
  readonly vendor: string
  readonly request: string
  readonly fields: readonly AgreementField[]
  readonly from: string
  readonly until: string
  readonly nonce: string
}

export interface AgreementToCheck {
  /** The canonical JSON, as received. */
  readonly bytes: Uint8Array
  readonly personKey: Uint8Array
  readonly vendorKey: Uint8Array
  readonly personSignature: Uint8Array
  /** Absent: only proffered so far. */
  readonly vendorSignature?: Uint8Array | undefined
}

const agreementField: Shape<AgreementField> = objectOf({
  path: textOf(FIELD_PATH_BYTES_MAX, isFieldPath),
  purpose: textOf(256),
  retention: textOf(128),
  until: textOf(10, isDay),
  follow: flag,
})

const agreementShape: Shape<Agreement> = objectOf({
  v: exactly(1),
  agreement: textOf(128),
  person: textOf(256, isDid),
  vendor: textOf(256, isDid),
  request: textOf(43, hasBytes(32)),
  fields: arrayOf(agreementField, { max: REQUEST_FIELDS_MAX }),
  from: textOf(10, isDay),
  until: textOf(10, isDay),
  nonce: textOf(22, hasBytes(16)),
})

/**
 * Makes the agreement that a person proffers.
 *
 * @param input.terms - Id or IRI; absent: the first of the request's that is known here.
 * @param input.until - Last day; absent: `AGREEMENT_DAYS` from `from`.
 * @returns The agreement, and the bytes to sign and send.
 * @throws {RelationsError} `AGREEMENT_UNKNOWN`, `AGREEMENT_MISMATCH` (the vendor does not accept
 * those terms), `DISCLOSURE_NOT_REQUESTED`, `AGREEMENT_MALFORMED`.
 */
export function proposeAgreement(input: {
  readonly request: SignedRequest
  readonly person: PublicKey
  readonly disclosures: readonly DisclosureChoice[]
  readonly terms?: string | undefined
  readonly from: string
  readonly until?: string | undefined
  readonly random: Random
}): { readonly agreement: Agreement; readonly bytes: Uint8Array } {
  const { request } = input.request
  const until = input.until ?? addDays(input.from, AGREEMENT_DAYS)
  const agreement: Agreement = {
    v: 1,
    agreement: chooseTerms(request.agreements, input.terms),
    person: publicKeyToDidKey(input.person),
    vendor: request.key,
    request: bytesToBase64url(input.request.hash),
    fields: input.disclosures.map(({ path, follows }) => {
      const { purpose, retention } = requestedField(input.request, path)
      return { path, purpose, retention, until, follow: follows }
    }),
    from: input.from,
    until,
    nonce: bytesToBase64url(input.random.bytes(16)),
  }
  const bytes = encodeAgreement(agreement)
  return { agreement: readAgreement(bytes), bytes }
}

/** Either side's signature, 64 bytes. */
export function signAgreement(key: SigningKey, bytes: Uint8Array): Uint8Array {
  return sign(contexts.relationAgreement, key, bytes)
}

/**
 * Reads an agreement; says nothing about who signed it.
 *
 * @throws {RelationsError} `AGREEMENT_MALFORMED`, with the pointer.
 */
export function readAgreement(bytes: Uint8Array): Agreement {
  const json = bytes.length > AGREEMENT_BYTES_MAX ? undefined : parseCanonical(bytes)
  if (json === undefined) throw malformed("", "not canonical JSON, or too long")
  const agreement = shaped(agreementShape, json)
  const { fields, from, until } = agreement
  if (until < from) throw malformed("/until", "before it begins")
  for (const [i, { path, until: fieldUntil }] of fields.entries()) {
    if (fieldUntil > until) throw malformed(`/fields/${i}/until`, "after the agreement's end")
    if (fields.findIndex((other) => other.path === path) !== i) {
      throw malformed(`/fields/${i}/path`, "named twice")
    }
  }
  return agreement
}

/**
 * Makes sure that an agreement is between these two and signed by the person, and by the vendor if
 * its signature is given.
 *
 * @throws {RelationsError} `AGREEMENT_MALFORMED`, `AGREEMENT_MISMATCH` (between others),
 * `AGREEMENT_UNSIGNED`.
 */
export function checkAgreement(input: AgreementToCheck): Verified<Agreement> {
  const agreement = readAgreement(input.bytes)
  if (!names(agreement.person, input.personKey) || !names(agreement.vendor, input.vendorKey)) {
    throw new RelationsError("AGREEMENT_MISMATCH", "this agreement is between others")
  }
  if (!isSignedByAll(agreement, input)) {
    throw new RelationsError("AGREEMENT_UNSIGNED", "a signature on the agreement is not right")
  }
  return agreement
}

/** The text that a short independent program can check; `docs/examples/check-agreement.mjs`. */
export function exportAgreement(input: {
  readonly bytes: Uint8Array
  readonly personSignature: Uint8Array
  readonly vendorSignature: Uint8Array
}): string {
  const agreement = readAgreement(input.bytes)
  return canonicalJson({
    agreement: { ...agreement, fields: agreement.fields.map((one) => ({ ...one })) },
    signatures: [
      { by: agreement.person, sig: bytesToBase64url(input.personSignature) },
      { by: agreement.vendor, sig: bytesToBase64url(input.vendorSignature) },
    ],
  })
}

/**
 * Reads what `exportAgreement` wrote, and checks both signatures against the keys that it names.
 *
 * @throws {RelationsError} `AGREEMENT_MALFORMED`, `AGREEMENT_MISMATCH`, `AGREEMENT_UNSIGNED`.
 */
export function importAgreement(text: Uint8Array): Required<AgreementToCheck> {
  const json = parseCanonical(text)
  if (json === undefined) throw malformed("", "not canonical JSON, or too long")
  const { agreement, signatures } = shaped(exported, json)
  const bytes = canonicalBytes(agreement)
  const { person, vendor } = readAgreement(bytes)
  const [first, second] = signatures
  if (first?.by !== person || second?.by !== vendor) {
    throw new RelationsError("AGREEMENT_MISMATCH", "not signed by the two that it names")
  }
  const full = {
    bytes,
    personKey: didKeyToPublicKey(person),
    vendorKey: didKeyToPublicKey(vendor),
    personSignature: base64urlToBytes(first.sig),
    vendorSignature: base64urlToBytes(second.sig),
  }
  checkAgreement(full)
  return full
}

const exported: Shape<{
  readonly agreement: JsonValue
  readonly signatures: readonly { readonly by: string; readonly sig: string }[]
}> = objectOf({
  agreement: anyJson(AGREEMENT_BYTES_MAX),
  signatures: arrayOf(objectOf({ by: textOf(256), sig: textOf(86, hasBytes(64)) }), {
    min: 2,
    max: 2,
  }),
})

/** The requested field that a disclosure of `path` answers: that field, or one that holds it. */
function requestedField(
  { request }: SignedRequest,
  path: string,
): { readonly purpose: string; readonly retention: string } {
  const exact = request.fields.find((field) => field.path === path)
  const found = exact ?? request.fields.find((field) => isWithin(path, field.path))
  if (found !== undefined) return found
  const message = `${path}: the vendor asks ${askedFor(request.fields)}`
  throw new RelationsError("DISCLOSURE_NOT_REQUESTED", message)
}

function askedFor(fields: readonly RequestField[]): string {
  if (fields.length === 0) return "for no field"
  const named = fields.slice(0, NAMED_MAX).map(({ path }) => path)
  const more = fields.length - named.length
  return `only for ${named.join(", ")}${more > 0 ? ` and ${more} more` : ""}`
}

function chooseTerms(accepted: readonly string[], wanted: string | undefined): string {
  if (wanted !== undefined) {
    const { iri } = findAgreement(wanted)
    if (accepted.some((one) => agreementNamed(one)?.iri === iri)) return iri
    throw new RelationsError("AGREEMENT_MISMATCH", "the vendor does not accept these terms")
  }
  for (const one of accepted) {
    const known = agreementNamed(one)
    if (known !== undefined) return known.iri
  }
  throw new RelationsError("AGREEMENT_UNKNOWN", "the vendor accepts only terms not known here")
}

function encodeAgreement(agreement: Agreement): Uint8Array {
  return canonicalBytes({ ...agreement, fields: agreement.fields.map((one) => ({ ...one })) })
}

/** By the keys that the agreement names. */
function isSignedByAll(
  agreement: Agreement,
  { bytes, personSignature, vendorSignature }: AgreementToCheck,
): agreement is Verified<Agreement> {
  const isBy = (did: string, signature: Uint8Array): boolean =>
    verify(contexts.relationAgreement, didKeyToPublicKey(did), bytes, signature)
  if (!isBy(agreement.person, personSignature)) return false
  return vendorSignature === undefined || isBy(agreement.vendor, vendorSignature)
}

function names(did: string, key: Uint8Array): boolean {
  return isPublicKey(key) && equalBytes(didKeyToPublicKey(did), key)
}

function isDid(text: string): boolean {
  try {
    return publicKeyToDidKey(didKeyToPublicKey(text)) === text
  } catch (error) {
    if (error instanceof DidKeyError) return false
    throw error
  }
}

function hasBytes(length: number): (text: string) => boolean {
  return (text) => {
    try {
      return base64urlToBytes(text).length === length
    } catch (error) {
      if (error instanceof CodecError) return false
      throw error
    }
  }
}

function shaped<T>(shape: Shape<T>, value: JsonValue): T {
  try {
    return shape(value, "")
  } catch (cause) {
    if (cause instanceof ShapeFault) throw malformed(cause.pointer, cause.message, cause)
    throw cause
  }
}

function malformed(pointer: string, message: string, cause?: unknown): RelationsError {
  const where = pointer === "" ? "the agreement" : pointer
  return new RelationsError("AGREEMENT_MALFORMED", `${where}: ${message}`, { cause, pointer })
}
