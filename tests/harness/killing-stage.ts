/**
 * A stage on which processes are killed at chosen moments with kill -9. The script then does what
 * their users would do and nothing else: it starts what died, and repeats the command it was in.
 *
 * A process that ends by itself where none should is no such thing, and is thrown.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises"
import {
  type Finished,
  type ProgramName,
  type Running,
  type RunOptions,
  Stage,
} from "./programs.ts"
import type { Service } from "./service.ts"

/** A moment, and who is killed then. */
export interface KillPoint {
  /** `command`: whichever the script waits for. */
  readonly victim: "command" | Service
  /** From when the step begins. */
  readonly afterMs: number
}

/** What came of a point. */
export interface Strike {
  /** What was killed; `undefined`: the step was over, or nothing ran. */
  readonly killed: string | undefined
  /** Commands that were repeated. */
  readonly repeated: readonly string[]
}

const COMMAND_MS_TYPICAL = 500
/** Kills and failures that one command is repeated for. */
const ATTEMPTS_MAX = 5

export class KillingStage extends Stage {
  readonly #services: Service[] = []
  readonly #inFlight = new Set<Running>()
  readonly #repeated: string[] = []
  #killed: string | undefined
  #isDue = false
  #afterMs = 0
  #cancel = new AbortController()

  static override async create(): Promise<KillingStage> {
    return new KillingStage(await Stage.makeFolder())
  }

  /** Starts it again from now on whenever it dies. */
  keep(...services: readonly Service[]): void {
    this.#services.push(...services)
  }

  /** The processes that are up now. */
  get targets(): readonly Service[] {
    return this.#services.filter(({ running }) => running !== undefined)
  }

  /** From now until {@link disarm}, one process is killed when the time has come. */
  arm({ victim, afterMs }: KillPoint): void {
    this.#killed = undefined
    this.#afterMs = afterMs
    this.#repeated.length = 0
    this.#cancel = new AbortController()
    const { signal } = this.#cancel
    sleep(afterMs, undefined, { signal }).then(
      () => this.#strike(victim),
      () => undefined,
    )
  }

  async disarm(): Promise<Strike> {
    this.#cancel.abort()
    this.#isDue = false
    await this.raise()
    const strike = { killed: this.#killed, repeated: [...this.#repeated] }
    this.#killed = undefined
    return strike
  }

  /** The script waits for this command. */
  attend(running: Running): void {
    this.#inFlight.add(running)
    if (!this.#isDue) return
    this.#isDue = false
    // Somewhere within it, and not before it has begun.
    void sleep(this.#afterMs % COMMAND_MS_TYPICAL).then(() => this.#strike("command"))
  }

  override async run(
    program: ProgramName,
    home: string,
    args: readonly string[],
    options: RunOptions = {},
  ): Promise<Finished> {
    for (let attempt = 1; ; attempt++) {
      let command: Running | undefined
      const onStart = (running: Running): void => {
        command = running
        this.attend(running)
        options.onStart?.(running)
      }
      const finished = await super.run(program, home, args, { ...options, onStart })
      if (command !== undefined) this.#inFlight.delete(command)
      const hasRaised = await this.raise()
      const isCut = finished.signal === "SIGKILL" || (finished.status !== 0 && hasRaised)
      if (!isCut) return finished
      if (attempt === ATTEMPTS_MAX) throw new Error(`cut ${attempt} times: ${program} ${args[0]}`)
      this.#repeated.push(`${program} ${args[0]}`)
    }
  }

  /** Starts what died. @returns Whether anything had. */
  async raise(): Promise<boolean> {
    const dead = this.#services.filter(({ isDead }) => isDead)
    for (const service of dead) {
      const { signal, stderr } = (await service.finished) ?? {}
      if (signal !== "SIGKILL") throw new Error(`${service.name} ended by itself: ${stderr}`)
      await service.up()
    }
    return dead.length > 0
  }

  #strike(victim: KillPoint["victim"]): void {
    const targets = victim === "command" ? [...this.#inFlight] : [victim.running]
    // Between two commands: the next one it is.
    this.#isDue = victim === "command" && targets.every((running) => running?.ended ?? true)
    for (const running of targets) {
      if (running === undefined || running.ended) continue
      running.kill("SIGKILL")
      this.#killed = running.title
      return
    }
  }
}
