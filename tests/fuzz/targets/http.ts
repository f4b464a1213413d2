/**
 * What comes over HTTP: to a device's daemon, to a vendor's API, to a relay's status page.
 *
 * An input is all that is sent on one connection, with `@HOST@`, `@TOKEN@` and `@LENGTH@` for what
 * only this start's own client knows, so that inputs stay good from one start to the next.
 *
 * @module
 */
import { connect } from "node:net"
import { concatBytes, utf8ToBytes } from "@fulcrum/codec/bytes"
import { createVendor } from "@fulcrum/engine/open-vendor"
import { systemDeflate } from "@fulcrum/log/deflate"
import { MemoryNetwork } from "@fulcrum/net/memory"
import { MemoryDisk, openMemoryStore } from "@fulcrum/store/memory"
import { startDaemon } from "../../../nodes/device/src/daemon.ts"
import { heldOpen, MemoryPerson } from "../../../nodes/device/test/memory-person.ts"
import { serveStatus } from "../../../nodes/relay/src/status-server.ts"
import { startDaemon as startVendorDaemon } from "../../../nodes/vendor/src/daemon.ts"
import { REQUEST } from "../../../packages/engine/test/vendor-world.ts"
import { manualClock } from "../../../packages/relay/test/manual-clock.ts"
import { fixedRandom } from "../space.ts"
import { type FuzzTarget, holds, type OpenTarget } from "../target.ts"

interface Listening {
  readonly port: number
  readonly token: string
}

const ANSWER_MS_MAX = 5_000
const ANSWER_BYTES_MAX: number = 4 << 20

/** Sends it all, says that no more comes, and reads until the other side has ended too. */
function exchange({ port, token }: Listening, input: Uint8Array): Promise<string> {
  const sent = filled(input, { host: `127.0.0.1:${port}`, token })
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1" })
    let answer = ""
    const late = setTimeout(() => {
      socket.destroy()
      resolve(`${statusesOf(answer)} and waits`)
    }, ANSWER_MS_MAX)
    socket.on("data", (part) => {
      if (answer.length < ANSWER_BYTES_MAX) answer += part.toString("latin1")
    })
    socket.on("error", () => undefined)
    socket.on("close", () => {
      clearTimeout(late)
      try {
        holds(answer.length < ANSWER_BYTES_MAX, "an answer is bounded")
        holds(!/\bat .*\.ts:\d+/.test(answer), "an answer tells nothing of the program")
        resolve(statusesOf(answer))
      } catch (error) {
        reject(error)
      }
    })
    socket.end(sent)
  })
}

function statusesOf(answer: string): string {
  const statuses = answer.match(/HTTP\/1\.1 \d{3}/g) ?? []
  const codes = answer.match(/"code":"[A-Z_]+"/g) ?? []
  return [...new Set([...statuses, ...codes])].slice(0, 6).join(" ")
}

function filled(input: Uint8Array, known: { readonly host: string; readonly token: string }) {
  const text = Buffer.from(input).toString("latin1")
  const end = text.search(/\r?\n\r?\n/)
  const body = end < 0 ? 0 : text.length - end - (text.startsWith("\r\n\r\n", end) ? 4 : 2)
  return Buffer.from(
    text
      .replaceAll("@HOST@", known.host)
      .replaceAll("@TOKEN@", known.token)
      .replaceAll("@LENGTH@", String(body)),
    "latin1",
  )
}

function post(path: string, body: object): Uint8Array {
  return utf8ToBytes(
    [
      `POST ${path} HTTP/1.1`,
      "Host: @HOST@",
      "Authorization: Bearer @TOKEN@",
      "Content-Type: application/json",
      "Content-Length: @LENGTH@",
      "Connection: close",
      "",
      JSON.stringify(body),
    ].join("\r\n"),
  )
}

const get = (path: string, method = "GET") =>
  utf8ToBytes(`${method} ${path} HTTP/1.1\r\nHost: @HOST@\r\nConnection: close\r\n\r\n`)

const httpTokens = [
  ...["Origin: http://evil.example", "Sec-Fetch-Site: cross-site", "Transfer-Encoding: chunked"],
  ...["Expect: 100-continue", "Upgrade: websocket", "Content-Length: 99999999", "@HOST@", "//"],
  ...["HTTP/1.0", "OPTIONS", "PUT", "/api/v1/", "%2e%2e/", "http://[", "*", "__proto__", "wait"],
]

const device: FuzzTarget = {
  name: "http-device",
  form: "lines",
  tokens: [...httpTokens, "card/emails/home", "interactive", "answers/", "files"],
  batch: 64,
  open: async (): Promise<OpenTarget> => {
    const random = fixedRandom("fuzz http")
    const clock = manualClock()
    const record = await heldOpen(new MemoryPerson())
    const daemon = await startDaemon({ record, random, clock })
    const args = (command: string, args: object, more: object = {}) =>
      post(`/api/v1/${command}`, { args, ...more })
    return {
      seeds: [
        post("/api/v1/hello", { nonce: "00".repeat(32) }),
        args("get", { path: "card/emails/home" }),
        args("set", { path: "card/emails/home", value: "a@b.example" }),
        args("export", { format: "json" }),
        args("import", { files: [{ name: "a.vcf", bytes: "QkVHSU4" }] }),
        args("history", {}, { interactive: true }),
        args("status", { wait: 1 }),
        args("relay-add", { address: "/ip4/127.0.0.1/tcp/1" }),
        args("lock", {}),
        args("unlock", { key: "00".repeat(32) }),
        post(`/api/v1/answers/${"0".repeat(32)}`, { answer: "yes" }),
        concatBytes([get("/"), get("/api/v1/get", "OPTIONS")]),
      ],
      errors: [],
      run: (input) => exchange(daemon, input),
      close: () => daemon.close(),
    }
  },
}

const vendor: FuzzTarget = {
  name: "http-vendor",
  form: "lines",
  tokens: [...httpTokens, "request-edit", "terms-accept", "invite", "hook-add", "export", "ids"],
  batch: 64,
  open: async (): Promise<OpenTarget> => {
    const random = fixedRandom("fuzz vendor")
    const clock = manualClock()
    const network = new MemoryNetwork({ clock, random })
    const books = await createVendor({
      ...{ store: await openMemoryStore({ disk: new MemoryDisk() }), vaultKey: random.bytes(32) },
      ...{ network: network.machine("vendor"), clock, random, deflate: systemDeflate() },
      ...{ name: "Bücher Müller", post: { post: async () => ({ status: 204 }) } },
    })
    await books.editRequest(REQUEST)
    const served = { vendor: books, random, host: "127.0.0.1", port: 0, metrics: () => "up 1\n" }
    const daemon = await startVendorDaemon(served)
    return {
      seeds: [
        get("/health"),
        get("/metrics"),
        post("/api/v1/request-show", {}),
        post("/api/v1/request-edit", { request: REQUEST }),
        post("/api/v1/request-lint", { request: REQUEST }),
        post("/api/v1/terms-accept", { ids: ["SD-BASE"] }),
        post("/api/v1/terms-drop", { ids: ["SD-BASE"] }),
        post("/api/v1/invite", { public: true, note: "shop" }),
        post("/api/v1/hook-add", { url: "https://example.org/hook" }),
        post("/api/v1/hook-replay", { all: true }),
        post("/api/v1/disclosures", { customer: "ab" }),
        post("/api/v1/export", {}),
        post("/api/v1/status", {}),
      ],
      errors: [],
      run: (input) => exchange(daemon, input),
      async close() {
        await daemon.close()
        await books.close()
      },
    }
  },
}

const status: FuzzTarget = {
  name: "http-relay",
  form: "lines",
  tokens: httpTokens,
  batch: 64,
  open: async (): Promise<OpenTarget> => {
    const source = { isHealthy: async () => true, metrics: () => "up 1\n" }
    const server = await serveStatus(source, { host: "127.0.0.1", port: 0 })
    const at = { port: server.port, token: "" }
    return {
      seeds: [get("/health"), get("/metrics"), get("/other?x=1", "HEAD"), get("/health", "POST")],
      errors: [],
      run: (input) => exchange(at, input),
      close: () => server.close(),
    }
  },
}

export const httpTargets: readonly FuzzTarget[] = [device, vendor, status]
