/**
 * The relay that a vendor runs in its own process: a store of its own, so that what it holds for
 * others is sealed under another key than the books.
 *
 * @module
 */
import { systemClock } from "@fulcrum/crypto/clock"
import { signingKeyFromSeed } from "@fulcrum/crypto/ed25519"
import { systemRandom } from "@fulcrum/crypto/random"
import { type Host, NetError, type Network } from "@fulcrum/net/contract"
import { libp2pNetwork } from "@fulcrum/net/libp2p"
import { publicKeyToPeerId } from "@fulcrum/net/peer-id"
import { RELAY_LIMITS } from "@fulcrum/relay/limits"
import { openMailboxes } from "@fulcrum/relay/mailboxes"
import { createMetrics } from "@fulcrum/relay/metrics"
import { RELAY_PROTOCOL } from "@fulcrum/relay/protocol"
import { createRelayServer } from "@fulcrum/relay/server"
import { openLevelStore } from "@fulcrum/store/level"
import { openVault } from "@fulcrum/store/vault"
import type { Home } from "./home.ts"
import { reportFault } from "./open-books.ts"
import type { VendorKeys } from "./vault-key.ts"

const DEFAULT_LISTEN = "/ip4/0.0.0.0/tcp/0"

export interface OwnRelay {
  readonly id: string
  /** Where others reach it, this machine's own addresses last. */
  readonly addresses: readonly string[]
  metrics(): string
  close(): Promise<void>
}

/** Its id, which its addresses end in. */
export function ownRelayId(keys: VendorKeys): string {
  return publicKeyToPeerId(signingKeyFromSeed(keys.relayTransport).publicKey)
}

/**
 * @param options.ports - Drawn before, by the address asked for; those drawn now are added.
 * @throws {StoreError} {VaultError} {NetError}
 */
export async function startOwnRelay(options: {
  readonly home: Home
  readonly keys: VendorKeys
  readonly listen?: readonly string[] | undefined
  readonly ports: Record<string, number>
}): Promise<OwnRelay> {
  const { home, keys, listen = [DEFAULT_LISTEN], ports } = options
  await using closing = new AsyncDisposableStack()
  const clock = systemClock()
  const random = systemRandom()
  const limits = RELAY_LIMITS
  const metrics = createMetrics()
  const store = await openLevelStore({ folder: home.relayFolder })
  const vault = await openVault({ store, key: keys.relayVault, random }).catch(async (error) => {
    await store.close()
    throw error
  })
  closing.use(vault)
  const key = signingKeyFromSeed(keys.relayTransport)
  const mailboxes = await openMailboxes({ vault, clock, random, key, limits, metrics })
  const shared = { mailboxes, clock, random, limits, metrics }
  const server = createRelayServer({ ...shared, onFault: reportFault })
  const network = libp2pNetwork({ connectionsMax: limits.connectionsMax })
  const host = await network.host({ key: keys.relayTransport })
  closing.defer(async () => {
    await Promise.all([server.close(), host.close()])
  })
  host.handle(RELAY_PROTOCOL, (channel) => void server.serve(channel))
  const addresses: string[] = []
  for (const asked of listen) addresses.push(...(await listenAt(host, asked, ports)))
  const running = closing.move()
  let closed: Promise<void> | undefined
  return {
    id: host.id,
    addresses: addresses.toSorted((a, b) => Number(isHere(a)) - Number(isHere(b))),
    metrics: () => metrics.render(),
    close() {
      closed ??= running.disposeAsync()
      return closed
    },
  }
}

/** The same network, that reaches our own relay without leaving this machine. */
export function withShortcut(network: Network, relay: OwnRelay): Network {
  const near = relay.addresses.find(isHere) ?? relay.addresses[0]
  return {
    async host(hostOptions) {
      const host = await network.host(hostOptions)
      const { dial } = host
      return Object.assign(host, {
        dial: (address: string, ...rest: Tail<Parameters<typeof dial>>) => {
          const isOwn = address.endsWith(`/p2p/${relay.id}`)
          return dial.call(host, isOwn && near !== undefined ? near : address, ...rest)
        },
      })
    },
  }
}

type Tail<T extends readonly unknown[]> = T extends readonly [unknown, ...infer Rest] ? Rest : never

/** Listens, with the port that was drawn for this address before; notes a port drawn now. */
async function listenAt(
  host: Host,
  asked: string,
  ports: Record<string, number>,
): Promise<readonly string[]> {
  const wild = /^(.*\/tcp\/)0(\/.*)?$/.exec(asked)
  if (wild === null) return host.listen([asked])
  const [, before = "", after = ""] = wild
  const drawn = ports[asked]
  if (drawn !== undefined) return host.listen([`${before}${drawn}${after}`])
  const addresses = await host.listen([asked])
  const port = /\/tcp\/(\d+)/.exec(addresses[0] ?? "")?.[1]
  if (port === undefined) throw new NetError("NET_ADDRESS_INVALID", "an address without a port")
  ports[asked] = Number(port)
  return addresses
}

function isHere(address: string): boolean {
  return address.startsWith("/ip4/127.") || address.startsWith("/ip6/::1/")
}
