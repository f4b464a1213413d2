/**
 * An honest host, as a program: says its address, echoes whatever it is sent at `/echo/1`, and
 * answers each line on standard input with how much memory it holds, in bytes.
 *
 * @module
 */
import { createInterface } from "node:readline"
import type { Channel } from "../../src/contract.ts"
import { libp2pNetwork } from "../../src/libp2p.ts"

const host = await libp2pNetwork().host()
host.handle("/echo/1", async (channel: Channel) => {
  for await (const message of channel.messages()) await channel.send(message)
})
const [address] = await host.listen(["/ip4/127.0.0.1/tcp/0"])
process.stdout.write(`${address}\n`)
for await (const _ of createInterface({ input: process.stdin })) {
  process.stdout.write(`${process.memoryUsage.rss()}\n`)
}
await host.close()
