/**
 * A relay as its program opens it, until its standard input ends.
 *
 * Argument: its folder. Prints one line, a JSON object of its `address`; a line `memory` is answered
 * with what it takes once garbage is collected, `residentBytes` and `heapBytes`.
 *
 * @module
 */
import { createInterface } from "node:readline"
import { startRelay } from "../../nodes/relay/src/relay-program.ts"
import { say } from "./carrier.ts"

const [, , home = ""] = process.argv
const relay = await startRelay({
  home,
  listen: ["/ip4/127.0.0.1/tcp/0"],
  onFault: (error) => console.error(error),
})
say({ address: relay.addresses[0] })
for await (const line of createInterface({ input: process.stdin })) {
  if (line !== "memory") throw new TypeError(`'${line}' is not known`)
  globalThis.gc?.()
  const { rss, heapUsed } = process.memoryUsage()
  say({ residentBytes: rss, heapBytes: heapUsed })
}
await relay.close()
