/**
 * The program's adapters, each loaded when it is first used.
 *
 * @module
 */
import type { Discovery } from "@fulcrum/net/discovery"
import type { Documents, Reload } from "@fulcrum/record/documents"

export function lazyDiscovery(): Discovery {
  const load = async (): Promise<Discovery> => {
    const { mdnsDiscovery } = await import("@fulcrum/net/mdns")
    return mdnsDiscovery()
  }
  return {
    announce(tag, addresses) {
      const announced = load().then((discovery) => discovery.announce(tag, addresses))
      return {
        async [Symbol.asyncDispose]() {
          await (await announced)[Symbol.asyncDispose]()
        },
      }
    },
    async *find(tag, options) {
      yield* (await load()).find(tag, options)
    },
  }
}

/** Documents in a thread that can be killed. */
export async function openWorkerThread(reload: Reload): Promise<Documents> {
  const { openWorkerDocuments } = await import("@fulcrum/record/worker-threads")
  return openWorkerDocuments({ reload })
}
