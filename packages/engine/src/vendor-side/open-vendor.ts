/**
 * Makes or opens a vendor's books, and keeps them in step.
 *
 * @module
 */

import { bytesToHex, equalBytes } from "@fulcrum/codec/bytes"
import type { JsonValue } from "@fulcrum/codec/json"
import type { Clock } from "@fulcrum/crypto/clock"
import { publicKeyToDidKey } from "@fulcrum/crypto/didkey"
import { generateSigningKey, type SigningKey, signingKeyFromSeed } from "@fulcrum/crypto/ed25519"
import type { Random } from "@fulcrum/crypto/random"
import type { Deflate } from "@fulcrum/log/deflate"
import type { MailboxName } from "@fulcrum/log/ids"
import { mailboxName } from "@fulcrum/log/mailbox"
import type { Network } from "@fulcrum/net/contract"
import { encodeInvitation } from "@fulcrum/relations/invitation"
import type { RequestFinding } from "@fulcrum/relations/request-lint"
import type { Store } from "@fulcrum/store"
import { openVault, type Vault } from "@fulcrum/store/vault"
import { relayId } from "../mailboxes/relay-address.ts"
import { Signal } from "../waiting/signal.ts"
import type {
  AgreementView,
  CustomerView,
  DisclosureView,
  Invited,
  InviteRequest,
  RequestView,
  Vendor,
  VendorStatus,
} from "./vendor.ts"
import { VendorCustomer } from "./vendor-customer.ts"
import { VendorCustomers } from "./vendor-customers.ts"
import { VendorError } from "./vendor-error.ts"
import { type Hook, type QueuedEvent, VendorHooks, type WebhookPost } from "./vendor-hooks.ts"
import { VendorLinks } from "./vendor-links.ts"
import { checkDraft, VendorOffice } from "./vendor-office.ts"
import { type DropReason, noDrops, VendorReception } from "./vendor-reception.ts"
import {
  type CustomerRecord,
  customerSchema,
  decodeStored,
  encodeStored,
  identitySchema,
  NOTHING,
  type VendorIdentity,
} from "./vendor-records.ts"
import { VendorSettling } from "./vendor-settling.ts"
import { agreementView, customerView, disclosureViews, exportedCustomer } from "./vendor-views.ts"

export interface VendorOptions {
  /** Belongs to the vendor from now on, unless opening fails. */
  readonly store: Store
  /** 32 secret bytes. */
  readonly vaultKey: Uint8Array
  readonly network: Network
  readonly clock: Clock
  readonly random: Random
  readonly deflate: Deflate
  readonly post: WebhookPost
  /** Told of what could not be done and is tried again: a disk that fails, a fault of ours. */
  readonly onFault?: (error: unknown) => void
}

/**
 * @throws {VendorError} `VENDOR_EXISTS`, `REQUEST_INVALID`: the name or the domain.
 * @throws {StoreError} {VaultError}
 */
export async function createVendor(
  options: VendorOptions & { readonly name: string; readonly domain?: string | undefined },
): Promise<Vendor> {
  const { store, vaultKey, random, name, domain } = options
  checkDraft({ name, ...(domain !== undefined && { domain }), agreements: ["SD-BASE"], fields: [] })
  const vault = await openVault({ store, key: vaultKey, random })
  try {
    const table = vault.table("vendor.identity")
    if ((await table.get(NOTHING)) !== undefined) {
      throw new VendorError("VENDOR_EXISTS", "there is a vendor here already")
    }
    const identity: VendorIdentity = {
      version: 1,
      seed: generateSigningKey(random).seed,
      doorSeed: generateSigningKey(random).seed,
      accessSeed: generateSigningKey(random).seed,
      name,
      domain,
    }
    await vault.write([table.put(NOTHING, 0, encodeStored(identitySchema, identity))])
    return await OpenVendor.open(options, vault)
  } catch (error) {
    await vault.close()
    throw error
  }
}

/**
 * @throws {VendorError} `VENDOR_ABSENT`, `VENDOR_DAMAGED`.
 * @throws {StoreError} {VaultError}
 */
export async function openVendor(options: VendorOptions): Promise<Vendor> {
  const { store, vaultKey, random } = options
  const vault = await openVault({ store, key: vaultKey, random })
  try {
    return await OpenVendor.open(options, vault)
  } catch (error) {
    await vault.close()
    throw error
  }
}

interface Parts {
  readonly vault: Vault
  readonly key: SigningKey
  readonly identity: VendorIdentity
  readonly hooks: VendorHooks
  readonly office: VendorOffice
  /** Told after each change of either. */
  readonly changed: Signal
}

class OpenVendor implements Vendor {
  readonly did: string
  readonly name: string
  readonly domain: string | undefined
  readonly #options: VendorOptions
  readonly #vault: Vault
  readonly #key: SigningKey
  readonly #door: MailboxName
  readonly #hooks: VendorHooks
  readonly #office: VendorOffice
  readonly #reception: VendorReception
  readonly #links: VendorLinks
  readonly #customers = new VendorCustomers()
  readonly #dropped: Record<DropReason, number> = noDrops()
  readonly #listeners = new Set<() => void>()
  readonly #changed: Signal
  readonly #stop = new AbortController()
  readonly #settling: VendorSettling
  readonly #serving = new Set<Promise<void>>()
  #running: Promise<unknown> | undefined

  private constructor(options: VendorOptions, parts: Parts) {
    const { vault, key, identity, hooks, office, changed } = parts
    this.#options = options
    this.#vault = vault
    this.#key = key
    this.#hooks = hooks
    this.#office = office
    this.#changed = changed
    this.did = publicKeyToDidKey(key.publicKey)
    this.name = identity.name
    this.domain = identity.domain
    const doorKey = signingKeyFromSeed(identity.doorSeed)
    this.#door = mailboxName(doorKey.publicKey)
    const { random, clock, deflate, network } = options
    this.#reception = new VendorReception({
      vault,
      key,
      door: this.#door,
      hooks,
      random,
      clock,
      deflate,
      office,
    })
    this.#links = new VendorLinks({
      vault,
      network,
      clock,
      random,
      door: {
        doorKey,
        accessKey: signingKeyFromSeed(identity.accessSeed),
        notice: () => ({
          request: office.newest?.signed.bytes,
          isPublic: office.settings.isPublic,
          lastToken: office.lastToken,
        }),
        tokensAfter: (after, most) => office.tokensAfter(after, most),
        receive: (message) => this.#receive(message),
      },
      changed: () => this.#tell(),
      taken: (customer) => {
        if (customer.pending.length > 0) this.#settling.lookSoon()
        this.#tell()
      },
      onFault: (error) => options.onFault?.(error),
    })
    this.#settling = new VendorSettling({
      clock,
      customers: () => this.#customers.all,
      turn: (work) => this.#links.turn(work),
      written: (customer) => this.#links.poke(customer.id),
      onFault: (error) => options.onFault?.(error),
    })
  }

  static async open(options: VendorOptions, vault: Vault): Promise<OpenVendor> {
    const stored = await vault.table("vendor.identity").get(NOTHING)
    if (stored === undefined) {
      throw new VendorError("VENDOR_ABSENT", "there is no vendor here")
    }
    const identity = decodeStored(identitySchema, stored)
    const { clock, random, post } = options
    const key = signingKeyFromSeed(identity.seed)
    const told = new Signal()
    const changed = () => told.notify()
    const shared = { vault, clock, random, changed }
    const onFault = (error: unknown) => options.onFault?.(error)
    const hooks = await VendorHooks.open({ ...shared, post, onFault })
    const office = await VendorOffice.open({ ...shared, key, identity })
    const parts = { vault, key, identity, hooks, office, changed: told }
    const vendor = new OpenVendor(options, parts)
    await vendor.#load()
    return vendor
  }

  async editRequest(json: unknown): Promise<RequestView> {
    const view = await this.#office.edit(json)
    this.#links.pokeDoors()
    this.#tell()
    return view
  }

  request(): RequestView | undefined {
    return this.#office.view()
  }

  lintRequest(json?: unknown): readonly RequestFinding[] {
    return this.#office.lint(json)
  }

  terms(): readonly string[] {
    return this.#office.settings.terms
  }

  async acceptTerms(ids: readonly string[]): Promise<readonly string[]> {
    const terms = await this.#office.accept(ids)
    this.#links.pokeDoors()
    return terms
  }

  async dropTerms(ids: readonly string[]): Promise<readonly string[]> {
    const terms = await this.#office.drop(ids)
    this.#links.pokeDoors()
    return terms
  }

  relays(): readonly string[] {
    return this.#office.settings.relays
  }

  async setRelays(addresses: readonly string[]): Promise<void> {
    await this.#office.setRelays(addresses)
    if (this.#running !== undefined) for (const relay of this.relays()) this.#links.openDoor(relay)
    this.#tell()
  }

  async invite(asked: InviteRequest = {}): Promise<Invited> {
    const { isPublic = false, note, waitMs = 0 } = asked
    const token = await this.#office.invite(isPublic, note)
    const { newest, settings } = this.#office
    if (newest === undefined) throw new TypeError("an invitation to nothing")
    const { relays } = settings
    this.#links.pokeDoors()
    await this.#untilReady(waitMs)
    const ready = this.#links.standings.filter(({ isReady }) => isReady)
    const isReady = (relay: string) => ready.some((one) => relayId(one.address) === relayId(relay))
    return {
      invitation: encodeInvitation({
        vendor: this.#key.publicKey,
        door: this.#door,
        relays,
        requestHash: newest.signed.hash,
        token,
      }),
      isPublic,
      note,
      pending: relays.filter((relay) => !isReady(relay)),
    }
  }

  async addHook(url: string): Promise<{ readonly hook: Hook; readonly secret: string }> {
    const added = await this.#hooks.add(url)
    this.#tell()
    return added
  }

  hooks(): readonly Hook[] {
    return this.#hooks.all
  }

  queue(): readonly QueuedEvent[] {
    return this.#hooks.queued
  }

  deadLetters(): readonly QueuedEvent[] {
    return this.#hooks.dead
  }

  replay(id?: string): Promise<number> {
    return this.#hooks.replay(id)
  }

  customers(): readonly CustomerView[] {
    const now = this.#options.clock.now()
    return this.#customers.all.map((customer) => ({
      ...customerView(customer, now),
      link: this.#links.standingOf(customer.id),
    }))
  }

  disclosures(customer?: string): readonly DisclosureView[] {
    const now = this.#options.clock.now()
    const wanted = customer === undefined ? this.#customers.all : [this.#customers.find(customer)]
    return wanted.flatMap((one) => disclosureViews(one, now))
  }

  agreements(): readonly AgreementView[] {
    return this.#customers.all.map(agreementView)
  }

  exportBooks(): JsonValue {
    const now = this.#options.clock.now()
    const { did, name, domain = null } = this
    const customers = this.#customers.all.map((one) => exportedCustomer(one, now))
    return { version: 1, vendor: { did, name, domain }, customers }
  }

  status(): VendorStatus {
    const { did, name, domain } = this
    const isRunning = this.#running !== undefined
    return {
      did,
      name,
      domain,
      isRunning,
      relays: isRunning
        ? this.#links.standings
        : this.relays().map((address) => ({ address, state: "untried", isReady: false })),
      customers: this.#customers.all.length,
      queued: this.#hooks.queued.length,
      deadLetters: this.#hooks.dead.length,
      dropped: { ...this.#dropped },
    }
  }

  async start(): Promise<void> {
    if (this.#running !== undefined) return
    const { signal } = this.#stop
    const hooks = this.#hooks.run(signal, async ({ customer, ...delivered }) => {
      const id = bytesToHex(customer)
      const told = this.#customers.get(id)
      if (told === undefined) throw new TypeError("an event of nobody")
      try {
        await told.delivered(delivered)
      } catch (error) {
        // It may have landed, and then nobody else finds out.
        this.#settling.lookAgain(told)
        throw error
      }
      this.#links.poke(id)
    })
    this.#running = Promise.all([hooks, this.#settling.run(signal)])
    for (const relay of this.relays()) this.#links.openDoor(relay)
    for (const customer of this.#customers.all) this.#serve(customer)
    this.#tell()
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async close(): Promise<void> {
    this.#stop.abort(new Error("closing"))
    await this.#running
    await Promise.all(this.#serving)
    await this.#links.close()
    await this.#vault.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #load(): Promise<void> {
    for await (const { value } of this.#vault.table("vendor.customers").groups()) {
      const record = decodeStored(customerSchema, value)
      this.#customers.add(await this.#openCustomer(record))
      this.#reception.note(record)
    }
  }

  #openCustomer(record: CustomerRecord): Promise<VendorCustomer> {
    const request = this.#office.requests.find(({ signed }) =>
      equalBytes(signed.hash, record.request),
    )
    if (request === undefined) {
      throw new VendorError("VENDOR_DAMAGED", "a relationship answers a request that is not there")
    }
    const { random, clock, deflate } = this.#options
    const shared = { vault: this.#vault, key: this.#key, hooks: this.#hooks }
    const { wrapKey } = request
    return VendorCustomer.open({ ...shared, random, clock, deflate, wrapKey }, record)
  }

  async #receive(message: Uint8Array): Promise<void> {
    const reception = await this.#reception.receive(message)
    if (reception.outcome === "dropped") this.#dropped[reception.reason]++
    if (reception.outcome !== "taken") return
    const { customer } = reception
    this.#customers.add(customer)
    this.#serve(customer)
    this.#tell()
  }

  /** What a crash left unanswered is answered first. */
  #serve(customer: VendorCustomer): void {
    const served = this.#settling.settle(customer).then((isSettled) => {
      this.#serving.delete(served)
      if (!isSettled) this.#settling.lookSoon()
      if (this.#stop.signal.aborted) return
      const { relay } = customer.record
      this.#links.serve(customer, this.#office.ownRelay(relay) ?? relay)
    })
    this.#serving.add(served)
  }

  async #untilReady(waitMs: number): Promise<void> {
    if (waitMs <= 0 || this.#running === undefined) return
    const late = new AbortController()
    const over = AbortSignal.any([this.#stop.signal, late.signal])
    const timer = this.#options.clock.sleep(waitMs, over).then(
      () => late.abort(),
      () => undefined,
    )
    const isReady = () => this.#links.standings.every((one) => one.isReady)
    while (!over.aborted && !isReady()) await this.#changed.wait(over)
    late.abort()
    await timer
  }

  #tell(): void {
    this.#changed.notify()
    for (const listener of this.#listeners) listener()
  }
}
