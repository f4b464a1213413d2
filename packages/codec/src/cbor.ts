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
import { CBOR_DEPTH_MAX, type CborValue } from "./cbor-form.ts"
import { CborReader } from "./cbor-reader.ts"
import { CborWriter } from "./cbor-writer.ts"
import { CodecError } from "./codec-error.ts"

export interface CborLimits {
  /** Longest input that is looked at. */
  readonly bytesMax: number
  /** Deepest nesting of arrays and maps; `CBOR_DEPTH_MAX` if absent. */
  readonly depthMax?: number
}

const SCRATCH_BYTES = 4096
/** Where a value is written first, since a buffer for each costs more than most values do. */
let scratch: Uint8Array | undefined

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
    const writer = new CborWriter(bytes)
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
  if (bytes.length > limits.bytesMax) {
    throw new CodecError("CBOR_TOO_LARGE", "more bytes than allowed")
  }
  const reader = new CborReader(bytes, limits.depthMax ?? CBOR_DEPTH_MAX)
  const value = reader.value(0)
  reader.end()
  return value
}
