/**
 * A relay's server: serves channels, each by itself, on one set of mailboxes.
 *
 * Accepts no more than `connectionsMax`, and sweeps in the background. It logs nothing; a fault of
 * its own ends the one connection on which it showed and is handed to `onFault`.
 *
 * @module
 */
import type { Clock } from "@fulcrum/crypto/clock"
import type { Random } from "@fulcrum/crypto/random"
import { serveConnection } from "./connection.ts"
import type { RelayLimits } from "./limits.ts"
import type { Mailboxes } from "./mailboxes.ts"
import { createMeetings } from "./meetings.ts"
import type { RelayMetrics } from "./metrics.ts"
import { encodeFromRelay, type RelayChannel } from "./protocol.ts"

export interface RelayServerOptions {
  readonly mailboxes: Mailboxes
  readonly clock: Clock
  readonly random: Random
  readonly limits: RelayLimits
  readonly metrics: RelayMetrics
  /** Told of faults of the relay itself; holds nothing that names anybody. */
  onFault?(error: unknown): void
}

export interface RelayServer extends AsyncDisposable {
  /** Serves one channel and owns it; resolves when it has ended. Never rejects. */
  serve(channel: RelayChannel): Promise<void>
  /** Ends all connections and the sweeping; what was acknowledged is flushed already. */
  close(): Promise<void>
}

export function createRelayServer(options: RelayServerOptions): RelayServer {
  const { limits, metrics, clock } = options
  const meetings = createMeetings(options)
  const stop = new AbortController()
  const serving = new Map<RelayChannel, Promise<void>>()
  const sweeping = sweepForever()

  async function sweepForever(): Promise<void> {
    while (!stop.signal.aborted) {
      try {
        await clock.sleep(limits.sweepSeconds * 1000, stop.signal)
        await options.mailboxes.sweep(stop.signal)
      } catch (error) {
        // A disk that fails now may work at the next sweep; what is due stays due.
        if (!stop.signal.aborted) fault(error)
      }
    }
  }

  function fault(error: unknown): void {
    metrics.count("faults_total")
    options.onFault?.(error)
  }

  async function serve(channel: RelayChannel): Promise<void> {
    try {
      await serveConnection({ ...options, meetings, channel, stop: stop.signal })
    } catch (error) {
      fault(error)
      channel.abort(new Error("the relay failed"))
    } finally {
      serving.delete(channel)
      metrics.gauge("connections", serving.size)
    }
  }

  /** Says why, once, and hangs up. */
  async function refuse(channel: RelayChannel): Promise<void> {
    metrics.count("connections_refused_total")
    const value = { id: 0, code: "RELAY_FULL", retryAfterSeconds: 60 }
    try {
      await channel.send(encodeFromRelay({ kind: "error", value }))
      await channel.close()
    } catch {
      channel.abort(new Error("the relay has as many connections as it may"))
    }
  }

  async function close(): Promise<void> {
    stop.abort(new Error("the relay is closing"))
    await Promise.all([sweeping, ...serving.values()])
  }

  return {
    serve(channel) {
      if (stop.signal.aborted || serving.size >= limits.connectionsMax) return refuse(channel)
      metrics.count("connections_total")
      const served = serve(channel)
      serving.set(channel, served)
      metrics.gauge("connections", serving.size)
      return served
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}
