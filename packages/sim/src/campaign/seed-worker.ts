/**
 * A process that runs seeds, as the campaign has hold of it: one that dies or hangs is the failure
 * of the seed that it ran, and another takes its place.
 *
 * @module
 */
import { type ChildProcess, fork } from "node:child_process"
import { fileURLToPath } from "node:url"
import {
  type SeedMessage,
  type SeedReport,
  type SeedRequest,
  TRACE_LINES_MAX,
} from "./seed-messages.ts"

const PROCESS = fileURLToPath(new URL("./seed-process.ts", import.meta.url))

/**
 * A process that takes more is replaced. What a simulated crash cuts off waits for ever, and Node keeps
 * each signal made of others as long as somebody waits for it: some 3 MB a seed of `basic` stay.
 */
const MEMORY_BYTES_MAX: number = 1536 * 1024 * 1024

export interface SeedWorkerOptions {
  /** Longest that one seed may take, in real time. */
  readonly seedMsMax: number
  /** Another program to run, for tests of this one. */
  readonly program?: string | undefined
  /** What Node is started with; absent: what this process was, a preloaded canary among it. */
  readonly execArgv?: readonly string[] | undefined
  /** Beside this process's own. */
  readonly env?: Readonly<Record<string, string>> | undefined
}

export class SeedWorker implements Disposable {
  readonly #options: SeedWorkerOptions
  #child: ChildProcess | undefined
  #lastSeed: number | undefined

  constructor(options: SeedWorkerOptions) {
    this.#options = options
  }

  /** One at a time. */
  async run(request: SeedRequest): Promise<SeedReport> {
    const child = this.#child ?? this.#start()
    this.#child = child
    const { seedMsMax } = this.#options
    const answer = Promise.withResolvers<SeedReport>()
    const lines: string[] = []
    let count = 0
    const fail = (code: string, message: string) =>
      answer.resolve({ failure: { code, message }, lines: count, trace: lines })
    const late = setTimeout(() => {
      fail("SIM_HUNG", `not done after ${seedMsMax / 1000} s of real time`)
    }, seedMsMax)
    const ended = (status: number | null, signal: string | null) => {
      fail("SIM_DIED", `its process ended: ${signal ?? `status ${status}`}`)
    }
    const broke = (error: Error) => fail("SIM_DIED", `no process for it: ${error.message}`)
    const heard = (message: SeedMessage) => {
      if (!("line" in message)) {
        answer.resolve({ ...message, lines: message.lines ?? count, trace: lines })
        return
      }
      count++
      lines.push(message.line)
      if (lines.length > TRACE_LINES_MAX) lines.shift()
    }
    child.once("exit", ended)
    child.on("error", broke)
    child.on("message", heard)
    if (child.connected && child.exitCode === null && child.signalCode === null) {
      child.send(request, (error) => {
        // Its end says more than that the channel to it broke; it may take a moment to be known.
        if (error) setTimeout(() => broke(error), 1_000).unref()
      })
    } else fail("SIM_DIED", `its process ended by itself after seed ${this.#lastSeed}`)
    const report = await answer.promise
    clearTimeout(late)
    child.off("exit", ended)
    child.off("error", broke)
    child.off("message", heard)
    this.#lastSeed = request.seed
    const { code } = report.failure ?? {}
    const isLarge = (report.memoryBytes ?? 0) > MEMORY_BYTES_MAX
    if (code === "SIM_HUNG" || code === "SIM_DIED" || isLarge) this.end()
    return report
  }

  end(): void {
    this.#child?.kill("SIGKILL")
    this.#child = undefined
  }

  [Symbol.dispose](): void {
    this.end()
  }

  #start(): ChildProcess {
    const { program = PROCESS, execArgv = process.execArgv, env } = this.#options
    const child = fork(program, [], {
      execArgv: [...execArgv],
      env: { ...process.env, ...env },
      serialization: "advanced",
      // Standard output belongs to the campaign.
      stdio: ["ignore", 2, 2, "ipc"],
    })
    // It may end between two seeds, when nobody listens: the next one is told.
    child.on("error", () => child.kill("SIGKILL"))
    return child
  }
}
