/**
 * One case of jmapio/jscontact-tests: a card, and the vCard properties that must come of it, or
 * the properties for which it must be rejected.
 *
 * @module
 */
import { utf8ToBytes } from "@fulcrum/codec/bytes"
import { type Property, readCardLines } from "../src/content-lines.ts"
import { checkCard } from "../src/jscontact.ts"
import { RecordError } from "../src/record-error.ts"
import { writeVcard } from "../src/vcard-export.ts"

/** A value, or one of several, perhaps quoted, escaped, or in any case. */
type Expected =
  | string
  | null
  | readonly string[]
  | {
      readonly _type: string
      readonly val?: string
      readonly vals?: readonly Expected[]
      readonly ts?: string
      readonly comps?: readonly (string | readonly string[])[]
    }

export interface JsContactCase {
  readonly id: string
  readonly jprops: unknown
  readonly invalid_props: readonly string[] | null
  readonly matches:
    | readonly {
        readonly name: string
        readonly value: Expected
        readonly mandatory: boolean
        readonly params:
          | readonly {
              readonly name: string
              readonly value: Expected
              readonly mandatory: boolean
            }[]
          | null
      }[]
    | null
}

export function isAsExpected({ jprops, matches, invalid_props }: JsContactCase): boolean {
  if (invalid_props !== null) return isRejected(jprops)
  const text = writeVcard(checkCard(jprops))
  const properties = readCardLines(utf8ToBytes(text))[0]?.properties ?? []
  return (matches ?? [])
    .filter(({ mandatory }) => mandatory)
    .every((match) =>
      properties.some(
        (property) =>
          property.name === match.name.toUpperCase() &&
          matchesValue(match.value, property.value) &&
          (match.params ?? [])
            .filter(({ mandatory }) => mandatory)
            .every(({ name, value }) => matchesParam(property, name, value)),
      ),
    )
}

function isRejected(card: unknown): boolean {
  try {
    checkCard(card)
    return false
  } catch (error) {
    return error instanceof RecordError && error.code === "VCARD_INVALID"
  }
}

function matchesParam(property: Property, name: string, expected: Expected): boolean {
  const values = property.params.get(name)
  return values !== undefined && matchesValue(expected, values.join(","))
}

function matchesValue(expected: Expected, value: string): boolean {
  if (expected === null) return true
  if (typeof expected === "string") return plain(expected) === plain(value)
  if (isList(expected)) return expected.join(",") === value
  const { _type: type, val, vals, ts, comps } = expected
  if (type === "AnyValue") return true
  if (vals !== undefined) return vals.some((one) => matchesValue(one, value))
  if (ts !== undefined) return digits(value) === digits(ts.replace(/\+.*/, ""))
  if (comps !== undefined) return matchesComponents(comps, value)
  if (val === undefined) return false
  if (type === "NoCaseValue") return plain(val).toLowerCase() === plain(value).toLowerCase()
  if (type !== "TextJSONValue") return plain(val) === plain(value)
  return JSON.stringify(JSON.parse(val)) === JSON.stringify(JSON.parse(unescaped(value)))
}

/** Values within a component come in any order. */
function matchesComponents(comps: readonly (string | readonly string[])[], value: string): boolean {
  const written = value.split(";")
  return comps.every((component, at) => {
    const wanted = typeof component === "string" ? component.split(",") : component
    return [...wanted].sort().join() === (written[at] ?? "").split(",").sort().join()
  })
}

function isList(expected: Expected): expected is readonly string[] {
  return Array.isArray(expected)
}

function plain(text: string): string {
  return unescaped(
    text.replace(/^"|"$/g, "").replaceAll("^n", "\n").replaceAll("^'", '"').replaceAll("^^", "^"),
  )
}

function unescaped(text: string): string {
  return text.replace(/\\([,;\\"])/g, "$1")
}

function digits(text: string): string {
  return text.replace(/\D/g, "")
}
