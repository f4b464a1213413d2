/**
 * CBOR, in the one way to write it: RFC 8949, section 4.2.1 (core deterministic
 * encoding), of the data that our formats need and no more.
 *
 * | value               | written as                                                |
 * | ------------------- | --------------------------------------------------------- |
 * | null, false, true   | simple values 22, 20, 21                                  |
 * | whole number        | major type 0 or 1, shortest head, down to -2^64           |
 * | other finite number | the shortest of half, single and double that holds it     |
 * | bytes, text (UTF-8) | major types 2 and 3, definite length                      |
 * | array, map          | major types 4 and 5, definite; keys are text or integers, |
 * |                     | each once, in the byte order of their encodings           |
 *
 * A number that is a safe integer is always written as an integer (so `-0` is
 * `0`), any other as a float; a `bigint` is an integer, and comes back as a
 * number where that is safe. Reading refuses whatever `encodeCbor` would not
 * have written, byte for byte, so bytes and values are one to one.
 *
 * Written here and not left to cborg, which does not refuse maps out of order
 * or floats that are too wide, and is slower; the tests hold the two together.
 *
 * @module
 */
import { CodecError, type CodecErrorCode } from "./codec-error.ts"

export type CborValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly CborValue[]
  | ReadonlyMap<number | string, CborValue>

export interface CborLimits {
  /** Longest input that is looked at. */
  readonly bytesMax: number
  /** Deepest nesting of arrays and maps; `CBOR_DEPTH_MAX` if absent. */
  readonly depthMax?: number
}

/** Arrays and maps in one another: above what any format of ours needs, far below the stack. */
export const CBOR_DEPTH_MAX = 64

/**
 * Values in all, containers and map keys counted too. A byte of input can be an empty map, which
 * costs some 200 bytes of memory: this bounds what one message can make us allocate to about 25 MB,
 * and the time it takes to some 50 ms.
 */
export const CBOR_ITEMS_MAX = 131_072

const UINT = 0
const NEGATIVE = 1
const BYTES = 2
const TEXT = 3
const ARRAY = 4
const MAP = 5
const UINT64_MAX = (1n << 64n) - 1n
const ASCII_FAST_MAX = 64

const utf8 = new TextEncoder()
const fromUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
const float = new DataView(new ArrayBuffer(8))

/**
 * Writes a value as canonical CBOR.
 *
 * @returns New bytes.
 * @throws {RangeError} NaN, an infinity, an integer beyond 64 bits, text with a lone surrogate,
 * nesting beyond `CBOR_DEPTH_MAX`, more than `CBOR_ITEMS_MAX` values.
 * @throws {TypeError} What is no `CborValue`.
 */
export function encodeCbor(value: CborValue): Uint8Array {
  // Whoever encodes while another value is being encoded takes a buffer of its own.
  const bytes = scratch ?? new Uint8Array(SCRATCH_BYTES)
  scratch = undefined
  try {
    const writer = new Writer(bytes)
    writer.value(value, 0)
    return writer.done()
  } finally {
    scratch = bytes
  }
}

/**
 * Reads canonical CBOR.
 *
 * @param bytes - The whole of one value. What is returned shares no memory with it.
 * @throws {CodecError} A code that starts with `CBOR_`.
 */
export function decodeCbor(bytes: Uint8Array, limits: CborLimits): CborValue {
  if (bytes.length > limits.bytesMax) throw fail("CBOR_TOO_LARGE", "more bytes than allowed")
  const reader = new Reader(bytes, limits.depthMax ?? CBOR_DEPTH_MAX)
  const value = reader.value(0)
  reader.end()
  return value
}

const SCRATCH_BYTES = 4096
/** Where a value is written first, since a buffer for each costs more than most values do. */
let scratch: Uint8Array | undefined

class Writer {
  #bytes: Uint8Array
  #length = 0
  #items = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  done(): Uint8Array {
    return this.#bytes.slice(0, this.#length)
  }

  value(value: CborValue, depth: number): void {
    this.#items++
    if (this.#items > CBOR_ITEMS_MAX) throw new RangeError("more values than our CBOR can hold")
    if (typeof value === "string") this.#text(value)
    else if (typeof value === "number") this.#number(value)
    else if (typeof value === "boolean") this.#byte(value ? 0xf5 : 0xf4)
    else if (typeof value === "bigint") this.#bigint(value)
    else if (value === null) this.#byte(0xf6)
    else if (value instanceof Uint8Array) this.#byteString(value)
    else if (Array.isArray(value)) this.#array(value, depth + 1)
    else if (value instanceof Map) this.#map(value, depth + 1)
    else throw new TypeError("not a value that our CBOR can hold")
  }

  #array(items: readonly CborValue[], depth: number): void {
    enterWriting(depth)
    this.#head(ARRAY, items.length)
    for (const item of items) this.value(item, depth)
  }

  #map(map: ReadonlyMap<number | string, CborValue>, depth: number): void {
    enterWriting(depth)
    this.#head(MAP, map.size)
    const start = this.#length
    const entries: { readonly key: Uint8Array; readonly value: CborValue }[] = []
    this.#items += map.size
    for (const [key, value] of map) {
      if (typeof key === "string") this.#text(key)
      else if (Number.isSafeInteger(key)) this.#number(key)
      else throw new TypeError("a map key is text or a safe integer")
      entries.push({ key: this.#bytes.slice(start, this.#length), value })
      this.#length = start
    }
    entries.sort((a, b) => compareRanges(a.key, 0, a.key.length, b.key, 0, b.key.length))
    for (const { key, value } of entries) {
      this.#raw(key)
      this.value(value, depth)
    }
  }

  #number(value: number): void {
    if (Number.isSafeInteger(value)) {
      if (value >= 0) this.#head(UINT, value)
      else this.#head(NEGATIVE, -1 - value)
      return
    }
    if (!Number.isFinite(value)) throw new RangeError("CBOR of ours holds finite numbers only")
    const half = toHalf(value)
    if (half !== undefined) {
      this.#reserve(3)
      this.#bytes[this.#length++] = 0xf9
      this.#bytes[this.#length++] = half >> 8
      this.#bytes[this.#length++] = half & 0xff
      return
    }
    const single = Math.fround(value) === value
    const width = single ? 4 : 8
    if (single) float.setFloat32(0, value)
    else float.setFloat64(0, value)
    this.#reserve(1 + width)
    this.#bytes[this.#length++] = single ? 0xfa : 0xfb
    for (let i = 0; i < width; i++) this.#bytes[this.#length++] = float.getUint8(i)
  }

  #bigint(value: bigint): void {
    const argument = value >= 0n ? value : -1n - value
    if (argument > UINT64_MAX) throw new RangeError("an integer beyond 64 bits")
    const major = value >= 0n ? UINT : NEGATIVE
    if (argument <= BigInt(Number.MAX_SAFE_INTEGER)) {
      this.#head(major, Number(argument))
      return
    }
    this.#reserve(9)
    this.#bytes[this.#length++] = (major << 5) | 27
    float.setBigUint64(0, argument)
    for (let i = 0; i < 8; i++) this.#bytes[this.#length++] = float.getUint8(i)
  }

  #byteString(bytes: Uint8Array): void {
    this.#head(BYTES, bytes.length)
    this.#raw(bytes)
  }

  #text(text: string): void {
    if (text.length <= ASCII_FAST_MAX && this.#asciiText(text)) return
    if (!text.isWellFormed()) throw new RangeError("text with a lone surrogate has no UTF-8")
    const bytes = utf8.encode(text)
    this.#head(TEXT, bytes.length)
    this.#raw(bytes)
  }

  /** Short plain text, the common case, without the detour over an encoder. */
  #asciiText(text: string): boolean {
    const start = this.#length
    this.#head(TEXT, text.length)
    this.#reserve(text.length)
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i)
      if (code >= 0x80) {
        this.#length = start
        return false
      }
      this.#bytes[this.#length++] = code
    }
    return true
  }

  /** Major type and argument, in the fewest bytes. */
  #head(major: number, argument: number): void {
    this.#reserve(9)
    const bytes = this.#bytes
    const top = major << 5
    if (argument < 24) bytes[this.#length++] = top | argument
    else if (argument < 0x100) {
      bytes[this.#length++] = top | 24
      bytes[this.#length++] = argument
    } else if (argument < 0x10000) {
      bytes[this.#length++] = top | 25
      bytes[this.#length++] = argument >> 8
      bytes[this.#length++] = argument & 0xff
    } else if (argument < 0x100000000) {
      bytes[this.#length++] = top | 26
      this.#uint32(argument)
    } else {
      bytes[this.#length++] = top | 27
      this.#uint32(Math.floor(argument / 0x100000000))
      this.#uint32(argument % 0x100000000)
    }
  }

  #uint32(value: number): void {
    this.#bytes[this.#length++] = value >>> 24
    this.#bytes[this.#length++] = (value >>> 16) & 0xff
    this.#bytes[this.#length++] = (value >>> 8) & 0xff
    this.#bytes[this.#length++] = value & 0xff
  }

  #byte(byte: number): void {
    this.#reserve(1)
    this.#bytes[this.#length++] = byte
  }

  #raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length)
    this.#bytes.set(bytes, this.#length)
    this.#length += bytes.length
  }

  #reserve(extra: number): void {
    const needed = this.#length + extra
    if (needed <= this.#bytes.length) return
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2))
    grown.set(this.#bytes.subarray(0, this.#length))
    this.#bytes = grown
  }
}

class Reader {
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

function enterWriting(depth: number): void {
  if (depth > CBOR_DEPTH_MAX) throw new RangeError("nested too deep for CBOR")
}

/** The 16 bits of a number that half precision holds exactly; `undefined` for any other. */
function toHalf(value: number): number | undefined {
  float.setFloat32(0, value)
  if (float.getFloat32(0) !== value) return undefined
  const bits = float.getUint32(0)
  const sign = (bits >>> 16) & 0x8000
  const exponent = ((bits >>> 23) & 0xff) - 127
  const fraction = bits & 0x7fffff
  if (exponent >= -14 && exponent <= 15) {
    if ((fraction & 0x1fff) !== 0) return undefined
    return sign | ((exponent + 15) << 10) | (fraction >>> 13)
  }
  if (exponent < -24 || exponent > 15) return undefined
  // Subnormal in half precision: the implicit leading bit becomes explicit.
  const whole = fraction | 0x800000
  const shift = -exponent - 1
  if ((whole & ((1 << shift) - 1)) !== 0) return undefined
  return sign | (whole >>> shift)
}

function fromHalf(bits: number): number {
  const sign = (bits & 0x8000) === 0 ? 1 : -1
  const exponent = (bits >> 10) & 31
  const fraction = bits & 0x3ff
  if (exponent === 0) return sign * fraction * 2 ** -24
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
  return sign * (1024 + fraction) * 2 ** (exponent - 25)
}

function compareRanges(
  a: Uint8Array,
  aStart: number,
  aEnd: number,
  b: Uint8Array,
  bStart: number,
  bEnd: number,
): number {
  const shared = Math.min(aEnd - aStart, bEnd - bStart)
  for (let i = 0; i < shared; i++) {
    const difference = (a[aStart + i] ?? 0) - (b[bStart + i] ?? 0)
    if (difference !== 0) return difference
  }
  return aEnd - aStart - (bEnd - bStart)
}

function fail(code: CodecErrorCode, detail: string, cause?: unknown): CodecError {
  return new CodecError(code, detail, cause === undefined ? undefined : { cause })
}
