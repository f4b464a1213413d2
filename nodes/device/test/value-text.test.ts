import type { JsonValue } from "@fulcrum/codec/json"
import { expect, test } from "vitest"
import { paint } from "../src/text.ts"
import { valueText } from "../src/value-text.ts"

const components = (...parts: readonly (readonly [string, string])[]): JsonValue =>
  parts.map(([kind, value]) => ({ kind, value }))

test("values are short: a name or an address by its full form, the rest as JSON", () => {
  expect(valueText("+49 1")).toBe("+49 1")
  expect(valueText({ full: "Seestrasse 2", components: [] })).toBe("Seestrasse 2")
  expect(valueText({ address: "a@example.org" })).toBe("a@example.org")
  expect(valueText({ a: 1, b: [true] })).toBe('{"a":1,"b":[true]}')
  expect(valueText(["a"])).toBe('["a"]')
  expect(paint(valueText(undefined), { color: false })).toBe("(nothing)")
})

test("a name or an address without its full form is joined from its components", () => {
  const name = components(["surname", "Rose"], ["given", "Ada"], ["title", "Dr."])
  expect(valueText({ components: name })).toBe("Dr. Ada Rose")
  expect(valueText(name)).toBe("Dr. Ada Rose")
  const address = components(
    ...([
      ["number", "2"],
      ["name", "Main St"],
      ["locality", "Bern"],
    ] as const),
    ...([
      ["postcode", "3011"],
      ["country", "Suisse"],
    ] as const),
  )
  expect(valueText({ components: address, contexts: { private: true } })).toBe(
    "2 Main St, Bern 3011, Suisse",
  )
  const ordered = components(
    ["name", "Weg"],
    ["separator", " "],
    ["number", "3"],
    ["locality", "Bonn"],
  )
  expect(valueText({ components: ordered, isOrdered: true })).toBe("Weg 3, Bonn")
})

test("a day is written as a day", () => {
  expect(valueText({ year: 1985, month: 2, day: 28 })).toBe("1985-02-28")
  expect(valueText({ "@type": "PartialDate", month: 2, day: 3 })).toBe("--02-03")
  expect(valueText({ year: 1985 })).toBe("1985")
  expect(valueText({ "@type": "Timestamp", utc: "2009-08-08T19:30:00Z" })).toBe(
    "2009-08-08T19:30:00Z",
  )
  expect(valueText({ year: 1985, of: "us" })).toBe('{"year":1985,"of":"us"}')
})
