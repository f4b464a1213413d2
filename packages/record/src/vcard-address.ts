/**
 * `N` and `ADR`: which component of a structured value is which kind (RFC 9555 with the
 * components that RFC 9554 added), and in which order they are shown (`JSCOMPS`).
 *
 * The older components repeat the newer ones, for programs that know only those: a surname's
 * second part is also in the first component, a street's number also in the third. What is so
 * repeated is read once.
 *
 * `JSCOMPS` is `separator;entry;…`: the default separator as `s,TEXT` or empty, then for each
 * shown part the number of its component, with `,n` for the nth further value, or a separator.
 *
 * @module
 */
import { escapeText, readComponents, splitEscaped, unescapeText } from "./content-lines.ts"
import type { Component } from "./jscontact.ts"

export interface Structure {
  /** The kind of each component of the value. */
  readonly kinds: readonly string[]
  /** Which older component repeats a kind: number by kind. */
  readonly repeatedIn: ReadonlyMap<string, number>
  /** Kinds in the order in which an unordered name or address is listed; others follow. */
  readonly listed: readonly string[]
  /** A newer component takes the place of the whole older one, not only of its equals. */
  readonly isReplacing: boolean
  /** How many components every reader expects. */
  readonly least: number
}

export const NAME_STRUCTURE: Structure = {
  kinds: ["surname", "given", "given2", "title", "credential", "surname2", "generation"],
  repeatedIn: new Map([
    ["surname2", 0],
    ["generation", 4],
  ]),
  listed: ["surname", "surname2", "given", "given2", "title", "generation", "credential"],
  isReplacing: false,
  least: 5,
}

export const ADDRESS_STRUCTURE: Structure = {
  kinds: [
    "postOfficeBox",
    "",
    "",
    "locality",
    "region",
    "postcode",
    "country",
    "room",
    "apartment",
    "floor",
    "number",
    "name",
    "building",
    "block",
    "subdistrict",
    "district",
    "landmark",
    "direction",
  ],
  repeatedIn: new Map([
    ["room", 1],
    ["apartment", 1],
    ["floor", 1],
    ["building", 1],
    ["number", 2],
    ["name", 2],
    ["block", 2],
    ["subdistrict", 2],
    ["district", 2],
    ["landmark", 2],
    ["direction", 2],
  ]),
  listed: [
    "postOfficeBox",
    "room",
    "apartment",
    "floor",
    "building",
    "landmark",
    "number",
    "name",
    "direction",
    "block",
    "subdistrict",
    "district",
    "locality",
    "region",
    "postcode",
    "country",
  ],
  isReplacing: true,
  least: 7,
}

/** What the two older components of an address are where nothing newer says it. */
const OLDER_KINDS: readonly string[] = ["", "apartment", "name"]
/** Suffixes that are no degree. */
const GENERATION = /^(?:jr|sr|jun|sen|junior|senior|[ivx]{1,5})\.?$/i

export interface ReadStructure {
  readonly components: readonly Component[]
  readonly isOrdered: boolean
  readonly defaultSeparator: string | undefined
}

export function readStructure(
  structure: Structure,
  value: string,
  shownOrder: string | undefined,
): ReadStructure {
  const parts = readComponents(value)
  if (shownOrder !== undefined) {
    const ordered = readOrdered(structure, parts, shownOrder)
    if (ordered !== undefined) return ordered
  }
  const components: Component[] = []
  for (const [at, values] of parts.entries()) {
    const newer = [...structure.repeatedIn]
      .filter(([, older]) => older === at)
      .flatMap(([kind]) => parts[structure.kinds.indexOf(kind)] ?? [])
    const kind = structure.kinds[at] || OLDER_KINDS[at]
    if (kind === undefined) continue
    if (structure.isReplacing && newer.length > 0) continue
    for (const text of values) {
      if (newer.includes(text)) continue
      const isGeneration = kind === "credential" && GENERATION.test(text)
      components.push({ kind: isGeneration ? "generation" : kind, value: text })
    }
  }
  components.sort((a, b) => structure.listed.indexOf(a.kind) - structure.listed.indexOf(b.kind))
  return { components, isOrdered: false, defaultSeparator: undefined }
}

function readOrdered(
  structure: Structure,
  parts: readonly (readonly string[])[],
  shownOrder: string,
): ReadStructure | undefined {
  const [first = "", ...entries] = splitEscaped(shownOrder, ";")
  const components: Component[] = []
  for (const entry of entries) {
    if (entry.startsWith("s,")) {
      components.push({ kind: "separator", value: unescapeText(entry.slice(2)) })
      continue
    }
    const [at = -1, further = 0] = entry.split(",").map(Number)
    const kind = structure.kinds[at] || OLDER_KINDS[at]
    const value = parts[at]?.[further]
    if (kind === undefined || value === undefined) return undefined
    components.push({ kind, value })
  }
  const defaultSeparator = first.startsWith("s,") ? unescapeText(first.slice(2)) : undefined
  return { components, isOrdered: true, defaultSeparator }
}

export interface WrittenStructure {
  /** Escaped. */
  readonly value: string
  readonly shownOrder: string
  /** Components of a kind that has no place. */
  readonly isComplete: boolean
}

export function writeStructure(
  structure: Structure,
  components: readonly Component[],
  defaultSeparator: string | undefined,
): WrittenStructure {
  const parts: string[][] = structure.kinds.map(() => [])
  const order = [defaultSeparator === undefined ? "" : `s,${escapeOrder(defaultSeparator)}`]
  let isComplete = true
  for (const { kind, value } of components) {
    if (kind === "separator") {
      order.push(`s,${escapeOrder(value)}`)
      continue
    }
    const at = structure.kinds.indexOf(kind)
    const values = parts[at]
    if (values === undefined || kind === "") {
      isComplete = false
      continue
    }
    order.push(values.length === 0 ? `${at}` : `${at},${values.length}`)
    values.push(value)
  }
  // The repetitions come last, so that the order above counts only what is meant.
  for (const { kind, value } of components) {
    const older = structure.repeatedIn.get(kind)
    if (older !== undefined) parts[older]?.push(value)
  }
  const isOlder = parts.slice(structure.least).every((values) => values.length === 0)
  const written = isOlder ? parts.slice(0, structure.least) : parts
  return {
    value: written.map((values) => values.map(escapeText).join(",")).join(";"),
    shownOrder: order.join(";"),
    isComplete,
  }
}

/** A line break is the parameter's to escape. */
function escapeOrder(text: string): string {
  return text.replace(/[\\;,]/g, (letter) => `\\${letter}`)
}
