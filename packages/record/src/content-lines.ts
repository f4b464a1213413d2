/**
 * vCard content lines, of 2.1, 3.0 and 4.0 alike: from bytes to properties, and back.
 *
 * `[group.]NAME[;PARAM[=VALUE[,…]]]…:VALUE`, folded by a line break and white space. What real
 * files need besides the standards: a byte order mark, UTF-16, bytes that are not UTF-8, 2.1's
 * bare parameters (`TEL;WORK`), `CHARSET`, quoted-printable with its own soft breaks, base64
 * that goes on in unindented lines, cards within cards (skipped), and cards cut short. Each
 * property's value is kept as written, escapes and all, but decoded from its transfer encoding.
 *
 * Reading takes time in proportion to the bytes; nothing is looked up twice.
 * Source: RFC 6350, RFC 2426, vCard 2.1, RFC 6868 (`^n` in parameters).
 *
 * @module
 */

export interface Property {
  /** As written; joins `item1.TEL` to `item1.X-ABLabel`. */
  readonly group: string | undefined
  /** Upper case. */
  readonly name: string
  /** By upper-case name. `TYPE` in lower case, a value each. */
  readonly params: ReadonlyMap<string, readonly string[]>
  /** Still escaped, unless it was base64: then a `data:` URI without a type. */
  readonly value: string
  readonly isBase64: boolean
}

export interface CardLines {
  readonly properties: readonly Property[]
  /** The file ended before the card did. */
  readonly isCutShort: boolean
}

/** Lines in one file. */
export const LINES_MAX = 100_000
/** Cards in one file. */
export const CARDS_MAX = 2000
/** Properties in one card; the rest is left out. */
export const PROPERTIES_MAX = 2000
/** Parameters of one property. */
const PARAMS_MAX = 64
/** Of a line, in which its encoding is looked for: many times what {@link PARAMS_MAX} take. */
const HEAD_BYTES_MAX = 65_536
const FOLD_BYTES = 75

const SPACE = 0x20
const TAB = 0x09
const EQUALS = 0x3d
const COLON = 0x3a
const SEMICOLON = 0x3b

// Making a decoder costs more than most lines; these have no state between calls.
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
const windows = new TextDecoder("windows-1252")

interface LogicalLine {
  readonly parts: Uint8Array[]
  readonly isQuotedPrintable: boolean
  readonly isBase64: boolean
}

/** Reads every card of a file; empty if there is none. */
export function readCardLines(bytes: Uint8Array): readonly CardLines[] {
  const cards: CardLines[] = []
  let properties: Property[] = []
  let depth = 0
  for (const line of logicalLines(toEightBit(bytes))) {
    // Beyond the bound only the card's end is looked for.
    const isFull = properties.length >= PROPERTIES_MAX && !isFrame(line)
    const property = isFull ? undefined : parseLine(line)
    if (property === undefined) continue
    const isCard = property.value.trim().toUpperCase() === "VCARD"
    if (property.name === "BEGIN" && isCard) {
      depth++
      if (depth === 1) properties = []
    } else if (property.name === "END" && isCard && depth > 0) {
      depth--
      if (depth === 0) cards.push({ properties, isCutShort: false })
      if (cards.length === CARDS_MAX) return cards
    } else if (depth === 1 && properties.length < PROPERTIES_MAX) properties.push(property)
  }
  if (depth > 0 && properties.length > 0) cards.push({ properties, isCutShort: true })
  return cards
}

/** Splits at `separator` where no backslash stands before it; the parts stay escaped. */
export function splitEscaped(value: string, separator: string): readonly string[] {
  const parts: string[] = []
  let start = 0
  for (let at = 0; at < value.length; at++) {
    if (value[at] === "\\") at++
    else if (value[at] === separator) {
      parts.push(value.slice(start, at))
      start = at + 1
    }
  }
  parts.push(value.slice(start))
  return parts
}

export function unescapeText(value: string): string {
  return value.replace(/\\([\s\S])/g, (_, letter: string) =>
    letter === "n" || letter === "N" ? "\n" : /[\\;,:"]/.test(letter) ? letter : `\\${letter}`,
  )
}

export function escapeText(value: string): string {
  return value.replace(/[\\;,]/g, (letter) => `\\${letter}`).replace(/\r\n|\r|\n/g, "\\n")
}

/** Structured values, as `N` and `ADR`: components, each of some values, empty ones left out. */
export function readComponents(value: string): readonly (readonly string[])[] {
  return splitEscaped(value, ";").map((part) => readList(part))
}

/** A list of values, unescaped, empty ones left out. */
export function readList(value: string): readonly string[] {
  return splitEscaped(value, ",")
    .map((part) => unescapeText(part).trim())
    .filter((part) => part !== "")
}

/** One property as folded lines, each ended by CR and LF. */
export function writeLine(property: {
  readonly group?: string | undefined
  readonly name: string
  readonly params: Iterable<readonly [string, readonly string[]]>
  /** Escaped. */
  readonly value: string
}): string {
  const group = property.group === undefined ? "" : `${property.group}.`
  let line = `${group}${property.name}`
  for (const [name, values] of property.params) {
    if (values.length > 0) line += `;${name}=${values.map(writeParamValue).join(",")}`
  }
  return fold(`${line}:${property.value.replace(/[\r\n]+/g, "\\n")}`)
}

function writeParamValue(value: string): string {
  const escaped = value
    .replaceAll("^", "^^")
    .replace(/\r\n|\r|\n/g, "^n")
    .replaceAll('"', "^'")
    .replace(/\p{Cc}/gu, " ")
  return /[:;,]/.test(escaped) ? `"${escaped}"` : escaped
}

/** At most 75 bytes a line, never within a character. */
function fold(line: string): string {
  let folded = ""
  let length = 0
  for (const letter of line) {
    const code = letter.codePointAt(0) ?? 0
    const size = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4
    if (length + size > FOLD_BYTES) {
      folded += "\r\n "
      length = 1
    }
    folded += letter
    length += size
  }
  return `${folded}\r\n`
}

/** `BEGIN` or `END`, by how it starts. */
function isFrame({ parts }: LogicalLine): boolean {
  const [first = 0, second = 0, third = 0] = parts[0] ?? []
  const letters = (first << 16) | (second << 8) | third | 0x202020
  return letters === 0x626567 || letters === 0x656e64
}

/** UTF-16 becomes UTF-8; a byte order mark goes. */
function toEightBit(bytes: Uint8Array): Uint8Array {
  const [first, second, third] = bytes
  if (first === 0xff && second === 0xfe) return reencode(bytes.subarray(2), "utf-16le")
  if (first === 0xfe && second === 0xff) return reencode(bytes.subarray(2), "utf-16be")
  if (first === 0xef && second === 0xbb && third === 0xbf) return bytes.subarray(3)
  return bytes
}

function reencode(bytes: Uint8Array, charset: string): Uint8Array {
  return new TextEncoder().encode(new TextDecoder(charset).decode(bytes))
}

function* logicalLines(bytes: Uint8Array): Generator<LogicalLine> {
  let current: LogicalLine | undefined
  let lineCount = 0
  for (const line of physicalLines(bytes)) {
    lineCount++
    if (lineCount > LINES_MAX) return
    if (current !== undefined && continues(current, line)) continue
    if (current !== undefined) yield current
    current = line.length === 0 ? undefined : startLine(line)
  }
  if (current !== undefined) yield current
}

/** Adds `line` to what it continues. */
function continues(current: LogicalLine, line: Uint8Array): boolean {
  const last = current.parts.at(-1)
  if (current.isQuotedPrintable && last !== undefined && last.at(-1) === EQUALS) {
    current.parts[current.parts.length - 1] = last.subarray(0, -1)
    current.parts.push(line)
    return true
  }
  if (line[0] === SPACE || line[0] === TAB) {
    current.parts.push(line.subarray(1))
    return true
  }
  if (!current.isBase64 || line.length === 0 || line.includes(COLON)) return false
  current.parts.push(line)
  return true
}

function startLine(line: Uint8Array): LogicalLine {
  const colon = line.indexOf(COLON)
  const semicolon = line.indexOf(SEMICOLON)
  // Most lines have no parameters.
  if (semicolon < 0 || (colon >= 0 && colon < semicolon)) {
    return { parts: [line], isQuotedPrintable: false, isBase64: false }
  }
  const end = Math.min(colon < 0 ? line.length : colon, HEAD_BYTES_MAX)
  const head = ascii(line.subarray(0, end)).toUpperCase()
  return {
    parts: [line],
    isQuotedPrintable: head.includes("QUOTED-PRINTABLE"),
    isBase64: /[;=](?:BASE64|B)(?:;|$)/.test(head),
  }
}

function* physicalLines(bytes: Uint8Array): Generator<Uint8Array> {
  let start = 0
  while (start < bytes.length) {
    const lineFeed = bytes.indexOf(0x0a, start)
    const end = lineFeed < 0 ? bytes.length : lineFeed
    const textEnd = end > start && bytes[end - 1] === 0x0d ? end - 1 : end
    // Old Macs ended lines by CR alone.
    const line = bytes.subarray(start, textEnd)
    if (line.includes(0x0d)) yield* splitAtReturns(line)
    else yield line
    start = end + 1
  }
}

function* splitAtReturns(bytes: Uint8Array): Generator<Uint8Array> {
  let start = 0
  for (let end = bytes.indexOf(0x0d); end >= 0; end = bytes.indexOf(0x0d, start)) {
    yield bytes.subarray(start, end)
    start = end + 1
  }
  yield bytes.subarray(start)
}

function parseLine(line: LogicalLine): Property | undefined {
  const bytes = join(line.parts)
  const colon = findColon(bytes)
  if (colon < 0) return undefined
  const [head = "", ...written] = splitHead(decodeText(bytes.subarray(0, colon), undefined))
  const dot = head.lastIndexOf(".")
  const name = head
    .slice(dot + 1)
    .trim()
    .toUpperCase()
  if (!/^[A-Z0-9_-]{1,100}$/.test(name)) return undefined
  const params = readParams(written)
  const encoding = params.get("ENCODING")?.[0]?.toUpperCase()
  const contents = bytes.subarray(colon + 1)
  const group = dot > 0 ? head.slice(0, dot).trim() : undefined
  const isBase64 = encoding === "B" || encoding === "BASE64"
  return { group, name, params, isBase64, value: readValue() }

  function readValue(): string {
    if (isBase64) return ascii(contents).replace(/\s+/g, "")
    const charset = params.get("CHARSET")?.[0]
    if (encoding !== "QUOTED-PRINTABLE") return decodeText(contents, charset)
    return decodeText(decodeQuotedPrintable(contents), charset).replace(/\r\n?/g, "\n").trimEnd()
  }
}

/** The colon that ends the parameters: not one within quotes. */
function findColon(bytes: Uint8Array): number {
  let isQuoted = false
  for (let at = 0; at < bytes.length; at++) {
    if (bytes[at] === 0x22) isQuoted = !isQuoted
    else if (bytes[at] === COLON && !isQuoted) return at
  }
  // A stray quote: the first colon must do.
  return bytes.indexOf(COLON)
}

function splitHead(head: string): readonly string[] {
  return splitQuoted(head, ";", PARAMS_MAX)
}

/** @param most - Parts that are wanted: the rest is not looked at. */
function splitQuoted(
  text: string,
  separator: string,
  most: number = Number.POSITIVE_INFINITY,
): readonly string[] {
  const parts: string[] = []
  let isQuoted = false
  let start = 0
  for (let at = 0; at < text.length; at++) {
    if (text[at] === '"') isQuoted = !isQuoted
    else if (text[at] === separator && !isQuoted) {
      parts.push(text.slice(start, at))
      if (parts.length === most) return parts
      start = at + 1
    }
  }
  parts.push(text.slice(start))
  return parts
}

function readParams(written: readonly string[]): ReadonlyMap<string, readonly string[]> {
  const params = new Map<string, string[]>()
  for (const param of written) {
    const equals = param.indexOf("=")
    const bare = param.trim().toUpperCase()
    if (equals < 0 && bare === "") continue
    const name = equals < 0 ? nameOfBare(bare) : param.slice(0, equals).trim().toUpperCase()
    const value = param.slice(equals + 1)
    const values = readParamValues(name, value)
    const all = params.get(name) ?? []
    all.push(...values)
    params.set(name, all)
  }
  return params
}

function readParamValues(name: string, value: string): readonly string[] {
  if (name === "TYPE") {
    const types = value.replaceAll('"', "").split(",")
    return types.map((type) => type.trim().toLowerCase()).filter((type) => type !== "")
  }
  return splitQuoted(value, ",").map((part) => {
    const unquoted = part.startsWith('"') && part.endsWith('"') ? part.slice(1, -1) : part
    return unquoted.replace(/\^([n'^])/g, (_, letter: string) =>
      letter === "n" ? "\n" : letter === "'" ? '"' : "^",
    )
  })
}

function nameOfBare(bare: string): string {
  const isEncoding = ["QUOTED-PRINTABLE", "BASE64", "B", "8BIT", "7BIT"].includes(bare)
  return isEncoding ? "ENCODING" : "TYPE"
}

function decodeQuotedPrintable(bytes: Uint8Array): Uint8Array {
  const decoded = new Uint8Array(bytes.length)
  let length = 0
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0
    const high = hexDigit(bytes[at + 1])
    const low = hexDigit(bytes[at + 2])
    const isEscape = byte === EQUALS && high >= 0 && low >= 0
    decoded[length++] = isEscape ? high * 16 + low : byte
    if (isEscape) at += 2
  }
  return decoded.subarray(0, length)
}

function hexDigit(byte: number | undefined): number {
  if (byte === undefined) return -1
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30
  const letter = byte | 0x20
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1
}

/** By the charset given, if it is known; else UTF-8; else what Windows used to write. */
function decodeText(bytes: Uint8Array, charset: string | undefined): string {
  for (const label of [charset, "utf-8"]) {
    if (label === undefined) continue
    const text = tryDecode(bytes, label)
    if (text !== undefined) return text
  }
  return windows.decode(bytes)
}

function tryDecode(bytes: Uint8Array, charset: string): string | undefined {
  try {
    const isUtf8 = /^utf-?8$/i.test(charset)
    return (isUtf8 ? utf8 : new TextDecoder(charset, { fatal: true })).decode(bytes)
  } catch {
    // An unknown charset, or bytes that are not of it: the next is tried.
    return undefined
  }
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  const [only] = parts
  if (parts.length === 1 && only !== undefined) return only
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

function ascii(bytes: Uint8Array): string {
  return windows.decode(bytes)
}
