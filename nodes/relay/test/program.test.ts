import { type ChildProcess, execFile, spawn } from "node:child_process"
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { systemClock } from "@fulcrum/crypto/clock"
import { generateSigningKey, type SigningKey } from "@fulcrum/crypto/ed25519"
import { systemRandom } from "@fulcrum/crypto/random"
import { systemDeflate } from "@fulcrum/log/deflate"
import {
  chainHashSchema,
  epochIdSchema,
  epochKeySchema,
  incarnationIdSchema,
  spaceTagSchema,
} from "@fulcrum/log/ids"
import { capabilityEnd, type MailboxRight, signCapability } from "@fulcrum/log/mailbox"
import { SPAN_ENTRIES, sealSpan } from "@fulcrum/log/span"
import type { Host } from "@fulcrum/net"
import { libp2pNetwork } from "@fulcrum/net/libp2p"
import { connectRelay, type RelayClient } from "@fulcrum/relay/client"
import type { OpenMailbox } from "@fulcrum/relay/open-mailbox"
import { RELAY_PROTOCOL } from "@fulcrum/relay/protocol"
import { afterEach, beforeEach, describe, expect, it } from "vitest"

const binary = join(import.meta.dirname, "../bin/fulcrum-relay")
const random = systemRandom()
const clock = systemClock()
const LISTEN = ["--listen", "/ip4/127.0.0.1/tcp/0"]

let folder: string
let home: string
const children: ChildProcess[] = []
const hosts: Host[] = []

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "fulcrum-relay-"))
  home = join(folder, "relay")
})

afterEach(async () => {
  for (const host of hosts.splice(0)) await host.close()
  for (const child of children.splice(0)) await end(child, "SIGKILL")
  await rm(folder, { recursive: true, force: true })
})

interface Ready {
  readonly child: ChildProcess
  readonly addresses: readonly string[]
  readonly http: string
  /** All that it wrote to standard output and standard error. */
  readonly said: () => string
}

function start(...more: string[]): Promise<Ready> {
  const child = spawn(binary, ["up", "--home", home, ...LISTEN, "--json", ...more])
  children.push(child)
  let output = ""
  let errors = ""
  return new Promise((resolve, reject) => {
    child.stderr.on("data", (chunk) => {
      errors += chunk
    })
    child.stdout.on("data", (chunk) => {
      output += chunk
      if (!output.includes("\n")) return
      const { ready, addresses, http } = JSON.parse(output)
      expect(ready).toBe(true)
      resolve({ child, addresses, http, said: () => output + errors })
    })
    child.on("exit", (status) => reject(new Error(`ended with ${status}: ${errors}`)))
  })
}

function end(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve(child.exitCode)
  return new Promise((resolve) => {
    child.removeAllListeners("exit")
    child.on("exit", (status) => resolve(status))
    child.kill(signal)
  })
}

async function run(...args: string[]): Promise<{ status: number; out: string; err: string }> {
  try {
    const { stdout, stderr } = await promisify(execFile)(binary, args, { timeout: 15_000 })
    return { status: 0, out: stdout, err: stderr }
  } catch (error) {
    if (!(error instanceof Error && "stdout" in error && "stderr" in error && "code" in error)) {
      throw error
    }
    return { status: Number(error.code), out: String(error.stdout), err: String(error.stderr) }
  }
}

async function connect(address = ""): Promise<RelayClient> {
  const host = await libp2pNetwork().host()
  hosts.push(host)
  const signal = AbortSignal.timeout(5_000)
  const channel = await host.dial(address, RELAY_PROTOCOL, { signal })
  return connectRelay(channel, { clock, dialerKey: host.publicKey })
}

function open(client: RelayClient, maker: SigningKey, right: MailboxRight): Promise<OpenMailbox> {
  const holder = generateSigningKey(random)
  const capability = signCapability({
    mailboxKey: maker,
    right,
    holder: holder.publicKey,
    notAfter: capabilityEnd(clock.now()),
    serial: random.bytes(16),
  })
  return client.open({ capability, mailbox: maker.publicKey, holder })
}

function newSpan(content: Uint8Array = random.bytes(50)): Uint8Array {
  return sealSpan({
    kind: SPAN_ENTRIES,
    space: spaceTagSchema.decode(random.bytes(32)),
    signer: generateSigningKey(random),
    incarnation: incarnationIdSchema.decode(random.bytes(16)),
    start: 1,
    end: 1,
    chainBefore: chainHashSchema.decode(random.bytes(32)),
    chainEnd: chainHashSchema.decode(random.bytes(32)),
    epoch: epochIdSchema.decode(random.bytes(32)),
    epochKey: epochKeySchema.decode(random.bytes(32)),
    content,
    random,
    deflate: systemDeflate(),
  })
}

function isSamePlace(one: Ready, other: Ready): boolean {
  return one.http === other.http && one.addresses.join() === other.addresses.join()
}

describe("fulcrum-relay up", () => {
  it("[N1] says in one line when it is ready, and answers for its health and metrics", async () => {
    const { addresses, http, child, said } = await start()
    expect(addresses).toHaveLength(1)
    expect(addresses[0]).toMatch(/^\/ip4\/127\.0\.0\.1\/tcp\/\d+\/p2p\/12D3Koo\w+$/)
    expect(http).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
    expect(await (await fetch(`${http}/health`)).json()).toEqual({ ok: true })
    const client = await connect(addresses[0])
    const maker = generateSigningKey(random)
    await client.create({ key: maker, kind: "archive" })
    await (await open(client, maker, "append")).append(newSpan())
    const metrics = await (await fetch(`${http}/metrics`)).text()
    expect(metrics).toContain("fulcrum_relay_items 1\n")
    expect(metrics).toContain('fulcrum_relay_requests_total{method="append",outcome="ok"} 1\n')
    expect(metrics).not.toMatch(/12D3Koo|127\.0\.0\.1/)
    expect((await fetch(`${http}/`)).status).toBe(404)
    expect((await fetch(`${http}/health`, { method: "POST" })).status).toBe(405)
    const begun = Date.now()
    expect(await end(child, "SIGTERM")).toBe(0)
    expect(Date.now() - begun).toBeLessThan(1_000)
    expect(said().trim().split("\n")).toHaveLength(1)
  })

  it("[N2] keeps its key, its port and so its address, in files for its owner alone", async () => {
    let first = await start()
    expect(await end(first.child, "SIGINT")).toBe(0)
    let second = await start()
    // Another program may have drawn one of its ports meanwhile: then it takes another, and keeps that.
    for (let tries = 0; tries < 3 && !isSamePlace(first, second); tries++) {
      first = second
      expect(await end(first.child, "SIGINT")).toBe(0)
      second = await start()
    }
    expect(second.addresses).toEqual(first.addresses)
    expect(second.http).toBe(first.http)
    for (const file of ["relay.key", "relay.json"]) {
      expect((await stat(join(home, file))).mode & 0o777).toBe(0o600)
    }
    expect((await stat(home)).mode & 0o777).toBe(0o700)
    await end(second.child, "SIGTERM")
    await chmod(join(home, "relay.key"), 0o644)
    await expect(start()).rejects.toThrow("KEY_EXPOSED")
    await rm(join(home, "relay.key"))
    await expect(start()).rejects.toThrow("KEY_MISSING")
  })

  it("is not begun in a file's place, nor in a folder in which others keep something", async () => {
    await writeFile(home, "")
    await expect(start()).rejects.toThrow("HOME_UNUSABLE that is a file, not a folder")
    home = folder
    await expect(start()).rejects.toThrow("HOME_FOREIGN")
    expect(await readdir(folder)).toEqual(["relay"])
  })

  it("[N3] keeps every acknowledged append through kill -9, and none in clear", async () => {
    const maker = generateSigningKey(random)
    const acknowledged = new Map<number, Uint8Array>()
    const planted = new TextEncoder().encode("Elderberry Lane 42, planted to be found")
    for (let round = 0; round < 3; round++) {
      const { child, addresses } = await start()
      const client = await connect(addresses[0])
      await client.create({ key: maker, kind: "archive" })
      const box = await open(client, maker, "append")
      const appends = Array.from({ length: 60 }, async () => {
        const span = newSpan(planted)
        acknowledged.set((await box.append(span)).position, span)
      })
      const all = Promise.allSettled(appends)
      // Some are acknowledged, some are under way.
      while (acknowledged.size < 20 * (round + 1)) await clock.sleep(1)
      await end(child, "SIGKILL")
      await all
    }
    expect(acknowledged.size).toBeGreaterThanOrEqual(60)
    const { addresses, child } = await start()
    const box = await open(await connect(addresses[0]), maker, "read")
    const held = new Map<number, Uint8Array>()
    for (let from = 1; ; ) {
      const page = await box.read({ from })
      expect(page.missing).toEqual([])
      for (const { position, bytes } of page.items) held.set(position, bytes)
      if (page.next === page.end) break
      from = page.next
    }
    for (const [position, span] of acknowledged) expect(held.get(position)).toEqual(span)
    await end(child, "SIGTERM")

    const needles = [planted, maker.publicKey, box.name, [...acknowledged.values()][0]?.slice(-40)]
    for (const name of await readdir(home, { recursive: true })) {
      const file = join(home, name)
      if (!(await stat(file)).isFile()) continue
      const bytes = await readFile(file)
      for (const needle of needles) expect(bytes.includes(Buffer.from(needle ?? []))).toBe(false)
    }
  })

  it("[N4] names what is in its way in one line, and what to do", async () => {
    const { addresses } = await start()
    const locked = await run("up", "--home", home, ...LISTEN)
    expect(locked.status).toBe(1)
    expect(locked.err).toMatch(/^fulcrum-relay: STORE_LOCKED .*--home\n$/)
    const port = /tcp\/(\d+)/.exec(addresses[0] ?? "")?.[1]
    const other = ["up", "--home", join(folder, "other")]
    const taken = await run(...other, "--listen", `/ip4/127.0.0.1/tcp/${port}`)
    expect(taken.status).toBe(1)
    expect(taken.err).toMatch(/^fulcrum-relay: NET_ADDRESS_IN_USE .*--listen\n$/)
    const wrong = await run(...other, "--listen", "nowhere")
    expect(wrong.err).toMatch(/^fulcrum-relay: NET_ADDRESS_INVALID .*--listen\n$/)
    const server = createServer().listen(0, "127.0.0.1")
    await new Promise((resolve) => server.once("listening", resolve))
    const address = server.address()
    const held = typeof address === "object" ? address?.port : 0
    const http = await run(...other, ...LISTEN, "--http", `127.0.0.1:${held}`)
    server.close()
    expect(http.err).toMatch(/^fulcrum-relay: HTTP_ADDRESS_IN_USE .*--http\n$/)
    expect((await run(...other, "--http", "everywhere")).err).toContain("HTTP_ADDRESS_INVALID")
    const postgres = await run("up", "--store", "postgres://127.0.0.1/relay")
    expect(postgres).toMatchObject({ status: 1, out: "" })
    expect(postgres.err).toMatch(/^fulcrum-relay: NOT_YET .*--store out\n$/)
  })

  it("[N5] takes its quota and other limits from options and configuration", async () => {
    const span = newSpan()
    const first = await start("--quota", String(span.length), "--retain", "3")
    const client = await connect(first.addresses[0])
    const maker = generateSigningKey(random)
    await client.create({ key: maker, kind: "drop" })
    const box = await open(client, maker, "append")
    await box.append(span)
    await expect(box.append(newSpan())).rejects.toMatchObject({ code: "RELAY_QUOTA" })
    await client.close()
    await end(first.child, "SIGTERM")
    const config = JSON.parse(await readFile(join(home, "relay.json"), "utf8"))
    const limited = { ...config, limits: { freeMailboxesMax: 1 } }
    await writeFile(join(home, "relay.json"), JSON.stringify(limited))
    const second = await start()
    expect(second.addresses).toEqual(first.addresses)
    const again = await connect(second.addresses[0])
    await expect(
      again.create({ key: generateSigningKey(random), kind: "drop" }),
    ).rejects.toMatchObject({ code: "RELAY_FULL" })
    await end(second.child, "SIGTERM")
    for (const bad of ["{", "[]", '{"version":2}', '{"version":1,"limits":{"madeUp":1}}']) {
      await writeFile(join(home, "relay.json"), bad)
      await expect(start()).rejects.toThrow("CONFIG_MALFORMED")
    }
  })

  it("[N6] ends with status 2 when it is used wrongly, and with 0 and an example when asked", async () => {
    for (const wrong of [
      ["dance"],
      ["up", "--quota", "-1"],
      ["up", "--retain", "0"],
      ["up", "--x"],
      ["up", "--home", ""],
    ]) {
      expect(await run(...wrong)).toMatchObject({ status: 2, out: "" })
    }
    for (const help of [["--help"], ["up", "--help"]]) {
      const { status, out } = await run(...help)
      expect(status).toBe(0)
      expect(out).toContain("Example:")
    }
  })
})
