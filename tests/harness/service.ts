/**
 * A program that is to stay up: started, stopped, killed and started again with the same arguments
 * in the same folder.
 *
 * @module
 */
import type { Finished, ProgramName, Ready, Running, Stage } from "./programs.ts"

/** Kills that one start may suffer. */
const STARTS_MAX = 3

export interface ServiceOptions {
  readonly program: ProgramName
  /** Its data folder, by name. */
  readonly home: string
  readonly args: readonly string[]
}

export class Service {
  readonly name: string
  /** What starts with: can be changed between two starts. */
  args: readonly string[]
  readonly #stage: Stage
  readonly #options: ServiceOptions
  #running: Running | undefined
  #ready: Ready | undefined
  #shouldRun = false
  readonly #logs: string[] = []

  constructor(stage: Stage, options: ServiceOptions) {
    this.#stage = stage
    this.#options = options
    this.args = options.args
    this.name = `${options.program} of ${options.home}`
  }

  get folder(): string {
    return this.#stage.home(this.#options.home)
  }

  /** Its process, if it is up. */
  get running(): Running | undefined {
    return this.#running?.ended === false ? this.#running : undefined
  }

  /** It should be up, and is not. */
  get isDead(): boolean {
    return this.#shouldRun && this.running === undefined
  }

  /** What the last start said. */
  get ready(): Ready {
    if (this.#ready === undefined) throw new Error(`${this.name} was never started`)
    return this.#ready
  }

  get address(): string {
    const [first] = this.ready.addresses
    if (first === undefined) throw new Error(`${this.name} has no address`)
    return first
  }

  /** All that it ever printed, over all its starts. */
  get printed(): string {
    const now = this.#running === undefined ? [] : [this.#running.stdout, this.#running.stderr]
    return [...this.#logs, ...now].join("\n")
  }

  /** How it ended; `undefined`: it was never started. */
  get finished(): Promise<Finished | undefined> {
    return Promise.resolve(this.#running?.finished)
  }

  /** Starts it unless it is up, and waits until it says that it is ready. */
  async up(): Promise<Ready> {
    this.#shouldRun = true
    if (this.running !== undefined) return this.ready
    for (let start = 1; ; start++) {
      try {
        return await this.#start()
      } catch (error) {
        // Killed before it was ready: whoever starts it would try again.
        if ((await this.#killedBy()) !== "SIGKILL" || start === STARTS_MAX) throw error
      }
    }
  }

  /** Ends it as its user would. */
  async down(): Promise<void> {
    this.#shouldRun = false
    const finished = await this.running?.stop()
    if (finished !== undefined && finished.status !== 0 && finished.signal !== "SIGKILL") {
      throw new Error(`${this.name} ended with ${finished.status}: ${finished.stderr}`)
    }
  }

  /** kill -9; whether it is started again is up to the caller. */
  async kill(): Promise<void> {
    this.#running?.kill("SIGKILL")
    await this.#running?.finished
  }

  async #start(): Promise<Ready> {
    this.#keepLog()
    const { program, home } = this.#options
    this.#running = await this.#stage.start(program, home, [...this.args, "--json"])
    this.#ready = await this.#running.ready()
    return this.#ready
  }

  async #killedBy(): Promise<NodeJS.Signals | null | undefined> {
    return this.#running?.ended ? (await this.#running.finished).signal : undefined
  }

  #keepLog(): void {
    if (this.#running === undefined) return
    this.#logs.push(this.#running.stdout, this.#running.stderr)
  }
}
