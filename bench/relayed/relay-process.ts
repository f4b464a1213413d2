/**
 * A relay as its program opens it, until its standard input ends.
 *
 * Argument: its folder. Prints one line, a JSON object of its `address`.
 *
 * @module
 */
import { once } from "node:events"
import { startRelay } from "../../nodes/relay/src/relay-program.ts"
import { say } from "./carrier.ts"

const [, , home = ""] = process.argv
const relay = await startRelay({
  home,
  listen: ["/ip4/127.0.0.1/tcp/0"],
  onFault: (error) => console.error(error),
})
say({ address: relay.addresses[0] })
process.stdin.resume()
await once(process.stdin, "end")
await relay.close()
