/**
 * Packing: how a span's content becomes the plaintext that is sealed.
 *
 * | field   | bytes     | notes                                                          |
 * | ------- | --------: | -------------------------------------------------------------- |
 * | length  |         4 | of the next field, unsigned, highest byte first                |
 * | packed  |  `length` | CBOR array `[packing, content's length, data]`                 |
 * | padding |      rest | zeros up to a length that `padding.ts` allows                  |
 *
 * Packing 0 is raw DEFLATE; 1 is the content as it is: for short content, where DEFLATE costs
 * time and padding hides whatever it saves, and for what is as good as random. A key span's is, and of long
 * content a few samples tell that, for DEFLATE is slowest where it gains nothing. The content's length is stated,
 * and never more than that is inflated.
 *
 * @module
 */
import { encodeCbor } from "@fulcrum/codec/cbor"
import { bytesMax, decodeAs, oneOf, type Schema, struct, uint } from "@fulcrum/codec/schema"
import type { Deflate } from "./deflate.ts"
import { LogError, readAs } from "./log-error.ts"
import { isPaddedLength, paddedLength } from "./padding.ts"

/** Largest content, in bytes: what one span may take up in memory once it is open. */
export const SPAN_INFLATED_MAX: number = 16 * 1024 * 1024

/** Longest content, in bytes, that is not worth deflating. */
const AS_IS_BYTES_MAX = 512

/**
 * Content of which samples are looked at first, and what these are. Larger content is always deflated:
 * where they mislead, it might fit into no span.
 */
const SAMPLED_BYTES_MIN = 8 * 1024
const SAMPLED_BYTES_MAX = 512 * 1024
const SAMPLES = 4
const SAMPLE_BYTES = 1024
/** Of all samples; of random ones not a byte is saved. */
const SAVED_BYTES_MIN = 64

const PREFIX_BYTES = 4
const DEFLATED = 0 as const
const AS_IS = 1 as const

interface Packed {
  readonly packing: typeof DEFLATED | typeof AS_IS
  readonly length: number
  readonly data: Uint8Array
}

const packedSchema: Schema<Packed> = struct({
  packing: oneOf([DEFLATED, AS_IS]),
  length: uint(SPAN_INFLATED_MAX),
  data: bytesMax(SPAN_INFLATED_MAX),
})

/** @param isRandom - It holds little but keys and signatures: where it is short no DEFLATE is tried. */
export function packContent(
  content: Uint8Array,
  deflate: Deflate,
  { isRandom = false }: { readonly isRandom?: boolean } = {},
): Uint8Array {
  if (content.length > SPAN_INFLATED_MAX) throw new RangeError("too much for one span")
  const isKept = isRandom && content.length < SAMPLED_BYTES_MIN
  const deflated = !isKept && isWorth(content, deflate) ? deflate.deflate(content) : undefined
  const packed =
    deflated !== undefined && deflated.length < content.length
      ? encodeCbor([DEFLATED, content.length, deflated])
      : encodeCbor([AS_IS, content.length, content])
  const plaintext = new Uint8Array(paddedLength(PREFIX_BYTES + packed.length))
  new DataView(plaintext.buffer).setUint32(0, packed.length)
  plaintext.set(packed, PREFIX_BYTES)
  return plaintext
}

/** @throws {LogError} `LOG_MALFORMED`. */
export function unpackContent(plaintext: Uint8Array, deflate: Deflate): Uint8Array {
  if (plaintext.length < PREFIX_BYTES || !isPaddedLength(plaintext.length)) throw malformed()
  const length = new DataView(plaintext.buffer, plaintext.byteOffset).getUint32(0)
  const end = PREFIX_BYTES + length
  if (end > plaintext.length || paddedLength(end) !== plaintext.length) throw malformed()
  for (let i = end; i < plaintext.length; i++) if (plaintext[i] !== 0) throw malformed()
  const packed = readAs("LOG_MALFORMED", "not a packed content", () =>
    decodeAs(packedSchema, plaintext.subarray(PREFIX_BYTES, end), { bytesMax: length }),
  )
  if (packed.packing === DEFLATED) return deflate.inflate(packed.data, packed.length)
  if (packed.data.length !== packed.length) throw malformed()
  return packed.data
}

function isWorth(content: Uint8Array, deflate: Deflate): boolean {
  const isSampled = content.length >= SAMPLED_BYTES_MIN && content.length <= SAMPLED_BYTES_MAX
  if (!isSampled) return content.length > AS_IS_BYTES_MAX
  const samples = new Uint8Array(SAMPLES * SAMPLE_BYTES)
  const apart = Math.floor((content.length - SAMPLE_BYTES) / (SAMPLES - 1))
  for (let at = 0; at < SAMPLES; at++) {
    const from = at * apart
    samples.set(content.subarray(from, from + SAMPLE_BYTES), at * SAMPLE_BYTES)
  }
  return deflate.deflate(samples).length <= samples.length - SAVED_BYTES_MIN
}

function malformed(): LogError {
  return new LogError("LOG_MALFORMED", "not a packed content")
}
