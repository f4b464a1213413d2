/**
 * Text for people: tables, values, and colours that are decided where it is printed.
 *
 * A command does not know whether a terminal reads it, so colours travel as marks: the private-use
 * characters U+E001 to U+E005 begin one, U+E000 ends it. `paint` turns them into escapes or drops
 * them, after it has made every other control character visible: a company's name cannot move the
 * cursor.
 *
 * @module
 */
export type Tone = "good" | "bad" | "busy" | "quiet" | "strong"

const END = "\ue000"
const MARKS: Readonly<Record<Tone, string>> = {
  good: "\ue001",
  bad: "\ue002",
  busy: "\ue003",
  quiet: "\ue004",
  strong: "\ue005",
}
const ESCAPES: ReadonlyMap<string, string> = new Map([
  [END, "\u001b[0m"],
  [MARKS.good, "\u001b[32m"],
  [MARKS.bad, "\u001b[31m"],
  [MARKS.busy, "\u001b[33m"],
  [MARKS.quiet, "\u001b[2m"],
  [MARKS.strong, "\u001b[1m"],
])

const COLUMN_GAP = "  "

export function tone(name: Tone, text: string): string {
  return `${MARKS[name]}${text}${END}`
}

/** Makes text fit to print: no control characters but line ends, marks as escapes or gone. */
export function paint(text: string, options: { readonly color: boolean }): string {
  return text
    .replace(/\t/g, " ")
    .replace(/(?!\n)[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu, visible)
    .replace(/[\ue000-\ue005]/g, (mark) => (options.color ? (ESCAPES.get(mark) ?? "") : ""))
}

/** Rows with aligned columns; the last is not padded. Cells lose their line ends. */
export function table(
  rows: readonly (readonly string[])[],
  options: { readonly head?: readonly string[]; readonly indent?: string } = {},
): string {
  const { head, indent = "" } = options
  const all = head === undefined ? rows : [head.map((cell) => tone("quiet", cell)), ...rows]
  const widths: number[] = []
  for (const row of all) {
    row.forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? 0, widthOf(cell))
    })
  }
  return all
    .map((row) =>
      row
        .map((cell, i) => {
          const gap = i === row.length - 1 ? 0 : (widths[i] ?? 0) - widthOf(cell)
          return `${cell.replace(/[\r\n]+/g, " ")}${" ".repeat(Math.max(0, gap))}`
        })
        .join(COLUMN_GAP)
        .trimEnd(),
    )
    .map((line) => `${indent}${line}`)
    .join("\n")
}

/** Paragraphs and tables, one under another; empty ones are left out. */
export function lines(...parts: readonly (string | undefined)[]): string {
  return parts.filter((part) => part !== undefined && part !== "").join("\n")
}

/** A term of the W3C's vocabularies without where it is defined; anything else whole. */
export function termText(iri: string): string {
  return /^https:\/\/w3id\.org\/[\w/.-]+#([\w-]+)$/.exec(iri)?.[1] ?? iri
}

/** `1 device`, `2 devices`. */
export function counted(count: number, noun: string, plural: string = `${noun}s`): string {
  return `${count} ${count === 1 ? noun : plural}`
}

/** `just now`, `5 minutes ago`, `2 days ago`. */
export function agoText(thenMs: number, nowMs: number): string {
  const minutes = Math.floor((nowMs - thenMs) / 60_000)
  if (minutes < 1) return "just now"
  if (minutes < 60) return `${counted(minutes, "minute")} ago`
  const hours = Math.floor(minutes / 60)
  return hours < 48
    ? `${counted(hours, "hour")} ago`
    : `${counted(Math.floor(hours / 24), "day")} ago`
}

/** `812 bytes`, `3.2 MB`: decimal, as files are shown elsewhere. */
export function sizeText(bytes: number): string {
  if (bytes < 1000) return counted(bytes, "byte")
  const units = ["kB", "MB", "GB"]
  const power = Math.min(units.length, Math.floor(Math.log10(bytes) / 3))
  const amount = bytes / 1000 ** power
  return `${amount.toFixed(amount < 10 ? 1 : 0)} ${units[power - 1]}`
}

/** `a, b and c`. */
export function listed(items: readonly string[]): string {
  if (items.length < 2) return items.join("")
  return `${items.slice(0, -1).join(", ")} and ${items.at(-1)}`
}

function widthOf(cell: string): number {
  return [...cell.replace(/[\ue000-\ue005]/g, "")].length
}

function visible(character: string): string {
  if (character === "\r") return ""
  return `\\u{${character.codePointAt(0)?.toString(16)}}`
}
