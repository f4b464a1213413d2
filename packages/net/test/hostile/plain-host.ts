/**
 * The same on libp2p with the limits that it comes with: what the measurement must tell apart.
 *
 * @module
 */
import { createInterface } from "node:readline"
import { noise } from "@chainsafe/libp2p-noise"
import { yamux } from "@chainsafe/libp2p-yamux"
import { tcp } from "@libp2p/tcp"
import { createLibp2p } from "libp2p"

const node = await createLibp2p({
  addresses: { listen: ["/ip4/127.0.0.1/tcp/0"] },
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
})
await node.handle("/echo/1", (stream) => {
  stream.addEventListener("message", ({ data }) => {
    stream.send(data)
  })
})
process.stdout.write(`${node.getMultiaddrs()[0]}\n`)
for await (const _ of createInterface({ input: process.stdin })) {
  process.stdout.write(`${process.memoryUsage.rss()}\n`)
}
await node.stop()
