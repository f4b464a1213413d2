/**
 * A channel on one libp2p stream.
 *
 * Four things libp2p leaves to its caller are done here. A stream is bytes: messages are framed
 * (see `frame.ts`). `onDrain()` holds only the first time, so back-pressure is taken from the
 * `drain` and `close` events. A stream that is paused while it resumes (it hands out what it held
 * then) grants its peer more and more all the same, and aborts once its buffer is full: it is paused
 * afterwards. A connection that breaks looks like a clean end, so an end counts as
 * clean only if the peer closed its writing side first.
 *
 * @module
 */

import { concatBytes } from "@fulcrum/codec/bytes"
import type { Connection, Stream } from "@libp2p/interface"
import {
  type Channel,
  MESSAGE_BYTES_MAX,
  NetError,
  SEND_QUEUE_BYTES_MAX,
  type SendOptions,
} from "./contract.ts"
import { FRAME_HEADER_BYTES, FrameReader, frameHeader } from "./frame.ts"
import type { Holding } from "./libp2p-held.ts"
import { grantByHalves } from "./libp2p-limits.ts"

/** What one write gathers: fills one Noise frame, less yamux's header of 12 bytes. */
const WRITE_BYTES = 65_507
/** Above this the peer is asked to stop; it may send one more window. */
const READ_AHEAD_BYTES_MAX = 1024 * 1024
/** How long a close waits for what is still to be sent and for the peer's answer. */
const CLOSE_MS = 3_000
/** How long the side that listened waits for the dialer to close their connection. */
const LINGER_MS = 1_000

interface Sending {
  readonly message: Uint8Array
  /** Bytes of header and message that were copied. */
  copied: number
  readonly resolve: () => void
  readonly reject: (error: NetError) => void
}

export interface StreamChannelInit {
  readonly stream: Stream
  readonly connection: Connection
  readonly localId: string
  readonly remoteId: string
  readonly remotePublicKey: Uint8Array
  readonly outbound: boolean
  /** Whether it shares its connection with the channel that was dialed. */
  readonly isBeside: boolean
  /** Makes a channel of another stream of the connection, opened here. */
  readonly openBeside: (stream: Stream) => Channel
}

export class StreamChannel implements Channel, Holding {
  readonly localId: string
  readonly remoteId: string
  readonly remotePublicKey: Uint8Array
  readonly outbound: boolean
  readonly closed: Promise<void>

  readonly #stream: Stream
  readonly #connection: Connection
  readonly #isBeside: boolean
  readonly #openBeside: (stream: Stream) => Channel
  readonly #setClosed: () => void
  readonly #streamClosed: Promise<void>
  readonly #setStreamClosed: () => void

  readonly #reader = new FrameReader(MESSAGE_BYTES_MAX)
  #isReading = false
  #isPaused = false
  #isResuming = false
  #wake: () => void = nothing

  #queue: Sending[] = []
  #queueBytes = 0
  #batch: Uint8Array[] = []
  #batchBytes = 0
  /** Something was written out in this turn of the event loop: the rest of it goes out together. */
  #isGathering = false
  #onDrained: () => void = nothing

  #progressMs = performance.now()

  #error: NetError | undefined
  #isClosing = false
  #hasRemoteEnded = false
  #hasStreamEnded = false
  #closing: Promise<void> | undefined

  constructor(init: StreamChannelInit) {
    this.localId = init.localId
    this.remoteId = init.remoteId
    this.remotePublicKey = init.remotePublicKey
    this.outbound = init.outbound
    this.#stream = init.stream
    this.#connection = init.connection
    this.#isBeside = init.isBeside
    this.#openBeside = init.openBeside
    const closed = Promise.withResolvers<void>()
    this.closed = closed.promise
    this.#setClosed = closed.resolve
    const streamClosed = Promise.withResolvers<void>()
    this.#streamClosed = streamClosed.promise
    this.#setStreamClosed = streamClosed.resolve

    const { stream } = init
    grantByHalves(stream)
    stream.addEventListener("remoteCloseWrite", () => this.#onRemoteEnd())
    stream.addEventListener("drain", () => this.#pump())
    stream.addEventListener("end", () => this.#wake())
    stream.addEventListener("close", (event) => this.#onStreamClose(event.error))
    stream.addEventListener("message", ({ data }) => {
      if (data instanceof Uint8Array) this.#onData([data])
      else this.#onData(data)
    })
    // What happened while the protocol was agreed on raises no event here.
    if (stream.status !== "open") this.#onStreamClose(undefined)
    else if (stream.remoteWriteStatus === "closed") this.#onRemoteEnd()
  }

  get heldBytes(): number {
    if (this.#hasStreamEnded) return 0
    const { readBufferLength, writeBufferLength } = this.#stream
    return (
      this.#reader.bytes +
      readBufferLength +
      this.#queueBytes +
      this.#batchBytes +
      writeBufferLength
    )
  }

  get progressMs(): number {
    return this.#progressMs
  }

  async send(message: Uint8Array, { mayWait = false }: SendOptions = {}): Promise<void> {
    if (message.length > MESSAGE_BYTES_MAX) {
      throw new NetError(
        "NET_MESSAGE_TOO_LARGE",
        `a message has at most ${MESSAGE_BYTES_MAX} bytes`,
      )
    }
    if (this.#isClosing || this.#hasRemoteEnded || this.#hasStreamEnded) throw this.#gone()
    if (this.#queueBytes + message.length > SEND_QUEUE_BYTES_MAX) {
      throw new RangeError("too much was sent without waiting for it")
    }
    this.#queueBytes += message.length
    await new Promise<void>((resolve, reject) => {
      this.#queue.push({ message, copied: 0, resolve, reject })
      this.#pump(mayWait)
    })
  }

  async *messages(): AsyncGenerator<Uint8Array, void, undefined> {
    if (this.#isReading) throw new RangeError("a channel has one reader")
    this.#isReading = true
    try {
      while (!this.#isClosing) {
        const message = this.#nextMessage()
        if (message) {
          this.#progressMs = performance.now()
          yield message
          continue
        }
        if (this.#error) throw this.#error
        if (this.#hasRemoteEnded && this.#stream.readBufferLength === 0) {
          if (this.#reader.bytes === 0) return
          throw new NetError("NET_CLOSED", "the peer closed in the middle of a message")
        }
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
      }
      if (this.#error) throw this.#error
    } finally {
      this.#isReading = false
    }
  }

  async beside(protocol: string, { signal }: { signal: AbortSignal }): Promise<Channel> {
    if (this.#connection.status !== "open" || this.#isClosing) throw this.#gone()
    try {
      return this.#openBeside(await this.#connection.newStream(protocol, { signal }))
    } catch (cause) {
      if (this.#connection.status !== "open") throw this.#gone()
      if (signal.aborted) throw new NetError("NET_TIMEOUT", "the peer took too long", { cause })
      throw new NetError("NET_REFUSED", "the peer does not speak this protocol with us", { cause })
    }
  }

  close(): Promise<void> {
    this.#isClosing = true
    this.#wake()
    this.#resume()
    this.#closing ??= this.#finish()
    return this.#closing
  }

  abort(reason: Error): void {
    this.#fail(new NetError("NET_CLOSED", "the channel was aborted here", { cause: reason }))
  }

  // ── reading ──

  #onData(chunks: Iterable<Uint8Array>): void {
    if (this.#isClosing) return
    for (const chunk of chunks) this.#reader.push(chunk)
    const bytes = this.#reader.bytes
    // A message that is not whole yet must be let in; one that never can be ends the channel.
    const wanted = this.#reader.wanted
    if (wanted > MESSAGE_BYTES_MAX + FRAME_HEADER_BYTES) this.#wake()
    else this.#pauseIfAhead()
    if (bytes >= wanted) this.#wake()
  }

  #pauseIfAhead(): void {
    const { bytes, wanted } = this.#reader
    if (!this.#isClosing && bytes >= READ_AHEAD_BYTES_MAX && bytes >= wanted) this.#pause()
  }

  #nextMessage(): Uint8Array | undefined {
    try {
      let message = this.#reader.next()
      if (message === undefined && this.#isPaused) {
        this.#resume()
        message = this.#reader.next()
      }
      if (this.#reader.bytes < READ_AHEAD_BYTES_MAX / 2) this.#resume()
      return message
    } catch (error) {
      if (!(error instanceof NetError)) throw error
      this.#fail(error)
      return undefined
    }
  }

  #pause(): void {
    // Paused while it hands out what it held, a stream would tell its peer afterwards to go on.
    if (this.#isResuming || this.#isPaused || this.#stream.readStatus !== "readable") return
    this.#isPaused = true
    this.#stream.pause()
  }

  #resume(): void {
    if (!this.#isPaused) return
    this.#isPaused = false
    if (this.#stream.readStatus !== "paused") return
    this.#isResuming = true
    try {
      this.#stream.resume()
    } catch (error) {
      // A stream that has closed gives out what it held and then fails to tell its peer.
      if (this.#stream.status === "open") throw error
    } finally {
      this.#isResuming = false
    }
    this.#pauseIfAhead()
  }

  // ── writing ──

  /** @param mayWait - What was queued last goes out at the end of this turn. */
  #pump(mayWait = false): void {
    while (!this.#stream.writableNeedsDrain && !this.#hasStreamEnded) {
      const head = this.#queue[0]
      if (!head) break
      const total = FRAME_HEADER_BYTES + head.message.length
      if (head.copied === 0) this.#add(head, frameHeader(head.message.length))
      const from = head.copied - FRAME_HEADER_BYTES
      this.#add(head, head.message.slice(from, from + WRITE_BYTES - this.#batchBytes))
      if (this.#batchBytes >= WRITE_BYTES) this.#flush()
      if (head.copied < total) continue
      this.#queue.shift()
      this.#queueBytes -= head.message.length
      this.#progressMs = performance.now()
      head.resolve()
    }
    if (this.#batchBytes > 0 && !this.#isGathering) {
      this.#isGathering = true
      setImmediate(() => {
        this.#isGathering = false
        this.#flush()
      })
      if (!mayWait) this.#flush()
    }
    if (this.#queue.length === 0 && this.#batchBytes === 0) this.#onDrained()
  }

  #add(head: Sending, bytes: Uint8Array): void {
    head.copied += bytes.length
    this.#batch.push(bytes)
    this.#batchBytes += bytes.length
  }

  #flush(): void {
    if (this.#batchBytes === 0 || this.#hasStreamEnded) return
    const [first, ...others] = this.#batch
    const bytes = first && others.length === 0 ? first : concatBytes(this.#batch)
    this.#batch = []
    this.#batchBytes = 0
    try {
      this.#stream.send(bytes)
    } catch (error) {
      this.#fail(new NetError("NET_CLOSED", "the channel broke", { cause: error }))
    }
    if (this.#queue.length === 0) this.#onDrained()
  }

  // ── ending ──

  #onRemoteEnd(): void {
    if (this.#hasRemoteEnded) return
    this.#hasRemoteEnded = true
    this.#wake()
    this.#closing ??= this.#finish()
  }

  #onStreamClose(cause: unknown): void {
    if (this.#hasStreamEnded) return
    this.#hasStreamEnded = true
    if (!this.#hasRemoteEnded && !this.#isClosing) {
      this.#error ??= new NetError("NET_CLOSED", "the connection broke or the peer gave up", {
        cause,
      })
    }
    const gone = this.#gone()
    for (const sending of this.#queue.splice(0)) sending.reject(gone)
    this.#queueBytes = 0
    this.#batch = []
    this.#batchBytes = 0
    this.#onDrained()
    this.#setStreamClosed()
    this.#wake()
    this.#closing ??= this.#finish()
  }

  #fail(error: NetError): void {
    this.#error ??= error
    this.#isClosing = true
    this.#stream.abort(error)
    this.#onStreamClose(error)
  }

  /** Writes out what is queued, closes our side, waits for the peer's, then for the connection. */
  async #finish(): Promise<void> {
    const signal = AbortSignal.timeout(CLOSE_MS)
    const late = new Promise<void>((resolve) => {
      signal.addEventListener("abort", () => resolve(), { once: true })
    })
    if (!this.#hasStreamEnded) {
      const drained = new Promise<void>((resolve) => {
        this.#onDrained = resolve
        this.#pump()
      })
      await Promise.race([drained, late])
    }
    if (!this.#hasStreamEnded && !signal.aborted) {
      await this.#stream.close({ signal }).then(nothing, (error: Error) => {
        if (!this.#hasStreamEnded) this.#stream.abort(error)
      })
      await Promise.race([this.#streamClosed, late])
    }
    if (!this.#hasStreamEnded) this.#stream.abort(new Error("not closed in time"))
    if (this.outbound && !this.#isBeside) await this.#closeConnection()
    else lingerThenAbort(this.#connection)
    this.#setClosed()
  }

  async #closeConnection(): Promise<void> {
    if (this.#connection.status !== "open") return
    if (this.#error) return this.#connection.abort(this.#error)
    await this.#connection
      .close({ signal: AbortSignal.timeout(LINGER_MS) })
      .catch((error: Error) => this.#connection.abort(error))
  }

  #gone(): NetError {
    return this.#error ?? new NetError("NET_CLOSED", "the channel is closed")
  }
}

/** Leaves the dialer time to close its connection, and then takes it away if it is not in use. */
export function lingerThenAbort(connection: Connection): void {
  if (connection.status !== "open") return
  const timer = setTimeout(() => {
    if (connection.status === "open" && connection.streams.length === 0) {
      connection.abort(new Error("nothing uses this connection"))
    }
  }, LINGER_MS)
  timer.unref()
}

function nothing(): void {}
