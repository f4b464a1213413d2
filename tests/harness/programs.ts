/**
 * Starts the three programs as their users do, in folders of their own, and ends them all.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process"
import { mkdir, mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"

export type ProgramName = "fulcrum" | "fulcrum-vendor" | "fulcrum-relay"

export interface Finished {
  readonly status: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  /** What it reads on standard input, which then ends. */
  readonly input?: string
  readonly env?: Readonly<Record<string, string>>
  readonly onStart?: (running: Running) => void
}

/** A command that ended with another status than 0. */
export class CommandFailed extends Error {
  override readonly name = "CommandFailed"
  readonly finished: Finished
  /** The stable code that it told, in capitals. */
  readonly code: string | undefined

  constructor(program: ProgramName, args: readonly string[], finished: Finished) {
    const { status, signal, stderr } = finished
    super(`${program} ${args.slice(0, 2).join(" ")} ended with ${signal ?? status}: ${stderr}`)
    this.finished = finished
    this.code = codeIn(stderr)
  }
}

/** The code of a failure, as text or as JSON. */
export function codeIn(stderr: string): string | undefined {
  return /"code":"([A-Z][A-Z0-9_]+)"|\(([A-Z][A-Z0-9]*_[A-Z0-9_]+)\)|: ([A-Z][A-Z0-9]*_[A-Z0-9_]+) /
    .exec(stderr)
    ?.slice(1)
    .find((code) => code !== undefined)
}

/** A ready line of a long-running program (DESIGN, "Command lines"). */
export interface Ready {
  readonly ready: true
  readonly addresses: readonly string[]
  readonly http?: string
}

const repository = join(import.meta.dirname, "..", "..")
const READY_MS_MAX = 20_000
const COMMAND_MS_MAX = 60_000

/** One folder, and every process started in it. */
export class Stage implements AsyncDisposable {
  readonly folder: string
  readonly #running: Running[] = []
  /** What commands of a data folder are begun with, by its name. */
  readonly #places = new Map<string, readonly string[]>()

  protected constructor(folder: string) {
    this.folder = folder
  }

  static async create(): Promise<Stage> {
    return new Stage(await Stage.makeFolder())
  }

  protected static makeFolder(): Promise<string> {
    return mkdtemp(join(tmpdir(), "fulcrum-"))
  }

  /** A data folder by name; each belongs to one program. */
  home(name: string): string {
    return join(this.folder, name)
  }

  /** Has the programs of a data folder run elsewhere: see `hosts.ts`. */
  place(home: string, begun: readonly string[]): void {
    this.#places.set(home, begun)
  }

  /** Runs one command to its end. */
  async run(
    program: ProgramName,
    home: string,
    args: readonly string[],
    options: RunOptions = {},
  ): Promise<Finished> {
    const running = await this.start(program, home, args, options)
    options.onStart?.(running)
    running.write(options.input ?? "", { end: true })
    let isLate = false
    const timer = setTimeout(() => {
      isLate = true
      running.kill("SIGKILL")
    }, COMMAND_MS_MAX)
    const finished = await running.finished
    clearTimeout(timer)
    if (isLate) throw new Error(`${running.title} went on for ${COMMAND_MS_MAX} ms`)
    return finished
  }

  /**
   * Runs one command with `--json`. What it prints is believed to be a `T`: the caller looks.
   *
   * @throws {CommandFailed} If it fails. @throws If it prints anything but one document.
   */
  async json<T = unknown>(
    program: ProgramName,
    home: string,
    args: readonly string[],
    options: RunOptions = {},
  ): Promise<T> {
    const finished = await this.run(program, home, [...args, "--json"], options)
    if (finished.status !== 0) throw new CommandFailed(program, args, finished)
    const lines = finished.stdout.trimEnd().split("\n")
    if (lines.length !== 1) throw new Error(`${program} ${args[0]} printed ${lines.length} lines`)
    return JSON.parse(finished.stdout)
  }

  /** Starts a command that goes on; see {@link Running.ready}. */
  async start(
    program: ProgramName,
    home: string,
    args: readonly string[],
    options: { readonly env?: Readonly<Record<string, string>> } = {},
  ): Promise<Running> {
    const folder = this.home(home)
    await mkdir(join(this.folder, "user"), { recursive: true })
    const path = join(repository, "node_modules", ".bin", program)
    const [command = path, ...rest] = [...(this.#places.get(home) ?? []), path, ...args]
    const child = spawn(command, rest, {
      cwd: this.folder,
      env: {
        PATH: process.env.PATH,
        HOME: join(this.folder, "user"),
        TMPDIR: tmpdir(),
        FULCRUM_HOME: folder,
        ...(process.env.NODE_V8_COVERAGE && { NODE_V8_COVERAGE: process.env.NODE_V8_COVERAGE }),
        ...options.env,
      },
      stdio: ["pipe", "pipe", "pipe"],
    })
    const running = new Running(child, `${program} ${args.join(" ")} (${home})`)
    this.#running.push(running)
    return running
  }

  /** All that every process printed, in the order in which they started. */
  transcript(): string {
    return this.#running
      .map(({ title, pid, stdout, stderr }) => `== ${title}, process ${pid}\n${stdout}${stderr}`)
      .join("\n")
  }

  /** Kills what still runs and removes the folder. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const running of this.#running) running.kill("SIGKILL")
    await Promise.all(this.#running.map(({ finished }) => finished))
    await rm(this.folder, { recursive: true, force: true })
  }
}

/** A process under way. The launcher execs, so the process is the Node that does the work. */
export class Running {
  readonly pid: number
  readonly finished: Promise<Finished>
  readonly #child: ChildProcess
  /** Program, arguments and folder. */
  readonly title: string
  readonly #waiters = new Set<() => void>()
  #stdout = ""
  #stderr = ""
  #ended = false

  constructor(child: ChildProcess, title: string) {
    this.#child = child
    this.title = title
    this.pid = child.pid ?? 0
    child.stdout?.setEncoding("utf8").on("data", (text: string) => this.#hear("out", text))
    child.stderr?.setEncoding("utf8").on("data", (text: string) => this.#hear("err", text))
    child.stdin?.on("error", () => undefined)
    this.finished = new Promise((resolve, reject) => {
      child.on("error", reject)
      child.on("close", (status, signal) => {
        this.#ended = true
        for (const wake of this.#waiters) wake()
        resolve({ status, signal, stdout: this.#stdout, stderr: this.#stderr })
      })
    })
  }

  get stdout(): string {
    return this.#stdout
  }

  get stderr(): string {
    return this.#stderr
  }

  get ended(): boolean {
    return this.#ended
  }

  /** Whole lines printed so far. */
  get lines(): readonly string[] {
    return this.#stdout.split("\n").slice(0, -1)
  }

  write(text: string, options: { readonly end?: boolean } = {}): void {
    if (text !== "") this.#child.stdin?.write(text)
    if (options.end) this.#child.stdin?.end()
  }

  kill(signal: NodeJS.Signals): void {
    if (!this.#ended) this.#child.kill(signal)
  }

  /** Ends it as a user would, and waits. */
  async stop(): Promise<Finished> {
    this.kill("SIGTERM")
    return this.finished
  }

  /** The first line of a `--json` program that says it is ready. */
  async ready(): Promise<Ready> {
    const line = await this.line((text) => text.includes('"ready":true'))
    return JSON.parse(line)
  }

  /** Waits for a line of output that fits. @throws If the program ends, or time runs out, first. */
  async line(fits: (line: string) => boolean, timeoutMs: number = READY_MS_MAX): Promise<string> {
    const deadline = Date.now() + timeoutMs
    for (;;) {
      const found = this.lines.find(fits)
      if (found !== undefined) return found
      const left = deadline - Date.now()
      if (this.#ended || left <= 0) {
        const why = this.#ended ? "ended" : `was silent for ${timeoutMs} ms`
        throw new Error(`${this.title} ${why}\n${this.#stdout}\n${this.#stderr}`)
      }
      await this.#more(left)
    }
  }

  #hear(where: "out" | "err", text: string): void {
    if (where === "out") this.#stdout += text
    else this.#stderr += text
    for (const wake of this.#waiters) wake()
  }

  #more(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer)
        this.#waiters.delete(done)
        resolve()
      }
      const timer = setTimeout(done, timeoutMs)
      this.#waiters.add(done)
    })
  }
}
