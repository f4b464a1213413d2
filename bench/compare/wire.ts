/**
 * What goes over this process's own connections: bytes of every TCP socket that it opened, whatever
 * library opened it.
 *
 * @module
 */
import { subscribe } from "node:diagnostics_channel"
import { Socket } from "node:net"

export interface WireBytes {
  readonly in: number
  readonly out: number
}

const sockets = new Set<Socket>()

/** From now on sockets are noted. Once a process. */
export function countWire(): void {
  subscribe("net.client.socket", (message) => {
    const socket: unknown = Reflect.get(Object(message), "socket")
    if (socket instanceof Socket) sockets.add(socket)
  })
}

/** All until now, since the last time that it was asked. */
export function takeWireBytes(): WireBytes {
  let [read, written] = [0, 0]
  for (const socket of sockets) {
    read += socket.bytesRead
    written += socket.bytesWritten
  }
  sockets.clear()
  return { in: read, out: written }
}
