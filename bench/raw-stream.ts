/**
 * The raw limit of the transport: a bare libp2p stream (TCP, Noise, yamux with their defaults),
 * nothing of this project in it, that carries so many bytes one way.
 *
 * @module
 */
import { once } from "node:events"
import { noise } from "@chainsafe/libp2p-noise"
import { yamux } from "@chainsafe/libp2p-yamux"
import type { Stream } from "@libp2p/interface"
import { tcp } from "@libp2p/tcp"
import { multiaddr } from "@multiformats/multiaddr"
import { createLibp2p, type Libp2p } from "libp2p"

const PROTOCOL = "/fulcrum/bench/raw/1"
/** Of one `send`: fills a Noise frame. */
const SEND_BYTES = 65_507
/** The default refuses rounds that follow each other quickly. */
const ARRIVALS_PER_SECOND_MAX = 10_000

export interface RawServer extends AsyncDisposable {
  readonly address: string
}

export function bareLibp2p(listen: readonly string[]): Promise<Libp2p> {
  return createLibp2p({
    addresses: { listen: [...listen] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionManager: { inboundConnectionThreshold: ARRIVALS_PER_SECOND_MAX },
  })
}

/** Sends to whoever asks as many bytes as it asks for (u32, big-endian), and closes. */
export async function serveRaw(): Promise<RawServer> {
  const node = await bareLibp2p(["/ip4/127.0.0.1/tcp/0"])
  await node.handle(PROTOCOL, (stream) => {
    const asked: number[] = []
    stream.addEventListener("message", ({ data }) => {
      for (const byte of data.subarray()) asked.push(byte)
      if (asked.length < 4) return
      const [a = 0, b = 0, c = 0, d = 0] = asked
      sendBytes(stream, a * 2 ** 24 + b * 2 ** 16 + c * 2 ** 8 + d).catch((error: Error) =>
        stream.abort(error),
      )
    })
  })
  const [address = ""] = node.getMultiaddrs().map(String)
  return { address, [Symbol.asyncDispose]: async () => node.stop() }
}

/** Dials, asks for the bytes, and counts them in. @returns How long it took, in milliseconds. */
export async function fetchRaw(node: Libp2p, address: string, bytes: number): Promise<number> {
  const begun = performance.now()
  const connection = await node.dial(multiaddr(address), { force: true })
  const stream = await connection.newStream(PROTOCOL)
  let got = 0
  const all = Promise.withResolvers<void>()
  stream.addEventListener("message", ({ data }) => {
    got += data.byteLength
    if (got >= bytes) all.resolve()
  })
  stream.addEventListener("close", () => {
    if (got < bytes) all.reject(new Error(`the stream ended after ${got} of ${bytes} bytes`))
  })
  const asked = new Uint8Array(4)
  new DataView(asked.buffer).setUint32(0, bytes)
  stream.send(asked)
  await all.promise
  const tookMs = performance.now() - begun
  if (got !== bytes) throw new Error("more bytes came than were asked for")
  await connection.close()
  return tookMs
}

async function sendBytes(stream: Stream, bytes: number): Promise<void> {
  const block = new Uint8Array(SEND_BYTES).fill(0x5a)
  for (let left = bytes; left > 0; left -= SEND_BYTES) {
    // `onDrain()` holds only the first time.
    if (stream.writableNeedsDrain) await Promise.race([drained(stream), once(stream, "close")])
    if (stream.status !== "open") return
    stream.send(left < SEND_BYTES ? block.slice(0, left) : block)
  }
}

function drained(stream: Stream): Promise<unknown> {
  return once(stream, "drain")
}
