/**
 * One start of a program on a machine, until it stops: its clock, its randomness, its disk and
 * its network. Once it has stopped, whatever of it is still about in this process waits for ever:
 * a crashed program runs no more code, catches no error and sends no farewell.
 *
 * @module
 */
import type { Clock } from "@fulcrum/crypto/clock"
import type { SeededRandom } from "@fulcrum/crypto/random"
import type { Channel, Host, HostOptions, Network } from "@fulcrum/net/contract"
import type { Discovery } from "@fulcrum/net/discovery"
import type { ListRange, Store, WriteOp } from "@fulcrum/store"
import type { Noise } from "./noise.ts"
import type { Trace } from "./trace.ts"

export interface LifeParts {
  readonly name: string
  readonly clock: Clock
  /** How wrong this machine's clock is now. */
  readonly clockOffsetMs: () => number
  readonly random: SeededRandom
  readonly network: Network
  readonly discovery: Discovery
  readonly trace: Trace
  /** What garbles one channel. */
  readonly noise: () => Noise
}

export class Life {
  readonly name: string
  readonly clock: Clock
  readonly random: SeededRandom
  readonly network: Network
  readonly discovery: Discovery
  readonly #end = new AbortController()

  constructor(parts: LifeParts) {
    this.name = parts.name
    const { clock, clockOffsetMs } = parts
    this.clock = {
      now: () => clock.now() + clockOffsetMs(),
      sleep: (ms, signal) => this.guard(clock.sleep(ms, signal)),
    }
    this.random = parts.random
    this.network = new LifeNetwork(this, parts.network, parts)
    this.discovery = new LifeDiscovery(this, parts.discovery)
  }

  /** Fires at the end. */
  get signal(): AbortSignal {
    return this.#end.signal
  }

  get isOver(): boolean {
    return this.#end.signal.aborted
  }

  end(): void {
    this.#end.abort()
  }

  /** As `work`; never settles once the life is over. */
  async guard<T>(work: Promise<T>): Promise<T> {
    try {
      const value = await work
      return this.isOver ? await forever() : value
    } catch (error) {
      if (this.isOver) return forever()
      throw error
    }
  }
}

/** The machine's disk, as the program has it open. */
export class LifeStore implements Store {
  readonly #life: Life
  readonly #store: Store
  readonly #failed: () => void
  readonly #wrote: (ops: readonly WriteOp[]) => void

  /**
   * @param on.failed - A write failed; the machine may have died with it.
   * @param on.wrote - This is to be written.
   */
  constructor(
    life: Life,
    store: Store,
    on: { readonly failed: () => void; readonly wrote: (ops: readonly WriteOp[]) => void },
  ) {
    this.#life = life
    this.#store = store
    this.#failed = on.failed
    this.#wrote = on.wrote
  }

  get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#life.guard(this.#store.get(key))
  }

  getMany(keys: readonly Uint8Array[]): Promise<readonly (Uint8Array | undefined)[]> {
    return this.#life.guard(this.#store.getMany(keys))
  }

  async *list(range: ListRange): AsyncGenerator<readonly [Uint8Array, Uint8Array], void, void> {
    const records = this.#store.list(range)[Symbol.asyncIterator]()
    for (;;) {
      const next = await this.#life.guard(records.next())
      if (next.done) return
      yield next.value
    }
  }

  async write(ops: readonly WriteOp[]): Promise<void> {
    this.#wrote(ops)
    try {
      await this.#life.guard(this.#store.write(ops))
    } catch (error) {
      this.#failed()
      return this.#life.guard(Promise.reject(error))
    }
  }

  close(): Promise<void> {
    return this.#life.guard(this.#store.close())
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

type Wiring = Pick<LifeParts, "trace" | "noise">

class LifeNetwork implements Network {
  readonly #life: Life
  readonly #network: Network
  readonly #wiring: Wiring

  constructor(life: Life, network: Network, wiring: Wiring) {
    this.#life = life
    this.#network = network
    this.#wiring = wiring
  }

  async host(options?: HostOptions): Promise<Host> {
    if (this.#life.isOver) return forever()
    return new LifeHost(this.#life, await this.#network.host(options), this.#wiring)
  }
}

class LifeHost implements Host {
  readonly #life: Life
  readonly #host: Host
  readonly #wiring: Wiring

  constructor(life: Life, host: Host, wiring: Wiring) {
    this.#life = life
    this.#host = host
    this.#wiring = wiring
  }

  get id(): string {
    return this.#host.id
  }

  get publicKey(): Uint8Array {
    return this.#host.publicKey
  }

  listen(addresses: readonly string[]): Promise<readonly string[]> {
    return this.#life.guard(this.#host.listen(addresses))
  }

  handle(protocol: string, handler: (channel: Channel) => unknown): void {
    this.#host.handle(protocol, (channel) => {
      return this.#life.isOver ? undefined : handler(this.#wrap(channel))
    })
  }

  async dial(
    address: string,
    protocol: string,
    options: { signal: AbortSignal },
  ): Promise<Channel> {
    const channel = await this.#life.guard(this.#host.dial(address, protocol, options))
    return this.#wrap(channel)
  }

  close(): Promise<void> {
    return this.#life.guard(this.#host.close())
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #wrap(channel: Channel): Channel {
    return new LifeChannel(this.#life, channel, this.#wiring)
  }
}

/** A channel whose messages are noted as they go out. */
class LifeChannel implements Channel {
  readonly localId: string
  readonly remoteId: string
  readonly remotePublicKey: Uint8Array
  readonly outbound: boolean
  readonly #life: Life
  readonly #channel: Channel
  readonly #wiring: Wiring
  readonly #trace: Trace
  readonly #noise: Noise

  constructor(life: Life, channel: Channel, wiring: Wiring) {
    const { trace, noise } = wiring
    this.localId = channel.localId
    this.remoteId = channel.remoteId
    this.remotePublicKey = channel.remotePublicKey
    this.outbound = channel.outbound
    this.#life = life
    this.#channel = channel
    this.#wiring = wiring
    this.#trace = trace
    this.#noise = noise()
  }

  get closed(): Promise<void> {
    return this.#life.guard(this.#channel.closed)
  }

  async send(message: Uint8Array): Promise<void> {
    if (this.#life.isOver) return forever()
    const garbled = this.#noise.of(message)
    const what = garbled === undefined ? "sends" : "garbles"
    for (const bytes of garbled ?? [message]) {
      this.#trace.note(`${this.#life.name} ${what} to ${this.remoteId.slice(-6)}`, bytes)
      await this.#life.guard(this.#channel.send(bytes))
    }
  }

  async *messages(): AsyncGenerator<Uint8Array, void, undefined> {
    const messages = this.#channel.messages()[Symbol.asyncIterator]()
    try {
      for (;;) {
        const next = await this.#life.guard(messages.next())
        if (next.done) return
        this.#trace.received(this.#life.name, next.value)
        yield next.value
      }
    } finally {
      await messages.return?.()
    }
  }

  async beside(protocol: string, options: { signal: AbortSignal }): Promise<Channel> {
    if (this.#life.isOver) return forever()
    const another = await this.#life.guard(this.#channel.beside(protocol, options))
    return new LifeChannel(this.#life, another, this.#wiring)
  }

  close(): Promise<void> {
    return this.#life.guard(this.#channel.close())
  }

  abort(reason: Error): void {
    if (!this.#life.isOver) this.#channel.abort(reason)
  }
}

class LifeDiscovery implements Discovery {
  readonly #life: Life
  readonly #discovery: Discovery

  constructor(life: Life, discovery: Discovery) {
    this.#life = life
    this.#discovery = discovery
  }

  announce(tag: string, addresses: readonly string[]): AsyncDisposable {
    const announced = this.#discovery.announce(tag, this.#life.isOver ? [] : addresses)
    const end = () => void announced[Symbol.asyncDispose]()
    this.#life.signal.addEventListener("abort", end, { once: true })
    return announced
  }

  find(tag: string, { signal }: { signal: AbortSignal }): AsyncIterable<string> {
    return this.#discovery.find(tag, { signal: AbortSignal.any([signal, this.#life.signal]) })
  }
}

function forever(): Promise<never> {
  return new Promise(() => undefined)
}
