/**
 * Listening on this machine alone.
 *
 * @module
 */
import { once } from "node:events"
import type { Server } from "node:net"

/** @returns The port, a free one. */
export async function listenOnLoopback(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  if (address === null || typeof address === "string") throw new TypeError("no port")
  return address.port
}
