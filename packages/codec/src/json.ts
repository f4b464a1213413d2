/**
 * JSON: strict reading within limits, and the one way to write it (RFC 8785,
 * JCS) for what people and other programs verify.
 *
 * Reading refuses what JSON's grammar lets two programs understand differently:
 * a key twice, a lone surrogate, a number that is not finite. It also refuses
 * `__proto__`, `constructor` and `prototype` as keys at any depth. `-0` is read
 * as `0`, which is also how RFC 8785 writes it.
 *
 * @module
 */
import { bytesToUtf8, utf8Length } from "./bytes.ts"
import { CodecError, type CodecErrorCode } from "./codec-error.ts"

export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue }

export interface JsonLimits {
  /** Bytes in UTF-8: of the text read, or of the canonical form of a checked value. */
  readonly bytesMax: number
  /** Arrays and objects in one another, at most `JSON_DEPTH_MAX`. */
  readonly depthMax: number
  /** Values in all, the containers counted too. */
  readonly itemsMax: number
}

/** No caller may allow more, since reading and writing recurse. */
export const JSON_DEPTH_MAX = 128

const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y
const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['"', '"'],
  ["\\", "\\"],
  ["/", "/"],
  ["b", "\b"],
  ["f", "\f"],
  ["n", "\n"],
  ["r", "\r"],
  ["t", "\t"],
])

/** Whether a key could reach an object's prototype in careless hands. */
export function isForbiddenKey(key: string): boolean {
  return key === "__proto__" || key === "constructor" || key === "prototype"
}

/**
 * Reads JSON text.
 *
 * @throws {CodecError} A code that starts with `JSON_`, or `UTF8_MALFORMED`.
 */
export function parseJson(source: string | Uint8Array, limits: JsonLimits): JsonValue {
  const bytesLength = typeof source === "string" ? source.length : source.byteLength
  if (bytesLength > limits.bytesMax) throw tooLarge()
  const text = typeof source === "string" ? source : bytesToUtf8(source)
  if (typeof source === "string" && utf8Length(text) > limits.bytesMax) throw tooLarge()
  return new Parser(text, new Budget(limits)).document()
}

/**
 * Checks a value that came from elsewhere (a document, a caller) as `parseJson` would its text.
 *
 * @returns A copy made of plain arrays and objects, with nothing of the original in it.
 * @throws {CodecError} A code that starts with `JSON_`.
 */
export function checkJson(value: unknown, limits: JsonLimits): JsonValue {
  return copy(value, new Budget(limits), 0)
}

/** Whether two values have the same canonical text; `undefined` is the same as itself only. */
export function equalJson(a: JsonValue | undefined, b: JsonValue | undefined): boolean {
  if (a === undefined || b === undefined) return a === b
  return canonicalJson(a) === canonicalJson(b)
}

/**
 * Writes a value as RFC 8785 says: keys by UTF-16 code units, numbers as ECMAScript does.
 *
 * @throws {CodecError} `JSON_TYPE`, `JSON_NUMBER`, `JSON_TEXT`, `JSON_FORBIDDEN_KEY`,
 * `JSON_TOO_DEEP`: the value is no JSON, whatever its type said.
 */
export function canonicalJson(value: JsonValue): string {
  return write(value, 0)
}

function write(value: JsonValue, depth: number): string {
  if (value === null || typeof value === "boolean") return String(value)
  if (typeof value === "number") return writeNumber(value)
  if (typeof value === "string") return writeText(value)
  if (depth >= JSON_DEPTH_MAX) throw fail("JSON_TOO_DEEP", "nested deeper than allowed")
  if (isArray(value)) return `[${Array.from(value, (item) => write(item, depth + 1)).join(",")}]`
  if (!isPlainObject(value)) throw fail("JSON_TYPE", "not a JSON value")
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  const written = members.map(([key, member]) => {
    if (isForbiddenKey(key)) throw fail("JSON_FORBIDDEN_KEY", "a forbidden key")
    return `${writeText(key)}:${write(member, depth + 1)}`
  })
  return `{${written.join(",")}}`
}

function writeNumber(value: number): string {
  if (!Number.isFinite(value)) throw fail("JSON_NUMBER", "a number that is not finite")
  return JSON.stringify(value)
}

function writeText(text: string): string {
  if (!text.isWellFormed()) throw fail("JSON_TEXT", "a lone surrogate")
  return JSON.stringify(text)
}

function copy(value: unknown, budget: Budget, depth: number): JsonValue {
  budget.item()
  switch (typeof value) {
    case "boolean":
      budget.bytes(value ? 4 : 5)
      return value
    case "number":
      return copyNumber(value, budget)
    case "string":
      return copyText(value, budget)
    case "object":
      if (value === null) {
        budget.bytes(4)
        return null
      }
      budget.enter(depth + 1)
      if (isArray(value)) return copyArray(value, budget, depth + 1)
      if (isPlainObject(value)) return copyObject(value, budget, depth + 1)
  }
  throw fail("JSON_TYPE", "not a JSON value")
}

function copyNumber(value: number, budget: Budget): number {
  if (!Number.isFinite(value)) throw fail("JSON_NUMBER", "a number that is not finite")
  budget.bytes(String(value).length)
  return value === 0 ? 0 : value
}

function copyText(text: string, budget: Budget): string {
  // The length alone first, so that a giant text is not measured.
  budget.bytes(text.length + 2)
  if (!text.isWellFormed()) throw fail("JSON_TEXT", "a lone surrogate")
  budget.bytes(utf8Length(JSON.stringify(text)) - text.length - 2)
  return text
}

function copyArray(items: readonly unknown[], budget: Budget, depth: number): JsonValue {
  budget.bytes(Math.max(2, items.length + 1))
  const copied: JsonValue[] = []
  for (const item of items) copied.push(copy(item, budget, depth))
  return copied
}

function copyObject(object: object, budget: Budget, depth: number): JsonValue {
  const copied: { [key: string]: JsonValue } = {}
  let count = 0
  for (const [key, member] of Object.entries(object)) {
    if (isForbiddenKey(key)) throw fail("JSON_FORBIDDEN_KEY", "a forbidden key")
    budget.bytes(count === 0 ? 1 : 2)
    copyText(key, budget)
    copied[key] = copy(member, budget, depth)
    count++
  }
  budget.bytes(2)
  return copied
}

/** What is left of the limits. */
class Budget {
  readonly #depthMax: number
  #bytesLeft: number
  #itemsLeft: number

  constructor(limits: JsonLimits) {
    if (limits.depthMax > JSON_DEPTH_MAX) throw new RangeError("depthMax above JSON_DEPTH_MAX")
    this.#depthMax = limits.depthMax
    this.#bytesLeft = limits.bytesMax
    this.#itemsLeft = limits.itemsMax
  }

  item(): void {
    this.#itemsLeft--
    if (this.#itemsLeft < 0) throw fail("JSON_TOO_MANY", "more values than allowed")
  }

  bytes(count: number): void {
    this.#bytesLeft -= count
    if (this.#bytesLeft < 0) throw tooLarge()
  }

  enter(depth: number): void {
    if (depth > this.#depthMax) throw fail("JSON_TOO_DEEP", "nested deeper than allowed")
  }
}

class Parser {
  readonly #text: string
  readonly #budget: Budget
  #at = 0

  constructor(text: string, budget: Budget) {
    this.#text = text
    this.#budget = budget
  }

  document(): JsonValue {
    const value = this.#value(0)
    this.#space()
    if (this.#at < this.#text.length) throw this.#syntax()
    return value
  }

  #value(depth: number): JsonValue {
    this.#budget.item()
    this.#space()
    switch (this.#text[this.#at]) {
      case "{":
        return this.#object(depth + 1)
      case "[":
        return this.#array(depth + 1)
      case '"':
        return this.#string()
      case "t":
        return this.#word("true", true)
      case "f":
        return this.#word("false", false)
      case "n":
        return this.#word("null", null)
      default:
        return this.#number()
    }
  }

  #object(depth: number): JsonValue {
    this.#budget.enter(depth)
    this.#at++
    const object: { [key: string]: JsonValue } = {}
    if (this.#next("}")) return object
    do {
      this.#space()
      const key = this.#string()
      if (isForbiddenKey(key)) throw fail("JSON_FORBIDDEN_KEY", "a forbidden key")
      if (Object.hasOwn(object, key)) throw fail("JSON_DUPLICATE_KEY", "a key twice")
      if (!this.#next(":")) throw this.#syntax()
      object[key] = this.#value(depth)
    } while (this.#next(","))
    if (!this.#next("}")) throw this.#syntax()
    return object
  }

  #array(depth: number): JsonValue {
    this.#budget.enter(depth)
    this.#at++
    const items: JsonValue[] = []
    if (this.#next("]")) return items
    do items.push(this.#value(depth))
    while (this.#next(","))
    if (!this.#next("]")) throw this.#syntax()
    return items
  }

  #string(): string {
    if (this.#text[this.#at] !== '"') throw this.#syntax()
    this.#at++
    let read = ""
    let start = this.#at
    for (;;) {
      const code = this.#text.charCodeAt(this.#at)
      // Not a number past the end; control characters must be escaped.
      if (!(code >= 0x20)) throw this.#syntax()
      if (code === 0x22) break
      this.#at++
      if (code !== 0x5c) continue
      read += this.#text.slice(start, this.#at - 1) + this.#escape()
      start = this.#at
    }
    read += this.#text.slice(start, this.#at)
    this.#at++
    if (!read.isWellFormed()) throw fail("JSON_TEXT", "a lone surrogate")
    return read
  }

  /** What follows a backslash. */
  #escape(): string {
    const letter = this.#text[this.#at++] ?? ""
    if (letter !== "u") {
      const plain = ESCAPES.get(letter)
      if (plain === undefined) throw this.#syntax()
      return plain
    }
    const hex = this.#text.slice(this.#at, this.#at + 4)
    if (!/^[0-9a-fA-F]{4}$/.test(hex)) throw this.#syntax()
    this.#at += 4
    return String.fromCharCode(Number.parseInt(hex, 16))
  }

  #number(): number {
    NUMBER.lastIndex = this.#at
    const written = NUMBER.exec(this.#text)?.[0]
    if (written === undefined) throw this.#syntax()
    this.#at += written.length
    const value = Number(written)
    if (!Number.isFinite(value)) throw fail("JSON_NUMBER", "a number that is not finite")
    return value === 0 ? 0 : value
  }

  #word<T>(word: string, value: T): T {
    if (!this.#text.startsWith(word, this.#at)) throw this.#syntax()
    this.#at += word.length
    return value
  }

  /** Steps over white space and then `mark`, if it is there. */
  #next(mark: string): boolean {
    this.#space()
    if (this.#text[this.#at] !== mark) return false
    this.#at++
    return true
  }

  #space(): void {
    for (;;) {
      const code = this.#text.charCodeAt(this.#at)
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return
      this.#at++
    }
  }

  #syntax(): CodecError {
    return fail("JSON_SYNTAX", `not JSON at character ${this.#at}`)
  }
}

/** `Array.isArray` that keeps readonly arrays, and knows nothing of the items. */
function isArray<T>(value: unknown): value is readonly T[] {
  return Array.isArray(value)
}

function isPlainObject(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

function tooLarge(): CodecError {
  return fail("JSON_TOO_LARGE", "more bytes than allowed")
}

function fail(code: CodecErrorCode, detail: string): CodecError {
  return new CodecError(code, detail)
}
