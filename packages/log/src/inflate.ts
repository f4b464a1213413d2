/**
 * Inflating in plain TypeScript, for platforms without zlib.
 *
 * Output is bounded by the length asked for and allocated once. Huffman codes are read bit by
 * bit by counts for each length (as in Mark Adler's `puff`): short and safe before fast.
 *
 * @module
 */
import { LogError } from "./log-error.ts"

const STORED_BLOCK_MAX = 65_535
const CODE_LENGTH_MAX = 15
const LITERALS_MAX = 286
const DISTANCES_MAX = 30
const END_OF_BLOCK = 256

const LENGTH_BASE = [
  3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131,
  163, 195, 227, 258,
]
const LENGTH_EXTRA = [
  0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0,
]
const DISTANCE_BASE = [
  1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049,
  3073, 4097, 6145, 8193, 12289, 16385, 24577,
]
const DISTANCE_EXTRA = [
  0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13,
]
const CODE_LENGTH_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]

interface Huffman {
  /** How many codes there are of each length. */
  readonly counts: Uint16Array
  /** Symbols, by code. */
  readonly symbols: Uint16Array
}

/**
 * Inflates to exactly `length` bytes.
 *
 * @throws {LogError} `LOG_MALFORMED`.
 */
export function inflatePortably(bytes: Uint8Array, length: number): Uint8Array {
  const reader = new BitReader(bytes)
  const output = new Uint8Array(length)
  let at = 0
  for (let last = 0; last === 0; ) {
    last = reader.bits(1)
    const type = reader.bits(2)
    if (type === 0) at = copyStored(reader, output, at)
    else if (type === 1) at = copyCoded(reader, output, at, FIXED.literals, FIXED.distances)
    else if (type === 2) {
      const { literals, distances } = readCodes(reader)
      at = copyCoded(reader, output, at, literals, distances)
    } else throw malformed()
  }
  if (at !== length) throw malformed()
  return output
}

/** DEFLATE without compression: stored blocks. */
export function storePortably(bytes: Uint8Array): Uint8Array {
  const blocks = Math.max(1, Math.ceil(bytes.length / STORED_BLOCK_MAX))
  const output = new Uint8Array(bytes.length + blocks * 5)
  let at = 0
  for (let block = 0; block < blocks; block++) {
    const part = bytes.subarray(block * STORED_BLOCK_MAX, (block + 1) * STORED_BLOCK_MAX)
    output[at] = block === blocks - 1 ? 1 : 0
    output[at + 1] = part.length & 0xff
    output[at + 2] = part.length >> 8
    output[at + 3] = ~part.length & 0xff
    output[at + 4] = (~part.length >> 8) & 0xff
    output.set(part, at + 5)
    at += 5 + part.length
  }
  return output
}

class BitReader {
  readonly #bytes: Uint8Array
  #at = 0
  #buffer = 0
  #count = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  bits(count: number): number {
    let value = this.#buffer
    let have = this.#count
    while (have < count) {
      value |= this.#byte() << have
      have += 8
    }
    this.#buffer = value >>> count
    this.#count = have - count
    return value & ((1 << count) - 1)
  }

  /** The bytes of a stored block, after what is left of the current byte is dropped. */
  take(): Uint8Array {
    this.#buffer = 0
    this.#count = 0
    const length = this.#byte() | (this.#byte() << 8)
    const complement = this.#byte() | (this.#byte() << 8)
    if ((length ^ complement) !== 0xffff) throw malformed()
    const end = this.#at + length
    if (end > this.#bytes.length) throw malformed()
    const part = this.#bytes.subarray(this.#at, end)
    this.#at = end
    return part
  }

  symbol(code: Huffman): number {
    let value = 0
    let first = 0
    let index = 0
    for (let length = 1; length <= CODE_LENGTH_MAX; length++) {
      value |= this.bits(1)
      const count = code.counts[length] ?? 0
      if (value - count < first) return code.symbols[index + value - first] ?? 0
      index += count
      first = (first + count) << 1
      value <<= 1
    }
    throw malformed()
  }

  #byte(): number {
    const byte = this.#bytes[this.#at++]
    if (byte === undefined) throw malformed()
    return byte
  }
}

const FIXED: { readonly literals: Huffman; readonly distances: Huffman } = {
  literals: huffman(
    Array.from({ length: 288 }, (_, symbol) =>
      symbol < 144 ? 8 : symbol < 256 ? 9 : symbol < 280 ? 7 : 8,
    ),
  ),
  distances: huffman(Array.from({ length: DISTANCES_MAX }, () => 5)),
}

function copyStored(reader: BitReader, output: Uint8Array, at: number): number {
  const part = reader.take()
  if (at + part.length > output.length) throw malformed()
  output.set(part, at)
  return at + part.length
}

function copyCoded(
  reader: BitReader,
  output: Uint8Array,
  start: number,
  literals: Huffman,
  distances: Huffman,
): number {
  let at = start
  for (;;) {
    const symbol = reader.symbol(literals)
    if (symbol === END_OF_BLOCK) return at
    if (symbol < END_OF_BLOCK) {
      if (at >= output.length) throw malformed()
      output[at++] = symbol
      continue
    }
    const lengthBase = LENGTH_BASE[symbol - END_OF_BLOCK - 1]
    if (lengthBase === undefined) throw malformed()
    const length = lengthBase + reader.bits(LENGTH_EXTRA[symbol - END_OF_BLOCK - 1] ?? 0)
    const code = reader.symbol(distances)
    const distanceBase = DISTANCE_BASE[code]
    if (distanceBase === undefined) throw malformed()
    const distance = distanceBase + reader.bits(DISTANCE_EXTRA[code] ?? 0)
    if (distance > at || at + length > output.length) throw malformed()
    for (let i = 0; i < length; i++, at++) output[at] = output[at - distance] ?? 0
  }
}

function readCodes(reader: BitReader): { literals: Huffman; distances: Huffman } {
  const literalCount = reader.bits(5) + 257
  const distanceCount = reader.bits(5) + 1
  const lengthCount = reader.bits(4) + 4
  if (literalCount > LITERALS_MAX || distanceCount > DISTANCES_MAX) throw malformed()
  const codeLengths = new Array<number>(19).fill(0)
  for (const symbol of CODE_LENGTH_ORDER.slice(0, lengthCount)) codeLengths[symbol] = reader.bits(3)
  const lengthCode = huffman(codeLengths)
  const lengths: number[] = []
  while (lengths.length < literalCount + distanceCount) {
    const symbol = reader.symbol(lengthCode)
    if (symbol < 16) {
      lengths.push(symbol)
      continue
    }
    const previous = symbol === 16 ? lengths.at(-1) : 0
    if (previous === undefined) throw malformed()
    const times =
      symbol === 16 ? 3 + reader.bits(2) : symbol === 17 ? 3 + reader.bits(3) : 11 + reader.bits(7)
    for (let i = 0; i < times; i++) lengths.push(previous)
  }
  if (lengths.length > literalCount + distanceCount || lengths[END_OF_BLOCK] === 0)
    throw malformed()
  return {
    literals: huffman(lengths.slice(0, literalCount)),
    distances: huffman(lengths.slice(literalCount)),
  }
}

/** Refuses over-subscribed sets of lengths; an incomplete one fails when a missing code is met. */
function huffman(lengths: readonly number[]): Huffman {
  const counts = new Uint16Array(CODE_LENGTH_MAX + 1)
  for (const length of lengths) counts[length] = (counts[length] ?? 0) + 1
  counts[0] = 0
  let left = 1
  const offsets = new Uint16Array(CODE_LENGTH_MAX + 2)
  for (let length = 1; length <= CODE_LENGTH_MAX; length++) {
    left = left * 2 - (counts[length] ?? 0)
    if (left < 0) throw malformed()
    offsets[length + 1] = (offsets[length] ?? 0) + (counts[length] ?? 0)
  }
  const symbols = new Uint16Array(lengths.length)
  for (const [symbol, length] of lengths.entries()) {
    if (length === 0) continue
    const at = offsets[length] ?? 0
    symbols[at] = symbol
    offsets[length] = at + 1
  }
  return { counts, symbols }
}

function malformed(): LogError {
  return new LogError("LOG_MALFORMED", "not to be inflated")
}
