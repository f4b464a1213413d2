/**
 * A command's side of the daemon's API.
 *
 * @module
 */
import type { Agent, IncomingMessage } from "node:http"
import { createInterface } from "node:readline"
import { bytesToHex, equalBytes, utf8ToBytes } from "@fulcrum/codec/bytes"
import { type JsonValue, parseJson } from "@fulcrum/codec/json"
import type { Random } from "@fulcrum/crypto/random"
import { API_PATH, helloProof, memberOf, NONCE_BYTES, textOf } from "./api.ts"
import type { Document, Drawing, Io, Outcome } from "./command.ts"
import type { DaemonFile } from "./daemon-file.ts"
import { PIECE_BYTES_MAX } from "./daemon-streams.ts"
import { ProgramError } from "./program-error.ts"

export interface DaemonCall {
  /** The command's name in the API. */
  readonly command: string
  readonly args: JsonValue
  readonly io: Io
  readonly signal: AbortSignal
}

// Imported, it also loads what it exports of `fetch`: a fifth of what a short command takes.
const http = process.getBuiltinModule("node:http")

/** Answers are large when they are an export. */
const LINE_LIMITS = { bytesMax: 256 << 20, depthMax: 128, itemsMax: 10_000_000 }
const HELLO_MS_MAX = 2_000

export class DaemonClient {
  readonly #daemon: DaemonFile
  /** One connection: the port that proved itself is the one that hears the token. */
  readonly #agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
  /** Answers to questions, and files, go beside the answer that is being read. */
  readonly #answers = new http.Agent({ keepAlive: true, maxSockets: 1 })
  readonly #random: Random

  constructor(daemon: DaemonFile, random: Random) {
    this.#daemon = daemon
    this.#random = random
  }

  /** Whether the port is the daemon's that wrote the token. */
  async isThere(): Promise<boolean> {
    return await this.#proves(this.#agent)
  }

  /**
   * @returns What the command answered; `undefined` if all of it was emitted.
   * @throws {ProgramError} What the command failed with, or `DAEMON_ENDED`.
   */
  async call({ command, args, io, signal }: DaemonCall): Promise<Outcome | undefined> {
    const body = { args, interactive: io.interactive }
    const response = await this.#post(this.#agent, command, body, { signal }).catch((error) => {
      if (signal.aborted) throw signal.reason
      // Killed before it began to answer: whether it was done is seen when it is done again.
      throw error instanceof ProgramError ? error : ended(error)
    })
    const lines = createInterface({ input: response })
    // They end too when it breaks, which may be while a question is being answered.
    lines.on("error", () => undefined)
    // A file that cannot be read or written here ends the command there.
    let broken: { readonly error: unknown } | undefined
    let files: Promise<void> = Promise.resolve()
    const carry = (line: JsonValue): void => {
      // One after another: the next may be the same again.
      files = files
        .then(() => this.#carry(line, io))
        .catch((error: unknown) => {
          if (error instanceof NotWanted) return
          broken ??= { error }
          response.destroy()
          lines.close()
        })
    }
    try {
      for await (const line of lines) {
        const value = parseJson(line, LINE_LIMITS)
        carry(value)
        const last = await this.#hear(value, io)
        if (last !== undefined) return last.outcome
      }
    } catch (error) {
      if (broken !== undefined) throw broken.error
      if (signal.aborted) throw signal.reason
      throw error instanceof ProgramError ? error : ended(error)
    } finally {
      // What was being written here is taken away first.
      this.#answers.destroy()
      await files
    }
    if (broken !== undefined) throw broken.error
    throw signal.aborted ? signal.reason : ended()
  }

  close(): void {
    this.#agent.destroy()
    this.#answers.destroy()
  }

  async #proves(agent: Agent): Promise<boolean> {
    const nonce = bytesToHex(this.#random.bytes(NONCE_BYTES))
    try {
      const signal = AbortSignal.timeout(HELLO_MS_MAX)
      const response = await this.#post(agent, "hello", { nonce }, { signal, secret: false })
      const proof = textOf(await readAnswer(response), "proof") ?? ""
      return equalBytes(utf8ToBytes(proof), utf8ToBytes(helloProof(this.#daemon.token, nonce)))
    } catch {
      // Nobody listens, or somebody who speaks otherwise: either way it is not the daemon.
      return false
    }
  }

  /** @returns The outcome, once the line is the last. */
  async #hear(
    line: JsonValue,
    io: Io,
  ): Promise<{ readonly outcome: Outcome | undefined } | undefined> {
    const progress = textOf(line, "progress")
    if (progress !== undefined) io.progress(progress)
    const note = textOf(line, "note")
    if (note !== undefined) io.note(note)
    const show = memberOf(line, "show")
    if (show !== undefined) {
      await io.show(readOutcome(show))
      await this.#answer(textOf(show, "id") ?? "", "")
    }
    const emit = memberOf(line, "emit")
    if (emit !== undefined) io.emit(readOutcome(emit))
    const told = memberOf(line, "tell")
    if (told !== undefined) {
      await io.tell(readOutcome(told))
      await this.#answer(textOf(told, "id") ?? "", "")
    }
    const prompt = memberOf(line, "prompt")
    if (prompt !== undefined) {
      const answering = this.#answer(textOf(prompt, "id") ?? "", await asked(prompt, io))
      await answering.catch((error: unknown) => {
        // It ended while its person was asked: its last line says how.
        if (!(error instanceof ProgramError) || error.code !== "PROMPT_UNKNOWN") throw error
      })
    }
    const error = memberOf(line, "error")
    if (error !== undefined) throw readFailure(error)
    const result = memberOf(line, "result")
    if (result === undefined) return undefined
    return { outcome: result === null ? undefined : readOutcome(result) }
  }

  /** Files go while further lines are read. @throws {NotWanted} */
  async #carry(line: JsonValue, io: Io): Promise<void> {
    const send = memberOf(line, "send")
    if (send !== undefined) {
      await this.#send(textOf(send, "id") ?? "", io.content(textOf(send, "parameter") ?? ""))
    }
    const save = memberOf(line, "save")
    if (save === undefined) return
    const id = textOf(save, "id") ?? ""
    const name = textOf(save, "name") ?? ""
    const path = await io.save(textOf(save, "parameter") ?? "", name, this.#fetched(id))
    await this.#answer(id, path)
  }

  async #send(id: string, content: AsyncIterable<Uint8Array>): Promise<void> {
    await this.#requireDaemon()
    for await (const part of content) {
      for (let at = 0; at < part.length; at += PIECE_BYTES_MAX) {
        const piece = part.subarray(at, at + PIECE_BYTES_MAX)
        await this.#exchange(id, piece)
      }
    }
    await this.#exchange(id, NOTHING)
  }

  async *#fetched(id: string): AsyncGenerator<Uint8Array, void, undefined> {
    await this.#requireDaemon()
    for (;;) {
      const piece = await this.#exchange(id, NOTHING)
      if (piece.length === 0) return
      yield piece
    }
  }

  /** @throws {NotWanted} */
  async #exchange(id: string, piece: Uint8Array): Promise<Uint8Array> {
    try {
      const options = { type: "application/octet-stream" }
      return await readBytes(await this.#post(this.#answers, `streams/${id}`, piece, options))
    } catch (error) {
      const isUnknown = error instanceof ProgramError && error.code === "STREAM_UNKNOWN"
      if (isUnknown) throw new NotWanted("a file that nobody waits for", { cause: error })
      throw error instanceof ProgramError ? error : ended(error)
    }
  }

  async #requireDaemon(): Promise<void> {
    if (!(await this.#proves(this.#answers))) throw ended()
  }

  async #answer(id: string, answer: string): Promise<void> {
    await this.#requireDaemon()
    try {
      const response = await this.#post(this.#answers, `answers/${id}`, { answer }, {})
      response.resume()
    } catch (error) {
      throw error instanceof ProgramError ? error : ended(error)
    }
  }

  #post(
    agent: Agent,
    path: string,
    body: object,
    options: {
      readonly signal?: AbortSignal
      readonly secret?: boolean
      /** Of a body that is bytes. */
      readonly type?: string
    },
  ): Promise<IncomingMessage> {
    const { signal, secret = true, type = "application/json" } = options
    const bytes = body instanceof Uint8Array ? body : utf8ToBytes(JSON.stringify(body))
    return new Promise((resolve, reject) => {
      const request = http.request(
        {
          agent,
          host: "127.0.0.1",
          port: this.#daemon.port,
          method: "POST",
          path: `${API_PATH}${path}`,
          headers: {
            "Content-Type": type,
            "Content-Length": bytes.length,
            ...(secret && { Authorization: `Bearer ${this.#daemon.token}` }),
          },
          ...(signal && { signal }),
        },
        (response) => {
          if ((response.statusCode ?? 500) < 300) return resolve(response)
          readAnswer(response).then(
            (answer) => reject(readFailure(memberOf(answer, "error") ?? null)),
            reject,
          )
        },
      )
      request.on("error", reject)
      request.end(bytes)
    })
  }
}

/** The command there has no use for a file any more: its own lines say why. */
class NotWanted extends Error {
  override readonly name = "NotWanted"
}

async function readAnswer(response: IncomingMessage): Promise<JsonValue> {
  return parseJson(await readBytes(response), LINE_LIMITS)
}

async function readBytes(response: IncomingMessage): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const part of response) parts.push(part)
  return new Uint8Array(Buffer.concat(parts))
}

const NOTHING: Uint8Array = new Uint8Array(0)

function asked(prompt: JsonValue, io: Io): Promise<string> {
  const document = memberOf(prompt, "document")
  return io.ask({
    text: textOf(prompt, "text") ?? "",
    kind: textOf(prompt, "kind") === "text" ? "text" : "yes-no",
    default: textOf(prompt, "default") ?? "",
    ...(document !== undefined && { document }),
  })
}

function readOutcome(value: JsonValue): Outcome {
  const document: Document = memberOf(value, "document") ?? null
  const drawing = readDrawing(memberOf(value, "drawing"))
  return {
    document,
    text: textOf(value, "text") ?? "",
    exact: memberOf(value, "exact") === true,
    failed: memberOf(value, "failed") === true,
    ...(drawing && { drawing }),
  }
}

function readDrawing(value: JsonValue | undefined): Drawing | undefined {
  if (value === undefined) return undefined
  const given = memberOf(value, "lines")
  const lines = Array.isArray(given) ? given.filter((line) => typeof line === "string") : []
  return { of: textOf(value, "of") ?? "", lines, caption: textOf(value, "caption") ?? "" }
}

function readFailure(value: JsonValue): ProgramError {
  return new ProgramError(
    textOf(value, "code") ?? "DAEMON_ENDED",
    textOf(value, "message") ?? "the daemon gave no answer",
    textOf(value, "todo") ?? "try again",
  )
}

function ended(cause?: unknown): ProgramError {
  return new ProgramError(
    "DAEMON_ENDED",
    "the daemon ended before the command was done",
    "run the command again",
    { cause },
  )
}
