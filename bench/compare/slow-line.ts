/**
 * A line with a delay: everything that passes it comes out so much later, in order, at full rate.
 * It stands before a server, to count round trips of programs that tell none.
 *
 * @module
 */
import { once } from "node:events"
import { connect, createServer, type Socket } from "node:net"
import { listenOnLoopback } from "./loopback.ts"

export interface SlowLine extends AsyncDisposable {
  readonly port: number
}

/** @param delayMs - One way. */
export async function openSlowLine(port: number, delayMs: number): Promise<SlowLine> {
  const open = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true }, (near) => {
    const far = connect({ port, host: "127.0.0.1", allowHalfOpen: true, noDelay: true })
    near.setNoDelay(true)
    carry(near, far, delayMs)
    carry(far, near, delayMs)
    for (const socket of [near, far]) {
      open.add(socket)
      socket.on("close", () => open.delete(socket))
    }
  })
  const listening = await listenOnLoopback(server)
  return {
    port: listening,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy()
      server.close()
      await once(server, "close")
    },
  }
}

function carry(from: Socket, to: Socket, delayMs: number): void {
  const later = (work: () => void) => setTimeout(() => !to.destroyed && work(), delayMs)
  from.on("data", (bytes) => later(() => to.write(bytes)))
  from.on("end", () => later(() => to.end()))
  from.on("error", () => later(() => to.destroy()))
  from.on("close", () => later(() => to.destroy()))
}
