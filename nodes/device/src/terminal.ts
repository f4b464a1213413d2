/**
 * Whoever runs a command: standard input, output and error.
 *
 * Results go to standard output; questions, progress and notes to standard error. With `--json`
 * standard output carries documents alone, one a line.
 *
 * @module
 */
import { createInterface, type Interface } from "node:readline"
import { type Readable, Writable } from "node:stream"
import type { Io, Outcome, Question } from "./command.ts"
import { contentOf, type FilePaths, saveFile } from "./local-files.ts"
import { ProgramError } from "./program-error.ts"
import { lines, paint, tone } from "./text.ts"

export interface TerminalOptions {
  readonly input: Readable & { readonly isTTY?: boolean }
  readonly output: Sink
  readonly errors: Sink
  readonly json: boolean
  /** Take each question's default. */
  readonly yes: boolean
  /** What is emitted is one table that changes, drawn over the one before on a screen. */
  readonly watch: boolean
  readonly env: Readonly<Record<string, string | undefined>>
  /** Of the files that the command line names. */
  readonly files?: FilePaths
  /** Ends what is being written. */
  readonly signal?: AbortSignal
  /** What is written to the output is thrown away. */
  readonly isNowhere?: boolean
}

/** The little that is needed of a stream to write to. */
export interface Sink {
  readonly isTTY?: boolean
  /** Of a terminal. */
  readonly columns?: number
  readonly rows?: number
  /** @param written - Called once it is there, or cannot be. */
  write(text: string, written?: (error?: Error | null) => void): unknown
}

/** Black on white, of the 256 colours that no theme changes; also where other colour is not wanted. */
const [DARK_ON_LIGHT, AS_BEFORE] = ["\u001b[38;5;16;48;5;231m", "\u001b[0m"]

const ANSWERS = new Map([
  ["y", "yes"],
  ["yes", "yes"],
  ["n", "no"],
  ["no", "no"],
])
/** Times that a yes-or-no question is asked. */
const ASK_TIMES = 3

export class Terminal implements Io {
  readonly interactive: boolean
  readonly #options: TerminalOptions
  readonly #lines: string[] = []
  readonly #waiting: ((line: string | undefined) => void)[] = []
  #reader: Interface | undefined
  #ended = false
  /** What was written last. */
  #written: Promise<void> = Promise.resolve()

  constructor(options: TerminalOptions) {
    this.#options = options
    this.interactive = options.input.isTTY === true && !options.yes && !options.json
  }

  /** Whether what is written goes somewhere. */
  get isHeard(): boolean {
    return this.#options.isNowhere !== true
  }

  progress(text: string): void {
    if (this.#options.errors.isTTY) this.#say(`${text}…`)
  }

  note(text: string): void {
    this.#say(text)
  }

  async show(shown: Outcome): Promise<void> {
    if (this.#options.json) this.#say(shown.text)
    else this.print(shown)
    await this.#written
  }

  emit(outcome: Outcome): void {
    const { output, json, watch } = this.#options
    if (watch && !json && output.isTTY) output.write("\u001b[H\u001b[2J")
    this.print(outcome)
  }

  async tell(outcome: Outcome): Promise<void> {
    this.print(outcome)
    await this.#written
  }

  /** Writes a command's answer. */
  print(outcome: Outcome): void {
    const { output, json } = this.#options
    if (json) this.#write(output, `${JSON.stringify(outcome.document)}\n`)
    else if (outcome.exact && !output.isTTY) this.#write(output, outcome.text)
    else if (outcome.text !== "") {
      const text = lines(this.#draw(outcome), outcome.text)
      this.#write(output, `${paint(text, { color: this.#hasColor(output) }).trimEnd()}\n`)
    }
  }

  /** @returns What is to be said of the drawing, once it is there or there is no room for it. */
  #draw({ drawing, text }: Outcome): string {
    const { output, env } = this.#options
    if (drawing === undefined || !output.isTTY) return ""
    const { of, caption } = drawing
    const columns = Math.max(...drawing.lines.map((line) => line.length))
    const width = Math.max(columns, output.columns ?? 0)
    // All of it is seen at once, with the cursor's own line.
    const rows = drawing.lines.length + rowsOf(lines(caption, text), width) + 1
    const hasRoom = columns <= (output.columns ?? 0) && rows <= (output.rows ?? 0)
    if (!hasRoom || env.TERM === "dumb") {
      return tone("quiet", `(Left out: ${of}. It takes ${columns} columns and ${rows} rows.)`)
    }
    for (const line of drawing.lines) output.write(drawn(line))
    return caption
  }

  async ask(question: Question): Promise<string> {
    const { yes } = this.#options
    if (yes) {
      this.#say(`${prompt(question)}${question.default}`)
      return question.default
    }
    for (let asked = 0; asked < ASK_TIMES; asked++) {
      const typed = (await this.#typed(question))?.trim()
      if (!this.#options.input.isTTY) this.#options.errors.write("\n")
      if (typed === undefined) break
      if (typed === "") return question.default
      if (question.kind === "text") return typed
      const answer = ANSWERS.get(typed.toLowerCase())
      if (answer !== undefined) return answer
      this.#say("Please answer y or n.")
    }
    throw new ProgramError(
      "ANSWER_ABSENT",
      "a question got no answer",
      "answer on standard input, or take every default with --yes",
    )
  }

  content(parameter: string): AsyncIterable<Uint8Array> {
    const path = this.#options.files?.get(parameter)
    if (path === undefined) throw new TypeError(`no file was given as ${parameter}`)
    return contentOf(path)
  }

  save(parameter: string, name: string, content: AsyncIterable<Uint8Array>): Promise<string> {
    const { files, signal } = this.#options
    return saveFile(files?.get(parameter), name, content, signal)
  }

  /** Lets go of standard input, so that the process can end. */
  close(): void {
    this.#reader?.close()
    this.#options.input.pause()
  }

  #say(text: string): void {
    const { errors } = this.#options
    this.#write(errors, `${paint(text, { color: this.#hasColor(errors) })}\n`)
  }

  #write(sink: Sink, text: string): void {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    // Whoever does not wait for it hears of a failure from the stream.
    promise.catch(() => undefined)
    this.#written = promise
    sink.write(text, (error) => (error ? reject(error) : resolve()))
  }

  #hasColor(sink: Sink): boolean {
    const { env } = this.#options
    return sink.isTTY === true && !env.NO_COLOR && env.TERM !== "dumb"
  }

  #typed(question: Question): Promise<string | undefined> {
    const { input, errors } = this.#options
    const said = paint(prompt(question), { color: false })
    const { complete } = question
    // What was read ahead by lines is past completing.
    if (complete !== undefined && input.isTTY && this.#reader === undefined) {
      return this.#completed(said, complete)
    }
    errors.write(said)
    return this.#line()
  }

  /** One line, with Tab for what its end may go on as. */
  #completed(
    said: string,
    complete: NonNullable<Question["complete"]>,
  ): Promise<string | undefined> {
    const { input, errors } = this.#options
    const output = new Writable({
      write(chunk, _encoding, done) {
        errors.write(String(chunk))
        done()
      },
    })
    const reader = createInterface({
      ...{ input, output: Object.assign(output, { columns: errors.columns }), terminal: true },
      completer(typed: string) {
        const { words, end } = complete(typed)
        return [[...words], end]
      },
    })
    return new Promise((resolve) => {
      reader.once("line", (line) => {
        resolve(line)
        reader.close()
      })
      reader.on("close", () => resolve(undefined))
      // The keyboard is this reader's: the signal of Ctrl-C, too.
      reader.on("SIGINT", () => {
        reader.close()
        process.kill(process.pid, "SIGINT")
      })
      reader.setPrompt(said)
      reader.prompt()
    })
  }

  #line(): Promise<string | undefined> {
    this.#reader ??= this.#read()
    const line = this.#lines.shift()
    if (line !== undefined || this.#ended) return Promise.resolve(line)
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  #read(): Interface {
    const reader = createInterface({ input: this.#options.input, terminal: false })
    reader.on("line", (line) => {
      const waiting = this.#waiting.shift()
      if (waiting) waiting(line)
      else this.#lines.push(line)
    })
    reader.on("close", () => {
      this.#ended = true
      for (const waiting of this.#waiting.splice(0)) waiting(undefined)
    })
    return reader
  }
}

/** Rows of the screen that a text takes: long lines go on in the next. */
function rowsOf(text: string, columns: number): number {
  return paint(text, { color: false })
    .split("\n")
    .reduce((rows, line) => rows + Math.max(1, Math.ceil([...line].length / columns)), 0)
}

function drawn(line: string): string {
  return `${DARK_ON_LIGHT}${paint(line, { color: false })}${AS_BEFORE}\n`
}

function prompt({ text, kind, default: fallback }: Question): string {
  if (kind === "text") return fallback === "" ? `${text} ` : `${text} [${fallback}] `
  return fallback === "yes" ? `${text} [Y/n] ` : `${text} [y/N] `
}
