/**
 * Opaque entries by one replica, for another that it reaches by a relay only: log, link, relay and
 * disks, without documents.
 *
 * Argument: the JSON of a {@link CarrierTask}.
 *
 * @module
 */
import { join } from "node:path"
import { equalBytes } from "@fulcrum/codec/bytes"
import { systemClock } from "@fulcrum/crypto/clock"
import { generateSigningKey } from "@fulcrum/crypto/ed25519"
import { seededRandom, systemRandom } from "@fulcrum/crypto/random"
import type { Replica } from "@fulcrum/log/replica"
import { libp2pNetwork } from "@fulcrum/net/libp2p"
import { openLevelStore } from "@fulcrum/store/level"
import { MailboxLink } from "../../packages/engine/src/mailboxes/mailbox-link.ts"
import { visitRelay } from "../../packages/engine/src/mailboxes/relay-visit.ts"
import { Signal } from "../../packages/engine/src/waiting/signal.ts"
import { openBenchDevice } from "../bench-device.ts"
import { spaceKeysFrom } from "../seeded-record.ts"
import { type Carrier, type CarrierTask, readTask, say, serveCarrier } from "./carrier.ts"
import { capabilityOf } from "./mailbox-access.ts"

const ENTRY_BYTES = 200
/** Entries written together, as an engine does under load. */
const TOGETHER = 128
/** Entries whose bytes are drawn together. */
const CHUNK = 1000

const task = readTask(process.argv[2])
await serveCarrier(await open(task))

async function open({ folder, relay, isWriter }: CarrierTask): Promise<Carrier> {
  const shared = seededRandom("relayed opaque entries")
  const [random, clock] = [systemRandom(), systemClock()]
  const store = await openLevelStore({ folder: join(folder, isWriter ? "writer" : "reader") })
  const mailboxKey = generateSigningKey(shared)
  const holder = generateSigningKey(random)
  const keys = spaceKeysFrom(shared)
  const device = { store, keys, random, vaultRandom: random, isOpaque: true }
  const { vault, replica } = await openBenchDevice(device)
  const seen = new Signal()
  let admitted = 0
  const link = new MailboxLink({
    address: relay,
    access: {
      mailbox: mailboxKey.publicKey,
      holder,
      capability: (right) => capabilityOf({ mailboxKey, holder, right, clock, random }),
      create: { key: mailboxKey, kind: "archive" },
    },
    space: {
      replica,
      async admit(spans) {
        for (const result of await replica.admit(spans)) {
          if (result.outcome !== "admitted") throw new Error(`a span was ${result.outcome}`)
          admitted += result.entries.filter(({ kind }) => kind === "payload").length
        }
        seen.notify()
      },
      isArchived: true,
    },
    vault,
    clock,
    random,
  })
  const stop = new AbortController()
  const visit = { network: libp2pNetwork(), clock, address: relay, signal: stop.signal }
  const ended = visitRelay(visit, (client, signal) => link.serve(client, signal)).catch((error) => {
    if (!stop.signal.aborted) throw error
  })
  await link.settled(stop.signal)
  say({ told: "" })
  let written = 0
  let bodies: readonly Uint8Array[] = []
  return {
    async prepare(count) {
      bodies = bodiesFrom(written, count)
      return 0
    },
    async write(count) {
      for (let at = 0; at < count; at += TOGETHER) {
        const some = bodies.slice(at, Math.min(at + TOGETHER, count))
        const staged = replica.stage(some.map((body) => ({ kind: "payload", body })))
        await vault.write(staged.ops)
        staged.commit()
        link.poke()
      }
      written += count
    },
    async until(total) {
      while (admitted < total) await seen.wait(stop.signal)
    },
    check: (total) => check(replica, total),
    async [Symbol.asyncDispose]() {
      stop.abort()
      await ended
      await vault.close()
    },
  }
}

async function check(replica: Replica, total: number): Promise<void> {
  let at = 0
  let bodies: readonly Uint8Array[] = []
  for await (const { kind, body } of replica.entriesAfter(0)) {
    if (kind !== "payload") continue
    const inChunk = at % CHUNK
    if (inChunk === 0) bodies = bodiesFrom(at, CHUNK)
    if (!equalBytes(body, bodies[inChunk] ?? new Uint8Array())) {
      throw new Error("an entry is not the one that was written")
    }
    at++
  }
  if (at !== total) throw new Error(`${at} entries are here, of ${total}`)
}

/** The same on both sides, and incompressible. */
function bodiesFrom(from: number, count: number): readonly Uint8Array[] {
  const bodies: Uint8Array[] = []
  for (let chunk = Math.floor(from / CHUNK); bodies.length < count; chunk++) {
    const bytes = seededRandom(`entries ${chunk}`).bytes(CHUNK * ENTRY_BYTES)
    const first = Math.max(0, from - chunk * CHUNK)
    for (let at = first; at < CHUNK && bodies.length < count; at++) {
      bodies.push(bytes.subarray(at * ENTRY_BYTES, (at + 1) * ENTRY_BYTES))
    }
  }
  return bodies
}
