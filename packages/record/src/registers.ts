/**
 * The document format: one flat map of registers.
 *
 * A document is the root map of an Automerge document and nothing else. It needs no first change
 * of its own, so two devices that begin one apart merge. Each key is the JSON pointer (RFC 6901)
 * of a leaf, `/emails/home/address`; each value is a cell (`cell.ts`) with a counter and what JSON
 * has there: text, a number, true, false, null, an array, an empty object, or a unit.
 *
 * So edits of different fields always both survive; nested Automerge maps would hide one side's
 * fields when two devices make the same map. A **unit** is an object that only makes sense whole
 * and is one register (`UNITS`): half of one address and half of another is a place where nobody
 * lives. Its concurrent edits are a conflict, shown like any other. An edit inside a unit writes
 * the unit again, and so does one inside any other object that a register holds.
 *
 * Reading goes through the keys in order of UTF-16 code units. A register below another that
 * holds an object is put into it; one below a scalar or an array hides it (`conflicts` names
 * what is hidden). Segments are not empty, and none is `__proto__`, `constructor` or
 * `prototype`. Setting a subtree removes what stood under it and scalars above it.
 *
 * @module
 */
import { utf8Length } from "@fulcrum/codec/bytes"
import { checkJson, isForbiddenKey, type JsonLimits, type JsonValue } from "@fulcrum/codec/json"
import type { DocumentId, Edit } from "./documents.ts"
import { RecordError } from "./record-error.ts"

/** Segments in a path. */
export const PATH_SEGMENTS_MAX = 16
/** Bytes of a key, in UTF-8. */
export const KEY_BYTES_MAX = 1024
/** Bytes of one register: a small photograph as a `data:` URI fits. */
export const REGISTER_BYTES_MAX: number = 256 << 10

/** What one register may hold. */
export const REGISTER_LIMITS: JsonLimits = {
  bytesMax: REGISTER_BYTES_MAX,
  depthMax: 16,
  itemsMax: 16_384,
}

/** What one edit may set. */
const EDIT_LIMITS: JsonLimits = { bytesMax: 1 << 20, depthMax: 32, itemsMax: 65_536 }

/** Paths, by document, at which an object is one register; `*` stands for any id. */
const UNITS: ReadonlyMap<string, readonly (readonly string[])[]> = new Map([
  ["card", [["name"], ["addresses", "*"], ["anniversaries", "*", "date"]]],
])

/** The registers of one document: winners by key. */
export type Registers = ReadonlyMap<string, JsonValue>

/** Only what has no prototype to reach. */
interface Branch {
  [key: string]: JsonValue | Branch
}

/** @throws {RecordError} `RECORD_EDIT_REFUSED`. */
export function pathToKey(path: readonly string[]): string {
  const key = path.map((segment) => `/${escapeSegment(segment)}`).join("")
  if (!isPath(path) || utf8Length(key) > KEY_BYTES_MAX) {
    throw new RecordError("RECORD_EDIT_REFUSED", "a path that cannot be stored")
  }
  return key
}

/** Keys whose paths are remembered: the same ones come again and again. */
const PATHS_MAX = 4096
const PATH_CHARS_MAX = 256
const paths = new Map<string, readonly string[]>()

/** Undoes `pathToKey`; `undefined` for what it never makes. */
export function keyToPath(key: string): readonly string[] | undefined {
  const known = paths.get(key)
  if (known !== undefined) return known
  const path = readPath(key)
  if (path === undefined || key.length > PATH_CHARS_MAX) return path
  if (paths.size >= PATHS_MAX) paths.clear()
  paths.set(key, path)
  return path
}

function readPath(key: string): readonly string[] | undefined {
  if (!key.startsWith("/") || utf8Length(key) > KEY_BYTES_MAX) return undefined
  const path = key.slice(1).split("/").map(unescapeSegment)
  const isCanonical = path.map((segment) => `/${escapeSegment(segment)}`).join("") === key
  return isCanonical && isPath(path) ? path : undefined
}

/** RFC 6901: `~` as `~0`, `/` as `~1`. */
export function escapeSegment(segment: string): string {
  return segment.replaceAll("~", "~0").replaceAll("/", "~1")
}

export function unescapeSegment(segment: string): string {
  return segment.replaceAll("~1", "/").replaceAll("~0", "~")
}

/** The nested JSON of registers; `undefined` if there are none. */
export function assemble(registers: Registers): JsonValue | undefined {
  if (registers.size === 0) return undefined
  const root: Branch = Object.create(null)
  for (const key of [...registers.keys()].sort()) {
    const path = keyToPath(key)
    const value = registers.get(key)
    if (path === undefined || value === undefined) continue
    let branch = root
    for (const segment of path.slice(0, -1)) branch = step(branch, segment)
    branch[path.at(-1) ?? ""] = isObject(value) ? toBranch(value) : value
  }
  return plain(root)
}

/** Registers that a deeper one hides. */
export function hiddenKeys(registers: Registers): readonly string[] {
  const hidden = new Set<string>()
  for (const key of registers.keys()) {
    for (let at = key.lastIndexOf("/"); at > 0; at = key.lastIndexOf("/", at - 1)) {
      const above = registers.get(key.slice(0, at))
      if (above !== undefined && !isObject(above)) hidden.add(key.slice(0, at))
    }
  }
  return [...hidden].sort()
}

/** What is at `path` in nested JSON. */
export function valueAt(
  value: JsonValue | undefined,
  path: readonly string[],
): JsonValue | undefined {
  let at = value
  for (const segment of path) {
    if (at === undefined || !isObject(at) || !Object.hasOwn(at, segment)) return undefined
    at = at[segment]
  }
  return at
}

/** Registers to be looked up: one that is `undefined` is not there. */
export interface RegisterView {
  get(key: string): JsonValue | undefined
  keys(): Iterable<string>
}

/**
 * Plans edits, applied one after the other.
 *
 * @returns The keys that they set or unset, with the new value of each; a key may be there with
 * the value that it has.
 * @throws {RecordError} `RECORD_EDIT_REFUSED`.
 */
export function planEdits(
  document: DocumentId,
  registers: RegisterView,
  edits: readonly Edit[],
): ReadonlyMap<string, JsonValue | undefined> {
  const plan = new Plan(document, registers)
  for (const edit of edits) {
    if (edit.op === "unset") plan.unset(edit.path)
    else plan.set(edit.path, checkEditValue(edit.value))
  }
  return plan.writes
}

class Plan {
  readonly writes = new Map<string, JsonValue | undefined>()
  readonly #document: DocumentId
  /** As they were before. */
  readonly #registers: RegisterView

  constructor(document: DocumentId, registers: RegisterView) {
    this.#document = document
    this.#registers = registers
  }

  set(path: readonly string[], value: JsonValue): void {
    const key = pathToKey(path)
    const whole = this.#wholeAbove(path)
    if (whole !== undefined) {
      this.set(
        path.slice(0, whole),
        withValue(this.#at(path.slice(0, whole)), path.slice(whole), value),
      )
      return
    }
    if (path.length === 0 && !isObject(value)) {
      throw new RecordError("RECORD_EDIT_REFUSED", "a document is an object")
    }
    for (let length = 1; length < path.length; length++)
      this.#remove(pathToKey(path.slice(0, length)))
    this.#removeUnder(key)
    this.#put(path, value)
  }

  unset(path: readonly string[]): void {
    const key = pathToKey(path)
    const whole = this.#wholeAbove(path)
    if (whole !== undefined) {
      const above = path.slice(0, whole)
      const before = this.#at(above)
      if (valueAt(before, path.slice(whole)) === undefined) return
      const after = withoutValue(before, path.slice(whole))
      if (after === undefined) this.unset(above)
      else this.set(above, after)
      return
    }
    this.#remove(key)
    this.#removeUnder(key)
  }

  /** How long the start of `path` is that is stored whole and has `path` inside. */
  #wholeAbove(path: readonly string[]): number | undefined {
    for (let length = 1; length < path.length; length++) {
      const above = path.slice(0, length)
      const held = this.#get(pathToKey(above))
      if (held !== undefined && isObject(held) && Object.keys(held).length > 0) return length
      if (isUnit(this.#document, above)) return length
    }
    return undefined
  }

  #at(path: readonly string[]): JsonValue | undefined {
    const key = pathToKey(path)
    const under = new Map<string, JsonValue>()
    for (const other of [...this.#keysUnder(key), key]) {
      const value = this.#get(other)
      if (value !== undefined) under.set(other, value)
    }
    return valueAt(assemble(under), path)
  }

  #put(path: readonly string[], value: JsonValue): void {
    const isLeaf =
      !isObject(value) ||
      (path.length > 0 && Object.keys(value).length === 0) ||
      isUnit(this.#document, path)
    if (!isLeaf) {
      for (const [name, member] of Object.entries(value)) this.#put([...path, name], member)
      return
    }
    const key = pathToKey(path)
    checkRegister(value)
    this.writes.set(key, value)
  }

  #remove(key: string): void {
    if (this.#get(key) !== undefined) this.writes.set(key, undefined)
  }

  #removeUnder(key: string): void {
    for (const other of this.#keysUnder(key)) this.#remove(other)
    this.#remove(key)
  }

  #get(key: string): JsonValue | undefined {
    return this.writes.has(key) ? this.writes.get(key) : this.#registers.get(key)
  }

  /** Each once; some may be unset. */
  #keysUnder(key: string): readonly string[] {
    const start = `${key}/`
    const keys = new Set<string>()
    for (const other of this.#registers.keys()) if (other.startsWith(start)) keys.add(other)
    for (const other of this.writes.keys()) if (other.startsWith(start)) keys.add(other)
    return [...keys]
  }
}

function isUnit(document: DocumentId, path: readonly string[]): boolean {
  const units = UNITS.get(document) ?? []
  return units.some(
    (unit) =>
      unit.length === path.length && unit.every((part, at) => part === "*" || part === path[at]),
  )
}

function withValue(
  whole: JsonValue | undefined,
  path: readonly string[],
  value: JsonValue,
): JsonValue {
  const [name, ...rest] = path
  if (name === undefined) return value
  const members = whole !== undefined && isObject(whole) ? whole : {}
  const before = Object.hasOwn(members, name) ? members[name] : undefined
  return { ...members, [name]: withValue(before, rest, value) }
}

/** `undefined` if nothing is left. */
function withoutValue(
  whole: JsonValue | undefined,
  path: readonly string[],
): JsonValue | undefined {
  const [name, ...rest] = path
  if (name === undefined || whole === undefined || !isObject(whole)) return undefined
  const { [name]: before, ...others } = whole
  const after = withoutValue(before, rest)
  const left: { readonly [key: string]: JsonValue } =
    after === undefined ? others : { ...others, [name]: after }
  return Object.keys(left).length === 0 ? undefined : left
}

function checkEditValue(value: JsonValue): JsonValue {
  try {
    return checkJson(value, EDIT_LIMITS)
  } catch (cause) {
    throw new RecordError("RECORD_EDIT_REFUSED", "a value that cannot be stored", { cause })
  }
}

function checkRegister(value: JsonValue): void {
  try {
    checkJson(value, REGISTER_LIMITS)
  } catch (cause) {
    throw new RecordError("RECORD_EDIT_REFUSED", "a field larger than can be stored", { cause })
  }
}

function isPath(path: readonly string[]): boolean {
  if (path.length > PATH_SEGMENTS_MAX) return false
  return path.every(
    (segment) => segment !== "" && segment.isWellFormed() && !isForbiddenKey(segment),
  )
}

function step(branch: Branch, segment: string): Branch {
  const next = branch[segment]
  if (next !== undefined && isBranch(next)) return next
  const made: Branch = Object.create(null)
  branch[segment] = made
  return made
}

function isBranch(value: JsonValue | Branch): value is Branch {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === null
}

function toBranch(value: { readonly [key: string]: JsonValue }): Branch {
  const branch: Branch = Object.create(null)
  for (const [key, member] of Object.entries(value)) {
    branch[key] = isObject(member) ? toBranch(member) : member
  }
  return branch
}

/** In order of keys, so that what was written in another order reads as the same text. */
function plain(branch: Branch): JsonValue {
  const object: { [key: string]: JsonValue } = {}
  const members = Object.entries(branch).sort(([a], [b]) => (a < b ? -1 : 1))
  for (const [key, member] of members) {
    object[key] = isBranch(member) ? plain(member) : member
  }
  return object
}

/** Whether the value is a JSON object. */
export function isObject(value: JsonValue): value is { readonly [key: string]: JsonValue } {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}
