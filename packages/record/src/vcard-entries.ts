/**
 * How each entry of a card is written as a vCard 4.0 property (RFC 9555).
 *
 * @module
 */

import type { JsonValue } from "@fulcrum/codec/json"
import { escapeText } from "./content-lines.ts"
import { type CardJson, readComponentList, readPartialDate } from "./jscontact.ts"
import { isObject } from "./registers.ts"
import { ADDRESS_STRUCTURE, writeStructure } from "./vcard-address.ts"
import { writeDate, writeTimestamp } from "./vcard-dates.ts"

export type Params = [string, readonly string[]][]

export interface Written {
  readonly name: string
  /** Escaped. */
  readonly value: string
  readonly params?: Params
  /** Fields of the entry that are in the property. */
  readonly fields: readonly string[]
}

/** Writes an entry; `undefined` if vCard cannot say what it mainly is. */
export type EntryWriter = (entry: CardJson) => Written | undefined

export const textEntry =
  (name: string, field: string, ...others: readonly string[]): EntryWriter =>
  (entry) => {
    const value = entry[field]
    if (typeof value !== "string") return undefined
    return { name, value: escapeText(value), fields: [field, ...others] }
  }

/** The property's name depends on the kind; no kind is the first. */
const byKind =
  (field: string, names: ReadonlyMap<string, string>, isUri: boolean): EntryWriter =>
  (entry) => {
    const { kind } = entry
    const value = entry[field]
    const name = names.get(typeof kind === "string" ? kind : "")
    if (name === undefined || typeof value !== "string") return undefined
    const params: Params = []
    const fields = [field, "kind"]
    const { mediaType } = entry
    if (name === "ORG-DIRECTORY" && typeof entry.listAs === "number") {
      params.push(["INDEX", [`${entry.listAs}`]])
      fields.push("listAs")
    }
    if (isUri && typeof mediaType === "string") {
      params.push(["MEDIATYPE", [mediaType]])
      fields.push("mediaType")
    }
    return { name, value: isUri ? uriText(value) : escapeText(value), params, fields }
  }

/** A URI has no escapes, and no line breaks. */
function uriText(value: string): string {
  return value.replaceAll("\\", "%5C").replace(/\s/g, "%20")
}

export const ENTRIES: ReadonlyMap<string, EntryWriter> = new Map<string, EntryWriter>([
  ["nicknames", textEntry("NICKNAME", "name")],
  ["emails", textEntry("EMAIL", "address")],
  ["preferredLanguages", textEntry("LANG", "language")],
  [
    "titles",
    byKind(
      "name",
      new Map([
        ["", "TITLE"],
        ["title", "TITLE"],
        ["role", "ROLE"],
      ]),
      false,
    ),
  ],
  ["organizations", writeOrganization],
  ["phones", writePhone],
  ["addresses", writeAddress],
  ["anniversaries", writeAnniversary],
  ["notes", writeNote],
  ["onlineServices", writeService],
  ["personalInfo", writePersonal],
  [
    "links",
    byKind(
      "uri",
      new Map([
        ["", "URL"],
        ["contact", "CONTACT-URI"],
      ]),
      true,
    ),
  ],
  [
    "media",
    byKind(
      "uri",
      new Map([
        ["photo", "PHOTO"],
        ["logo", "LOGO"],
        ["sound", "SOUND"],
      ]),
      true,
    ),
  ],
  ["cryptoKeys", byKind("uri", new Map([["", "KEY"]]), true)],
  [
    "calendars",
    byKind(
      "uri",
      new Map([
        ["calendar", "CALURI"],
        ["freeBusy", "FBURL"],
      ]),
      true,
    ),
  ],
  ["schedulingAddresses", byKind("uri", new Map([["", "CALADRURI"]]), true)],
  [
    "directories",
    byKind(
      "uri",
      new Map([
        ["entry", "SOURCE"],
        ["directory", "ORG-DIRECTORY"],
      ]),
      true,
    ),
  ],
])

/** Whether the list holds nothing but kinds and values. */
export function isPlainList(list: JsonValue | undefined): boolean {
  if (!Array.isArray(list)) return false
  return list.every(
    (item: JsonValue) =>
      isObject(item) &&
      Object.keys(item).every((field) => ["kind", "value", "@type"].includes(field)),
  )
}

function writeOrganization({ name, units, sortAs }: CardJson): Written | undefined {
  const unitNames = (Array.isArray(units) ? units : []).map((unit: JsonValue) =>
    isObject(unit) && typeof unit.name === "string" && unit.sortAs === undefined
      ? unit.name
      : undefined,
  )
  if (unitNames.includes(undefined) || (name !== undefined && typeof name !== "string"))
    return undefined
  const parts = [name ?? "", ...unitNames.filter((unit) => unit !== undefined)]
  const params: Params = typeof sortAs === "string" ? [["SORT-AS", [sortAs]]] : []
  return {
    name: "ORG",
    value: parts.map(escapeText).join(";"),
    params,
    fields: ["name", "units", "sortAs"],
  }
}

function writePhone({ number, features }: CardJson): Written | undefined {
  if (typeof number !== "string") return undefined
  const types: string[] = []
  const known = ["voice", "fax", "pager", "video", "text", "textphone", "main-number", "mobile"]
  const names = features !== undefined && isObject(features) ? Object.entries(features) : []
  const isWritable = names.every(([feature, isIn]) => isIn === true && known.includes(feature))
  if (isWritable) types.push(...names.map(([feature]) => (feature === "mobile" ? "cell" : feature)))
  const params: Params = [["TYPE", types]]
  const isUri = /^tel:/i.test(number)
  if (isUri) params.push(["VALUE", ["uri"]])
  return {
    name: "TEL",
    value: isUri ? uriText(number) : escapeText(number),
    params,
    fields: isWritable ? ["number", "features"] : ["number"],
  }
}

function writeAddress(address: CardJson): Written | undefined {
  const fields: string[] = []
  const params: Params = []
  const separator =
    typeof address.defaultSeparator === "string" ? address.defaultSeparator : undefined
  const written = writeStructure(
    ADDRESS_STRUCTURE,
    readComponentList(address.components),
    separator,
  )
  if (written.isComplete && isPlainList(address.components)) {
    fields.push("components")
    if (address.isOrdered === true) {
      params.push(["JSCOMPS", [written.shownOrder]])
      fields.push("isOrdered", "defaultSeparator")
    }
  }
  for (const [field, param] of [
    ["full", "LABEL"],
    ["countryCode", "CC"],
    ["coordinates", "GEO"],
    ["timeZone", "TZ"],
  ] as const) {
    const value = address[field]
    if (typeof value !== "string") continue
    params.push([param, [value]])
    fields.push(field)
  }
  return { name: "ADR", value: written.value, params, fields }
}

function writeAnniversary({ kind, date }: CardJson): Written | undefined {
  const name = new Map([
    ["birth", "BDAY"],
    ["death", "DEATHDATE"],
    ["wedding", "ANNIVERSARY"],
  ]).get(String(kind))
  if (name === undefined || date === undefined || !isObject(date)) return undefined
  if (Object.keys(date).some((field) => !DATE_FIELDS.has(field))) return undefined
  const partial = readPartialDate(date)
  const value = writeDate(partial)
  if (value === undefined) return undefined
  const params: Params = partial.utc === undefined ? [] : [["VALUE", ["timestamp"]]]
  return { name, value, params, fields: ["kind", "date"] }
}

const DATE_FIELDS: ReadonlySet<string> = new Set(["@type", "year", "month", "day", "utc"])

function writeNote({ note, created, author }: CardJson): Written | undefined {
  if (typeof note !== "string") return undefined
  const fields = ["note"]
  const params: Params = []
  if (typeof created === "string") {
    params.push(["CREATED", [writeTimestamp(created)]])
    fields.push("created")
  }
  const { name, uri, ...others } = author !== undefined && isObject(author) ? author : {}
  const isWritable = [name, uri].every((value) => value === undefined || typeof value === "string")
  if (author !== undefined && isObject(author) && isWritable && Object.keys(others).length === 0) {
    if (typeof name === "string") params.push(["AUTHOR-NAME", [name]])
    if (typeof uri === "string") params.push(["AUTHOR", [uri]])
    fields.push("author")
  }
  return { name: "NOTE", value: escapeText(note), params, fields }
}

function writeService({ uri, user, service, vCardName }: CardJson): Written | undefined {
  const value = typeof uri === "string" ? uri : user
  if (typeof value !== "string") return undefined
  const name =
    typeof vCardName === "string" && /^[a-z0-9-]+$/i.test(vCardName)
      ? vCardName.toUpperCase()
      : "SOCIALPROFILE"
  const params: Params = []
  const isUri = typeof uri === "string"
  if (!isUri && name === "SOCIALPROFILE") params.push(["VALUE", ["text"]])
  if (typeof service === "string") params.push(["SERVICE-TYPE", [service]])
  if (isUri && typeof user === "string") params.push(["USERNAME", [user]])
  return {
    name,
    value: isUri ? uriText(value) : escapeText(value),
    params,
    fields: ["uri", "user", "service", "vCardName"],
  }
}

function writePersonal({ kind, value, level, listAs }: CardJson): Written | undefined {
  const name = new Map([
    ["expertise", "EXPERTISE"],
    ["hobby", "HOBBY"],
    ["interest", "INTEREST"],
  ]).get(String(kind))
  if (name === undefined || typeof value !== "string") return undefined
  const params: Params = []
  if (typeof level === "string")
    params.push(["LEVEL", [name === "EXPERTISE" ? (EXPERT_LEVELS.get(level) ?? level) : level]])
  if (typeof listAs === "number") params.push(["INDEX", [`${listAs}`]])
  return { name, value: escapeText(value), params, fields: ["kind", "value", "level", "listAs"] }
}

const EXPERT_LEVELS: ReadonlyMap<string, string> = new Map([
  ["low", "beginner"],
  ["medium", "average"],
  ["high", "expert"],
])
