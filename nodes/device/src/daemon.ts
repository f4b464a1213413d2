/**
 * The daemon's API on loopback, as `api.ts` describes it, for this machine's own commands.
 *
 * A page in a browser cannot use it: its Host would have to be ours, its Origin is refused, and it
 * knows no token. Every request is held to that before anything of it is read.
 *
 * @module
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import { bytesToHex, equalBytes, hexToBytes, utf8ToBytes } from "@fulcrum/codec/bytes"
import { type JsonValue, parseJson } from "@fulcrum/codec/json"
import type { Clock } from "@fulcrum/crypto/clock"
import { sha256 } from "@fulcrum/crypto/hash"
import type { Random } from "@fulcrum/crypto/random"
import type { Person } from "@fulcrum/engine/person"
import {
  ANSWER_CHARS_MAX,
  API_PATH,
  type ApiLine,
  BODY_BYTES_MAX,
  bodyLimits,
  helloProof,
  memberOf,
  NONCE_BYTES,
  SMALL_BODY_BYTES_MAX,
  textOf,
} from "./api.ts"
import { Args } from "./args.ts"
import { CATALOG } from "./catalog.ts"
import { apiName, type CatalogCommand } from "./catalog-entry.ts"
import type { CommandContext, Io, Outcome } from "./command.ts"
import { DaemonStreams, PIECE_BYTES_MAX } from "./daemon-streams.ts"
import { failureOf, ProgramError } from "./program-error.ts"
import { runCommand } from "./run-command.ts"

export interface DaemonOptions {
  readonly record: DaemonRecord
  readonly random: Random
  readonly clock: Clock
  /** For tests; default: a free one. */
  readonly port?: number
}

/** What the daemon's commands work on. */
export interface DaemonRecord {
  /** @throws {ProgramError} `RECORD_LOCKED` */
  readonly person: Person
  readonly isLocked: boolean
  /** @returns Whether it is locked already; else it will be. */
  lock(): Promise<boolean>
  /** @param key - The folder's. @throws Why it stays locked. */
  unlock(key: Uint8Array): Promise<{ readonly ready: Outcome }>
  /** If it was not opened with a key that was brought, that is to go out of memory. */
  forget(): void
}

export interface Daemon extends AsyncDisposable {
  readonly port: number
  readonly token: string
  readonly url: string
  /**
   * Ends every command that runs, and listens no more.
   *
   * @param reason - What those who wait are told; default: that the daemon ends.
   */
  close(reason?: ProgramError): Promise<void>
}

const TOKEN_BYTES = 32
const CONNECTIONS_MAX = 64
const COMMANDS_MAX = 32
/** How long a request may take to arrive. */
const REQUEST_MS_MAX = 10_000

const HEADERS = {
  "Cache-Control": "no-store",
  "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Referrer-Policy": "no-referrer",
  "X-Content-Type-Options": "nosniff",
}

interface Call {
  readonly body: JsonValue
  readonly write: (line: ApiLine) => void
  readonly signal: AbortSignal
}

/** What a path of the API does. */
interface Work {
  readonly takesFiles?: boolean
  readonly run: (call: Call) => Promise<Outcome | undefined>
  /** Once its answer is on its way. */
  readonly afterwards?: () => void
}

/** A request that is refused before a command runs. */
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

export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const token = bytesToHex(options.random.bytes(TOKEN_BYTES))
  const server = createServer({ requestTimeout: REQUEST_MS_MAX, headersTimeout: REQUEST_MS_MAX })
  server.maxConnections = CONNECTIONS_MAX
  const port = await listen(server, options.port ?? 0)
  const api = new Api(options, token, port)
  server.on("request", (request, response) => {
    api.serve(request, response).catch((error: unknown) => response.destroy(asError(error)))
  })
  const close = async (reason?: ProgramError): Promise<void> => {
    await api.close(reason)
    await new Promise<void>((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  }
  return {
    port,
    token,
    url: `http://127.0.0.1:${port}`,
    close,
    [Symbol.asyncDispose]: () => close(),
  }
}

function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject)
    server.listen(port, "127.0.0.1", () => {
      server.off("error", reject)
      const address = server.address()
      if (typeof address === "object" && address !== null) resolve(address.port)
      else reject(new TypeError("a listening server without a port"))
    })
  })
}

class Api {
  readonly #options: DaemonOptions
  readonly #tokenHash: Uint8Array
  readonly #token: string
  readonly #hosts: ReadonlySet<string>
  readonly #origins: ReadonlySet<string>
  readonly #prompts = new Map<string, (answer: string) => void>()
  readonly #streams = new DaemonStreams()
  readonly #running = new Map<AbortController, Promise<void>>()

  constructor(options: DaemonOptions, token: string, port: number) {
    this.#options = options
    this.#token = token
    this.#tokenHash = sha256(utf8ToBytes(token))
    this.#hosts = new Set([`127.0.0.1:${port}`, `localhost:${port}`])
    this.#origins = new Set([...this.#hosts].map((host) => `http://${host}`))
  }

  async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const path = this.#check(request)
      if (path === "hello") return await this.#hello(request, response)
      this.#authorize(request)
      const answered = /^answers\/([0-9a-f]{32})$/.exec(path)
      if (answered?.[1] !== undefined) return await this.#answer(answered[1], request, response)
      const streamed = /^streams\/([0-9a-f]{32})$/.exec(path)
      if (streamed?.[1] !== undefined) return await this.#stream(streamed[1], request, response)
      const work = this.#workOf(path)
      if (work === undefined) throw new Refusal(404, "COMMAND_UNKNOWN", "no such command")
      await this.#command(work, request, response)
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      const { status, code, message } = error
      const body = { error: { code, message, todo: "see the daemon's API" } }
      response.writeHead(status, { ...HEADERS, "Content-Type": "application/json" })
      response.end(`${JSON.stringify(body)}\n`)
      // What was not read of a body is not waited for.
      request.resume()
    }
  }

  async close(reason?: ProgramError): Promise<void> {
    const ending = new ProgramError("DAEMON_ENDED", "the daemon is ending", "try again")
    for (const controller of this.#running.keys()) controller.abort(reason ?? ending)
    await Promise.allSettled(this.#running.values())
  }

  /** @returns The path below `/api/v1/`. */
  #check(request: IncomingMessage): string {
    const { headers, method, url = "" } = request
    if (!this.#hosts.has(headers.host ?? "")) {
      throw new Refusal(403, "HOST_REFUSED", "not for this host")
    }
    if (headers.origin !== undefined && !this.#origins.has(headers.origin)) {
      throw new Refusal(403, "ORIGIN_REFUSED", "not from that origin")
    }
    const site = headers["sec-fetch-site"]
    if (site !== undefined && site !== "same-origin" && site !== "none") {
      throw new Refusal(403, "ORIGIN_REFUSED", "not from another site")
    }
    if (!url.startsWith(API_PATH)) throw new Refusal(404, "COMMAND_UNKNOWN", "no such path")
    if (method !== "POST") throw new Refusal(405, "METHOD_REFUSED", "only POST")
    const path = url.slice(API_PATH.length)
    const type = headers["content-type"] ?? ""
    const isTaken = path.startsWith("streams/")
      ? type === "application/octet-stream"
      : /^application\/json(; ?charset=utf-8)?$/i.test(type)
    if (!isTaken) throw new Refusal(415, "TYPE_REFUSED", "only JSON")
    return path
  }

  #authorize(request: IncomingMessage): void {
    const [scheme, token = ""] = (request.headers.authorization ?? "").split(" ")
    // Hashes of equal length, so that comparing tells nothing about the token.
    if (scheme === "Bearer" && equalBytes(sha256(utf8ToBytes(token)), this.#tokenHash)) return
    throw new Refusal(401, "TOKEN_REFUSED", "the token is not this start's")
  }

  async #hello(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const nonce = textOf(await readBody(request, SMALL_BODY_BYTES_MAX), "nonce") ?? ""
    if (!new RegExp(`^[0-9a-f]{${NONCE_BYTES * 2}}$`).test(nonce)) {
      throw new Refusal(400, "BODY_REFUSED", "no nonce")
    }
    response.writeHead(200, { ...HEADERS, "Content-Type": "application/json" })
    response.end(`${JSON.stringify({ proof: helloProof(this.#token, nonce) })}\n`)
  }

  async #answer(id: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const answer = textOf(await readBody(request, SMALL_BODY_BYTES_MAX), "answer")
    if (answer === undefined || answer.length > ANSWER_CHARS_MAX) {
      throw new Refusal(400, "BODY_REFUSED", "no answer")
    }
    const take = this.#prompts.get(id)
    if (take === undefined) throw new Refusal(404, "PROMPT_UNKNOWN", "nobody waits for that")
    this.#prompts.delete(id)
    take(answer)
    response.writeHead(204, HEADERS).end()
  }

  async #stream(id: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const exchanged = this.#streams.exchange(id, await readBytes(request, PIECE_BYTES_MAX))
    const piece = await exchanged?.catch(() => undefined)
    if (piece === undefined) throw new Refusal(404, "STREAM_UNKNOWN", "nobody waits for that")
    const type = { "Content-Type": "application/octet-stream", "Content-Length": piece.length }
    response.writeHead(200, { ...HEADERS, ...type }).end(piece)
  }

  #workOf(path: string): Work | undefined {
    const { record } = this.#options
    if (path === "lock") return { run: async () => said({ locked: await record.lock() }) }
    if (path === "unlock") {
      return {
        run: ({ body }) => this.#unlock(memberOf(body, "args")),
        afterwards: () => record.forget(),
      }
    }
    const command = CATALOG.find((known) => apiName(known) === path && known.where === "record")
    if (command === undefined) return undefined
    const takesFiles = command.parameters.some(({ kind }) => kind === "files")
    return { takesFiles, run: (call) => this.#run(command, call) }
  }

  /** Without a key it says whether one is wanted. */
  async #unlock(args: JsonValue | undefined): Promise<Outcome> {
    const { record } = this.#options
    const key = textOf(args, "key")
    if (key === undefined || !record.isLocked) return said({ locked: record.isLocked })
    if (!/^[0-9a-f]{64}$/.test(key)) {
      throw new ProgramError("USAGE", "that is no folder's key", "use `fulcrum unlock`")
    }
    const { ready } = await record.unlock(hexToBytes(key))
    return said({ ...Object(ready.document), locked: false })
  }

  async #command(
    { takesFiles = false, run, afterwards }: Work,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    if (this.#running.size >= COMMANDS_MAX) {
      throw new Refusal(503, "DAEMON_BUSY", "too many commands at once")
    }
    const body = await readBody(request, takesFiles ? BODY_BYTES_MAX : SMALL_BODY_BYTES_MAX)
    const controller = new AbortController()
    response.on("close", () => controller.abort(interrupted()))
    response.writeHead(200, { ...HEADERS, "Content-Type": "application/x-ndjson" })
    const write = (line: ApiLine): void => {
      if (!response.writableEnded) response.write(`${JSON.stringify(line)}\n`)
    }
    const answered = answer(run, { body, write, signal: controller.signal })
    const running = answered
      .then(() => endedWhole(response))
      .finally(() => this.#running.delete(controller))
    this.#running.set(controller, running)
    await running
    afterwards?.()
  }

  async #run(command: CatalogCommand, call: Call): Promise<Outcome | undefined> {
    const { body, write, signal } = call
    const { record, clock } = this.#options
    const { person } = record
    const args = Args.read(memberOf(body, "args") ?? {}, command.parameters)
    const wait = args.has("wait") ? args.number("wait") : undefined
    const run = await command.load?.()
    const context: CommandContext = {
      person,
      args,
      clock,
      signal,
      io: this.#ioOf(write, memberOf(body, "interactive") === true, signal),
      // The daemon is connected and goes on sending: nobody waits for it unless asked to.
      settle: async () => (wait === undefined ? undefined : await person.settle(wait * 1000)),
      goOnline: async ({ at = [] }) => {
        if (at.length === 0) return
        throw new ProgramError(
          "USAGE",
          "`fulcrum up` runs, and listens where it was told to",
          "leave out --listen, or give it to `fulcrum up`",
        )
      },
    }
    return await runCommand(command, run, context)
  }

  #ioOf(write: (line: ApiLine) => void, interactive: boolean, signal: AbortSignal): Io {
    const answered = (ask: (id: string) => void) => this.#answered(ask, signal)
    return {
      interactive,
      progress: (progress) => write({ progress }),
      note: (note) => write({ note }),
      async show(outcome) {
        await answered((id) => write({ show: { ...outcome, id } }))
      },
      emit: (emit) => write({ emit }),
      async tell(outcome) {
        await answered((id) => write({ tell: { ...outcome, id } }))
      },
      ask: (question) => answered((id) => write({ prompt: { ...question, id } })),
      content: (parameter) => {
        const id = this.#drawId()
        const content = this.#streams.incoming(id, signal)
        write({ send: { id, parameter } })
        return content
      },
      save: async (parameter, name, content) => {
        const failed = Promise.withResolvers<never>()
        let end: (() => void) | undefined
        const saved = answered((id) => {
          end = this.#streams.outgoing(id, content, failed.reject)
          write({ save: { id, parameter, name } })
        })
        try {
          return await Promise.race([saved, failed.promise])
        } finally {
          end?.()
        }
      },
    }
  }

  #drawId(): string {
    return bytesToHex(this.#options.random.bytes(16))
  }

  /** @param ask - Writes a line that is to be answered under this id. */
  #answered(ask: (id: string) => void, signal: AbortSignal): Promise<string> {
    const id = this.#drawId()
    return new Promise((resolve, reject) => {
      const stop = (): void => {
        this.#prompts.delete(id)
        reject(signal.reason)
      }
      if (signal.aborted) return stop()
      signal.addEventListener("abort", stop, { once: true })
      this.#prompts.set(id, (answer) => {
        signal.removeEventListener("abort", stop)
        resolve(answer)
      })
      ask(id)
    })
  }
}

async function answer(run: Work["run"], call: Call): Promise<void> {
  const { write, signal } = call
  try {
    const outcome = await run(call)
    // A command that goes on ends quietly when it is told to; whoever asked is told why.
    signal.throwIfAborted()
    write({ result: outcome ?? null })
  } catch (error) {
    write({ error: plainFailure(signal.aborted ? signal.reason : error) })
  }
}

/** Resolves once the last line is on its way, or there is no way any more. */
function endedWhole(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    response.once("finish", resolve).once("close", resolve)
    if (response.closed) resolve()
    response.end()
  })
}

function said(document: object): Outcome {
  return { document, text: "" }
}

async function readBody(request: IncomingMessage, bytesMax: number): Promise<JsonValue> {
  const bytes = await readBytes(request, bytesMax)
  try {
    return parseJson(bytes, bodyLimits(bytesMax))
  } catch {
    throw new Refusal(400, "BODY_REFUSED", "not the JSON that is taken")
  }
}

async function readBytes(request: IncomingMessage, bytesMax: number): Promise<Uint8Array> {
  const tooLarge = new Refusal(413, "BODY_TOO_LARGE", "more than is taken")
  if (Number(request.headers["content-length"] ?? 0) > bytesMax) throw tooLarge
  const parts: Uint8Array[] = []
  let bytes = 0
  for await (const part of request) {
    bytes += part.length
    if (bytes > bytesMax) throw tooLarge
    parts.push(part)
  }
  return new Uint8Array(Buffer.concat(parts))
}

function plainFailure(error: unknown) {
  const { code, message, todo } = failureOf(error)
  return { code, message, todo }
}

function interrupted(): ProgramError {
  return new ProgramError("INTERRUPTED", "the command was interrupted", "run it again")
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new TypeError("something thrown that is no error")
}
