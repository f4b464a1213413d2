/**
 * Failures as a person meets them: one line that says what happened, its stable code, and what to
 * do. With `--json` the line is `{"error":{"code","message","todo"}}`, on standard error too.
 *
 * Errors of the packages are known by their `code`; `what-to-do.ts` adds what to do. Anything
 * without a code is a mistake of ours: it is told as `INTERNAL`, without its message, which might
 * hold a value; `FULCRUM_DEBUG=1` adds where it happened.
 *
 * @module
 */
import { TODO_BY_CODE } from "./what-to-do.ts"

export class ProgramError extends Error {
  override readonly name = "ProgramError"
  readonly code: string
  readonly todo: string

  constructor(code: string, message: string, todo: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
    this.todo = todo
  }
}

export interface Failure {
  readonly code: string
  readonly message: string
  /** What to do about it. */
  readonly todo: string
}

export const DONE = 0
export const FAILED = 1
export const WRONG_USAGE = 2

const CHARS_MAX = 600

const CHECK = "check the path and try again"
const ALLOW = "check who owns it and its permissions, or choose another"

/** Told by Node about files, never with a value; and what to do. */
const SYSTEM_ERRORS: ReadonlyMap<string, readonly [happened: string, todo: string]> = new Map([
  ["ENOENT", ["there is no such file or folder", CHECK]],
  ["EACCES", ["the file or folder may not be used by you", ALLOW]],
  ["EPERM", ["the file or folder may not be used by you", ALLOW]],
  ["EISDIR", ["that is a folder, not a file", CHECK]],
  ["ENOTDIR", ["part of that path is a file, not a folder", CHECK]],
  ["ENAMETOOLONG", ["that path is too long", CHECK]],
  ["ELOOP", ["links in that path go round in a circle", CHECK]],
  ["ENOSPC", ["the disk is full", "make room on it and try again"]],
  ["EROFS", ["the disk can only be read", "mount it for writing, or choose another folder"]],
  ["EMFILE", ["too many files are open", "end other programs and try again"]],
])

/** What a failure is to a person; never holds a stack, a value or a key. */
export function failureOf(error: unknown): Failure {
  if (error instanceof ProgramError) return error
  if (error instanceof AggregateError && error.errors.length > 0) return failureOf(error.errors[0])
  const code = codeOf(error)
  if (!(error instanceof Error) || code === undefined) return internal(error)
  const system = SYSTEM_ERRORS.get(code)
  if (system !== undefined) {
    const [happened, todo] = system
    const path = "path" in error && typeof error.path === "string" ? ` (${error.path})` : ""
    return { code: "FILE_IO", message: `${happened}${path}`, todo }
  }
  if (!/^[A-Z][A-Z0-9]*(_[A-Z0-9]+)+$/.test(code) || code.startsWith("ERR_")) return internal(error)
  return { code, message: error.message, todo: TODO_BY_CODE.get(code) ?? "try again" }
}

/** The one line of standard error. */
export function describeFailure(failure: Failure, json: boolean): string {
  const { code, message, todo } = failure
  if (json) return JSON.stringify({ error: { code, message, todo } })
  return `fulcrum: ${oneLine(message)} (${code}): ${oneLine(todo)}`
}

/** Its code, if it is one of ours that a caller may branch on. */
export function codeOf(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined
  return typeof error.code === "string" ? error.code : undefined
}

function internal(error: unknown): Failure {
  const kind = error instanceof Error ? error.name : typeof error
  return {
    code: "INTERNAL",
    message: `a mistake inside the program, ${kind}${whereFrom(error)}`,
    todo: "tell us what you did; FULCRUM_DEBUG=1 says where it happened",
  }
}

function whereFrom(error: unknown): string {
  if (!process.env.FULCRUM_DEBUG || !(error instanceof Error)) return ""
  const frames = (error.stack ?? "").split("\n").filter((line) => /^\s+at /.test(line))
  return frames.map((line) => `; ${line.trim()}`).join("")
}

function oneLine(text: string): string {
  const line = text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, " ").trim()
  return line.length > CHARS_MAX && !process.env.FULCRUM_DEBUG
    ? `${line.slice(0, CHARS_MAX)}…`
    : line
}
