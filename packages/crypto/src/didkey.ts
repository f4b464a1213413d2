/**
 * `did:key` (W3C CCG, did:key method) for Ed25519: `did:key:z` and the base58btc
 * of 0xed 0x01 and the 32 key bytes, so always `did:key:z6Mk…`.
 *
 * @module
 */
import { concatBytes } from "@fulcrum/codec/bytes"
import { isPublicKey, PUBLIC_KEY_BYTES, type PublicKey } from "./ed25519.ts"

export type DidKeyErrorCode =
  /** Not `did:key:z…`, not base58, or of another length. */
  | "DID_KEY_MALFORMED"
  /** Well formed, but of another kind of key. */
  | "DID_KEY_UNSUPPORTED"
  /** An Ed25519 key that must not be used: not canonical, or of small order. */
  | "DID_KEY_WEAK"

/** A text that is no `did:key` of ours. */
export class DidKeyError extends Error {
  override readonly name = "DidKeyError"
  readonly code: DidKeyErrorCode

  constructor(code: DidKeyErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

const PREFIX = "did:key:z"
const ED25519_CODE = Uint8Array.of(0xed, 0x01)
const DIGITS = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

/** Base58 is quadratic: no key of any registered kind that we would name is longer. */
const DID_KEY_CHARS_MAX = 256

export function publicKeyToDidKey(publicKey: PublicKey): string {
  return PREFIX + bytesToBase58(concatBytes([ED25519_CODE, publicKey]))
}

/** @throws {DidKeyError} */
export function didKeyToPublicKey(didKey: string): PublicKey {
  if (!didKey.startsWith(PREFIX) || didKey.length > DID_KEY_CHARS_MAX) throw malformed()
  const bytes = base58ToBytes(didKey.slice(PREFIX.length))
  if (bytes[0] !== ED25519_CODE[0] || bytes[1] !== ED25519_CODE[1]) {
    throw new DidKeyError("DID_KEY_UNSUPPORTED", "a did:key of another kind than Ed25519")
  }
  const publicKey = bytes.slice(ED25519_CODE.length)
  if (publicKey.length !== PUBLIC_KEY_BYTES) throw malformed()
  if (!isPublicKey(publicKey)) throw new DidKeyError("DID_KEY_WEAK", "a key that must not be used")
  return publicKey
}

function bytesToBase58(bytes: Uint8Array): string {
  let value = 0n
  for (const byte of bytes) value = value * 256n + BigInt(byte)
  let text = ""
  for (; value > 0n; value /= 58n) text = DIGITS.charAt(Number(value % 58n)) + text
  for (let i = 0; bytes[i] === 0; i++) text = `1${text}`
  return text
}

function base58ToBytes(text: string): Uint8Array {
  let value = 0n
  for (const character of text) {
    const digit = DIGITS.indexOf(character)
    if (digit < 0) throw malformed()
    value = value * 58n + BigInt(digit)
  }
  const bytes: number[] = []
  for (; value > 0n; value /= 256n) bytes.unshift(Number(value % 256n))
  for (let i = 0; text[i] === "1"; i++) bytes.unshift(0)
  return Uint8Array.from(bytes)
}

function malformed(): DidKeyError {
  return new DidKeyError("DID_KEY_MALFORMED", "not a did:key")
}
