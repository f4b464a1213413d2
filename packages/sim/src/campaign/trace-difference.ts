/**
 * Where two runs of one seed part.
 *
 * @module
 */
import type { SeedReport } from "./seed-messages.ts"

/** @returns A sentence and, if the traces part, the two lines at which they do. */
export function traceDifference(one: SeedReport, other: SeedReport): string {
  const begin = Math.max(firstLine(one), firstLine(other))
  const a = one.trace.slice(begin - firstLine(one))
  const b = other.trace.slice(begin - firstLine(other))
  const at = Array.from({ length: Math.max(a.length, b.length) }, (_, i) => i).find(
    (i) => a[i] !== b[i],
  )
  if (at === undefined) {
    return "run twice more, each time in a new process, it went the same way: what a process ran before matters"
  }
  const where = `${begin + at + 1}${at === 0 && begin > 0 ? ", or before it" : ""}`
  const ended = "(it had ended)"
  return `they part at line ${where}:\n  ${a[at] ?? ended}\n  ${b[at] ?? ended}`
}

/** The number, from 0, of the first line that was kept. */
function firstLine({ trace, lines = trace.length }: SeedReport): number {
  return lines - trace.length
}
