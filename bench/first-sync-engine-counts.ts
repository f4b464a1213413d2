/**
 * What the first sync of two whole engines takes, counted: as `first-sync-counts.ts`, but with
 * everything that a new device really says and stores, from the typed code on: pairing, meeting,
 * keys and membership, both logs and what the engine makes of them.
 *
 * Round trips are those of the network in memory, whose dial is one: from the typed code until the
 * record reads right.
 *
 * @module
 */
import { canonicalJson } from "@fulcrum/codec/json"
import type { SeededRandom } from "@fulcrum/crypto/random"
import { joinPerson } from "@fulcrum/engine/join-person"
import { createPerson, type PersonOptions } from "@fulcrum/engine/open-person"
import type { Person } from "@fulcrum/engine/person"
import { systemDeflate } from "@fulcrum/log/deflate"
import type { Host, Network } from "@fulcrum/net/contract"
import { MemoryNetwork } from "@fulcrum/net/memory"
import { openInLineDocuments } from "@fulcrum/record/in-line"
import { MemoryDisk, openMemoryStore } from "@fulcrum/store/memory"
import { ChannelCount, countedChannel, countedStore, StoreCount } from "./counted.ts"
import { IdleClock } from "./idle-clock.ts"
import {
  type RecordShape,
  seededEdits,
  seededValues,
  shapeName,
  shapeSeed,
} from "./seeded-record.ts"
import { typedPath } from "./whole-engine.ts"

/** Exact: less is better, for each of them. */
export type EngineCounts = {
  readonly bytesToNewDevice: number
  readonly bytesFromNewDevice: number
  readonly messagesToNewDevice: number
  readonly messagesFromNewDevice: number
  readonly roundTrips: number
  /** Flushes to the new device's store, and what they held. */
  readonly storeWrites: number
  readonly storeBytes: number
}

/** One way, in milliseconds of the virtual clock. */
const DELAY_MS = 1000
/** Until what follows a first sync has been said. */
const QUIET_MS: number = 20 * DELAY_MS
const LISTEN = "/ip4/127.0.0.1/tcp/0"

export function engineShapeName(shape: RecordShape): string {
  return `${shapeName(shape)}, whole engines`
}

export async function countEngineSync(shape: RecordShape): Promise<EngineCounts> {
  // Automerge is compiled in real time, which the clock does not know of.
  await (await openInLineDocuments())[Symbol.asyncDispose]()
  const seed = shapeSeed(shape).fork("whole engines")
  const clock = new IdleClock()
  const quality = { latencyMs: [DELAY_MS, DELAY_MS] as const }
  const network = new MemoryNetwork({ clock, random: seed.fork("network"), quality })
  const [toNew, fromNew, stored] = [new ChannelCount(), new ChannelCount(), new StoreCount()]
  const engine = async (name: string, sent: ChannelCount, count: StoreCount) =>
    engineOptions({
      network: countedNetwork(network.machine(name), sent),
      random: seed.fork(name),
      clock,
      count,
    })
  const measured = async (): Promise<{ first: Person; second: Person; tookMs: number }> => {
    const options = await engine("first device", toNew, new StoreCount())
    const made = await createPerson({ ...options, name: "first device", relays: [] })
    const first = made.person
    await made.wordsSeen()
    for (const edit of seededEdits(shape)) await first.set(typedPath(edit), edit.value)
    const [at = ""] = await first.start({ listen: [LISTEN] })
    const shown = Promise.withResolvers<string>()
    const agree = async () => true
    const { signal } = new AbortController()
    const prompts = {
      code: ({ code }: { readonly code: string }) => shown.resolve(code),
      approve: agree,
    }
    const added = first.pair(prompts, signal)
    added.catch(shown.reject)
    const code = await shown.promise
    const joining = await engine("second device", fromNew, stored)
    const begun = clock.now()
    const name = "second device"
    const second = await joinPerson({ ...joining, name, code, at, confirm: agree, signal })
    const isWhole = untilWhole(second, shape)
    await second.start({ listen: [] })
    await isWhole
    const tookMs = clock.now() - begun
    await added
    return { first, second, tookMs }
  }
  const { first, second, tookMs } = await clock.run(measured())
  await clock.run(clock.sleep(QUIET_MS))
  const counts = {
    bytesToNewDevice: toNew.bytes,
    bytesFromNewDevice: fromNew.bytes,
    messagesToNewDevice: toNew.messages,
    messagesFromNewDevice: fromNew.messages,
    roundTrips: tookMs / (2 * DELAY_MS),
    storeWrites: stored.writes,
    storeBytes: stored.bytes,
  }
  await clock.run(Promise.all([second.close(), first.close()]))
  return counts
}

async function engineOptions(parts: {
  readonly network: Network
  readonly random: SeededRandom
  readonly clock: IdleClock
  readonly count: StoreCount
}): Promise<PersonOptions> {
  const { network, random, clock, count } = parts
  return {
    store: countedStore(await openMemoryStore({ disk: new MemoryDisk() }), count),
    vaultKey: random.fork("vault key").bytes(32),
    network,
    openDocuments: (reload) => openInLineDocuments({ reload }),
    random,
    clock,
    deflate: systemDeflate(),
    zone: "Europe/Berlin",
  }
}

/** A network whose hosts count what is sent from them. */
function countedNetwork(network: Network, sent: ChannelCount): Network {
  return {
    async host(options) {
      const host = await network.host(options)
      const counted: Host = {
        id: host.id,
        publicKey: host.publicKey,
        listen: (addresses) => host.listen(addresses),
        handle: (protocol, handler) =>
          host.handle(protocol, (channel) => handler(countedChannel(channel, sent))),
        dial: async (address, protocol, dialing) =>
          countedChannel(await host.dial(address, protocol, dialing), sent),
        close: () => host.close(),
        [Symbol.asyncDispose]: () => host.close(),
      }
      return counted
    },
  }
}

/** Looks whenever the record changed. */
function untilWhole(person: Person, shape: RecordShape): Promise<void> {
  const expected = seededValues(shape)
  return new Promise((resolve, reject) => {
    const look = async () => {
      for (const [document, value] of expected) {
        const read = await person.get(document)
        if (read === undefined || canonicalJson(read) !== canonicalJson(value)) return
      }
      stop()
      resolve()
    }
    const stop = person.onChange(() => {
      look().catch(reject)
    })
    look().catch(reject)
  })
}
