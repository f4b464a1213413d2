/**
 * A process that runs seeds, as the campaign has hold of it: one that dies or hangs is the failure
 * of the seed that it ran, and another takes its place.
 *
 * @module
 */
import { type ChildProcess, fork } from "node:child_process"
import { fileURLToPath } from "node:url"
import type { SeedReport, SeedRequest } from "./seed-messages.ts"

const PROCESS = fileURLToPath(new URL("./seed-process.ts", import.meta.url))

export interface SeedWorkerOptions {
  /** Longest that one seed may take, in real time. */
  readonly seedMsMax: number
  /** Another program to run, for tests of this one. */
  readonly program?: string | undefined
}

export class SeedWorker implements Disposable {
  readonly #options: SeedWorkerOptions
  #child: ChildProcess | undefined

  constructor(options: SeedWorkerOptions) {
    this.#options = options
  }

  /** One at a time. */
  async run(request: SeedRequest): Promise<SeedReport> {
    const child = this.#child ?? this.#start()
    this.#child = child
    const answer = Promise.withResolvers<SeedReport>()
    const fail = (code: string, message: string) =>
      answer.resolve({ failure: { code, message }, trace: [] })
    const seconds = this.#options.seedMsMax / 1000
    const late = setTimeout(() => {
      fail("SIM_HUNG", `not done after ${seconds} s of real time`)
    }, this.#options.seedMsMax)
    const ended = (status: number | null, signal: string | null) => {
      fail("SIM_DIED", `its process ended: ${signal ?? `status ${status}`}`)
    }
    child.once("exit", ended)
    child.once("message", answer.resolve)
    child.send(request)
    const report = await answer.promise
    clearTimeout(late)
    child.off("exit", ended)
    child.off("message", answer.resolve)
    if (report.failure?.code === "SIM_HUNG" || report.failure?.code === "SIM_DIED") this.end()
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
    const { program = PROCESS } = this.#options
    return fork(program, [], {
      // What this one was started with, a preloaded canary among it.
      execArgv: process.execArgv,
      serialization: "advanced",
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    })
  }
}
