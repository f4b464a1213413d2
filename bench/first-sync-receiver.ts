/**
 * The second device, as a process of its own: syncs the whole record into an empty folder, again
 * and again, and times it beside the raw limits. Argument and output: `first-sync-process.ts`.
 *
 * The documents' worker is started and the store opened before the clock runs; what was read is
 * compared with what was written after it stopped.
 *
 * @module
 */
import { subscribe } from "node:diagnostics_channel"
import { rm } from "node:fs/promises"
import { Socket } from "node:net"
import { join } from "node:path"
import * as Automerge from "@automerge/automerge"
import { bytesToHex } from "@fulcrum/codec/bytes"
import { canonicalJson, type JsonValue } from "@fulcrum/codec/json"
import { systemClock } from "@fulcrum/crypto/clock"
import { systemRandom } from "@fulcrum/crypto/random"
import { SYNC_PROTOCOL, SyncLink } from "@fulcrum/engine/sync-link"
import type { Host } from "@fulcrum/net/contract"
import { libp2pNetwork } from "@fulcrum/net/libp2p"
import { type DocumentId, documentId } from "@fulcrum/record/documents"
import { openWorkerDocuments } from "@fulcrum/record/worker-threads"
import { openLevelStore } from "@fulcrum/store/level"
import type { Libp2p } from "libp2p"
import { admitChanges, type ChangesByDocument, openBenchDevice, peerSpace } from "./bench-device.ts"
import {
  CHANNEL_PROTOCOL,
  type ReceiverResult,
  type ReceiverTask,
  readTask,
  type Timed,
} from "./first-sync-process.ts"
import { startForeignTime } from "./processor-time.ts"
import { bareLibp2p, fetchRaw } from "./raw-stream.ts"
import { seededValues, spaceKeysOf } from "./seeded-record.ts"

const DEADLINE_MS = 60_000

interface Synced {
  readonly dialedMs: number
  readonly durableMs: number
  readonly readMs: number
  readonly bytes: number
  readonly saved: readonly Uint8Array[]
}

const task = readTask(process.argv[2])
const keys = spaceKeysOf(task.shape)
const expected = seededValues(task.shape)
const sockets: Socket[] = []
subscribe("net.client.socket", (message) => {
  const socket: unknown = Object(message).socket
  if (socket instanceof Socket) sockets.push(socket)
})
const host = await libp2pNetwork().host()
const bare = await bareLibp2p([])
const result = await measure(task, host, bare)
await host.close()
await bare.stop()
console.log(JSON.stringify(result))

async function measure(task: ReceiverTask, host: Host, bare: Libp2p): Promise<ReceiverResult> {
  const samples: Record<Timed, number[]> = {
    "first sync": [],
    "first sync again": [],
    dialed: [],
    durable: [],
    read: [],
    "channel alone": [],
    "bare stream": [],
    "automerge load": [],
  }
  const cold = await firstSync(host)
  const [socket] = sockets
  const { bytes, saved } = cold
  const steps: readonly (() => Promise<void>)[] = [
    async () => {
      const synced = await firstSync(host)
      samples["first sync"].push(total(synced))
      samples.dialed.push(synced.dialedMs)
      samples.durable.push(synced.durableMs)
      samples.read.push(synced.readMs)
    },
    async () => void samples["channel alone"].push(await fetchByChannel(host, bytes)),
    async () => {
      samples["first sync again"].push(total(await firstSync(host)))
    },
    async () => void samples["bare stream"].push(await fetchRaw(bare, task.bareAddress, bytes)),
    async () => void samples["automerge load"].push(loadAll(saved)),
  ]
  // Once unmeasured: what is compared is to be as warm as the syncs.
  await fetchByChannel(host, bytes)
  await fetchRaw(bare, task.bareAddress, bytes)
  loadAll(saved)
  const foreign = startForeignTime([process.pid, task.senderPid])
  const begun = performance.now()
  for (let round = 0; round < task.roundsMax; round++) {
    if (round >= task.roundsMin && performance.now() - begun > task.budgetMs) break
    // Each step comes after another one in the next round.
    for (const at of steps.keys()) await steps[(at + round) % steps.length]?.()
  }
  return {
    coldMs: total(cold),
    samples,
    socketBytesIn: socket?.bytesRead ?? 0,
    socketBytesOut: socket?.bytesWritten ?? 0,
    savedBytes: saved.reduce((sum, { length }) => sum + length, 0),
    peakBytes: process.resourceUsage().maxRSS * 1024,
    foreignCores: foreign(),
  }
}

/** From nothing to the whole record, durable, read and right. */
async function firstSync(host: Host): Promise<Synced> {
  const folder = join(task.folder, "second device")
  const device = await openBenchDevice({
    store: await openLevelStore({ folder }),
    keys,
    random: systemRandom(),
    vaultRandom: systemRandom(),
  })
  const changes: ChangesByDocument = new Map()
  await using documents = openWorkerDocuments({
    reload: async (document) => changes.get(document) ?? [],
  })
  await documents.read(documentId("preferences"))
  const stop = new AbortController()
  const durable = Promise.withResolvers<void>()
  let bytes = 0
  const space = peerSpace(device, keys, async (spans) => {
    await admitChanges(device, spans, changes)
    bytes += spans.reduce((sum, { length }) => sum + length, 0)
    if (bytesToHex(device.replica.digest) === task.digest) durable.resolve()
  })

  const begun = performance.now()
  const signal = AbortSignal.timeout(DEADLINE_MS)
  const channel = await host.dial(task.address, SYNC_PROTOCOL, { signal })
  const dialed = performance.now()
  const clock = systemClock()
  const link = new SyncLink({ channel, spaces: [space], clock, peerHas: () => undefined })
  const ended = link.run(stop.signal)
  await Promise.race([durable.promise, ended.then(tooEarly)])
  const admitted = performance.now()
  const values: (readonly [DocumentId, JsonValue | undefined])[] = []
  for (const document of expected.keys()) values.push([document, await documents.read(document)])
  const read = performance.now()

  for (const [document, value] of values) {
    if (canonicalJson(value ?? null) !== canonicalJson(expected.get(document) ?? null)) {
      throw new Error(`${document} has other values than were written`)
    }
  }
  const saved: Uint8Array[] = []
  for (const document of expected.keys()) saved.push(await documents.save(document))
  stop.abort()
  await ended
  await device.vault.close()
  await rm(folder, { recursive: true })
  return {
    dialedMs: dialed - begun,
    durableMs: admitted - dialed,
    readMs: read - admitted,
    bytes,
    saved,
  }
}

async function fetchByChannel(host: Host, bytes: number): Promise<number> {
  const begun = performance.now()
  const signal = AbortSignal.timeout(DEADLINE_MS)
  const channel = await host.dial(task.address, CHANNEL_PROTOCOL, { signal })
  const asked = new Uint8Array(4)
  new DataView(asked.buffer).setUint32(0, bytes)
  await channel.send(asked)
  let got = 0
  for await (const message of channel.messages()) {
    got += message.length
    if (got >= bytes) break
  }
  const tookMs = performance.now() - begun
  if (got !== bytes) throw new Error(`${got} of ${bytes} bytes came`)
  await channel.close()
  return tookMs
}

function loadAll(saved: readonly Uint8Array[]): number {
  const begun = performance.now()
  const loaded = saved.map((bytes) => Automerge.load<Record<string, unknown>>(bytes))
  const tookMs = performance.now() - begun
  for (const document of loaded) {
    if (Object.keys(document).length === 0) throw new Error("Automerge loaded nothing")
    Automerge.free(document)
  }
  return tookMs
}

function total({ dialedMs, durableMs, readMs }: Synced): number {
  return dialedMs + durableMs + readMs
}

function tooEarly(failure: string | undefined): never {
  throw new Error(`the session ended too early: ${failure ?? "the peer went"}`)
}
