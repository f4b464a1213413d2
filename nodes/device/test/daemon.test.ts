import { mkdtemp, rm, stat, utimes, writeFile } from "node:fs/promises"
import { createServer, request as startRequest } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { bytesToHex } from "@fulcrum/codec/bytes"
import { systemClock } from "@fulcrum/crypto/clock"
import { seededRandom, systemRandom } from "@fulcrum/crypto/random"
import type { AttachmentRow, NewAttachment } from "@fulcrum/engine/person"
import { afterEach, beforeEach, describe, expect, test } from "vitest"
import { type Daemon, startDaemon } from "../src/daemon.ts"
import { DaemonClient } from "../src/daemon-client.ts"
import { findDaemon, removeDaemonFile, writeDaemonFile } from "../src/daemon-file.ts"
import { HeldRecord, recordLocked } from "../src/held-record.ts"
import { findHome } from "../src/home.ts"
import { qrLines } from "../src/qr-code.ts"
import { MemoryIo } from "./memory-io.ts"
import { CodedError, heldOpen, MemoryPerson } from "./memory-person.ts"

let person: MemoryPerson
let daemon: Daemon
let client: DaemonClient

beforeEach(async () => {
  person = new MemoryPerson()
  daemon = await startDaemon({
    record: await heldOpen(person),
    random: systemRandom(),
    clock: systemClock(),
  })
  client = clientOf(daemon)
})

afterEach(async () => {
  client.close()
  await daemon.close()
})

function clientOf({ port, token }: { readonly port: number; readonly token: string }) {
  return new DaemonClient({ pid: process.pid, port, token }, seededRandom("client"))
}

test("a drawing comes to whoever has the screen", async () => {
  const { io, answered } = call("pair", {})
  await answered
  const [shown, asked] = io.emitted
  expect(shown?.drawing?.lines).toEqual(qrLines("fulcrum-pair:1.AAAA"))
  expect(shown?.drawing).toMatchObject({
    of: "a QR code for the same",
    caption: expect.any(String),
  })
  expect(asked).not.toHaveProperty("drawing")
})

test("pair cannot make the daemon listen elsewhere", async () => {
  const { answered } = call("pair", { listen: ["/ip4/127.0.0.1/tcp/0"] })
  await expect(answered).rejects.toMatchObject({
    code: "USAGE",
    todo: expect.stringContaining("--listen"),
  })
})

function call(
  command: string,
  args: Readonly<Record<string, string | number | string[] | boolean>>,
) {
  const io = new MemoryIo(["yes"])
  const signal = new AbortController().signal
  return { io, answered: client.call({ command, args, io, signal }) }
}

interface Raw {
  readonly status: number
  readonly body: string
}

/** One request with headers as a stranger might send them. */
function send(
  path: string,
  options: {
    readonly method?: string
    readonly headers?: Readonly<Record<string, string>>
    readonly body?: string
  } = {},
): Promise<Raw> {
  const { method = "POST", headers = {}, body = '{"args":{}}' } = options
  return new Promise((resolve, reject) => {
    const request = startRequest(
      {
        host: "127.0.0.1",
        port: daemon.port,
        method,
        path,
        headers: {
          "Content-Type": "application/json",
          Authorization: `Bearer ${daemon.token}`,
          ...headers,
        },
      },
      (response) => {
        let text = ""
        response.setEncoding("utf8").on("data", (part: string) => {
          text += part
        })
        response.on("end", () => resolve({ status: response.statusCode ?? 0, body: text }))
      },
    )
    request.on("error", reject)
    request.end(body)
  })
}

describe("a command", () => {
  test("answers as it would here", async () => {
    expect(await client.isThere()).toBe(true)
    const { answered } = call("set", { path: "card/name", value: "Ada" })
    expect(await answered).toMatchObject({
      document: { changed: ["card/name"], reaches: [] },
      text: "Set card/name.",
    })
    expect(person.values.get("card/name")).toBe("Ada")
  })

  test("waits for sending only when it is told to: the daemon goes on by itself", async () => {
    await call("set", { path: "card/name", value: "Ada" }).answered
    expect(person.settled).toEqual([])
    await call("set", { path: "card/name", value: "Bo", wait: 2 }).answered
    expect(person.settled).toEqual([2000])
  })

  test("asks its questions back", async () => {
    const { io, answered } = call("move", { assignments: ["card/name=Bo"] })
    expect(await answered).toMatchObject({ document: { move: "77aa01" } })
    expect(io.shown).toHaveLength(1)
    expect(io.asked[0]?.text).toBe("Change your record and tell 1 company?")
  })

  test("fails with the same code", async () => {
    await expect(call("set", { path: "nowhere", value: "x" }).answered).rejects.toMatchObject({
      code: "PATH_UNKNOWN",
    })
    await expect(call("set", { path: "card/name" }).answered).rejects.toMatchObject({
      code: "USAGE",
    })
  })

  test("that ends while its person is asked says how it ended", async () => {
    const asked = Promise.withResolvers<void>()
    person.pair = async (prompts) => {
      prompts.approve({ words: ["apple"], name: "phone" }).catch(() => undefined)
      await asked.promise
      throw new CodedError("PAIR_GUEST_GONE", "the new device has gone")
    }
    const io = new MemoryIo()
    io.ask = async () => {
      asked.resolve()
      await sleep(200)
      return "yes"
    }
    const { signal } = new AbortController()
    const pairing = client.call({ command: "pair", args: {}, io, signal })
    await expect(pairing).rejects.toMatchObject({ code: "PAIR_GUEST_GONE" })
  })

  test("that is interrupted ends in the daemon too", async () => {
    const controller = new AbortController()
    const io = new MemoryIo()
    const args = { watch: true }
    const watching = client.call({ command: "status", args, io, signal: controller.signal })
    await expect.poll(() => io.emitted.length).toBe(2)
    controller.abort(new Error("enough"))
    await expect(watching).rejects.toThrow("enough")
    await expect.poll(() => person.listeners.size).toBe(0)
  })

  test("has been told what is not said again once it has said it, and not before", async () => {
    const controller = new AbortController()
    const { signal } = controller
    const hearing = Promise.withResolvers<void>()
    const deaf = new MemoryIo(["yes"])
    deaf.tell = () => {
      hearing.resolve()
      return new Promise((_, reject) => signal.addEventListener("abort", reject))
    }
    const pairing = client.call({ command: "pair", args: {}, io: deaf, signal })
    await hearing.promise
    controller.abort(new Error("killed"))
    await expect(pairing).rejects.toThrow("killed")
    await expect
      .poll(() => person.failures)
      .toEqual([expect.objectContaining({ code: "INTERRUPTED" })])
    expect(person.hasTold).toBe(false)
    const { io, answered } = call("pair", {})
    await answered
    expect(io.emitted.at(-1)?.document).toEqual({ device: "phone" })
    expect(person.hasTold).toBe(true)
  })

  test("is told when the daemon is killed before it answers", async () => {
    const killed = createServer((request) => request.socket.destroy())
    await new Promise<void>((resolve) => killed.listen(0, "127.0.0.1", resolve))
    const address = killed.address()
    if (address === null || typeof address === "string") throw new TypeError("no port")
    const late = clientOf({ port: address.port, token: "token" })
    const { signal } = new AbortController()
    const call = { command: "set", args: { path: "card/name/full", value: "Ada" }, signal }
    await expect(late.call({ ...call, io: new MemoryIo() })).rejects.toMatchObject({
      code: "DAEMON_ENDED",
    })
    late.close()
    killed.close()
  })

  test("is told when the daemon ends under it, at once", async () => {
    const io = new MemoryIo()
    const signal = new AbortController().signal
    const watching = client.call({ command: "status", args: { watch: true }, io, signal })
    watching.catch(() => undefined)
    await expect.poll(() => io.emitted.length).toBe(2)
    await daemon.close()
    await expect(watching).rejects.toMatchObject({ code: "DAEMON_ENDED" })
  })
})

describe("[R28] the API", () => {
  test("serves this host and its own origin alone", async () => {
    const own = `127.0.0.1:${daemon.port}`
    expect((await send("/api/v1/get", { headers: { Host: own } })).status).toBe(200)
    expect((await send("/api/v1/get", { headers: { Origin: `http://${own}` } })).status).toBe(200)
    for (const headers of [
      { Host: "evil.example" },
      { Host: `evil.example:${daemon.port}` },
      { Host: "127.0.0.1" },
      { Origin: "https://evil.example" },
      { Origin: "null" },
      { Origin: "http://127.0.0.1" },
      { "Sec-Fetch-Site": "cross-site" },
      { "Sec-Fetch-Site": "same-site" },
    ]) {
      expect((await send("/api/v1/get", { headers })).status, JSON.stringify(headers)).toBe(403)
    }
  })

  test("wants this start's token", async () => {
    for (const Authorization of ["", "Bearer ", "Bearer 00", `Basic ${daemon.token}`]) {
      expect((await send("/api/v1/get", { headers: { Authorization } })).status).toBe(401)
    }
    const record = await heldOpen(person)
    const other = await startDaemon({ record, random: systemRandom(), clock: systemClock() })
    expect(other.token).not.toBe(daemon.token)
    await other.close()
  })

  test("takes POST with JSON alone, and never says that another origin may", async () => {
    expect((await send("/api/v1/get", { method: "GET", body: "" })).status).toBe(405)
    expect((await send("/api/v1/get", { method: "OPTIONS", body: "" })).status).toBe(405)
    for (const type of ["text/plain", "application/x-www-form-urlencoded", ""]) {
      expect((await send("/api/v1/get", { headers: { "Content-Type": type } })).status).toBe(415)
    }
    const answer = await fetch(`${daemon.url}/api/v1/get`, { method: "OPTIONS" })
    expect(answer.headers.get("access-control-allow-origin")).toBeNull()
  })

  test("bounds what it reads", async () => {
    const body = JSON.stringify({ args: { path: "x".repeat(300 << 10) } })
    expect((await send("/api/v1/get", { body })).status).toBe(413)
    const chunked = { "Transfer-Encoding": "chunked" }
    expect((await send("/api/v1/get", { body, headers: chunked })).status).toBe(413)
    for (const bad of ["", "{", '{"args":{"__proto__":{}}}', "[".repeat(100)]) {
      expect((await send("/api/v1/get", { body: bad })).status).toBe(400)
    }
  })

  test("knows its commands alone, none that works on the folder itself", async () => {
    for (const path of ["/api/v1/init", "/api/v1/up", "/api/v1/nothing", "/", "/api/v1/withdraw"]) {
      expect((await send(path)).status, path).toBe(404)
    }
    expect(
      (await send(`/api/v1/answers/${"0".repeat(32)}`, { body: '{"answer":"yes"}' })).status,
    ).toBe(404)
  })

  test("proves itself before the token is shown", async () => {
    const stranger = clientOf({ port: daemon.port, token: "00".repeat(32) })
    expect(await stranger.isThere()).toBe(false)
    stranger.close()
    expect((await send("/api/v1/hello", { body: '{"nonce":"00"}' })).status).toBe(400)
  })
})

describe("daemon.json", () => {
  test("[R19] is its owner's alone, names a live process, and is removed", async () => {
    const home = findHome(await mkdtemp(join(tmpdir(), "fulcrum-daemon-")))
    const written = { pid: process.pid, port: 4711, token: "ab" }
    await writeDaemonFile(home, written)
    expect(await findDaemon(home)).toEqual(written)
    if (process.platform !== "win32") {
      expect((await stat(home.daemonFile)).mode & 0o777).toBe(0o600)
    }
    // No process has a number above the largest there can be.
    await writeDaemonFile(home, { ...written, pid: 2 ** 31 - 1 })
    expect(await findDaemon(home)).toBeUndefined()
    await writeFile(home.daemonFile, '{"pid":1')
    expect(await findDaemon(home)).toBeUndefined()
    // A start whose place was taken long ago.
    const starting = { ...written, isStarting: true }
    await writeDaemonFile(home, starting)
    expect(await findDaemon(home)).toEqual(starting)
    const longAgo = new Date(Date.now() - 60_000)
    await utimes(home.daemonFile, longAgo, longAgo)
    expect(await findDaemon(home)).toBeUndefined()
    // It is another start's to take away.
    await writeDaemonFile(home, written)
    await removeDaemonFile(home, "cd")
    expect(await findDaemon(home)).toEqual(written)
    await removeDaemonFile(home, written.token)
    expect(await findDaemon(home)).toBeUndefined()
    await rm(home.folder, { recursive: true })
  })
})

describe("files", () => {
  const content = new Uint8Array(3 * 1024 * 1024 + 17).map((_, at) => at % 251)

  test("a file goes to the daemon in pieces, and the command has all of it", async () => {
    const got: Uint8Array[] = []
    const add = async (added: NewAttachment): Promise<AttachmentRow> => {
      for await (const part of added.content) got.push(part)
      return { ...ROW, name: added.name, bytes: added.bytes }
    }
    person.kept = { add }
    const io = new MemoryIo()
    io.files.set("file", content)
    const { signal } = new AbortController()
    const args = { file: { name: "a.jpg", bytes: content.length } }
    const outcome = await client.call({ command: "attach", args, io, signal })
    expect(outcome?.document).toMatchObject({ attachment: { name: "a.jpg" } })
    expect(Buffer.concat(got).equals(content)).toBe(true)
    expect(Math.max(...got.map(({ length }) => length))).toBeLessThanOrEqual(1024 * 1024)
  })

  test("a command that fails in the middle of a file says why", async () => {
    const add = async (added: NewAttachment): Promise<AttachmentRow> => {
      for await (const _ of added.content) throw new CodedError("STORE_FULL", "the disk is full")
      return ROW
    }
    person.kept = { add }
    const io = new MemoryIo()
    io.files.set("file", content)
    const { signal } = new AbortController()
    const args = { file: { name: "a.jpg", bytes: content.length } }
    const call = client.call({ command: "attach", args, io, signal })
    await expect(call).rejects.toMatchObject({ code: "STORE_FULL" })
  })

  test("a file that cannot be read here ends the command there", async () => {
    let ended: unknown
    const add = async (added: NewAttachment): Promise<AttachmentRow> => {
      try {
        for await (const _ of added.content);
      } catch (error) {
        ended = error
      }
      return ROW
    }
    person.kept = { add }
    const io = new MemoryIo()
    io.content = async function* () {
      yield content
      throw new CodedError("EIO", "the disk failed")
    }
    const { signal } = new AbortController()
    const args = { file: { name: "a.jpg", bytes: content.length } }
    const call = client.call({ command: "attach", args, io, signal })
    await expect(call).rejects.toMatchObject({ code: "EIO" })
    await expect.poll(() => ended).toBeDefined()
  })

  test("a file comes from the daemon in pieces, and is written by whoever asked", async () => {
    async function* read(): AsyncGenerator<Uint8Array> {
      yield content
    }
    person.kept = { find: async () => ROW, fetch: async () => ROW, read }
    const { answered, io } = call("attachments-get", { attachment: "a.jpg" })
    await answered
    expect(Buffer.from(io.files.get("a.jpg") ?? []).equals(content)).toBe(true)
  })

  test("what is damaged is fetched again, also in the middle of a file", async () => {
    const asked: boolean[] = []
    let isMended = false
    async function* read(): AsyncGenerator<Uint8Array> {
      yield content.subarray(0, 2_000_000)
      if (!isMended) throw new CodedError("ATTACHMENT_DAMAGED", "damaged")
      yield content.subarray(2_000_000)
    }
    person.kept = {
      find: async () => ROW,
      fetch: async (_, { isDoubted = false }) => {
        asked.push(isDoubted)
        isMended = isDoubted
        return ROW
      },
      read,
    }
    const { answered, io } = call("attachments-get", { attachment: "a.jpg" })
    await answered
    expect(asked).toEqual([false, true])
    expect(Buffer.from(io.files.get("a.jpg") ?? []).equals(content)).toBe(true)
  })

  test("a piece for nobody, or one that is too large, is refused", async () => {
    const headers = { "Content-Type": "application/octet-stream" }
    const path = `/api/v1/streams/${"0".repeat(32)}`
    expect(await send(path, { headers, body: "x" })).toMatchObject({ status: 404 })
    const body = "x".repeat(1024 * 1024 + 1)
    expect(await send(path, { headers, body })).toMatchObject({ status: 413 })
    expect(await send(path, { body: "{}" })).toMatchObject({ status: 415 })
  })
})

const ROW: AttachmentRow = {
  ...{ id: "ab".repeat(32), name: "a.jpg", mediaType: "image/jpeg", bytes: 5 },
  ...{ addedMs: 0, device: "phone", here: "whole", on: ["phone"], paths: [] },
}

describe("a locked record", () => {
  const KEY = new Uint8Array(32).fill(7)
  const ready = { document: { ready: true, addresses: [] }, text: "laptop is up." }

  async function startLocked(open: (key: Uint8Array | undefined) => Promise<void>) {
    const record = new HeldRecord(async (key) => {
      await open(key)
      return { person, ready }
    })
    const locked = await startDaemon({ record, random: systemRandom(), clock: systemClock() })
    const caller = clientOf(locked)
    const signal = new AbortController().signal
    const ask = async (command: string, args: Readonly<Record<string, string>> = {}) =>
      (await caller.call({ command, args, io: new MemoryIo(), signal }))?.document
    return {
      record,
      ask,
      close: async () => {
        caller.close()
        await locked.close()
      },
    }
  }

  test("[P111] gives nothing but to whoever brings its key", async () => {
    const opened: (Uint8Array | undefined)[] = []
    const { ask, record, close } = await startLocked(async (key) => void opened.push(key))
    for (const command of ["get", "status", "doctor", "export", "devices", "sync"]) {
      await expect(ask(command)).rejects.toMatchObject({
        code: "RECORD_LOCKED",
        todo: expect.stringContaining("fulcrum unlock"),
      })
    }
    expect(await ask("unlock")).toEqual({ locked: true })
    for (const key of ["", "00", "zz".repeat(32), "00".repeat(31), "00".repeat(33)]) {
      await expect(ask("unlock", { key })).rejects.toMatchObject({ code: "USAGE" })
    }
    expect(opened).toEqual([])
    expect(await ask("lock")).toEqual({ locked: true })
    expect(await ask("unlock", { key: bytesToHex(KEY) })).toMatchObject({ locked: false })
    expect(opened).toEqual([KEY])
    expect(await ask("get")).toBeNull()
    expect(record.isLocked).toBe(false)
    expect(await ask("unlock")).toEqual({ locked: false })
    await close()
  })

  test("[P111] stays locked if it does not open, and is opened once for all who ask", async () => {
    const begun = Promise.withResolvers<void>()
    let opens = 0
    const { ask, record, close } = await startLocked(async () => {
      opens += 1
      if (opens === 1) throw new CodedError("VAULT_KEY_WRONG", "not its key")
      await begun.promise
    })
    const key = bytesToHex(KEY)
    await expect(ask("unlock", { key })).rejects.toMatchObject({ code: "VAULT_KEY_WRONG" })
    // What was brought is to go out of memory: it begins again.
    await record.lockAsked
    await expect(ask("get")).rejects.toMatchObject({ code: "RECORD_LOCKED" })
    const both = Promise.all([ask("unlock", { key }), ask("unlock", { key })])
    const locking = ask("lock")
    begun.resolve()
    expect(await both).toMatchObject([{ locked: false }, { locked: false }])
    expect(opens).toBe(2)
    // Asked for while it was opened: it is to be locked, and whoever asked hears that it is not yet.
    expect(await locking).toEqual({ locked: false })
    await close()
  })

  test("[P111] whoever waits for an answer is told that it was locked", async () => {
    const waiting = call("status", { watch: true })
    const told = expect(waiting.answered).rejects.toMatchObject({ code: "RECORD_LOCKED" })
    while (waiting.io.emitted.length === 0) await sleep(5)
    const record = await heldOpen(person)
    expect(await record.lock()).toBe(false)
    await record.lockAsked
    await daemon.close(recordLocked())
    await told
    await record.close()
    expect(await record.lock()).toBe(true)
  })
})
