/**
 * The loopback API of a running vendor: `POST /api/v1/COMMAND` with a JSON object of arguments
 * and `Authorization: Bearer TOKEN` answers `{"document":…,"failed":…}` or
 * `{"error":{"code","message","todo"}}`; `GET /health` and `GET /metrics` need no token and tell
 * nothing of anybody.
 *
 * A page in a browser cannot use it: its Host would have to be ours, its Origin is refused, and it
 * knows no token. Source: SECURITY R28.
 *
 * @module
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import { bytesToHex, equalBytes, utf8ToBytes } from "@fulcrum/codec/bytes"
import { type JsonValue, parseJson } from "@fulcrum/codec/json"
import { sha256 } from "@fulcrum/crypto/hash"
import type { Random } from "@fulcrum/crypto/random"
import type { Vendor } from "@fulcrum/engine/vendor"
import { isLoopbackHost } from "./address-check.ts"
import { type Arguments, COMMANDS } from "./commands.ts"
import { codeOf, failureOf, ProgramError } from "./program-error.ts"

/** A whole request to edit, and room. */
export const BODY_BYTES_MAX: number = 128 * 1024
export const API_PATH = "/api/v1/"

const CONNECTIONS_MAX = 64
const REQUEST_MS_MAX = 10_000
const TOKEN_BYTES = 32
const BODY_LIMITS = { bytesMax: BODY_BYTES_MAX, depthMax: 16, itemsMax: 8192 }

const HEADERS = {
  "Cache-Control": "no-store",
  "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Referrer-Policy": "no-referrer",
  "X-Content-Type-Options": "nosniff",
}

export interface DaemonOptions {
  readonly vendor: Vendor
  readonly random: Random
  readonly host: string
  /** 0 draws a free one. */
  readonly port: number
  /** In Prometheus' text format. */
  metrics(): string
}

export interface Daemon {
  readonly url: string
  readonly port: number
  readonly token: string
  close(): Promise<void>
}

class Refusal extends Error {
  override readonly name = "Refusal"
  readonly status: number
  readonly code: string

  constructor(status: number, code: string, message: string) {
    super(message)
    this.status = status
    this.code = code
  }
}

/** Reads `HOST:PORT`, an IPv6 host in brackets. @throws {ProgramError} `HTTP_ADDRESS_INVALID`. */
export function readHttpAddress(text: string): { readonly host: string; readonly port: number } {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]/\s]+)):(\d{1,5})$/.exec(text)
  const host = match?.[1] ?? match?.[2]
  const port = Number(match?.[3])
  if (host === undefined || port > 65_535 || !isLoopbackHost(host)) {
    throw new ProgramError(
      "HTTP_ADDRESS_INVALID",
      "the admin API is for this machine only",
      "give HOST:PORT such as 127.0.0.1:8080 with --http",
    )
  }
  return { host, port }
}

/** @throws {ProgramError} `HTTP_ADDRESS_IN_USE`. */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const token = bytesToHex(options.random.bytes(TOKEN_BYTES))
  const server = createServer({ requestTimeout: REQUEST_MS_MAX, headersTimeout: REQUEST_MS_MAX })
  server.maxConnections = CONNECTIONS_MAX
  const port = await listen(server, options)
  const api = new Api(options, token, port)
  server.on("request", (request, response) => {
    api.serve(request, response).catch(() => response.destroy())
  })
  const host = options.host.includes(":") ? `[${options.host}]` : options.host
  return {
    port,
    token,
    url: `http://${host}:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

class Api {
  readonly #options: DaemonOptions
  readonly #tokenHash: Uint8Array
  readonly #hosts: ReadonlySet<string>

  constructor(options: DaemonOptions, token: string, port: number) {
    this.#options = options
    this.#tokenHash = sha256(utf8ToBytes(token))
    this.#hosts = new Set([`127.0.0.1:${port}`, `localhost:${port}`, `[::1]:${port}`])
  }

  async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      this.#check(request)
      if (request.method === "GET") {
        this.#tell(request.url, response)
        return
      }
      const { document, failed = false } = await this.#command(request)
      answer(response, 200, { document, failed })
    } catch (error) {
      const isRefusal = error instanceof Refusal
      const { code, message, todo } = isRefusal
        ? { code: error.code, message: error.message, todo: "see the API" }
        : failureOf(error)
      answer(response, isRefusal ? error.status : 422, { error: { code, message, todo } })
      // What was not read of a body is not waited for.
      request.resume()
    }
  }

  #check({ headers, method }: IncomingMessage): void {
    if (!this.#hosts.has(headers.host ?? "")) {
      throw new Refusal(403, "HOST_REFUSED", "not for this host")
    }
    if (headers.origin !== undefined || isForeign(headers["sec-fetch-site"])) {
      throw new Refusal(403, "ORIGIN_REFUSED", "not from a page")
    }
    if (method !== "GET" && method !== "POST") {
      throw new Refusal(405, "METHOD_REFUSED", "only GET and POST")
    }
  }

  #tell(url: string | undefined, response: ServerResponse): void {
    if (url === "/health") {
      answer(response, 200, { ok: true })
      return
    }
    if (url !== "/metrics") throw new Refusal(404, "COMMAND_UNKNOWN", "no such path")
    const type = "text/plain; version=0.0.4; charset=utf-8"
    response.writeHead(200, { ...HEADERS, "Content-Type": type })
    response.end(this.#options.metrics())
  }

  async #command(
    request: IncomingMessage,
  ): Promise<{ readonly document: object; readonly failed?: boolean }> {
    const { headers, url = "" } = request
    const [scheme, token = ""] = (headers.authorization ?? "").split(" ")
    // Hashes of equal length, so that comparing tells nothing about the token.
    if (scheme !== "Bearer" || !equalBytes(sha256(utf8ToBytes(token)), this.#tokenHash)) {
      throw new Refusal(401, "TOKEN_REFUSED", "the token is not this start's")
    }
    if (!/^application\/json(; ?charset=utf-8)?$/i.test(headers["content-type"] ?? "")) {
      throw new Refusal(415, "TYPE_REFUSED", "only JSON")
    }
    const name = url.startsWith(API_PATH) ? url.slice(API_PATH.length) : ""
    const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
    if (command === undefined) throw new Refusal(404, "COMMAND_UNKNOWN", "no such command")
    return command(this.#options.vendor, await readArguments(request))
  }
}

/** From another site; what browsers do not say is no browser's. */
function isForeign(site: string | string[] | undefined): boolean {
  return site !== undefined && site !== "none"
}

function answer(response: ServerResponse, status: number, body: object): void {
  if (response.headersSent) return
  response.writeHead(status, { ...HEADERS, "Content-Type": "application/json" })
  response.end(`${JSON.stringify(body)}\n`)
}

async function readArguments(request: IncomingMessage): Promise<Arguments> {
  const parts: Uint8Array[] = []
  let bytes = 0
  for await (const part of request) {
    bytes += part.length
    if (bytes > BODY_BYTES_MAX) throw new Refusal(413, "BODY_TOO_LARGE", "more than is taken")
    parts.push(part)
  }
  return checkArguments(decode(new Uint8Array(Buffer.concat(parts))))
}

function decode(body: Uint8Array): JsonValue {
  try {
    return parseJson(body, BODY_LIMITS)
  } catch {
    throw new Refusal(400, "BODY_REFUSED", "not the JSON that is taken")
  }
}

function checkArguments(value: JsonValue): Arguments {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return Object.fromEntries(Object.entries(value))
  }
  throw new Refusal(400, "BODY_REFUSED", "arguments come as one object")
}

function listen(server: Server, { host, port }: DaemonOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", (cause) => {
      const isTaken = codeOf(cause) === "EADDRINUSE"
      const message = isTaken ? "another program listens at this HTTP address" : cause.message
      const code = isTaken ? "HTTP_ADDRESS_IN_USE" : "HTTP_ADDRESS_INVALID"
      reject(new ProgramError(code, message, "choose another with --http", { cause }))
    })
    server.listen({ host, port, exclusive: true }, () => {
      const address = server.address()
      resolve(typeof address === "object" && address !== null ? address.port : port)
    })
  })
}
