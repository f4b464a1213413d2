import { expect, test } from "vitest"
import { agoText, counted, listed, paint, table, termText, tone } from "../src/text.ts"

test("columns align by what is seen, not by the marks of colours", () => {
  const text = table([
    [tone("good", "ok"), "first"],
    ["not ok", "second"],
  ])
  expect(paint(text, { color: false })).toBe("ok      first\nnot ok  second")
})

test("colours appear only where they are asked for", () => {
  expect(paint(tone("bad", "no"), { color: true })).toBe("\u001b[31mno\u001b[0m")
  expect(paint(tone("bad", "no"), { color: false })).toBe("no")
})

test("a company's name cannot move the cursor, start a line or turn the text around", () => {
  const text = paint(table([["Evil\u001b[2JCo\r\nfulcrum: \u202eok"]]), { color: true })
  expect(text).toBe("Evil\\u{1b}[2JCo fulcrum: \\u{202e}ok")
})

test("counts and lists read as sentences", () => {
  expect([counted(1, "device"), counted(2, "entry", "entries")]).toEqual(["1 device", "2 entries"])
  expect(listed(["a", "b", "c"])).toBe("a, b and c")
  expect(listed([])).toBe("")
})

test("how long ago something was is told in one unit, and never to come", () => {
  const minute = 60_000
  for (const [ms, text] of [
    [-minute, "just now"],
    [minute - 1, "just now"],
    [minute, "1 minute ago"],
    [59 * minute, "59 minutes ago"],
    [60 * minute, "1 hour ago"],
    [47 * 60 * minute, "47 hours ago"],
    [48 * 60 * minute, "2 days ago"],
  ] as const) {
    expect(agoText(0, ms)).toBe(text)
  }
})

test("a term of the W3C's is shown by its name, anything else whole", () => {
  expect(termText("https://w3id.org/dpv#ServiceProvision")).toBe("ServiceProvision")
  expect(termText("https://evil.example/dpv#ServiceProvision")).toContain("evil")
  expect(termText("SD-BASE")).toBe("SD-BASE")
})
