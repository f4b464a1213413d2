/**
 * Whole engines of persons, vendors and relays in one process, over the memory network, with disks
 * that can be made to fail and a clock that moves only when the test lets it.
 *
 * @module
 */
import { signingKeyFromSeed } from "@fulcrum/crypto/ed25519"
import { type SeededRandom, seededRandom } from "@fulcrum/crypto/random"
import { systemDeflate } from "@fulcrum/log/deflate"
import { MemoryNetwork } from "@fulcrum/net/memory"
import { openInLineDocuments } from "@fulcrum/record/in-line"
import { RELAY_LIMITS, type RelayLimits } from "@fulcrum/relay/limits"
import { openMailboxes } from "@fulcrum/relay/mailboxes"
import { type CounterName, createMetrics } from "@fulcrum/relay/metrics"
import { RELAY_PROTOCOL } from "@fulcrum/relay/protocol"
import { createRelayServer } from "@fulcrum/relay/server"
import type { Blobs } from "@fulcrum/store/blobs"
import { MemoryDisk, openMemoryStore } from "@fulcrum/store/memory"
import { openVault } from "@fulcrum/store/vault"
import { joinPerson } from "../src/opening/join-person.ts"
import { createPerson, openPerson, type PersonOptions } from "../src/opening/open-person.ts"
import { recoverPerson } from "../src/opening/recover-person.ts"
import type { Person } from "../src/person/person.ts"
import type { SpareFile } from "../src/recovery/spare.ts"
import { createVendor } from "../src/vendor-side/open-vendor.ts"
import type { Vendor } from "../src/vendor-side/vendor.ts"
import { type TestClock, testClock } from "./vendor-clock.ts"

export const ADDRESS = "card/addresses/home"
export const EMAIL = "card/emails/home"
const LOOPBACK = "/ip4/127.0.0.1/tcp/0"

/** What stays of a program when it ends: its disk, its key, and the machine it runs on. */
export interface Machine {
  readonly name: string
  readonly vaultKey: Uint8Array
  /** What sort of machine its program says that it is. */
  readonly kind?: string
  disk: MemoryDisk
  /** Where attached files lie; absent: nowhere. */
  readonly blobs?: Blobs
}

export interface TestRelay {
  readonly machine: Machine
  readonly address: string
  readonly publicKey: Uint8Array
  stop(): Promise<void>
  /** @param disk - Another than it had: wiped, or rolled back. */
  start(disk?: MemoryDisk): Promise<void>
  /** How many requests of this method were answered well since it started. */
  answered(method: string): number
  /** What its metrics count under this name since it started. */
  counted(name: CounterName): number
}

export interface TestVendor {
  readonly vendor: Vendor
  readonly posted: string[]
  invitation(): Promise<string>
}

export class PersonWorld implements AsyncDisposable {
  readonly clock: TestClock = testClock()
  readonly random: SeededRandom
  readonly network: MemoryNetwork
  /** The 24 words of the records that were made, by the machine's name. */
  readonly words: Map<string, string> = new Map()
  readonly #open = new Set<AsyncDisposable>()
  #starts = 0

  constructor(seed = "person") {
    this.random = seededRandom(seed)
    this.network = new MemoryNetwork({ clock: this.clock, random: this.random.fork("net") })
  }

  machine(name: string, disk: MemoryDisk = new MemoryDisk()): Machine {
    return { name, vaultKey: this.random.fork(`key of ${name}`).bytes(32), disk }
  }

  async options(machine: Machine, spare?: SpareFile): Promise<PersonOptions> {
    return {
      store: await openMemoryStore({ disk: machine.disk }),
      vaultKey: machine.vaultKey,
      network: this.network.machine(machine.name),
      openDocuments: (reload) => openInLineDocuments({ reload }),
      random: this.random.fork(`${machine.name} start ${this.#starts++}`),
      clock: this.clock,
      deflate: systemDeflate(),
      zone: "Europe/Berlin",
      openScratch: () => openMemoryStore(),
      blobs: machine.blobs,
      kind: machine.kind,
      spare,
    }
  }

  async create(
    machine: Machine,
    relays: readonly string[] = [],
    spare?: SpareFile,
  ): Promise<Person> {
    const options = await this.options(machine, spare)
    const { person, words } = await createPerson({ ...options, name: machine.name, relays })
    this.words.set(machine.name, words.join(" "))
    return this.keep(person)
  }

  /** With the words that a record was made with, or others. */
  async recover(
    machine: Machine,
    words: string,
    relays: readonly string[],
    backup?: () => AsyncIterable<Uint8Array>,
  ): Promise<Person> {
    const { signal } = new AbortController()
    const openScratch = () => openMemoryStore()
    const options = { ...(await this.options(machine)), openScratch, words, relays, backup, signal }
    const recovering = recoverPerson({ ...options, name: machine.name })
    const { person } = await this.clock.during(recovering)
    this.keep(person)
    await this.clock.during(person.settle(10_000))
    return person
  }

  async reopen(machine: Machine, spare?: SpareFile): Promise<Person> {
    return this.keep(await openPerson(await this.options(machine, spare)))
  }

  /** Closes what a crash, or the test, has left behind. */
  async end(person: Person): Promise<void> {
    this.#open.delete(person)
    await this.clock.during(person.close().catch(() => undefined))
  }

  keep<T extends AsyncDisposable>(one: T): T {
    this.#open.add(one)
    return one
  }

  /** @param where - `at` an address, or through a `relay`. */
  async pair(
    host: Person,
    machine: Machine,
    where: { readonly at?: string; readonly relay?: string },
    spare?: SpareFile,
  ): Promise<Person> {
    const shown = Promise.withResolvers<string>()
    const { signal } = new AbortController()
    const approve = async () => true
    const added = host.pair({ code: ({ code }) => shown.resolve(code), approve }, signal)
    added.catch(shown.reject)
    const code = await this.clock.during(shown.promise)
    const joining = joinPerson({
      ...(await this.options(machine, spare)),
      ...where,
      name: machine.name,
      code,
      confirm: approve,
      signal,
    })
    const joined = this.keep(await this.clock.during(joining))
    await this.clock.during(joined.settle(5000))
    await this.clock.during(added)
    return joined
  }

  async relay(name = "relay", limits: RelayLimits = RELAY_LIMITS): Promise<TestRelay> {
    const machine = this.machine(name)
    const key = signingKeyFromSeed(this.random.fork(`transport of ${name}`).bytes(32))
    const { clock, network, random } = this
    let address = LOOPBACK
    let running: AsyncDisposable | undefined
    let metrics = createMetrics()
    const start = async (disk: MemoryDisk = machine.disk) => {
      machine.disk = disk
      const own = random.fork(`${name} start ${this.#starts++}`)
      const store = await openMemoryStore({ disk })
      const vault = await openVault({ store, key: machine.vaultKey, random: own })
      metrics = createMetrics()
      const mailboxes = await openMailboxes({ vault, clock, random: own, key, limits, metrics })
      const server = createRelayServer({ mailboxes, clock, random: own, limits, metrics })
      const host = await network.machine(name).host({ key: key.seed })
      host.handle(RELAY_PROTOCOL, (channel) => server.serve(channel))
      const [listening = ""] = await host.listen([address.replace(/\/p2p\/.*/, "")])
      address = listening
      running = {
        async [Symbol.asyncDispose]() {
          await host.close()
          await server.close()
          await vault.close()
        },
      }
    }
    const stop = async () => {
      const ending = running
      running = undefined
      await clock.during(Promise.resolve(ending?.[Symbol.asyncDispose]()))
    }
    await start()
    const { publicKey } = key
    this.keep({ [Symbol.asyncDispose]: stop })
    return {
      machine,
      publicKey,
      start,
      stop,
      answered(method) {
        const labels = `method="${method}",outcome="ok"`
        const line = metrics
          .render()
          .split("\n")
          .find((one) => one.includes(`{${labels}}`))
        return Number(line?.split(" ")[1] ?? 0)
      },
      counted: (name) => metrics.value(name),
      get address() {
        return address
      },
    }
  }

  async vendor(
    name: string,
    relay: TestRelay,
    required: readonly string[] = [],
  ): Promise<TestVendor> {
    const machine = this.machine(name)
    const posted: string[] = []
    const vendor = await createVendor({
      name,
      store: await openMemoryStore({ disk: machine.disk }),
      vaultKey: machine.vaultKey,
      network: this.network.machine(name),
      random: this.random.fork(`vendor ${name}`),
      clock: this.clock,
      deflate: systemDeflate(),
      post: {
        async post({ body }) {
          posted.push(body)
          return { status: 204 }
        },
      },
    })
    this.keep(vendor)
    await vendor.setRelays([relay.address])
    await vendor.editRequest({
      name,
      agreements: ["SD-BASE"],
      fields: [ADDRESS, EMAIL, "card/name"].map((path) => ({
        path,
        purpose: "dpv:ServiceProvision",
        retention: "P2Y",
        required: required.includes(path),
        why: "to serve you",
      })),
    })
    await vendor.addHook("https://crm.example/hook")
    await vendor.start()
    return {
      vendor,
      posted,
      invitation: async () => (await this.clock.during(vendor.invite({ waitMs: 5000 }))).invitation,
    }
  }

  /** A person tells a company where she lives, and how to write to her, and moves. */
  async dealWith(person: Person, shop: TestVendor): Promise<void> {
    await person.set(ADDRESS, "Old Street 1")
    await person.set(`${EMAIL}/address`, "ada@example.org")
    const asked = { invitation: await shop.invitation(), disclose: [ADDRESS, EMAIL] }
    await this.during(person.connect(asked))
    await this.during(person.waitForAgreement("Shop", 10_000))
    await this.moveTo(person, "New Street 2")
  }

  /** Resolves once all whom it concerns have it in their books. */
  async moveTo(person: Person, value: string): Promise<void> {
    const { move } = await person.move({ assignments: [{ path: ADDRESS, value }] })
    await this.during(person.settle(5000))
    await this.until(`the move to ${value}`, async () => (await person.board(move))?.done === true)
  }

  async until(
    what: string,
    isSo: () => boolean | Promise<boolean>,
    mostMs = 60_000,
  ): Promise<void> {
    await this.clock.until(what, isSo, mostMs)
  }

  during<T>(work: Promise<T>, mostMs?: number): Promise<T> {
    return this.clock.during(work, mostMs)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const one of [...this.#open].toReversed()) {
      const ending = async () => one[Symbol.asyncDispose]()
      await this.clock.during(ending().catch(() => undefined))
    }
  }
}

/** Loads Automerge, which takes real time that the clock of a world knows nothing of. */
export async function loadDocuments(): Promise<void> {
  await using _ = await openInLineDocuments()
}

/** What the doctor finds wrong. */
export async function ailments(person: Person): Promise<readonly string[]> {
  const checks = await person.doctor()
  const wrong = checks.filter(({ check, ok }) => !ok && check !== "relays reached")
  return wrong.map(({ check, detail }) => `${check}: ${detail}`)
}
