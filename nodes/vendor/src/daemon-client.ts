/**
 * Asks a running `up` on this machine.
 *
 * @module
 */
import { parseJson } from "@fulcrum/codec/json"
import type { Answer, Arguments } from "./commands.ts"
import { API_PATH } from "./daemon.ts"
import type { DaemonFile } from "./daemon-file.ts"
import { codeOf, ProgramError } from "./program-error.ts"

// Imported, it also loads what it exports of `fetch`: a fifth of what a short command takes.
const http = process.getBuiltinModule("node:http")

const ANSWER_LIMITS = { bytesMax: 256 * 1024 * 1024, depthMax: 64, itemsMax: 10_000_000 }
/** Longer than any command waits. */
const ANSWER_MS_MAX = 620_000

/** @returns `undefined` if nobody is there any more: the daemon has just ended. */
export async function askDaemon(
  daemon: DaemonFile,
  command: string,
  given: Arguments,
): Promise<Answer | undefined> {
  const body = Buffer.from(JSON.stringify(given))
  let text: Uint8Array
  try {
    text = await exchange(daemon, command, body)
  } catch (error) {
    if (codeOf(error) === "ECONNREFUSED") return undefined
    throw new ProgramError("DAEMON_UNREACHABLE", "the running `up` does not answer", "try again", {
      cause: error,
    })
  }
  const answer = parseJson(text, ANSWER_LIMITS)
  if (typeof answer !== "object" || answer === null || Array.isArray(answer)) throw broken()
  const { document, failed, error } = Object.fromEntries(Object.entries(answer))
  if (typeof error === "object" && error !== null && !Array.isArray(error)) {
    const { code, message, todo } = Object.fromEntries(Object.entries(error))
    throw new ProgramError(String(code), String(message), String(todo))
  }
  if (typeof document !== "object" || document === null) throw broken()
  return { document, failed: failed === true }
}

function exchange(daemon: DaemonFile, command: string, body: Uint8Array): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const asked = http.request(
      new URL(`${API_PATH}${command}`, daemon.url),
      {
        method: "POST",
        agent: false,
        timeout: ANSWER_MS_MAX,
        headers: {
          Authorization: `Bearer ${daemon.token}`,
          "Content-Type": "application/json",
          "Content-Length": body.length,
        },
      },
      (response) => {
        const parts: Uint8Array[] = []
        response.on("data", (part: Uint8Array) => parts.push(part))
        response.on("error", reject)
        response.on("end", () => resolve(new Uint8Array(Buffer.concat(parts))))
      },
    )
    asked.on("error", reject)
    asked.on("timeout", () => asked.destroy(new Error("no answer")))
    asked.end(body)
  })
}

function broken(): ProgramError {
  return new ProgramError("DAEMON_UNREACHABLE", "the answer makes no sense", "restart `up`")
}
