import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { documentId } from "../src/documents.ts"
import { checkValue, editsForSet, formatPath, parsePath, requireEntry } from "../src/path.ts"
import { RecordError } from "../src/record-error.ts"
import { planUndo } from "../src/undo.ts"

describe("paths", () => {
  test.each([
    ["card/emails/home", "card", ["emails", "home"]],
    ["card", "card", []],
    ["card/keywords/a~1b~0c", "card", ["keywords", "a/b~c"]],
    ["relationships/4f2a/disclosures/x", "relationships/4f2a", ["disclosures", "x"]],
    ["card/example.com:pet", "card", ["example.com:pet"]],
    ["preferences/contact/channel", "preferences", ["contact", "channel"]],
  ])("[P1] %s", (typed, document, path) => {
    expect(parsePath(typed)).toEqual({ document, path })
    expect(formatPath(parsePath(typed))).toBe(typed)
  })

  test.each([
    ["card/email/home", "card/emails/home"],
    ["card/adresses/home/full", "card/addresses/home/full"],
    ["card/tel/1/number", "card/phones/1/number"],
    ["crad/name/full", "card/name/full"],
    ["card/name/fall", "card/name/full"],
    ["payment/visa/expires", "payments/visa/expires"],
  ])("[P2] %s is unknown, and %s is nearest", (typed, path) => {
    expect(() => parsePath(typed)).toThrow(
      expect.objectContaining({
        code: "PATH_UNKNOWN",
        path,
        message: expect.stringContaining(path),
      }),
    )
  })

  test.each(["nope", "zzzzzz/name"])("[P2] %s is unknown, and nothing is near to it", (typed) => {
    expect(() => parsePath(typed)).toThrow(
      expect.objectContaining({ code: "PATH_UNKNOWN", message: "no such path" }),
    )
  })

  test("[P6] an entry that is not there is unknown if one there is like it, else new", () => {
    const card = { addresses: { home: { full: "A" }, work: { full: "B" } }, phones: {} }
    const require = (typed: string) => requireEntry(parsePath(typed), card)
    for (const typed of ["card/addresses/hmoe", "card/addresses/hmoe/full"]) {
      const path = typed.replace("hmoe", "home")
      expect(() => require(typed), typed).toThrow(
        expect.objectContaining({ code: "PATH_UNKNOWN", path }),
      )
    }
    // There, new beside what is not like it, the first of its kind, and no entry at all.
    for (const typed of ["addresses/home", "addresses/cabin", "phones/home", "emails/1", "name"]) {
      expect(() => require(`card/${typed}`), typed).not.toThrow()
    }
    expect(() => requireEntry(parsePath("card/addresses/home"), undefined)).not.toThrow()
  })

  test.each(["", "/card", "card//x", "card/~2", "card/keywords/__proto__", "card/".repeat(300)])(
    "%j is refused",
    (typed) => {
      expect(() => parsePath(typed)).toThrow(
        expect.objectContaining({ code: expect.stringMatching(/^PATH_/) }),
      )
    },
  )

  test("any text is a path or refused", () => {
    fc.assert(
      fc.property(fc.string(), (typed) => {
        try {
          parsePath(`card/${typed}`)
        } catch (error) {
          expect(error).toBeInstanceOf(RecordError)
        }
      }),
    )
  })
})

describe("values", () => {
  const edits = (path: string, value: string) => editsForSet(parsePath(path), value)

  test("[P3] JSON if an object, an array or a quoted string, else text", () => {
    const set = (value: string) => edits("preferences/x", value)[0]
    const sets = (value: unknown) => expect.objectContaining({ op: "set", value })
    expect(set('{"a":[1]}')).toEqual(sets({ a: [1] }))
    expect(set('"quoted"')).toEqual(sets("quoted"))
    expect(set("[1,2]")).toEqual(sets([1, 2]))
    for (const plain of ["42", "true", "null", "[sic] Street 3", '"open', "{", ""]) {
      expect(set(plain)).toEqual(sets(plain))
    }
  })

  test("[P4] text at an address sets full and clears what it made untrue", () => {
    const [first, ...cleared] = edits("card/addresses/home", "Tor 1\n10115 Berlin")
    expect(first).toEqual({
      op: "set",
      path: ["addresses", "home", "full"],
      value: "Tor 1\n10115 Berlin",
    })
    expect(cleared).toContainEqual({ op: "unset", path: ["addresses", "home", "components"] })
    expect(cleared.map(({ path }) => path[2])).not.toContain("contexts")
  })

  test("text at an entry sets its main field; numbers and flags are read as such", () => {
    expect(edits("card/emails/home", "a@b.de")).toEqual([
      { op: "set", path: ["emails", "home", "address"], value: "a@b.de" },
    ])
    expect(edits("card/emails/home/pref", "1")).toMatchObject([{ value: 1 }])
    expect(edits("card/phones/1/features/mobile", "true")).toMatchObject([{ value: true }])
  })

  test.each([
    ["card/emails/home", "nobody", "card/emails/home/address"],
    ["card/emails/home/pref", "101", "card/emails/home/pref"],
    ["card/emails", "x", "card/emails"],
    ["card/addresses/home/components", '[{"kind":3}]', "card/addresses/home/components/0/kind"],
    ["payments/visa/note", "4111 1111 1111 1111", "payments/visa/note"],
    ["payments/visa", '{"lastFour":"4111111111111111"}', "payments/visa/lastFour"],
    ["card/phones/home/number", " ", "card/phones/home/number"],
    ["card/name", '{"full":', "card/name"],
    ["card/notes/1", '["a", "b"', "card/notes/1"],
    ["preferences/x", '[{"a":1}', "preferences/x"],
  ])("[P5] %s=%s is invalid, and says where", (path, value, at) => {
    expect(() => edits(path, value)).toThrow(
      expect.objectContaining({ code: "VALUE_INVALID", path: at }),
    )
  })

  test("an unknown name inside a value is told like a path", () => {
    const at = { document: documentId("card"), path: ["emails", "home"] }
    expect(() => checkValue(at, { adress: "x" })).toThrow(
      expect.objectContaining({ code: "PATH_UNKNOWN", path: "card/emails/home/address" }),
    )
  })
})

describe("undo", () => {
  const document = documentId("card")

  test("[U1] restores path by path, where the value is still the entry's", () => {
    const entry = {
      document,
      wrote: [
        { path: ["name"], value: { full: "B" } },
        { path: ["notes", "1", "note"], value: "new" },
      ],
      overwrote: [
        { path: ["name"], value: { full: "A" } },
        { path: ["notes", "1", "note"], value: undefined },
      ],
    }
    expect(planUndo(entry, { name: { full: "B" }, notes: { 1: { note: "new" } }, x: 1 })).toEqual([
      { op: "unset", path: ["notes", "1", "note"] },
      { op: "set", path: ["name"], value: { full: "A" } },
    ])
    expect(() => planUndo(entry, { name: { full: "C" }, notes: { 1: { note: "new" } } })).toThrow(
      expect.objectContaining({ code: "UNDO_CHANGED", path: "card/name" }),
    )
  })
})
