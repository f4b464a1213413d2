/**
 * Cards to files: vCard 4.0 (RFC 6350, with RFC 9554's additions) and JSContact.
 *
 * Each entry carries its id as `PROP-ID`, and whatever vCard has no property for goes into
 * `JSPROP` (RFC 9555), so that an import of the export gives the same card.
 *
 * @module
 */
import { canonicalJson, type JsonValue } from "@fulcrum/codec/json"
import { escapeText, writeLine } from "./content-lines.ts"
import { type CardJson, fullName, readName } from "./jscontact.ts"
import { escapeSegment, isObject } from "./registers.ts"
import { NAME_STRUCTURE, writeStructure } from "./vcard-address.ts"
import { writeTimestamp } from "./vcard-dates.ts"
import {
  ENTRIES,
  type EntryWriter,
  isPlainList,
  type Params,
  textEntry,
  type Written,
} from "./vcard-entries.ts"

/** @param card - The `card` document as it reads. */
export function writeJsContact(card: JsonValue | undefined): JsonValue {
  const properties = card !== undefined && isObject(card) ? card : {}
  return { "@type": "Card", version: "1.0", ...properties }
}

/** @param card - The `card` document as it reads. */
export function writeVcard(card: JsonValue | undefined): string {
  const writer = new Writer()
  writer.line("BEGIN", "VCARD")
  writer.line("VERSION", "4.0")
  const properties = card !== undefined && isObject(card) ? card : {}
  writeFullName(writer, properties.name)
  for (const [name, value] of Object.entries(properties)) {
    if (name === "@type" || name === "version") continue
    if (!writeProperty(writer, name, value)) writer.jsProp([name], value)
  }
  writer.line("END", "VCARD")
  return writer.text
}

class Writer {
  text = ""
  #groupCount = 0

  line(name: string, value: string, params: Params = [], group?: string): void {
    this.text += writeLine({ group, name, params, value })
  }

  newGroup(): string {
    this.#groupCount++
    return `item${this.#groupCount}`
  }

  /** What vCard has no property for. */
  jsProp(path: readonly string[], value: JsonValue): void {
    const pointer = path.map(escapeSegment).join("/")
    this.line("JSPROP", escapeText(canonicalJson(value)), [["JSPTR", [pointer]]])
  }
}

function writeProperty(writer: Writer, name: string, value: JsonValue): boolean {
  if (name === "vCardProps") return writeKept(writer, value)
  if (typeof value === "string") {
    const written = SINGLES.get(name)?.(value)
    if (written === undefined) return false
    writer.line(written.name, written.value, written.params ?? [])
    return true
  }
  if (!isObject(value)) return false
  if (name === "name") return writeName(writer, value)
  if (name === "keywords") return writeKeywords(writer, value)
  if (name === "members") return writeMembers(writer, value)
  if (name === "relatedTo") return writeRelated(writer, value)
  if (name === "speakToAs") return writeSpeakToAs(writer, value)
  const entryWriter = ENTRIES.get(name)
  if (entryWriter === undefined) return false
  for (const [id, entry] of Object.entries(value)) {
    if (!isObject(entry) || !writeEntry(writer, [name, id], entry, entryWriter)) {
      writer.jsProp([name, id], entry)
    }
  }
  return true
}

/** The property, its label, and what is left of the entry. */
function writeEntry(
  writer: Writer,
  path: readonly string[],
  entry: CardJson,
  write: EntryWriter,
): boolean {
  const written = write(entry)
  if (written === undefined) return false
  const fields = new Set(["@type", ...written.fields])
  const common = commonParams(entry, path.at(-1) ?? "", fields, written.params ?? [])
  const group = typeof entry.label === "string" ? writer.newGroup() : undefined
  writer.line(written.name, written.value, common, group)
  if (group !== undefined && typeof entry.label === "string") {
    fields.add("label")
    writer.line("X-ABLabel", escapeText(entry.label), [], group)
  }
  for (const [field, value] of Object.entries(entry)) {
    if (!fields.has(field)) writer.jsProp([...path, field], value)
  }
  return true
}

function commonParams(entry: CardJson, id: string, fields: Set<string>, own: Params): Params {
  const types = own.filter(([name]) => name === "TYPE").flatMap(([, values]) => values)
  const params: Params = own.filter(([name]) => name !== "TYPE")
  const contexts = typesOfContexts(entry.contexts)
  if (contexts !== undefined) fields.add("contexts")
  const kept = entry.vCardParams
  const keptTypes: string[] = []
  if (kept !== undefined && isObject(kept) && Object.values(kept).every(isParamValue)) {
    fields.add("vCardParams")
    for (const [name, value] of Object.entries(kept)) {
      if (name === "type") keptTypes.push(...paramValues(value))
      else params.push([name.toUpperCase(), paramValues(value)])
    }
  }
  const allTypes = [...(contexts ?? []), ...types, ...keptTypes]
  const { pref } = entry
  if (typeof pref === "number" && pref >= 1 && pref <= 100) fields.add("pref")
  return [
    ...(allTypes.length === 0 ? [] : [["TYPE", allTypes] satisfies Params[number]]),
    ...(fields.has("pref") ? [["PREF", [`${pref}`]] satisfies Params[number]] : []),
    ["PROP-ID", [id]],
    ...params,
  ]
}

const VCARD_CONTEXTS: ReadonlySet<string> = new Set(["private", "work", "billing", "delivery"])

/** `undefined` if a context is no vCard type. */
function typesOfContexts(contexts: JsonValue | undefined): readonly string[] | undefined {
  if (contexts === undefined || !isObject(contexts)) return undefined
  const types: string[] = []
  for (const [context, isIn] of Object.entries(contexts)) {
    if (isIn !== true || !VCARD_CONTEXTS.has(context)) return undefined
    types.push(context === "private" ? "home" : context)
  }
  return types
}

function isParamValue(value: JsonValue): boolean {
  return (
    typeof value === "string" ||
    (Array.isArray(value) && value.every((item) => typeof item === "string"))
  )
}

function paramValues(value: JsonValue): readonly string[] {
  return (Array.isArray(value) ? value : [value]).map(String)
}

const SINGLES: ReadonlyMap<string, (value: string) => Omit<Written, "fields">> = new Map([
  ["uid", (value: string) => withValueType("UID", value)],
  ["kind", (value: string) => ({ name: "KIND", value: escapeText(value) })],
  ["prodId", (value: string) => ({ name: "PRODID", value: escapeText(value) })],
  ["language", (value: string) => ({ name: "LANGUAGE", value: escapeText(value) })],
  ["updated", (value: string) => ({ name: "REV", value: writeTimestamp(value) })],
  [
    "created",
    (value: string) => ({
      name: "CREATED",
      value: writeTimestamp(value),
      params: [["VALUE", ["timestamp"]]] satisfies Params,
    }),
  ],
])

function withValueType(name: string, value: string): Omit<Written, "fields"> {
  const isUri = /^[A-Za-z][A-Za-z0-9+.-]*:\S+$/.test(value)
  return { name, value: escapeText(value), params: isUri ? [] : [["VALUE", ["TEXT"]]] }
}

function writeFullName(writer: Writer, name: JsonValue | undefined): void {
  const read = readName(name)
  const isDerived = read?.full === undefined
  writer.line("FN", escapeText(fullName(read)), isDerived ? [["DERIVED", ["TRUE"]]] : [])
}

/** Without `full`, which is there already. */
function writeName(writer: Writer, name: CardJson): boolean {
  const { full: _, "@type": _type, ...rest } = name
  const fields = new Set<string>()
  const read = readName(name)
  const components = read?.components ?? []
  const { value, shownOrder, isComplete } = writeStructure(
    NAME_STRUCTURE,
    components,
    read?.defaultSeparator,
  )
  if (components.length > 0) {
    const params: Params = []
    // What N cannot say, as a phonetic, is in JSPROP besides, which is read after it.
    const isPlain = isComplete && isPlainList(name.components)
    if (isPlain) fields.add("components")
    if (isPlain && read?.isOrdered === true) {
      params.push(["JSCOMPS", [shownOrder]])
      fields.add("isOrdered").add("defaultSeparator")
    }
    const sortAs = sortParam(name.sortAs)
    if (sortAs !== undefined) {
      params.push(["SORT-AS", [sortAs]])
      fields.add("sortAs")
    }
    writer.line("N", value, params)
  }
  for (const [field, member] of Object.entries(rest)) {
    if (!fields.has(field)) writer.jsProp(["name", field], member)
  }
  return true
}

/** `Surname,Given`, if it says nothing else. */
function sortParam(sortAs: JsonValue | undefined): string | undefined {
  if (sortAs === undefined || !isObject(sortAs)) return undefined
  const { surname, given, ...others } = sortAs
  if (Object.keys(others).length > 0 || typeof surname !== "string" || surname.includes(","))
    return undefined
  if (given === undefined) return surname
  return typeof given === "string" && !given.includes(",") ? `${surname},${given}` : undefined
}

function writeKeywords(writer: Writer, keywords: CardJson): boolean {
  const words = Object.entries(keywords)
  if (words.some(([, isIn]) => isIn !== true) || words.length === 0) return false
  writer.line("CATEGORIES", words.map(([word]) => escapeText(word)).join(","))
  return true
}

function writeMembers(writer: Writer, members: CardJson): boolean {
  if (Object.values(members).some((isIn) => isIn !== true)) return false
  for (const uid of Object.keys(members)) writer.line("MEMBER", escapeText(uid))
  return true
}

function writeRelated(writer: Writer, relatedTo: CardJson): boolean {
  for (const [uid, related] of Object.entries(relatedTo)) {
    const relation = isObject(related) ? related.relation : undefined
    const isPlain =
      isObject(related) &&
      relation !== undefined &&
      isObject(relation) &&
      Object.keys(related).every((field) => field === "relation" || field === "@type") &&
      Object.values(relation).every((isIn) => isIn === true)
    if (!isPlain) {
      writer.jsProp(["relatedTo", uid], related)
      continue
    }
    const { value, params = [] } = withValueType("RELATED", uid)
    writer.line("RELATED", value, [["TYPE", Object.keys(relation)], ...params])
  }
  return true
}

function writeSpeakToAs(writer: Writer, speakToAs: CardJson): boolean {
  const { grammaticalGender, pronouns, "@type": _, ...others } = speakToAs
  if (typeof grammaticalGender === "string")
    writer.line("GRAMGENDER", escapeText(grammaticalGender))
  for (const [id, entry] of Object.entries(
    pronouns !== undefined && isObject(pronouns) ? pronouns : {},
  )) {
    const path = ["speakToAs", "pronouns", id]
    if (!isObject(entry) || !writeEntry(writer, path, entry, textEntry("PRONOUNS", "pronouns"))) {
      writer.jsProp(path, entry)
    }
  }
  for (const [field, value] of Object.entries(others)) writer.jsProp(["speakToAs", field], value)
  return true
}

/** Properties kept as they were. */
function writeKept(writer: Writer, kept: JsonValue): boolean {
  if (!Array.isArray(kept)) return false
  const left: JsonValue[] = []
  for (const property of kept) {
    const line = keptLine(property)
    if (line === undefined) left.push(property)
    else writer.line(line.name, line.value, line.params, line.group)
  }
  if (left.length > 0) writer.jsProp(["vCardProps"], left)
  return true
}

function keptLine(property: JsonValue):
  | {
      readonly name: string
      readonly value: string
      readonly params: Params
      readonly group: string | undefined
    }
  | undefined {
  if (!Array.isArray(property) || property.length !== 4) return undefined
  const [name, written, type, value]: readonly JsonValue[] = property
  if (typeof name !== "string" || !/^[a-z0-9_-]{1,100}$/i.test(name) || written === undefined)
    return undefined
  if (typeof value !== "string" || typeof type !== "string" || !isObject(written)) return undefined
  const { group, ...others } = written
  const params: Params = Object.entries(others).map(([key, param]) => [
    key.toUpperCase(),
    paramValues(param),
  ])
  if (type !== "unknown") params.unshift(["VALUE", [type]])
  const isGroup = typeof group === "string" && /^[A-Za-z0-9-]+$/.test(group)
  return {
    name: name.toUpperCase(),
    value: type === "text" ? escapeText(value) : value,
    params,
    group: isGroup ? group : undefined,
  }
}
