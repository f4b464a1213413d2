/**
 * Files that a person imports, and Automerge's changes before Automerge sees them.
 *
 * @module
 */
import { createHash } from "node:crypto"
import { readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { bytesToUtf8, concatBytes, hexToBytes, utf8ToBytes } from "@fulcrum/codec/bytes"
import { CodecError } from "@fulcrum/codec/codec-error"
import { actorOfChange, inspectSavedForm, parseChange } from "@fulcrum/record/change-format"
import { documentId, type Edit } from "@fulcrum/record/documents"
import { openInLineDocuments } from "@fulcrum/record/in-line"
import { formatPath, parsePath, parseValue } from "@fulcrum/record/path"
import { RecordError } from "@fulcrum/record/record-error"
import { writeJsContact, writeVcard } from "@fulcrum/record/vcard-export"
import { cardEdits, readCards } from "@fulcrum/record/vcard-import"
import { type FuzzTarget, holds } from "../target.ts"

const errors = [RecordError]
const FIXTURES = new URL("../../../packages/record/test/fixtures/", import.meta.url)

const vcardTokens = [
  ...["BEGIN:VCARD", "END:VCARD", "VERSION:2.1", "VERSION:3.0", "VERSION:4.0", "N:", "FN:"],
  ...["ADR;TYPE=HOME:;;", "TEL;TYPE=CELL:", "BDAY:--0203", "ENCODING=QUOTED-PRINTABLE", "=0D=0A"],
  ...["ENCODING=b", "CHARSET=UTF-16", "PHOTO;", "data:image/png;base64,", "X-", "item1.", "\\n"],
  ...["PREF=1", "ALTID=1", "PROP-ID=", "LANGUAGE=", ";;;;;;", "REV:", "JSPROP;JSPTR=", "GENDER:O"],
  ...["RELATED:", "ANNIVERSARY:", "SORT-AS=", "LABEL=", "GEO=", "TZ:", "^n", "^'", "\t ", "AGENT:"],
]

function vcards(): readonly Uint8Array[] {
  return readdirSync(FIXTURES)
    .filter((name) => name.endsWith(".vcf"))
    .map((name) => new Uint8Array(readFileSync(fileURLToPath(new URL(name, FIXTURES)))))
}

/** Reads a file, makes edits of it for an empty record and for itself, and writes it again. */
function importAndExport(input: Uint8Array): string {
  const cards = readCards(input)
  for (const { card } of cards.slice(0, 4)) {
    cardEdits(card, undefined)
    cardEdits(card, card)
    const [again] = readCards(utf8ToBytes(writeVcard(card)))
    holds(again !== undefined, "what is exported can be imported")
    readCards(utf8ToBytes(JSON.stringify(writeJsContact(card))))
  }
  const warnings = cards.reduce((sum, card) => sum + card.warnings.length, 0)
  const members = cards.flatMap(({ card }) => Object.keys(card)).toSorted()
  return `${Math.min(cards.length, 3)} ${Math.min(warnings, 3)} ${[...new Set(members)].slice(0, 4).join(" ").slice(0, 40)}`
}

const vcard: FuzzTarget = {
  name: "vcard",
  form: "lines",
  tokens: vcardTokens,
  batch: 128,
  open: () => ({
    seeds: [
      ...vcards(),
      utf8ToBytes("BEGIN:VCARD\r\nVERSION:4.0\r\nFN:Ann\r\nN:Ann;;;;\r\nEND:VCARD\r\n"),
      utf8ToBytes(
        "BEGIN:VCARD\nVERSION:2.1\nN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:=C3=A9=\n =\nEND:VCARD",
      ),
    ],
    errors,
    run: importAndExport,
  }),
}

const jcard: FuzzTarget = {
  name: "jcard",
  form: "json",
  tokens: ["vcard", "fn", "adr", "date-and-or-time", "uri", "unknown", "pref", "tel"],
  batch: 128,
  open: () => ({
    seeds: [
      [
        "vcard",
        [
          ["version", {}, "text", "4.0"],
          ["fn", {}, "text", "Ann"],
          ["n", { "sort-as": "A" }, "text", ["Ann", "B", "", ["Dr", "Prof"], ""]],
          ["adr", { type: ["home"], pref: "1" }, "text", ["", "", "Str 1", "Ort", "", "1", "DE"]],
          ["bday", {}, "date-and-or-time", "1980-02-03"],
          ["x-odd", { "x-p": ["a", "b"] }, "unknown", "v", "w"],
          ["tel", { type: "cell" }, "uri", "tel:+1"],
        ],
      ],
    ].map((card) => utf8ToBytes(JSON.stringify(card))),
    errors,
    run: importAndExport,
  }),
}

const jscontact: FuzzTarget = {
  name: "jscontact",
  form: "json",
  tokens: ["Card", "@type", "1.0", "PartialDate", "Address", "Name", "kind", "vCardProps", "x/y~"],
  batch: 128,
  open: () => ({
    seeds: [
      ...vcards()
        .flatMap((file) => readCards(file).slice(0, 1))
        .map(({ card }) => card),
      {
        ...{ "@type": "Card", version: "1.0", uid: "urn:uuid:1", language: "de" },
        name: { components: [{ kind: "given", value: "Ann" }], isOrdered: true, full: "Ann" },
        phones: { p1: { number: "+49", features: { voice: true }, pref: 1 } },
        anniversaries: { b: { kind: "birth", date: { "@type": "PartialDate", month: 2, day: 3 } } },
        addresses: { a: { components: [{ kind: "name", value: "Str" }], timeZone: "Etc/UTC" } },
        personalInfo: { x: { kind: "hobby", value: "climbing", level: "high" } },
        localizations: { en: { "name/full": "Ann" } },
        relatedTo: { "urn:x": { relation: { friend: true } } },
      },
    ].map((card) => utf8ToBytes(JSON.stringify(writeJsContact(card)))),
    errors,
    run: importAndExport,
  }),
}

/** Magic, checksum, kind and length as Automerge writes them, around whatever the input is. */
function chunk(kind: number, contents: Uint8Array): Uint8Array {
  const framed = concatBytes([Uint8Array.of(kind), leb(contents.length), contents])
  const checksum = createHash("sha256").update(framed).digest().subarray(0, 4)
  return concatBytes([Uint8Array.of(0x85, 0x6f, 0x4a, 0x83), checksum, framed])
}

function leb(value: number): Uint8Array {
  const bytes: number[] = []
  for (let left = value; ; left >>>= 7) {
    if (left < 128) return Uint8Array.from([...bytes, left])
    bytes.push((left & 127) | 128)
  }
}

/** What is in a chunk, without its frame. */
function contentsOf(whole: Uint8Array): Uint8Array {
  let at = 9
  while ((whole[at] ?? 0) > 127) at++
  return whole.slice(at + 1)
}

async function written(): Promise<{ changes: readonly Uint8Array[]; saved: Uint8Array }> {
  await using documents = await openInLineDocuments()
  const document = documentId("card")
  const lists: readonly (readonly Edit[])[] = [
    [
      { op: "set", path: ["phones", "1", "number"], value: "+49 30 123" },
      { op: "set", path: ["name"], value: { full: "Anna", components: [{ kind: "given" }] } },
      { op: "set", path: ["speakToAs", "n"], value: 12.5 },
    ],
    [
      { op: "unset", path: ["phones"] },
      { op: "set", path: ["name"], value: { full: "Anne" } },
    ],
  ]
  const changes: Uint8Array[] = []
  for (const [i, edits] of lists.entries()) {
    const edit = await documents.edit({ document, edits, actor: hexToBytes(`1${i}`.repeat(16)) })
    if (edit) changes.push(edit.change)
  }
  return { changes, saved: await documents.save(document) }
}

const change: FuzzTarget = {
  name: "change",
  form: "bytes",
  open: async () => {
    const { changes } = await written()
    return {
      seeds: changes.flatMap((whole) => [contentsOf(whole), whole]),
      errors,
      run(input) {
        const whole = input[0] === 0x85 && input[1] === 0x6f ? input : chunk(1, input)
        actorOfChange(whole)
        return `${Math.min(parseChange(whole).writes.length, 8)}`
      },
    }
  },
}

const saved: FuzzTarget = {
  name: "saved-form",
  form: "bytes",
  batch: 128,
  open: async () => {
    const { saved: whole } = await written()
    return {
      seeds: [contentsOf(whole), whole],
      errors,
      async run(input) {
        const isWhole = input[0] === 0x85 && input[1] === 0x6f
        await inspectSavedForm(isWhole ? input : chunk(0, input))
        return "measured"
      },
    }
  },
}

const paths: FuzzTarget = {
  name: "paths",
  form: "lines",
  tokens: ["card/", "~1", "~0", "~2", "/", "card/emails/home", "__proto__", "relationships/x/y"],
  bytesMax: 2048,
  open: () => ({
    seeds: ["card/emails/home/address", "card/name", "notes/x~1y/a", '{"full":"x"}', "[1,2]"].map(
      utf8ToBytes,
    ),
    errors: [RecordError, CodecError],
    run(input) {
      const typed = bytesToUtf8(input)
      if (!typed.includes("/")) return typeof parseValue(typed)
      const path = parsePath(typed)
      holds(formatPath(parsePath(formatPath(path))) === formatPath(path), "a path is one text")
      return path.document
    },
  }),
}

export const recordTargets: readonly FuzzTarget[] = [vcard, jcard, jscontact, change, saved, paths]
