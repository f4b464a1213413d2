/**
 * JSContact (RFC 9553): the parts of a card that the program knows by type, and a check of a
 * card from elsewhere.
 *
 * The check is of names and kinds (`known-paths.ts`). Extension properties and properties that
 * RFC 9553 does not know are kept, except those that it forbids: `extra`, and a known name in
 * another case.
 *
 * @module
 */
import { checkJson, isForbiddenKey, type JsonLimits, type JsonValue } from "@fulcrum/codec/json"
import { documentId } from "./documents.ts"
import { KNOWN_PATHS, type PathNode } from "./known-paths.ts"
import { checkValue, formatPath } from "./path.ts"
import { RecordError } from "./record-error.ts"
import { escapeSegment, isObject } from "./registers.ts"

export type CardJson = { readonly [name: string]: JsonValue }

export type Contexts = { readonly [context: string]: boolean }

export type Component = {
  readonly kind: string
  readonly value: string
  readonly phonetic?: string
}

export type CardName = {
  readonly full?: string
  readonly components?: readonly Component[]
  readonly isOrdered?: boolean
  readonly defaultSeparator?: string
  readonly sortAs?: { readonly [kind: string]: string }
}

export type CardAddress = {
  readonly full?: string
  readonly components?: readonly Component[]
  readonly isOrdered?: boolean
  readonly defaultSeparator?: string
  readonly countryCode?: string
  readonly coordinates?: string
  readonly timeZone?: string
  readonly contexts?: Contexts
  readonly pref?: number
}

export type PartialDate = {
  readonly "@type"?: string
  readonly year?: number
  readonly month?: number
  readonly day?: number
  readonly utc?: string
}

/** What one card may hold. */
export const CARD_LIMITS: JsonLimits = { bytesMax: 1 << 20, depthMax: 16, itemsMax: 65_536 }

const card = documentId("card")

/**
 * Checks a JSContact card from elsewhere.
 *
 * @returns The card without `@type` and `version`, which the export writes again.
 * @throws {RecordError} `VCARD_INVALID` with the JSON pointer of the first thing that is wrong.
 */
export function checkCard(value: unknown): CardJson {
  const json = checkedJson(value)
  if (!isObject(json)) throw invalid("", "no card")
  const { "@type": type, version: _, ...properties } = json
  if (type !== undefined && type !== "Card") throw invalid("@type", "no card")
  const root = KNOWN_PATHS.get("card")
  if (root !== undefined) refuseForbidden(properties, root, [])
  for (const [name, member] of Object.entries(properties)) {
    if (!isKnown(name, root)) continue
    try {
      checkValue({ document: card, path: [name] }, withoutUnknown(member, childNode(root, name)))
    } catch (cause) {
      if (!(cause instanceof RecordError)) throw cause
      throw invalid(cause.path ?? name, "not as RFC 9553 has it", cause)
    }
  }
  return properties
}

/** Text for a name: its full form, or its components in order. */
export function fullName(name: CardName | undefined): string {
  if (name?.full !== undefined) return name.full
  const components = name?.components ?? []
  if (name?.isOrdered === true) return joinOrdered(components, name.defaultSeparator ?? " ")
  const order = ["title", "given", "given2", "surname", "surname2", "generation", "credential"]
  const words = order.flatMap((kind) => components.filter((part) => part.kind === kind))
  return words.map(({ value }) => value).join(" ")
}

/** A name from JSON that was checked or came from a document; what is not of the type is not there. */
export function readName(value: JsonValue | undefined): CardName | undefined {
  if (value === undefined || !isObject(value)) return undefined
  const { full, components, isOrdered, defaultSeparator } = value
  return {
    ...(typeof full === "string" ? { full } : {}),
    ...(components === undefined ? {} : { components: readComponentList(components) }),
    ...(typeof isOrdered === "boolean" ? { isOrdered } : {}),
    ...(typeof defaultSeparator === "string" ? { defaultSeparator } : {}),
  }
}

/** Likewise of a date. */
export function readPartialDate(value: JsonValue | undefined): PartialDate {
  if (value === undefined || !isObject(value)) return {}
  const { year, month, day, utc } = value
  return {
    ...(typeof year === "number" ? { year } : {}),
    ...(typeof month === "number" ? { month } : {}),
    ...(typeof day === "number" ? { day } : {}),
    ...(typeof utc === "string" ? { utc } : {}),
  }
}

export function readComponentList(value: JsonValue | undefined): readonly Component[] {
  if (!Array.isArray(value)) return []
  return value.flatMap((item: JsonValue): readonly Component[] => {
    if (!isObject(item)) return []
    const { kind, value: text, phonetic } = item
    if (typeof kind !== "string" || typeof text !== "string") return []
    return [{ kind, value: text, ...(typeof phonetic === "string" ? { phonetic } : {}) }]
  })
}

/** Joins with each separator where it stands and the default one elsewhere. */
export function joinOrdered(components: readonly Component[], separator: string): string {
  let text = ""
  let isAfterSeparator = true
  for (const { kind, value } of components) {
    if (kind !== "separator" && !isAfterSeparator) text += separator
    text += value
    isAfterSeparator = kind === "separator"
  }
  return text
}

function checkedJson(value: unknown): JsonValue {
  try {
    return checkJson(value, CARD_LIMITS)
  } catch (cause) {
    throw invalid("", "larger or deeper than a card may be", cause)
  }
}

function isKnown(name: string, root: PathNode | undefined): boolean {
  return childNode(root, name) !== undefined
}

function childNode(node: PathNode | undefined, name: string): PathNode | undefined {
  if (node?.kind === "map") return node.of
  return node?.kind === "object" ? node.fields.get(name) : undefined
}

/** Without what a newer standard may have added: it is kept, but cannot be checked. */
function withoutUnknown(value: JsonValue, node: PathNode | undefined): JsonValue {
  if (node === undefined || !isObject(value) || (node.kind !== "object" && node.kind !== "map")) {
    return value
  }
  const kept: { [name: string]: JsonValue } = {}
  for (const [name, member] of Object.entries(value)) {
    const child = childNode(node, name)
    if (child !== undefined) kept[name] = withoutUnknown(member, child)
  }
  return kept
}

function refuseForbidden(
  value: JsonValue,
  node: PathNode | undefined,
  path: readonly string[],
): void {
  if (!isObject(value)) return
  for (const [name, member] of Object.entries(value)) {
    const at = [...path, name]
    if (node?.kind === "object") {
      const isOtherCase = [...node.fields.keys()].some(
        (known) => known !== name && known.toLowerCase() === name.toLowerCase(),
      )
      if (name === "extra" || isOtherCase)
        throw invalid(at.map(escapeSegment).join("/"), "a name that RFC 9553 forbids")
    }
    if (path.length === 1 && path[0] === "localizations") refusePatched(member, at)
    else if (!isForbiddenKey(name)) refuseForbidden(member, childNode(node, name), at)
  }
}

/** A localization is a patch: pointers to values. */
function refusePatched(patch: JsonValue, path: readonly string[]): void {
  if (!isObject(patch)) return
  for (const pointer of Object.keys(patch)) {
    if (pointer.split("/").at(-1) !== "extra") continue
    throw invalid([...path, pointer].map(escapeSegment).join("/"), "a name that RFC 9553 forbids")
  }
}

function invalid(path: string, what: string, cause?: unknown): RecordError {
  const shown = path.startsWith("card/")
    ? path
    : formatPath({ document: card, path: [] }) + (path === "" ? "" : `/${path}`)
  const message = `the card is not valid at ${shown}: ${what}`
  return new RecordError("VCARD_INVALID", message, { cause, path: shown })
}
