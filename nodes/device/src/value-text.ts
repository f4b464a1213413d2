/**
 * Values of the record as people read them: a name, an address and a day in one line each.
 *
 * @module
 */
import type { JsonValue } from "@fulcrum/codec/json"
import {
  type CardName,
  fullName,
  joinOrdered,
  readName,
  readPartialDate,
} from "@fulcrum/record/jscontact"
import { isObject } from "@fulcrum/record/registers"
import { tone } from "./text.ts"

/** What {@link partsText} tells of a name or an address. */
export const TOLD_IN_FULL: ReadonlySet<string> = new Set([
  "full",
  "components",
  "isOrdered",
  "defaultSeparator",
])

const NAME_KINDS: ReadonlySet<string> = new Set([
  ...["title", "given", "given2", "surname", "surname2", "generation", "credential", "separator"],
])
/** Of an address: what stands together, and is parted from all else by a comma. */
const TOGETHER: readonly ReadonlySet<string>[] = [
  new Set(["number", "name", "direction"]),
  new Set(["postcode", "locality"]),
]
const DATE_FIELDS: ReadonlySet<string> = new Set(["@type", "year", "month", "day", "utc"])

/** A value in one cell: text as it is, names, addresses and days as people write them, else JSON. */
export function valueText(value: JsonValue | undefined): string {
  if (value === undefined) return tone("quiet", "(nothing)")
  if (typeof value === "string") return value
  if (typeof value !== "object" || value === null) return JSON.stringify(value)
  const known = partsText(value) ?? dateText(value)
  if (known !== undefined) return known
  const parts: readonly unknown[] = isObject(value) ? Object.values(value) : []
  if (parts.length === 1 && typeof parts[0] === "string") return parts[0]
  return JSON.stringify(value)
}

/** A name or an address, or its components alone; `undefined` for anything else. */
export function partsText(value: JsonValue): string | undefined {
  const parts = readName(Array.isArray(value) ? { components: value } : value)
  if (parts?.full !== undefined) return parts.full
  const components = parts?.components ?? []
  if (parts === undefined || components.length === 0) return undefined
  if (components.every(({ kind }) => NAME_KINDS.has(kind))) return fullName(parts)
  return addressText(parts)
}

function addressText({ components = [], isOrdered, defaultSeparator = ", " }: CardName): string {
  if (isOrdered === true) return joinOrdered(components, defaultSeparator)
  return components.reduce((text, { kind, value }, at) => {
    const before = components[at - 1]?.kind
    if (before === undefined) return value
    const isTogether = TOGETHER.some((kinds) => kinds.has(kind) && kinds.has(before))
    return `${text}${isTogether ? " " : ", "}${value}`
  }, "")
}

/** As RFC 3339 writes it, `--02-28` without a year. */
function dateText(value: JsonValue): string | undefined {
  if (!isObject(value) || !Object.keys(value).every((field) => DATE_FIELDS.has(field))) {
    return undefined
  }
  const { year, month, day, utc } = readPartialDate(value)
  if (utc !== undefined) return utc
  if ((year ?? month) === undefined || (month === undefined && day !== undefined)) return undefined
  const parts = [month, day].flatMap((part) =>
    part === undefined ? [] : `${part}`.padStart(2, "0"),
  )
  return [year === undefined ? "-" : `${year}`.padStart(4, "0"), ...parts].join("-")
}
