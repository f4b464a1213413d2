/**
 * A vendor's office: what it says to the world. Its request in all versions, the terms that it
 * accepts, the relays that keep its front door, and the invitations that are out.
 *
 * Each version of the request has an X-Wing key of its own, kept for ever: a message that answers
 * an old invitation still opens.
 *
 * @module
 */
import { bytesToBase64url, bytesToHex, equalBytes } from "@fulcrum/codec/bytes"
import type { Clock } from "@fulcrum/crypto/clock"
import type { SigningKey } from "@fulcrum/crypto/ed25519"
import type { Random } from "@fulcrum/crypto/random"
import { generateWrapKey, wrapKeyFromSecret } from "@fulcrum/crypto/wrap"
import { findAgreement } from "@fulcrum/relations/agreements"
import { dayAt } from "@fulcrum/relations/day"
import { draftRequest, readRequest, requestHash, signRequest } from "@fulcrum/relations/request"
import type { VendorRequest } from "@fulcrum/relations/request-form"
import { lintRequest, type RequestFinding } from "@fulcrum/relations/request-lint"
import type { Table, Vault } from "@fulcrum/store/vault"
import { relayId } from "../mailboxes/relay-address.ts"
import { Mutex } from "../waiting/mutex.ts"
import type { RequestView } from "./vendor.ts"
import { VendorError } from "./vendor-error.ts"
import type { OwnRequest, TokenBinding } from "./vendor-reception.ts"
import {
  decodeStored,
  encodeStored,
  type InvitationToken,
  NOTHING,
  RELAYS_MAX,
  requestSchema,
  settingsSchema,
  TOKENS_MAX,
  tokenSchema,
  type VendorIdentity,
  type VendorSettings,
} from "./vendor-records.ts"

const RELAY_ADDRESS = /^\/[\x21-\x7e]{1,400}\/p2p\/[1-9A-HJ-NP-Za-km-z]{32,64}$/

export interface VendorOfficeOptions {
  readonly vault: Vault
  readonly key: SigningKey
  readonly identity: VendorIdentity
  readonly clock: Clock
  readonly random: Random
  /** Told after each change that relays should hear of. */
  readonly changed: () => void
}

export class VendorOffice {
  readonly #options: VendorOfficeOptions
  readonly #settingsTable: Table
  readonly #requestsTable: Table
  readonly #tokensTable: Table
  /** The oldest first. */
  readonly #requests: OwnRequest[] = []
  /** By number, from 1. */
  readonly #tokens = new Map<number, InvitationToken>()
  readonly #tokenNumbers = new Map<string, number>()
  readonly #mutex = new Mutex()
  #settings: VendorSettings = { relays: [], terms: [], isPublic: false }
  #lastToken = 0

  private constructor(options: VendorOfficeOptions) {
    this.#options = options
    this.#settingsTable = options.vault.table("vendor.settings")
    this.#requestsTable = options.vault.table("vendor.requests")
    this.#tokensTable = options.vault.table("vendor.tokens")
  }

  static async open(options: VendorOfficeOptions): Promise<VendorOffice> {
    const office = new VendorOffice(options)
    await office.#load()
    return office
  }

  get settings(): VendorSettings {
    return this.#settings
  }

  /** All versions, the newest first. */
  get requests(): readonly OwnRequest[] {
    return this.#requests.toReversed()
  }

  get newest(): OwnRequest | undefined {
    return this.#requests.at(-1)
  }

  /** Number of the newest token. */
  get lastToken(): number {
    return this.#lastToken
  }

  view(): RequestView | undefined {
    const { newest } = this
    if (newest === undefined) return undefined
    const { hash, request } = newest.signed
    const { made, ...draft } = withoutKeys(request)
    return { version: this.#requests.length, hash: bytesToBase64url(hash), made, draft }
  }

  edit(json: unknown): Promise<RequestView> {
    return this.#mutex.run(() => this.#publish(this.#completed(json)))
  }

  lint(json: unknown): readonly RequestFinding[] {
    if (json !== undefined) return lintRequest(this.#completed(json))
    const draft = this.view()?.draft
    if (draft === undefined) throw requestAbsent()
    return lintRequest(draft)
  }

  accept(ids: readonly string[]): Promise<readonly string[]> {
    return this.#mutex.run(async () => {
      const named = ids.map((id) => findAgreement(id).iri)
      return this.#setTerms([...new Set([...this.#settings.terms, ...named])])
    })
  }

  drop(ids: readonly string[]): Promise<readonly string[]> {
    return this.#mutex.run(async () => {
      const named = ids.map((id) => findAgreement(id).iri)
      return this.#setTerms(this.#settings.terms.filter((one) => !named.includes(one)))
    })
  }

  setRelays(addresses: readonly string[]): Promise<void> {
    return this.#mutex.run(async () => {
      const relays = [...new Set(addresses)]
      if (!relays.every((one) => RELAY_ADDRESS.test(one))) {
        throw new VendorError("RELAY_ADDRESS_INVALID", "a relay's address ends in /p2p/ and its id")
      }
      if (relays.length > RELAYS_MAX) {
        throw new VendorError("RELAY_ADDRESS_INVALID", `at most ${RELAYS_MAX} relays`)
      }
      await this.#save({ ...this.#settings, relays })
    })
  }

  /** The relay of ours that an address leads to, at the address where it is now. */
  ownRelay(address: string): string | undefined {
    const id = relayId(address)
    return this.#settings.relays.find((relay) => relayId(relay) === id)
  }

  /** @returns A new token; `undefined` for a public invitation. */
  invite(isPublic: boolean, note: string | undefined): Promise<Uint8Array | undefined> {
    return this.#mutex.run(async () => {
      if (this.#requests.length === 0) throw requestAbsent()
      if (this.#settings.relays.length === 0) {
        throw new VendorError("RELAY_ABSENT", "no relay keeps the front door yet")
      }
      if (isPublic) {
        if (!this.#settings.isPublic) await this.#save({ ...this.#settings, isPublic: true })
        return undefined
      }
      return this.#newToken(note)
    })
  }

  tokensAfter(
    after: number,
    most: number,
  ): { readonly tokens: readonly Uint8Array[]; readonly last: number } {
    const tokens: Uint8Array[] = []
    let last = after
    while (last < this.#lastToken && tokens.length < most) {
      const token = this.#tokens.get(++last)
      if (token !== undefined) tokens.push(token.token)
    }
    return { tokens, last }
  }

  /** Whether a message may come in, and what binds its token to it. */
  bindToken(input: {
    readonly token: Uint8Array | undefined
    readonly message: Uint8Array
    readonly customer: Uint8Array
  }): TokenBinding | undefined {
    const { message, customer } = input
    if (input.token === undefined) {
      if (!this.#settings.isPublic) return undefined
      return { note: undefined, ops: [], commit: () => {} }
    }
    const number = this.#tokenNumbers.get(bytesToHex(input.token))
    const token = number === undefined ? undefined : this.#tokens.get(number)
    if (number === undefined || token === undefined) return undefined
    if (token.message !== undefined && !equalBytes(token.message, message)) return undefined
    const bound = { ...token, message, customer }
    return {
      note: token.note,
      ops: [this.#tokensTable.put(NOTHING, number, encodeStored(tokenSchema, bound))],
      commit: () => this.#keepToken(number, bound),
    }
  }

  async #load(): Promise<void> {
    const settings = await this.#settingsTable.get(NOTHING)
    if (settings !== undefined) this.#settings = decodeStored(settingsSchema, settings)
    for await (const { value } of this.#requestsTable.list(NOTHING)) {
      const { bytes, wrapSecret } = decodeStored(requestSchema, value)
      const expected = { vendor: this.#options.key.publicKey, requestHash: requestHash(bytes) }
      const signed = readRequest(bytes, expected)
      this.#requests.push({ signed, wrapKey: wrapKeyFromSecret(wrapSecret) })
    }
    for await (const { order, value } of this.#tokensTable.list(NOTHING)) {
      this.#keepToken(order, decodeStored(tokenSchema, value))
    }
  }

  /** Fills in what a draft leaves out. */
  #completed(json: unknown): unknown {
    if (typeof json !== "object" || json === null || Array.isArray(json)) return json
    const { name, domain } = this.view()?.draft ?? this.#options.identity
    const { terms } = this.#settings
    return {
      name,
      ...(domain !== undefined && { domain }),
      ...(terms.length > 0 && { agreements: terms }),
      ...json,
    }
  }

  /** Makes the next version, under a key of its own, unless it says the same as the newest. */
  async #publish(draft: unknown): Promise<RequestView> {
    checkDraft(draft)
    const { random, clock, key, vault } = this.#options
    const wrapKey = generateWrapKey(random)
    const own = { vendor: key.publicKey, wrap: wrapKey.publicKey, made: dayAt(clock.now()) }
    const made = draftRequest(draft, own)
    const settings = { ...this.#settings, terms: made.agreements }
    const { newest } = this
    if (newest !== undefined && isSameDraft(made, newest.signed.request)) {
      await this.#save(settings)
    } else {
      const signed = signRequest(key, made)
      const stored = { bytes: signed.bytes, wrapSecret: wrapKey.secret }
      const version = this.#requests.length + 1
      await vault.write([
        this.#settingsTable.put(NOTHING, 0, encodeStored(settingsSchema, settings)),
        this.#requestsTable.put(NOTHING, version, encodeStored(requestSchema, stored)),
      ])
      this.#settings = settings
      this.#requests.push({ signed, wrapKey })
      this.#options.changed()
    }
    const view = this.view()
    if (view === undefined) throw new TypeError("a request that was just written is missing")
    return view
  }

  async #setTerms(terms: readonly string[]): Promise<readonly string[]> {
    const draft = this.view()?.draft
    if (draft === undefined) await this.#save({ ...this.#settings, terms })
    else if (terms.length > 0) await this.#publish({ ...draft, agreements: terms })
    else throw new VendorError("TERMS_NEEDED", "a request names at least one agreement")
    return this.#settings.terms
  }

  async #save(settings: VendorSettings): Promise<void> {
    await this.#options.vault.write([
      this.#settingsTable.put(NOTHING, 0, encodeStored(settingsSchema, settings)),
    ])
    this.#settings = settings
    this.#options.changed()
  }

  async #newToken(note: string | undefined): Promise<Uint8Array> {
    if (this.#lastToken >= TOKENS_MAX) {
      throw new VendorError("INVITATION_LIMIT", "as many invitations as a front door takes are out")
    }
    const { random, clock, vault } = this.#options
    const number = this.#lastToken + 1
    const token = { token: random.bytes(32), note, made: dayAt(clock.now()) }
    await vault.write([this.#tokensTable.put(NOTHING, number, encodeStored(tokenSchema, token))])
    this.#keepToken(number, token)
    this.#options.changed()
    return token.token
  }

  #keepToken(number: number, token: InvitationToken): void {
    this.#tokens.set(number, token)
    this.#tokenNumbers.set(bytesToHex(token.token), number)
    this.#lastToken = Math.max(this.#lastToken, number)
  }
}

/** @throws {VendorError} `REQUEST_INVALID`, with the first fault. */
export function checkDraft(draft: unknown): void {
  const fault = lintRequest(draft).find(({ severity }) => severity === "error")
  if (fault === undefined) return
  const where = fault.pointer === "" ? "" : `${fault.pointer}: `
  throw new VendorError("REQUEST_INVALID", `${where}${fault.message}`)
}

function withoutKeys(request: VendorRequest): RequestView["draft"] & { readonly made: string } {
  const { name, domain, agreements, fields, made } = request
  return { name, ...(domain !== undefined && { domain }), agreements, fields, made }
}

/** Whether two requests ask for the same, whenever they were made. */
function isSameDraft(a: VendorRequest, b: VendorRequest): boolean {
  const text = (one: VendorRequest) => JSON.stringify({ ...withoutKeys(one), made: "" })
  return text(a) === text(b)
}

function requestAbsent(): VendorError {
  return new VendorError("REQUEST_ABSENT", "there is no request yet")
}
