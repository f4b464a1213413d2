/**
 * Item lists: what one entry of a log says, as a list of tagged items that newer programs may add
 * kinds to. Like `array(variant(…))`, but an unknown tag is passed over instead of refused, so
 * that an older program reads the rest; the log keeps the bytes as they are.
 *
 * On the wire: `array([tag, payload])` in canonical CBOR.
 *
 * @module
 */
import { decodeCbor, encodeCbor } from "./cbor.ts"
import type { CborValue } from "./cbor-form.ts"
import { CodecError } from "./codec-error.ts"
import { array, type InferVariants, type Schema, struct, uint, type Variants } from "./schema.ts"

/** A format for lists of items, written to and read from bytes. */
export interface ItemList<T> {
  /** @throws {CodecError} `SCHEMA_…`: an item, or the list, is outside its bounds. */
  encode(items: readonly T[]): Uint8Array
  /** @throws {CodecError} `CBOR_…`, `SCHEMA_…`: no item list, or a known item breaks its format. */
  decode(bytes: Uint8Array): readonly T[]
}

/**
 * @param variants - Each kind's tag and schema. Tags are never reused.
 * @param limits - Bounds of one list: its items, and its bytes.
 */
export function itemList<const V extends Variants>(
  variants: V,
  limits: { readonly itemsMax: number; readonly bytesMax: number },
): ItemList<InferVariants<V>>
export function itemList(
  variants: Variants,
  limits: { readonly itemsMax: number; readonly bytesMax: number },
): ItemList<{ readonly kind: string; readonly value: unknown }> {
  const byTag = new Map<number, readonly [string, Schema<unknown>]>()
  for (const [kind, [tag, schema]] of Object.entries(variants)) {
    if (byTag.has(tag)) throw new RangeError("two items with one tag")
    byTag.set(tag, [kind, schema])
  }
  const list = array(struct({ tag: uint(TAG_MAX), payload: anything }), limits.itemsMax)
  return {
    encode(items) {
      const encoded = encodeCbor(
        list.encode(
          items.map(({ kind, value }) => {
            const known = variants[kind]
            if (known === undefined) throw new CodecError("SCHEMA_TAG", "an unknown kind")
            return { tag: known[0], payload: known[1].encode(value) }
          }),
        ),
      )
      if (encoded.length > limits.bytesMax) throw new CodecError("SCHEMA_LENGTH", "too many bytes")
      return encoded
    },
    decode(bytes) {
      return list.decode(decodeCbor(bytes, limits)).flatMap(({ tag, payload }) => {
        const known = byTag.get(tag)
        return known === undefined ? [] : [{ kind: known[0], value: known[1].decode(payload) }]
      })
    },
  }
}

/** Room for kinds to come. */
const TAG_MAX = 65_535

const anything: Schema<CborValue> = { encode: (value) => value, decode: (value) => value }
