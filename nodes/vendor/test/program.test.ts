/**
 * The program as it is started: commands with and without a running `up`, its API, and how it
 * ends.
 *
 * @module
 */
import { type ChildProcess, execFile, spawn } from "node:child_process"
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises"
import { request } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, test } from "vitest"

const PROGRAM = join(import.meta.dirname, "../bin/fulcrum-vendor")
const REQUEST = {
  agreements: ["SD-BASE"],
  fields: [
    {
      path: "card/emails/home",
      purpose: "dpv:ServiceProvision",
      retention: "P2Y",
      required: true,
      why: "to send your receipt",
    },
  ],
}

interface Ran {
  readonly status: number
  readonly output: string
  readonly errors: string
}

interface Ready {
  readonly ready: boolean
  readonly addresses: readonly string[]
  readonly http: string
}

let folder: string
let home: string

function run(...args: readonly string[]): Promise<Ran> {
  return new Promise((resolve) => {
    const env = { PATH: process.env.PATH, FULCRUM_HOME: home, HOME: folder }
    execFile(PROGRAM, args, { env }, (error, output, errors) => {
      resolve({ status: typeof error?.code === "number" ? error.code : 0, output, errors })
    })
  })
}

async function json(...args: readonly string[]): Promise<Record<string, unknown>> {
  const { output, errors } = await run(...args, "--json")
  expect(errors).toBe("")
  expect(output.trim().split("\n")).toHaveLength(1)
  return JSON.parse(output)
}

async function up(): Promise<{ readonly child: ChildProcess; readonly ready: Ready }> {
  const args = ["up", "--listen", "/ip4/127.0.0.1/tcp/0", "--json"]
  const child = spawn(PROGRAM, args, {
    env: { PATH: process.env.PATH, FULCRUM_HOME: home, HOME: folder },
    stdio: ["ignore", "pipe", "inherit"],
  })
  const line = await new Promise<string>((resolve, reject) => {
    let text = ""
    child.stdout?.on("data", (part) => {
      text += String(part)
      if (text.includes("\n")) resolve(text)
    })
    child.once("exit", () => reject(new Error("it ended before it was ready")))
  })
  return { child, ready: JSON.parse(line) }
}

function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  return new Promise((resolve) => {
    child.once("exit", (status) => resolve(status))
    child.kill(signal)
  })
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "fulcrum-vendor-program-"))
  home = join(folder, "books")
  await writeFile(join(folder, "request.json"), JSON.stringify(REQUEST))
})

afterAll(() => rm(folder, { recursive: true }))

test("an option that is missing is named, with the help of its command", async () => {
  const { status, errors } = await run("init")
  expect(status).toBe(2)
  expect(errors).toMatch(/USAGE .+; add --name <name>; see `fulcrum-vendor init --help`\n$/)
})

describe("the program", () => {
  test("before init it says what to do, in one line", async () => {
    const { status, output, errors } = await run("customers")
    expect({ status, output }).toEqual({ status: 1, output: "" })
    expect(errors).toMatch(/^fulcrum-vendor: VENDOR_ABSENT .*init[^\n]*\n$/)
  })

  test("wrong usage is status 2, what is not built NOT_YET", async () => {
    expect((await run("bogus")).status).toBe(2)
    expect((await run("init")).status).toBe(2)
    expect((await run("customers", "--home", "")).status).toBe(2)
    expect((await run("hook", "replay")).status).toBe(2)
    expect((await run("up", "--http", "0.0.0.0:80")).errors).toContain("HTTP_ADDRESS_INVALID")
    for (const args of [["crm", "add", "x"], ["deletions"], ["up", "--store", "pg://x"]]) {
      const { status, errors } = await run(...args)
      expect(status).toBe(1)
      expect(errors).toContain("NOT_YET")
    }
  })

  test("init, request and terms, without a running up", async () => {
    expect(await json("init", "--name", "Bücher Müller")).toMatchObject({ home })
    expect((await stat(home)).mode & 0o777).toBe(0o700)
    expect((await run("init", "--name", "x")).errors).toContain("VENDOR_EXISTS")
    expect((await run("invite")).errors).toContain("REQUEST_ABSENT")
    const bad = await run("request", "edit", join(folder, "absent.json"))
    expect(bad.errors).toContain("FILE_IO")
    expect(await json("request", "edit", join(folder, "request.json"))).toMatchObject({
      version: 1,
    })
    expect(await json("request", "show")).toMatchObject({ draft: { name: "Bücher Müller" } })
    expect((await run("request", "lint")).status).toBe(0)
    await writeFile(join(folder, "bad.json"), JSON.stringify({ fields: [{ path: 1 }] }))
    expect((await run("request", "lint", join(folder, "bad.json"))).status).toBe(1)
    expect((await run("terms", "accept", "SD-NONSENSE")).errors).toContain("AGREEMENT_UNKNOWN")
    expect((await run("invite")).errors).toContain("RELAY_ABSENT")
    expect(await json("export")).toMatchObject({ vendor: { name: "Bücher Müller" }, customers: [] })
  })

  test("up: ready in one line, invites, keeps its addresses, ends in time", async () => {
    const first = await up()
    try {
      expect(first.ready).toMatchObject({ ready: true })
      expect(first.ready.addresses).toHaveLength(1)
      const file = join(home, "daemon.json")
      expect((await stat(file)).mode & 0o777).toBe(0o600)
      const invited = await json("invite", "--for", "order 1", "--qr", join(folder, "code.svg"))
      expect(invited).toMatchObject({ note: "order 1", pending: [] })
      expect(invited.invitation).toMatch(/^fulcrum:1\./)
      expect(await readFile(join(folder, "code.svg"), "utf8")).toContain("<svg")
      expect(await json("hook", "add", "http://127.0.0.1:9/in")).toMatchObject({
        secret: expect.stringMatching(/^whsec_/),
      })
      const hooks = await run("hook", "list", "--json")
      expect(hooks.output).not.toContain("whsec_")
      await checkApi(first.ready.http, file)
    } finally {
      const before = performance.now()
      expect(await ended(first.child, "SIGTERM")).toBe(0)
      expect(performance.now() - before).toBeLessThan(2000)
    }
    expect(await readdir(home)).not.toContain("daemon.json")
    const second = await up()
    expect(second.ready.addresses).toEqual(first.ready.addresses)
    // Killed, it leaves its file behind; commands then open the books themselves.
    await ended(second.child, "SIGKILL")
    expect(await readdir(home)).toContain("daemon.json")
    expect(await json("status")).toMatchObject({ isRunning: false, relays: [{ state: "untried" }] })
    const late = await json("invite", "--wait", "0")
    expect(late.pending).toEqual(first.ready.addresses)
  })
})

/** [R28] Loopback only, exact Host, no Origin, a token, JSON. */
async function checkApi(url: string, file: string): Promise<void> {
  const { token } = JSON.parse(await readFile(file, "utf8"))
  const good = { authorization: `Bearer ${token}`, "content-type": "application/json" }
  expect(await send(url, "/api/v1/status", good)).toBe(200)
  expect(await send(url, "/health", {}, "GET")).toBe(200)
  expect(await send(url, "/metrics", {}, "GET")).toBe(200)
  for (const [path, headers, status] of [
    ["/api/v1/status", { ...good, authorization: "Bearer 00" }, 401],
    ["/api/v1/status", { "content-type": "application/json" }, 401],
    ["/api/v1/status", { ...good, host: "vendor.example" }, 403],
    ["/api/v1/status", { ...good, origin: url }, 403],
    ["/api/v1/status", { ...good, "sec-fetch-site": "cross-site" }, 403],
    ["/api/v1/status", { ...good, "content-type": "text/plain" }, 415],
    ["/api/v1/nonsense", good, 404],
    ["/api/v1/constructor", good, 404],
  ] as const) {
    expect(await send(url, path, headers)).toBe(status)
  }
  expect(await send(url, "/api/v1/status", good, "PUT")).toBe(405)
  expect(await send(url, "/api/v1/status", good, "POST", "x".repeat(200_000))).toBe(413)
  expect(await send(url, "/api/v1/status", good, "POST", "[]")).toBe(400)
}

function send(
  url: string,
  path: string,
  headers: Readonly<Record<string, string>>,
  method = "POST",
  body = method === "GET" ? "" : "{}",
): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request(new URL(path, url), { method, headers, agent: false }, (response) => {
      response.resume()
      resolve(response.statusCode ?? 0)
    })
    sent.on("error", reject)
    sent.end(body)
  })
}
