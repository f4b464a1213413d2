/**
 * A WebSocket server on this machine alone, as the contestants over WebSockets have it.
 *
 * @module
 */
import { once } from "node:events"
import WebSocket from "isomorphic-ws"

export interface SocketServer extends AsyncDisposable {
  readonly sockets: WebSocket.WebSocketServer
  readonly port: number
}

export async function listenOnSockets(): Promise<SocketServer> {
  const sockets = new WebSocket.WebSocketServer({ host: "127.0.0.1", port: 0 })
  await once(sockets, "listening")
  const address = sockets.address()
  if (address === null || typeof address === "string") throw new Error("it has no port")
  return {
    sockets,
    port: address.port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets.clients) socket.terminate()
      const closed = once(sockets, "close")
      sockets.close()
      await closed
    },
  }
}

export function socketAddress(port: number): string {
  return `ws://127.0.0.1:${port}`
}
