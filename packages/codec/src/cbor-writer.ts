/**
 * Writes values as canonical CBOR, as `cbor.ts` says.
 *
 * @module
 */
import {
  ARRAY,
  ASCII_FAST_MAX,
  BYTES,
  CBOR_DEPTH_MAX,
  CBOR_ITEMS_MAX,
  type CborValue,
  compareRanges,
  float,
  MAP,
  NEGATIVE,
  TEXT,
  toHalf,
  UINT,
} from "./cbor-form.ts"

const UINT64_MAX = (1n << 64n) - 1n
const utf8 = new TextEncoder()

/** One value's: see `encodeCbor` for what it throws. */
export class CborWriter {
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

function enterWriting(depth: number): void {
  if (depth > CBOR_DEPTH_MAX) throw new RangeError("nested too deep for CBOR")
}
