/**
 * Whole engines over libp2p on loopback, with disks in memory: what tests of the person's side need
 * around them.
 *
 * @module
 */
import { systemClock } from "@fulcrum/crypto/clock"
import { generateSigningKey } from "@fulcrum/crypto/ed25519"
import { systemRandom } from "@fulcrum/crypto/random"
import { systemDeflate } from "@fulcrum/log/deflate"
import { libp2pNetwork } from "@fulcrum/net/libp2p"
import { openInLineDocuments } from "@fulcrum/record/in-line"
import { RELAY_LIMITS } from "@fulcrum/relay/limits"
import { openMailboxes } from "@fulcrum/relay/mailboxes"
import { createMetrics, type RelayMetrics } from "@fulcrum/relay/metrics"
import { RELAY_PROTOCOL } from "@fulcrum/relay/protocol"
import { createRelayServer } from "@fulcrum/relay/server"
import type { Store } from "@fulcrum/store"
import { openLevelStore } from "@fulcrum/store/level"
import { MemoryDisk, openMemoryStore } from "@fulcrum/store/memory"
import { MemoryBlobs } from "@fulcrum/store/memory-blobs"
import { openVault } from "@fulcrum/store/vault"
import { joinPerson } from "../src/opening/join-person.ts"
import { createPerson, openPerson, type PersonOptions } from "../src/opening/open-person.ts"
import type { Person } from "../src/person/person.ts"
import { createVendor, openVendor, type VendorOptions } from "../src/vendor-side/open-vendor.ts"
import type { Vendor } from "../src/vendor-side/vendor.ts"

const LOOPBACK = "/ip4/127.0.0.1/tcp/0"

/** What a vendor's hook was sent. */
export interface Posted {
  readonly id: string
  readonly body: string
}

/** A folder of one program: what stays when it is closed. In memory, or a real one at `path`. */
export class Folder {
  readonly path: string | undefined
  readonly disk: MemoryDisk = new MemoryDisk()
  readonly blobs: MemoryBlobs = new MemoryBlobs()
  readonly vaultKey: Uint8Array = systemRandom().bytes(32)
  readonly posted: Posted[] = []

  constructor(path?: string) {
    this.path = path
  }

  openStore(): Promise<Store> {
    if (this.path === undefined) return openMemoryStore({ disk: this.disk })
    return openLevelStore({ folder: this.path })
  }
}

/** Everything that a test opened, closed again at its end. */
export class Stage implements AsyncDisposable {
  /** What each relay counts, by its address. */
  readonly metrics: Map<string, RelayMetrics> = new Map()
  readonly #open: AsyncDisposable[] = []

  async person(folder: Folder, name: string, relays: readonly string[] = []): Promise<Person> {
    const { person } = await createPerson({ ...(await personOptions(folder)), name, relays })
    this.#open.push(person)
    return person
  }

  async reopen(folder: Folder): Promise<Person> {
    const person = await openPerson(await personOptions(folder))
    this.#open.push(person)
    return person
  }

  /** Pairs through the real machines. @param where - `at` an address, or through a `relay`. */
  async pair(
    host: Person,
    folder: Folder,
    name: string,
    where: { readonly at?: string; readonly relay?: string },
  ): Promise<Person> {
    const shown = Promise.withResolvers<string>()
    const { signal } = new AbortController()
    const approve = async () => true
    const added = host.pair({ code: ({ code }) => shown.resolve(code), approve }, signal)
    added.catch(shown.reject)
    const joined = await joinPerson({
      ...(await personOptions(folder)),
      ...where,
      name,
      code: await shown.promise,
      confirm: approve,
      signal,
    })
    this.#open.push(joined)
    await joined.settle(5000)
    await added
    return joined
  }

  /** @returns The relay's address. */
  async relay(folder: Folder): Promise<string> {
    const [address = ""] = await this.relayAt(folder, [LOOPBACK])
    return address
  }

  /** @returns Where it can be reached, by each of what it listens at. */
  async relayAt(folder: Folder, listen: readonly string[]): Promise<readonly string[]> {
    const [random, clock] = [systemRandom(), systemClock()]
    const store = await folder.openStore()
    const vault = await openVault({ store, key: folder.vaultKey, random })
    const [metrics, limits, key] = [createMetrics(), RELAY_LIMITS, generateSigningKey(random)]
    const mailboxes = await openMailboxes({ vault, clock, random, key, limits, metrics })
    const server = createRelayServer({ mailboxes, clock, random, limits, metrics })
    const host = await libp2pNetwork().host({ key: key.seed })
    host.handle(RELAY_PROTOCOL, (channel) => server.serve(channel))
    const addresses = await host.listen(listen)
    for (const address of addresses) this.metrics.set(address, metrics)
    this.#open.push({
      async [Symbol.asyncDispose]() {
        await server.close()
        await host.close()
        await vault.close()
      },
    })
    return addresses
  }

  async vendor(folder: Folder, name: string, relay: string): Promise<Vendor> {
    const vendor = await createVendor({ ...(await vendorOptions(folder)), name })
    this.#open.push(vendor)
    await vendor.setRelays([relay])
    return vendor
  }

  async reopenVendor(folder: Folder): Promise<Vendor> {
    const vendor = await openVendor(await vendorOptions(folder))
    this.#open.push(vendor)
    return vendor
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const one of this.#open.toReversed()) await one[Symbol.asyncDispose]()
  }
}

/** Waits for something that others bring about; the test's own time limit ends it. */
export async function reaches(what: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await what())) await systemClock().sleep(20)
}

async function personOptions(folder: Folder): Promise<PersonOptions> {
  return {
    ...adapters(),
    store: await folder.openStore(),
    vaultKey: folder.vaultKey,
    blobs: folder.blobs,
  }
}

/** What a person's engine needs besides a store and its key. */
export function adapters(): Omit<PersonOptions, "store" | "vaultKey"> {
  return {
    network: libp2pNetwork(),
    openDocuments: (reload) => openInLineDocuments({ reload }),
    random: systemRandom(),
    clock: systemClock(),
    deflate: systemDeflate(),
    zone: "Europe/Berlin",
  }
}

async function vendorOptions(folder: Folder): Promise<VendorOptions> {
  return {
    store: await folder.openStore(),
    vaultKey: folder.vaultKey,
    network: libp2pNetwork(),
    random: systemRandom(),
    clock: systemClock(),
    deflate: systemDeflate(),
    post: {
      async post({ id, body }) {
        folder.posted.push({ id, body })
        return { status: 204 }
      },
    },
  }
}
