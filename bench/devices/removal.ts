/**
 * What the removal of a device takes where there are many devices and many companies: from the
 * question until it is durable. The device that removes is as the program opens it, but for the
 * network; the others, the companies and the relay are there to be members and relationships.
 *
 * Beside it the raw limits: one flushed write of as many bytes to the same disk, and the
 * cryptography that it cannot do without.
 *
 * @module
 */
import { utf8ToBytes } from "@fulcrum/codec/bytes"
import { systemClock } from "@fulcrum/crypto/clock"
import { contexts } from "@fulcrum/crypto/contexts"
import { generateSigningKey, sign } from "@fulcrum/crypto/ed25519"
import { seededRandom, systemRandom } from "@fulcrum/crypto/random"
import { generateWrapKey, wrap } from "@fulcrum/crypto/wrap"
import { joinPerson } from "@fulcrum/engine/join-person"
import { createPerson, openPerson } from "@fulcrum/engine/open-person"
import { createVendor } from "@fulcrum/engine/open-vendor"
import type { Person } from "@fulcrum/engine/person"
import { systemDeflate } from "@fulcrum/log/deflate"
import { MemoryNetwork } from "@fulcrum/net/memory"
import { openInLineDocuments } from "@fulcrum/record/in-line"
import { RELAY_LIMITS } from "@fulcrum/relay/limits"
import { openMailboxes } from "@fulcrum/relay/mailboxes"
import { createMetrics } from "@fulcrum/relay/metrics"
import { RELAY_PROTOCOL } from "@fulcrum/relay/protocol"
import { createRelayServer } from "@fulcrum/relay/server"
import { openLevelStore } from "@fulcrum/store/level"
import { openMemoryStore } from "@fulcrum/store/memory"
import { openVault } from "@fulcrum/store/vault"
import { countedStore, StoreCount } from "../counted.ts"
import { type Summary, summarise } from "../statistics.ts"
import { formatNumber, formatSummary, formatTable } from "../table.ts"
import { wholeEngine } from "../whole-engine.ts"

const LISTEN = "/ip4/127.0.0.1/tcp/0"
const PIECE_BYTES = 1024
/** One person is many companies' customer here, from one address. */
const LIMITS = RELAY_LIMITS

export interface RemovalShape {
  /** That stay, this one among them. */
  readonly devices: number
  readonly relationships: number
  /** Devices that are removed, one after another; the first is not timed. */
  readonly rounds: number
}

export interface RemovalRow {
  readonly shape: string
  readonly removedMs: Summary
  /** One flushed write of as many bytes. */
  readonly writeMs: Summary
  /** A wrap for each member and each company, and a signature for each relationship. */
  readonly cryptoMs: Summary
  /** Flushed writes of one removal, and what they hold. */
  readonly writes: number
  readonly bytes: number
}

export interface RemovalEffort {
  readonly shape: RemovalShape
  /** Empty; the caller removes it. */
  readonly folder: string
  readonly progress: (what: string) => void
}

export async function timeRemoval({ shape, folder, progress }: RemovalEffort): Promise<RemovalRow> {
  const { devices, relationships, rounds } = shape
  const network = new MemoryNetwork({ clock: systemClock(), random: seededRandom("removal") })
  await using stack = new AsyncDisposableStack()
  const count = new StoreCount()
  const relay = await startRelay(network, stack)
  const own = await wholeEngine(folder)
  const { person, wordsSeen } = await createPerson({
    ...own,
    store: countedStore(own.store, count),
    network: network.machine("remover"),
    name: "remover",
    relays: [relay],
  })
  await wordsSeen()
  await person.set("card/emails/home/address", "mara@ferryworks.example")
  progress(`${devices + rounds - 1} devices more`)
  const [at = ""] = await person.start({ listen: [LISTEN] })
  for (let i = 1; i < devices + rounds; i++) await addDevice(person, network, { at, name: `d${i}` })
  progress(`${relationships} relationships`)
  const invite = await startVendor(network, stack, relay)
  for (let i = 0; i < relationships; i++) {
    await person.connect({ invitation: await invite(), disclose: ["card/emails/home"] })
  }
  progress(`${rounds} removals`)
  await person.close()
  const times: number[] = []
  const writes: number[] = []
  const bytes: number[] = []
  for (let i = 0; i < rounds; i++) {
    // As a command does that finds no daemon: it removes before it meets anybody.
    const store = countedStore(await openLevelStore({ folder }), count)
    await using alone = await openPerson({ ...own, store, network: network.machine("remover") })
    const before = { ...count }
    const begun = performance.now()
    await alone.revokeDevice(`d${devices + i}`)
    times.push(performance.now() - begun)
    writes.push(count.writes - before.writes)
    bytes.push(count.bytes - before.bytes)
  }
  const most = Math.max(...bytes.slice(1))
  return {
    shape: `${relationships} relationships, ${devices} devices that stay`,
    removedMs: summarise(times.slice(1)),
    writeMs: await timeWrites(folder, most, rounds),
    cryptoMs: timeCrypto(shape),
    writes: Math.max(...writes.slice(1)),
    bytes: most,
  }
}

export function formatRemoval(row: RemovalRow): string {
  const { shape, removedMs, writeMs, cryptoMs, writes, bytes } = row
  const ratio = ({ median }: Summary) => formatNumber(removedMs.median / median)
  return formatTable([
    [`removing a device: ${shape}`, "ms", "of it"],
    ["until it is durable", formatSummary(removedMs), ""],
    ["its cryptography alone", formatSummary(cryptoMs), `${ratio(cryptoMs)} times`],
    ["as many bytes, flushed", formatSummary(writeMs), `${ratio(writeMs)} times`],
    ["flushed writes", String(writes), ""],
    ["bytes", bytes.toLocaleString("en"), ""],
  ])
}

async function timeWrites(folder: string, bytes: number, rounds: number): Promise<Summary> {
  await using store = await openLevelStore({ folder })
  const times: number[] = []
  const value = systemRandom().bytes(PIECE_BYTES)
  for (let round = 0; round < rounds; round++) {
    const ops = Array.from({ length: Math.ceil(bytes / PIECE_BYTES) }, (_, i) => ({
      type: "put" as const,
      key: utf8ToBytes(`bench ${round} ${i}`),
      value,
    }))
    const begun = performance.now()
    await store.write(ops)
    times.push(performance.now() - begun)
  }
  return summarise(times)
}

function timeCrypto({ devices, relationships, rounds }: RemovalShape): Summary {
  const random = systemRandom()
  const { publicKey: to } = generateWrapKey(random)
  const key = generateSigningKey(random)
  const plaintext = random.bytes(32)
  const times: number[] = []
  for (let round = 0; round < rounds; round++) {
    const begun = performance.now()
    for (let i = 0; i < devices + relationships; i++) {
      wrap({ context: contexts.shareKey, to, aad: plaintext, plaintext, random })
    }
    for (let i = 0; i < relationships; i++) sign(contexts.relationshipSuccessor, key, plaintext)
    times.push(performance.now() - begun)
  }
  return summarise(times.slice(1))
}

async function startRelay(network: MemoryNetwork, stack: AsyncDisposableStack): Promise<string> {
  const [random, clock, limits, metrics] = [systemRandom(), systemClock(), LIMITS, createMetrics()]
  const key = generateSigningKey(random)
  const vault = await openVault({ store: await openMemoryStore(), key: random.bytes(32), random })
  stack.use(vault)
  const mailboxes = await openMailboxes({ vault, clock, random, key, limits, metrics })
  const server = createRelayServer({ mailboxes, clock, random, limits, metrics })
  const host = await network.machine("relay").host({ key: key.seed })
  host.handle(RELAY_PROTOCOL, (channel) => server.serve(channel))
  stack.defer(async () => {
    await host.close()
    await server.close()
  })
  const [address = ""] = await host.listen([LISTEN])
  return address
}

/** @returns Gives another invitation each time. */
async function startVendor(
  network: MemoryNetwork,
  stack: AsyncDisposableStack,
  relay: string,
): Promise<() => Promise<string>> {
  const random = systemRandom()
  const vendor = await createVendor({
    name: "Shop",
    store: await openMemoryStore(),
    vaultKey: random.bytes(32),
    network: network.machine("vendor"),
    random,
    clock: systemClock(),
    deflate: systemDeflate(),
    post: { post: async () => ({ status: 204 }) },
  })
  stack.use(vendor)
  await vendor.setRelays([relay])
  const path = "card/emails/home"
  const purpose = "dpv:ServiceProvision"
  const field = { path, purpose, retention: "P2Y", required: false, why: "to write to you" }
  await vendor.editRequest({ name: "Shop", agreements: ["SD-BASE"], fields: [field] })
  await vendor.start()
  return async () => {
    const { invitation } = await vendor.invite({ isPublic: false, note: undefined, waitMs: 5_000 })
    return invitation
  }
}

/** A member that is gone again at once. */
async function addDevice(
  host: Person,
  network: MemoryNetwork,
  { at, name }: { readonly at: string; readonly name: string },
): Promise<void> {
  const shown = Promise.withResolvers<string>()
  const { signal } = new AbortController()
  const approve = async () => true
  const added = host.pair({ code: ({ code }) => shown.resolve(code), approve }, signal)
  added.catch(shown.reject)
  const random = systemRandom()
  await using joined = await joinPerson({
    store: await openMemoryStore(),
    vaultKey: random.bytes(32),
    network: network.machine(name),
    openDocuments: (reload) => openInLineDocuments({ reload }),
    random,
    clock: systemClock(),
    deflate: systemDeflate(),
    zone: "Europe/Berlin",
    ...{ name, at, signal },
    code: await shown.promise,
    confirm: approve,
  })
  await joined.settle(5_000)
  await added
}
