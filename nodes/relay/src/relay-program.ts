/**
 * A relay as a program: its folder, its store, its host and its status page, put together.
 *
 * @module
 */
import { join } from "node:path"
import { systemClock } from "@fulcrum/crypto/clock"
import { signingKeyFromSeed } from "@fulcrum/crypto/ed25519"
import { systemRandom } from "@fulcrum/crypto/random"
import { NetError } from "@fulcrum/net"
import { libp2pNetwork } from "@fulcrum/net/libp2p"
import { RELAY_LIMITS, type RelayLimits } from "@fulcrum/relay/limits"
import { openMailboxes } from "@fulcrum/relay/mailboxes"
import { createMetrics } from "@fulcrum/relay/metrics"
import { RELAY_PROTOCOL } from "@fulcrum/relay/protocol"
import { createRelayServer } from "@fulcrum/relay/server"
import { openLevelStore } from "@fulcrum/store/level"
import { openVault, type Vault } from "@fulcrum/store/vault"
import { ProgramError } from "./program-error.ts"
import { loadConfig, loadKeys, makeHome, type RelayConfig, saveConfig } from "./relay-home.ts"
import { readHttpAddress, type StatusServer, serveStatus } from "./status-server.ts"

/** How long one look at the disk counts for `/health`, in milliseconds. */
const HEALTH_MS = 5_000

const DEFAULT_LISTEN = "/ip4/0.0.0.0/tcp/0"
const DEFAULT_HTTP = "127.0.0.1:0"

export interface RelayProgramOptions {
  readonly home: string
  readonly listen?: readonly string[]
  /** `HOST:PORT` of the status page. */
  readonly http?: string
  /** Bytes that one mailbox may hold. */
  readonly quotaBytes?: number
  readonly retainDays?: number
  /** Told of a fault of the relay that ended one connection, and one only. */
  onFault(error: unknown): void
}

export interface RunningRelay {
  readonly addresses: readonly string[]
  /** Where the status page is. */
  readonly http: string
  close(): Promise<void>
}

/**
 * Starts a relay.
 *
 * @throws {ProgramError} `HOME_UNUSABLE`, `KEY_…`, `CONFIG_MALFORMED`, `HTTP_…`.
 * @throws {StoreError} {VaultError} {NetError}
 */
export async function startRelay(options: RelayProgramOptions): Promise<RunningRelay> {
  const { home } = options
  await using closing = new AsyncDisposableStack()
  const random = systemRandom()
  const clock = systemClock()
  const http = readHttpAddress(options.http ?? DEFAULT_HTTP)
  await makeHome(home)
  const keys = await loadKeys(home, random)
  const config = await loadConfig(home)
  const limits = limitsOf(config, options)
  const store = await openLevelStore({ folder: join(home, "store") })
  const vault = await openVault({ store, key: keys.vault, random }).catch(async (error) => {
    await store.close()
    throw error
  })
  closing.use(vault)

  const metrics = createMetrics()
  const key = signingKeyFromSeed(keys.transport)
  const mailboxes = await openMailboxes({ vault, clock, random, key, limits, metrics })
  const server = createRelayServer({
    mailboxes,
    clock,
    random,
    limits,
    metrics,
    onFault: options.onFault,
  })
  const host = await libp2pNetwork({ connectionsMax: limits.connectionsMax }).host({
    key: keys.transport,
  })
  closing.defer(async () => {
    await Promise.all([server.close(), host.close()])
  })
  host.handle(RELAY_PROTOCOL, (channel) => void server.serve(channel))

  const ports: Record<string, number> = { ...config.ports }
  const addresses: string[] = []
  for (const asked of options.listen ?? [DEFAULT_LISTEN]) {
    addresses.push(...(await listenAt(host, asked, ports)))
  }
  const status = await serveStatusAt(options.http ?? DEFAULT_HTTP, http, ports, {
    isHealthy: healthOf(vault, clock.now),
    metrics: () => metrics.render(),
  })
  closing.defer(() => status.close())
  await saveConfig(home, { ports, limits: config.limits })

  const running = closing.move()
  return { addresses, http: status.url, close: () => running.disposeAsync() }
}

function limitsOf(config: RelayConfig, options: RelayProgramOptions): RelayLimits {
  const { quotaBytes, retainDays } = options
  return {
    ...RELAY_LIMITS,
    ...config.limits,
    ...(quotaBytes !== undefined && { mailboxBytesMax: quotaBytes }),
    ...(retainDays !== undefined && { retainDays }),
  }
}

/** Listens, with the port that was drawn for this address before; notes a port drawn now. */
async function listenAt(
  host: { listen(addresses: readonly string[]): Promise<readonly string[]> },
  asked: string,
  ports: Record<string, number>,
): Promise<readonly string[]> {
  const wild = /^(.*\/tcp\/)0(\/.*)?$/.exec(asked)
  if (wild === null) return host.listen([asked])
  const [, before = "", after = ""] = wild
  const drawn = ports[asked]
  if (drawn !== undefined) return host.listen([`${before}${drawn}${after}`])
  const addresses = await host.listen([asked])
  const port = /\/tcp\/(\d+)/.exec(addresses[0] ?? "")?.[1]
  if (port === undefined) throw new NetError("NET_ADDRESS_INVALID", "an address without a port")
  ports[asked] = Number(port)
  return addresses
}

async function serveStatusAt(
  asked: string,
  { host, port }: { readonly host: string; readonly port: number },
  ports: Record<string, number>,
  source: Parameters<typeof serveStatus>[0],
): Promise<StatusServer> {
  if (port !== 0) return serveStatus(source, { host, port })
  const drawn = ports[asked] ?? 0
  const status = await serveStatus(source, { host, port: drawn }).catch((error: unknown) => {
    // Nobody's address depends on this one, so a port that was taken meanwhile is drawn again.
    if (error instanceof ProgramError && error.code === "HTTP_ADDRESS_IN_USE" && drawn !== 0) {
      return serveStatus(source, { host, port: 0 })
    }
    throw error
  })
  ports[asked] = status.port
  return status
}

/** Writes a record to see whether the disk takes it, and remembers the answer for a while. */
function healthOf(vault: Vault, now: () => number): () => Promise<boolean> {
  const table = vault.table("relay.health")
  const group = new Uint8Array(1)
  let looked: { readonly at: number; readonly ok: Promise<boolean> } | undefined
  return () => {
    if (looked === undefined || now() - looked.at > HEALTH_MS) {
      const ok = vault.write([table.put(group, 0, group)]).then(
        () => true,
        () => false,
      )
      looked = { at: now(), ok }
    }
    return looked.ok
  }
}
