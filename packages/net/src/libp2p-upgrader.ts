/**
 * Watches raw connections become libp2p connections, or fail to.
 *
 * Transports forget a raw connection whose upgrade fails, and an aborted WebSocket stays open
 * (libp2p closes it with a code that the standard refuses), so whoever dials or listens is told.
 *
 * @module
 */

import type {
  Connection,
  InboundConnectionUpgradeEvents,
  MultiaddrConnection,
  OutboundConnectionUpgradeEvents,
  Transport,
  Upgrader,
  UpgraderOptions,
} from "@libp2p/interface"
import { addressParts } from "./address.ts"
import { UPGRADE_MS } from "./libp2p-limits.ts"

export interface UpgradeWatch {
  /** A raw connection is there. */
  readonly begun: (raw: MultiaddrConnection) => void
  readonly done: (raw: MultiaddrConnection) => void
  /** It failed, or it was in use and closed. */
  readonly over: (raw: MultiaddrConnection) => void
}

export class WatchedUpgrader implements Upgrader {
  readonly #inner: Upgrader
  readonly #watch: UpgradeWatch

  constructor(inner: Upgrader, watch: UpgradeWatch) {
    this.#inner = inner
    this.#watch = watch
  }

  upgradeOutbound(
    raw: MultiaddrConnection,
    options: UpgraderOptions<OutboundConnectionUpgradeEvents>,
  ): Promise<Connection> {
    const signal = AbortSignal.any([options.signal, AbortSignal.timeout(UPGRADE_MS)])
    return this.#follow(raw, this.#inner.upgradeOutbound(raw, { ...options, signal }))
  }

  upgradeInbound(
    raw: MultiaddrConnection,
    options: UpgraderOptions<InboundConnectionUpgradeEvents>,
  ): Promise<void> {
    return this.#follow(raw, this.#inner.upgradeInbound(raw, options))
  }

  createInboundAbortSignal(signal: AbortSignal): ReturnType<Upgrader["createInboundAbortSignal"]> {
    return this.#inner.createInboundAbortSignal(signal)
  }

  getStreamMuxers(): ReturnType<Upgrader["getStreamMuxers"]> {
    return this.#inner.getStreamMuxers()
  }

  getConnectionEncrypters(): ReturnType<Upgrader["getConnectionEncrypters"]> {
    return this.#inner.getConnectionEncrypters()
  }

  async #follow<T>(raw: MultiaddrConnection, upgrade: Promise<T>): Promise<T> {
    raw.addEventListener("close", () => this.#watch.over(raw))
    this.#watch.begun(raw)
    try {
      const upgraded = await upgrade
      this.#watch.done(raw)
      return upgraded
    } catch (error) {
      raw.abort(error instanceof Error ? error : new Error("the upgrade failed"))
      this.#watch.over(raw)
      throw error
    }
  }
}

/** Closes the WebSocket below a raw connection, if there is one. */
export function closeWebSocket(raw: MultiaddrConnection): void {
  const socket: unknown = Reflect.get(raw, "websocket")
  if (socket instanceof WebSocket) socket.close()
}

/** Gives a WebSocket transport a way to connect that closes what it gave up. */
export function mendWebSocketDial(transport: Transport): void {
  if (typeof Reflect.get(transport, "_connect") !== "function") {
    throw new TypeError("the WebSocket transport has no _connect any more")
  }
  Reflect.set(transport, "_connect", connectWebSocket)
}

function connectWebSocket(
  address: { toString(): string },
  { signal }: { signal: AbortSignal },
): Promise<WebSocket> {
  const { transport, host, port } = addressParts(address.toString())
  const socket = new WebSocket(`${transport}://${host.includes(":") ? `[${host}]` : host}:${port}/`)
  socket.binaryType = "arraybuffer"
  return new Promise((resolve, reject) => {
    const giveUp = (): void => {
      socket.close()
      reject(signal.reason)
    }
    const settle = (act: () => void) => (): void => {
      signal.removeEventListener("abort", giveUp)
      act()
    }
    signal.addEventListener("abort", giveUp, { once: true })
    socket.addEventListener(
      "open",
      settle(() => resolve(socket)),
      { once: true },
    )
    socket.addEventListener(
      "error",
      settle(() => reject(new Error("no WebSocket there"))),
      {
        once: true,
      },
    )
  })
}
