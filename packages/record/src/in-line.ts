/**
 * Documents in the caller's own thread, for simulation and tests: the same code, but nothing
 * that could be killed. A call that breaks Automerge fails with `RECORD_WORKER`, and so may all
 * that follow.
 *
 * @module
 */
import { sha256 } from "@fulcrum/crypto/hash"
import { startAutomerge } from "./automerge-wasm.ts"
import { isFatal, openDocumentHost } from "./document-host.ts"
import type { Documents, Reload } from "./documents.ts"
import type { HostLink } from "./host-link.ts"
import type { LoadedMax } from "./loaded-documents.ts"
import { portableWasm } from "./portable-wasm.ts"
import { RecordError } from "./record-error.ts"
import { SerialDocuments } from "./serial-documents.ts"

export type { LoadedMax } from "./loaded-documents.ts"

/** Documents of every engine in one process share one WebAssembly memory. */
const MEMORY_BYTES_MAX = 2 ** 31

export interface InLineOptions {
  /** Default: nothing is kept anywhere else. */
  readonly reload?: Reload
  /** Default: {@link LOADED_MAX}. */
  readonly loadedMax?: LoadedMax | undefined
}

export async function openInLineDocuments(options: InLineOptions = {}): Promise<Documents> {
  const { reload = async () => [], loadedMax } = options
  return new SerialDocuments({ link: await openInLineHost(), reload, max: loadedMax, sha256 })
}

/** The host of those that are not near. */
export async function openInLineHost(): Promise<HostLink> {
  // Here and not when it is needed: that takes real time, of which a simulation's clock knows nothing.
  await startAutomerge(portableWasm, MEMORY_BYTES_MAX)
  const host = openDocumentHost({
    sha256,
    automerge: () => startAutomerge(portableWasm, MEMORY_BYTES_MAX),
  })
  return {
    generation: 1,
    call: async (name, input) => {
      try {
        return await host[name](input)
      } catch (error) {
        if (!isFatal(error)) throw error
        throw new RecordError("RECORD_WORKER", "Automerge broke", { cause: error })
      }
    },
    [Symbol.asyncDispose]: () => host.forgetAll(undefined),
  }
}
