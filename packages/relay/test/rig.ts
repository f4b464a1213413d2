/**
 * A relay on a memory disk behind a memory network, and people who use it.
 *
 * @module
 */
import { generateSigningKey, type SigningKey } from "@fulcrum/crypto/ed25519"
import { type SeededRandom, seededRandom } from "@fulcrum/crypto/random"
import { systemDeflate } from "@fulcrum/log/deflate"
import {
  chainHashSchema,
  epochIdSchema,
  epochKeySchema,
  incarnationIdSchema,
  spaceTagSchema,
} from "@fulcrum/log/ids"
import { capabilityEnd, type MailboxRight, signCapability } from "@fulcrum/log/mailbox"
import { SPAN_ENTRIES, sealSpan } from "@fulcrum/log/span"
import type { Channel, Host } from "@fulcrum/net"
import { MemoryNetwork } from "@fulcrum/net/memory"
import { MemoryDisk, openMemoryStore } from "@fulcrum/store/memory"
import { openVault, type Vault } from "@fulcrum/store/vault"
import { connectRelay, type RelayClient } from "../src/client.ts"
import { RELAY_LIMITS, type RelayLimits } from "../src/limits.ts"
import { type Mailboxes, openMailboxes } from "../src/mailboxes.ts"
import { createMetrics, type RelayMetrics } from "../src/metrics.ts"
import type { OpenMailbox } from "../src/open-mailbox.ts"
import { type MailboxKind, RELAY_PROTOCOL } from "../src/protocol.ts"
import { createRelayServer, type RelayServer } from "../src/server.ts"
import { type ManualClock, manualClock } from "./manual-clock.ts"

export interface Running {
  readonly vault: Vault
  readonly mailboxes: Mailboxes
  readonly server: RelayServer
  readonly metrics: RelayMetrics
  readonly host: Host
  readonly address: string
  readonly faults: unknown[]
}

export interface Rig {
  readonly clock: ManualClock
  readonly random: SeededRandom
  readonly network: MemoryNetwork
  readonly disk: MemoryDisk
  readonly relay: Running
  /** Ends the relay, however it stands, and starts it again on the same or another disk. */
  restart(how?: "closed" | "crashed", disk?: MemoryDisk): Promise<void>
  dial(): Promise<{ channel: Channel; host: Host }>
  connect(): Promise<RelayClient>
  close(): Promise<void>
}

export async function openRig(limits: Partial<RelayLimits> = {}): Promise<Rig> {
  const clock = manualClock()
  const random = seededRandom("relay")
  const network = new MemoryNetwork({ clock, random: random.fork("net") })
  const seed = random.bytes(32)
  const key = random.bytes(32)
  const hosts: Host[] = []
  let disk = new MemoryDisk()

  async function start(): Promise<Running> {
    const store = await openMemoryStore({ disk })
    const vault = await openVault({ store, key, random })
    const metrics = createMetrics()
    const faults: unknown[] = []
    const all = { ...RELAY_LIMITS, ...limits }
    const signer: SigningKey = generateSigningKey({ bytes: () => seed })
    const shared = { clock, random, limits: all, metrics }
    const mailboxes = await openMailboxes({ ...shared, vault, key: signer })
    const onFault = (fault: unknown): void => {
      faults.push(fault)
    }
    const server = createRelayServer({ ...shared, mailboxes, onFault })
    const host = await network.host({ key: seed })
    const [address = ""] = await host.listen(["/ip4/127.0.0.1/tcp/0"])
    host.handle(RELAY_PROTOCOL, (channel) => void server.serve(channel))
    return { vault, mailboxes, server, metrics, host, address, faults }
  }

  let relay = await start()
  const rig: Rig = {
    clock,
    random,
    network,
    get disk() {
      return disk
    },
    get relay() {
      return relay
    },
    async restart(how = "closed", onto = disk) {
      if (how === "crashed") disk.crash()
      await relay.host.close()
      await relay.server.close()
      if (how === "closed") await relay.vault.close()
      disk = onto
      relay = await start()
    },
    async dial() {
      const host = await network.host()
      hosts.push(host)
      const signal = new AbortController().signal
      return { host, channel: await host.dial(relay.address, RELAY_PROTOCOL, { signal }) }
    },
    async connect() {
      const { host, channel } = await rig.dial()
      return connectRelay(channel, { clock, dialerKey: host.publicKey })
    },
    async close() {
      for (const host of hosts) await host.close()
      await relay.host.close()
      await relay.server.close()
      await relay.vault.close()
    },
  }
  return rig
}

/** A mailbox's maker, who can give anybody rights to it. */
export interface Maker {
  readonly key: SigningKey
  readonly kind: MailboxKind
  capability(right: MailboxRight, holder: SigningKey, notAfter?: number): Uint8Array
  open(client: RelayClient, right: MailboxRight, holder: SigningKey): Promise<OpenMailbox>
}

export function newMaker(rig: Rig, kind: MailboxKind): Maker {
  const key = generateSigningKey(rig.random)
  const maker: Maker = {
    key,
    kind,
    capability: (right, holder, notAfter = capabilityEnd(rig.clock.now())) =>
      signCapability({
        mailboxKey: key,
        right,
        holder: holder.publicKey,
        notAfter,
        serial: rig.random.bytes(16),
      }),
    open: (client, right, holder) =>
      client.open({ capability: maker.capability(right, holder), mailbox: key.publicKey, holder }),
  }
  return maker
}

/** A span that a relay takes; what is inside is of no meaning. */
export function newSpan(
  random: SeededRandom,
  options: {
    start?: number
    end?: number
    before?: number
    after?: number
    bytes?: number
    signer?: SigningKey
  } = {},
): Uint8Array {
  const { start = 1, end = start, before = start - 1, after = end, bytes = 10 } = options
  const chain = (n: number) => chainHashSchema.decode(new Uint8Array(32).fill(n))
  return sealSpan({
    kind: SPAN_ENTRIES,
    space: spaceTagSchema.decode(new Uint8Array(32).fill(7)),
    signer: options.signer ?? generateSigningKey(random),
    incarnation: incarnationIdSchema.decode(random.bytes(16)),
    start,
    end,
    chainBefore: chain(before),
    chainEnd: chain(after),
    epoch: epochIdSchema.decode(random.bytes(32)),
    epochKey: epochKeySchema.decode(random.bytes(32)),
    content: random.bytes(bytes),
    random,
    deflate: systemDeflate(),
  })
}
