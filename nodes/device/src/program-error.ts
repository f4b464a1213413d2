/**
 * Failures as a person meets them: one line that says what happened, its stable code, and what to
 * do. With `--json` the line is `{"error":{"code","message","todo"}}`, on standard error too.
 *
 * Errors of the packages are known by their `code`; {@link TODO_BY_CODE} adds what to do. Anything
 * without a code is a mistake of ours: it is told as `INTERNAL`, without its message, which might
 * hold a value; `FULCRUM_DEBUG=1` adds where it happened.
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
  /** What to do about it. */
  readonly todo: string
}

export const DONE = 0
export const FAILED = 1
export const WRONG_USAGE = 2

const CHARS_MAX = 600

const TODO_BY_CODE: ReadonlyMap<string, string> = new Map([
  ["STORE_LOCKED", "end the `fulcrum up` or other command that uses it, or wait for it"],
  ["STORE_CORRUPT", "run `fulcrum doctor`; keep a copy of the folder, and pair it anew"],
  ["STORE_FULL", "make room on the disk; nothing that was kept is lost"],
  ["STORE_BUSY", "wait a moment and try again"],
  ["STORE_IO", "check the disk and the folder's permissions"],
  ["VAULT_DAMAGED", "run `fulcrum doctor`; keep a copy of the folder, and pair it anew"],
  ["VAULT_KEY_WRONG", "put back the `device.key` that belongs to this folder"],
  ["KEY_WRONG", "try again with the passphrase given at init or join"],
  ["RECORD_ABSENT", "begin with `fulcrum init`, or `fulcrum join CODE` on a second device"],
  ["RECORD_EXISTS", "use it, or choose another folder with --home"],
  ["RECORD_DAMAGED", "run `fulcrum doctor`; keep a copy of the folder, and pair it anew"],
  ["RECORD_WORKER", "try again; if it happens twice, tell us what you did"],
  ["UNDO_NOTHING", "see `fulcrum history` for what was done elsewhere"],
  ["UNDO_CHANGED", "set the value that you want; see `fulcrum history PATH`"],
  ["VENDOR_UNKNOWN", "see `fulcrum relationships` for the names"],
  ["VENDOR_AMBIGUOUS", "give the relationship's id from `fulcrum relationships`"],
  ["DEVICE_UNKNOWN", "see `fulcrum devices` for the names"],
  ["DEVICE_IS_THIS", "run it on another of your devices"],
  ["DEVICE_REMOVED", "pair this device anew with `fulcrum join CODE --home NEW-FOLDER`"],
  ["CONNECT_UNREACHABLE", "check the network and try the same invitation again"],
  ["CONNECT_REQUEST_MISMATCH", "ask the company for a new invitation"],
  ["CONNECT_REQUEST_INVALID", "tell the company that its request cannot be read"],
  ["CONNECT_FIELD_REQUIRED", "add it with --disclose, or do not connect"],
  ["CONNECT_FIELD_NOT_REQUESTED", "leave it out; the preview lists what is asked for"],
  ["CONNECT_FIELD_EMPTY", "set it first: `fulcrum set PATH VALUE`"],
  ["TERMS_UNKNOWN", "see `fulcrum terms list`"],
  ["TERMS_NOT_ACCEPTED", "choose terms that the request lists, with --terms"],
  ["MOVE_UNCHANGED", "give a value that differs from the one in the record"],
  ["MOVE_UNKNOWN", "see `fulcrum board` for the newest"],
  ["DATE_INVALID", "write the date as 2026-12-15"],
  ["NOT_AGREED", "wait for the company's signature; see `fulcrum show VENDOR`"],
  ["RELAY_FULL", "add another with `fulcrum relay add ADDR`, or wait for room"],
  ["RELAY_ADDRESS_INVALID", "give the relay's whole address, ending in /p2p/ and its id"],
  ["RELAY_UNKNOWN", "see `fulcrum relay list`"],
  ["PATH_UNKNOWN", "see `fulcrum get` for the paths in use"],
  ["PATH_MALFORMED", "write it as card/phones/home"],
  ["VALUE_INVALID", "see `fulcrum set --help` for how values are written"],
  ["VCARD_INVALID", "export the contact again as vCard, jCard or JSContact"],
  ["VCARD_TOO_LARGE", "import it in smaller files"],
  ["NOT_YET", "see `fulcrum --help` for what is built"],
  ["NET_ADDRESS_INVALID", "write a multiaddr such as /ip4/192.0.2.1/tcp/4001"],
  ["NET_ADDRESS_IN_USE", "choose another port with --listen"],
  ["NET_UNREACHABLE", "check the network and try again"],
  ["NET_TIMEOUT", "check the network and try again"],
  ["PAIR_CODE_WRONG", "start again with a new code, and compare the check words"],
  ["PAIR_CODE_MALFORMED", "type the code as shown, like 4711-copper-lantern-orbit"],
  ["PAIR_WORD_UNKNOWN", "check that word against the other screen"],
])

/** Told by Node about files; never with a value. */
const SYSTEM_ERRORS: ReadonlyMap<string, string> = new Map([
  ["ENOENT", "there is no such file or folder"],
  ["EACCES", "the file or folder may not be used by you"],
  ["EPERM", "the file or folder may not be used by you"],
  ["EISDIR", "that is a folder, not a file"],
  ["ENOTDIR", "part of that path is a file, not a folder"],
  ["ENOSPC", "the disk is full"],
  ["EROFS", "the disk can only be read"],
  ["EMFILE", "too many files are open"],
])

/** What a failure is to a person; never holds a stack, a value or a key. */
export function failureOf(error: unknown): Failure {
  if (error instanceof ProgramError) return error
  if (error instanceof AggregateError && error.errors.length > 0) return failureOf(error.errors[0])
  const code = codeOf(error)
  if (!(error instanceof Error) || code === undefined) return internal(error)
  const system = SYSTEM_ERRORS.get(code)
  if (system !== undefined) {
    const path = "path" in error && typeof error.path === "string" ? ` (${error.path})` : ""
    return { code: "FILE_IO", message: `${system}${path}`, todo: "check the path and try again" }
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
