/**
 * Shapes of JSON documents, as data: what `schema` is for CBOR. A document has exactly the
 * members declared, so that nothing is signed that the reader did not see.
 *
 * @module
 */
import { utf8Length } from "@fulcrum/codec/bytes"
import { canonicalJson, type JsonValue } from "@fulcrum/codec/json"

/** Of a member's name that a pointer shows: the name may be anything. */
const NAME_CHARS_MAX = 100

/** Reads a member, or the absence of one. */
export type Shape<T> = (value: JsonValue | undefined, pointer: string) => T

/** Where a document is not of its shape. Callers turn it into their coded error. */
export class ShapeFault extends Error {
  override readonly name = "ShapeFault"
  /** JSON pointer. */
  readonly pointer: string

  constructor(pointer: string, message: string) {
    super(message)
    this.pointer = pointer
  }
}

/** An object with these members and no others. */
export function objectOf<const S extends Readonly<Record<string, Shape<unknown>>>>(
  shapes: S,
): Shape<{ readonly [K in keyof S]: S[K] extends Shape<infer T> ? T : never }>
export function objectOf(
  shapes: Readonly<Record<string, Shape<unknown>>>,
): Shape<Readonly<Record<string, unknown>>> {
  return (value, pointer) => {
    if (typeof value !== "object" || value === null || isArray(value)) {
      throw new ShapeFault(pointer, "not an object")
    }
    for (const name of Object.keys(value)) {
      if (!Object.hasOwn(shapes, name)) throw meaningless(pointer, name)
    }
    const read: Record<string, unknown> = {}
    for (const [name, shape] of Object.entries(shapes)) {
      const member = shape(
        Object.hasOwn(value, name) ? value[name] : undefined,
        `${pointer}/${name}`,
      )
      if (member !== undefined) read[name] = member
    }
    return read
  }
}

/** A member that nobody declared, by its name. */
export function meaningless(pointer: string, name: string): ShapeFault {
  const segment = name.slice(0, NAME_CHARS_MAX).replaceAll("~", "~0").replaceAll("/", "~1")
  return new ShapeFault(`${pointer}/${segment}`, "a member of no meaning")
}

export function arrayOf<T>(
  item: Shape<T>,
  bounds: { readonly min?: number; readonly max: number },
): Shape<readonly T[]> {
  return (value, pointer) => {
    if (!isArray(value)) throw new ShapeFault(pointer, "not a list")
    if (value.length < (bounds.min ?? 0)) throw new ShapeFault(pointer, "an empty list")
    if (value.length > bounds.max) throw new ShapeFault(pointer, "too many items")
    return value.map((one, i) => item(one, `${pointer}/${i}`))
  }
}

/** Text of 1 to `bytesMax` bytes that meets the test. */
export function textOf(bytesMax: number, meets?: (text: string) => boolean): Shape<string> {
  return (value, pointer) => {
    if (typeof value !== "string" || value === "") throw new ShapeFault(pointer, "not a text")
    if (utf8Length(value) > bytesMax) throw new ShapeFault(pointer, "too long")
    if (meets !== undefined && !meets(value)) throw new ShapeFault(pointer, "not of its form")
    return value
  }
}

export const flag: Shape<boolean> = (value, pointer) => {
  if (typeof value !== "boolean") throw new ShapeFault(pointer, "neither true nor false")
  return value
}

export function exactly<const T extends string | number>(wanted: T): Shape<T> {
  return (value, pointer) => {
    if (value !== wanted) throw new ShapeFault(pointer, `not ${wanted}`)
    return wanted
  }
}

/** The member, or nothing. */
export function maybe<T>(shape: Shape<T>): Shape<T | undefined> {
  return (value, pointer) => (value === undefined ? undefined : shape(value, pointer))
}

/** Any JSON that is written in at most so many bytes. */
export function anyJson(bytesMax: number): Shape<JsonValue> {
  return (value, pointer) => {
    if (value === undefined) throw new ShapeFault(pointer, "not there")
    if (utf8Length(canonicalJson(value)) > bytesMax) throw new ShapeFault(pointer, "too long")
    return value
  }
}

function isArray(value: JsonValue | undefined): value is readonly JsonValue[] {
  return Array.isArray(value)
}
