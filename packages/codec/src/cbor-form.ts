/**
 * What writing and reading CBOR have in common: the values, their bounds, and how they are written.
 *
 * Source: RFC 8949, sections 3 and 4.2.1.
 *
 * @module
 */

export type CborValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly CborValue[]
  | ReadonlyMap<number | string, CborValue>

/** Arrays and maps in one another: above what any format of ours needs, far below the stack. */
export const CBOR_DEPTH_MAX = 64

/**
 * Values in all, containers and map keys counted too. A byte of input can be an empty map, which
 * costs some 200 bytes of memory: this bounds what one message can make us allocate to about 25 MB,
 * and the time it takes to some 50 ms.
 */
export const CBOR_ITEMS_MAX = 131_072

export const UINT = 0
export const NEGATIVE = 1
export const BYTES = 2
export const TEXT = 3
export const ARRAY = 4
export const MAP = 5
/** Text up to this length is looked at for plain ASCII, which is quicker than a coder for UTF-8. */
export const ASCII_FAST_MAX = 64

/** Where the bytes of a float are made and read. */
export const float: DataView<ArrayBuffer> = new DataView(new ArrayBuffer(8))

/** The 16 bits of a number that half precision holds exactly; `undefined` for any other. */
export function toHalf(value: number): number | undefined {
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

/** The number of 16 bits in half precision; infinities and NaN too. */
export function fromHalf(bits: number): number {
  const sign = (bits & 0x8000) === 0 ? 1 : -1
  const exponent = (bits >> 10) & 31
  const fraction = bits & 0x3ff
  if (exponent === 0) return sign * fraction * 2 ** -24
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
  return sign * (1024 + fraction) * 2 ** (exponent - 25)
}

/** The order of two ranges of bytes: less than 0, 0, or more. */
export function compareRanges(
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
