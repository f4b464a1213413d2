/**
 * The codecs below everything: CBOR, JSON, schemas and the text forms of bytes.
 *
 * @module
 */
import {
  base64urlToBytes,
  bytesToBase64url,
  bytesToHex,
  bytesToUtf8,
  equalBytes,
  hexToBytes,
  utf8ToBytes,
} from "@fulcrum/codec/bytes"
import { decodeCbor, encodeCbor } from "@fulcrum/codec/cbor"
import type { CborValue } from "@fulcrum/codec/cbor-form"
import { CodecError } from "@fulcrum/codec/codec-error"
import { itemList } from "@fulcrum/codec/item-list"
import { canonicalJson, checkJson, parseJson } from "@fulcrum/codec/json"
import {
  array,
  bool,
  bytes,
  bytesMax,
  decodeAs,
  encodeAs,
  int,
  json,
  literal,
  map,
  oneOf,
  optional,
  struct,
  text,
  uint,
  variant,
} from "@fulcrum/codec/schema"
import { type FuzzTarget, holds } from "../target.ts"

const errors = [CodecError]
const JSON_LIMITS = { bytesMax: 64 * 1024, depthMax: 32, itemsMax: 4096 }

const cborSeeds: readonly CborValue[] = [
  null,
  [true, false, 0, 23, 24, 255, 256, 65_536, 2 ** 40, -1, -500, 2n ** 63n, -(2n ** 64n)],
  [0.5, 1.1, 1e300, -0.25, 100_000.5],
  ["", "text", "ünï😀", "x".repeat(300)],
  [new Uint8Array(), new Uint8Array(40).fill(7), encodeCbor([1, [2, "three"]])],
  new Map<number | string, CborValue>([
    [1, 2],
    [-1, "minus"],
    ["key", [new Map([["deep", [[[]]]]])]],
  ]),
]

const cbor: FuzzTarget = {
  name: "cbor",
  form: "cbor",
  open: () => ({
    seeds: cborSeeds.map(encodeCbor),
    errors,
    run(input) {
      const value = decodeCbor(input, { bytesMax: 64 * 1024 })
      holds(equalBytes(encodeCbor(value), input), "what is read is written as the same bytes")
      return Array.isArray(value) ? "list" : value instanceof Map ? "map" : typeof value
    },
  }),
}

const jsonTarget: FuzzTarget = {
  name: "json",
  form: "json",
  tokens: ["__proto__", "1e400", "-0", "\\u0000", "\\ud800", "\\uDC00", "1E-7", "[[[[", "}"],
  open: () => ({
    seeds: [
      '{"a":[1,-2.5e3,true,false,null,"t\\u00e9xt\\n"],"b":{"c":{"d":[]}}}',
      '[[[[1]]],{"":""},"\\ud83d\\ude00"]',
      '  "white space"\t\n',
      "123456789.125",
    ].map(utf8ToBytes),
    errors,
    run(input) {
      const value = parseJson(input, JSON_LIMITS)
      const written = canonicalJson(value)
      const again = parseJson(written, { ...JSON_LIMITS, bytesMax: 10 * JSON_LIMITS.bytesMax })
      holds(
        canonicalJson(again) === written,
        "the canonical form is read as what it was written of",
      )
      holds(canonicalJson(checkJson(again, JSON_LIMITS_WIDE)) === written, "a copy is the same")
      return typeof value
    },
  }),
}

const JSON_LIMITS_WIDE = { ...JSON_LIMITS, bytesMax: 10 * JSON_LIMITS.bytesMax }

/** A format with each kind of field. */
const everything = struct({
  version: literal(1),
  kind: oneOf(["one", "two", "three"]),
  flag: bool,
  small: uint(255),
  signed: int(-1000, 1000),
  name: text(20),
  id: bytes(16),
  body: bytesMax(64),
  list: array(struct({ at: uint(), note: optional(text(8)) }), 16),
  table: map(text(8), uint(9), 16),
  choice: variant({ left: [0, struct({ x: uint() })], right: [1, struct({ y: text(5) })] }),
  any: json({ bytesMax: 200, depthMax: 4, itemsMax: 20 }),
})

const whole = encodeAs(everything, {
  ...{ version: 1, kind: "two", flag: true, small: 7, signed: -20, name: "näme" },
  ...{ id: new Uint8Array(16), body: Uint8Array.of(1, 2, 3) },
  list: [{ at: 1, note: "hm" }, { at: 2 }],
  table: new Map([["k", 3]]),
  choice: { kind: "right", value: { y: "hello" } },
  any: { a: [1, "b", null] },
})

const schema: FuzzTarget = {
  name: "schema",
  form: "cbor",
  open: () => ({
    seeds: [whole],
    errors,
    run(input) {
      const value = decodeAs(everything, input, { bytesMax: 4096 })
      holds(equalBytes(encodeAs(everything, value), input), "a struct is written as it was read")
      return value.choice.kind
    },
  }),
}

const items = itemList(
  { left: [0, struct({ x: uint() })], right: [7, struct({ y: text(5) })] },
  { itemsMax: 8, bytesMax: 512 },
)

const itemListTarget: FuzzTarget = {
  name: "item-list",
  form: "cbor",
  open: () => ({
    seeds: [
      items.encode([
        { kind: "left", value: { x: 5 } },
        { kind: "right", value: { y: "yes" } },
      ]),
      encodeCbor([[99, ["from", "later"]]]),
    ],
    errors,
    run(input) {
      const list = items.decode(input)
      items.encode(list)
      return list.map(({ kind }) => kind).join(" ")
    },
  }),
}

/** Hex, base64url and UTF-8, one of them by the first byte. */
const textForms: FuzzTarget = {
  name: "text-forms",
  form: "bytes",
  open: () => ({
    seeds: ["00ff10", "AP8Q_-", "héllo😀"].map((text, i) => utf8ToBytes(`${i}${text}`)),
    errors,
    run(input) {
      const form = (input[0] ?? 0) % 3
      const rest = input.subarray(1)
      if (form === 2) {
        holds(equalBytes(utf8ToBytes(bytesToUtf8(rest)), rest), "UTF-8 is written as it was read")
        return "utf8"
      }
      const text = String.fromCharCode(...rest.subarray(0, 4096))
      const read = form === 0 ? hexToBytes(text) : base64urlToBytes(text)
      const written = form === 0 ? bytesToHex(read) : bytesToBase64url(read)
      holds(written === text.toLowerCase() || written === text, "one text for the same bytes")
      return `${form}`
    },
  }),
}

export const codecTargets: readonly FuzzTarget[] = [
  cbor,
  jsonTarget,
  schema,
  itemListTarget,
  textForms,
]
