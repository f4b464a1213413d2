/**
 * What the demo prints: numbered steps, what they came to, and the board, which is drawn over
 * itself on a terminal and line by line elsewhere.
 *
 * @module
 */
import type { BoardLine } from "../harness/answers.ts"

const STATES = ["sealed", "relayed", "delivered", "accepted", "applied"] as const
const COLUMN = 11

export interface Output {
  readonly isTTY?: boolean
  write(text: string): unknown
}

export class Narrator {
  readonly #output: Output
  readonly #isTerminal: boolean
  readonly #hasColor: boolean
  #steps = 0

  constructor(output: Output, env: NodeJS.ProcessEnv = process.env) {
    this.#output = output
    this.#isTerminal = output.isTTY === true
    this.#hasColor = this.#isTerminal && !env.NO_COLOR && env.TERM !== "dumb"
  }

  title(text: string): void {
    this.#line(this.bold(text))
  }

  /** Something happens. */
  step(text: string): void {
    this.#steps++
    this.#line(`\n${this.bold(`${this.#steps}.`)} ${text}`)
  }

  /** What came of it. */
  note(text: string): void {
    for (const line of text.trimEnd().split("\n")) this.#line(`   ${line}`.trimEnd())
  }

  command(text: string): void {
    this.#line(`   ${this.faint("$")} ${this.bold(text)}`)
  }

  /** What a program printed. */
  quote(text: string): void {
    for (const line of text.trimEnd().split("\n")) this.#line(`   ${this.faint("|")} ${line}`)
  }

  plain(text: string): void {
    this.#line(text)
  }

  /** Shows a board until it is done; `close` leaves it as it is. */
  board(vendors: readonly string[]): BoardScreen {
    const width = Math.max(...vendors.map((name) => name.length)) + 2
    const head = STATES.map((state) => state.padEnd(COLUMN)).join("")
    this.note(this.faint(`${" ".repeat(width)}${head}`))
    const shown = new Map<string, string>()
    const draw = (line: BoardLine): string => {
      const reached = new Set(line.steps.map(({ state }) => state))
      const cells = STATES.map((state) => {
        const mark = reached.has(state) ? "signed" : "·"
        return this.#tone(mark.padEnd(COLUMN), reached.has(state) ? "good" : "faint")
      })
      // What is sealed is signed by nobody yet: it is done here.
      cells[0] = this.#tone((reached.has("sealed") ? "here" : "·").padEnd(COLUMN), "good")
      return `${line.vendor.padEnd(width)}${cells.join("")}`
    }
    return {
      update: (lines) => {
        const rows = lines.map((line) => [line.vendor, draw(line)] as const)
        const changed = rows.filter(([vendor, row]) => shown.get(vendor) !== row)
        if (changed.length === 0) return
        if (this.#isTerminal && shown.size > 0) this.#output.write(`\u001b[${shown.size}A`)
        for (const [vendor, row] of this.#isTerminal ? rows : changed) {
          shown.set(vendor, row)
          this.#line(`   ${row}`.trimEnd())
        }
      },
    }
  }

  bold(text: string): string {
    return this.#tone(text, "bold")
  }

  faint(text: string): string {
    return this.#tone(text, "faint")
  }

  good(text: string): string {
    return this.#tone(text, "good")
  }

  bad(text: string): string {
    return this.#tone(text, "bad")
  }

  #tone(text: string, tone: keyof typeof ESCAPES): string {
    return this.#hasColor ? `\u001b[${ESCAPES[tone]}m${text}\u001b[0m` : text
  }

  #line(text: string): void {
    this.#output.write(`${text}\n`)
  }
}

export interface BoardScreen {
  update(lines: readonly BoardLine[]): void
}

const ESCAPES = { bold: 1, faint: 2, good: 32, bad: 31 } as const
