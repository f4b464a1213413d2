/**
 * A process of a bench: started with one argument, it prints lines, and ends once its standard
 * input does.
 *
 * @module
 */
import { spawn } from "node:child_process"
import { join } from "node:path"
import { createInterface } from "node:readline"

export interface Child extends AsyncDisposable {
  readonly pid: number
  /** @throws If the process ends without another line. */
  line(): Promise<string>
}

export interface ChildOptions {
  readonly script: string
  readonly argument: string
  /** Where to write a processor profile of it; absent: nowhere. */
  readonly profileFolder?: string | undefined
}

export function startChild({ script, argument, profileFolder }: ChildOptions): Child {
  const profile =
    profileFolder === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${profileFolder}`]
  const path = join(import.meta.dirname, script)
  const args = ["--disable-warning=ExperimentalWarning", ...profile, path, argument]
  const child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] })
  const ended = new Promise<void>((resolve) => {
    child.once("close", () => resolve())
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    pid: child.pid ?? 0,
    async line() {
      const next = await lines.next()
      if (next.done === true) throw new Error(`${script} ended early, see above`)
      return next.value
    },
    async [Symbol.asyncDispose]() {
      child.stdin.end()
      await ended
    },
  }
}
