import { mkdtemp, readdir, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { PassThrough } from "node:stream"
import { afterEach, beforeEach, expect, test } from "vitest"
import { Args } from "../src/args.ts"
import { CATALOG } from "../src/catalog.ts"
import type { Outcome } from "../src/command.ts"
import { init } from "../src/init.ts"
import type { DeviceParts } from "../src/open-device.ts"
import { Terminal } from "../src/terminal.ts"
import { memoryParts } from "./memory-parts.ts"
import { MemoryPerson } from "./memory-person.ts"

const WORDS = ["apple", "river"]

let folder: string
let wordsSeen: number
let said: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "fulcrum-init-"))
  wordsSeen = 0
})
afterEach(() => rm(folder, { recursive: true }))

function parts(): DeviceParts {
  const seen = async () => {
    wordsSeen++
  }
  const create = async () => ({ person: new MemoryPerson(), words: WORDS, wordsSeen: seen })
  return memoryParts(join(folder, "home"), { create })
}

/**
 * @param typed - All that is typed before standard input ends.
 * @param options.fault - Why what is written goes nowhere.
 */
function begin(
  typed: string,
  options: {
    readonly json?: boolean
    readonly fault?: Error
    readonly name?: string
    readonly isNowhere?: boolean
  } = {},
): Promise<Outcome | undefined> {
  const { json = false, fault, name, isNowhere = false } = options
  said = ""
  const write = (text: string, written?: (error?: Error) => void) => {
    said += text
    written?.(fault)
  }
  const output = { isTTY: true, write }
  const errors = { isTTY: true, write: (_: string, written?: () => void) => written?.() }
  const input = Object.assign(new PassThrough(), { isTTY: true })
  input.end(typed)
  const rest = { yes: false, watch: false, env: {}, isNowhere }
  const io = new Terminal({ input, output, errors, json, ...rest })
  const parameters = CATALOG.find(({ name }) => name === "init")?.parameters ?? []
  const args = Args.read({ noPassphrase: true, ...(name !== undefined && { name }) }, parameters)
  const { signal } = new AbortController()
  return init({ home: parts().home, args, io, json, mdns: false, signal }, parts())
}

test("a name that nobody could see is refused before anything is made", async () => {
  for (const name of [" ", "\u200b", "x".repeat(5000)]) {
    const refused = begin("", { name })
    await expect(refused).rejects.toMatchObject({ code: "DEVICE_NAME_INVALID" })
  }
  await expect(readdir(folder)).resolves.toEqual([])
})

test("words that nobody has confirmed are kept, so that init shows them again", async () => {
  await expect(begin("")).rejects.toMatchObject({ code: "ANSWER_ABSENT" })
  expect(wordsSeen).toBe(0)
})

test("words that were confirmed are kept no longer", async () => {
  // Whichever is asked for: another word is taken at the third time.
  await begin("x\n".repeat(6))
  expect(wordsSeen).toBe(1)
})

test("with --json the words are in the answer, and kept no longer", async () => {
  expect(await begin("", { json: true })).toBeUndefined()
  expect(JSON.parse(said)).toMatchObject({ words: WORDS })
  expect(wordsSeen).toBe(1)
})

test.for([false, true])("words that were thrown away are kept (--json: %s)", async (json) => {
  await begin("x\n".repeat(6), { json, isNowhere: true })
  expect(wordsSeen).toBe(0)
})

test.for([false, true])("words that could not be written are kept (--json: %s)", async (json) => {
  const fault = new Error("the disk is full")
  await expect(begin("x\n".repeat(6), { json, fault })).rejects.toBe(fault)
  expect(wordsSeen).toBe(0)
})
