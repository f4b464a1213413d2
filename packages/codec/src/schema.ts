/**
 * Schemas: wire and disk formats as data. One declaration gives the static
 * type (`Infer`), the encoder, and a decoder that checks every type, length
 * and bound, so nothing from outside is ever cast.
 *
 * | builder                   | in TypeScript             | as CBOR                        |
 * | ------------------------- | ------------------------- | ------------------------------ |
 * | `uint`, `int`             | number                    | integer                        |
 * | `bool`, `text`            | boolean, string           | the same                       |
 * | `bytes`, `bytesMax`       | Uint8Array                | byte string                    |
 * | `array`                   | readonly T[]              | array                          |
 * | `optional`                | T or undefined            | the item, or null              |
 * | `literal`, `oneOf`        | the values listed         | the value                      |
 * | `struct`                  | readonly fields           | array of them, in their order  |
 * | `map`                     | ReadonlyMap<string, T>    | map with text keys             |
 * | `variant`                 | { kind, value }           | array [tag, payload]           |
 * | `json`                    | JsonValue                 | the same, objects as maps      |
 *
 * Encoding checks the same bounds as decoding: what could not be read back is
 * not written. Both throw a `CodecError` with the path of the fault, which
 * names fields and numbers items but never quotes a value or a map's key.
 *
 * @module
 */
import type { Unbranded } from "./brand.ts"
import { utf8Length } from "./bytes.ts"
import { decodeCbor, encodeCbor } from "./cbor.ts"
import type { CborValue } from "./cbor-form.ts"
import { CodecError, type CodecErrorCode } from "./codec-error.ts"
import { checkJson, isForbiddenKey, type JsonLimits, type JsonValue } from "./json.ts"

/** A format for values of type `T`. */
export interface Schema<T> {
  encode(value: T): CborValue
  /**
   * @param path - Where `value` lies in what encloses it, for the error.
   * @throws {CodecError} `SCHEMA_…`, for JSON also `JSON_…`.
   */
  decode(value: CborValue, path?: string): T
}

/** A schema that allows absence; in a struct its field may be left out. */
export interface OptionalSchema<T> extends Schema<T | undefined> {
  readonly isOptional: true
}

/** The type that a schema describes. */
export type Infer<S> = S extends Schema<infer T> ? T : never

export type Fields = Readonly<Record<string, Schema<unknown>>>
export type Variants = Readonly<Record<string, readonly [tag: number, schema: Schema<unknown>]>>
export type Literal = string | number | boolean | null

type OptionalKeys<F> = { [K in keyof F]: F[K] extends OptionalSchema<unknown> ? K : never }[keyof F]
type Simplify<T> = { [K in keyof T]: T[K] }

/** The object that a struct of these fields describes. */
export type InferFields<F> = Simplify<
  { readonly [K in Exclude<keyof F, OptionalKeys<F>>]: Infer<F[K]> } & {
    readonly [K in OptionalKeys<F>]?: Infer<F[K]>
  }
>

/** The tagged union that these variants describe. */
export type InferVariants<V extends Variants> = {
  [K in keyof V]: { readonly kind: K; readonly value: Infer<V[K][1]> }
}[keyof V]

/** A safe integer from 0 to `max`. */
export function uint(max: number = Number.MAX_SAFE_INTEGER): Schema<number> {
  return int(0, max)
}

/** A safe integer from `min` to `max`. */
export function int(min: number, max: number): Schema<number> {
  const check = (value: unknown, path?: string): number => {
    if (typeof value !== "number" || !Number.isSafeInteger(value)) {
      throw fail("SCHEMA_TYPE", "not an integer", path)
    }
    if (value < min || value > max) throw fail("SCHEMA_RANGE", "a number out of bounds", path)
    return value
  }
  return both(check)
}

export const bool: Schema<boolean> = both((value, path) => {
  if (typeof value !== "boolean") throw fail("SCHEMA_TYPE", "neither true nor false", path)
  return value
})

/** Text of at most `max` bytes in UTF-8. */
export function text(max: number): Schema<string> {
  return both((value, path) => {
    if (typeof value !== "string") throw fail("SCHEMA_TYPE", "not text", path)
    // A character takes one to three bytes for each UTF-16 unit: measure only when it matters.
    if (value.length > max || (value.length * 3 > max && utf8Length(value) > max)) {
      throw fail("SCHEMA_LENGTH", "text too long", path)
    }
    if (!value.isWellFormed()) throw fail("SCHEMA_VALUE", "text with a lone surrogate", path)
    return value
  })
}

/** Exactly `length` bytes. */
export function bytes(length: number): Schema<Uint8Array> {
  return bytesBetween(length, length)
}

/** At most `max` bytes. */
export function bytesMax(max: number): Schema<Uint8Array> {
  return bytesBetween(0, max)
}

function bytesBetween(min: number, max: number): Schema<Uint8Array> {
  return both((value, path) => {
    if (!(value instanceof Uint8Array)) throw fail("SCHEMA_TYPE", "not bytes", path)
    if (value.length < min || value.length > max) {
      throw fail("SCHEMA_LENGTH", "bytes of a wrong length", path)
    }
    return value
  })
}

/** At most `max` items. */
export function array<T>(item: Schema<T>, max: number): Schema<readonly T[]> {
  function each<From, To>(
    items: readonly From[],
    path: string | undefined,
    one: (item: From) => To,
  ) {
    if (items.length > max) throw fail("SCHEMA_LENGTH", "too many items", path)
    const results: To[] = []
    try {
      for (const from of items) results.push(one(from))
    } catch (error) {
      throw within(error, `[${results.length}]`, path)
    }
    return results
  }
  return {
    encode: (value) => each(arrayOf<T>(value), "", (one) => item.encode(one)),
    decode: (value, path) => each(arrayOf<CborValue>(value, path), path, (one) => item.decode(one)),
  }
}

/** The item, or nothing, which is null on the wire. The item itself must not be null. */
export function optional<T>(item: Schema<T>): OptionalSchema<T> {
  return {
    isOptional: true,
    encode: (value) => (value === undefined ? null : item.encode(value)),
    decode: (value, path) => (value === null ? undefined : item.decode(value, path)),
  }
}

/** This one value. */
export function literal<const L extends Literal>(value: L): Schema<L> {
  return oneOf([value])
}

/** One of the values listed. */
export function oneOf<const L extends Literal>(values: readonly L[]): Schema<L>
export function oneOf(values: readonly Literal[]): Schema<Literal> {
  return both((value, path) => {
    for (const known of values) if (value === known) return known
    throw fail("SCHEMA_VALUE", "none of the values that are allowed", path)
  })
}

/** An object, written as the array of its fields in the order declared. */
export function struct<const F extends Fields>(fields: F): Schema<InferFields<F>>
export function struct(fields: Fields): Schema<Readonly<Record<string, unknown>>> {
  const names = Object.keys(fields)
  const schemas = Object.values(fields)
  return {
    encode(value) {
      if (typeof value !== "object" || value === null)
        throw fail("SCHEMA_TYPE", "not an object", "")
      const items: CborValue[] = []
      try {
        for (const [i, schema] of schemas.entries())
          items.push(schema.encode(value[names[i] ?? ""]))
      } catch (error) {
        throw within(error, names[items.length] ?? "", "")
      }
      return items
    },
    decode(value, path) {
      const items = arrayOf<CborValue>(value, path)
      if (items.length !== schemas.length) {
        throw fail("SCHEMA_LENGTH", "another number of fields", path)
      }
      const decoded: Record<string, unknown> = {}
      let at = 0
      try {
        for (const schema of schemas) {
          const field = schema.decode(items[at] ?? null)
          if (field !== undefined) decoded[names[at] ?? ""] = field
          at++
        }
      } catch (error) {
        throw within(error, names[at] ?? "", path)
      }
      return decoded
    },
  }
}

/** At most `max` entries under text keys. */
export function map<K extends string, T>(
  key: Schema<K>,
  item: Schema<T>,
  max: number,
): Schema<ReadonlyMap<K, T>> {
  return {
    encode(value) {
      if (!(value instanceof Map)) throw fail("SCHEMA_TYPE", "not a map", "")
      if (value.size > max) throw fail("SCHEMA_LENGTH", "too many entries", "")
      const encoded = new Map<string, CborValue>()
      try {
        for (const [k, v] of value) encoded.set(encodeKey(key, k), item.encode(v))
      } catch (error) {
        throw within(error, `[${encoded.size}]`, "")
      }
      return encoded
    },
    decode(value, path) {
      if (!(value instanceof Map)) throw fail("SCHEMA_TYPE", "not a map", path)
      if (value.size > max) throw fail("SCHEMA_LENGTH", "too many entries", path)
      const decoded = new Map<K, T>()
      try {
        for (const [k, v] of value) decoded.set(key.decode(k), item.decode(v))
      } catch (error) {
        throw within(error, `[${decoded.size}]`, path)
      }
      return decoded
    },
  }
}

function encodeKey<K extends string>(schema: Schema<K>, key: K): string {
  const encoded = schema.encode(key)
  if (typeof encoded !== "string") throw new TypeError("a map's key schema must give text")
  return encoded
}

/**
 * One of several shapes, told apart by a number: `{ kind: "put", value }` for
 * `variant({ put: [1, putSchema], … })`. Tags are what is on the wire, so names may change.
 */
export function variant<const V extends Variants>(variants: V): Schema<InferVariants<V>>
export function variant(
  variants: Variants,
): Schema<{ readonly kind: string; readonly value: unknown }> {
  const byTag = new Map<number, { readonly kind: string; readonly schema: Schema<unknown> }>()
  const byKind = new Map<string, { readonly tag: number; readonly schema: Schema<unknown> }>()
  for (const [kind, [tag, schema]] of Object.entries(variants)) {
    if (byTag.has(tag)) throw new RangeError("two variants with one tag")
    byTag.set(tag, { kind, schema })
    byKind.set(kind, { tag, schema })
  }
  return {
    encode({ kind, value }) {
      const known = byKind.get(kind)
      if (known === undefined) throw fail("SCHEMA_TAG", "an unknown kind", "")
      try {
        return [known.tag, known.schema.encode(value)]
      } catch (error) {
        throw within(error, kind, "")
      }
    },
    decode(value, path) {
      const [tag, payload, ...rest] = arrayOf<CborValue>(value, path)
      if (typeof tag !== "number" || payload === undefined || rest.length > 0) {
        throw fail("SCHEMA_TYPE", "not a tag and a payload", path)
      }
      const known = byTag.get(tag)
      if (known === undefined) throw fail("SCHEMA_TAG", "an unknown tag", path)
      try {
        return { kind: known.kind, value: known.schema.decode(payload) }
      } catch (error) {
        throw within(error, known.kind, path)
      }
    },
  }
}

/** A JSON value; objects are maps on the wire, so their keys come back in canonical order. */
export function json(limits: JsonLimits): Schema<JsonValue> {
  return {
    encode: (value) => jsonToCbor(checkJson(value, limits)),
    decode(value, path) {
      try {
        return checkJson(cborToJson(value), limits)
      } catch (error) {
        throw within(error, "", path)
      }
    },
  }
}

/** Gives what the schema decodes a brand. The schema must check all that the brand promises. */
export function branded<B extends Uint8Array | string | number>(
  schema: Schema<Unbranded<B>>,
): Schema<B>
export function branded(schema: Schema<unknown>): Schema<unknown> {
  return schema
}

/**
 * Writes a value as its schema says, in canonical CBOR.
 *
 * @throws {CodecError} `SCHEMA_…` or `JSON_…`: the value is outside the format's bounds.
 */
export function encodeAs<T>(schema: Schema<T>, value: T): Uint8Array {
  return encodeCbor(schema.encode(value))
}

/**
 * Reads canonical CBOR as the schema says.
 *
 * @throws {CodecError} `CBOR_…`, `SCHEMA_…` or `JSON_…`.
 */
export function decodeAs<T>(
  schema: Schema<T>,
  encoded: Uint8Array,
  limits: { readonly bytesMax: number },
): T {
  return schema.decode(decodeCbor(encoded, limits))
}

/** A schema whose two forms are the same, with one check for both ways. */
function both<T extends CborValue>(check: (value: unknown, path?: string) => T): Schema<T> {
  return { encode: (value) => check(value), decode: check }
}

function arrayOf<T>(value: readonly T[] | unknown, path?: string): readonly T[] {
  if (!Array.isArray(value)) throw fail("SCHEMA_TYPE", "not an array", path)
  return value
}

function jsonToCbor(value: JsonValue): CborValue {
  if (value === null || typeof value !== "object") return value
  if (Array.isArray(value)) return value.map(jsonToCbor)
  return new Map(Object.entries(value).map(([key, member]) => [key, jsonToCbor(member)]))
}

/** Leaves what JSON does not have as it is, for `checkJson` to refuse. */
function cborToJson(value: CborValue): unknown {
  if (Array.isArray(value)) return value.map(cborToJson)
  if (!(value instanceof Map)) return value
  const object: Record<string, unknown> = {}
  for (const [key, member] of value) {
    if (typeof key !== "string") throw fail("SCHEMA_TYPE", "a JSON key that is not text", "")
    if (isForbiddenKey(key)) throw fail("JSON_FORBIDDEN_KEY", "a forbidden key", "")
    object[key] = cborToJson(member)
  }
  return object
}

function within(error: unknown, step: string, path: string | undefined): unknown {
  return error instanceof CodecError ? error.within(step).within(path ?? "") : error
}

function fail(code: CodecErrorCode, detail: string, path: string | undefined): CodecError {
  return new CodecError(code, detail, { path: path ?? "" })
}
