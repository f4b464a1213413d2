import { PassThrough } from "node:stream"
import { expect, test } from "vitest"
import { Terminal } from "../src/terminal.ts"
import { tone } from "../src/text.ts"

function terminal(options: {
  readonly input?: string
  readonly json?: boolean
  readonly yes?: boolean
  readonly watch?: boolean
  readonly isTTY?: boolean
  readonly env?: Readonly<Record<string, string>>
}) {
  const { json = false, yes = false, watch = false, isTTY = false, env = {} } = options
  const written = { output: "", errors: "" }
  const sink = (name: "output" | "errors") => ({
    isTTY,
    write: (text: string, done?: () => void) => {
      written[name] += text
      done?.()
    },
  })
  const input = Object.assign(new PassThrough(), { isTTY })
  input.end(options.input ?? "")
  const io = new Terminal({
    input,
    output: sink("output"),
    errors: sink("errors"),
    json,
    yes,
    watch,
    env,
  })
  return { io, written }
}

test("with --json standard output has documents and nothing else", async () => {
  const { io, written } = terminal({ json: true, input: "y\n" })
  io.note("a note")
  io.progress("working")
  await io.show({ document: { preview: 1 }, text: "preview" })
  await io.ask({ text: "Go on?", kind: "yes-no", default: "yes" })
  io.print({ document: { a: undefined, b: 1 }, text: "text" })
  expect(written.output).toBe('{"b":1}\n')
  expect(written.errors).toBe("a note\npreview\nGo on? [Y/n] \n")
})

test("colour is for a terminal that wants it", () => {
  const outcome = { document: null, text: tone("good", "ok") }
  const colours = [
    terminal({ isTTY: true }),
    terminal({ isTTY: true, env: { NO_COLOR: "1" } }),
    terminal({ isTTY: true, env: { TERM: "dumb" } }),
    terminal({}),
  ].map(({ io, written }) => {
    io.print(outcome)
    return written.output.includes("\u001b")
  })
  expect(colours).toEqual([true, false, false, false])
})

test("a file's content goes out byte for byte, but not to a terminal", () => {
  const outcome = { document: null, text: "BEGIN\r\n\u001b[2JEND\r\n", exact: true }
  const file = terminal({})
  file.io.print(outcome)
  expect(file.written.output).toBe("BEGIN\r\n\u001b[2JEND\r\n")
  const screen = terminal({ isTTY: true })
  screen.io.print(outcome)
  expect(screen.written.output).toBe("BEGIN\n\\u{1b}[2JEND\n")
})

test("only a watched table takes the place of what is on the screen", () => {
  const outcome = { document: 1, text: "a code" }
  const clear = "\u001b[H\u001b[2J"
  for (const [options, before] of [
    [{ isTTY: true, watch: true }, clear],
    [{ isTTY: true }, ""],
    [{ watch: true }, ""],
  ] as const) {
    const { io, written } = terminal(options)
    io.emit(outcome)
    expect(written.output).toBe(`${before}a code\n`)
  }
})

test("answers come from standard input; Enter and --yes take the default", async () => {
  const yesNo = { text: "Add it?", kind: "yes-no", default: "yes" } as const
  const { io } = terminal({ input: "\nmaybe\nN\n" })
  expect(await io.ask(yesNo)).toBe("yes")
  expect(await io.ask(yesNo)).toBe("no")
  expect(await terminal({ yes: true }).io.ask({ ...yesNo, default: "no" })).toBe("no")
  const text = { text: "Which?", kind: "text", default: "none" } as const
  expect(await terminal({ input: " a, b \n" }).io.ask(text)).toBe("a, b")
})

test("a question that nobody answers is a failure, not a yes", async () => {
  const { io } = terminal({ input: "" })
  await expect(io.ask({ text: "Add?", kind: "yes-no", default: "yes" })).rejects.toMatchObject({
    code: "ANSWER_ABSENT",
  })
})

/** Somebody who types as a person does, a piece at a time. */
async function typing(pieces: readonly string[], options: { readonly isTTY?: boolean } = {}) {
  const { isTTY = true } = options
  const input = Object.assign(new PassThrough(), { isTTY })
  let said = ""
  const sink = { isTTY, columns: 80, write: (text: string) => (said += text) }
  const screen = { input, output: sink, errors: sink }
  const io = new Terminal({ ...screen, json: false, yes: false, watch: false, env: {} })
  const question = { text: "Which?", kind: "text", default: "none" } as const
  const complete = (typed: string) => ({
    words: ["copper", "copy"].filter((word) => word.startsWith(typed)),
    end: typed,
  })
  const answered = io.ask({ ...question, complete })
  for (const piece of pieces) input.write(piece)
  const answer = await answered.catch((error: { readonly code?: string }) => error.code)
  return { answer, io, input, said: () => said }
}

test("Tab completes what is typed where somebody types", async () => {
  expect(await typing(["copp", "\t", "\r"])).toMatchObject({ answer: "copper" })
  expect(await typing(["c", "\t", "per", "\r"])).toMatchObject({ answer: "copper" })
  expect(await typing(["zzz", "\t", "\r"])).toMatchObject({ answer: "zzz" })
  const several = await typing(["cop", "\t", "\t", "y", "\r"])
  expect(several.answer).toBe("copy")
  expect(several.said()).toMatch(/copper\s+copy/)
  expect((await typing(["\r"])).answer).toBe("none")
  expect((await typing(["cop\t\n"], { isTTY: false })).answer).toBe("cop")
})

test("what is asked after a completed answer is answered as always", async () => {
  const { io, input } = await typing(["copp", "\t", "\r"])
  const next = io.ask({ text: "Sure?", kind: "yes-no", default: "no" })
  input.write("y\n")
  expect(await next).toBe("yes")
  const last = io.ask({ text: "And?", kind: "text", default: "" })
  input.write("well\n")
  expect(await last).toBe("well")
})

test("an end of the input, or Ctrl-C, is no answer", async () => {
  expect((await typing(["cop", "\u0004", "\u007f\u007f\u007f", "\u0004"])).answer).toBe(
    "ANSWER_ABSENT",
  )
  const interrupted = Promise.withResolvers<string>()
  process.once("SIGINT", () => interrupted.resolve("interrupted"))
  const { answer } = await typing(["cop", "\u0003"])
  expect(answer).toBe("ANSWER_ABSENT")
  expect(await interrupted.promise).toBe("interrupted")
})
