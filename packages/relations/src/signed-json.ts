/**
 * Documents that people and other programs check: canonical JSON (RFC 8785) with detached
 * Ed25519 signatures, `[{by, sig}]` — `by` a `did:key`, `sig` unpadded base64url.
 *
 * What is signed is the UTF-8 of the canonical JSON, in a context of its own (the context string,
 * a zero byte, the document).
 *
 * @module
 */
import {
  base64urlToBytes,
  bytesToBase64url,
  bytesToUtf8,
  equalBytes,
  utf8ToBytes,
} from "@fulcrum/codec/bytes"
import { CodecError } from "@fulcrum/codec/codec-error"
import { canonicalJson, type JsonLimits, type JsonValue, parseJson } from "@fulcrum/codec/json"
import type { Context } from "@fulcrum/crypto/contexts"
import { DidKeyError, didKeyToPublicKey, publicKeyToDidKey } from "@fulcrum/crypto/didkey"
import { type SigningKey, sign, verify } from "@fulcrum/crypto/ed25519"

export interface DetachedSignature {
  /** `did:key` of the signer. */
  readonly by: string
  /** 64 bytes, base64url. */
  readonly sig: string
}

/** A document of this form is small: terms and fields, no values. */
export const SIGNED_JSON_LIMITS: JsonLimits = {
  bytesMax: 24 * 1024,
  depthMax: 8,
  itemsMax: 1024,
}

export function canonicalBytes(value: JsonValue): Uint8Array {
  return utf8ToBytes(canonicalJson(value))
}

/** Reads canonical JSON; `undefined` if the bytes are not JSON, or not in canonical form. */
export function parseCanonical(bytes: Uint8Array): JsonValue | undefined {
  try {
    const text = bytesToUtf8(bytes)
    const value = parseJson(text, SIGNED_JSON_LIMITS)
    return canonicalJson(value) === text ? value : undefined
  } catch (error) {
    if (error instanceof CodecError) return undefined
    throw error
  }
}

export function signDocument(
  context: Context,
  key: SigningKey,
  document: Uint8Array,
): DetachedSignature {
  return {
    by: publicKeyToDidKey(key.publicKey),
    sig: bytesToBase64url(sign(context, key, document)),
  }
}

/** Whether `signature` is by this key, over these bytes. Never throws. */
export function verifyDocument(
  context: Context,
  publicKey: Uint8Array,
  document: Uint8Array,
  signature: DetachedSignature,
): boolean {
  try {
    const named = didKeyToPublicKey(signature.by)
    if (!equalBytes(named, publicKey)) return false
    return verify(context, publicKey, document, base64urlToBytes(signature.sig))
  } catch (error) {
    if (error instanceof CodecError || error instanceof DidKeyError) return false
    throw error
  }
}
