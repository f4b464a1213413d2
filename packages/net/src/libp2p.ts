/**
 * The transport contract on libp2p: TCP and WebSocket, Noise, yamux, Ed25519 peers, nothing else.
 * No identify, ping, mDNS, DHT or pubsub: a host says what the handshake says and no more.
 *
 * Each dial goes to the transport itself. libp2p's own dialling shares connections, and joins
 * dials to one peer that run at the same time even when told not to.
 *
 * @module
 */

// The one place that names the implementation of Noise.
import { noise } from "@chainsafe/libp2p-noise"
import { generateKeyPair, generateKeyPairFromSeed } from "@libp2p/crypto/keys"
import type { Connection, Listener, PeerId, Stream, Transport, Upgrader } from "@libp2p/interface"
import { tcp } from "@libp2p/tcp"
import { webSockets } from "@libp2p/websockets"
import { multiaddr } from "@multiformats/multiaddr"
import { createLibp2p, type Libp2p } from "libp2p"
import { addressParts } from "./address.ts"
import { type Channel, type Host, type HostOptions, NetError, type Network } from "./contract.ts"
import { StreamChannel } from "./libp2p-channel.ts"
import { HELD_BYTES_MAX, watchHeld } from "./libp2p-held.ts"
import {
  ARRIVALS_PER_SECOND_MAX,
  guardedYamux,
  NEGOTIATION_MS,
  PENDING_MAX,
  SocketWatch,
  STREAMS_MAX,
  UNUSED_MS,
  UPGRADE_MS,
} from "./libp2p-limits.ts"
import { noiseCrypto } from "./libp2p-noise-crypto.ts"
import { quietLogger } from "./libp2p-quiet.ts"
import { closeWebSocket, mendWebSocketDial, WatchedUpgrader } from "./libp2p-upgrader.ts"
import { peerIdToPublicKey } from "./peer-id.ts"
import { type Handler, serve } from "./serve.ts"

export interface Libp2pNetworkOptions {
  /** Connections of one host, dialed and accepted; about 100 kB each. Default 1,024. */
  readonly connectionsMax?: number
}

/** What is needed of libp2p's inside: its transports, and what makes connections of sockets. */
interface Inside {
  readonly transportManager: {
    dialTransportForMultiaddr(address: ReturnType<typeof multiaddr>): Transport | undefined
    listenTransportForMultiaddr(address: ReturnType<typeof multiaddr>): Transport | undefined
  }
  readonly upgrader: Upgrader
}

interface Listening {
  readonly listener: Listener
  readonly sockets: SocketWatch
}

/** How long channels may take to end well when their host closes. */
const GOODBYE_MS = 300
/** How long libp2p may take to stop after that. */
const STOP_MS = 500

export function libp2pNetwork(options: Libp2pNetworkOptions = {}): Network {
  const { connectionsMax = 1_024 } = options
  return { host: (hostOptions) => startHost(connectionsMax, hostOptions) }
}

async function startHost(connectionsMax: number, { key }: HostOptions = {}): Promise<Host> {
  const privateKey = key
    ? await generateKeyPairFromSeed("Ed25519", key)
    : await generateKeyPair("Ed25519")
  const node = await createLibp2p({
    privateKey,
    ...(process.env.DEBUG === undefined && { logger: quietLogger }),
    addresses: { listen: [] },
    transports: [
      tcp(),
      webSockets({
        http: {
          headersTimeout: UPGRADE_MS,
          requestTimeout: UPGRADE_MS,
          connectionsCheckingInterval: 500,
        },
      }),
    ],
    connectionEncrypters: [noise({ crypto: noiseCrypto })],
    streamMuxers: [guardedYamux()],
    connectionGater: {
      denyInboundEncryptedConnection: (peer) => peer.type !== "Ed25519",
      denyOutboundEncryptedConnection: (peer) => peer.type !== "Ed25519",
    },
    connectionManager: {
      maxConnections: connectionsMax,
      maxIncomingPendingConnections: PENDING_MAX,
      inboundConnectionThreshold: ARRIVALS_PER_SECOND_MAX,
      inboundUpgradeTimeout: UPGRADE_MS,
      inboundStreamProtocolNegotiationTimeout: NEGOTIATION_MS,
      outboundStreamProtocolNegotiationTimeout: NEGOTIATION_MS,
      reconnectRetries: 0,
    },
    connectionMonitor: { enabled: false },
    services: {
      inside: ({ transportManager, upgrader }: Inside): Inside => ({ transportManager, upgrader }),
    },
  })
  return new Libp2pHost(node, node.services.inside, connectionsMax)
}

class Libp2pHost implements Host {
  readonly id: string
  readonly publicKey: Uint8Array
  readonly #node: Libp2p
  readonly #inside: Inside
  readonly #connectionsMax: number
  readonly #listeners: Listening[] = []
  readonly #channels = new Set<StreamChannel>()
  readonly #held = watchHeld(this.#channels, HELD_BYTES_MAX)
  readonly #protocols = new Set<string>()
  /** Dials under way. One controller each: what a signal is given, it keeps as long as it lives. */
  readonly #dialing = new Set<AbortController>()
  #closing: Promise<void> | undefined

  constructor(node: Libp2p, inside: Inside, connectionsMax: number) {
    this.#node = node
    this.#inside = inside
    this.#connectionsMax = connectionsMax
    this.id = node.peerId.toString()
    this.publicKey = peerIdToPublicKey(this.id)
    node.addEventListener("connection:open", ({ detail }) => {
      if (detail.direction === "inbound") closeIfUnused(detail)
    })
    // libp2p remembers every peer it met; ours are strangers with throw-away keys.
    node.addEventListener("peer:disconnect", ({ detail }) => this.#forget(detail))
  }

  async listen(addresses: readonly string[]): Promise<readonly string[]> {
    if (this.#closing !== undefined) throw new NetError("NET_CLOSED", "the host is closed")
    for (const address of addresses) addressParts(address)
    const begun: Listening[] = []
    try {
      for (const address of addresses) begun.push(await this.#listenAt(address))
    } catch (error) {
      for (const each of begun) await closeListener(each)
      throw error
    }
    this.#listeners.push(...begun)
    const found = begun.flatMap(({ listener }) => listener.getAddrs().map(String))
    return found.map((address) => `${address}/p2p/${this.id}`)
  }

  handle(protocol: string, handler: Handler): void {
    if (this.#protocols.has(protocol)) throw new RangeError(`${protocol} has a handler`)
    this.#protocols.add(protocol)
    const accept = (stream: Stream, connection: Connection): void => {
      serve(handler, this.#open(stream, connection, { outbound: false }))
    }
    const limits = { maxInboundStreams: STREAMS_MAX, maxOutboundStreams: STREAMS_MAX }
    this.#node.handle(protocol, accept, limits).catch((cause: unknown) => {
      this.#node.logger.forComponent("fulcrum:net").error("could not serve - %e", cause)
    })
  }

  async dial(
    address: string,
    protocol: string,
    { signal }: { signal: AbortSignal },
  ): Promise<Channel> {
    if (this.#closing !== undefined) throw new NetError("NET_CLOSED", "the host is closed")
    const { transport: kind } = addressParts(address)
    const target = multiaddr(address)
    const transport = this.#inside.transportManager.dialTransportForMultiaddr(target)
    if (kind === "memory" || !transport) {
      throw new NetError("NET_ADDRESS_INVALID", "no transport for this address")
    }
    if (kind !== "tcp") mendWebSocketDial(transport)
    const attempt = new AbortController()
    const giveUp = (): void => attempt.abort(signal.reason)
    signal.addEventListener("abort", giveUp, { once: true })
    this.#dialing.add(attempt)
    const dial: { isAnswered: boolean; connection?: Connection } = { isAnswered: false }
    const upgrader = new WatchedUpgrader(this.#inside.upgrader, {
      begun: () => {
        dial.isAnswered = true
      },
      done: () => undefined,
      over: closeWebSocket,
    })
    try {
      signal.throwIfAborted()
      dial.connection = await transport.dial(target, { signal: attempt.signal, upgrader })
      const stream = await dial.connection.newStream(protocol, { signal: attempt.signal })
      return this.#open(stream, dial.connection, { outbound: true })
    } catch (cause) {
      dial.connection?.abort(new Error("the dial failed"))
      if (this.#closing !== undefined)
        throw new NetError("NET_CLOSED", "the host was closed", { cause })
      if (signal.aborted) throw new NetError("NET_TIMEOUT", "the dial took too long", { cause })
      throw dialError(cause, dial.isAnswered)
    } finally {
      signal.removeEventListener("abort", giveUp)
      this.#dialing.delete(attempt)
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#closeAll()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #listenAt(address: string): Promise<Listening> {
    const at = multiaddr(address)
    const transport = this.#inside.transportManager.listenTransportForMultiaddr(at)
    if (!transport || addressParts(address).transport === "wss") {
      throw new NetError("NET_ADDRESS_INVALID", `cannot listen at ${address}`)
    }
    const upgrader = new WatchedUpgrader(this.#inside.upgrader, {
      begun: () => undefined,
      done: (raw) => sockets.keep(raw),
      over: (raw) => sockets.end(raw),
    })
    const listener = transport.createListener({ upgrader })
    const sockets = new SocketWatch(listener, {
      connectionsMax: this.#connectionsMax,
      isGreeted: addressParts(address).transport === "tcp",
    })
    try {
      await listener.listen(at)
    } catch (cause) {
      throw listenError(address, cause)
    }
    return { listener, sockets }
  }

  #open(
    stream: Stream,
    connection: Connection,
    { outbound, isBeside = false }: { readonly outbound: boolean; readonly isBeside?: boolean },
  ): StreamChannel {
    const remoteId = connection.remotePeer.toString()
    const remotePublicKey = peerIdToPublicKey(remoteId)
    const localId = this.id
    const channel = new StreamChannel({
      stream,
      connection,
      localId,
      remoteId,
      remotePublicKey,
      outbound,
      isBeside,
      openBeside: (another) => this.#open(another, connection, { outbound: true, isBeside: true }),
    })
    this.#channels.add(channel)
    void channel.closed.then(() => this.#channels.delete(channel))
    return channel
  }

  #forget(peer: PeerId): void {
    this.#node.peerStore.delete(peer).catch((cause: unknown) => {
      this.#node.logger.forComponent("fulcrum:net").error("could not forget a peer - %e", cause)
    })
  }

  async #closeAll(): Promise<void> {
    this.#held[Symbol.dispose]()
    for (const attempt of this.#dialing) attempt.abort(new Error("the host was closed"))
    await within(GOODBYE_MS, Promise.all([...this.#channels].map((channel) => channel.close())))
    for (const channel of this.#channels) channel.abort(new Error("the host was closed"))
    for (const connection of this.#node.getConnections()) {
      connection.abort(new Error("the host was closed"))
    }
    const closed = this.#listeners.map(closeListener)
    await within(STOP_MS, Promise.all([...closed, this.#node.stop()]))
  }
}

/** Says what failed: libp2p tells a wrong peer by words alone. */
function dialError(cause: unknown, isAnswered: boolean): NetError {
  if (cause instanceof Error && cause.message.includes("does not match expected remote identity")) {
    return new NetError("NET_PEER_MISMATCH", "another peer answers at this address", { cause })
  }
  return isAnswered
    ? new NetError("NET_REFUSED", "the peer does not speak this protocol with us", { cause })
    : new NetError("NET_UNREACHABLE", "nobody answers at this address", { cause })
}

function listenError(address: string, cause: unknown): NetError {
  const isInUse = cause instanceof Error && "code" in cause && cause.code === "EADDRINUSE"
  return isInUse
    ? new NetError("NET_ADDRESS_IN_USE", `another program listens at ${address}`, { cause })
    : new NetError("NET_ADDRESS_INVALID", `cannot listen at ${address}`, { cause })
}

function closeIfUnused(connection: Connection): void {
  const timer = setTimeout(() => {
    if (connection.streams.length === 0) connection.abort(new Error("no stream was opened"))
  }, UNUSED_MS)
  timer.unref()
  connection.addEventListener("close", () => clearTimeout(timer), { once: true })
}

async function closeListener({ listener, sockets }: Listening): Promise<void> {
  sockets.close()
  await listener.close()
}

/** Waits for what may take for ever, but no longer than this. */
async function within(ms: number, work: Promise<unknown>): Promise<void> {
  const late = Promise.withResolvers<void>()
  const timer = setTimeout(late.resolve, ms)
  await Promise.race([work, late.promise])
  clearTimeout(timer)
}
