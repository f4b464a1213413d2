/**
 * Bytes: joining, comparing, and the text forms that appear on screens and in
 * URIs. Hex is lower case; base64url is unpadded (RFC 4648, section 5). Reading
 * is strict: one text for one byte string, anything else is a `CodecError`.
 *
 * @module
 */
import { CodecError } from "./codec-error.ts"

const HEX_DIGITS = "0123456789abcdef"
const BASE64URL_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
const UINT64_MAX = (1n << 64n) - 1n

const hexByByte = Array.from(
  { length: 256 },
  (_, byte) => `${HEX_DIGITS[byte >> 4]}${HEX_DIGITS[byte & 15]}`,
)
const base64urlByCode = digitsByCode(BASE64URL_DIGITS)
const hexByCode = digitsByCode(HEX_DIGITS)

/** Up to here arrays are made so quickly that a loop beats the encoder (0.1 µs for 0.4, Node 24). */
const SHORT_CHARS_MAX = 64
const encoder = new TextEncoder()
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** Joins the parts into new bytes. */
export function concatBytes(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0
  for (const part of parts) length += part.length
  const joined = new Uint8Array(length)
  let offset = 0
  for (const part of parts) {
    joined.set(part, offset)
    offset += part.length
  }
  return joined
}

/** Whether both hold the same bytes. Not in constant time: see `crypto/constant-time`. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

/** Order by unsigned bytes, a prefix first: negative, zero or positive, as `sort` wants. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length)
  for (let i = 0; i < shared; i++) {
    const difference = byteAt(a, i) - byteAt(b, i)
    if (difference !== 0) return difference
  }
  return a.length - b.length
}

export function bytesToHex(bytes: Uint8Array): string {
  let text = ""
  for (const byte of bytes) text += hexByByte[byte]
  return text
}

/** @throws {CodecError} `HEX_MALFORMED`: odd length, upper case, or no hex at all. */
export function hexToBytes(text: string): Uint8Array {
  if (text.length % 2 !== 0) throw new CodecError("HEX_MALFORMED", "hex text has an odd length")
  const bytes = new Uint8Array(text.length / 2)
  for (let i = 0; i < bytes.length; i++) {
    const high = hexByCode[text.charCodeAt(2 * i)] ?? -1
    const low = hexByCode[text.charCodeAt(2 * i + 1)] ?? -1
    if (high < 0 || low < 0) throw new CodecError("HEX_MALFORMED", "not lower-case hex")
    bytes[i] = (high << 4) | low
  }
  return bytes
}

export function bytesToBase64url(bytes: Uint8Array): string {
  let text = ""
  for (let i = 0; i < bytes.length; i += 3) {
    const left = bytes.length - i
    const group =
      (byteAt(bytes, i) << 16) |
      ((left > 1 ? byteAt(bytes, i + 1) : 0) << 8) |
      (left > 2 ? byteAt(bytes, i + 2) : 0)
    text += BASE64URL_DIGITS.charAt(group >> 18) + BASE64URL_DIGITS.charAt((group >> 12) & 63)
    if (left > 1) text += BASE64URL_DIGITS.charAt((group >> 6) & 63)
    if (left > 2) text += BASE64URL_DIGITS.charAt(group & 63)
  }
  return text
}

/** @throws {CodecError} `BASE64URL_MALFORMED`: a foreign character, padding, or spare bits set. */
export function base64urlToBytes(text: string): Uint8Array {
  const spare = text.length % 4
  if (spare === 1)
    throw new CodecError("BASE64URL_MALFORMED", "base64url text of impossible length")
  const bytes = new Uint8Array(Math.floor((text.length * 3) / 4))
  let bits = 0
  let bitCount = 0
  let offset = 0
  for (let i = 0; i < text.length; i++) {
    const digit = base64urlByCode[text.charCodeAt(i)] ?? -1
    if (digit < 0) throw new CodecError("BASE64URL_MALFORMED", "not base64url")
    bits = ((bits << 6) | digit) & 0xffff
    bitCount += 6
    if (bitCount >= 8) {
      bitCount -= 8
      bytes[offset++] = (bits >> bitCount) & 0xff
    }
  }
  if ((bits & ((1 << bitCount) - 1)) !== 0) {
    throw new CodecError("BASE64URL_MALFORMED", "base64url text with spare bits set")
  }
  return bytes
}

/** @throws {RangeError} On a lone surrogate, which has no UTF-8. */
export function utf8ToBytes(text: string): Uint8Array {
  if (text.length <= SHORT_CHARS_MAX) {
    const bytes = asciiBytes(text)
    if (bytes !== undefined) return bytes
  }
  if (!text.isWellFormed()) throw new RangeError("text with a lone surrogate has no UTF-8")
  return encoder.encode(text)
}

/** `undefined`: it has other characters. */
function asciiBytes(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(text.length)
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code > 127) return undefined
    bytes[at] = code
  }
  return bytes
}

/** @throws {CodecError} `UTF8_MALFORMED`. A byte order mark is kept as a character. */
export function bytesToUtf8(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes)
  } catch (cause) {
    throw new CodecError("UTF8_MALFORMED", "not UTF-8", { cause })
  }
}

/** How many bytes the text takes in UTF-8. */
export function utf8Length(text: string): number {
  let length = text.length
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code < 0x80) continue
    if (code < 0x800) length += 1
    else if (code >= 0xd800 && code < 0xdc00) {
      length += 2
      i++
    } else length += 2
  }
  return length
}

/**
 * Eight bytes, the highest first, so that byte order is number order.
 *
 * @throws {RangeError} Outside 0 to 2^64 - 1, or a number that is no safe integer.
 */
export function uint64ToBytes(value: number | bigint): Uint8Array {
  const bytes = new Uint8Array(8)
  const view = new DataView(bytes.buffer)
  if (typeof value === "number") {
    if (!Number.isSafeInteger(value) || value < 0) throw new RangeError("not a safe whole number")
    view.setUint32(0, Math.floor(value / 2 ** 32))
    view.setUint32(4, value % 2 ** 32)
  } else {
    if (value < 0n || value > UINT64_MAX) throw new RangeError("outside 64 unsigned bits")
    view.setBigUint64(0, value)
  }
  return bytes
}

/** Undoes `uint64ToBytes`. @throws {CodecError} `UINT64_MALFORMED`: not eight bytes, or unsafe. */
export function bytesToUint64(bytes: Uint8Array): number {
  if (bytes.length !== 8) throw new CodecError("UINT64_MALFORMED", "not eight bytes")
  const view = new DataView(bytes.buffer, bytes.byteOffset, 8)
  const value = view.getUint32(0) * 2 ** 32 + view.getUint32(4)
  if (!Number.isSafeInteger(value)) {
    throw new CodecError("UINT64_MALFORMED", "above the largest safe integer")
  }
  return value
}

function byteAt(bytes: Uint8Array, index: number): number {
  return bytes[index] ?? 0
}

function digitsByCode(digits: string): Int8Array {
  const table = new Int8Array(128).fill(-1)
  for (let i = 0; i < digits.length; i++) table[digits.charCodeAt(i)] = i
  return table
}
