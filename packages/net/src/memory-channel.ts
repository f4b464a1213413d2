/**
 * A channel in memory, and the two wires that carry it.
 *
 * @module
 */

import type { Clock } from "@fulcrum/crypto/clock"
import { type Channel, MESSAGE_BYTES_MAX, NetError, SEND_QUEUE_BYTES_MAX } from "./contract.ts"

/** What may be on its way or unread before a sender waits. */
const WINDOW_BYTES = 1024 * 1024
/** How long a close waits for the peer's. */
const CLOSE_MS = 3_000

/** What lies between two machines in one direction. */
export interface Path {
  drawArrival(): number
  drawBreak(): boolean
  travel(arrival: number, signal?: AbortSignal): Promise<void>
}

type Parcel = Uint8Array | "end" | "reset"

/** Carries parcels of one channel in one direction, in order. */
export class Wire {
  readonly #path: Path
  readonly #parcels: { readonly parcel: Parcel; readonly arrival: number }[] = []
  #to: MemoryChannel | undefined
  #from: MemoryChannel | undefined
  #lastArrival = 0
  #isRunning = false
  #isBroken = false

  constructor(path: Path) {
    this.#path = path
  }

  connect(to: MemoryChannel, from: MemoryChannel): void {
    this.#to = to
    this.#from = from
  }

  put(parcel: Parcel): void {
    if (this.#isBroken) return
    if (this.#path.drawBreak()) {
      this.#from?.break()
      return
    }
    this.#lastArrival = Math.max(this.#lastArrival, this.#path.drawArrival())
    this.#parcels.push({ parcel, arrival: this.#lastArrival })
    if (!this.#isRunning) void this.#run()
  }

  /** Loses what is on its way. */
  break(): void {
    this.#isBroken = true
    this.#parcels.length = 0
  }

  async #run(): Promise<void> {
    this.#isRunning = true
    await Promise.resolve()
    for (let next = this.#parcels[0]; next; next = this.#parcels[0]) {
      await this.#path.travel(next.arrival)
      if (this.#isBroken) break
      this.#parcels.shift()
      this.#to?.receive(next.parcel)
    }
    this.#isRunning = false
  }
}

export interface ChannelEnd {
  readonly id: string
  readonly publicKey: Uint8Array
}

export interface MemoryChannelInit {
  readonly clock: Clock
  readonly local: ChannelEnd
  readonly remote: ChannelEnd
  readonly outbound: boolean
  readonly wires: readonly [out: Wire, back: Wire]
  /** Connects the same two hosts once more. */
  readonly connectAgain: (protocol: string, signal: AbortSignal) => Promise<MemoryChannel>
}

interface Sending {
  readonly message: Uint8Array
  readonly resolve: () => void
  readonly reject: (error: NetError) => void
}

export class MemoryChannel implements Channel {
  readonly localId: string
  readonly remoteId: string
  readonly remotePublicKey: Uint8Array
  readonly outbound: boolean
  readonly closed: Promise<void>

  readonly #clock: Clock
  readonly #connectAgain: MemoryChannelInit["connectAgain"]
  readonly #wires: readonly [out: Wire, back: Wire]
  readonly #setClosed: () => void
  readonly #inbox: Uint8Array[] = []
  readonly #queue: Sending[] = []
  #queueBytes = 0
  /** Bytes sent that the peer has not read. */
  #unreadBytes = 0
  #peer: MemoryChannel | undefined
  #isReading = false
  #wake: () => void = () => undefined
  #error: NetError | undefined
  #isClosing = false
  #hasEnded = false
  #hasRemoteEnded = false
  #isClosed = false

  constructor({ clock, local, remote, outbound, wires, connectAgain }: MemoryChannelInit) {
    this.localId = local.id
    this.remoteId = remote.id
    this.remotePublicKey = remote.publicKey
    this.outbound = outbound
    this.#clock = clock
    this.#connectAgain = connectAgain
    this.#wires = wires
    const closed = Promise.withResolvers<void>()
    this.closed = closed.promise
    this.#setClosed = closed.resolve
  }

  /** @internal */
  meet(peer: MemoryChannel): void {
    this.#peer = peer
  }

  async send(message: Uint8Array): Promise<void> {
    if (message.length > MESSAGE_BYTES_MAX) {
      throw new NetError(
        "NET_MESSAGE_TOO_LARGE",
        `a message has at most ${MESSAGE_BYTES_MAX} bytes`,
      )
    }
    if (this.#isClosing || this.#hasRemoteEnded || this.#isClosed) throw this.#gone()
    if (this.#queueBytes + message.length > SEND_QUEUE_BYTES_MAX) {
      throw new RangeError("too much was sent without waiting for it")
    }
    this.#queueBytes += message.length
    await new Promise<void>((resolve, reject) => {
      this.#queue.push({ message, resolve, reject })
      this.#pump()
    })
  }

  async *messages(): AsyncGenerator<Uint8Array, void, undefined> {
    if (this.#isReading) throw new RangeError("a channel has one reader")
    this.#isReading = true
    try {
      while (!this.#isClosing) {
        const message = this.#inbox.shift()
        if (message) {
          this.#peer?.wasRead(message.length)
          yield message
          continue
        }
        if (this.#error) break
        if (this.#hasRemoteEnded) return
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
      }
      if (this.#error) throw this.#error
    } finally {
      this.#isReading = false
    }
  }

  async beside(protocol: string, { signal }: { signal: AbortSignal }): Promise<MemoryChannel> {
    if (this.#isClosing || this.#hasRemoteEnded || this.#isClosed) throw this.#gone()
    const another = await this.#connectAgain(protocol, signal)
    if (this.#isClosed) another.break()
    else void this.closed.then(() => another.break())
    return another
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosing = true
    this.#discard()
    this.#finish()
    const timer = new AbortController()
    const late = this.#clock.sleep(CLOSE_MS, timer.signal).then(
      () => this.#settle(),
      () => undefined,
    )
    await Promise.race([this.closed, late])
    timer.abort()
  }

  abort(reason: Error): void {
    if (this.#isClosed) return
    this.#error ??= new NetError("NET_CLOSED", "the channel was aborted here", { cause: reason })
    this.#isClosing = true
    this.#discard()
    this.#wires[0].put("reset")
    this.#settle()
  }

  /** Closes without waiting for the peer: the host goes. @internal */
  async leave(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosing = true
    this.#discard()
    this.#finish()
    this.#settle()
  }

  /** The connection breaks, seen from both ends at once. @internal */
  break(): void {
    for (const wire of this.#wires) wire.break()
    this.#fall()
    if (this.#peer) this.#peer.#fall()
  }

  /** @internal */
  receive(parcel: Parcel): void {
    if (parcel === "reset") {
      this.#fall()
    } else if (parcel === "end") {
      this.#hasRemoteEnded = true
      this.#finish()
      this.#settle()
    } else if (this.#isClosing || this.#isClosed) {
      this.#peer?.wasRead(parcel.length)
    } else {
      this.#inbox.push(parcel)
    }
    this.#wake()
  }

  /** @internal */
  wasRead(bytes: number): void {
    this.#unreadBytes -= bytes
    this.#pump()
  }

  #pump(): void {
    while (this.#queue.length > 0 && !this.#hasEnded) {
      if (this.#unreadBytes >= WINDOW_BYTES && !this.#isClosing && !this.#hasRemoteEnded) return
      const head = this.#queue.shift()
      if (!head) return
      this.#queueBytes -= head.message.length
      this.#unreadBytes += head.message.length
      this.#wires[0].put(head.message.slice())
      head.resolve()
    }
  }

  /** Sends what is queued and says that there is no more. */
  #finish(): void {
    if (this.#hasEnded) return
    this.#pump()
    this.#hasEnded = true
    this.#wires[0].put("end")
  }

  #fall(): void {
    if (this.#isClosed) return
    if (!this.#isClosing && !this.#hasRemoteEnded) {
      this.#error ??= new NetError("NET_CLOSED", "the connection broke or the peer gave up")
    }
    this.#settle()
  }

  #discard(): void {
    for (const message of this.#inbox.splice(0)) this.#peer?.wasRead(message.length)
  }

  /** Nothing of the channel is left but what was received and not read. */
  #settle(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#hasEnded = true
    const gone = this.#gone()
    for (const sending of this.#queue.splice(0)) sending.reject(gone)
    this.#queueBytes = 0
    this.#setClosed()
    this.#wake()
  }

  #gone(): NetError {
    return this.#error ?? new NetError("NET_CLOSED", "the channel is closed")
  }
}
