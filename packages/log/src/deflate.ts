/**
 * Raw DEFLATE (RFC 1951): Node's own where there is one, else written here.
 *
 * The portable one inflates everything, but deflates to stored blocks only: a browser tab sends
 * a little more than a program does, and reads the same.
 *
 * @module
 */
import { inflatePortably, storePortably } from "./inflate.ts"
import { LogError } from "./log-error.ts"

export interface Deflate {
  deflate(bytes: Uint8Array): Uint8Array
  /**
   * @param length - What it must come to, exactly; never more is produced.
   * @throws {LogError} `LOG_MALFORMED`: no DEFLATE, or of another length.
   */
  inflate(bytes: Uint8Array, length: number): Uint8Array
}

/** Node's when it is there. */
export function systemDeflate(): Deflate {
  return nativeDeflate() ?? portableDeflate()
}

export function portableDeflate(): Deflate {
  return { deflate: storePortably, inflate: inflatePortably }
}

/** Node's zlib; `undefined` elsewhere. */
export function nativeDeflate(): Deflate | undefined {
  const zlib = globalThis.process?.getBuiltinModule?.("node:zlib")
  if (zlib === undefined) return undefined
  return {
    deflate: (bytes) => plainBytes(zlib.deflateRawSync(bytes, { level: 6 })),
    inflate(bytes, length) {
      let inflated: Uint8Array
      try {
        // zlib takes no limit of zero.
        inflated = plainBytes(zlib.inflateRawSync(bytes, { maxOutputLength: Math.max(1, length) }))
      } catch (cause) {
        throw new LogError("LOG_MALFORMED", "not to be inflated", { cause })
      }
      if (inflated.length !== length)
        throw new LogError("LOG_MALFORMED", "inflates to another length")
      return inflated
    },
  }
}

/** Without Node's own class, which compares and prints differently. */
function plainBytes(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
}
