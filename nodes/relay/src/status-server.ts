/**
 * Health and metrics over plain HTTP: `/health` for whoever restarts the relay, `/metrics` for
 * Prometheus. It answers GET and HEAD, and knows nothing that names anybody.
 *
 * @module
 */
import { createServer, type Server, type ServerResponse } from "node:http"
import { ProgramError } from "./program-error.ts"

const CONNECTIONS_MAX = 64
const REQUEST_MS = 5_000

export interface StatusSource {
  /** Whether the relay can store at this moment. */
  isHealthy(): Promise<boolean>
  metrics(): string
}

export interface StatusServer {
  readonly port: number
  readonly url: string
  close(): Promise<void>
}

export interface HttpAddress {
  readonly host: string
  /** 0 draws a free one. */
  readonly port: number
}

/** Reads `HOST:PORT`, an IPv6 host in brackets. @throws {ProgramError} `HTTP_ADDRESS_INVALID`. */
export function readHttpAddress(text: string): HttpAddress {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]/\s]+)):(\d{1,5})$/.exec(text)
  const host = match?.[1] ?? match?.[2]
  const port = Number(match?.[3])
  if (host === undefined || port > 65_535) throw invalid()
  return { host, port }
}

/** @throws {ProgramError} `HTTP_ADDRESS_IN_USE`, `HTTP_ADDRESS_INVALID`. */
export async function serveStatus(
  source: StatusSource,
  { host, port }: HttpAddress,
): Promise<StatusServer> {
  const server = createServer({ requestTimeout: REQUEST_MS, headersTimeout: REQUEST_MS })
  server.maxConnections = CONNECTIONS_MAX
  server.on("request", (request, response) => {
    // Anybody may ask for `//`, which is no URL.
    const path = URL.parse(request.url ?? "/", "http://status")?.pathname
    response.setHeader("X-Content-Type-Options", "nosniff")
    response.setHeader("Cache-Control", "no-store")
    if (request.method !== "GET" && request.method !== "HEAD") {
      response.setHeader("Allow", "GET, HEAD")
      answer(response, 405, "text/plain", "only GET and HEAD\n")
    } else if (path === "/health") void answerHealth(source, response)
    else if (path === "/metrics") {
      answer(response, 200, "text/plain; version=0.0.4; charset=utf-8", source.metrics())
    } else answer(response, 404, "text/plain", "/health or /metrics\n")
  })
  const listening = await listen(server, host, port)
  return {
    port: listening,
    url: `http://${host.includes(":") ? `[${host}]` : host}:${listening}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function answerHealth(source: StatusSource, response: ServerResponse): Promise<void> {
  const ok = await source.isHealthy()
  answer(response, ok ? 200 : 503, "application/json", `${JSON.stringify({ ok })}\n`)
}

function answer(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { "Content-Type": type, "Content-Length": Buffer.byteLength(body) })
  response.end(response.req.method === "HEAD" ? undefined : body)
}

function listen(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", (cause: NodeJS.ErrnoException) => {
      reject(cause.code === "EADDRINUSE" ? inUse(cause) : invalid(cause))
    })
    server.listen({ host, port, exclusive: true }, () => {
      const address = server.address()
      resolve(typeof address === "object" && address !== null ? address.port : port)
    })
  })
}

function inUse(cause: unknown): ProgramError {
  return new ProgramError(
    "HTTP_ADDRESS_IN_USE",
    "another program listens at this HTTP address",
    "stop it, or choose another address with --http",
    { cause },
  )
}

function invalid(cause?: unknown): ProgramError {
  return new ProgramError(
    "HTTP_ADDRESS_INVALID",
    "not an HTTP address that can be listened at",
    "give HOST:PORT such as 127.0.0.1:8080 with --http",
    { cause },
  )
}
