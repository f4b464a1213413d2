/**
 * Hands a TCP socket to libp2p once it has greeted as whoever speaks libp2p does.
 *
 * A socket in libp2p's hands costs an upgrade, whatever comes: a millisecond, and many for long
 * noise, whose first bytes it takes for a message's length and reads on to the end of. A stranger
 * who says nothing, or nothing that makes sense, costs no more than the socket.
 *
 * Of many that greet at once a few are handed on at a time, since all upgrades that have begun make
 * each turn of the loop longer, and each takes several turns: from each address in turn, the newest
 * of it first. Whoever waited for long gives up soon, and nobody crowds out other addresses. An
 * upgrade that takes long waits for its peer, and no longer keeps the next one back.
 *
 * Source: multistream-select 1.0 (each message is its length as a varint, text and a newline; the
 * first is the protocol's own name).
 *
 * @module
 */
import type { Server, Socket } from "node:net"

const GREETING = Buffer.from("\x13/multistream/1.0.0\n")
/** Upgrades at a time, in their first {@link QUICK_MS}: at least 800 a second. */
const UPGRADES_MAX = 16
/** A handshake between two that are near takes less, as long as nobody keeps the loop busy. */
const QUICK_MS = 20

/** Makes what a server accepts wait for its first bytes. */
export class Greetings {
  readonly #accept: (socket: Socket) => void
  readonly #waiting = new Waiting()
  readonly #upgrading = new Map<Socket, NodeJS.Timeout>()

  /** @param begun - Gets each socket once libp2p has it. */
  constructor(server: Server, begun: (socket: Socket) => void) {
    const listeners = server.listeners("connection")
    this.#accept = (socket) => {
      for (const listener of listeners) Reflect.apply(listener, server, [socket])
      begun(socket)
    }
    server.removeAllListeners("connection")
    server.on("connection", (socket: Socket) => {
      awaitGreeting(socket, () => {
        this.#waiting.add(socket)
        // Of those that greet in one turn of the loop the newest comes first, too.
        setImmediate(() => this.#begin())
      })
    })
  }

  /** Its upgrade is done, or has failed. */
  over(socket: Socket): void {
    clearTimeout(this.#upgrading.get(socket))
    if (this.#upgrading.delete(socket)) this.#begin()
  }

  #begin(): void {
    while (this.#upgrading.size < UPGRADES_MAX) {
      const socket = this.#waiting.take()
      if (socket === undefined) return
      const late = setTimeout(() => this.over(socket), QUICK_MS)
      late.unref()
      this.#upgrading.set(socket, late)
      socket.once("close", () => this.over(socket))
      this.#accept(socket)
    }
  }
}

/** Sockets by the address that they come from; who closes waits no more. */
class Waiting {
  /** In the order in which they are asked. */
  readonly #addresses = new Map<string, Set<Socket>>()

  add(socket: Socket): void {
    if (socket.destroyed) return
    const address = networkOf(socket.remoteAddress ?? "")
    const beside = this.#addresses.get(address) ?? new Set()
    this.#addresses.set(address, beside.add(socket))
    socket.once("close", () => {
      // Its address may have been asked, and have others waiting, since.
      const left = this.#addresses.get(address)
      if (left?.delete(socket) && left.size === 0) this.#addresses.delete(address)
    })
  }

  /** Of the address that has waited for longest, the newest. */
  take(): Socket | undefined {
    for (const [address, sockets] of this.#addresses) {
      const newest = [...sockets].at(-1)
      this.#addresses.delete(address)
      if (newest !== undefined) sockets.delete(newest)
      if (sockets.size > 0) this.#addresses.set(address, sockets)
      if (newest !== undefined && !newest.destroyed) return newest
    }
    return undefined
  }
}

/**
 * Who shares one: of IPv6, whoever has an address mostly has 2^64 of them (RFC 6177), but not of a
 * link's own (RFC 4291) or of those that stand for IPv4 (RFC 6052).
 */
export function networkOf(address: string): string {
  if (!address.includes(":") || /^(::ffff:|fe[89ab].:|64:ff9b::)/.test(address)) return address
  const [head = "", tail] = address.replace(/%.*$/, "").split("::")
  const groups = (part: string): string[] => part.split(":").filter((group) => group !== "")
  const [left, right] = [groups(head), groups(tail ?? "")]
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => "0")
  return [...left, ...zeros, ...right].slice(0, 4).join(":")
}

function awaitGreeting(socket: Socket, greeted: () => void): void {
  let heard = Buffer.alloc(0)
  const look = (): void => {
    const bytes: Buffer | null = socket.read()
    // It ended.
    if (bytes === null) return
    heard = Buffer.concat([heard, bytes])
    const length = Math.min(heard.length, GREETING.length)
    if (heard.compare(GREETING, 0, length, 0, length) !== 0) {
      socket.destroy()
      return
    }
    if (length < GREETING.length) return
    socket.off("readable", look)
    socket.unshift(heard)
    greeted()
  }
  // It closes by itself.
  socket.on("error", () => undefined)
  socket.on("readable", look)
}
