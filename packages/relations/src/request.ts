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
import { checkJson, type JsonValue } from "@fulcrum/codec/json"
import { contexts } from "@fulcrum/crypto/contexts"
import { DidKeyError, didKeyToPublicKey, publicKeyToDidKey } from "@fulcrum/crypto/didkey"
import type { PublicKey, SigningKey } from "@fulcrum/crypto/ed25519"
import { hash } from "@fulcrum/crypto/hash"
import { isWrapPublicKey, type WrapPublicKey } from "@fulcrum/crypto/wrap"
import type { Verified } from "@fulcrum/log/verified"
import { parsePath } from "@fulcrum/record/path"
import { RecordError } from "@fulcrum/record/record-error"
import { findAgreement } from "./agreements.ts"
import { isDay } from "./day.ts"
import { FIELD_PATH_BYTES_MAX, isFieldPath } from "./field-path.ts"
import {
  anyJson,
  arrayOf,
  exactly,
  flag,
  maybe,
  meaningless,
  objectOf,
  type Shape,
  ShapeFault,
  textOf,
} from "./json-shape.ts"
import { RelationsError } from "./relations-error.ts"
import {
  canonicalBytes,
  type DetachedSignature,
  parseCanonical,
  SIGNED_JSON_LIMITS,
  signDocument,
  verifyDocument,
} from "./signed-json.ts"

/** Bytes of a signed request: what a front door pins. */
export const REQUEST_BYTES_MAX: number = 16 * 1024
/** Fields of one request: a form that nobody would read to its end is no request. */
export const REQUEST_FIELDS_MAX = 64
/** Above this many fields `lintRequest` warns. */
export const REQUEST_FIELDS_MANY = 8

export interface RequestField {
  /** A path of the record; what lies under it may be disclosed in its stead. */
  readonly path: string
  /** What for: a term of the W3C Data Privacy Vocabulary, such as `dpv:ServiceProvision`. */
  readonly purpose: string
  /** How long it is kept: an ISO 8601 duration, such as `P2Y`, or words. */
  readonly retention: string
  /** Without it the vendor does not agree. */
  readonly required: boolean
  /** For people. */
  readonly why: string
}

export interface VendorRequest {
  readonly v: 1
  readonly name: string
  readonly domain?: string | undefined
  /** `did:key` of the vendor. */
  readonly key: string
  /** X-Wing public key, base64url. */
  readonly wrap: string
  /** IRIs. */
  readonly agreements: readonly string[]
  readonly fields: readonly RequestField[]
  /** Day on which it was made. */
  readonly made: string
}

/** A request as it was published, and what it says about keys, decoded. */
export interface SignedRequest {
  readonly request: VendorRequest
  /** The bytes that were signed around; what the hash is of. */
  readonly bytes: Uint8Array
  readonly hash: Uint8Array
  readonly vendor: PublicKey
  readonly wrap: WrapPublicKey
}

/** Something about a request that its vendor should mend. */
export interface RequestFinding {
  /** An `error` keeps it from being published. */
  readonly severity: "error" | "warning"
  /** JSON pointer; empty: the whole request. */
  readonly pointer: string
  readonly message: string
}

/** What a vendor writes by hand: keys and dates are added by its program. */
export interface RequestDraft {
  readonly name: string
  readonly domain?: string | undefined
  /** Ids or IRIs. */
  readonly agreements: readonly string[]
  readonly fields: readonly RequestField[]
}

const fieldShapes = {
  path: textOf(FIELD_PATH_BYTES_MAX, isFieldPath),
  purpose: textOf(256),
  retention: textOf(128),
  required: flag,
  why: textOf(500),
}
const field: Shape<RequestField> = objectOf(fieldShapes)

const draftShapes = {
  name: textOf(100, isLine),
  domain: maybe(textOf(253, isDomain)),
  agreements: arrayOf(textOf(128), { min: 1, max: 13 }),
  fields: arrayOf(field, { max: REQUEST_FIELDS_MAX }),
}
const draft: Shape<RequestDraft> = objectOf(draftShapes)

const requestShapes = {
  ...draftShapes,
  v: exactly(1),
  key: textOf(256),
  wrap: textOf(2048),
  made: textOf(10, isDay),
}
const request: Shape<VendorRequest> = objectOf(requestShapes)

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

/**
 * Looks a draft (or a whole request) over for its vendor. Never throws.
 *
 * @param json - From a file or a form.
 * @returns Errors first, then warnings; none with `error`: it can be published.
 */
export function lintRequest(json: unknown): readonly RequestFinding[] {
  const errors: RequestFinding[] = []
  const warnings: RequestFinding[] = []
  const say: Say = (severity, pointer, message) => {
    const findings = severity === "error" ? errors : warnings
    findings.push({ severity, pointer, message })
  }
  let written: JsonValue
  try {
    written = checked(json)
  } catch (error) {
    if (!(error instanceof RelationsError)) throw error
    return [{ severity: "error", pointer: "", message: error.message }]
  }
  if (!isObject(written)) return [{ severity: "error", pointer: "", message: "not an object" }]
  lintWhole(written, say)
  if (!Object.hasOwn(written, "domain")) {
    say("warning", "/domain", "without a domain nobody can check who asks")
  }
  lintFields(Array.isArray(written.fields) ? written.fields : [], say)
  return [...errors, ...warnings]
}

interface JsonObject {
  readonly [key: string]: JsonValue
}

type Say = (severity: "error" | "warning", pointer: string, message: string) => void

/** All but the fields' own faults. */
function lintWhole(written: JsonObject, say: Say): void {
  const { v, key, wrap, agreements, fields } = written
  if (typeof v === "number" && v > 1) {
    say("error", "/v", "needs a newer Fulcrum")
    return
  }
  const members = Array.isArray(fields) ? { ...written, fields: [] } : written
  const isDraft = v === undefined
  lintMembers(isDraft ? draftShapes : requestShapes, members, "", say)
  if (!isDraft && typeof key === "string") lintPart("/key", () => readKey(key), say)
  if (!isDraft && typeof wrap === "string") lintPart("/wrap", () => readWrap(wrap), say)
  for (const [i, one] of isDraft && Array.isArray(agreements) ? agreements.entries() : []) {
    if (typeof one === "string") lintPart(`/agreements/${i}`, () => findAgreement(one), say)
  }
}

/** What is of its shape and still not right. */
function lintPart(pointer: string, read: () => unknown, say: Say): void {
  try {
    read()
  } catch (error) {
    if (!(error instanceof RelationsError)) throw error
    say("error", pointer, error.message.replace(`${pointer}: `, ""))
  }
}

function lintFields(written: readonly JsonValue[], say: Say): void {
  if (written.length > REQUEST_FIELDS_MAX) say("error", "/fields", "too many fields")
  const paths = new Set<string>()
  let required = 0
  for (const [i, one] of written.entries()) {
    const pointer = `/fields/${i}`
    const asked = lintShape(one, pointer, say)
    if (asked === undefined) continue
    if (paths.has(asked.path)) say("error", `${pointer}/path`, "asked for twice")
    paths.add(asked.path)
    if (asked.required) required++
    lintField(asked, pointer, say)
  }
  if (written.length > REQUEST_FIELDS_MANY) {
    say("warning", "/fields", `${written.length} fields: ask only for what the service needs`)
  }
  if (required > 1 && required === written.length) {
    say("warning", "/fields", "every field is required: nobody can begin with less")
  }
}

/** The field, if it is one. */
function lintShape(value: JsonValue, pointer: string, say: Say): RequestField | undefined {
  if (!isObject(value)) say("error", pointer, "not an object")
  else if (lintMembers(fieldShapes, value, pointer, say)) return field(value, pointer)
  return undefined
}

/** Tells each member that is missing, wrong or of no meaning. @returns Whether there is none. */
function lintMembers(
  shapes: Readonly<Record<string, Shape<unknown>>>,
  members: JsonObject,
  pointer: string,
  say: Say,
): boolean {
  const unknown = Object.keys(members).filter((name) => !Object.hasOwn(shapes, name))
  const faults = unknown.map((name) => meaningless(pointer, name))
  for (const [name, shape] of Object.entries(shapes)) {
    const isThere = Object.hasOwn(members, name)
    try {
      shape(isThere ? members[name] : undefined, `${pointer}/${name}`)
    } catch (error) {
      if (!(error instanceof ShapeFault)) throw error
      faults.push(isThere ? error : new ShapeFault(error.pointer, "not there"))
    }
  }
  for (const fault of faults) say("error", fault.pointer, fault.message)
  return faults.length === 0
}

function lintField(asked: RequestField, pointer: string, say: Say): void {
  try {
    parsePath(asked.path)
  } catch (error) {
    if (!(error instanceof RecordError)) throw error
    say("error", `${pointer}/path`, error.message)
  }
  if (!asked.path.includes("/")) {
    say("warning", `${pointer}/path`, "a whole document: ask for the fields that are needed")
  }
  if (!isDpvTerm(asked.purpose)) {
    say("warning", `${pointer}/purpose`, "not a DPV term, such as dpv:ServiceProvision")
  }
  if (!isDuration(asked.retention)) {
    say("warning", `${pointer}/retention`, "not a duration, such as P2Y or P90D")
  }
}

/** `dpv:Term`, or its whole IRI. */
function isDpvTerm(text: string): boolean {
  return /^(?:dpv:|https:\/\/w3id\.org\/dpv#)[A-Z][A-Za-z0-9]*$/.test(text)
}

/** ISO 8601, in days and longer. */
function isDuration(text: string): boolean {
  return /^P(?=\d)(?:\d{1,4}Y)?(?:\d{1,4}M)?(?:\d{1,4}W)?(?:\d{1,5}D)?$/.test(text)
}

function isLine(text: string): boolean {
  return text.trim() === text && !/\p{Cc}|\p{Cf}|\p{Zl}|\p{Zp}/u.test(text)
}

function isDomain(text: string): boolean {
  return /^(?=.{1,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}$/.test(text)
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

function readKey(did: string): PublicKey {
  try {
    return didKeyToPublicKey(did)
  } catch (cause) {
    if (cause instanceof DidKeyError) throw malformed("/key", "not a did:key", cause)
    throw cause
  }
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

function readWrap(text: string): WrapPublicKey {
  try {
    const bytes = base64urlToBytes(text)
    if (isWrapPublicKey(bytes)) return bytes
  } catch (cause) {
    if (cause instanceof CodecError) throw malformed("/wrap", "not base64url", cause)
    throw cause
  }
  throw malformed("/wrap", "not an X-Wing key")
}

/** The signature was checked by then: what is left is that the request names its signer. */
function isBy(read: SignedRequest, vendor: Uint8Array): read is Verified<SignedRequest> {
  return equalBytes(read.vendor, vendor)
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}

/** A plain copy, without members that are `undefined`. */
function checked(value: unknown): JsonValue {
  try {
    return checkJson(withoutUndefined(value), SIGNED_JSON_LIMITS)
  } catch (cause) {
    if (cause instanceof CodecError) throw malformed("", "not JSON within bounds", cause)
    throw cause
  }
}

function withoutUndefined(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined))
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
  const where = pointer === "" ? "the request" : pointer
  return new RelationsError("REQUEST_MALFORMED", `${where}: ${message}`, { cause, pointer })
}

function unsigned(): RelationsError {
  return new RelationsError("REQUEST_UNSIGNED", "not signed by the key that the invitation names")
}
