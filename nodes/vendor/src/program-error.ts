/**
 * Failures as an operator meets them: one line that says what happened, its stable code, and what
 * to do. With `--json` the line is `{"error":{"code","message","todo"}}`, on standard error too.
 *
 * What has no code is a mistake of ours: told as `INTERNAL`, without its message, which might hold
 * a value; `FULCRUM_DEBUG=1` adds where it happened.
 *
 * @module
 */
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
  readonly todo: string
}

export const DONE = 0
export const FAILED = 1
export const WRONG_USAGE = 2

const CHARS_MAX = 600

/** For the packages' codes; the program's own errors bring theirs. */
export const TODO_BY_CODE: ReadonlyMap<string, string> = new Map([
  ["STORE_LOCKED", "another program has this folder open: end it, or wait for it"],
  ["STORE_CORRUPT", "restore the folder from a backup"],
  ["STORE_FULL", "make room on the disk; nothing that was acknowledged is lost"],
  ["STORE_BUSY", "wait a moment and try again"],
  [
    "STORE_DENIED",
    "make folder and disk writable for this program's user, or choose another folder with --home",
  ],
  ["STORE_IO", "check the disk"],
  ["VAULT_DAMAGED", "restore the folder from a backup"],
  ["VAULT_KEY_WRONG", "put back the vault.key that belongs to this folder"],
  ["VENDOR_ABSENT", "begin with `fulcrum-vendor init --name NAME`"],
  ["VENDOR_EXISTS", "use it, or choose another folder with --home"],
  ["VENDOR_DAMAGED", "restore the folder from a backup"],
  ["REQUEST_ABSENT", "write one with `fulcrum-vendor request edit FILE`"],
  ["REQUEST_INVALID", "correct it; `request lint FILE` names every fault"],
  ["REQUEST_MALFORMED", "correct it; `request lint FILE` names every fault"],
  ["RELAY_ABSENT", "run `fulcrum-vendor up`, or name one: `up --no-relay --relay ADDR`"],
  ["RELAY_ADDRESS_INVALID", "give the relay's whole address, ending in /p2p/ and its id"],
  ["TERMS_NEEDED", "accept another first: `fulcrum-vendor terms accept ID`"],
  ["AGREEMENT_UNKNOWN", "see `fulcrum-vendor terms list`"],
  ["INVITATION_LIMIT", "use a public invitation"],
  ["CUSTOMER_UNKNOWN", "see `fulcrum-vendor customers`"],
  ["CUSTOMER_AMBIGUOUS", "give the whole id, as `fulcrum-vendor customers` shows it"],
  ["HOOK_URL_INVALID", "give an address such as https://crm.example/fulcrum"],
  ["HOOK_LIMIT", "fan out behind one of them"],
  ["HOOK_DISABLED", "add its address again: `fulcrum-vendor hook add URL`"],
  ["EVENT_UNKNOWN", "see `fulcrum-vendor queue`"],
  ["NOT_YET", "see `fulcrum-vendor --help` for what is built"],
  ["NET_ADDRESS_INVALID", "write a multiaddr such as /ip4/0.0.0.0/tcp/4001"],
  ["NET_ADDRESS_IN_USE", "choose another port with --listen"],
])

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
  ["EEXIST", ["it is there already", CHECK]],
])

/** What a failure is to a person; never holds a stack, a value or a key. */
export function failureOf(error: unknown): Failure {
  if (error instanceof ProgramError) return error
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
export function describeFailure({ code, message, todo }: Failure, json: boolean): string {
  if (json) return JSON.stringify({ error: { code, message, todo } })
  return `fulcrum-vendor: ${code} ${oneLine(message)}; ${oneLine(todo)}`
}

export function codeOf(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined
  return typeof error.code === "string" ? error.code : undefined
}

export function usage(message: string): ProgramError {
  return new ProgramError("USAGE", message, "see `fulcrum-vendor --help`")
}

export function notYet(what: string): ProgramError {
  return new ProgramError("NOT_YET", `${what} is not built yet`, "see the README for what is")
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
