/**
 * Growth as a picture: a square for each measure, both axes logarithmic, with what n log n would be
 * from the first point on. SVG 1.1, legible on light and dark grounds.
 *
 * @module
 */
import { shapeName } from "../seeded-record.ts"
import { textAt } from "../svg.ts"
import { formatNumber } from "../table.ts"
import { type GrowthPoint, type GrowthReport, logLinear, MEASURES } from "./growth.ts"

const SIDE = 300
const MARGIN = 56
const CELL = SIDE + 2 * MARGIN
const COLUMNS = 3
const COLOURS = ["#0b6e4f", "#3d5a9e"]

export function drawGrowth({ series }: GrowthReport): string {
  const width = COLUMNS * CELL
  const height = Math.ceil(MEASURES.length / COLUMNS) * CELL + 40
  const squares = MEASURES.flatMap(({ name, of }, at) => {
    const [x, y] = [(at % COLUMNS) * CELL + MARGIN, Math.floor(at / COLUMNS) * CELL + MARGIN]
    return [`<g transform="translate(${x} ${y})">`, ...drawSquare(name, of, series), "</g>"]
  })
  const legend = series.map((points, at) => {
    const documents = points.map(({ shape }) => shape.documents)
    const what = documents.every((count) => count === 1)
      ? "in one document"
      : `in ${documents.map((count) => count.toLocaleString("en")).join(", ")} documents`
    return textAt(MARGIN + at * CELL, height - 16, what, `fill="${colourOf(at)}"`)
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12" role="img">`,
    "<title>How cost grows with the number of edits</title>",
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    ...squares,
    ...legend,
    "</svg>\n",
  ].join("\n")
}

function drawSquare(
  name: string,
  of: (point: GrowthPoint) => number,
  series: GrowthReport["series"],
): readonly string[] {
  const all = series.flat()
  const edits = all.map(({ shape }) => shape.edits)
  const x = scaleOf(edits, SIDE)
  const bounds = series.map((points) => boundOf(points, of))
  const y = scaleOf([...all.map(of), ...bounds.flat().map(([, value]) => value)], SIDE)
  const at = (n: number, value: number): string =>
    `${x(n).toFixed(1)},${(SIDE - y(value)).toFixed(1)}`
  const lines = series.flatMap((points, number) => {
    const colour = colourOf(number)
    const line = points.map((point) => at(point.shape.edits, of(point))).join(" ")
    const bound = (bounds[number] ?? []).map(([n, value]) => at(n, value)).join(" ")
    return [
      `<polyline points="${bound}" fill="none" stroke="${colour}" stroke-dasharray="2 4"/>`,
      `<polyline points="${line}" fill="none" stroke="${colour}" stroke-width="2"/>`,
      ...points.map((point) => {
        const [px = 0, py = 0] = at(point.shape.edits, of(point)).split(",").map(Number)
        const value = formatNumber(of(point))
        return [
          `<circle cx="${px}" cy="${py}" r="3" fill="${colour}"><title>${shapeName(point.shape)}</title></circle>`,
          textAt(
            px,
            py + (number % 2 === 0 ? -7 : 18),
            value,
            `text-anchor="middle" fill="${colour}"`,
          ),
        ].join("\n")
      }),
    ]
  })
  const ticks = [...new Set(edits)].map((n) =>
    textAt(x(n), SIDE + 18, n.toLocaleString("en"), 'text-anchor="middle" fill="#555555"'),
  )
  return [
    textAt(0, -30, `${name} (dotted: n log n)`, 'font-weight="bold" fill="#1a1a1a"'),
    `<rect width="${SIDE}" height="${SIDE}" fill="none" stroke="#b8c0c8"/>`,
    ...ticks,
    ...lines,
  ]
}

/** What n log n comes to, from the first point on. */
function boundOf(
  points: readonly GrowthPoint[],
  of: (point: GrowthPoint) => number,
): readonly (readonly [n: number, value: number])[] {
  const [first] = points
  if (first === undefined) return []
  return points.map(({ shape }) => [
    shape.edits,
    of(first) * logLinear(first.shape.edits, shape.edits),
  ])
}

/** Pixels of a value, on a logarithmic scale that begins and ends a little outside. */
function scaleOf(values: readonly number[], pixels: number): (value: number) => number {
  const [least, most] = [Math.min(...values) / 1.5, Math.max(...values) * 1.5]
  return (value) => (pixels * Math.log(value / least)) / Math.log(most / least)
}

function colourOf(number: number): string {
  return COLOURS[number % COLOURS.length] ?? "#000000"
}
