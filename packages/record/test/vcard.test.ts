import { join } from "node:path"
import { bytesToUtf8, utf8ToBytes } from "@fulcrum/codec/bytes"
import type { JsonValue } from "@fulcrum/codec/json"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { writeLine } from "../src/content-lines.ts"
import { documentId } from "../src/documents.ts"
import { openInLineDocuments } from "../src/in-line.ts"
import { checkCard, fullName, readName } from "../src/jscontact.ts"
import { RecordError } from "../src/record-error.ts"
import { writeJsContact, writeVcard } from "../src/vcard-export.ts"
import { cardEdits, type ImportedCard, readCards } from "../src/vcard-import.ts"
import { corpus, filesUnder, readBytes } from "./corpora.ts"
import { isAsExpected, type JsContactCase } from "./jscontact-case.ts"

const fixtures = join(import.meta.dirname, "fixtures")
const fixture = (name: string): readonly ImportedCard[] =>
  readCards(readBytes(join(fixtures, name)))
const read = (text: string): readonly ImportedCard[] => readCards(utf8ToBytes(text))
const lines = (text: string): ImportedCard["card"] =>
  read(`BEGIN:VCARD\r\nVERSION:4.0\r\n${text}\r\nEND:VCARD\r\n`)[0]?.card ?? {}
const again = (card: JsonValue): JsonValue => read(writeVcard(card))[0]?.card ?? null

describe("vCard in", () => {
  test("[C1] a phone's 3.0: groups, labels, escapes, folds", () => {
    const [first, ...others] = fixture("phone.vcf")
    expect(others).toEqual([])
    expect(first).toMatchObject({ name: "Dr. Anna Maria Lena Muster Jr.", warnings: [] })
    expect(first?.card).toEqual({
      prodId: "-//Example//Phone 1//EN",
      name: {
        components: [
          { kind: "surname", value: "Muster" },
          { kind: "given", value: "Anna" },
          { kind: "given2", value: "Maria" },
          { kind: "given2", value: "Lena" },
          { kind: "title", value: "Dr." },
          { kind: "generation", value: "Jr." },
        ],
        full: "Dr. Anna Maria Lena Muster Jr.",
      },
      nicknames: { 1: { name: "Ännchen" } },
      organizations: { 1: { name: "Beispiel, Söhne; Co.", units: [{ name: "Einkauf" }] } },
      titles: { title: { kind: "title", name: "Leiterin" } },
      emails: {
        1: { address: "anna@example.org", pref: 1, label: "Other" },
        work: { address: "a.muster@example.com", contexts: { work: true } },
      },
      phones: {
        mobile: { number: "+49 170 1234567", features: { mobile: true, voice: true }, pref: 1 },
        home: { number: "+49 30 1111", contexts: { private: true } },
        "home-2": { number: "+49 30 2222", features: { fax: true }, contexts: { private: true } },
      },
      addresses: {
        home: {
          components: [
            { kind: "name", value: "Tor 1" },
            { kind: "locality", value: "Berlin" },
            { kind: "postcode", value: "10115" },
            { kind: "country", value: "Deutschland" },
          ],
          countryCode: "DE",
          contexts: { private: true },
          pref: 1,
        },
        work: {
          components: [
            { kind: "apartment", value: "Hof 2" },
            { kind: "name", value: "Markt 7\nEingang B" },
            { kind: "locality", value: "Hamburg" },
            { kind: "postcode", value: "20095" },
            { kind: "country", value: "Deutschland" },
          ],
          contexts: { work: true },
        },
      },
      anniversaries: { birth: { kind: "birth", date: { month: 3, day: 22 } } },
      links: { 1: { uri: "http://example.org/a", pref: 1 } },
      keywords: { Freunde: true, Verein: true },
      notes: {
        1: {
          note: "Eine lange Notiz, die über eine Zeile hinausgeht und gefaltet ist\nzweite Zeile",
        },
      },
      onlineServices: {
        1: {
          uri: "https://example.com/anna",
          vCardName: "x-socialprofile",
          vCardParams: { type: ["twitter"] },
        },
      },
      updated: "2024-05-06T07:08:09Z",
      media: {
        photo: { kind: "photo", uri: "data:image/jpeg;base64,/9j/4AAQSkZJRgABAQAAAQABAAD/" },
      },
      vCardProps: [["x-pet", {}, "unknown", "Katze"]],
    })
  })

  test("[C2] a desktop's 2.1: charsets, quoted-printable, bare types, a card within, two cards", () => {
    const [first, second] = fixture("desktop-2.1.vcf")
    expect(first?.card).toMatchObject({
      name: { full: "Jörg Müller", components: [{ value: "Müller" }, { value: "Jörg" }] },
      phones: { work: { number: "(030) 1" }, mobile: { number: "(0170) 2" } },
      addresses: { home: { full: "Weg 3\n53111 Bonn\nDeutschland", pref: 1 } },
      notes: { 1: { note: "erste\nzweite" } },
      anniversaries: { birth: { date: { year: 1980, month: 3, day: 22 } } },
      media: { photo: { uri: "data:image/jpeg;base64,/9j/4AAQSkZJRgABAQAAAQABAAD/" } },
      vCardProps: [["x-custom", {}, "unknown", "a=b"]],
    })
    expect(second?.name).toBe("Karte Zweite")
  })

  test("[C3] 4.0: dates in part, moments, uris, labels, and JSON that vCard has no word for", () => {
    expect(fixture("card-4.0.vcf")[0]?.card).toMatchObject({
      anniversaries: {
        birth: { date: { month: 2, day: 3 } },
        wedding: { date: { utc: "2009-08-08T19:30:00Z" } },
      },
      addresses: {
        work: {
          full: "2875 Laurier, D2-630\nQuebec",
          countryCode: "CA",
          coordinates: "geo:46.77,-71.28",
        },
      },
      phones: { work: { number: "tel:+1-418-656-9254;ext=102", pref: 1 } },
      onlineServices: { 1: { uri: "xmpp:simon@example.ca", vCardName: "impp" } },
      "example.com:foo": { bar: 1234 },
    })
  })

  test("[C4] ids: context, else kind, else 1; a second one gets -2; an equal one is not doubled", () => {
    const card = lines(
      "EMAIL:a@x.de\r\nEMAIL:b@x.de\r\nEMAIL:a@x.de\r\nTEL;TYPE=fax:1\r\nTEL;TYPE=home,fax:2",
    )
    expect(Object.keys(card.emails ?? {})).toEqual(["1", "1-2"])
    expect(Object.keys(card.phones ?? {}).sort()).toEqual(["fax", "home"])
  })

  test("jCard and JSContact", () => {
    const jcard = [
      "vcard",
      [
        ["version", {}, "text", "4.0"],
        ["n", {}, "text", ["A;B", "C", "", "", ["x", "y"]]],
        ["tel", { type: ["work", "voice"] }, "uri", "tel:+1"],
      ],
    ]
    expect(read(JSON.stringify(jcard))[0]?.card).toMatchObject({
      name: {
        components: [
          { kind: "surname", value: "A;B" },
          { value: "C" },
          { value: "x" },
          { value: "y" },
        ],
      },
      phones: { work: { number: "tel:+1" } },
    })
    const json = { "@type": "Card", version: "1.0", name: { full: "A" }, "example.com:x": [1] }
    expect(read(JSON.stringify(json))[0]).toMatchObject({
      name: "A",
      card: { name: { full: "A" }, "example.com:x": [1] },
    })
  })

  test.each([
    ["nothing", ""],
    ["a letter", "Dear Sir, BEGIN: here"],
    ["JSON cut short", '{"@type":"Card"'],
    ["a list of numbers", "[1,2]"],
    ["no card at all", '{"@type":"Event"}'],
    ["an empty card", "BEGIN:VCARD\nEND:VCARD"],
    ["a wrong field", '{"emails":{"1":{"address":5}}}'],
    ["a key that reaches a prototype", '{"__proto__":{"x":1}}'],
  ])("[C5] %s is VCARD_INVALID", (_, text) => {
    expect(() => read(text)).toThrow(expect.objectContaining({ code: "VCARD_INVALID" }))
  })

  test("[C5] a card that is cut short is refused with the reason, whole ones before it are taken", () => {
    const cut = "BEGIN:VCARD\nFN:A\nTEL:+1"
    expect(() => read(cut)).toThrow(
      expect.objectContaining({
        code: "VCARD_INVALID",
        message: expect.stringMatching(/cut short.*END:VCARD/),
      }),
    )
    expect(read(`BEGIN:VCARD\nFN:B\nEND:VCARD\n${cut}`).map(({ name }) => name)).toEqual(["B"])
  })

  test("a day that is in no calendar is left out with a warning, words for one are kept", () => {
    const left = "BDAY left out: there is no such day"
    for (const day of ["19850231", "99999999", "1985-02-29", "--0431", "19850231T120000Z"]) {
      const [card] = read(`BEGIN:VCARD\nFN:A\nBDAY:${day}\nEND:VCARD`)
      expect(card, day).toMatchObject({ card: { name: { full: "A" } }, warnings: [left] })
      expect(Object.keys(card?.card ?? {}), day).toEqual(["name"])
    }
    const date = { year: 1985, month: 2, day: 31 }
    const birth = { kind: "birth", date }
    const json = JSON.stringify({ name: { full: "A" }, anniversaries: { birth } })
    expect(read(json)[0]).toMatchObject({ warnings: [expect.stringContaining("no such day")] })
    expect(read(json)[0]?.card).toEqual({ name: { full: "A" } })
    for (const day of ["19840229", "--0229", "1985-02", "19850228T120000Z"]) {
      expect(lines(`BDAY:${day}`).anniversaries, day).toBeDefined()
    }
    for (const words of ["circa 1800", "31.02.1985", "T102200"]) {
      expect(lines(`BDAY:${words}`), words).toEqual({
        vCardProps: [["bday", {}, "unknown", words]],
      })
    }
  })

  test("of more entries than can be kept it is said how many were left out", () => {
    const phones = Array.from({ length: 250 }, (_, at) => `TEL:+49 30 ${1000 + at}`)
    const text = ["BEGIN:VCARD", "VERSION:4.0", "FN:Ada", ...phones, "END:VCARD", ""].join("\r\n")
    const [card] = readCards(utf8ToBytes(text))
    expect(Object.keys(Object(card?.card.phones))).toHaveLength(100)
    expect(card?.warnings).toEqual(["phones: 150 of 250 were left out, 100 can be kept"])
  })

  test("what is too large is left out with a warning, or refused", () => {
    const photo = `PHOTO;ENCODING=b;TYPE=JPEG:${"A".repeat(200_000)}`
    const [card] = read(`BEGIN:VCARD\nFN:A\n${photo}\nEND:VCARD`)
    expect(card?.card).toEqual({ name: { full: "A" } })
    expect(card?.warnings).toEqual([expect.stringContaining("PHOTO")])
    expect(() => readCards(new Uint8Array((4 << 20) + 1))).toThrow(
      expect.objectContaining({ code: "VCARD_TOO_LARGE" }),
    )
  })

  test("[C6] any bytes are cards or refused, and every card is a valid one", () => {
    const words = fc.constantFrom(
      "BEGIN:VCARD",
      "END:VCARD",
      "N:",
      "FN:a",
      "ADR;TYPE=home:",
      ";",
      ",",
      "\\",
      "\n",
      "\r\n ",
      ":",
      '"',
      "=",
      "=C3",
      "TEL;CELL:1",
      "JSPROP;JSPTR=name:5",
      "JSPROP;JSPTR=emails/1:{}",
      "JSCOMPS=",
      "ENCODING=QUOTED-PRINTABLE",
      "item1.",
      "X-ABLabel:x",
      "PHOTO;ENCODING=b:AA",
      "BDAY:20010101T25",
      "REV:99999999T999999Z",
      "CATEGORIES:constructor,a/b",
      "ORG:x",
      "__proto__",
      "[",
      "{",
      '"vcard"',
      "ü",
    )
    const text = fc
      .array(fc.oneof(words, fc.string({ maxLength: 4 })), { maxLength: 40 })
      .map((parts) => utf8ToBytes(`BEGIN:VCARD\n${parts.join("\n").toWellFormed()}\nEND:VCARD`))
    const glued = fc
      .array(words, { maxLength: 40 })
      .map((parts) => utf8ToBytes(`BEGIN:VCARD\n${parts.join("")}\nEND:VCARD`))
    fc.assert(
      fc.property(fc.oneof(text, glued, fc.uint8Array({ maxLength: 400 })), (bytes) => {
        try {
          for (const { card } of readCards(bytes)) {
            expect(checkCard(card)).toEqual(card)
            writeVcard(card)
          }
        } catch (error) {
          expect(error).toBeInstanceOf(RecordError)
        }
      }),
      { numRuns: 1500 },
    )
  })
})

describe("vCard out", () => {
  test.each(["phone.vcf", "desktop-2.1.vcf", "card-4.0.vcf"])(
    "[C7] an import of the export of %s gives the same card",
    (name) => {
      for (const { card } of fixture(name)) expect(again(card)).toEqual(card)
    },
  )

  test("[C7] any extension comes back", () => {
    const card: JsonValue = {
      name: { full: "A", components: [{ kind: "given", value: "A", phonetic: "a" }] },
      phones: { x: { number: "1", "example.com:foo/bar": [1, { a: "ü\n;," }] } },
      emails: { 'a~"b': { address: "a@b.c", contexts: { private: true, "example.com:z": true } } },
      "example.com:x": { y: null },
    }
    expect(again(card)).toEqual({ ...card, emails: expect.anything() })
  })

  test("[C7] any text comes back", () => {
    const text = fc
      .string({ unit: "grapheme", minLength: 1 })
      .map((value) => `x${value.replace(/[\r\p{Cc}]/gu, "")}\ny`)
    fc.assert(
      fc.property(text, text, (note, label) => {
        const card = {
          notes: { 1: { note } },
          phones: { 1: { number: "1", label } },
          addresses: { 1: { full: label } },
        }
        expect(again(card)).toEqual(card)
      }),
    )
  })

  test("lines are folded at 75 bytes, within no character", () => {
    const written = writeLine({ name: "NOTE", params: [], value: "ü€😀".repeat(40) })
    for (const line of written.split("\r\n"))
      expect(utf8ToBytes(line).length).toBeLessThanOrEqual(75)
    expect(written.replaceAll("\r\n ", "")).toBe(`NOTE:${"ü€😀".repeat(40)}\r\n`)
  })

  test("JSContact says what it is", () => {
    expect(writeJsContact({ uid: "u" })).toEqual({ "@type": "Card", version: "1.0", uid: "u" })
    expect(
      fullName(
        readName({
          components: [
            { kind: "surname", value: "B" },
            { kind: "given", value: "A" },
          ],
        }),
      ),
    ).toBe("A B")
  })
})

describe("import into the record", () => {
  const actor = new Uint8Array(16).fill(1)
  const document = documentId("card")

  test("[C8] edits the card; the same file again changes nothing; another id is found", async () => {
    await using documents = await openInLineDocuments()
    const [first] = fixture("phone.vcf")
    if (first === undefined) throw new Error("no card")
    await documents.edit({ document, edits: cardEdits(first.card, undefined), actor })
    const now = await documents.read(document)
    expect(now).toEqual(first.card)
    const edits = cardEdits(first.card, now)
    expect(await documents.edit({ document, edits, actor })).toBeUndefined()
    const other = cardEdits({ emails: { work: { address: "new@example.com" } } }, now)
    expect(other).toEqual([
      { op: "set", path: ["emails", "work-2"], value: { address: "new@example.com" } },
    ])
  })
})

test("[C8] a second birthday replaces the first, where that is and with what else is there", () => {
  const birth = (year: number) => ({ kind: "birth", date: { year } })
  const wedding = { kind: "wedding", date: { year: 2011 } }
  const place = { full: "Paris" }
  const now = { anniversaries: { b: { ...birth(1985), place }, wedding } }
  const edits = cardEdits({ anniversaries: { birth: birth(1986) } }, now)
  expect(edits).toEqual([
    { op: "set", path: ["anniversaries", "b", "kind"], value: "birth" },
    { op: "set", path: ["anniversaries", "b", "date"], value: { year: 1986 } },
  ])
  const again = { kind: "wedding", date: { year: 2020 } }
  expect(cardEdits({ anniversaries: { wedding: again } }, now)).toEqual([
    { op: "set", path: ["anniversaries", "wedding-2"], value: again },
  ])
})

describe("corpora", () => {
  test("every real export is read, and its export reads the same", (context) => {
    const folder = corpus("ez-vcard")
    if (folder === undefined) return context.skip("../shared/corpora/ez-vcard is not there")
    const files = filesUnder(join(folder, "files"), [".vcf", ".json"])
    expect(files.length).toBeGreaterThan(15)
    for (const file of files) {
      const cards = readCards(readBytes(file))
      expect(cards.length, file).toBeGreaterThan(0)
      for (const { card } of cards) expect(again(card), file).toEqual(card)
    }
  })

  test("calcard's vCards are read, and their exports read the same", (context) => {
    const folder = corpus("calcard")
    if (folder === undefined) return context.skip("../shared/corpora/calcard is not there")
    let count = 0
    for (const file of filesUnder(join(folder, "jscontact"), [".txt"])) {
      for (const block of bytesToUtf8(readBytes(file))
        .split(/^> test /m)
        .slice(1)) {
        const source = block.slice(block.indexOf("\n") + 1).split("> convert\n")[0] ?? ""
        if (!/^[\w.-]+[;:]/.test(source.trim())) continue
        const whole = /BEGIN:VCARD/.test(source) ? source : `BEGIN:VCARD\n${source}\nEND:VCARD\n`
        const [card] = cardsOf(whole)
        if (card === undefined) continue
        count++
        expect(again(card.card), block).toEqual(card.card)
      }
    }
    expect(count).toBeGreaterThan(80)
  })

  test("jscontact-tests: cards become the vCard properties that others expect", (context) => {
    const folder = corpus("jscontact-tests")
    if (folder === undefined) return context.skip("../shared/corpora/jscontact-tests is not there")
    const cases: readonly JsContactCase[] = JSON.parse(
      bytesToUtf8(readBytes(join(folder, "tests.json"))),
    )
    const failed = cases.filter((one) => !isAsExpected(one)).map(({ id }) => id)
    // Translations, phonetics and places of death stay in JSPROP, whole.
    expect(failed).toEqual([
      "name_localizations",
      "name_phonetic",
      "name_phonetic_ordered",
      "addresses_localizations",
      "localizations_overwrite",
      "localizations_patch",
      "anniversaries",
    ])
    expect(cases.length).toBe(55)
  })

  /** Some cases hold nothing but what a card has anyhow. */
  function cardsOf(text: string): readonly ImportedCard[] {
    try {
      return read(text)
    } catch (error) {
      expect(error).toMatchObject({ code: "VCARD_INVALID" })
      return []
    }
  }
})
