/**
 * The first device, as a process of its own: writes the seeded record into a folder on disk, then
 * serves it until its standard input ends. Beside it, the same bytes over the channel alone and
 * over a bare libp2p stream.
 *
 * Argument: a JSON object of `edits`, `documents` and `folder`. Prints one line, a JSON object of
 * `address`, `bareAddress` and `digest`, the hex of the whole record's version vector.
 *
 * @module
 */
import { once } from "node:events"
import { bytesToHex } from "@fulcrum/codec/bytes"
import { systemClock } from "@fulcrum/crypto/clock"
import { systemRandom } from "@fulcrum/crypto/random"
import { SYNC_PROTOCOL, SyncLink } from "@fulcrum/engine/sync-link"
import type { Channel } from "@fulcrum/net/contract"
import { libp2pNetwork } from "@fulcrum/net/libp2p"
import { openInLineDocuments } from "@fulcrum/record/in-line"
import { openLevelStore } from "@fulcrum/store/level"
import { CHUNK_BYTES } from "@fulcrum/sync/session"
import { openBenchDevice, peerSpace } from "./bench-device.ts"
import { CHANNEL_PROTOCOL, readShape } from "./first-sync-process.ts"
import { serveRaw } from "./raw-stream.ts"
import { shapeSeed, spaceKeysOf, writeSeededRecord } from "./seeded-record.ts"

const { shape, folder } = readShape(process.argv[2])
const keys = spaceKeysOf(shape)
const device = await openBenchDevice({
  store: await openLevelStore({ folder }),
  keys,
  random: shapeSeed(shape).fork("first device"),
  vaultRandom: systemRandom(),
})
{
  await using documents = await openInLineDocuments()
  await writeSeededRecord(shape, device, documents)
}

const stop = new AbortController()
const space = peerSpace(device, keys, async () => {
  throw new Error("a new device has nothing to give")
})
const host = await libp2pNetwork().host()
host.handle(SYNC_PROTOCOL, (channel) =>
  new SyncLink({
    channel,
    spaces: [space],
    clock: systemClock(),
    peerHas: () => undefined,
  }).run(stop.signal),
)
host.handle(CHANNEL_PROTOCOL, sendAsked)
const [address = ""] = await host.listen(["/ip4/127.0.0.1/tcp/0"])
const bare = await serveRaw()
const digest = bytesToHex(device.replica.digest)
console.log(JSON.stringify({ address, bareAddress: bare.address, digest }))

process.stdin.resume()
await once(process.stdin, "end")
stop.abort()
await host.close()
await bare[Symbol.asyncDispose]()
await device.vault.close()

/** Sends as many bytes as the peer asks for, in messages as large as a session's. */
async function sendAsked(channel: Channel): Promise<void> {
  for await (const asked of channel.messages()) {
    const bytes = new DataView(asked.buffer, asked.byteOffset).getUint32(0)
    const message = new Uint8Array(CHUNK_BYTES).fill(0x5a)
    for (let left = bytes; left > 0; left -= CHUNK_BYTES) {
      await channel.send(left < CHUNK_BYTES ? message.slice(0, left) : message)
    }
  }
  await channel.close()
}
