/**
 * Runs one command of the command line: in the daemon if there is one, else here.
 *
 * @module
 */
import { fstatSync, statSync } from "node:fs"
import { readFile, stat } from "node:fs/promises"
import { devNull } from "node:os"
import { basename } from "node:path"
import { bytesToBase64url } from "@fulcrum/codec/bytes"
import type { JsonValue } from "@fulcrum/codec/json"
import { systemClock } from "@fulcrum/crypto/clock"
import { systemRandom } from "@fulcrum/crypto/random"
import { Args } from "./args.ts"
import { apiName, type CatalogCommand } from "./catalog-entry.ts"
import { type CommandContext, type Outcome, WAIT_SECONDS_DEFAULT } from "./command.ts"
import { DaemonClient } from "./daemon-client.ts"
import { findDaemon } from "./daemon-file.ts"
import { type FolderContext, settleHere } from "./folder-command.ts"
import { folderHolder } from "./folder-holder.ts"
import { findHome } from "./home.ts"
import { lookAtFile } from "./local-files.ts"
import {
  codeOf,
  DONE,
  describeFailure,
  FAILED,
  failureOf,
  ProgramError,
  WRONG_USAGE,
} from "./program-error.ts"
import { Terminal } from "./terminal.ts"

export interface CommandLine {
  readonly command: CatalogCommand
  /** In the order of the catalog's operands, as commander gives them. */
  readonly operands: readonly unknown[]
  readonly options: Readonly<Record<string, unknown>>
  readonly home: string | undefined
  readonly json: boolean
  readonly mdns: boolean
}

type Run = FolderContext & { readonly command: CatalogCommand; readonly rawArgs: JsonValue }

const AWAKE_MS = 3_600_000
/** How long a daemon may take to start, or to end. */
const DAEMON_START_MS = 15_000
const DAEMON_RETRY_MS = 100
/** Of one that is read here, as an import is. */
const FILE_BYTES_MAX: number = 4 << 20
/** Past this the process ends, whatever still hangs. */
const GOODBYE_MS = 1_500

/** @returns The exit status; never throws. */
export async function runFromCommandLine(line: CommandLine): Promise<number> {
  const { json, mdns, command } = line
  const { stdin, stdout, stderr, env } = process
  const yes = line.options.yes === true
  const watch = line.options.watch === true
  const files = new Map<string, string>()
  const streams = { input: stdin, output: stdout, errors: stderr }
  const signal = abortOnSignals(line)
  const isNowhere = isNullDevice(stdout.fd)
  const io = new Terminal({ ...streams, json, yes, watch, env, files, signal, isNowhere })
  // Node ends when nothing is open: a watch without a network waits for this timer.
  const awake = setInterval(() => undefined, AWAKE_MS)
  let status: number
  try {
    const rawArgs = await collectArgs(line, files)
    const args = Args.read(rawArgs, command.parameters)
    const home = findHome(line.home)
    const outcome = await run({ command, rawArgs, home, args, io, json, mdns, signal })
    if (outcome !== undefined) io.print(outcome)
    status = outcome?.failed === true ? FAILED : DONE
  } catch (error) {
    status = statusOf(signal.aborted ? signal.reason : error, line)
  }
  clearInterval(awake)
  io.close()
  setTimeout(() => process.exit(status), GOODBYE_MS).unref()
  return status
}

/** Node puts the null device in the place of an output that was closed. */
function isNullDevice(descriptor: number): boolean {
  try {
    const [output, nowhere] = [fstatSync(descriptor), statSync(devNull)]
    return output.isCharacterDevice() && output.rdev === nowhere.rdev
  } catch {
    return false
  }
}

/** Tells a failure; to be ended is none for a command that goes on until it is. */
function statusOf(error: unknown, { options, json }: CommandLine): number {
  const failure = failureOf(error)
  if (failure.code === "INTERRUPTED" && options.watch === true) return DONE
  process.stderr.write(`${describeFailure(failure, json)}\n`)
  return failure.code === "USAGE" ? WRONG_USAGE : FAILED
}

async function run(context: Run): Promise<Outcome | undefined> {
  switch (context.command.name) {
    case "init":
      return await (await import("./init.ts")).init(context)
    case "join":
      return await (await import("./join.ts")).join(context)
    case "recover":
      return await (await import("./recover.ts")).recover(context)
    case "restore":
      return await (await import("./recover.ts")).restore(context)
    case "up":
      return await (await import("./up.ts")).up(context)
    case "passphrase":
      return await (await import("./change-passphrase.ts")).changeOwnPassphrase(context)
    case "lock":
    case "unlock": {
      const deadline = systemClock().now() + DAEMON_START_MS
      const reach = (): Promise<DaemonClient | undefined> => reachDaemon(context, deadline)
      return await (await import("./lock.ts"))[context.command.name](context, reach)
    }
    case "doctor":
      if (context.args.flag("repair")) return await (await import("./repair.ts")).repair(context)
      return await (await import("./commands/doctor.ts")).orFailure(() => runOnRecord(context))
    default:
      return await runOnRecord(context)
  }
}

async function runOnRecord(context: Run): Promise<Outcome | undefined> {
  const deadline = systemClock().now() + DAEMON_START_MS
  const client = await reachDaemon(context, deadline)
  if (client !== undefined) return await runThere(client, context)
  try {
    return await runHere(context)
  } catch (error) {
    if (codeOf(error) !== "STORE_LOCKED") throw error
    // It may have begun to start meanwhile.
    const late = await reachDaemon(context, deadline)
    if (late === undefined) throw error
    return await runThere(late, context)
  }
}

/** @returns `undefined`: there is none. One that is starting is waited for. */
async function reachDaemon(
  { home, io, signal }: Run,
  deadline: number,
): Promise<DaemonClient | undefined> {
  const clock = systemClock()
  for (let looks = 1; ; looks++) {
    const daemon = await findDaemon(home)
    const client = daemon && new DaemonClient(daemon, systemRandom())
    if (await client?.isThere()) return client
    client?.close()
    const isStarting =
      daemon?.isStarting === true || (await folderHolder(home.storeFolder))?.command === "up"
    if (!isStarting || clock.now() >= deadline) return undefined
    if (looks === 1) io.progress("Waiting for `fulcrum up`")
    await clock.sleep(DAEMON_RETRY_MS, signal)
  }
}

async function runThere(client: DaemonClient, context: Run): Promise<Outcome | undefined> {
  const { command, rawArgs, io, signal } = context
  try {
    return await client.call({ command: apiName(command), args: rawArgs, io, signal })
  } finally {
    client.close()
  }
}

async function runHere(context: Run): Promise<Outcome | undefined> {
  const { command, home, args, io, mdns, signal } = context
  const [{ runCommand }, { openDevice }, { machineParts }, { LISTEN_DEFAULT, listen }, work] =
    await Promise.all([
      import("./run-command.ts"),
      import("./open-device.ts"),
      import("./machine.ts"),
      import("./listening.ts"),
      command.load?.(),
    ])
  const note = (text: string): void => io.note(text)
  const { person, settings } = await openDevice(machineParts({ home, mdns, note }))
  try {
    const here: CommandContext = {
      person,
      args,
      io,
      signal,
      clock: systemClock(),
      settle: () => settleHere(person, io, waitSeconds(command, args)),
      async goOnline({ listen: isAsked, at = [] }) {
        if (isAsked) await listen(person, at.length > 0 ? at : LISTEN_DEFAULT, settings)
        else await person.start({ listen: [] })
      },
    }
    return await raced(runCommand(command, work, here), signal)
  } finally {
    await person.close()
  }
}

function waitSeconds(command: CatalogCommand, args: Args): number {
  const takesWait = command.parameters.some(({ name }) => name === "wait")
  return (takesWait ? args.number("wait") : undefined) ?? WAIT_SECONDS_DEFAULT
}

/** A command that does not hear its signal is left behind; what it wrote was durable or was not. */
function raced<T>(running: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(signal.reason)
    if (signal.aborted) return stop()
    signal.addEventListener("abort", stop, { once: true })
    running.then(resolve, reject)
  })
}

/**
 * The first signal asks the command to end; if it does not in time, the process ends anyway: by that signal,
 * for an exit would wait for whatever is being read, such as a pipe that nobody writes to.
 */
function abortOnSignals(line: CommandLine): AbortSignal {
  const controller = new AbortController()
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) return
      const reason = new ProgramError("INTERRUPTED", "interrupted", "run it again to go on")
      controller.abort(reason)
      setTimeout(() => {
        // An exit status that is set means that the failure was told.
        if (process.exitCode === undefined) statusOf(reason, line)
        process.removeAllListeners(name)
        process.kill(process.pid, name)
      }, GOODBYE_MS).unref()
    })
  }
  return controller.signal
}

/**
 * The arguments as the API takes them; files are read here.
 *
 * @param paths - Is told of those that are read or written later.
 */
async function collectArgs(line: CommandLine, paths: Map<string, string>): Promise<JsonValue> {
  const args: Record<string, JsonValue> = {}
  const operands = [...line.operands]
  for (const { name, kind, syntax } of line.command.parameters) {
    const given = syntax.startsWith("-") ? line.options[optionName(syntax)] : operands.shift()
    if (name === "yes" || given === undefined) continue
    // Commander gives `--no-passphrase` as `passphrase: false`.
    if (syntax.startsWith("--no-")) args[name] = given === false
    else if (kind === "files") args[name] = await readFiles(given)
    else if (kind === "input" || kind === "output") {
      paths.set(name, String(given))
      if (kind === "input") args[name] = { ...(await lookAtFile(String(given))) }
    } else if (Array.isArray(given)) args[name] = given.map(String)
    else if (typeof given === "number" || typeof given === "boolean") args[name] = given
    else args[name] = String(given)
  }
  return args
}

/** `--dry-run` is `dryRun`; `--no-passphrase` is `passphrase`. */
function optionName(syntax: string): string {
  const long = /^--(?:no-)?([a-z-]+)/.exec(syntax)?.[1] ?? ""
  return long.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase())
}

async function readFiles(paths: unknown): Promise<JsonValue> {
  const files: JsonValue[] = []
  for (const path of Array.isArray(paths) ? paths.map(String) : []) {
    const { size = 0 } = (await stat(path).catch(() => undefined)) ?? {}
    if (size > FILE_BYTES_MAX) {
      throw new ProgramError(
        "VCARD_TOO_LARGE",
        `the file is larger than 4 MiB (${path})`,
        "export only your own contact, without its photo; `fulcrum attach` takes any file",
      )
    }
    const bytes = new Uint8Array(await readFile(path).catch((error) => fileFailed(error, path)))
    files.push({ name: basename(path), bytes: bytesToBase64url(bytes) })
  }
  return files
}

/** Of a folder that is read as a file the system does not say which. */
function fileFailed(error: unknown, path: string): never {
  if (codeOf(error) !== "EISDIR") throw error
  throw new ProgramError(
    "FILE_IO",
    `that is a folder, not a file (${path})`,
    "check the path and try again",
    { cause: error },
  )
}
