/**
 * The launchers: a program runs under Node 24 whatever started it, as the very process that was
 * started, and says so in one line when there is no such Node.
 *
 * @module
 */

import { execFile } from "node:child_process"
import {
  chmod,
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import manifest from "../package.json" with { type: "json" }

const root = join(import.meta.dirname, "..")
const launchers = {
  fulcrum: "nodes/device/bin/fulcrum",
  "fulcrum-vendor": "nodes/vendor/bin/fulcrum-vendor",
  "fulcrum-relay": "nodes/relay/bin/fulcrum-relay",
}

interface Ran {
  readonly pid: number | undefined
  readonly status: number
  readonly output: string
  readonly errors: string
}

/** Runs a program with `path` as its whole PATH, so that no other Node is found by chance. */
function run(program: string, args: readonly string[], path: string): Promise<Ran> {
  return new Promise((resolve) => {
    const env = { PATH: path, HOME: tmpdir() }
    const child = execFile(program, args, { env }, (error, output, errors) => {
      const status = typeof error?.code === "number" ? error.code : error ? -1 : 0
      resolve({ pid: child.pid, status, output, errors })
    })
  })
}

// Programs for a POSIX shell; on Windows npm's own shims start them through sh.
describe.skipIf(process.platform === "win32")("launchers", () => {
  const systemPath = "/usr/bin:/bin"
  let checkout: string
  let launcher: string
  /** Has what the launcher itself needs, and no Node. */
  let bare: string

  beforeAll(async () => {
    checkout = await mkdtemp(join(tmpdir(), "fulcrum launcher-"))
    launcher = join(checkout, "nodes/device/bin/fulcrum")
    await mkdir(join(checkout, "nodes/device/bin"), { recursive: true })
    await mkdir(join(checkout, "nodes/device/src"), { recursive: true })
    await mkdir(join(checkout, "old"))
    await mkdir(join(checkout, "new"))
    await copyFile(join(root, launchers.fulcrum), launcher)
    await writeFile(
      join(checkout, "nodes/device/src/main.ts"),
      "const told: string = JSON.stringify([process.pid, process.argv.slice(2)])\nconsole.log(told)\n",
    )
    await writeFile(join(checkout, "old/node"), "#!/bin/sh\necho v20.20.2\n")
    await chmod(join(checkout, "old/node"), 0o755)
    await symlink(process.execPath, join(checkout, "new/node"))
    bare = join(checkout, "bare")
    await mkdir(bare)
    await symlink("/bin/sh", join(bare, "sh"))
    await symlink("/usr/bin/readlink", join(bare, "readlink"))
  })

  afterAll(async () => {
    await rm(checkout, { recursive: true })
  })

  test.for(Object.entries(launchers))("%s tells its version from .bin", async ([name]) => {
    const ran = await run(join(root, "node_modules/.bin", name), ["--version"], systemPath)
    expect(ran).toMatchObject({ status: 0, output: `${manifest.version}\n`, errors: "" })
  })

  test("all three are the same file", async () => {
    const texts = await Promise.all(
      Object.values(launchers).map((path) => readFile(join(root, path), "utf8")),
    )
    expect(new Set(texts).size).toBe(1)
  })

  test("without a platform package the machine's own Node 24 serves", async () => {
    const path = `${join(checkout, "new")}:${systemPath}`
    const { status, output } = await run(launcher, [], path)
    expect({ status, output }).toMatchObject({
      status: 0,
      output: expect.stringMatching(/^\[\d+,/),
    })
  })

  test("an older Node, or none, is told in one line with a code", async () => {
    for (const [path, found] of [
      [`${join(checkout, "old")}:${systemPath}`, "v20.20.2"],
      [bare, "none"],
    ] as const) {
      const { status, output, errors } = await run(launcher, [], path)
      expect({ status, output }).toEqual({ status: 1, output: "" })
      expect(errors).toContain(`NODE_TOO_OLD needs Node 24 or later (found: ${found})`)
      expect(errors.trim().split("\n")).toHaveLength(1)
    }
  })

  test("the program is the process that was started, and gets its arguments whole", async () => {
    const folder = join(checkout, "node_modules/node-any/bin")
    await mkdir(folder, { recursive: true })
    await symlink(process.execPath, join(folder, "node"))
    const args = ["a b", "", "*", "--flag=$HOME", 'q"uote']
    const ran = await run(launcher, args, `${join(checkout, "old")}:${systemPath}`)
    expect(JSON.parse(ran.output)).toEqual([ran.pid, args])
  })

  test("what was compiled is kept beside the packages, and a place that takes nothing is no harm", async () => {
    const path = `${join(checkout, "new")}:${systemPath}`
    await mkdir(join(checkout, "node_modules"), { recursive: true })
    expect((await run(launcher, [], path)).status).toBe(0)
    expect(await readdir(join(checkout, "node_modules/.cache/fulcrum"))).not.toEqual([])
    const elsewhere = await run("env", ["NODE_COMPILE_CACHE=/dev/null/no", launcher], path)
    expect(elsewhere).toMatchObject({ status: 0, errors: "" })
  })

  test("what was bundled is run until a source is newer, or nobody can tell", async () => {
    const path = `${join(checkout, "new")}:${systemPath}`
    const bundle = join(checkout, "node_modules/.cache/fulcrum/bundle")
    await mkdir(bundle, { recursive: true })
    await mkdir(join(checkout, "packages/any/src"), { recursive: true })
    await writeFile(join(checkout, "packages/any/src/part.ts"), "")
    for (const file of ["packages/any/package.json", "package-lock.json"]) {
      await writeFile(join(checkout, file), "{}")
    }
    await writeFile(join(bundle, "device.js"), 'console.log("bundled")\n')
    await writeFile(join(bundle, "made"), `${checkout}\n`)
    const output = async (searched = path) => (await run(launcher, [], searched)).output
    const touch = (file: string, time: Date) => utimes(join(checkout, file), time, time)
    expect(await output()).toBe("bundled\n")
    const later = new Date(Date.now() + 5_000)
    for (const file of [
      "packages/any/src/part.ts",
      "nodes/device/src/main.ts",
      "package-lock.json",
    ]) {
      await touch(file, later)
      expect(await output(), file).toMatch(/^\[/)
      await touch(file, new Date(0))
      expect(await output(), file).toBe("bundled\n")
    }
    // Copied, the times of its files say nothing.
    await writeFile(join(bundle, "made"), `${checkout}/elsewhere\n`)
    expect(await output()).toMatch(/^\[/)
    await writeFile(join(bundle, "made"), `${checkout}\n`)
    // Without `find`, nobody can tell.
    expect(await output(`${join(checkout, "new")}:${bare}`)).toMatch(/^\[/)
    await rm(bundle, { recursive: true })
  })

  test("it starts through a symlink and by its bare name", async () => {
    await symlink(launcher, join(checkout, "new/linked"))
    const path = `${join(checkout, "new")}:${systemPath}`
    expect((await run(join(checkout, "new/linked"), [], path)).status).toBe(0)
    expect((await run("sh", ["-c", "linked one"], path)).output).toContain('["one"]')
  })
})
