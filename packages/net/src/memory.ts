/**
 * The transport contract within one process, for the simulator and for tests: latency, cuts,
 * partitions, crashes and breaking connections, all decided by a seed and a clock that are passed
 * in. The same calls in the same virtual order give the same run.
 *
 * Hosts live on named *machines*, because one program may have many hosts and the network fails
 * between machines. Every delay is `clock.sleep`; nothing else waits for time.
 *
 * @module
 */

import type { Clock } from "@fulcrum/crypto/clock"
import { signingKeyFromSeed } from "@fulcrum/crypto/ed25519"
import { randomBelow, type SeededRandom } from "@fulcrum/crypto/random"
import { addressParts } from "./address.ts"
import { type Channel, type Host, type HostOptions, NetError, type Network } from "./contract.ts"
import { MemoryChannel, Wire } from "./memory-channel.ts"
import { publicKeyToPeerId } from "./peer-id.ts"
import { type Handler, serve } from "./serve.ts"

export interface LinkQuality {
  /** One way, drawn evenly for each message; order is kept. */
  readonly latencyMs: readonly [least: number, most: number]
  /** Chance, 0 to 1, that a message breaks its connection instead of arriving. */
  readonly breakChance: number
}

export interface MemoryNetworkOptions {
  readonly clock: Clock
  readonly random: SeededRandom
  /** Between two machines, where `link` says nothing else. Default: no latency, no breaks. */
  readonly quality?: Partial<LinkQuality>
}

type LinkState = "open" | "silent" | "cut"

const PERFECT: LinkQuality = { latencyMs: [0, 0], breakChance: 0 }
const CHANCE_STEPS = 2 ** 32
const FIRST_PORT = 49_152

export class MemoryNetwork implements Network {
  readonly clock: Clock
  readonly #random: SeededRandom
  readonly #quality: LinkQuality
  readonly #listeners = new Map<string, MemoryHost>()
  readonly #hosts = new Set<MemoryHost>()
  readonly #links = new Map<string, Link>()
  /** Where each machine's throw-away keys come from. */
  readonly #keys = new Map<string, SeededRandom>()
  #nextPort = FIRST_PORT

  constructor({ clock, random, quality }: MemoryNetworkOptions) {
    this.clock = clock
    this.#random = random
    this.#quality = { ...PERFECT, ...quality }
  }

  /** The network as seen from one machine. */
  machine(name: string): Network {
    const random = this.#keys.get(name) ?? this.#random.fork(`machine ${name}`)
    this.#keys.set(name, random)
    return {
      host: async ({ key }: HostOptions = {}) => {
        const host = new MemoryHost(this, name, key ?? random.bytes(32))
        this.#hosts.add(host)
        return host
      },
    }
  }

  /** A host on a machine of its own, which nothing else is on. */
  host(options?: HostOptions): Promise<Host> {
    return this.machine(`alone ${this.#nextPort++}`).host(options)
  }

  /** Sets how well two machines hear each other, both ways. */
  link(a: string, b: string, quality: Partial<LinkQuality>): void {
    for (const link of this.#both(a, b)) link.quality = { ...this.#quality, ...quality }
  }

  /** Breaks what runs between two machines, and lets them not reach each other until healed. */
  cut(a: string, b: string): void {
    for (const link of this.#both(a, b)) link.set("cut")
    this.breakConnections(a, b)
  }

  /**
   * Lets machines of different groups hear nothing of each other: dials hang, and what is on its
   * way waits until healed, as it would in a real network that resends. Machines that are in no
   * group hear everybody.
   */
  partition(groups: readonly (readonly string[])[]): void {
    for (const [at, group] of groups.entries()) {
      for (const other of groups.slice(at + 1).flat()) {
        for (const each of group) for (const link of this.#both(each, other)) link.set("silent")
      }
    }
  }

  /** Lets one machine hear nothing of another, which goes on hearing it. */
  silence(from: string, to: string): void {
    this.linkBetween(from, to).set("silent")
  }

  /** Ends every cut and partition, or those between two machines. */
  heal(a?: string, b?: string): void {
    const links = a === undefined || b === undefined ? [...this.#links.values()] : this.#both(a, b)
    for (const link of links) link.set("open")
  }

  /** Breaks the connections between two machines, those of one, or all; new ones can be made. */
  breakConnections(a?: string, b?: string): void {
    for (const host of [...this.#hosts]) host.breakConnections(a, b)
  }

  /** Ends a machine's hosts at once; whoever talked to them sees the connection break. */
  crash(machine: string): void {
    for (const host of [...this.#hosts]) if (host.machine === machine) host.crash()
  }

  /** @internal */
  linkBetween(from: string, to: string): Link {
    const name = `${from} > ${to}`
    const known = this.#links.get(name)
    if (known) return known
    const link = new Link(this.clock, this.#random.fork(`link ${name}`), this.#quality)
    this.#links.set(name, link)
    return link
  }

  /** @internal */
  register(host: MemoryHost, address: string): string {
    const parts = addressParts(address)
    const path = address.replace(/\/p2p\/[^/]*$/, "").split("/")
    if (parts.transport === "memory") {
      if (parts.host === "0") path[2] = `host-${this.#nextPort++}`
    } else {
      if (parts.host === "0.0.0.0") path[2] = "127.0.0.1"
      if (parts.port === 0) path[4] = String(this.#nextPort++)
    }
    const place = path.join("/")
    if (this.#listeners.has(place)) {
      throw new NetError("NET_ADDRESS_IN_USE", `another host listens at ${place}`)
    }
    this.#listeners.set(place, host)
    return place
  }

  /** @internal */
  unregister(place: string): void {
    this.#listeners.delete(place)
  }

  /** @internal */
  find(address: string): MemoryHost | undefined {
    return this.#listeners.get(address.replace(/\/p2p\/[^/]*$/, ""))
  }

  /** @internal */
  remove(host: MemoryHost): void {
    this.#hosts.delete(host)
  }

  #both(a: string, b: string): readonly Link[] {
    return [this.linkBetween(a, b), this.linkBetween(b, a)]
  }
}

/** One direction between two machines. */
class Link {
  quality: LinkQuality
  readonly #clock: Clock
  readonly #random: SeededRandom
  #state: LinkState = "open"
  #healed = Promise.withResolvers<void>()

  constructor(clock: Clock, random: SeededRandom, quality: LinkQuality) {
    this.#clock = clock
    this.#random = random
    this.quality = quality
  }

  get isCut(): boolean {
    return this.#state === "cut"
  }

  set(state: LinkState): void {
    this.#state = state
    this.#healed.resolve()
    this.#healed = Promise.withResolvers<void>()
  }

  /** When something sent now arrives, if nothing is in the way. */
  drawArrival(): number {
    const [least, most] = this.quality.latencyMs
    if (most <= 0) return this.#clock.now()
    return this.#clock.now() + least + randomBelow(this.#random, Math.floor(most - least) + 1)
  }

  drawBreak(): boolean {
    const chance = this.quality.breakChance
    return chance > 0 && randomBelow(this.#random, CHANCE_STEPS) < chance * CHANCE_STEPS
  }

  /** Waits until then, and until nothing is in the way. */
  async travel(arrival: number, signal?: AbortSignal): Promise<void> {
    const left = arrival - this.#clock.now()
    if (left > 0) await this.#clock.sleep(left, signal)
    while (this.#state !== "open") await raceAbort(this.#healed.promise, signal)
  }
}

class MemoryHost implements Host {
  readonly id: string
  readonly publicKey: Uint8Array
  readonly machine: string
  readonly #network: MemoryNetwork
  readonly #handlers = new Map<string, Handler>()
  readonly #places: string[] = []
  readonly #channels = new Set<MemoryChannel>()
  readonly #machines = new Map<MemoryChannel, string>()
  readonly #end = new AbortController()

  constructor(network: MemoryNetwork, machine: string, seed: Uint8Array) {
    this.#network = network
    this.machine = machine
    this.publicKey = signingKeyFromSeed(seed).publicKey
    this.id = publicKeyToPeerId(this.publicKey)
  }

  async listen(addresses: readonly string[]): Promise<readonly string[]> {
    this.#checkOpen()
    for (const address of addresses) addressParts(address)
    const begun: string[] = []
    try {
      for (const address of addresses) begun.push(this.#network.register(this, address))
    } catch (error) {
      for (const place of begun) this.#network.unregister(place)
      throw error
    }
    this.#places.push(...begun)
    return begun.map((place) => `${place}/p2p/${this.id}`)
  }

  handle(protocol: string, handler: Handler): void {
    if (this.#handlers.has(protocol)) throw new RangeError(`${protocol} has a handler`)
    this.#handlers.set(protocol, handler)
  }

  async dial(
    address: string,
    protocol: string,
    { signal }: { signal: AbortSignal },
  ): Promise<Channel> {
    this.#checkOpen()
    const { peerId } = addressParts(address)
    const either = AbortSignal.any([signal, this.#end.signal])
    return this.#inTime(async () => {
      either.throwIfAborted()
      const there = this.#network.find(address)
      if (!there) throw unreachable()
      const { out, back } = this.#linksTo(there)
      if (out.isCut || back.isCut) throw unreachable()
      await out.travel(out.drawArrival(), either)
      if (this.#network.find(address) !== there) throw unreachable()
      await back.travel(back.drawArrival(), either)
      either.throwIfAborted()
      if (out.isCut || back.isCut || there.isClosed) throw unreachable()
      if (peerId !== undefined && peerId !== there.id) {
        throw new NetError("NET_PEER_MISMATCH", "another peer answers at this address")
      }
      return this.#connect(there, there.#handlerOf(protocol, this))
    })
  }

  /** Another channel to a host that is connected already: one round trip. */
  #connectAgain(there: MemoryHost, protocol: string, signal: AbortSignal): Promise<MemoryChannel> {
    const either = AbortSignal.any([signal, this.#end.signal])
    return this.#inTime(async () => {
      const { out, back } = this.#linksTo(there)
      await out.travel(out.drawArrival(), either)
      await back.travel(back.drawArrival(), either)
      either.throwIfAborted()
      if (out.isCut || back.isCut || there.isClosed) {
        throw new NetError("NET_CLOSED", "the connection broke")
      }
      return this.#connect(there, there.#handlerOf(protocol, this))
    })
  }

  async #inTime<T>(connect: () => Promise<T>): Promise<T> {
    try {
      return await connect()
    } catch (error) {
      if (error instanceof NetError) throw error
      if (this.isClosed) throw new NetError("NET_CLOSED", "the host was closed", { cause: error })
      throw new NetError("NET_TIMEOUT", "the dial took too long", { cause: error })
    }
  }

  #handlerOf(protocol: string, peer: MemoryHost): Handler {
    const handler = this.#handlers.get(protocol)
    if (!handler || peer === this) {
      throw new NetError("NET_REFUSED", "the peer does not speak this protocol with us")
    }
    return handler
  }

  #linksTo(there: MemoryHost): { readonly out: Link; readonly back: Link } {
    return {
      out: this.#network.linkBetween(this.machine, there.machine),
      back: this.#network.linkBetween(there.machine, this.machine),
    }
  }

  get isClosed(): boolean {
    return this.#end.signal.aborted
  }

  async close(): Promise<void> {
    if (this.isClosed) return
    const channels = [...this.#channels]
    this.#leave()
    await Promise.all(channels.map((channel) => channel.leave()))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  crash(): void {
    const channels = [...this.#channels]
    this.#leave()
    for (const channel of channels) channel.abort(new Error("the machine crashed"))
  }

  breakConnections(a?: string, b?: string): void {
    for (const [channel, machine] of [...this.#machines]) {
      const ends = [this.machine, machine]
      const isMeant = [a, b].every((name) => name === undefined || ends.includes(name))
      if (isMeant && (a !== b || a === undefined || ends[0] === ends[1])) channel.break()
    }
  }

  #connect(there: MemoryHost, handler: Handler): MemoryChannel {
    const { out, back } = this.#linksTo(there)
    const wires = [new Wire(out), new Wire(back)] as const
    const clock = this.#network.clock
    const mine = new MemoryChannel({
      clock,
      local: this,
      remote: there,
      outbound: true,
      wires,
      connectAgain: (protocol, signal) => this.#connectAgain(there, protocol, signal),
    })
    const [first, second] = wires
    const theirs = new MemoryChannel({
      clock,
      local: there,
      remote: this,
      outbound: false,
      wires: [second, first],
      connectAgain: (protocol, signal) => there.#connectAgain(this, protocol, signal),
    })
    first.connect(theirs, mine)
    second.connect(mine, theirs)
    mine.meet(theirs)
    theirs.meet(mine)
    this.#keep(mine, there.machine)
    there.#keep(theirs, this.machine)
    serve(handler, theirs)
    return mine
  }

  #keep(channel: MemoryChannel, machine: string): void {
    this.#channels.add(channel)
    this.#machines.set(channel, machine)
    void channel.closed.then(() => {
      this.#channels.delete(channel)
      this.#machines.delete(channel)
    })
  }

  #leave(): void {
    this.#end.abort()
    for (const place of this.#places) this.#network.unregister(place)
    this.#network.remove(this)
  }

  #checkOpen(): void {
    if (this.isClosed) throw new NetError("NET_CLOSED", "the host is closed")
  }
}

function unreachable(): NetError {
  return new NetError("NET_UNREACHABLE", "nobody answers at this address")
}

async function raceAbort(wait: Promise<void>, signal?: AbortSignal): Promise<void> {
  if (!signal) return wait
  signal.throwIfAborted()
  const aborted = Promise.withResolvers<void>()
  const abort = (): void => aborted.reject(signal.reason)
  signal.addEventListener("abort", abort, { once: true })
  try {
    await Promise.race([wait, aborted.promise])
  } finally {
    signal.removeEventListener("abort", abort)
  }
}
