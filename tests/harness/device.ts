/**
 * One of a person's devices, used by its command line alone.
 *
 * @module
 */
import type { Board, Status } from "./answers.ts"
import type { Finished, RunOptions, Stage } from "./programs.ts"
import { Service } from "./service.ts"

/** Own devices meet over the relay here: what is on this network is none of a test's business. */
const ALONE = ["--no-mdns"]

export interface DeviceOptions {
  /** Its data folder, and what it calls itself. */
  readonly name: string
  readonly relay: string
}

export class Device {
  readonly name: string
  readonly relay: string
  /** `fulcrum up`. */
  readonly daemon: Service
  readonly #stage: Stage

  constructor(stage: Stage, { name, relay }: DeviceOptions) {
    this.name = name
    this.relay = relay
    this.#stage = stage
    this.daemon = new Service(stage, {
      program: "fulcrum",
      home: name,
      args: ["up", "--listen", "/ip4/127.0.0.1/tcp/0", ...ALONE],
    })
  }

  get folder(): string {
    return this.#stage.home(this.name)
  }

  /** Runs a command; `--json` gives what it answers. */
  json<T = unknown>(...args: readonly string[]): Promise<T> {
    return this.#stage.json<T>("fulcrum", this.name, [...args, ...ALONE])
  }

  run(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
    return this.#stage.run("fulcrum", this.name, [...args, ...ALONE], options)
  }

  /** Starts a command that asks or goes on. */
  start(...args: readonly string[]): ReturnType<Stage["start"]> {
    return this.#stage.start("fulcrum", this.name, [...args, "--json", ...ALONE])
  }

  init(): Promise<{ readonly words: readonly string[] }> {
    return this.json("init", "--name", this.name, "--relay", this.relay, "--no-passphrase")
  }

  get(path?: string): Promise<unknown> {
    return this.json("get", ...(path === undefined ? [] : [path]))
  }

  board(): Promise<Board | null> {
    return this.json("board")
  }

  status(): Promise<Status> {
    return this.json("status")
  }
}
