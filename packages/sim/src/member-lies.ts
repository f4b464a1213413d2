/**
 * Wraps of a key span as a device makes them that lies: one is missing, or somebody else has one.
 *
 * @module
 */
import { concatBytes } from "@fulcrum/codec/bytes"
import { decodeCbor, encodeCbor } from "@fulcrum/codec/cbor"

const CLEAR_BYTES_MAX = 256 * 1024

/**
 * @param clear - Of an honest key span: see `rotation.ts` of access.
 * @param at - Which wrap.
 */
export function wrongWraps(clear: Uint8Array, kind: "leave out" | "add", at: number): Uint8Array {
  const fields = decodeCbor(clear, { bytesMax: CLEAR_BYTES_MAX })
  const [wraps] = Array.isArray(fields) ? fields : []
  if (!Array.isArray(wraps)) throw new TypeError("no wraps")
  const place = at % wraps.length
  if (kind === "leave out") return encodeCbor([wraps.filter((_, i) => i !== place)])
  const wrap = wraps[place]
  if (!Array.isArray(wrap)) throw new TypeError("no wrap")
  const [tag, sealed] = wrap
  if (!(tag instanceof Uint8Array) || !(sealed instanceof Uint8Array))
    throw new TypeError("no wrap")
  // For somebody's key that nobody here has: it looks like any other.
  const foreign = [concatBytes([tag.subarray(1), tag.subarray(0, 1)]), sealed]
  return encodeCbor([[...wraps, foreign]])
}
