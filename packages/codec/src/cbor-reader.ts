/**
 * Reads canonical CBOR and refuses any other, as `cbor.ts` says.
 *
 * @module
 */
import {
  ARRAY,
  ASCII_FAST_MAX,
  BYTES,
  CBOR_ITEMS_MAX,
  type CborValue,
  compareRanges,
  float,
  fromHalf,
  MAP,
  NEGATIVE,
  TEXT,
  toHalf,
  UINT,
} from "./cbor-form.ts"
import { CodecError, type CodecErrorCode } from "./codec-error.ts"

const fromUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** One value's: throws `CodecError`, with a code that starts with `CBOR_`. */
export class CborReader {
  readonly #bytes: Uint8Array
  readonly #depthMax: number
  #offset = 0
  #items = 0
  /** Set by `#argument` when the argument does not fit a safe integer. */
  #wide = 0n

  constructor(bytes: Uint8Array, depthMax: number) {
    this.#bytes = bytes
    this.#depthMax = depthMax
  }

  end(): void {
    if (this.#offset < this.#bytes.length) throw fail("CBOR_TRAILING", "bytes after the value")
  }

  value(depth: number): CborValue {
    this.#items++
    if (this.#items > CBOR_ITEMS_MAX) throw fail("CBOR_TOO_MANY", "more values than allowed")
    const initial = this.#next()
    const info = initial & 31
    switch (initial >> 5) {
      case UINT: {
        const argument = this.#argument(info)
        return argument < 0 ? this.#wide : argument
      }
      case NEGATIVE: {
        const argument = this.#argument(info)
        if (argument < 0) return -1n - this.#wide
        return argument === Number.MAX_SAFE_INTEGER ? -1n - BigInt(argument) : -1 - argument
      }
      case BYTES:
        return this.#byteString(this.#length(info, 1))
      case TEXT:
        return this.#text(this.#length(info, 1))
      case ARRAY:
        return this.#array(this.#length(info, 1), depth + 1)
      case MAP:
        return this.#map(this.#length(info, 2), depth + 1)
      case 6:
        throw fail("CBOR_UNSUPPORTED", "a tag")
      default:
        return this.#simpleOrFloat(info)
    }
  }

  #array(count: number, depth: number): CborValue[] {
    this.#enter(depth)
    const items: CborValue[] = []
    for (let i = 0; i < count; i++) items.push(this.value(depth))
    return items
  }

  #map(count: number, depth: number): ReadonlyMap<number | string, CborValue> {
    this.#enter(depth)
    const map = new Map<number | string, CborValue>()
    let lastStart = 0
    let lastEnd = 0
    for (let i = 0; i < count; i++) {
      const start = this.#offset
      const key = this.#key()
      const end = this.#offset
      if (i > 0) {
        const order = compareRanges(this.#bytes, lastStart, lastEnd, this.#bytes, start, end)
        if (order === 0) throw fail("CBOR_DUPLICATE_KEY", "a map key twice")
        if (order > 0) throw fail("CBOR_NOT_CANONICAL", "map keys out of order")
      }
      lastStart = start
      lastEnd = end
      map.set(key, this.value(depth))
    }
    return map
  }

  #key(): number | string {
    const major = this.#peek() >> 5
    if (major !== UINT && major !== NEGATIVE && major !== TEXT) {
      throw fail("CBOR_UNSUPPORTED", "a map key that is neither text nor an integer")
    }
    const key = this.value(this.#depthMax)
    if (typeof key !== "number" && typeof key !== "string") {
      throw fail("CBOR_UNSUPPORTED", "a map key beyond the safe integers")
    }
    return key
  }

  #byteString(length: number): Uint8Array {
    const copy = new Uint8Array(length)
    copy.set(this.#bytes.subarray(this.#offset, this.#offset + length))
    this.#offset += length
    return copy
  }

  #text(length: number): string {
    const start = this.#offset
    const end = start + length
    this.#offset = end
    if (length <= ASCII_FAST_MAX) {
      const ascii = this.#asciiText(start, end)
      if (ascii !== undefined) return ascii
    }
    try {
      return fromUtf8.decode(this.#bytes.subarray(start, end))
    } catch (cause) {
      throw fail("CBOR_TEXT", "text that is not UTF-8", cause)
    }
  }

  #asciiText(start: number, end: number): string | undefined {
    let text = ""
    for (let i = start; i < end; i++) {
      const code = this.#bytes[i] ?? 0
      if (code >= 0x80) return undefined
      text += String.fromCharCode(code)
    }
    return text
  }

  #simpleOrFloat(info: number): CborValue {
    switch (info) {
      case 20:
        return false
      case 21:
        return true
      case 22:
        return null
      case 25:
        return this.#float(2)
      case 26:
        return this.#float(4)
      case 27:
        return this.#float(8)
      case 28:
      case 29:
      case 30:
        throw fail("CBOR_MALFORMED", "reserved additional information")
      default:
        throw fail("CBOR_UNSUPPORTED", "a simple value other than false, true and null")
    }
  }

  #float(width: 2 | 4 | 8): number {
    this.#need(width)
    for (let i = 0; i < width; i++) float.setUint8(i, this.#bytes[this.#offset + i] ?? 0)
    this.#offset += width
    const value =
      width === 2
        ? fromHalf(float.getUint16(0))
        : width === 4
          ? float.getFloat32(0)
          : float.getFloat64(0)
    if (!Number.isFinite(value)) throw fail("CBOR_UNSUPPORTED", "a number that is not finite")
    const shorter =
      Number.isSafeInteger(value) ||
      (width > 2 && toHalf(value) !== undefined) ||
      (width > 4 && Math.fround(value) === value)
    if (shorter) throw fail("CBOR_NOT_CANONICAL", "a float that a shorter form holds")
    return value
  }

  /** A length, known to fit in what is left at `unit` bytes an item, so safe to allocate. */
  #length(info: number, unit: number): number {
    const length = this.#argument(info)
    if (length < 0 || length * unit > this.#bytes.length - this.#offset) {
      throw fail("CBOR_TRUNCATED", "a length beyond the end")
    }
    return length
  }

  /** The head's argument; -1 if it is above the safe integers, and then in `#wide`. */
  #argument(info: number): number {
    if (info < 24) return info
    switch (info) {
      case 24:
        return this.#shortest(this.#next(), 24)
      case 25:
        return this.#shortest(this.#next() * 0x100 + this.#next(), 0x100)
      case 26:
        return this.#shortest(this.#uint32(), 0x10000)
      case 27:
        return this.#uint64()
      case 31:
        throw fail("CBOR_UNSUPPORTED", "an indefinite length")
      default:
        throw fail("CBOR_MALFORMED", "reserved additional information")
    }
  }

  #shortest(argument: number, least: number): number {
    if (argument < least) throw fail("CBOR_NOT_CANONICAL", "a head longer than needed")
    return argument
  }

  #uint64(): number {
    const high = this.#uint32()
    const low = this.#uint32()
    if (high === 0) throw fail("CBOR_NOT_CANONICAL", "a head longer than needed")
    if (high < 0x200000) return high * 0x100000000 + low
    this.#wide = (BigInt(high) << 32n) | BigInt(low)
    return -1
  }

  #uint32(): number {
    this.#need(4)
    const bytes = this.#bytes
    const at = this.#offset
    this.#offset += 4
    return (
      (bytes[at] ?? 0) * 0x1000000 +
      (((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0))
    )
  }

  #next(): number {
    const byte = this.#peek()
    this.#offset++
    return byte
  }

  #peek(): number {
    const byte = this.#bytes[this.#offset]
    if (byte === undefined) throw fail("CBOR_TRUNCATED", "the bytes end too soon")
    return byte
  }

  #need(count: number): void {
    if (this.#bytes.length - this.#offset < count) {
      throw fail("CBOR_TRUNCATED", "the bytes end too soon")
    }
  }

  #enter(depth: number): void {
    if (depth > this.#depthMax) throw fail("CBOR_TOO_DEEP", "nested deeper than allowed")
  }
}

function fail(code: CodecErrorCode, detail: string, cause?: unknown): CodecError {
  return new CodecError(code, detail, cause === undefined ? undefined : { cause })
}
