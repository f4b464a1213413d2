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
import {
  type CardLines,
  escapeText,
  type Property,
  readCardLines,
  readList,
  splitEscaped,
  unescapeText,
} from "./content-lines.ts"
import { documentId, type Edit } from "./documents.ts"
import { CARD_LIMITS, type CardJson, checkCard, fullName, readName } from "./jscontact.ts"
import { RecordError } from "./record-error.ts"
import { escapeSegment, isObject, keyToPath, REGISTER_BYTES_MAX, valueAt } from "./registers.ts"
import {
  ADDRESS_STRUCTURE,
  NAME_STRUCTURE,
  readStructure,
  type Structure,
} from "./vcard-address.ts"
import { readDate, readTimestamp } from "./vcard-dates.ts"

/** One file. */
export const IMPORT_BYTES_MAX: number = 4 << 20
/** A picture, a sound or a key, as a `data:` URI. */
export const MEDIA_CHARS_MAX: number = 96 << 10
/** Characters of any other value. */
const VALUE_CHARS_MAX: number = 64 << 10
/** Entries of one section, and properties kept as they were. */
const ENTRIES_MAX = 500

export interface ImportedCard {
  /** To choose by, when a file has several: the full name, or empty. */
  readonly name: string
  /** JSContact, without `@type` and `version`. */
  readonly card: CardJson
  /** What was left out and why, without values. */
  readonly warnings: readonly string[]
}

type Section = { [id: string]: JsonValue }
type Entry = { [name: string]: JsonValue }

/**
 * Reads every card of a file.
 *
 * @returns At least one.
 * @throws {RecordError} `VCARD_INVALID`: no card in it, or one that is wrong; `VCARD_TOO_LARGE`.
 */
export function readCards(bytes: Uint8Array): readonly ImportedCard[] {
  if (bytes.length > IMPORT_BYTES_MAX) {
    throw new RecordError(
      "VCARD_TOO_LARGE",
      "the file is larger than 4 MiB; export only your own card, without its photo",
    )
  }
  const json = readJson(bytes)
  const cards = json === undefined ? readCardLines(bytes).map(importLines) : importJson(json)
  if (cards.length > 0) return cards
  throw new RecordError(
    "VCARD_INVALID",
    "no card in this file; export your card as vCard (.vcf), jCard or JSContact and import that",
  )
}

/**
 * The edits that bring an imported card into the record.
 *
 * What the record has already is not doubled; an id that is taken by something else gets the
 * next number; the name and other single values replace those there.
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
    for (const [id, entry] of Object.entries(value)) {
      const given = addEntry(section, id, entry)
      if (given !== undefined) edits.push({ op: "set", path: [name, given], value: entry })
    }
  }
  return edits
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
export const CARD_DOCUMENT: ReturnType<typeof documentId> = documentId("card")

/** Puts an entry under an id that is free, unless the section has its equal. */
function addEntry(section: Section, wanted: string, entry: JsonValue): string | undefined {
  const written = canonicalJson(entry)
  let id = wanted
  for (let number = 2; ; number++) {
    const other = Object.hasOwn(section, id) ? section[id] : undefined
    if (other === undefined) break
    if (canonicalJson(other) === written) return undefined
    id = `${wanted}-${number}`
  }
  section[id] = entry
  return id
}

function readJson(bytes: Uint8Array): JsonValue | undefined {
  const start = bytes.findIndex((byte) => byte > 0x20 && byte < 0x80)
  if (bytes[start] !== 0x7b && bytes[start] !== 0x5b) return undefined
  try {
    const text = bytesToUtf8(bytes).replace(/^\uFEFF/, "")
    return parseJson(text, { bytesMax: IMPORT_BYTES_MAX, depthMax: 32, itemsMax: 200_000 })
  } catch (cause) {
    throw new RecordError(
      "VCARD_INVALID",
      "the file looks like JSON but cannot be read; export the card again",
      { cause },
    )
  }
}

function importJson(json: JsonValue): readonly ImportedCard[] {
  if (isObject(json)) return [importJsContact(json)]
  if (!isList(json)) return []
  if (json[0] === "vcard") return [importLines(readJCard(json))]
  return json.slice(0, 2000).flatMap((item) => {
    if (isObject(item)) return [importJsContact(item)]
    return isList(item) && item[0] === "vcard" ? [importLines(readJCard(item))] : []
  })
}

function isList(value: JsonValue | undefined): value is readonly JsonValue[] {
  return Array.isArray(value)
}

function importJsContact(json: JsonValue): ImportedCard {
  const card = checkCard(json)
  if (Object.keys(card).length === 0) {
    throw new RecordError("VCARD_INVALID", "the card is empty")
  }
  return { name: fullName(readName(card.name)), card, warnings: [] }
}

/** jCard's properties as vCard would have written them. */
function readJCard(json: readonly JsonValue[]): CardLines {
  const properties: Property[] = []
  for (const item of isList(json[1]) ? json[1].slice(0, 2000) : []) {
    const property = isList(item) ? readJCardProperty(item) : undefined
    if (property !== undefined) properties.push(property)
  }
  return { properties, isCutShort: false }
}

function readJCardProperty(item: readonly JsonValue[]): Property | undefined {
  const [name, written, type, ...values] = item
  if (typeof name !== "string" || typeof type !== "string" || written === undefined)
    return undefined
  if (!isObject(written) || values.length === 0) return undefined
  const params = new Map<string, readonly string[]>()
  for (const [key, value] of Object.entries(written)) {
    const texts = (isList(value) ? value : [value])
      .filter((text) => typeof text !== "object")
      .map(String)
    const isType = key.toLowerCase() === "type"
    params.set(key.toUpperCase(), isType ? texts.map((text) => text.toLowerCase()) : texts)
  }
  const group = params.get("GROUP")?.[0]
  params.delete("GROUP")
  if (type !== "text" && type !== "unknown") params.set("VALUE", [type])
  const isPlain = type === "uri" || type === "unknown"
  const toText = isPlain ? (text: string) => text : escapeText
  const structured = (value: JsonValue): string => {
    if (!isList(value)) return typeof value === "object" ? "" : toText(String(value))
    return value
      .map((part) => (isList(part) ? part.map(structured).join(",") : structured(part)))
      .join(";")
  }
  return {
    group,
    name: name.toUpperCase(),
    params,
    value: values.map(structured).join(","),
    isBase64: false,
  }
}

/** What properties of a vCard become, with what they say of each other. */
class Importer {
  readonly card: { [name: string]: JsonValue } = {}
  readonly warnings = new Set<string>()
  readonly kept: JsonValue[] = []
  readonly #labelsByGroup = new Map<string, string>()
  readonly #countriesByGroup = new Map<string, string>()
  readonly #groupCounts = new Map<string, number>()

  constructor(properties: readonly Property[]) {
    for (const { group, name, value } of properties) {
      if (group === undefined) continue
      const key = group.toLowerCase()
      if (name === "X-ABLABEL") this.#labelsByGroup.set(key, labelText(unescapeText(value)))
      else if (name === "X-ABADR" && /^[A-Za-z]{2}$/.test(value.trim())) {
        this.#countriesByGroup.set(key, value.trim().toUpperCase())
      } else this.#groupCounts.set(key, (this.#groupCounts.get(key) ?? 0) + 1)
    }
  }

  /** Whether this only says something of another property, which takes it. */
  isTaken({ group, name, value }: Property): boolean {
    const key = group?.toLowerCase() ?? ""
    if (!this.#groupCounts.has(key)) return false
    return name === "X-ABLABEL" || (name === "X-ABADR" && /^[A-Za-z]{2}$/.test(value.trim()))
  }

  country(property: Property): string | undefined {
    return this.#countriesByGroup.get(property.group?.toLowerCase() ?? "")
  }

  /** Adds what most entries have, and the entry to its section. */
  add(section: string, property: Property, entry: Entry, options: AddOptions = {}): void {
    const types = property.params.get("TYPE") ?? []
    const contexts = readContexts(types)
    if (contexts !== undefined) entry.contexts = contexts
    const pref = readPref(property)
    if (pref !== undefined) entry.pref = pref
    const label = this.#labelsByGroup.get(property.group?.toLowerCase() ?? "")
    if (label !== undefined && label !== "") entry.label = label
    const params = otherParams(
      property,
      new Set(options.params ?? []),
      new Set(options.types ?? []),
    )
    if (params !== undefined) entry.vCardParams = params
    const context = types.find((type) => type === "home" || type === "work")
    this.put(section, property.params.get("PROP-ID")?.[0], context ?? options.kind ?? "1", entry)
  }

  put(section: string, id: string | undefined, otherwise: string, entry: JsonValue): void {
    const entries: Section = { ...this.object(section) }
    if (Object.keys(entries).length >= ENTRIES_MAX) {
      this.warnings.add(`${section}: more entries than can be kept`)
      return
    }
    const isUsable = id !== undefined && /^[A-Za-z0-9_-]{1,255}$/.test(id) && isName(id)
    addEntry(entries, isUsable ? id : otherwise, entry)
    this.card[section] = entries
  }

  /** The object at a top-level name; empty if there is none. */
  object(name: string): CardJson {
    const value = this.card[name]
    return value !== undefined && isObject(value) ? value : {}
  }

  /** Keeps a property as it was. */
  keep(property: Property): void {
    if (this.kept.length >= ENTRIES_MAX) {
      this.warnings.add("more properties than can be kept")
      return
    }
    const params: { [name: string]: JsonValue } = {}
    if (property.group !== undefined) params.group = property.group
    for (const [name, values] of property.params) {
      const [only] = values
      const isTransfer = !property.isBase64 && (name === "ENCODING" || name === "CHARSET")
      if (name === "VALUE" || isTransfer || !isName(name.toLowerCase())) continue
      params[name.toLowerCase()] = values.length === 1 && only !== undefined ? only : [...values]
    }
    const type = property.params.get("VALUE")?.[0]?.toLowerCase() ?? "unknown"
    const value = type === "text" ? unescapeText(property.value) : oneLine(property.value)
    this.kept.push([property.name.toLowerCase(), params, type, value])
  }
}

interface AddOptions {
  /** For the id, where there is no context. */
  readonly kind?: string | undefined
  /** Parameters that are in the entry. */
  readonly params?: readonly string[]
  /** Types that are in the entry, or say nothing. */
  readonly types?: readonly string[]
}

type Handler = (property: Property, importer: Importer) => boolean

function importLines({ properties, isCutShort }: CardLines): ImportedCard {
  const importer = new Importer(properties)
  if (isCutShort) importer.warnings.add("the file ends before the card does")
  for (const property of properties) {
    if (IGNORED.has(property.name) || importer.isTaken(property)) continue
    if (property.name === "FN" && property.params.get("DERIVED")?.[0]?.toLowerCase() === "true")
      continue
    if (property.value.trim() === "" || /^[;,\s]*$/.test(property.value)) continue
    const isMedia = MEDIA.has(property.name)
    if (property.value.length > (isMedia ? MEDIA_CHARS_MAX : VALUE_CHARS_MAX)) {
      importer.warnings.add(`${property.name} left out: too large to keep in the record`)
      continue
    }
    const handler = HANDLERS.get(property.name)
    if (handler?.(property, importer) !== true) importer.keep(property)
  }
  const { card, kept } = importer
  nameInFull(card)
  if (kept.length > 0) card.vCardProps = boundKept(kept, importer)
  const warnings = [...importer.warnings]
  if (Object.keys(card).length === 0) {
    throw new RecordError("VCARD_INVALID", "the card is empty; export it again with its fields")
  }
  return { name: fullName(readName(card.name)), card, warnings }
}

/** As many of the kept properties as one register may hold. */
function boundKept(kept: readonly JsonValue[], importer: Importer): readonly JsonValue[] {
  let bytes = 2
  return kept.filter((property) => {
    const size = 3 * canonicalJson(property).length + 1
    if (bytes + size > REGISTER_BYTES_MAX) {
      importer.warnings.add("properties left out: too large to keep in the record")
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
const MEDIA: ReadonlySet<string> = new Set(["PHOTO", "LOGO", "SOUND", "KEY"])
/** Parameters that concern how a property is written, or that every entry has a field for. */
const PLAIN_PARAMS: ReadonlySet<string> = new Set([
  "TYPE",
  "PREF",
  "PROP-ID",
  "VALUE",
  "ENCODING",
  "CHARSET",
])

const text =
  (section: string, field: string, more: Entry = {}, kind?: string): Handler =>
  (property, importer) => {
    importer.add(
      section,
      property,
      { ...more, [field]: unescapeText(property.value).trim() },
      { kind },
    )
    return true
  }

const single =
  (name: string, read: (value: string) => string | undefined): Handler =>
  (property, importer) => {
    const value = read(unescapeText(property.value).trim())
    if (value === undefined || Object.hasOwn(importer.card, name)) return false
    importer.card[name] = value
    return true
  }

const uri =
  (section: string, kind?: string): Handler =>
  (property, importer) => {
    const isMedia = MEDIA.has(property.name)
    const written = mediaUri(property)
    // "www.example.org", which people write, is a link too.
    const isBare = !isMedia && /^[\w-]+(?:\.[\w-]+)+(?:[/?#:]\S*)?$/.test(written)
    if (!isBare && !/^[A-Za-z][A-Za-z0-9+.-]*:\S+$/.test(written)) return false
    const entry: Entry = { uri: isBare ? `http://${written}` : written }
    if (kind !== undefined) entry.kind = kind
    const mediaType = property.params.get("MEDIATYPE")?.[0]
    if (mediaType !== undefined) entry.mediaType = mediaType
    const types = isMedia
      ? (property.params.get("TYPE") ?? []).filter((type) => type !== "home" && type !== "work")
      : []
    const listAs = section === "directories" ? readIndex(property) : undefined
    if (listAs !== undefined) entry.listAs = listAs
    const params = listAs === undefined ? ["MEDIATYPE"] : ["MEDIATYPE", "INDEX"]
    importer.add(section, property, entry, { kind, params, types })
    return true
  }

const anniversary =
  (kind: string): Handler =>
  (property, importer) => {
    const date = readDate(unescapeText(property.value))
    if (date === undefined) return false
    const omitted = property.params.get("X-APPLE-OMIT-YEAR")?.[0]
    const { year, ...yearless } = date
    const isOmitted = omitted !== undefined && `${year}` === omitted
    const entry: Entry = { kind, date: isOmitted ? yearless : date }
    importer.add("anniversaries", property, entry, { kind, params: ["X-APPLE-OMIT-YEAR", "ALTID"] })
    return true
  }

const service =
  (name: string): Handler =>
  (property, importer) => {
    const value = unescapeText(property.value).trim()
    const isUri = /^[A-Za-z][A-Za-z0-9+.-]*:\S+$/.test(value)
    const serviceType =
      property.params.get("SERVICE-TYPE")?.[0] ?? property.params.get("X-SERVICE-TYPE")?.[0]
    const user = property.params.get("USERNAME")?.[0] ?? property.params.get("X-USER")?.[0]
    const entry: Entry = isUri ? { uri: value } : { user: value }
    if (serviceType !== undefined || name !== "") entry.service = serviceType ?? name
    if (user !== undefined) entry.user = user
    if (property.name !== "SOCIALPROFILE") entry.vCardName = property.name.toLowerCase()
    const service = String(entry.service ?? "").toLowerCase()
    importer.add("onlineServices", property, entry, {
      kind: /^[a-z0-9]{1,32}$/.test(service) ? service : undefined,
      params: ["SERVICE-TYPE", "X-SERVICE-TYPE", "USERNAME", "X-USER"],
    })
    return true
  }

const personal =
  (kind: string): Handler =>
  (property, importer) => {
    const entry: Entry = { kind, value: unescapeText(property.value).trim() }
    const level = property.params.get("LEVEL")?.[0]?.toLowerCase()
    if (level !== undefined) entry.level = LEVELS.get(level) ?? level
    const listAs = readIndex(property)
    if (listAs !== undefined) entry.listAs = listAs
    importer.add("personalInfo", property, entry, { kind, params: ["LEVEL", "INDEX"] })
    return true
  }

const LEVELS: ReadonlyMap<string, string> = new Map([
  ["beginner", "low"],
  ["average", "medium"],
  ["expert", "high"],
])

const FEATURES: ReadonlyMap<string, string> = new Map([
  ["cell", "mobile"],
  ["mobile", "mobile"],
  ["voice", "voice"],
  ["fax", "fax"],
  ["pager", "pager"],
  ["video", "video"],
  ["text", "text"],
  ["textphone", "textphone"],
  ["main-number", "main-number"],
])

const HANDLERS: ReadonlyMap<string, Handler> = new Map<string, Handler>([
  [
    "FN",
    (property, importer) => {
      const before = importer.object("name")
      if (before.full !== undefined) return false
      importer.card.name = { ...before, full: unescapeText(property.value).trim() }
      return true
    },
  ],
  ["N", (property, importer) => importName(property, importer)],
  [
    "NICKNAME",
    (property, importer) => {
      for (const name of readList(property.value)) importer.add("nicknames", property, { name })
      return true
    },
  ],
  [
    "ORG",
    (property, importer) => {
      const [name = "", ...units] = splitEscaped(property.value, ";").map((part) =>
        unescapeText(part).trim(),
      )
      const entry: Entry = {}
      if (name !== "") entry.name = name
      const named = units.filter((unit) => unit !== "").map((unit) => ({ name: unit }))
      if (named.length > 0) entry.units = named
      const sortAs = property.params.get("SORT-AS")?.[0]
      if (sortAs !== undefined) entry.sortAs = sortAs
      importer.add("organizations", property, entry, { params: ["SORT-AS"] })
      return true
    },
  ],
  ["TITLE", text("titles", "name", { kind: "title" }, "title")],
  ["ROLE", text("titles", "name", { kind: "role" }, "role")],
  [
    "EMAIL",
    (property, importer) => {
      const address = unescapeText(property.value)
        .trim()
        .replace(/^mailto:/i, "")
      if (!/^[^\s@]+@[^\s@]+$/.test(address)) return false
      importer.add("emails", property, { address }, { types: ["internet"] })
      return true
    },
  ],
  ["TEL", (property, importer) => importPhone(property, importer)],
  ["ADR", (property, importer) => importAddress(property, importer)],
  ["LABEL", (property, importer) => importLabel(property, importer)],
  [
    "NOTE",
    (property, importer) => {
      const entry: Entry = { note: unescapeText(property.value).trim() }
      const created = readTimestamp(property.params.get("CREATED")?.[0] ?? "")
      if (created !== undefined) entry.created = created
      const author: Entry = {}
      const name = property.params.get("AUTHOR-NAME")?.join(",")
      if (name !== undefined) author.name = name
      const link = property.params.get("AUTHOR")?.join(",")
      if (link !== undefined && /^[A-Za-z][A-Za-z0-9+.-]*:\S+$/.test(link)) author.uri = link
      if (Object.keys(author).length > 0) entry.author = author
      importer.add("notes", property, entry, { params: ["CREATED", "AUTHOR-NAME", "AUTHOR"] })
      return true
    },
  ],
  ["URL", uri("links")],
  ["CONTACT-URI", uri("links", "contact")],
  ["PHOTO", uri("media", "photo")],
  ["LOGO", uri("media", "logo")],
  ["SOUND", uri("media", "sound")],
  ["KEY", uri("cryptoKeys")],
  ["FBURL", uri("calendars", "freeBusy")],
  ["CALURI", uri("calendars", "calendar")],
  ["CALADRURI", uri("schedulingAddresses")],
  ["SOURCE", uri("directories", "entry")],
  ["ORG-DIRECTORY", uri("directories", "directory")],
  ["IMPP", service("")],
  ["SOCIALPROFILE", service("")],
  ["X-SOCIALPROFILE", service("")],
  ["X-AIM", service("AIM")],
  ["X-ICQ", service("ICQ")],
  ["X-JABBER", service("Jabber")],
  ["X-MSN", service("MSN")],
  ["X-YAHOO", service("Yahoo")],
  ["X-SKYPE", service("Skype")],
  ["X-SKYPE-USERNAME", service("Skype")],
  ["X-GTALK", service("GoogleTalk")],
  ["X-GOOGLE-TALK", service("GoogleTalk")],
  ["X-TWITTER", service("Twitter")],
  ["X-MS-IMADDRESS", service("")],
  ["BDAY", anniversary("birth")],
  ["DEATHDATE", anniversary("death")],
  ["ANNIVERSARY", anniversary("wedding")],
  ["X-ANNIVERSARY", anniversary("wedding")],
  ["X-MS-ANNIVERSARY", anniversary("wedding")],
  ["X-EVOLUTION-ANNIVERSARY", anniversary("wedding")],
  [
    "CATEGORIES",
    (property, importer) => {
      const keywords: Section = { ...importer.object("keywords") }
      for (const word of readList(property.value)) {
        if (isName(word)) keywords[word] = true
      }
      if (Object.keys(keywords).length > 0) importer.card.keywords = keywords
      return true
    },
  ],
  ["LANG", text("preferredLanguages", "language")],
  ["HOBBY", personal("hobby")],
  ["INTEREST", personal("interest")],
  ["EXPERTISE", personal("expertise")],
  ["KIND", single("kind", (value) => value.toLowerCase())],
  ["UID", single("uid", (value) => value)],
  ["PRODID", single("prodId", (value) => value)],
  [
    "LANGUAGE",
    single("language", (value) => (/^[A-Za-z0-9-]{1,64}$/.test(value) ? value : undefined)),
  ],
  ["REV", single("updated", readTimestamp)],
  ["CREATED", single("created", readTimestamp)],
  [
    "MEMBER",
    (property, importer) => addFlag(importer, "members", unescapeText(property.value).trim()),
  ],
  [
    "GRAMGENDER",
    (property, importer) => {
      importer.card.speakToAs = {
        ...importer.object("speakToAs"),
        grammaticalGender: property.value.trim().toLowerCase(),
      }
      return true
    },
  ],
  [
    "PRONOUNS",
    (property, importer) => {
      const pronouns: Section = {}
      const before = importer.object("speakToAs").pronouns
      if (before !== undefined && isObject(before)) Object.assign(pronouns, before)
      const entry: Entry = { pronouns: unescapeText(property.value).trim() }
      const contexts = readContexts(property.params.get("TYPE") ?? [])
      if (contexts !== undefined) entry.contexts = contexts
      const pref = readPref(property)
      if (pref !== undefined) entry.pref = pref
      const id = property.params.get("PROP-ID")?.[0] ?? "1"
      addEntry(pronouns, /^[A-Za-z0-9_-]{1,255}$/.test(id) ? id : "1", entry)
      importer.card.speakToAs = { ...importer.object("speakToAs"), pronouns }
      return true
    },
  ],
  [
    "RELATED",
    (property, importer) => {
      const to = unescapeText(property.value).trim()
      const relation: Section = {}
      for (const type of property.params.get("TYPE") ?? []) {
        if (isName(type)) relation[type] = true
      }
      return addMember(importer, "relatedTo", to, { relation })
    },
  ],
  ["JSPROP", (property, importer) => importJsProp(property, importer)],
])

function importName(property: Property, importer: Importer): boolean {
  const name = importer.object("name")
  if (name.components !== undefined || property.params.has("PHONETIC")) return false
  const sortAs: Section = {}
  const [surname, given] = property.params.get("SORT-AS") ?? []
  const sorts = given === undefined && surname !== undefined ? surname.split(",") : [surname, given]
  if (sorts[0]) sortAs.surname = sorts[0]
  if (sorts[1]) sortAs.given = sorts[1]
  const structure = structured(NAME_STRUCTURE, property)
  if (structure === undefined) return false
  importer.card.name = {
    ...name,
    ...structure,
    ...(Object.keys(sortAs).length === 0 ? {} : { sortAs }),
  }
  return true
}

function structured(structure: Structure, property: Property): Entry | undefined {
  const order = property.params.get("JSCOMPS")?.join(",")
  const { components, isOrdered, defaultSeparator } = readStructure(
    structure,
    property.value,
    order,
  )
  if (components.length === 0) return undefined
  const entry: Entry = { components: components.map((part) => ({ ...part })) }
  if (isOrdered) entry.isOrdered = true
  if (defaultSeparator !== undefined) entry.defaultSeparator = defaultSeparator
  return entry
}

function importAddress(property: Property, importer: Importer): boolean {
  const entry: Entry = structured(ADDRESS_STRUCTURE, property) ?? {}
  const full = property.params.get("LABEL")?.join(",")
  if (full !== undefined) entry.full = unescapeText(full)
  const countryCode = property.params.get("CC")?.[0] ?? importer.country(property)
  if (countryCode !== undefined && /^[A-Za-z]{2}$/.test(countryCode))
    entry.countryCode = countryCode
  const coordinates = property.params.get("GEO")?.join(",")
  if (coordinates !== undefined && /^geo:\S+$/.test(coordinates)) entry.coordinates = coordinates
  const timeZone = property.params.get("TZ")?.[0]
  if (timeZone !== undefined) entry.timeZone = timeZone
  if (Object.keys(entry).length === 0) return false
  importer.add("addresses", property, entry, {
    params: ["LABEL", "CC", "JSCOMPS", "TZ", ...(entry.coordinates === undefined ? [] : ["GEO"])],
    types: ["postal", "parcel", "dom", "intl"],
  })
  return true
}

/** 2.1 and 3.0: what is printed on the address of the same context. */
function importLabel(property: Property, importer: Importer): boolean {
  const full = unescapeText(property.value).trim()
  const contexts = canonicalJson(readContexts(property.params.get("TYPE") ?? []) ?? {})
  const addresses = importer.object("addresses")
  for (const [id, address] of Object.entries(addresses)) {
    if (!isObject(address) || address.full !== undefined) continue
    if (canonicalJson(address.contexts ?? {}) !== contexts) continue
    importer.card.addresses = { ...addresses, [id]: { ...address, full } }
    return true
  }
  importer.add("addresses", property, { full }, { types: ["postal", "parcel", "dom", "intl"] })
  return true
}

function importPhone(property: Property, importer: Importer): boolean {
  const types = property.params.get("TYPE") ?? []
  const features: Section = {}
  for (const type of types) {
    const feature = FEATURES.get(type)
    if (feature !== undefined) features[feature] = true
  }
  const entry: Entry = { number: unescapeText(property.value).trim() }
  if (Object.keys(features).length > 0) entry.features = features
  const kind = Object.keys(features).find((feature) => feature !== "voice")
  importer.add("phones", property, entry, { kind, types: [...FEATURES.keys()] })
  return true
}

/** What vCard has no property for, by JSON pointer. */
function importJsProp(property: Property, importer: Importer): boolean {
  const path = keyToPath(`/${property.params.get("JSPTR")?.join(",") ?? ""}`)
  if (path === undefined) return false
  try {
    const value = parseJson(unescapeText(property.value), CARD_LIMITS)
    const next = withMember(importer.card, path, value)
    if (next === undefined) return false
    Object.assign(importer.card, next)
    return true
  } catch {
    // Not JSON: kept as it was.
    return false
  }
}

function withMember(
  object: CardJson,
  path: readonly string[],
  value: JsonValue,
): CardJson | undefined {
  const [name, ...rest] = path
  if (name === undefined) return undefined
  if (rest.length === 0) return { ...object, [name]: value }
  const member = Object.hasOwn(object, name) ? object[name] : {}
  if (member === undefined || !isObject(member)) return undefined
  const inner = withMember(member, rest, value)
  return inner === undefined ? undefined : { ...object, [name]: inner }
}

function addFlag(importer: Importer, section: string, name: string): boolean {
  return addMember(importer, section, name, true)
}

function addMember(importer: Importer, section: string, name: string, value: JsonValue): boolean {
  if (name === "" || !isName(name)) return false
  importer.card[section] = { ...importer.object(section), [name]: value }
  return true
}

function readContexts(types: readonly string[]): { [context: string]: boolean } | undefined {
  const contexts: { [context: string]: boolean } = {}
  if (types.includes("home")) contexts.private = true
  if (types.includes("work")) contexts.work = true
  // Of addresses only (RFC 9554); nothing else has these types.
  if (types.includes("billing")) contexts.billing = true
  if (types.includes("delivery")) contexts.delivery = true
  return Object.keys(contexts).length === 0 ? undefined : contexts
}

function readPref(property: Property): number | undefined {
  if (property.params.get("TYPE")?.includes("pref")) return 1
  const pref = Number(property.params.get("PREF")?.[0] ?? Number.NaN)
  return Number.isInteger(pref) && pref >= 1 && pref <= 100 ? pref : undefined
}

function readIndex(property: Property): number | undefined {
  const index = Number(property.params.get("INDEX")?.[0] ?? Number.NaN)
  return Number.isInteger(index) && index >= 1 && index <= 10_000 ? index : undefined
}

/** What no field of the entry says. */
function otherParams(
  property: Property,
  params: ReadonlySet<string>,
  types: ReadonlySet<string>,
): { [name: string]: JsonValue } | undefined {
  const others: { [name: string]: JsonValue } = {}
  for (const [name, values] of property.params) {
    if (PLAIN_PARAMS.has(name) || params.has(name)) continue
    const [only] = values
    if (!isName(name.toLowerCase()) || only === undefined) continue
    others[name.toLowerCase()] = values.length === 1 ? only : [...values]
  }
  const left = (property.params.get("TYPE") ?? []).filter(
    (type) => !["home", "work", "billing", "delivery", "pref"].includes(type) && !types.has(type),
  )
  if (left.length > 0) others.type = left
  return Object.keys(others).length === 0 ? undefined : others
}

/** A picture within the card becomes a `data:` URI. */
function mediaUri(property: Property): string {
  if (!property.isBase64) return unescapeText(property.value).trim()
  const type = (property.params.get("TYPE") ?? []).find(
    (name) => name !== "home" && name !== "work",
  )
  return `data:${mediaTypeOf(property, type)};base64,${property.value}`
}

function mediaTypeOf(property: Property, type: string | undefined): string {
  if (type?.includes("/") === true) return type
  const known = MEDIA_TYPES.get(type ?? "")
  if (known !== undefined) return known
  const byStart = MEDIA_STARTS.find(([start]) => property.value.startsWith(start))
  if (byStart !== undefined) return byStart[1]
  const family = property.name === "SOUND" ? "audio" : "image"
  const isKnown = type !== undefined && property.name !== "KEY" && /^[a-z0-9.+-]{1,40}$/.test(type)
  return isKnown ? `${family}/${type}` : "application/octet-stream"
}

const MEDIA_TYPES: ReadonlyMap<string, string> = new Map([
  ["jpg", "image/jpeg"],
  ["jpeg", "image/jpeg"],
  ["x509", "application/pkix-cert"],
  ["pgp", "application/pgp-keys"],
])

/** How base64 of JPEG, PNG and GIF begins. */
const MEDIA_STARTS: readonly (readonly [string, string])[] = [
  ["/9j/", "image/jpeg"],
  ["iVBORw0KGgo", "image/png"],
  ["R0lGOD", "image/gif"],
]

/** Apple writes its own labels as `_$!<HomePage>!$_`. */
function labelText(label: string): string {
  return /^_\$!<(.*)>!\$_$/.exec(label)?.[1] ?? label
}

/** Whether it can be a segment of a path. */
function isName(text: string): boolean {
  return keyToPath(`/${escapeSegment(text)}`) !== undefined
}

function oneLine(value: string): string {
  return value.replace(/\r\n|\r|\n/g, "\\n")
}
