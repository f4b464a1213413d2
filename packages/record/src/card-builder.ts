/**
 * A card while it is made from a vCard's properties: sections, ids, labels by group, and what is
 * kept as it was.
 *
 * @module
 */
import { canonicalJson, type JsonValue } from "@fulcrum/codec/json"
import { type Property, unescapeText } from "./content-lines.ts"
import type { CardJson } from "./jscontact.ts"
import { escapeSegment, isObject, keyToPath } from "./registers.ts"

/** Entries of one section, and properties kept as they were: more than any person has. */
const ENTRIES_MAX = 100

export type Section = { [id: string]: JsonValue }
export type Entry = { [name: string]: JsonValue }

/** What properties of a vCard become, with what they say of each other. */
export class CardBuilder {
  readonly card: { [name: string]: JsonValue } = {}
  readonly warnings: Set<string> = new Set()
  /** By section, how many were left out. */
  readonly #leftOut = new Map<string, number>()
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
      this.#leaveOut(section)
      return
    }
    const isUsable = id !== undefined && /^[A-Za-z0-9_-]{1,255}$/.test(id) && isName(id)
    addEntry(entries, isUsable ? id : otherwise, entry)
    this.card[section] = entries
  }

  /** What to tell the person. */
  get told(): readonly string[] {
    const leftOut = [...this.#leftOut].map(
      ([section, count]) =>
        `${section}: ${count} of ${count + ENTRIES_MAX} were left out, ${ENTRIES_MAX} can be kept`,
    )
    return [...leftOut, ...this.warnings]
  }

  #leaveOut(section: string): void {
    this.#leftOut.set(section, (this.#leftOut.get(section) ?? 0) + 1)
  }

  /** The object at a top-level name; empty if there is none. */
  object(name: string): CardJson {
    const value = this.card[name]
    return value !== undefined && isObject(value) ? value : {}
  }

  /** Keeps a property as it was. */
  keep(property: Property): void {
    if (this.kept.length >= ENTRIES_MAX) {
      this.#leaveOut("properties kept as they were")
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

export interface AddOptions {
  /** For the id, where there is no context. */
  readonly kind?: string | undefined
  /** Parameters that are in the entry. */
  readonly params?: readonly string[]
  /** Types that are in the entry, or say nothing. */
  readonly types?: readonly string[]
}

/** Parameters that concern how a property is written, or that every entry has a field for. */
const PLAIN_PARAMS: ReadonlySet<string> = new Set([
  "TYPE",
  "PREF",
  "PROP-ID",
  "VALUE",
  "ENCODING",
  "CHARSET",
])

/** Puts an entry under an id that is free, unless the section has its equal. */
export function addEntry(section: Section, wanted: string, entry: JsonValue): string | undefined {
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

export function readContexts(types: readonly string[]): { [context: string]: boolean } | undefined {
  const contexts: { [context: string]: boolean } = {}
  if (types.includes("home")) contexts.private = true
  if (types.includes("work")) contexts.work = true
  // Of addresses only (RFC 9554); nothing else has these types.
  if (types.includes("billing")) contexts.billing = true
  if (types.includes("delivery")) contexts.delivery = true
  return Object.keys(contexts).length === 0 ? undefined : contexts
}

export function readPref(property: Property): number | undefined {
  if (property.params.get("TYPE")?.includes("pref")) return 1
  const pref = Number(property.params.get("PREF")?.[0] ?? Number.NaN)
  return Number.isInteger(pref) && pref >= 1 && pref <= 100 ? pref : undefined
}

export function readIndex(property: Property): number | undefined {
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

/** Apple writes its own labels as `_$!<HomePage>!$_`. */
function labelText(label: string): string {
  return /^_\$!<(.*)>!\$_$/.exec(label)?.[1] ?? label
}

/** Whether it can be a segment of a path. */
export function isName(text: string): boolean {
  return keyToPath(`/${escapeSegment(text)}`) !== undefined
}

function oneLine(value: string): string {
  return value.replace(/\r\n|\r|\n/g, "\\n")
}
