/**
 * How far a span goes, read from its clear header.
 *
 * @module
 */
import { LogError } from "@fulcrum/log/log-error"
import { readSpanHeader } from "@fulcrum/log/span"
import type { VectorRow } from "@fulcrum/log/vector"

/** `undefined` for bytes that are no span of this version. */
export function spanEnd(
  span: Uint8Array,
): (VectorRow & { readonly start: number; readonly writer: Uint8Array }) | undefined {
  try {
    const { incarnation, start, end, chainEnd, writer } = readSpanHeader(span)
    return { incarnation, sequence: end, chain: chainEnd, start, writer }
  } catch (error) {
    if (error instanceof LogError) return undefined
    throw error
  }
}
