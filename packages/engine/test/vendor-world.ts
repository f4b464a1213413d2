/**
 * A vendor, its relay and people, in one process: memory network, memory disks, a clock that the
 * test moves. The person's side is scripted from the same parts that a record uses.
 *
 * @module
 */
import { bytesToHex } from "@fulcrum/codec/bytes"
import type { JsonValue } from "@fulcrum/codec/json"
import {
  generateSigningKey,
  type PublicKey,
  type SigningKey,
  signingKeyFromSeed,
} from "@fulcrum/crypto/ed25519"
import { type SeededRandom, seededRandom } from "@fulcrum/crypto/random"
import { generateWrapKey } from "@fulcrum/crypto/wrap"
import { systemDeflate } from "@fulcrum/log/deflate"
import { mailboxNameSchema } from "@fulcrum/log/ids"
import { capabilityEnd, signCapability } from "@fulcrum/log/mailbox"
import type { Host, Network } from "@fulcrum/net"
import { MemoryNetwork } from "@fulcrum/net/memory"
import { checkAgreement, proposeAgreement, signAgreement } from "@fulcrum/relations/agreement"
import { decodeInvitation } from "@fulcrum/relations/invitation"
import {
  type MoveNote,
  type PersonItem,
  personLane,
  type ReceiptState,
} from "@fulcrum/relations/lane"
import { readRequest } from "@fulcrum/relations/request"
import type { RequestDraft } from "@fulcrum/relations/request-form"
import type { RelayClient } from "@fulcrum/relay/client"
import { RELAY_LIMITS } from "@fulcrum/relay/limits"
import { openMailboxes } from "@fulcrum/relay/mailboxes"
import { createMetrics } from "@fulcrum/relay/metrics"
import { RELAY_PROTOCOL } from "@fulcrum/relay/protocol"
import { RelayError } from "@fulcrum/relay/relay-error"
import { createRelayServer } from "@fulcrum/relay/server"
import { openLevelStore } from "@fulcrum/store/level"
import { MemoryDisk, openMemoryStore } from "@fulcrum/store/memory"
import { openVault, type Vault } from "@fulcrum/store/vault"
import type { RelationshipItem } from "../src/items/relationship-items.ts"
import { MailboxLink } from "../src/mailboxes/mailbox-link.ts"
import { visitRelay } from "../src/mailboxes/relay-visit.ts"
import { newRelationship } from "../src/relationships/new-relationship.ts"
import { ShareSpace } from "../src/relationships/share-space.ts"
import { createVendor, openVendor, type VendorOptions } from "../src/vendor-side/open-vendor.ts"
import type { Vendor } from "../src/vendor-side/vendor.ts"
import type { WebhookPost } from "../src/vendor-side/vendor-hooks.ts"
import { keepTrying } from "../src/waiting/keep-trying.ts"
import { Signal } from "../src/waiting/signal.ts"
import { type TestClock, testClock } from "./vendor-clock.ts"

export const EMAIL = "card/emails/home"
export const ADDRESS = "card/addresses/home"

export const REQUEST: Pick<RequestDraft, "agreements" | "fields"> = {
  agreements: ["SD-BASE"],
  fields: [
    {
      path: EMAIL,
      purpose: "dpv:ServiceProvision",
      retention: "P2Y",
      required: true,
      why: "to send your receipt",
    },
    {
      path: ADDRESS,
      purpose: "dpv:DeliveryOfGoods",
      retention: "P1Y",
      required: false,
      why: "to send your books",
    },
  ],
}

/** What was posted to the hooks, and what they answer. */
export interface TestHooks extends WebhookPost {
  readonly posts: {
    readonly url: string
    readonly id: string
    readonly body: string
    atMs: number
  }[]
  answer: (post: { readonly url: string; readonly id: string }) => number | Promise<number>
}

export interface World {
  readonly clock: TestClock
  readonly random: SeededRandom
  readonly network: MemoryNetwork
  readonly disk: MemoryDisk
  readonly relayAddress: string
  readonly hooks: TestHooks
  readonly faults: unknown[]
  readonly vendor: Vendor
  /** Ends the vendor, however it stands, and opens it again. */
  restart(how?: "closed" | "crashed"): Promise<void>
  /** Opens what is on the disk now. */
  reopen(): Promise<void>
  person(name: string, options?: PersonChoices): Promise<TestPerson>
  relayClient<T>(work: (client: RelayClient) => Promise<T>): Promise<T>
  close(): Promise<void>
}

export interface WorldOptions {
  readonly seed?: string
  readonly request?: unknown
  readonly startMs?: number
  /** A folder to keep the books in, instead of the memory disk. */
  readonly folder?: string
}

export async function openWorld(options: WorldOptions = {}): Promise<World> {
  const clock = testClock(options.startMs, options.folder === undefined ? 0 : 4)
  const random = seededRandom(options.seed ?? "vendor")
  const network = new MemoryNetwork({ clock, random: random.fork("net") })
  const relay = await openRelay(network.machine("relay"), clock, random.fork("relay"))
  const disk = new MemoryDisk()
  const vaultKey = random.bytes(32)
  const people: TestPerson[] = []
  const faults: unknown[] = []
  const hooks: TestHooks = {
    posts: [],
    answer: () => 204,
    async post({ url, id, body }) {
      hooks.posts.push({ url, id, body, atMs: clock.now() })
      return { status: await hooks.answer({ url, id }) }
    },
  }
  let starts = 0
  const vendorOptions = async (): Promise<VendorOptions> => ({
    store:
      options.folder === undefined
        ? await openMemoryStore({ disk })
        : await openLevelStore({ folder: options.folder }),
    vaultKey,
    network: network.machine("vendor"),
    clock,
    random: random.fork(`vendor ${starts++}`),
    deflate: systemDeflate(),
    post: hooks,
    onFault: (fault) => faults.push(fault),
  })
  let vendor = await createVendor({ ...(await vendorOptions()), name: "Bücher Müller" })
  await vendor.setRelays([relay.address])
  await vendor.editRequest(options.request ?? REQUEST)
  await vendor.start()

  const world: World = {
    clock,
    random,
    network,
    disk,
    relayAddress: relay.address,
    hooks,
    faults,
    get vendor() {
      return vendor
    },
    async restart(how = "closed") {
      if (how === "crashed") {
        disk.crash()
        // A store that was cut off has nothing left to close.
        await clock.during(vendor.close().catch(() => undefined))
      } else await clock.during(vendor.close())
      await world.reopen()
    },
    async reopen() {
      vendor = await openVendor(await vendorOptions())
      await vendor.start()
    },
    async person(name, choices) {
      const person = await TestPerson.connect(world, name, choices)
      people.push(person)
      return person
    },
    relayClient: (work) => {
      const signal = new AbortController().signal
      const visit = { network: network.machine("visitor"), clock, address: relay.address, signal }
      return clock.during(visitRelay(visit, work))
    },
    async close() {
      for (const person of people) await clock.during(person.close())
      await clock.during(vendor.close())
      await clock.during(relay.close())
    },
  }
  return world
}

async function openRelay(
  network: Network,
  clock: TestClock,
  random: SeededRandom,
): Promise<{ readonly address: string; close(): Promise<void> }> {
  const seed = random.bytes(32)
  const store = await openMemoryStore({ disk: new MemoryDisk() })
  const vault = await openVault({ store, key: random.bytes(32), random })
  const shared = { clock, random, limits: RELAY_LIMITS, metrics: createMetrics() }
  const mailboxes = await openMailboxes({ ...shared, vault, key: signingKeyFromSeed(seed) })
  const server = createRelayServer({ ...shared, mailboxes })
  const host: Host = await network.host({ key: seed })
  const [address = ""] = await host.listen(["/ip4/127.0.0.1/tcp/0"])
  host.handle(RELAY_PROTOCOL, (channel) => void server.serve(channel))
  return {
    address,
    async close() {
      await host.close()
      await server.close()
      await vault.close()
    },
  }
}

export interface PersonChoices {
  readonly invitation?: string
  readonly terms?: string
  /** Paths; absent: all that the request asks for. */
  readonly disclose?: readonly string[]
}

/** Somebody with one relationship. */
export class TestPerson {
  readonly item: RelationshipItem
  readonly message: Uint8Array
  readonly key: SigningKey
  readonly space: ShareSpace
  readonly link: MailboxLink
  readonly #world: World
  readonly #vault: Vault
  readonly #stop = new AbortController()
  readonly #ended: Promise<void>
  readonly #counters = new Map<string, number>()

  private constructor(input: {
    world: World
    vault: Vault
    item: RelationshipItem
    message: Uint8Array
    key: SigningKey
    space: ShareSpace
    network: Network
  }) {
    const { world, vault, item, message, key, space, network } = input
    this.#world = world
    this.#vault = vault
    this.item = item
    this.message = message
    this.key = key
    this.space = space
    const { clock, random, relayAddress: address } = world
    const mailboxKey = signingKeyFromSeed(item.mailboxSeed)
    const holder = signingKeyFromSeed(item.accessSeed)
    const vendorAccess = item.vendorAccess as PublicKey
    this.link = new MailboxLink({
      address,
      access: {
        mailbox: mailboxKey.publicKey,
        holder,
        capability: (right) =>
          signCapability({
            mailboxKey,
            right,
            holder: holder.publicKey,
            notAfter: capabilityEnd(clock.now()),
            serial: random.bytes(16),
          }),
        create: {
          key: mailboxKey,
          kind: "drop",
          readers: [holder.publicKey, vendorAccess],
          ...(item.token && {
            admission: { door: mailboxNameSchema.decode(item.door), token: item.token },
          }),
        },
      },
      space: {
        replica: space.replica,
        admit: async (spans) => {
          await space.admit(spans)
        },
        mayAcknowledge: async (next) => next - 1,
        arrive: async (client) => {
          const door = mailboxNameSchema.decode(item.door)
          await client.knock({ door, message, ...(item.token && { token: item.token }) })
        },
      },
      vault,
      clock,
      random,
    })
    const { link } = this
    this.#ended = keepTrying({
      clock,
      random,
      wake: new Signal(),
      signal: this.#stop.signal,
      attempt: (signal) =>
        visitRelay({ network, clock, address, signal }, (client, one) => link.serve(client, one)),
      failed: (error) => link.failed(error),
    })
  }

  static async connect(
    world: World,
    name: string,
    choices: PersonChoices = {},
  ): Promise<TestPerson> {
    const drawn = await drawRelationship(world, name, choices)
    const { item, message, vault, key, random, network } = drawn
    const space = await ShareSpace.open({
      vault,
      spaceTag: item.spaceTag,
      chainKey: item.chainKey,
      epochKey: (id) => (id === bytesToHex(item.epoch) ? item.epochKey : undefined),
      currentEpoch: () => item.epoch,
      keys: { person: key.publicKey, vendor: item.vendor },
      own: { lane: "person", key },
      random,
      deflate: systemDeflate(),
    })
    return new TestPerson({ world, vault, item, message, key, space, network })
  }

  /** Waits for the vendor's answer. */
  async answered(): Promise<"agreed" | "refused"> {
    await this.#world.clock.until(
      "the vendor's answer",
      () => this.space.agreedSignature !== undefined || this.space.refused !== undefined,
    )
    return this.space.agreedSignature === undefined ? "refused" : "agreed"
  }

  /** Whether both signatures hold. */
  get isAgreed(): boolean {
    const vendorSignature = this.space.agreedSignature
    if (vendorSignature === undefined) return false
    const { agreement, signature, vendor } = this.item
    checkAgreement({
      bytes: agreement,
      personKey: this.key.publicKey,
      vendorKey: vendor,
      personSignature: signature,
      vendorSignature,
    })
    return true
  }

  /** Writes registers in one entry. @returns Its chain hash. */
  async put(
    values: Readonly<Record<string, JsonValue | undefined>>,
    move?: MoveNote,
  ): Promise<Uint8Array> {
    const items: PersonItem[] = Object.entries(values).map(([path, value]) => {
      const counter = (this.#counters.get(path) ?? 0) + 1
      this.#counters.set(path, counter)
      const day = move?.from === undefined ? undefined : { from: move.from, zone: move.zone }
      return { kind: "put", value: { path, value, counter, day } }
    })
    if (move !== undefined) items.push({ kind: "move", value: move })
    return this.write(personLane.encode(items))
  }

  async write(body: Uint8Array): Promise<Uint8Array> {
    const staged = this.space.replica.stage([{ kind: "payload", body }])
    await this.#vault.write([...staged.ops])
    staged.commit()
    this.space.absorb(staged.entries)
    this.link.poke()
    const chain = staged.entries.at(-1)?.chain
    if (chain === undefined) throw new TypeError("nothing was written")
    return chain
  }

  /** What the vendor has said about an entry. */
  states(chain: Uint8Array): readonly ReceiptState[] {
    return this.space.receiptsAbout(chain).map(({ receipt }) => receipt.state)
  }

  async hears(chain: Uint8Array, state: ReceiptState, mostMs?: number): Promise<void> {
    await this.#world.clock.until(state, () => this.states(chain).includes(state), mostMs)
  }

  async close(): Promise<void> {
    this.#stop.abort(new Error("closing"))
    await this.#ended
    await this.#vault.close()
  }
}

/** Whatever somebody needs before anything is sent; the same name draws the same keys. */
export async function drawRelationship(
  world: World,
  name: string,
  choices: PersonChoices = {},
): Promise<{
  readonly item: RelationshipItem
  readonly message: Uint8Array
  readonly vault: Vault
  readonly key: SigningKey
  readonly random: SeededRandom
  readonly network: Network
}> {
  const { clock } = world
  const network = world.network.machine(name)
  const random = world.random.fork(`person ${name}`)
  const invited = await clock.during(world.vendor.invite({ note: name, waitMs: 5000 }))
  const invitation = decodeInvitation(choices.invitation ?? invited.invitation)
  let pinned: Uint8Array | undefined
  await clock.until("the pinned request", async () => {
    pinned = await world.relayClient((client) => pinnedAt(client, invitation.door))
    return pinned !== undefined
  })
  if (pinned === undefined) throw new TypeError("the door pins nothing")
  const expected = { vendor: invitation.vendor, requestHash: invitation.requestHash }
  const request = readRequest(pinned, expected)
  const key = generateSigningKey(random)
  const paths = choices.disclose ?? request.request.fields.map(({ path }) => path)
  const { bytes } = proposeAgreement({
    request,
    person: key.publicKey,
    disclosures: paths.map((path) => ({ path, follows: true })),
    terms: choices.terms,
    from: new Date(clock.now()).toISOString().slice(0, 10),
    random,
  })
  const store = await openMemoryStore({ disk: new MemoryDisk() })
  const vault = await openVault({ store, key: random.bytes(32), random })
  const made = await newRelationship({
    invitation,
    request,
    key,
    agreement: bytes,
    signature: signAgreement(key, bytes),
    recoveryKey: generateWrapKey(random).publicKey,
    nowMs: clock.now(),
    vault,
    random,
    deflate: systemDeflate(),
  })
  await vault.write([...made.keySpan.ops])
  made.keySpan.commit()
  const { item, message } = made
  return { item, message, vault, key, random, network }
}

async function pinnedAt(client: RelayClient, door: Uint8Array): Promise<Uint8Array | undefined> {
  try {
    return (await client.pinned(mailboxNameSchema.decode(door))).object
  } catch (error) {
    if (error instanceof RelayError && error.code === "RELAY_UNKNOWN_MAILBOX") return undefined
    throw error
  }
}
