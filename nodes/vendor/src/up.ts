/**
 * `fulcrum-vendor up`: keeps the books in step until it is told to end, and usually runs a relay
 * for its customers in the same process.
 *
 * @module
 */
import { systemRandom } from "@fulcrum/crypto/random"
import type { Vendor } from "@fulcrum/engine/vendor"
import { libp2pNetwork } from "@fulcrum/net/libp2p"
import { type Daemon, readHttpAddress, startDaemon } from "./daemon.ts"
import { removeDaemonFile, writeDaemonFile } from "./daemon-file.ts"
import { type Home, readPorts, writePorts } from "./home.ts"
import { keysOf, openBooks } from "./open-books.ts"
import { type OwnRelay, ownRelayId, startOwnRelay, withShortcut } from "./own-relay.ts"
import { ProgramError } from "./program-error.ts"

/** From the signal to the end, in milliseconds; what was acknowledged is flushed long before. */
const END_MS = 1800
const DEFAULT_HTTP = "127.0.0.1:0"
/** Addresses that one invitation carries. */
const RELAYS_MAX = 4

export interface UpOptions {
  readonly home: Home
  readonly relays: readonly string[]
  readonly noRelay: boolean
  readonly listen?: readonly string[] | undefined
  readonly http?: string | undefined
}

export interface RunningVendor {
  readonly addresses: readonly string[]
  readonly http: string
  close(): Promise<void>
}

/** Runs until SIGTERM or SIGINT. @param ready - Called once, with what to print. */
export async function up(
  options: UpOptions,
  ready: (running: RunningVendor) => void,
): Promise<void> {
  const ended = Promise.withResolvers<void>()
  const stop = (): void => ended.resolve()
  process.once("SIGTERM", stop)
  process.once("SIGINT", stop)
  const running = await startVendor(options)
  ready(running)
  await ended.promise
  // A peer or a disk that hangs must not keep the program: nothing of value is only in memory.
  setTimeout(() => process.exit(0), END_MS).unref()
  await running.close()
}

/** @throws {ProgramError} {VendorError} {StoreError} {VaultError} {NetError} */
export async function startVendor(options: UpOptions): Promise<RunningVendor> {
  const { home } = options
  await using closing = new AsyncDisposableStack()
  const http = readHttpAddress(options.http ?? DEFAULT_HTTP)
  const keys = await keysOf(home)
  const ports = await readPorts(home)
  let network = libp2pNetwork()
  let relay: OwnRelay | undefined
  if (!options.noRelay) {
    relay = await startOwnRelay({ home, keys, listen: options.listen, ports })
    closing.defer(relay.close)
    network = withShortcut(network, relay)
  }
  const vendor = await openBooks(home, keys, network)
  // At the same time as the relay, which it talks to: neither waits for the other to hang up.
  closing.defer(async () => {
    await Promise.all([vendor.close(), relay?.close()])
  })
  const own = relay?.addresses ?? []
  await vendor.setRelays(relaysOf(vendor, own, options.relays, ownRelayId(keys)))
  await vendor.start()
  const metrics = () => metricsOf(vendor, relay)
  const daemon = await startAt(options.http ?? DEFAULT_HTTP, ports, (port) =>
    startDaemon({
      vendor,
      random: systemRandom(),
      host: http.host,
      port: port ?? http.port,
      metrics,
    }),
  )
  closing.defer(daemon.close)
  await writePorts(home, ports)
  const { url, token } = daemon
  await writeDaemonFile(home, { pid: process.pid, url, token })
  closing.defer(() => removeDaemonFile(home))
  const running = closing.move()
  return { addresses: vendor.relays(), http: url, close: () => running.disposeAsync() }
}

/** Our own relay's addresses first; then those named now, or else before. */
function relaysOf(
  vendor: Vendor,
  own: readonly string[],
  named: readonly string[],
  ownId: string,
): readonly string[] {
  const isOwn = (address: string) => address.endsWith(`/p2p/${ownId}`)
  const announced = named.filter(isOwn)
  const others = (named.length > 0 ? named : vendor.relays()).filter((one) => !isOwn(one))
  const relays = [
    ...(own.length === 0 ? [] : [...announced, ...own]).slice(0, RELAYS_MAX - 1),
    ...others,
  ]
  if (relays.length === 0) {
    throw new ProgramError(
      "RELAY_ABSENT",
      "without a relay nobody can reach this vendor",
      "leave --no-relay out, or name one with --relay ADDR",
    )
  }
  return relays.slice(0, RELAYS_MAX)
}

/** At the port that was drawn before, unless somebody else has it now. */
async function startAt(
  asked: string,
  ports: Record<string, number>,
  start: (port: number | undefined) => Promise<Daemon>,
): Promise<Daemon> {
  if (!asked.endsWith(":0")) return start(undefined)
  const name = `http ${asked}`
  const daemon = await start(ports[name]).catch((error: unknown) => {
    if (!(error instanceof ProgramError) || ports[name] === undefined) throw error
    return start(undefined)
  })
  ports[name] = daemon.port
  return daemon
}

/** Counts only: nothing that names anybody. */
function metricsOf(vendor: Vendor, relay: OwnRelay | undefined): string {
  const { customers, queued, deadLetters, dropped } = vendor.status()
  const lines = [
    "# HELP fulcrum_vendor_customers Relationships.",
    "# TYPE fulcrum_vendor_customers gauge",
    `fulcrum_vendor_customers ${customers}`,
    "# HELP fulcrum_vendor_events_queued Events on their way to hooks.",
    "# TYPE fulcrum_vendor_events_queued gauge",
    `fulcrum_vendor_events_queued ${queued}`,
    "# HELP fulcrum_vendor_dead_letters Events that were given up.",
    "# TYPE fulcrum_vendor_dead_letters gauge",
    `fulcrum_vendor_dead_letters ${deadLetters}`,
    "# HELP fulcrum_vendor_messages_dropped_total Messages at the front door that came to nothing.",
    "# TYPE fulcrum_vendor_messages_dropped_total counter",
    ...Object.entries(dropped).map(
      ([reason, count]) => `fulcrum_vendor_messages_dropped_total{reason="${reason}"} ${count}`,
    ),
  ]
  return `${lines.join("\n")}\n${relay?.metrics() ?? ""}`
}
