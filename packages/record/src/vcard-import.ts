/**
 * Cards from files: vCard 2.1, 3.0 and 4.0, jCard (RFC 7095) and JSContact (RFC 9553), as
 * JSContact and then as edits of the `card` document.
 *
 * Names follow RFC 9555. What has no place in JSContact is kept as it was: a whole property in
 * `vCardProps`, a parameter in the entry's `vCardParams`. An entry's id is its `PROP-ID`, else
 * its context (`home`, `work`), else its kind (`mobile`, `fax`, `role`, `birth` …), else `1`; a
 * second one gets `-2`. The vCard's own parser is `content-lines.ts`.
 *
 * @module
 */
import { bytesToUtf8 } from "@fulcrum/codec/bytes"
import { canonicalJson, type JsonValue, parseJson } from "@fulcrum/codec/json"
import { addEntry, CardBuilder, type Section } from "./card-builder.ts"
import { CARDS_MAX, type CardLines, readCardLines } from "./content-lines.ts"
import { type DocumentId, documentId, type Edit } from "./documents.ts"
import { isList, readJCard } from "./jcard.ts"
import { type CardJson, checkCard, fullName, readName, readPartialDate } from "./jscontact.ts"
import { RecordError } from "./record-error.ts"
import { isObject, REGISTER_BYTES_MAX, valueAt } from "./registers.ts"
import { isInCalendar } from "./vcard-dates.ts"
import { HANDLERS, MEDIA } from "./vcard-properties.ts"

/** One file. */
export const IMPORT_BYTES_MAX: number = 4 << 20
/** A picture, a sound or a key, as a `data:` URI. */
export const MEDIA_CHARS_MAX: number = 96 << 10
/** Characters of any other value. */
const VALUE_CHARS_MAX: number = 64 << 10
export interface ImportedCard {
  /** To choose by, when a file has several: the full name, or empty. */
  readonly name: string
  /** JSContact, without `@type` and `version`. */
  readonly card: CardJson
  /** What was left out and why, without values. */
  readonly warnings: readonly string[]
}

/**
 * Reads every card of a file.
 *
 * @returns At least one.
 * @throws {RecordError} `VCARD_INVALID`: no card in it, or one that is wrong; `VCARD_TOO_LARGE`.
 */
export function readCards(bytes: Uint8Array): readonly ImportedCard[] {
  if (bytes.length > IMPORT_BYTES_MAX) {
    throw new RecordError("VCARD_TOO_LARGE", "the file is larger than 4 MiB")
  }
  const json = readJson(bytes)
  const cards = json === undefined ? wholeCards(bytes).map(importLines) : importJson(json)
  if (cards.length > 0) return cards
  throw new RecordError("VCARD_INVALID", "no card in this file")
}

/**
 * The edits that bring an imported card into the record.
 *
 * What the record has already is not doubled; an id that is taken by something else gets the
 * next number; the name, the birthday and other single values replace those there.
 *
 * @param existing - The `card` document as it reads now.
 */
export function cardEdits(card: CardJson, existing: JsonValue | undefined): readonly Edit[] {
  const edits: Edit[] = []
  for (const [name, value] of Object.entries(card)) {
    if (!SECTIONS.has(name) || !isObject(value)) {
      edits.push({ op: "set", path: [name], value })
      continue
    }
    const before = valueAt(existing, [name])
    const section: Section = before !== undefined && isObject(before) ? { ...before } : {}
    const single = name === "anniversaries" ? Object.entries(section).filter(isSingle) : []
    for (const [id, entry] of Object.entries(value)) {
      const there = isObject(entry) ? takeSame(single, [id, entry]) : undefined
      if (there !== undefined && isObject(entry)) {
        for (const [field, part] of Object.entries(entry))
          edits.push({ op: "set", path: [name, there, field], value: part })
        continue
      }
      const given = addEntry(section, id, entry)
      if (given !== undefined) edits.push({ op: "set", path: [name, given], value: entry })
    }
  }
  return edits
}

type Named = readonly [id: string, entry: JsonValue]

/** A birth and a death: of each there is one. */
function isSingle(anniversary: Named): boolean {
  return ["birth", "death"].includes(kindOf(anniversary))
}

function kindOf([id, entry]: Named): string {
  return String(valueAt(entry, ["kind"]) ?? id)
}

/** Takes from those there the one that a new one is, or replaces; an equal date first. */
function takeSame(there: Named[], one: Named): string | undefined {
  const isSame = (other: Named) => kindOf(other) === kindOf(one)
  const date = (of: Named) => canonicalJson(valueAt(of[1], ["date"]) ?? null)
  const found = there.find((other) => isSame(other) && date(other) === date(one))
  const taken = found ?? there.find(isSame)
  if (taken === undefined) return undefined
  there.splice(there.indexOf(taken), 1)
  return taken[0]
}

/** Properties that are maps from an id to an entry. */
const SECTIONS: ReadonlySet<string> = new Set([
  "addresses",
  "anniversaries",
  "calendars",
  "cryptoKeys",
  "directories",
  "emails",
  "links",
  "media",
  "nicknames",
  "notes",
  "onlineServices",
  "organizations",
  "personalInfo",
  "phones",
  "preferredLanguages",
  "schedulingAddresses",
  "titles",
])

/** The `card` document: what `cardEdits` are edits of. */
export const CARD_DOCUMENT: DocumentId = documentId("card")

function readJson(bytes: Uint8Array): JsonValue | undefined {
  const start = bytes.findIndex((byte) => byte > 0x20 && byte < 0x80)
  if (bytes[start] !== 0x7b && bytes[start] !== 0x5b) return undefined
  try {
    const text = bytesToUtf8(bytes).replace(/^\uFEFF/, "")
    return parseJson(text, { bytesMax: IMPORT_BYTES_MAX, depthMax: 32, itemsMax: 200_000 })
  } catch (cause) {
    throw new RecordError("VCARD_INVALID", "the file looks like JSON but cannot be read", { cause })
  }
}

function importJson(json: JsonValue): readonly ImportedCard[] {
  if (isObject(json)) return [importJsContact(json)]
  if (!isList(json)) return []
  if (json[0] === "vcard") return [importLines(readJCard(json))]
  return json.slice(0, CARDS_MAX).flatMap((item) => {
    if (isObject(item)) return [importJsContact(item)]
    return isList(item) && item[0] === "vcard" ? [importLines(readJCard(item))] : []
  })
}

function importJsContact(json: JsonValue): ImportedCard {
  const { card, warnings } = withPossibleDates(checkCard(json))
  if (Object.keys(card).length === 0) {
    throw new RecordError("VCARD_INVALID", "the card is empty")
  }
  return { name: fullName(readName(card.name)), card, warnings }
}

/** Without anniversaries on days that are in no calendar. */
function withPossibleDates(card: CardJson): Pick<ImportedCard, "card" | "warnings"> {
  const { anniversaries, ...others } = card
  if (anniversaries === undefined || !isObject(anniversaries)) return { card, warnings: [] }
  const all = Object.entries(anniversaries)
  const possible = all.filter(([, entry]) => {
    // Another calendar has other days.
    const isKnown = valueAt(entry, ["date", "calendarScale"]) === undefined
    return !isKnown || isInCalendar(readPartialDate(valueAt(entry, ["date"])))
  })
  if (possible.length === all.length) return { card, warnings: [] }
  return {
    card:
      possible.length === 0 ? others : { ...others, anniversaries: Object.fromEntries(possible) },
    warnings: ["anniversaries left out: there is no such day"],
  }
}

/** What there is of a card that the file ends in might replace a name with half of one. */
function wholeCards(bytes: Uint8Array): readonly CardLines[] {
  const cards = readCardLines(bytes)
  const whole = cards.filter(({ isCutShort }) => !isCutShort)
  if (cards.length === 0 || whole.length > 0) return whole
  throw new RecordError("VCARD_INVALID", "the card is cut short: the file ends before END:VCARD")
}

function importLines({ properties }: Pick<CardLines, "properties">): ImportedCard {
  const builder = new CardBuilder(properties)
  for (const property of properties) {
    if (IGNORED.has(property.name) || builder.isTaken(property)) continue
    if (property.name === "FN" && property.params.get("DERIVED")?.[0]?.toLowerCase() === "true")
      continue
    // An address may be in its label alone.
    if (property.name !== "ADR" && /^[;,\s]*$/.test(property.value)) continue
    const isMedia = MEDIA.has(property.name)
    if (property.value.length > (isMedia ? MEDIA_CHARS_MAX : VALUE_CHARS_MAX)) {
      builder.warnings.add(`${property.name} left out: too large to keep in the record`)
      continue
    }
    const handler = HANDLERS.get(property.name)
    if (handler?.(property, builder) !== true) builder.keep(property)
  }
  const { card, kept } = builder
  nameInFull(card)
  if (kept.length > 0) card.vCardProps = boundKept(kept, builder)
  const warnings = [...builder.told]
  if (Object.keys(card).length === 0) {
    throw new RecordError("VCARD_INVALID", "the card is empty")
  }
  return { name: fullName(readName(card.name)), card, warnings }
}

/** As many of the kept properties as one register may hold. */
function boundKept(kept: readonly JsonValue[], builder: CardBuilder): readonly JsonValue[] {
  let bytes = 2
  return kept.filter((property) => {
    const size = 3 * canonicalJson(property).length + 1
    if (bytes + size > REGISTER_BYTES_MAX) {
      builder.warnings.add("properties left out: too large to keep in the record")
      return false
    }
    bytes += size
    return true
  })
}

/** People and companies look for the full name: 2.1 may lack it. */
function nameInFull(card: { [name: string]: JsonValue }): void {
  const { name } = card
  if (name === undefined || !isObject(name) || name.full !== undefined || name.isOrdered === true)
    return
  const full = fullName(readName(name))
  if (full !== "") card.name = { ...name, full }
}

const IGNORED: ReadonlySet<string> = new Set(["VERSION", "BEGIN", "END", "PROFILE"])
