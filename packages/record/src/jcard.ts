/**
 * jCard (RFC 7095): its properties as vCard would have written them.
 *
 * @module
 */
import type { JsonValue } from "@fulcrum/codec/json"
import { type CardLines, escapeText, PROPERTIES_MAX, type Property } from "./content-lines.ts"
import { isObject } from "./registers.ts"

/** jCard's properties as vCard would have written them. */
export function readJCard(json: readonly JsonValue[]): CardLines {
  const properties: Property[] = []
  for (const item of isList(json[1]) ? json[1].slice(0, PROPERTIES_MAX) : []) {
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

export function isList(value: JsonValue | undefined): value is readonly JsonValue[] {
  return Array.isArray(value)
}
