/**
 * Discovery by multicast DNS on the local network, with libp2p's records: a PTR for the service
 * `_fulcrum-TAG._udp.local` and a TXT `dnsaddr=MULTIADDR` for each address, under a random name.
 * Only private and loopback addresses are told. It shares UDP port 5353 with the system's own; where there
 * is no network it finds nothing, and says nothing.
 *
 * @module
 */

import type { Logger, PeerDiscovery } from "@libp2p/interface"
import { type MulticastDNSComponents, mdns } from "@libp2p/mdns"
import { type Multiaddr, multiaddr } from "@multiformats/multiaddr"
import { addressParts } from "./address.ts"
import { NetError } from "./contract.ts"
import { checkTag, type Discovery, Findings } from "./discovery.ts"

/** Between two questions, by whoever looks. */
const ASK_EVERY_MS = 5_000
/** Whoever only answers still asks: libp2p's module cannot keep quiet altogether. */
const ASK_SELDOM_MS = 3_600_000

export interface MdnsOptions {
  /** UDP port, for tests; default 5353. */
  readonly port?: number
}

type Responder = PeerDiscovery & { start(): Promise<void>; stop(): Promise<void> }

export function mdnsDiscovery({ port = 5_353 }: MdnsOptions = {}): Discovery {
  const open = (tag: string, addresses: readonly string[], interval: number): Responder => {
    const serviceTag = `_fulcrum-${tag}._udp.local`
    const module = mdns({ serviceTag, interval, port, broadcast: addresses.length > 0 })
    return checkResponder(module(componentsFor(addresses.map((address) => multiaddr(address)))))
  }
  return {
    announce(tag, addresses) {
      checkTag(tag)
      for (const address of addresses) checkNamesPeer(address)
      const responder = open(tag, addresses, ASK_SELDOM_MS)
      const started = responder.start()
      return {
        [Symbol.asyncDispose]: async () => {
          await started
          await responder.stop()
        },
      }
    },
    async *find(tag, { signal }) {
      checkTag(tag)
      const findings = new Findings()
      const responder = open(tag, [], ASK_EVERY_MS)
      responder.addEventListener("peer", ({ detail }) => {
        for (const address of detail.multiaddrs) add(findings, `${address}/p2p/${detail.id}`)
      })
      await responder.start()
      try {
        yield* findings.read(signal)
      } finally {
        await responder.stop()
      }
    },
  }
}

/** Anybody may answer: only what is an address goes on. */
function add(findings: Findings, address: string): void {
  try {
    addressParts(address)
  } catch (error) {
    if (error instanceof NetError) return
    throw error
  }
  findings.add(address)
}

function checkNamesPeer(address: string): void {
  if (addressParts(address).peerId !== undefined) return
  throw new NetError("NET_ADDRESS_INVALID", "an announced address ends in /p2p/ and an id")
}

function checkResponder(module: PeerDiscovery): Responder {
  if (!("start" in module && "stop" in module)) throw new TypeError("mdns has no life any more")
  const { start, stop } = module
  if (typeof start !== "function" || typeof stop !== "function") throw new TypeError("mdns changed")
  return Object.assign(module, {
    start: () => Promise.resolve(start.call(module)),
    stop: () => Promise.resolve(stop.call(module)),
  })
}

/** The module asks its host for addresses and a log; it has nothing to do with any other host. */
function componentsFor(addresses: Multiaddr[]): MulticastDNSComponents {
  return {
    logger: { forComponent: () => quiet },
    addressManager: {
      getAddresses: () => addresses,
      getListenAddrs: () => addresses,
      getAnnounceAddrs: () => [],
      getObservedAddrs: () => [],
      getAddressesWithMetadata: () => [],
      confirmObservedAddr: nothing,
      removeObservedAddr: nothing,
      addObservedAddr: nothing,
      addDNSMapping: nothing,
      removeDNSMapping: nothing,
      addPublicAddressMapping: nothing,
      removePublicAddressMapping: nothing,
    },
  }
}

function nothing(): void {}

const quiet: Logger = Object.assign(nothing, {
  error: nothing,
  trace: nothing,
  enabled: false,
  newScope: () => quiet,
})
