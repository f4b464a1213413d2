/**
 * The form of a request: its members, their bounds, and how each is read. What it means is in `request.ts`.
 *
 * @module
 */
import { base64urlToBytes } from "@fulcrum/codec/bytes"
import { CodecError } from "@fulcrum/codec/codec-error"
import { checkJson, type JsonValue } from "@fulcrum/codec/json"
import { DidKeyError, didKeyToPublicKey } from "@fulcrum/crypto/didkey"
import type { PublicKey } from "@fulcrum/crypto/ed25519"
import { isWrapPublicKey, type WrapPublicKey } from "@fulcrum/crypto/wrap"
import { isDay } from "./day.ts"
import { FIELD_PATH_BYTES_MAX, isFieldPath } from "./field-path.ts"
import {
  arrayOf,
  exactly,
  flag,
  maybe,
  objectOf,
  type Shape,
  ShapeFault,
  textOf,
} from "./json-shape.ts"
import { RelationsError } from "./relations-error.ts"
import { SIGNED_JSON_LIMITS } from "./signed-json.ts"

/** Bytes of a signed request: what a front door pins. */
export const REQUEST_BYTES_MAX: number = 16 * 1024
/** Fields of one request: a form that nobody would read to its end is no request. */
export const REQUEST_FIELDS_MAX = 64
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

/** What a vendor writes by hand: keys and dates are added by its program. */
export interface RequestDraft {
  readonly name: string
  readonly domain?: string | undefined
  /** Ids or IRIs. */
  readonly agreements: readonly string[]
  readonly fields: readonly RequestField[]
}

/** The shape of each member. */
type Shapes<T> = { readonly [K in keyof T]-?: Shape<T[K]> }

export const fieldShapes: Shapes<RequestField> = {
  path: textOf(FIELD_PATH_BYTES_MAX, isFieldPath),
  purpose: textOf(256),
  retention: textOf(128),
  required: flag,
  why: textOf(500),
}
export const field: Shape<RequestField> = objectOf(fieldShapes)

export const draftShapes: Shapes<RequestDraft> = {
  name: textOf(100, isLine),
  domain: maybe(textOf(253, isDomain)),
  agreements: arrayOf(textOf(128), { min: 1, max: 13 }),
  fields: arrayOf(field, { max: REQUEST_FIELDS_MAX }),
}
export const draft: Shape<RequestDraft> = objectOf(draftShapes)

export const requestShapes: Shapes<VendorRequest> = {
  ...draftShapes,
  v: exactly(1),
  key: textOf(256),
  wrap: textOf(2048),
  made: textOf(10, isDay),
}
export const request: Shape<VendorRequest> = objectOf(requestShapes)

export interface JsonObject {
  readonly [key: string]: JsonValue
}

function isLine(text: string): boolean {
  return text.trim() === text && !/\p{Cc}|\p{Cf}|\p{Zl}|\p{Zp}/u.test(text)
}

function isDomain(text: string): boolean {
  return /^(?=.{1,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}$/.test(text)
}

export function readKey(did: string): PublicKey {
  try {
    return didKeyToPublicKey(did)
  } catch (cause) {
    if (cause instanceof DidKeyError) throw malformed("/key", "not a did:key", cause)
    throw cause
  }
}

export function readWrap(text: string): WrapPublicKey {
  try {
    const bytes = base64urlToBytes(text)
    if (isWrapPublicKey(bytes)) return bytes
  } catch (cause) {
    if (cause instanceof CodecError) throw malformed("/wrap", "not base64url", cause)
    throw cause
  }
  throw malformed("/wrap", "not an X-Wing key")
}

export function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}

/** A plain copy, without members that are `undefined`. */
export function checked(value: unknown): JsonValue {
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

export function shaped<T>(shape: Shape<T>, value: JsonValue): T {
  try {
    return shape(value, "")
  } catch (cause) {
    if (cause instanceof ShapeFault) throw malformed(cause.pointer, cause.message, cause)
    throw cause
  }
}

export function malformed(pointer: string, message: string, cause?: unknown): RelationsError {
  const where = pointer === "" ? "the request" : pointer
  return new RelationsError("REQUEST_MALFORMED", `${where}: ${message}`, { cause, pointer })
}
