/**
 * Documents in a thread of Node that can be killed, but those that need no Automerge: the adapter for
 * programs.
 *
 * One call is in the thread at a time. A call past its time, a thread that ends, or one that
 * says that it broke: the thread is ended, the next call starts another, and only that call
 * fails, with `RECORD_WORKER`.
 *
 * @module
 */

import { setImmediate } from "node:timers/promises"
import { Worker } from "node:worker_threads"
import { sha256 } from "@fulcrum/crypto/hash"
import type { HostCall, HostCalls } from "./document-host.ts"
import type { Documents, Reload } from "./documents.ts"
import type { HostLink } from "./host-link.ts"
import type { LoadedMax } from "./loaded-documents.ts"
import type { Breathe } from "./near-documents.ts"
import { RecordError, type RecordErrorCode } from "./record-error.ts"
import { SerialDocuments } from "./serial-documents.ts"

export interface WorkerOptions {
  readonly reload: Reload
  /** Of one call. Loading 100,000 changes takes about one second. */
  readonly callMsMax?: number
  /** WebAssembly memory, which holds the documents. */
  readonly memoryBytesMax?: number
  readonly loadedMax?: LoadedMax | undefined
}

/** What the thread is sent. */
export interface WorkerRequest<K extends HostCall = HostCall> {
  readonly name: K
  readonly input: HostCalls[K][0]
}

/** What it answers: one answer for each request, in order. */
export type WorkerAnswer =
  | { readonly kind: "done"; readonly value: unknown }
  | { readonly kind: "failed"; readonly code: RecordErrorCode; readonly message: string }
  | { readonly kind: "broken" }

export const CALL_MS_MAX = 10_000
export const MEMORY_BYTES_MAX: number = 512 << 20
/** JavaScript's own heap in the thread, in MiB. */
const HEAP_MIB_MAX = 256

export function openWorkerDocuments(options: WorkerOptions): Documents {
  const { callMsMax = CALL_MS_MAX, memoryBytesMax = MEMORY_BYTES_MAX, reload, loadedMax } = options
  const link = new WorkerLink(callMsMax, memoryBytesMax)
  return new SerialDocuments({ link, reload, max: loadedMax, sha256, breathe: breather() })
}

class WorkerLink implements HostLink {
  readonly #callMsMax: number
  readonly #memoryBytesMax: number
  #worker: Worker | undefined
  #generation = 1

  constructor(callMsMax: number, memoryBytesMax: number) {
    this.#callMsMax = callMsMax
    this.#memoryBytesMax = memoryBytesMax
  }

  get generation(): number {
    return this.#generation
  }

  async call<K extends HostCall>(name: K, input: HostCalls[K][0]): Promise<HostCalls[K][1]> {
    const worker = this.#started()
    worker.ref()
    const answer = await exchange(worker, { name, input }, this.#callMsMax)
    if (answer.kind === "failed") {
      worker.unref()
      throw new RecordError(answer.code, answer.message)
    }
    if (answer.kind === "broken") {
      this.#lose(worker)
      await worker.terminate()
      throw new RecordError("RECORD_WORKER", "the documents' worker had to be started again")
    }
    worker.unref()
    // The thread runs the very function that has this type.
    return answer.value as HostCalls[K][1]
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const worker = this.#worker
    if (worker === undefined) return
    this.#lose(worker)
    await worker.terminate()
  }

  #started(): Worker {
    if (this.#worker !== undefined) return this.#worker
    const worker = startWorker(this.#memoryBytesMax)
    // While no call is under way, an end is noticed here; during one, `exchange` answers too.
    worker.on("error", () => this.#lose(worker))
    worker.on("exit", () => this.#lose(worker))
    this.#worker = worker
    return worker
  }

  #lose(worker: Worker): void {
    if (this.#worker !== worker) return
    this.#worker = undefined
    this.#generation++
  }
}

/** Of work near, before others have their turn. */
const BREATH_MS = 2

function breather(): Breathe {
  let workedMs = 0
  return async (work) => {
    const begun = performance.now()
    try {
      return await work()
    } finally {
      workedMs += performance.now() - begun
      if (workedMs >= BREATH_MS) {
        workedMs = 0
        await setImmediate()
      }
    }
  }
}

function startWorker(memoryBytesMax: number): Worker {
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js"
  const worker = new Worker(new URL(`./worker-main.${extension}`, import.meta.url), {
    workerData: { memoryBytesMax },
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MIB_MAX, maxYoungGenerationSizeMb: 32 },
    env: compileCache(),
    execArgv: ["--disable-warning=ExperimentalWarning"],
  })
  worker.unref()
  return worker
}

/** Where Node keeps what it compiled, if it does: of the environment, the thread gets that alone. */
function compileCache(): NodeJS.ProcessEnv {
  const { NODE_COMPILE_CACHE } = process.env
  return NODE_COMPILE_CACHE === undefined ? {} : { NODE_COMPILE_CACHE }
}

function exchange(
  worker: Worker,
  request: WorkerRequest<HostCall>,
  msMax: number,
): Promise<WorkerAnswer> {
  return new Promise((resolve) => {
    const broken = (): void => finish({ kind: "broken" })
    const finish = (answer: WorkerAnswer): void => {
      clearTimeout(timer)
      worker.off("message", finish)
      worker.off("error", broken)
      worker.off("exit", broken)
      worker.off("messageerror", broken)
      resolve(answer)
    }
    const timer = setTimeout(broken, msMax)
    worker.on("message", finish)
    worker.on("error", broken)
    worker.on("exit", broken)
    worker.on("messageerror", broken)
    worker.postMessage(request)
  })
}
