import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join as joinPath } from "node:path"
import { PassThrough } from "node:stream"
import { afterEach, beforeEach, expect, test } from "vitest"
import { Args } from "../src/args.ts"
import { CATALOG } from "../src/catalog.ts"
import { join } from "../src/join.ts"
import type { DeviceParts } from "../src/open-device.ts"
import { failureOf } from "../src/program-error.ts"
import { Terminal } from "../src/terminal.ts"
import { memoryParts } from "./memory-parts.ts"
import { CodedError } from "./memory-person.ts"

const URI =
  "fulcrum-pair:1.hlggAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQFQAgICAgICAgICAgICAgICAgGA9oA"

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(joinPath(tmpdir(), "fulcrum-join-"))
})
afterEach(() => rm(folder, { recursive: true }))

/** A join that fails. @returns What it said on the way, and how it failed. */
async function fail(
  ask: DeviceParts["records"]["join"],
  given: {
    readonly code?: string
    readonly relay?: string
    readonly at?: string
    readonly mdns?: boolean
  } = {},
): Promise<{ said: string; message: string; todo: string }> {
  const { code = "4711-copper-lemon-orbit", mdns = true, ...where } = given
  let said = ""
  const sink = { isTTY: true, write: (text: string) => (said += text) }
  const input = Object.assign(new PassThrough(), { isTTY: true })
  const outputs = { output: sink, errors: sink }
  const io = new Terminal({ input, ...outputs, json: false, yes: true, watch: false, env: {} })
  const parameters = CATALOG.find(({ name }) => name === "join")?.parameters ?? []
  const args = Args.read({ code, noPassphrase: true, ...where }, parameters)
  const parts = memoryParts(joinPath(folder, "home"), { join: ask })
  const { signal } = new AbortController()
  const context = { home: parts.home, args, io, json: false, mdns, signal }
  const failure = await join(context, parts).then(
    () => Promise.reject(new TypeError("it joined")),
    failureOf,
  )
  expect(failure.code).toBe("PAIR_PEER_ABSENT")
  return { said, message: failure.message, todo: failure.todo }
}

const absent = async () => Promise.reject(new CodedError("PAIR_PEER_ABSENT", "not found"))

test("join says where it looks for the other device, and what else to try", async () => {
  const here = await fail(absent)
  expect(here.said).toContain("Looking for the other device on this network…")
  expect(here.todo).toMatch(/just this code.*--at.*--relay/)
  const unsearched = await fail(absent, { mdns: false })
  expect(unsearched.said).not.toContain("network")
  expect(unsearched.todo).toMatch(/--no-mdns.*--at.*--relay/)
  const relay = await fail(absent, { relay: "/ip4/192.0.2.1/tcp/1" })
  expect(relay.said).toContain("at the relay…")
  expect(relay.todo).toContain("--at")
  const direct = await fail(absent, { at: "/ip4/192.0.2.1/tcp/1" })
  expect(direct.said).toContain("at its address…")
  expect(direct.todo).toContain("--relay")
  const scanned = await fail(absent, { code: URI })
  expect(scanned.said).toContain("where the code says…")
  expect(scanned.todo).toMatch(/still shows this code.*--at/)
})

test("a device that was found and then went is not told as one that was not", async () => {
  const went = await fail(async (_, { confirm }) => {
    await confirm(["apple", "river"])
    return await absent()
  })
  expect(went.todo).not.toContain("--relay")
})

/** What `join` makes of this as it looks for the other device, and what it says meanwhile. */
async function given(
  code: string | undefined,
  typed: readonly string[],
  options: { readonly yes?: boolean; readonly isTTY?: boolean } = {},
): Promise<{ asked: string | undefined; said: string; code: string }> {
  const { yes = false, isTTY = true } = options
  let said = ""
  const sink = { isTTY, write: (text: string) => (said += text) }
  const input = Object.assign(new PassThrough(), { isTTY })
  const outputs = { output: sink, errors: sink }
  const io = new Terminal({ input, ...outputs, json: false, yes, watch: false, env: {} })
  const parameters = CATALOG.find(({ name }) => name === "join")?.parameters ?? []
  const args = Args.read({ noPassphrase: true, ...(code !== undefined && { code }) }, parameters)
  let asked: string | undefined
  const parts = memoryParts(joinPath(folder, "home"), {
    join: async (_, request) => {
      asked = request.code
      return await absent()
    },
  })
  const { signal } = new AbortController()
  const context = { home: parts.home, args, io, json: false, mdns: true, signal }
  const failing = join(context, parts).then(
    () => Promise.reject(new TypeError("it joined")),
    failureOf,
  )
  if (typed.length > 0) await expect.poll(() => said).toContain("shows:")
  for (const piece of typed) input.write(piece)
  const failure = await failing
  return { asked, said, code: failure.code }
}

test("without a code it is asked for where somebody is there, and Tab completes it", async () => {
  const typed = await given(undefined, ["4711-copp", "\t", "lemo", "\t", "orb", "\t", "\r"])
  expect(typed.said).toContain("The code that the other device shows:")
  expect(typed).toMatchObject({ asked: "4711-copper-lemon-orbit", code: "PAIR_PEER_ABSENT" })
  expect(typed.said).not.toContain("Taken for")
  for (const nobody of [{ yes: true }, { isTTY: false }]) {
    const refused = await given(undefined, [], nobody)
    expect(refused).toMatchObject({ asked: undefined, code: "USAGE" })
  }
})

test("of a word four letters are enough, and it is told which word that is", async () => {
  for (const [code, typed] of [
    ["4711-copp-lemon-orbi", []],
    [undefined, ["4711 copp lemon orbi\r"]],
  ] as const) {
    const { asked, said } = await given(code, typed)
    expect(asked).toBeDefined()
    expect(said).toContain("Taken for: copper and orbit\n")
  }
  expect(await given("4711-cop-lemon-orbit", [])).toMatchObject({ code: "PAIR_WORD_UNKNOWN" })
})
