import { readFileSync } from "node:fs"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { CodecError } from "../src/codec-error.ts"
import { canonicalJson, checkJson, equalJson, type JsonValue, parseJson } from "../src/json.ts"
import { findShared, readFixture } from "./fixture.ts"

const limits = { bytesMax: 1 << 16, depthMax: 32, itemsMax: 10_000 }
const jcs = readFixture<{ cases: { name: string; input: string; output: string }[] }>("jcs.json")

function codeOf(read: () => unknown): string {
  try {
    read()
  } catch (error) {
    if (error instanceof CodecError) return error.code
    throw error
  }
  return "none"
}

const plain = fc
  .jsonValue({ maxDepth: 4, stringUnit: "grapheme" })
  .filter((value) => !/"(__proto__|constructor|prototype)":/.test(JSON.stringify(value)))

describe("canonical JSON", () => {
  test.for(jcs.cases)("[C5] RFC 8785: $name", ({ input, output }) => {
    expect(canonicalJson(parseJson(input, limits))).toBe(output)
  })

  test("[C5] RFC 8785, all files", (ctx) => {
    const folder = findShared("corpora/jcs/testdata")
    if (folder === undefined) return ctx.skip("../shared/corpora is not there")
    for (const { name } of jcs.cases) {
      const input = readFileSync(`${folder}/input/${name}.json`)
      const output = readFileSync(`${folder}/output/${name}.json`, "utf8").trim()
      expect(canonicalJson(parseJson(input, limits))).toBe(output)
    }
  })

  test("[C5] one value has one text, which reads back as the value", () => {
    fc.assert(
      fc.property(plain, (value) => {
        const checked = checkJson(value, limits)
        const text = canonicalJson(checked)
        expect(parseJson(text, limits)).toStrictEqual(checked)
        expect(canonicalJson(parseJson(JSON.stringify(value, null, 2), limits))).toBe(text)
      }),
    )
  })

  test("[C5] what is no JSON is not written", () => {
    const loop: { self?: JsonValue } = {}
    loop.self = loop as JsonValue
    expect(codeOf(() => canonicalJson(Number.NaN))).toBe("JSON_NUMBER")
    expect(codeOf(() => canonicalJson("\udc00"))).toBe("JSON_TEXT")
    expect(codeOf(() => canonicalJson(loop as JsonValue))).toBe("JSON_TOO_DEEP")
    expect(codeOf(() => canonicalJson(new Date(0) as never))).toBe("JSON_TYPE")
    expect(codeOf(() => canonicalJson([undefined] as never))).toBe("JSON_TYPE")
    expect(codeOf(() => canonicalJson({ constructor: 1 } as never))).toBe("JSON_FORBIDDEN_KEY")
  })
})

describe("reading JSON", () => {
  test.for([
    ["", "JSON_SYNTAX"],
    ["nul", "JSON_SYNTAX"],
    ["01", "JSON_SYNTAX"],
    ["+1", "JSON_SYNTAX"],
    ["1.", "JSON_SYNTAX"],
    [".5", "JSON_SYNTAX"],
    ["1 2", "JSON_SYNTAX"],
    ["[1,]", "JSON_SYNTAX"],
    ["[1", "JSON_SYNTAX"],
    ['{"a":1,}', "JSON_SYNTAX"],
    ['{"a" 1}', "JSON_SYNTAX"],
    ["{a:1}", "JSON_SYNTAX"],
    ["'a'", "JSON_SYNTAX"],
    ['"a', "JSON_SYNTAX"],
    ['"\t"', "JSON_SYNTAX"],
    ['"\\x41"', "JSON_SYNTAX"],
    ['"\\u00g0"', "JSON_SYNTAX"],
    ["NaN", "JSON_SYNTAX"],
    ["\ufeff1", "JSON_SYNTAX"],
    ["\u00a01", "JSON_SYNTAX"],
    ["/**/1", "JSON_SYNTAX"],
    ["1e400", "JSON_NUMBER"],
    ['"\\ud800"', "JSON_TEXT"],
    ['"\\udc00\\ud800"', "JSON_TEXT"],
    ['{"a":1,"a":2}', "JSON_DUPLICATE_KEY"],
    ['{"a":1,"\\u0061":2}', "JSON_DUPLICATE_KEY"],
    ['{"__proto__":1}', "JSON_FORBIDDEN_KEY"],
    ['[{"b":{"\\u005f_proto__":1}}]', "JSON_FORBIDDEN_KEY"],
    ['{"constructor":{"prototype":1}}', "JSON_FORBIDDEN_KEY"],
    ['{"prototype":1}', "JSON_FORBIDDEN_KEY"],
    [`${"[".repeat(33)}${"]".repeat(33)}`, "JSON_TOO_DEEP"],
    [`[${"0,".repeat(10_000)}0]`, "JSON_TOO_MANY"],
    [`"${"a".repeat(1 << 16)}"`, "JSON_TOO_LARGE"],
    [`"${"ü".repeat(1 << 15)}"`, "JSON_TOO_LARGE"],
  ])("[C6] %s is refused", ([text = "", code]) => {
    expect(codeOf(() => parseJson(text, limits))).toBe(code)
  })

  test("[C6] agrees with JSON.parse on all that both read", () => {
    fc.assert(
      fc.property(fc.oneof(fc.json(), fc.string({ unit: "binary" })), (text) => {
        let expected: unknown
        try {
          expected = JSON.parse(text)
        } catch {
          expect(codeOf(() => parseJson(text, limits))).not.toBe("none")
          return
        }
        try {
          expect(JSON.stringify(parseJson(text, limits))).toBe(JSON.stringify(expected))
        } catch (error) {
          if (!(error instanceof CodecError)) throw error
          expect(error.code).not.toBe("JSON_SYNTAX")
        }
      }),
    )
  })

  test("[C6] bytes are read as UTF-8 alone", () => {
    expect(codeOf(() => parseJson(Uint8Array.of(0x22, 0xff, 0x22), limits))).toBe("UTF8_MALFORMED")
    expect(parseJson(new TextEncoder().encode('"ü"'), limits)).toBe("ü")
  })

  test("[C6] nested as deep as anyone may allow, a document is still read", () => {
    const deep = `${"[".repeat(128)}${"]".repeat(128)}`
    expect(() => parseJson(deep, { ...limits, depthMax: 128 })).not.toThrow()
    expect(() => parseJson(deep, { ...limits, depthMax: 129 })).toThrow(RangeError)
  })
})

describe("checking values", () => {
  test("[C6] copies plain data and refuses the rest", () => {
    const value = { a: [1, -0, "x", null, true], b: { c: 1e300 } }
    const checked = checkJson(value, limits)
    expect(checked).toStrictEqual({ a: [1, 0, "x", null, true], b: { c: 1e300 } })
    expect(checked).not.toBe(value)
    const sparse: unknown[] = [1]
    sparse[2] = 1
    for (const bad of [undefined, 1n, () => 1, Symbol("s"), new Date(0), new Map(), sparse]) {
      expect(codeOf(() => checkJson({ bad }, limits))).toBe("JSON_TYPE")
    }
    expect(codeOf(() => checkJson(JSON.parse('{"__proto__":1}'), limits))).toBe(
      "JSON_FORBIDDEN_KEY",
    )
    const loop: unknown[] = []
    loop.push(loop)
    expect(codeOf(() => checkJson(loop, limits))).toBe("JSON_TOO_DEEP")
  })

  test("[C6] counts the bytes of the canonical form, exactly enough", () => {
    fc.assert(
      fc.property(plain, (value) => {
        const bytes = new TextEncoder().encode(canonicalJson(checkJson(value, limits))).length
        expect(() => checkJson(value, { ...limits, bytesMax: bytes + 1 })).not.toThrow()
        expect(codeOf(() => checkJson(value, { ...limits, bytesMax: bytes - 1 }))).toBe(
          "JSON_TOO_LARGE",
        )
      }),
    )
  })
})

test("values are equal by their canonical text, and none is equal to none only", () => {
  expect(equalJson({ a: 1, b: [2] }, { b: [2], a: 1 })).toBe(true)
  expect(equalJson({ a: 1 }, { a: "1" })).toBe(false)
  expect(equalJson(undefined, undefined)).toBe(true)
  expect(equalJson(undefined, null)).toBe(false)
})
