/**
 * CPace's functions as the draft defines them (draft-irtf-cfrg-cpace), for
 * ristretto255 with SHA-512, over plain bytes: what its vectors test.
 *
 * generator = map(SHA-512(lv(DSI, password, zeros, channel, session))), where
 * the zeros fill SHA-512's first block; K = scalar · peer's Y; and
 * ISK = SHA-512(lv(DSI "_ISK", session, K) ‖ lv(Ya, ADa) ‖ lv(Yb, ADb)), each
 * part of `lv` after its length in LEB128.
 *
 * Internal: `cpace` is what other packages use.
 *
 * @module
 */
import { concatBytes, utf8ToBytes } from "@fulcrum/codec/bytes"
import { ristretto255, ristretto255_hasher } from "@noble/curves/ed25519.js"
import { sha512 } from "@noble/hashes/sha2.js"
import type { Random } from "./random.ts"

/** What one side sent. */
export interface CpaceSide {
  readonly share: Uint8Array
  readonly associatedData: Uint8Array
}

const DSI = utf8ToBytes("CPaceRistretto255")
const DSI_ISK = utf8ToBytes("CPaceRistretto255_ISK")
const SHA512_BLOCK_BYTES = 128

const Point = ristretto255.Point

/** A scalar from 1 up to the group's order: 64 bytes reduced leave no bias that matters. */
export function sampleScalar(random: Random): bigint {
  for (;;) {
    let value = 0n
    for (const byte of random.bytes(64)) value = (value << 8n) | BigInt(byte)
    const scalar = Point.Fn.create(value)
    if (scalar !== 0n) return scalar
  }
}

/** The generator that the password decides. */
export function cpaceGenerator(input: {
  readonly password: Uint8Array
  readonly channel: Uint8Array
  readonly sessionId: Uint8Array
}): Uint8Array {
  const { password, channel, sessionId } = input
  const head = prefixed(password).length + prefixed(DSI).length
  const zeros = new Uint8Array(Math.max(0, SHA512_BLOCK_BYTES - 1 - head))
  const digest = sha512(lv(DSI, password, zeros, channel, sessionId))
  const mapped = ristretto255_hasher.deriveToCurve?.(digest)
  if (mapped === undefined) throw new TypeError("no map to ristretto255")
  return mapped.toBytes()
}

/**
 * The draft's scalar_mult_vfy: for the generator a share, for a share the agreed K.
 *
 * @returns `undefined` if `encoded` is no point or a neutral one, or the result is.
 */
export function cpaceMultiply(scalar: bigint, encoded: Uint8Array): Uint8Array | undefined {
  const point = decodePoint(encoded)
  if (point === undefined || point.is0()) return undefined
  const product = point.multiply(scalar)
  return product.is0() ? undefined : product.toBytes()
}

/** The draft's ISK, 64 bytes. */
export function cpaceIsk(k: Uint8Array, sessionId: Uint8Array, transcript: Uint8Array): Uint8Array {
  return sha512(concatBytes([lv(DSI_ISK, sessionId, k), transcript]))
}

/** The draft's transcript_ir: what both sent, the initiator's first. */
export function cpaceTranscript(initiator: CpaceSide, responder: CpaceSide): Uint8Array {
  return concatBytes([
    lv(initiator.share, initiator.associatedData),
    lv(responder.share, responder.associatedData),
  ])
}

function decodePoint(encoded: Uint8Array) {
  try {
    return Point.fromBytes(encoded)
  } catch {
    return undefined
  }
}

function lv(...parts: readonly Uint8Array[]): Uint8Array {
  return concatBytes(parts.map(prefixed))
}

/** The part after its length in LEB128. */
function prefixed(part: Uint8Array): Uint8Array {
  const length: number[] = []
  let left = part.length
  for (; left >= 0x80; left = Math.floor(left / 0x80)) length.push((left % 0x80) | 0x80)
  length.push(left)
  return concatBytes([Uint8Array.from(length), part])
}
