import { PassThrough } from "node:stream"
import { bytesToBase64url } from "@fulcrum/codec/bytes"
import { seededRandom } from "@fulcrum/crypto/random"
import jsQR from "jsqr"
import { expect, test } from "vitest"
import type { Drawing } from "../src/command.ts"
import { qrLines } from "../src/qr-code.ts"
import { Terminal } from "../src/terminal.ts"

/** Pixels of one module: what a camera needs. */
const SCALE = 4
const SHORT = "fulcrum-pair:1.hlgg"
/** As many characters as are ever written: `SCANNED_CODE_CHARS_WRITTEN`. */
const LONG = `${SHORT}${bytesToBase64url(seededRandom("qr").bytes(400))}`.slice(0, 425)

/** Its second line takes two rows of 77 columns. */
const TEXT = `On the other device:\n  fulcrum join ${"x".repeat(80)}`

interface Screen {
  readonly columns?: number
  readonly rows?: number
  readonly isTTY?: boolean
  readonly json?: boolean
  readonly env?: Readonly<Record<string, string>>
}

/** What is on the screen once a drawing of this text was printed. */
function printed(text: string, { columns, rows, isTTY = true, json = false, env = {} }: Screen) {
  let output = ""
  const sink = {
    ...{ isTTY, write: (more: string) => (output += more) },
    ...(columns !== undefined && { columns }),
    ...(rows !== undefined && { rows }),
  }
  const input = Object.assign(new PassThrough(), { isTTY })
  const io = new Terminal({
    input,
    output: sink,
    errors: sink,
    json,
    yes: false,
    watch: false,
    env,
  })
  const drawing: Drawing = { of: "a QR code", lines: qrLines(text), caption: "Scan it." }
  io.emit({ document: { uri: text }, text: TEXT, drawing })
  return output
}

/** Reads what is drawn as a camera would; every cell must have both of its colours. */
function scanned(output: string): string | undefined {
  const cells: (readonly [top: boolean, bottom: boolean])[][] = []
  for (const line of output.split("\n")) {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what a terminal is told
    const [, ink] = /^\u001b\[38;5;16;48;5;231m([ \u2580\u2584\u2588]+)\u001b\[0m$/.exec(line) ?? []
    if (ink === undefined) continue
    cells.push([...ink].map((one) => ["\u2580\u2588".includes(one), "\u2584\u2588".includes(one)]))
  }
  const width = (cells[0]?.length ?? 0) * SCALE
  const height = cells.length * 2 * SCALE
  const pixels = new Uint8ClampedArray(width * height * 4)
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const module = Math.floor(y / SCALE)
      const cell = cells[module >> 1]?.[Math.floor(x / SCALE)]
      const shade = cell?.[module & 1 ? 1 : 0] === true ? 0 : 255
      pixels.set([shade, shade, shade, 255], (y * width + x) * 4)
    }
  }
  return jsQR.default(pixels, width, height, { inversionAttempts: "dontInvert" })?.data
}

test.each([SHORT, LONG])("what is drawn on a terminal of 80 columns is read back: %s", (text) => {
  for (const env of [{}, { NO_COLOR: "1" }]) {
    expect(scanned(printed(text, { columns: 80, rows: 50, env }))).toBe(text)
  }
})

test("the longest is 77 columns wide, with four modules of light all around", () => {
  const lines = qrLines(LONG)
  expect(lines).toHaveLength(39)
  for (const [at, line] of lines.entries()) {
    expect(line).toHaveLength(77)
    expect(line).toMatch(/^ {4}.* {4}$/)
    if (at < 2) expect(line.trim()).toBe("")
  }
  expect(lines.slice(-2).join("").replaceAll("\u2580", "").trim()).toBe("")
  expect(lines.at(-1)?.trim()).toBe("")
})

test("where it does not fit, or nobody looks, it is left out, and a line says so on a terminal", () => {
  const rows = qrLines(LONG).length + 5
  expect(scanned(printed(LONG, { columns: 77, rows }))).toBe(LONG)
  for (const screen of [
    { columns: 76, rows },
    { columns: 77, rows: rows - 1 },
    { columns: 77, rows: 200, env: { TERM: "dumb" } },
    {},
  ]) {
    const output = printed(LONG, screen)
    expect(output).not.toMatch(/[\u2580\u2584\u2588]/)
    expect(output).toContain(`(Left out: a QR code. It takes 77 columns and ${rows} rows.)`)
    expect(output).not.toContain("Scan it.")
    expect(output).toContain(TEXT)
  }
  const file = printed(LONG, { columns: 200, rows: 200, isTTY: false })
  expect(file).toBe(`${TEXT}\n`)
  const json = printed(LONG, { columns: 200, rows: 200, json: true })
  expect(JSON.parse(json)).toEqual({ uri: LONG })
})
