/**
 * A worker as the campaign has hold of it: one that dies or hangs is a find of the input that it
 * ran, and another takes its place.
 *
 * @module
 */
import { Worker } from "node:worker_threads"
import { BlackBox, BOX_BYTES } from "./black-box.ts"
import type { FuzzReport } from "./fuzzer.ts"
import { HANG_MS, WORKER_HEAP_MB_MAX } from "./limits.ts"
import type { FuzzJob, FuzzMessage } from "./worker-jobs.ts"

export interface WorkerThreadOptions {
  readonly hangMs?: number
  /** Another program to run, for tests of this one. */
  readonly program?: URL
}

const PROGRAM = new URL("./fuzz-worker.ts", import.meta.url)
const WATCH_MS = 1000
const NOTHING: FuzzReport = {
  ...{ runs: 0, again: 0, corpus: 0, covered: 0, outcomes: 0, heapFirst: 0, heapMost: 0 },
  ...{ cpuMs: 0, finds: [] },
}

interface Running {
  readonly worker: Worker
  readonly box: BlackBox
}

export class WorkerThread implements AsyncDisposable {
  readonly #options: WorkerThreadOptions
  #running: Running | undefined

  constructor(options: WorkerThreadOptions = {}) {
    this.#options = options
  }

  /** One at a time. */
  async run(
    job: FuzzJob,
    progress: (report: FuzzReport) => void = () => undefined,
  ): Promise<FuzzReport> {
    const { worker, box } = this.#running ?? this.#start()
    const ended = Promise.withResolvers<FuzzReport>()
    let last = NOTHING
    let isBroken = false
    const died = (key: string, message: string) => {
      isBroken = true
      const find = { key, message, input: box.read(), at: last.runs }
      ended.resolve({ ...last, finds: [...last.finds, find] })
    }
    const heard = (message: FuzzMessage) => {
      last = message.report
      if (message.type === "done") ended.resolve(last)
      else progress(last)
    }
    const failed = (error: Error) => died("died", `ended its thread: ${error.stack}`)
    const exited = (status: number) => died("died", `ended its thread with status ${status}`)
    worker.on("message", heard).on("error", failed).on("exit", exited)
    const watch = this.#watch(box, (ms) => died("hangs", `has not ended after ${ms} ms`))
    worker.postMessage(job)
    try {
      return await ended.promise
    } finally {
      clearInterval(watch)
      worker.off("message", heard).off("error", failed).off("exit", exited)
      if (isBroken) await this.#end()
    }
  }

  #watch(box: BlackBox, hangs: (ms: number) => void): NodeJS.Timeout {
    const { hangMs = HANG_MS } = this.#options
    const first = box.begun
    let begun = -1
    let sinceMs = performance.now()
    return setInterval(
      () => {
        const nowMs = performance.now()
        if (box.begun !== begun) sinceMs = nowMs
        begun = box.begun
        if (begun !== first && nowMs - sinceMs > hangMs) hangs(hangMs)
      },
      Math.min(WATCH_MS, hangMs),
    )
  }

  #start(): Running {
    const memory = new SharedArrayBuffer(BOX_BYTES)
    const worker = new Worker(this.#options.program ?? PROGRAM, {
      workerData: memory,
      execArgv: ["--disable-warning=ExperimentalWarning"],
      resourceLimits: { maxOldGenerationSizeMb: WORKER_HEAP_MB_MAX },
    })
    this.#running = { worker, box: new BlackBox(memory) }
    return this.#running
  }

  async #end(): Promise<void> {
    const running = this.#running
    this.#running = undefined
    await running?.worker.terminate()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end()
  }
}
