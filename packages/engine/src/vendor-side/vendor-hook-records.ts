/**
 * What is kept of hooks and of events on their way: canonical CBOR arrays of the schemas below.
 *
 * @module
 */
import { bytesToBase64url } from "@fulcrum/codec/bytes"
import {
  bool,
  bytes,
  bytesMax,
  optional,
  type Schema,
  struct,
  text,
  uint,
} from "@fulcrum/codec/schema"
import type { Random } from "@fulcrum/crypto/random"
import { VendorError } from "./vendor-error.ts"

/** Bytes of one event: an entry's values and those before it. */
export const EVENT_BYTES_MAX: number = 4 * 1024 * 1024
export interface StoredHook {
  readonly id: Uint8Array
  readonly url: string
  readonly secret: string
  readonly isDisabled: boolean
}

export interface StoredEvent {
  readonly id: string
  /** The entry of the person's that it tells of; absent: it tells of the agreement. */
  readonly about?: Uint8Array | undefined
  readonly queuedMs: number
  readonly body: Uint8Array
  /** Of a dead letter: what the last attempt came to. */
  readonly code?: string | undefined
}

export const hookSchema: Schema<StoredHook> = struct({
  id: bytes(8),
  url: text(2048),
  secret: text(128),
  isDisabled: bool,
})

export const eventSchema: Schema<StoredEvent> = struct({
  id: text(64),
  about: optional(bytes(32)),
  queuedMs: uint(),
  body: bytesMax(EVENT_BYTES_MAX),
  code: optional(text(64)),
})

/** `whsec_` and base64, as Standard Webhooks writes them. */
export function newSecret(random: Random): string {
  const url = bytesToBase64url(random.bytes(32))
  return `whsec_${url.replaceAll("-", "+").replaceAll("_", "/")}=`
}

/** @throws {VendorError} `HOOK_URL_INVALID`. */
export function hookUrl(text: string): string {
  const url = URL.parse(text)
  const isHere =
    url?.hostname === "localhost" || /^(?:127(?:\.\d+){3}|\[::1\])$/.test(url?.hostname ?? "")
  const isSafe = url?.protocol === "https:" || (url?.protocol === "http:" && isHere)
  if (url === null || !isSafe || url.username !== "" || url.password !== "" || url.hash !== "") {
    throw new VendorError(
      "HOOK_URL_INVALID",
      "a hook is an https address, or http on this machine; without a password in it",
    )
  }
  if (url.href.length > 2048) throw new VendorError("HOOK_URL_INVALID", "this address is too long")
  return url.href
}
