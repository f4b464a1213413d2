/**
 * Announces and looks for an address by real multicast; run by `discovery.test.ts` in a network
 * namespace of its own. Prints what was found, as JSON.
 *
 * @module
 */

import { mdnsDiscovery } from "../src/mdns.ts"

const addresses: string[] = JSON.parse(process.argv[2] ?? "[]")
const discovery = mdnsDiscovery()
const found: string[] = []
const done = new AbortController()
{
  await using _own = discovery.announce("one", addresses)
  await using _other = discovery.announce("two", addresses.slice(0, 1))
  setTimeout(() => done.abort(), 5_000).unref()
  for await (const address of discovery.find("one", { signal: done.signal })) {
    found.push(address)
    if (found.length === addresses.length) break
  }
}
console.log(JSON.stringify(found))
