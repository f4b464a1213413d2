/**
 * Where a passphrase comes from: the file that FULCRUM_PASSPHRASE_FILE names (its first line), else
 * somebody at a terminal, without echo. Never an argument, never the environment itself.
 *
 * @module
 */
import { createReadStream } from "node:fs"
import { stat } from "node:fs/promises"
import type { ReadStream } from "node:tty"
import { ATTEMPTS } from "./command.ts"
import { OTHERS, type PassphraseSource } from "./device-key.ts"
import { ProgramError } from "./program-error.ts"

/** Longer ones are somebody's mistake, such as the wrong file. */
export const PASSPHRASE_CHARS_MAX = 1024

const READ_BYTES_MAX = 8192

/** The least that a person may choose. Source: NIST SP 800-63B (revision 3), 5.1.1.1. */
export const PASSPHRASE_CHARS_MIN = 8

/** A terminal's two ends; what is asked goes to standard error. */
export interface Terminal {
  readonly input: ReadStream
  write(text: string): void
}

export function passphraseSource(options: {
  readonly file: string | undefined
  readonly terminal: Terminal | undefined
  /** Told to the person, one line each. */
  note(text: string): void
}): PassphraseSource {
  const { file, terminal, note } = options
  return {
    isFile: file !== undefined,
    async read(purpose) {
      if (file !== undefined) return await readPassphraseFile(file, purpose, note)
      if (terminal === undefined) return undefined
      return purpose === "new" ? await askTwice(terminal) : await ask(terminal, "Passphrase: ")
    },
  }
}

async function readPassphraseFile(
  path: string,
  purpose: "new" | "known",
  note: (text: string) => void,
): Promise<string> {
  if (await isExposed(path)) {
    note(`Others on this machine may read the passphrase's file: chmod 600 ${path}`)
  }
  const passphrase = (await beginningOf(path)).split(/\r?\n/, 1)[0] ?? ""
  if (passphrase === "" || passphrase.length > PASSPHRASE_CHARS_MAX) {
    throw new ProgramError(
      "PASSPHRASE_FILE_INVALID",
      "the passphrase file's first line is empty or too long",
      "put the passphrase on its first line",
    )
  }
  if (purpose === "new" && passphrase.length < PASSPHRASE_CHARS_MIN) {
    throw new ProgramError(
      "PASSPHRASE_FILE_INVALID",
      `the passphrase has fewer than ${PASSPHRASE_CHARS_MIN} characters`,
      "choose a longer one: some words that only you would put together",
    )
  }
  return passphrase
}

/** As much as the longest passphrase takes, and a little more: some files have no end. */
async function beginningOf(path: string): Promise<string> {
  const pieces: Buffer[] = []
  for await (const piece of createReadStream(path, { end: READ_BYTES_MAX - 1 })) pieces.push(piece)
  return Buffer.concat(pieces).toString("utf8")
}

/** A pipe or a device, as a secret manager may give, is nobody's to read twice. */
async function isExposed(path: string): Promise<boolean> {
  const file = await stat(path)
  return process.platform !== "win32" && file.isFile() && (file.mode & OTHERS) !== 0
}

async function askTwice(terminal: Terminal): Promise<string> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const passphrase = await ask(terminal, "Choose a passphrase for this device: ")
    if (passphrase.length < PASSPHRASE_CHARS_MIN)
      terminal.write(`Too short: at least ${PASSPHRASE_CHARS_MIN} characters, better some words.\n`)
    else if (passphrase === (await ask(terminal, "Once more: "))) return passphrase
    else terminal.write("Those two differ.\n")
  }
  throw new ProgramError("PASSPHRASE_NEEDED", "no passphrase was chosen", "try again")
}

function ask(terminal: Terminal, prompt: string): Promise<string> {
  const { input } = terminal
  return new Promise((resolve, reject) => {
    const typed: string[] = []
    const wasRaw = input.isRaw
    const end = (): void => {
      input.off("data", hear)
      input.setRawMode(wasRaw)
      input.pause()
      terminal.write("\n")
    }
    const hear = (data: Buffer | string): void => {
      for (const character of data.toString()) {
        if (character === "\r" || character === "\n" || character === "\u0004") {
          end()
          resolve(typed.join(""))
          return
        }
        if (character === "\u0003") {
          end()
          reject(new ProgramError("INTERRUPTED", "interrupted", "run it again"))
          return
        }
        if (character === "\u007f" || character === "\b") typed.pop()
        else if (character >= " " && typed.length < PASSPHRASE_CHARS_MAX) typed.push(character)
      }
    }
    // No echo before anybody is asked: people type ahead.
    input.setRawMode(true)
    input.setEncoding("utf8")
    input.on("data", hear)
    input.resume()
    terminal.write(prompt)
  })
}
