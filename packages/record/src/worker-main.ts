/**
 * The thread in which documents live: answers requests one after the other.
 *
 * It starts from this very source under Node's type stripping.
 *
 * @module
 */
import { parentPort, workerData } from "node:worker_threads"
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
const host = openDocumentHost(workerData.memoryBytesMax)
port.on("message", (request: WorkerRequest) => {
  void answer(request).then((reply) => port.postMessage(reply))
})

async function answer(request: WorkerRequest): Promise<WorkerAnswer> {
  try {
    return { kind: "done", value: await run(await host, request) }
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
