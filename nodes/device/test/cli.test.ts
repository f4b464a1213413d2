import { execFile } from "node:child_process"
import { mkdtemp, readdir, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { CATALOG } from "../src/catalog.ts"

const launcher = join(import.meta.dirname, "..", "bin", "fulcrum")
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "fulcrum-cli-"))
})
afterAll(() => rm(folder, { recursive: true }))

interface Ran {
  readonly status: number
  readonly output: string
  readonly errors: string
}

function fulcrum(...args: readonly string[]): Promise<Ran> {
  const env = { PATH: process.env.PATH, HOME: folder, FULCRUM_HOME: join(folder, "data") }
  return new Promise((resolve) => {
    const child = execFile(launcher, args, { env }, (error, output, errors) => {
      const status = typeof error?.code === "number" ? error.code : error ? -1 : 0
      resolve({ status, output, errors })
    })
    child.stdin?.end()
  })
}

// A program for a POSIX shell.
describe.skipIf(process.platform === "win32")("the command line", () => {
  test("--help lists every command, and says which are not there yet", async () => {
    const { output } = await fulcrum("--help")
    // What does not fit goes on below, further in.
    const entries = output.split(/\n(?! {3})/)
    for (const { name, where } of CATALOG) {
      const [first = ""] = name.split(" ")
      const line = entries.find((text) => new RegExp(`^  ${first}( |$)`).test(text))
      expect(line, name).toBeDefined()
      if (where === "not-yet" && !name.startsWith("terms")) expect(line, name).toMatch(/not\s+yet/)
    }
    expect(output).toContain("Example:")
  })

  test("help at every level has an example", async () => {
    const levels = [
      "relay",
      "relay add",
      "devices",
      "devices rename",
      "devices revoke",
      "terms policy",
      "move",
    ]
    for (const level of levels) {
      const { status, output } = await fulcrum(...level.split(" "), "--help")
      expect({ level, status }).toEqual({ level, status: 0 })
      expect(output, level).toMatch(/Example:\n {2}fulcrum /)
    }
  })

  test("wrong usage ends with 2, one line, and nothing on standard output", async () => {
    for (const args of [
      ["nothing"],
      ["set", "card/name"],
      ["set", "card/name", "a", "b"],
      ["get", "--nothing"],
      ["sync", "--wait", "soon"],
      ["join", "1-a-b-c", "--relay", "x", "--at", "y"],
      ["get", "--home", ""],
      ["--home=", "init", "--no-passphrase", "--yes"],
    ]) {
      const { status, output, errors } = await fulcrum(...args)
      expect({ args, status, output }).toEqual({ args, status: 2, output: "" })
      expect(errors.trim().split("\n"), args.join(" ")).toHaveLength(1)
      expect(errors).toMatch(/^fulcrum: .+ \(USAGE\): see `fulcrum/)
    }
  })

  test("what is not built yet says so, with its code and status 1", async () => {
    for (const args of [
      ["disclose", "acme", "card/name", "--yes"],
      ["withdraw", "acme", "card/name"],
      ["terms", "policy"],
      ["log"],
    ]) {
      const { status, output, errors } = await fulcrum(...args)
      expect({ status, output }).toEqual({ status: 1, output: "" })
      expect(errors).toMatch(/^fulcrum: `fulcrum .+` is not built yet \(NOT_YET\): see .+\n$/)
    }
    const { errors } = await fulcrum("open", "--json")
    expect(JSON.parse(errors)).toMatchObject({ error: { code: "NOT_YET" } })
  })

  test("a folder without a record is told, and nothing is made in it", async () => {
    for (const args of [["get"], ["status"], ["up"], ["set", "card/name", "Ada"]]) {
      const { status, errors } = await fulcrum(...args)
      expect({ args, status }).toEqual({ args, status: 1 })
      expect(errors).toMatch(/^fulcrum: .+ \(RECORD_ABSENT\): begin with `fulcrum init`.+\n$/)
    }
    await expect(readdir(join(folder, "data"))).rejects.toMatchObject({ code: "ENOENT" })
  })

  test("doctor's first finding is a folder without a record", async () => {
    const { status, output } = await fulcrum("doctor", "--json")
    expect(status).toBe(1)
    expect(JSON.parse(output)).toMatchObject({
      ok: false,
      checks: [{ check: "folder", ok: false }],
    })
  })
})
