/**
 * What a stranger may cost a libp2p host, and the guards that libp2p itself lacks.
 *
 * Read in the sources of libp2p 3.3, yamux 8.0 and websockets 10.1, and each closed here: yamux
 * collects a data frame of any announced length, up to 4 GiB; answers to its pings queue without
 * end for a peer that does not read; its buffers keep one object for each crumb that arrives. A
 * WebSocket message may have 100 MiB; a TCP connection that never speaks HTTP is held for ever;
 * an aborted WebSocket stays open. The last three are met by watching the sockets themselves.
 *
 * @module
 */

import { Server, type Socket } from "node:net"
import { yamux } from "@chainsafe/libp2p-yamux"
import type { Listener, MessageStream, MultiaddrConnection } from "@libp2p/interface"
import { Uint8ArrayList } from "uint8arraylist"
import { Greetings } from "./libp2p-greeting.ts"
import { ReadingTurns } from "./libp2p-turns.ts"

/** From the first byte to a connection that is encrypted and split into streams. */
export const UPGRADE_MS = 2_000
/** Time to say which protocol a stream is for. */
export const NEGOTIATION_MS = 2_000
/** A connection on which no stream was opened for so long is closed. */
export const UNUSED_MS = 5_000
export const STREAMS_MAX = 32
/** Connections that are not upgraded yet. Generous: they cost little and last two seconds. */
export const PENDING_MAX = 1_024
/** New connections a second from one address. Generous: hundreds may share one behind a NAT. */
export const ARRIVALS_PER_SECOND_MAX = 1_000
/** What one stream may have on its way to us: 20 MB/s at 50 ms. */
export const WINDOW_BYTES_MAX: number = 1024 * 1024
/** Of one stream and, for what only answers, of one connection. */
export const WRITE_BUFFER_BYTES_MAX: number = 4 * 1024 * 1024
/** A WebSocket message holds one Noise frame, at most 64 KiB. */
const WEB_SOCKET_MESSAGE_BYTES_MAX = 256 * 1024
const CRUMBS_MAX = 1_024

type Muxers = ReturnType<ReturnType<typeof yamux>>

/** Yamux with its limits set, each connection's frames looked at before yamux sees them. */
export function guardedYamux(): () => Muxers {
  const make = yamux({
    maxInboundStreams: STREAMS_MAX,
    maxOutboundStreams: STREAMS_MAX,
    streamOptions: {
      maxStreamWindowSize: WINDOW_BYTES_MAX,
      maxWriteBufferLength: WRITE_BUFFER_BYTES_MAX,
    },
  })
  return () => {
    const factory = make()
    const create = factory.createStreamMuxer.bind(factory)
    factory.createStreamMuxer = (stream: MessageStream) => {
      stream.maxWriteBufferLength = WRITE_BUFFER_BYTES_MAX
      const guard = new FrameGuard(WINDOW_BYTES_MAX)
      stream.addEventListener("message", ({ data }) => {
        const chunks = data instanceof Uint8Array ? [data] : data
        for (const chunk of chunks) {
          if (!guard.accepts(chunk)) return stream.abort(new Error("a yamux frame is too long"))
        }
      })
      const muxer = create(stream)
      stream.addEventListener("message", () => {
        joinCrumbs(Reflect.get(muxer, "decoder"), "buffer")
        for (const each of muxer.streams)
          if (each.readBufferLength > 0) joinCrumbs(each, "readBuffer")
      })
      return muxer
    }
    return factory
  }
}

/** Yamux's `StreamState.Established`: nothing but room is to be told. */
const ESTABLISHED = 3

/**
 * Grants room by halves of the window. Yamux does so for each frame that arrives: one more message to
 * be sealed, sent and opened for every 64 KiB.
 *
 * Source: the yamux specification (window updates); RFC 9293, section 3.8.6.2.2, does likewise.
 */
export function grantByHalves(stream: MessageStream): void {
  const grant: unknown = Reflect.get(stream, "sendWindowUpdate")
  if (typeof grant !== "function") throw new TypeError("yamux has no sendWindowUpdate any more")
  Reflect.set(stream, "sendWindowUpdate", () => {
    const window: unknown = Reflect.get(stream, "recvWindow")
    const left: unknown = Reflect.get(stream, "recvWindowCapacity")
    if (typeof window !== "number" || typeof left !== "number") {
      throw new TypeError("yamux has no windows any more")
    }
    if (Reflect.get(stream, "state") === ESTABLISHED && left > window / 2) return
    Reflect.apply(grant, stream, [])
  })
}

/** Follows yamux's frames: a header of 12 bytes (type at 1, length at 8), data after type 0. */
export class FrameGuard {
  readonly #bytesMax: number
  readonly #header = new Uint8Array(12)
  #filled = 0
  #skip = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** False once a data frame announces more than a window can hold. */
  accepts(chunk: Uint8Array): boolean {
    let at = 0
    while (at < chunk.length) {
      const skipped = Math.min(this.#skip, chunk.length - at)
      this.#skip -= skipped
      at += skipped
      const part = chunk.subarray(at, at + this.#header.length - this.#filled)
      if (part.length === 0 || this.#skip > 0) continue
      this.#header.set(part, this.#filled)
      this.#filled += part.length
      at += part.length
      if (this.#filled < this.#header.length) continue
      this.#filled = 0
      if (this.#header[1] !== 0) continue
      this.#skip = new DataView(this.#header.buffer).getUint32(8)
      if (this.#skip > this.#bytesMax) return false
    }
    return true
  }
}

/** Makes a list of very many small pieces one piece. */
function joinCrumbs(holder: unknown, field: string): void {
  const list: unknown =
    typeof holder === "object" && holder ? Reflect.get(holder, field) : undefined
  if (!(list instanceof Uint8ArrayList)) throw new TypeError(`yamux has no ${field} any more`)
  let count = 0
  for (const _ of list) count++
  if (count <= CRUMBS_MAX) return
  const joined = list.slice()
  list.consume(list.byteLength)
  list.append(joined)
}

/** The sockets that a listener accepted, each closed when its time is up or its use is over. */
export class SocketWatch {
  readonly #server: Server
  readonly #pending = new Map<Socket, NodeJS.Timeout>()
  readonly #open = new Set<Socket>()
  readonly #turns = new ReadingTurns()
  readonly #greetings: Greetings | undefined

  /**
   * @param options.connectionsMax - Connections of this listener, beside `PENDING_MAX` pending ones.
   * @param options.isGreeted - What comes begins with libp2p's own greeting: no WebSocket does.
   */
  constructor(
    listener: Listener,
    { connectionsMax, isGreeted }: { connectionsMax: number; isGreeted: boolean },
  ) {
    const server: unknown = Reflect.get(listener, "server")
    if (!(server instanceof Server)) throw new TypeError("the listener has no server any more")
    this.#server = server
    server.maxConnections = connectionsMax + PENDING_MAX
    this.#greetings = isGreeted
      ? new Greetings(server, (socket) => this.#turns.add(socket))
      : undefined
    server.on("connection", (socket) => this.#add(socket))
    limitWebSocket(listener)
  }

  /** Notes that the socket below this connection did its upgrade in time. */
  keep(connection: MultiaddrConnection): void {
    for (const socket of this.#find(connection)) {
      clearTimeout(this.#pending.get(socket))
      this.#pending.delete(socket)
      if (this.#greetings) this.#greetings.over(socket)
      else this.#turns.add(socket)
    }
  }

  /** Ends the socket below this connection. */
  end(connection: MultiaddrConnection): void {
    for (const socket of this.#find(connection)) socket.destroy()
  }

  close(): void {
    this.#server.close()
    for (const socket of this.#open) socket.destroy()
  }

  #add(socket: Socket): void {
    this.#open.add(socket)
    const timer = setTimeout(() => socket.destroy(), UPGRADE_MS)
    timer.unref()
    this.#pending.set(socket, timer)
    socket.once("close", () => {
      clearTimeout(timer)
      this.#pending.delete(socket)
      this.#open.delete(socket)
    })
  }

  #find(connection: MultiaddrConnection): readonly Socket[] {
    const [host, tcp] = connection.remoteAddr.getComponents()
    return [...this.#open].filter(
      (socket) =>
        String(socket.remotePort) === tcp?.value &&
        socket.remoteAddress?.replace(/^::ffff:|%.*$/g, "") === host?.value,
    )
  }
}

function limitWebSocket(listener: Listener): void {
  const server: unknown = Reflect.get(listener, "wsServer")
  if (server === undefined) return
  const options: unknown = typeof server === "object" && server ? Reflect.get(server, "options") : 0
  if (typeof options !== "object" || !options) throw new TypeError("ws has no options any more")
  Reflect.set(options, "maxPayload", WEB_SOCKET_MESSAGE_BYTES_MAX)
}
