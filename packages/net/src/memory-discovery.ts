/**
 * Discovery within one process: a local network without a network.
 *
 * @module
 */

import { checkTag, type Discovery, Findings } from "./discovery.ts"

export function memoryDiscovery(): Discovery {
  const announced = new Map<string, Set<readonly string[]>>()
  const searches = new Map<string, Set<Findings>>()
  return {
    announce(tag, addresses) {
      checkTag(tag)
      const own = [...addresses]
      setOf(announced, tag).add(own)
      for (const search of setOf(searches, tag)) {
        for (const address of own) search.add(address)
      }
      return {
        [Symbol.asyncDispose]: async () => {
          setOf(announced, tag).delete(own)
        },
      }
    },
    async *find(tag, { signal }) {
      checkTag(tag)
      const findings = new Findings()
      for (const address of [...setOf(announced, tag)].flat()) findings.add(address)
      setOf(searches, tag).add(findings)
      try {
        yield* findings.read(signal)
      } finally {
        setOf(searches, tag).delete(findings)
      }
    },
  }
}

function setOf<T>(sets: Map<string, Set<T>>, tag: string): Set<T> {
  const known = sets.get(tag) ?? new Set<T>()
  sets.set(tag, known)
  return known
}
