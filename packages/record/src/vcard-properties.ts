/**
 * What each property of a vCard becomes in JSContact (RFC 9555).
 *
 * @module
 */
import { canonicalJson, type JsonValue, parseJson } from "@fulcrum/codec/json"
import {
  addEntry,
  type CardBuilder,
  type Entry,
  isName,
  readContexts,
  readIndex,
  readPref,
  type Section,
} from "./card-builder.ts"
import { type Property, readList, splitEscaped, unescapeText } from "./content-lines.ts"
import { CARD_LIMITS, type CardJson, checkCard } from "./jscontact.ts"
import { isObject, keyToPath } from "./registers.ts"
import {
  ADDRESS_STRUCTURE,
  NAME_STRUCTURE,
  readStructure,
  type Structure,
} from "./vcard-address.ts"
import { isNoDay, readDate, readTimestamp } from "./vcard-dates.ts"
import { mediaUri } from "./vcard-media.ts"

/** Puts what a property says into the card; `false` if it cannot: it is then kept as it was. */
export type Handler = (property: Property, builder: CardBuilder) => boolean

export const MEDIA: ReadonlySet<string> = new Set(["PHOTO", "LOGO", "SOUND", "KEY"])
const text =
  (section: string, field: string, more: Entry = {}, kind?: string): Handler =>
  (property, builder) => {
    builder.add(
      section,
      property,
      { ...more, [field]: unescapeText(property.value).trim() },
      { kind },
    )
    return true
  }

const single =
  (name: string, read: (value: string) => string | undefined): Handler =>
  (property, builder) => {
    const value = read(unescapeText(property.value).trim())
    if (value === undefined || Object.hasOwn(builder.card, name)) return false
    builder.card[name] = value
    return true
  }

const uri =
  (section: string, kind?: string): Handler =>
  (property, builder) => {
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
    builder.add(section, property, entry, { kind, params, types })
    return true
  }

const anniversary =
  (kind: string): Handler =>
  (property, builder) => {
    const written = unescapeText(property.value)
    const date = readDate(written)
    if (date === undefined) {
      if (!isNoDay(written)) return false
      builder.warnings.add(`${property.name} left out: there is no such day`)
      return true
    }
    const omitted = property.params.get("X-APPLE-OMIT-YEAR")?.[0]
    const { year, ...yearless } = date
    const isOmitted = omitted !== undefined && `${year}` === omitted
    const entry: Entry = { kind, date: isOmitted ? yearless : date }
    builder.add("anniversaries", property, entry, { kind, params: ["X-APPLE-OMIT-YEAR", "ALTID"] })
    return true
  }

const service =
  (name: string): Handler =>
  (property, builder) => {
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
    builder.add("onlineServices", property, entry, {
      kind: /^[a-z0-9]{1,32}$/.test(service) ? service : undefined,
      params: ["SERVICE-TYPE", "X-SERVICE-TYPE", "USERNAME", "X-USER"],
    })
    return true
  }

const personal =
  (kind: string): Handler =>
  (property, builder) => {
    const entry: Entry = { kind, value: unescapeText(property.value).trim() }
    const level = property.params.get("LEVEL")?.[0]?.toLowerCase()
    if (level !== undefined) entry.level = LEVELS.get(level) ?? level
    const listAs = readIndex(property)
    if (listAs !== undefined) entry.listAs = listAs
    builder.add("personalInfo", property, entry, { kind, params: ["LEVEL", "INDEX"] })
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

export const HANDLERS: ReadonlyMap<string, Handler> = new Map<string, Handler>([
  [
    "FN",
    (property, builder) => {
      const before = builder.object("name")
      if (before.full !== undefined) return false
      builder.card.name = { ...before, full: unescapeText(property.value).trim() }
      return true
    },
  ],
  ["N", (property, builder) => importName(property, builder)],
  [
    "NICKNAME",
    (property, builder) => {
      for (const name of readList(property.value)) builder.add("nicknames", property, { name })
      return true
    },
  ],
  [
    "ORG",
    (property, builder) => {
      const [name = "", ...units] = splitEscaped(property.value, ";").map((part) =>
        unescapeText(part).trim(),
      )
      const entry: Entry = {}
      if (name !== "") entry.name = name
      const named = units.filter((unit) => unit !== "").map((unit) => ({ name: unit }))
      if (named.length > 0) entry.units = named
      const sortAs = property.params.get("SORT-AS")?.[0]
      if (sortAs !== undefined) entry.sortAs = sortAs
      builder.add("organizations", property, entry, { params: ["SORT-AS"] })
      return true
    },
  ],
  ["TITLE", text("titles", "name", { kind: "title" }, "title")],
  ["ROLE", text("titles", "name", { kind: "role" }, "role")],
  [
    "EMAIL",
    (property, builder) => {
      const address = unescapeText(property.value)
        .trim()
        .replace(/^mailto:/i, "")
      if (!/^[^\s@]+@[^\s@]+$/.test(address)) return false
      builder.add("emails", property, { address }, { types: ["internet"] })
      return true
    },
  ],
  ["TEL", (property, builder) => importPhone(property, builder)],
  ["ADR", (property, builder) => importAddress(property, builder)],
  ["LABEL", (property, builder) => importLabel(property, builder)],
  [
    "NOTE",
    (property, builder) => {
      const entry: Entry = { note: unescapeText(property.value).trim() }
      const created = readTimestamp(property.params.get("CREATED")?.[0] ?? "")
      if (created !== undefined) entry.created = created
      const author: Entry = {}
      const name = property.params.get("AUTHOR-NAME")?.join(",")
      if (name !== undefined) author.name = name
      const link = property.params.get("AUTHOR")?.join(",")
      if (link !== undefined && /^[A-Za-z][A-Za-z0-9+.-]*:\S+$/.test(link)) author.uri = link
      if (Object.keys(author).length > 0) entry.author = author
      builder.add("notes", property, entry, { params: ["CREATED", "AUTHOR-NAME", "AUTHOR"] })
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
    (property, builder) => {
      const keywords: Section = { ...builder.object("keywords") }
      for (const word of readList(property.value)) {
        if (isName(word)) keywords[word] = true
      }
      if (Object.keys(keywords).length > 0) builder.card.keywords = keywords
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
    (property, builder) => addFlag(builder, "members", unescapeText(property.value).trim()),
  ],
  [
    "GRAMGENDER",
    (property, builder) => {
      builder.card.speakToAs = {
        ...builder.object("speakToAs"),
        grammaticalGender: property.value.trim().toLowerCase(),
      }
      return true
    },
  ],
  [
    "PRONOUNS",
    (property, builder) => {
      const pronouns: Section = {}
      const before = builder.object("speakToAs").pronouns
      if (before !== undefined && isObject(before)) Object.assign(pronouns, before)
      const entry: Entry = { pronouns: unescapeText(property.value).trim() }
      const contexts = readContexts(property.params.get("TYPE") ?? [])
      if (contexts !== undefined) entry.contexts = contexts
      const pref = readPref(property)
      if (pref !== undefined) entry.pref = pref
      const id = property.params.get("PROP-ID")?.[0] ?? "1"
      addEntry(pronouns, /^[A-Za-z0-9_-]{1,255}$/.test(id) ? id : "1", entry)
      builder.card.speakToAs = { ...builder.object("speakToAs"), pronouns }
      return true
    },
  ],
  [
    "RELATED",
    (property, builder) => {
      const to = unescapeText(property.value).trim()
      const relation: Section = {}
      for (const type of property.params.get("TYPE") ?? []) {
        if (isName(type)) relation[type] = true
      }
      return addMember(builder, "relatedTo", to, { relation })
    },
  ],
  ["JSPROP", (property, builder) => importJsProp(property, builder)],
])

function importName(property: Property, builder: CardBuilder): boolean {
  const name = builder.object("name")
  if (name.components !== undefined || property.params.has("PHONETIC")) return false
  const sortAs: Section = {}
  const [surname, given] = property.params.get("SORT-AS") ?? []
  const sorts = given === undefined && surname !== undefined ? surname.split(",") : [surname, given]
  if (sorts[0]) sortAs.surname = sorts[0]
  if (sorts[1]) sortAs.given = sorts[1]
  const structure = structured(NAME_STRUCTURE, property)
  if (structure === undefined) return false
  builder.card.name = {
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

function importAddress(property: Property, builder: CardBuilder): boolean {
  const entry: Entry = structured(ADDRESS_STRUCTURE, property) ?? {}
  const full = property.params.get("LABEL")?.join(",")
  if (full !== undefined) entry.full = unescapeText(full)
  const countryCode = property.params.get("CC")?.[0] ?? builder.country(property)
  if (countryCode !== undefined && /^[A-Za-z]{2}$/.test(countryCode))
    entry.countryCode = countryCode
  const coordinates = property.params.get("GEO")?.join(",")
  if (coordinates !== undefined && /^geo:\S+$/.test(coordinates)) entry.coordinates = coordinates
  const timeZone = property.params.get("TZ")?.[0]
  if (timeZone !== undefined) entry.timeZone = timeZone
  if (Object.keys(entry).length === 0) return true
  builder.add("addresses", property, entry, {
    params: ["LABEL", "CC", "JSCOMPS", "TZ", ...(entry.coordinates === undefined ? [] : ["GEO"])],
    types: ["postal", "parcel", "dom", "intl"],
  })
  return true
}

/** 2.1 and 3.0: what is printed on the address of the same context. */
function importLabel(property: Property, builder: CardBuilder): boolean {
  const full = unescapeText(property.value).trim()
  const contexts = canonicalJson(readContexts(property.params.get("TYPE") ?? []) ?? {})
  const addresses = builder.object("addresses")
  for (const [id, address] of Object.entries(addresses)) {
    if (!isObject(address) || address.full !== undefined) continue
    if (canonicalJson(address.contexts ?? {}) !== contexts) continue
    builder.card.addresses = { ...addresses, [id]: { ...address, full } }
    return true
  }
  builder.add("addresses", property, { full }, { types: ["postal", "parcel", "dom", "intl"] })
  return true
}

function importPhone(property: Property, builder: CardBuilder): boolean {
  const types = property.params.get("TYPE") ?? []
  const features: Section = {}
  for (const type of types) {
    const feature = FEATURES.get(type)
    if (feature !== undefined) features[feature] = true
  }
  const entry: Entry = { number: unescapeText(property.value).trim() }
  if (Object.keys(features).length > 0) entry.features = features
  const kind = Object.keys(features).find((feature) => feature !== "voice")
  builder.add("phones", property, entry, { kind, types: [...FEATURES.keys()] })
  return true
}

/** What vCard has no property for, by JSON pointer. */
function importJsProp(property: Property, builder: CardBuilder): boolean {
  const path = keyToPath(`/${property.params.get("JSPTR")?.join(",") ?? ""}`)
  if (path === undefined) return false
  try {
    const value = parseJson(unescapeText(property.value), CARD_LIMITS)
    const next = withMember(builder.card, path, value)
    const top = path[0] ?? ""
    if (next === undefined || path.length > 8) return false
    checkCard({ [top]: next[top] })
    Object.assign(builder.card, next)
    return true
  } catch {
    // Not JSON, or not what a card may hold there: kept as it was.
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

function addFlag(builder: CardBuilder, section: string, name: string): boolean {
  return addMember(builder, section, name, true)
}

function addMember(builder: CardBuilder, section: string, name: string, value: JsonValue): boolean {
  if (name === "" || !isName(name)) return false
  builder.card[section] = { ...builder.object(section), [name]: value }
  return true
}
