/**
 * A process of a bench: started with one argument, it prints lines, and ends once its standard
 * input does.
 *
 * @module
 */
import { spawn } from "node:child_process"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { setTimeout as sleep } from "node:timers/promises"

/** Disposing of it throws if it fails, or has to be killed. */
export interface Child extends AsyncDisposable {
  readonly pid: number
  /** @throws If the process ends without another line, or gives none for `LINE_MS_MAX`. */
  line(): Promise<string>
  /** Writes a line to it. */
  send(line: string): void
}

export interface ChildOptions {
  readonly script: string
  readonly argument: string
  /** Further ones for Node. */
  readonly flags?: readonly string[]
  /** Where to write a processor profile of it; absent: nowhere. */
  readonly profileFolder?: string | undefined
}

/** How long a process may work on one line: several times what a slow machine takes. */
const LINE_MS_MAX = 180_000
/** How long it may take to end in good order. */
const END_MS_MAX = 10_000

export function startChild(options: ChildOptions): Child {
  const { script, argument, profileFolder, flags = [] } = options
  const profile =
    profileFolder === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${profileFolder}`]
  const path = join(import.meta.dirname, script)
  const args = [
    "--disable-warning=ExperimentalWarning",
    "--expose-gc",
    ...flags,
    ...profile,
    path,
    argument,
  ]
  const child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] })
  const ended = new Promise<number | null>((resolve) => {
    child.once("close", (code) => resolve(code))
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    pid: child.pid ?? 0,
    async line() {
      const next = await inTime(LINE_MS_MAX, lines.next(), () => child.kill("SIGKILL"))
      if (next?.done !== false) throw new Error(`${script} ended early or took too long, see above`)
      return next.value
    },
    send(line) {
      child.stdin.write(`${line}\n`)
    },
    async [Symbol.asyncDispose]() {
      child.stdin.end()
      await inTime(END_MS_MAX, ended, () => child.kill("SIGKILL"))
      if ((await ended) !== 0) throw new Error(`${script} failed as it ended, see above`)
    },
  }
}

/** What `work` gives; `undefined` if it took too long, after `late` was called. */
async function inTime<T>(ms: number, work: Promise<T>, late: () => void): Promise<T | undefined> {
  const stop = new AbortController()
  const timer = sleep(ms, undefined, { signal: stop.signal }).then(late, () => undefined)
  const first = await Promise.race([work, timer.then(() => undefined)])
  stop.abort()
  return first
}
