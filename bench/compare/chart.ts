/**
 * The comparison as a picture: for each work a row of bars, how long until every document can be read,
 * on a logarithmic scale that all share. SVG 1.1, legible on light and dark grounds.
 *
 * @module
 */
import { textAt } from "../svg.ts"
import { formatNumber } from "../table.ts"
import type { CompareReport } from "./compare.ts"
import { AGAIN } from "./contestants/all.ts"
import type { WorkReport, WorkRow } from "./works.ts"

const WIDTH = 760
const LABEL_WIDTH = 190
const VALUE_WIDTH = 110
const BAR_HEIGHT = 16
const ROW_HEIGHT = 22
const TITLE_HEIGHT = 40

export function drawCompare({ works }: CompareReport): string {
  const times = works.flatMap(({ rows }) => rows.map(({ readableMs }) => readableMs.median))
  const scale = scaleOf(Math.min(...times), Math.max(...times))
  const parts: string[] = []
  let top = 10
  for (const report of works) {
    const drawn = drawWork(report, top, scale)
    parts.push(...drawn.parts)
    top = drawn.bottom
  }
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${top}" viewBox="0 0 ${WIDTH} ${top}" font-family="sans-serif" font-size="13" role="img">`,
    `<title>Time until a second process can read the whole record</title>`,
    `<rect width="${WIDTH}" height="${top}" fill="#ffffff"/>`,
    ...parts,
    "</svg>\n",
  ].join("\n")
}

function drawWork(
  { work, rows }: WorkReport,
  top: number,
  scale: (ms: number) => number,
): { readonly parts: readonly string[]; readonly bottom: number } {
  const { edits, documents } = work.shape
  const title = `${edits.toLocaleString("en")} edits in ${documents.toLocaleString("en")} ${documents === 1 ? "document" : "documents"}: until all can be read, ms (logarithmic)`
  const shown = rows
    .filter(({ id }) => id !== AGAIN)
    .toSorted((a, b) => a.readableMs.median - b.readableMs.median)
  const bars = shown.flatMap((row, at) => drawBar(row, top + TITLE_HEIGHT + at * ROW_HEIGHT, scale))
  return {
    parts: [textAt(10, top + 24, title, 'font-weight="bold" fill="#1a1a1a"'), ...bars],
    bottom: top + TITLE_HEIGHT + shown.length * ROW_HEIGHT + 14,
  }
}

function drawBar(row: WorkRow, top: number, scale: (ms: number) => number): readonly string[] {
  const width = Math.max(2, scale(row.readableMs.median))
  const fill = row.id === "fulcrum" ? "#0b6e4f" : row.leavesOut.length > 0 ? "#b8c0c8" : "#6f7d8c"
  const middle = top + BAR_HEIGHT - 3
  return [
    textAt(LABEL_WIDTH - 8, middle, row.name, 'text-anchor="end" fill="#1a1a1a"'),
    `<rect x="${LABEL_WIDTH}" y="${top}" width="${width.toFixed(1)}" height="${BAR_HEIGHT}" fill="${fill}"/>`,
    textAt(LABEL_WIDTH + width + 6, middle, formatNumber(row.readableMs.median), 'fill="#1a1a1a"'),
  ]
}

/** Pixels of a time; the least gets a tenth of the room. */
function scaleOf(least: number, most: number): (ms: number) => number {
  const room = WIDTH - LABEL_WIDTH - VALUE_WIDTH
  const span = Math.log(most / least) || 1
  return (ms) => room * (0.1 + (0.9 * Math.log(ms / least)) / span)
}
