/**
 * Several hosts on one machine: Linux network namespaces, and the cables between them. A program in one
 * reaches another only where there is a cable. All of it is gone with the process that holds it.
 *
 * @module
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process"
import { createInterface } from "node:readline"

/** One end of a cable. */
export interface End {
  readonly host: string
  /** IPv4, of a network of 256. */
  readonly address: string
}

/** Namespaces that are held here have their names in a folder that nobody else sees. */
const HOLD = "mount -t tmpfs none /run && mkdir /run/netns && echo $$ && exec cat"

export class Hosts implements AsyncDisposable {
  readonly #holder: ChildProcess
  readonly #pid: string
  #cables = 0

  /** @returns `undefined`: there are no namespaces for this user, or no `ip`, on this machine. */
  static async create(names: readonly string[]): Promise<Hosts | undefined> {
    const flags = ["--net", "--mount", "--fork", "--kill-child", "sh", "-c", HOLD]
    const holder = spawn("unshare", flags, { stdio: ["pipe", "pipe", "ignore"] })
    const started = createInterface({ input: holder.stdout })[Symbol.asyncIterator]()
    const failed = new Promise<undefined>((resolve) =>
      holder.once("error", () => resolve(undefined)),
    )
    const line = await Promise.race([started.next(), failed])
    if (line === undefined || line.done) return undefined
    const hosts = new Hosts(holder, line.value)
    try {
      for (const name of names) {
        hosts.#ip("netns", "add", name)
        hosts.#ip("-n", name, "link", "set", "lo", "up")
      }
      return hosts
    } catch {
      await hosts[Symbol.asyncDispose]()
      return undefined
    }
  }

  private constructor(holder: ChildProcess, pid: string) {
    this.#holder = holder
    this.#pid = pid
  }

  /** What a command is begun with that runs on a host. */
  on(host: string): readonly string[] {
    return [...this.#entered, "ip", "netns", "exec", host]
  }

  /** Lays a cable. */
  connect(one: End, other: End): void {
    const cable = this.#cables++
    const [mine, theirs] = [`cable${cable}a`, `cable${cable}b`]
    this.#ip("link", "add", "name", mine, "type", "veth", "peer", "name", theirs)
    for (const [name, { host, address }] of [[mine, one] as const, [theirs, other] as const]) {
      this.#ip("link", "set", name, "netns", host)
      this.#ip("-n", host, "addr", "add", `${address}/24`, "dev", name)
      this.#ip("-n", host, "link", "set", name, "up", "multicast", "on")
    }
  }

  /** Sends what a host does not know where to send to another, which passes nothing on. */
  route(host: string, by: string): void {
    this.#ip("-n", host, "route", "add", "default", "via", by)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#holder.exitCode !== null) return
    const ended = new Promise((resolve) => this.#holder.once("close", resolve))
    this.#holder.stdin?.end()
    await ended
  }

  get #entered(): readonly string[] {
    return ["nsenter", "--target", this.#pid, "--mount", "--net"]
  }

  #ip(...args: readonly string[]): void {
    const [command = "", ...rest] = [...this.#entered, "ip", ...args]
    execFileSync(command, rest, { stdio: ["ignore", "ignore", "pipe"], timeout: 10_000 })
  }
}
