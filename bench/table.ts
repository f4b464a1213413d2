/**
 * Tables for a terminal: aligned columns, the first to the left, the others to the right.
 *
 * @module
 */
import type { Summary } from "./statistics.ts"

export function formatTable(rows: readonly (readonly string[])[]): string {
  const widths: number[] = []
  for (const row of rows) {
    for (const [at, cell] of row.entries()) widths[at] = Math.max(widths[at] ?? 0, cell.length)
  }
  return rows
    .map((row) =>
      row
        .map((cell, at) =>
          at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0),
        )
        .join("  ")
        .trimEnd(),
    )
    .join("\n")
}

/** Three digits that count: `0.42`, `8.31`, `420`, `3,150`. */
export function formatNumber(value: number): string {
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2
  return value.toLocaleString("en", {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  })
}

/** `4,399 (3,117–6,375)`: the median, and the least to the most. */
export function formatSummary({ median, least, most }: Summary): string {
  return `${formatNumber(median)} (${formatNumber(least)}–${formatNumber(most)})`
}
