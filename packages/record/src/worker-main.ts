/**
 * The thread in which documents live: answers requests one after the other.
 *
 * It starts from this very source under Node's type stripping.
 *
 * @module
 */
import { hash } from "node:crypto"
import { readFileSync } from "node:fs"
import { flushCompileCache } from "node:module"
import { parentPort, workerData } from "node:worker_threads"
import { startAutomerge } from "./automerge-wasm.ts"
import {
  type DocumentHost,
  type HostCall,
  type HostCalls,
  isFatal,
  openDocumentHost,
} from "./document-host.ts"
import { RecordError } from "./record-error.ts"
import type { WorkerAnswer, WorkerRequest } from "./worker-threads.ts"

const port = parentPort
if (port === null) throw new Error("not a worker")
const host = openDocumentHost({
  sha256: (bytes) => hash("sha256", bytes, "buffer"),
  automerge: async () => {
    const engine = await startAutomerge(readWasm, workerData.memoryBytesMax)
    keepCompiled()
    return engine
  },
})
let isKept = false

/** The thread is ended, not left: what was compiled is kept now or not at all. */
function keepCompiled(): void {
  if (isKept) return
  isKept = true
  flushCompileCache()
}

port.on("message", (request: WorkerRequest) => {
  void answer(request).then((reply) => port.postMessage(reply))
})

/** From the file that the package brings. */
function readWasm(): Uint8Array {
  return readFileSync(new URL(import.meta.resolve("@automerge/automerge/automerge.wasm")))
}

async function answer(request: WorkerRequest): Promise<WorkerAnswer> {
  try {
    return { kind: "done", value: await run(host, request) }
  } catch (error) {
    if (isFatal(error) || !(error instanceof RecordError)) return { kind: "broken" }
    return { kind: "failed", code: error.code, message: error.message }
  }
}

function run<K extends HostCall>(
  ready: DocumentHost,
  { name, input }: WorkerRequest<K>,
): Promise<HostCalls[K][1]> {
  return ready[name](input)
}
