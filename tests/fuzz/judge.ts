/**
 * The verdict on one input: it gives a value or a coded error, in bounded time and memory.
 *
 * @module
 */
import { getHeapStatistics, setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import type { OpenTarget } from "./target.ts"

/** Most time on the processor that one input may take, in milliseconds. */
export const INPUT_MS_MAX = 100
/** Most memory that one input may make us take, in bytes: what 131,072 empty maps take, and room. */
export const INPUT_MEMORY_MAX: number = 48 << 20
/** An input is measured again alone before it is said to be slow. */
const MEASURED_TIMES = 3

export interface Verdict {
  /** What came of it; `undefined` if it is a find. */
  readonly outcome?: string
  readonly find?: Find
}

export interface Find {
  /** Where two finds have the same they are the same. */
  readonly key: string
  readonly message: string
}

setFlagsFromString("--expose-gc")
const collect: unknown = runInNewContext("gc")

export function collectGarbage(): void {
  if (typeof collect === "function") collect()
}

export function memoryInUse(): number {
  const { used_heap_size, external_memory } = getHeapStatistics()
  return used_heap_size + external_memory
}

export class Judge {
  readonly #target: OpenTarget
  /** Called around measurements, so that what is measured runs as it does without a fuzzer. */
  readonly #undisturbed: (measure: () => Promise<void>) => Promise<void>
  slowestMs = 0
  largestMemory = 0

  constructor(target: OpenTarget, undisturbed: (measure: () => Promise<void>) => Promise<void>) {
    this.#target = target
    this.#undisturbed = undisturbed
  }

  /** Not a promise where the target gives none, which is most of the speed. */
  judge(input: Uint8Array): Verdict | Promise<Verdict> {
    const memory = memoryInUse()
    const begunMs = performance.now()
    let outcome: string | undefined | Promise<string | undefined>
    try {
      outcome = this.#target.run(input)
    } catch (error) {
      return this.#measured(input, this.#thrown(error), begunMs, memory)
    }
    if (!(outcome instanceof Promise)) {
      return this.#measured(input, { outcome: outcome ?? "" }, begunMs, memory)
    }
    return outcome.then(
      (outcome = "") => this.#measured(input, { outcome }, begunMs, memory),
      (error: unknown) => this.#measured(input, this.#thrown(error), begunMs, memory),
    )
  }

  #thrown(error: unknown): Verdict {
    for (const known of this.#target.errors) {
      if (error instanceof known && typeof error.code === "string") return { outcome: error.code }
    }
    return { find: findOf(error) }
  }

  #measured(
    input: Uint8Array,
    verdict: Verdict,
    begunMs: number,
    memoryBefore: number,
  ): Verdict | Promise<Verdict> {
    const tookMs = performance.now() - begunMs
    const took = memoryInUse() - memoryBefore
    if (verdict.find || (tookMs <= INPUT_MS_MAX && took <= INPUT_MEMORY_MAX)) return verdict
    return this.#again(input).then((find) => (find ? { find } : verdict))
  }

  /** What an input takes when it runs alone: the least of a few times. */
  async #again(input: Uint8Array): Promise<Find | undefined> {
    let cpuMs = Number.POSITIVE_INFINITY
    let memory = Number.POSITIVE_INFINITY
    await this.#undisturbed(async () => {
      for (let i = 0; i < MEASURED_TIMES; i++) {
        collectGarbage()
        const memoryBefore = memoryInUse()
        const before = process.threadCpuUsage()
        try {
          await this.#target.run(input)
        } catch {
          // Judged already.
        }
        const { user, system } = process.threadCpuUsage(before)
        cpuMs = Math.min(cpuMs, (user + system) / 1000)
        memory = Math.min(memory, memoryInUse() - memoryBefore)
      }
    })
    this.slowestMs = Math.max(this.slowestMs, cpuMs)
    this.largestMemory = Math.max(this.largestMemory, memory)
    if (cpuMs > INPUT_MS_MAX) {
      return { key: "slow", message: `took ${Math.round(cpuMs)} ms of one processor` }
    }
    if (memory > INPUT_MEMORY_MAX) {
      return { key: "large", message: `took ${Math.round(memory / 1e6)} MB of memory` }
    }
    return undefined
  }
}

export function findOf(error: unknown): Find {
  if (!(error instanceof Error)) return { key: "thrown", message: `threw ${String(error)}` }
  const frames = (error.stack ?? "").split("\n").filter((line) => /^\s+at /.test(line))
  const place = frames.find((line) => !line.includes("node:")) ?? ""
  const where = place
    .replace(/^\s+at /, "")
    .replace(/\(?file:\/\/.*\/(packages|nodes|tests)\//, "$1/")
  // Numbers and quoted values differ from one input to the next.
  const what = error.message.replace(/\d+|"[^"]*"/g, "#").slice(0, 120)
  const cause = error.cause instanceof Error ? `\ncaused by ${error.cause.stack}` : ""
  return { key: `${error.name} ${what} ${where}`, message: `${error.stack}${cause}` }
}
