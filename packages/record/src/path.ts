/**
 * Paths and values as a person types them.
 *
 * A PATH is `document/segment/…` with JSON-pointer escapes (`~0` for `~`, `~1` for `/`);
 * `relationships/<id>` is a document of two segments. A VALUE is JSON if it parses as an object,
 * an array or a quoted string, else text; text at a place for a number or a yes-or-no is read as
 * one; text at an entry sets its main field (`card/emails/home` its `address`). For a name or an
 * address it sets `full` and clears `components` and what else would be untrue.
 * Source: DESIGN, "Command lines".
 *
 * @module
 */
import { type JsonValue, parseJson } from "@fulcrum/codec/json"
import { DOCUMENT_FAMILIES, type DocumentId, documentId, type Edit } from "./documents.ts"
import { KNOWN_PATHS, type KnownPaths, OTHER_NAMES, type PathNode } from "./known-paths.ts"
import { RecordError } from "./record-error.ts"
import {
  escapeSegment,
  isObject,
  pathToKey,
  REGISTER_LIMITS,
  unescapeSegment,
  valueAt,
} from "./registers.ts"

export interface RecordPath {
  readonly document: DocumentId
  /** Empty: the whole document. */
  readonly path: readonly string[]
}

/** Characters in a typed path. */
export const PATH_CHARS_MAX = 1024
/** Names compared when looking for the nearest. */
const NAME_CHARS_MAX = 64

/**
 * Reads a path and checks it against what the documents may hold.
 *
 * @throws {RecordError} `PATH_MALFORMED`, or `PATH_UNKNOWN` with the nearest known path.
 */
export function parsePath(typed: string, known: KnownPaths = KNOWN_PATHS): RecordPath {
  if (typed.length > PATH_CHARS_MAX || typed === "" || /~(?![01])/.test(typed)) {
    throw new RecordError("PATH_MALFORMED", "not a path")
  }
  const segments = typed.split("/").map(unescapeSegment)
  const [name = "", ...rest] = segments
  if (!known.has(name)) throw unknown(nearestPath(segments, known))
  const families: readonly string[] = DOCUMENT_FAMILIES
  const isFamily = families.includes(name)
  if (isFamily && rest.length === 0) throw unknown(undefined)
  const document = readDocument(isFamily ? segments.slice(0, 2).join("/") : name)
  const path = isFamily ? rest.slice(1) : rest
  try {
    pathToKey(path)
  } catch (cause) {
    throw new RecordError("PATH_MALFORMED", "a path with a part that cannot be", { cause })
  }
  if (nodeAt(document, path, known) === undefined) throw unknown(nearestPath(segments, known))
  return { document, path }
}

/** Undoes `parsePath`. */
export function formatPath({ document, path }: RecordPath): string {
  return [document, ...path.map(escapeSegment)].join("/")
}

/** What may stand at a path; `undefined` if nothing. */
export function nodeAt(
  document: DocumentId,
  path: readonly string[],
  known: KnownPaths = KNOWN_PATHS,
): PathNode | undefined {
  let node = known.get(document.split("/")[0] ?? "")
  for (const segment of path) {
    if (node === undefined) return undefined
    node = childOf(node, segment)
  }
  return node
}

/**
 * What setting a typed value at a path means.
 *
 * @throws {RecordError} `VALUE_INVALID`, with the path of what is wrong; `PATH_UNKNOWN`.
 */
export function editsForSet(
  at: RecordPath,
  typed: string,
  known: KnownPaths = KNOWN_PATHS,
): readonly Edit[] {
  const node = nodeAt(at.document, at.path, known)
  if (node === undefined) throw unknown(undefined)
  if (typed.trim() === "" && at.document === "card") {
    throw invalid(at, "something; to take away what is there use `fulcrum unset`")
  }
  const value = parseValue(typed)
  if (value === typed && BROKEN_JSON.test(typed)) {
    throw invalid(at, 'text, or whole JSON; to keep this as text put it in quotes, as "{\\"a\\"…"')
  }
  if (typeof value === "string" && node.kind === "object" && node.main !== undefined) {
    const { field, clears } = node.main
    const below = [...at.path, field]
    checkValue({ document: at.document, path: below }, value, known)
    return [
      { op: "set", path: below, value },
      ...clears.map((name): Edit => ({ op: "unset", path: [...at.path, name] })),
    ]
  }
  const meant = typeof value === "string" ? fromText(value, node) : value
  checkValue(at, meant, known)
  return [{ op: "set", path: at.path, value: meant }]
}

/** What nobody writes but for JSON. */
const BROKEN_JSON = /^\s*(\{\s*"|\[\s*["{[])/

/** JSON if it parses as an object, an array or a quoted string, else the text as it is. */
export function parseValue(typed: string): JsonValue {
  if (!/^\s*[{["]/.test(typed)) return typed
  try {
    return parseJson(typed, REGISTER_LIMITS)
  } catch {
    // What only looks like JSON is text: "[sic] Street 3".
    return typed
  }
}

/**
 * Checks a value against what may stand at a path.
 *
 * @throws {RecordError} `VALUE_INVALID` with the path, `PATH_UNKNOWN` with the nearest.
 */
export function checkValue(
  at: RecordPath,
  value: JsonValue,
  known: KnownPaths = KNOWN_PATHS,
): void {
  const node = nodeAt(at.document, at.path, known)
  if (node === undefined) throw unknown(nearestPath([at.document, ...at.path], known))
  if (at.document === "payments") refuseCardNumbers(at, value)
  check(at, value, node, known)
}

function check(at: RecordPath, value: JsonValue, node: PathNode, known: KnownPaths): void {
  switch (node.kind) {
    case "any":
      return
    case "text":
      if (typeof value !== "string") throw invalid(at, "a text")
      if (node.pattern !== undefined && !node.pattern.test(value)) {
        throw invalid(at, `something like ${node.example}`)
      }
      return
    case "flag":
      if (typeof value !== "boolean") throw invalid(at, "true or false")
      return
    case "number":
      if (typeof value !== "number" || !Number.isInteger(value)) throw invalid(at, "a whole number")
      if (value < node.min || value > node.max) throw invalid(at, `${node.min} to ${node.max}`)
      return
    case "list":
      if (!Array.isArray(value)) throw invalid(at, "a list")
      for (const [index, item] of value.entries())
        check(below(at, `${index}`), item, node.of, known)
      return
    case "map":
    case "object":
      if (!isObject(value)) throw invalid(at, "an object")
      for (const [name, member] of Object.entries(value)) {
        const child = childOf(node, name)
        if (child === undefined) throw unknown(nearestPath([at.document, ...at.path, name], known))
        check(below(at, name), member, child, known)
      }
  }
}

function below(at: RecordPath, name: string): RecordPath {
  return { document: at.document, path: [...at.path, name] }
}

function childOf(node: PathNode, segment: string): PathNode | undefined {
  if (node.kind === "any") return node
  if (node.kind === "map") return node.of
  if (node.kind !== "object") return undefined
  const isExtension = segment.includes(":") || segment === "vCardProps" || segment === "vCardParams"
  if (isExtension) return { kind: "any" }
  if (segment === "@type") return { kind: "text" }
  return node.fields.get(segment)
}

function fromText(value: string, node: PathNode): JsonValue {
  if (node.kind === "flag" && (value === "true" || value === "false")) return value === "true"
  if (node.kind === "number" && /^\d{1,15}$/.test(value)) return Number(value)
  return value
}

/** A full card number must never be stored: 13 to 19 digits with a right check digit. */
function refuseCardNumbers(at: RecordPath, value: JsonValue): void {
  if (typeof value === "object" && value !== null) {
    const members = Array.isArray(value) ? [...value.entries()] : Object.entries(value)
    for (const [name, member] of members) refuseCardNumbers(below(at, `${name}`), member)
    return
  }
  const digits = String(value).replace(/[ -]/g, "")
  if (/^\d{13,19}$/.test(digits) && hasCheckDigit(digits)) {
    throw invalid(at, "no full card number: its last four digits are kept, as lastFour")
  }
}

/** Luhn. */
function hasCheckDigit(digits: string): boolean {
  const sum = [...digits].reverse().reduce((total, digit, at) => {
    const doubled = Number(digit) * (at % 2 === 0 ? 1 : 2)
    return total + (doubled > 9 ? doubled - 9 : doubled)
  }, 0)
  return sum % 10 === 0
}

function readDocument(name: string): DocumentId {
  try {
    return documentId(name)
  } catch (cause) {
    throw new RecordError("PATH_MALFORMED", "no such document", { cause })
  }
}

/**
 * Requires of what is to be changed that its entry is there, unless none that is there resembles it:
 * then it is a new one.
 *
 * @param current - The document as it reads now.
 * @throws {RecordError} `PATH_UNKNOWN`, with the nearest that is there.
 */
export function requireEntry(
  { document, path }: RecordPath,
  current: JsonValue | undefined,
  known: KnownPaths = KNOWN_PATHS,
): void {
  for (const [depth, id] of path.entries()) {
    const above = path.slice(0, depth)
    const entries = valueAt(current, above)
    if (entries === undefined || !isObject(entries)) return
    if (Object.hasOwn(entries, id) || nodeAt(document, above, known)?.kind !== "map") continue
    const near = nearestName(id, Object.keys(entries))
    if (near === undefined) return
    throw unknown(formatPath({ document, path: [...above, near, ...path.slice(depth + 1)] }))
  }
}

/** The path with each unknown name replaced by the nearest known one, as far as that goes. */
function nearestPath(segments: readonly string[], known: KnownPaths): string | undefined {
  const [typed = "", ...rest] = segments
  const name = known.has(typed) ? typed : nearestName(typed, [...known.keys()])
  let node = name === undefined ? undefined : known.get(name)
  if (name === undefined || node === undefined) return undefined
  const path = [name]
  for (const segment of rest) {
    const child = childOf(node, segment)
    const fields: readonly string[] = node.kind === "object" ? [...node.fields.keys()] : []
    const near = child === undefined ? nearestName(segment, fields) : segment
    const next: PathNode | undefined = near === undefined ? undefined : childOf(node, near)
    if (near === undefined || next === undefined) break
    path.push(escapeSegment(near))
    node = next
  }
  return path.join("/")
}

/** By edit distance; of what differs in more than half of its letters none is near. */
function nearestName(typed: string, names: readonly string[]): string | undefined {
  const wanted = typed.slice(0, NAME_CHARS_MAX)
  const other = OTHER_NAMES.get(wanted.toLowerCase())
  if (other !== undefined && names.includes(other)) return other
  let best: string | undefined
  let bestDistance = Number.POSITIVE_INFINITY
  for (const name of names) {
    const distance = editDistance(wanted.toLowerCase(), name.toLowerCase())
    if (distance < bestDistance && distance <= Math.max(wanted.length, name.length) / 2) {
      best = name
      bestDistance = distance
    }
  }
  return best
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const substitution = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(substitution, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}

function unknown(nearest: string | undefined): RecordError {
  if (nearest === undefined) return new RecordError("PATH_UNKNOWN", "no such path")
  return new RecordError("PATH_UNKNOWN", `no such path; did you mean ${nearest}?`, {
    path: nearest,
  })
}

function invalid(at: RecordPath, wanted: string): RecordError {
  const path = formatPath(at)
  return new RecordError("VALUE_INVALID", `${path} wants ${wanted}`, { path })
}
