/**
 * Reception: what a vendor makes of a message at its front door.
 *
 * A connect message that holds in every part becomes a relationship: in one write its record, the
 * share's first key span, the vendor's first entry in its lane (`agreed` or `refused`) and the
 * event for webhooks. The same message again changes nothing. Anything else is counted and
 * dropped: nobody is there to be answered.
 *
 * Source: DESIGN, "Relations" (connecting, in order, steps 4 and 5).
 *
 * @module
 */
import { bytesToHex } from "@fulcrum/codec/bytes"
import type { Clock } from "@fulcrum/crypto/clock"
import { isPublicKey, type SigningKey, signingKeyFromSeed } from "@fulcrum/crypto/ed25519"
import type { Random } from "@fulcrum/crypto/random"
import type { WrapKey } from "@fulcrum/crypto/wrap"
import type { Deflate } from "@fulcrum/log/deflate"
import { LogError } from "@fulcrum/log/log-error"
import { SPAN_KEY, spanHash, verifySpan } from "@fulcrum/log/span"
import { checkAgreement, signAgreement } from "@fulcrum/relations/agreement"
import { type ConnectBody, openConnect } from "@fulcrum/relations/connect"
import { dayAt } from "@fulcrum/relations/day"
import type { VendorItem } from "@fulcrum/relations/lane"
import { decide } from "@fulcrum/relations/policy"
import { RelationsError } from "@fulcrum/relations/relations-error"
import type { SignedRequest } from "@fulcrum/relations/request"
import { webhookEvent } from "@fulcrum/relations/webhook-event"
import type { Table, Vault, VaultOp } from "@fulcrum/store/vault"
import { Mutex } from "../waiting/mutex.ts"
import { GatheringVault } from "./gathering-vault.ts"
import { type CustomerOptions, VendorCustomer } from "./vendor-customer.ts"
import type { VendorHooks } from "./vendor-hooks.ts"
import { mayUsePlace } from "./vendor-places.ts"
import { type CustomerRecord, customerSchema, encodeStored } from "./vendor-records.ts"

/** Relationships of one vendor: about 20 kB of memory each. */
export const CUSTOMERS_MAX = 65_536
/** Versions of the request that a message is tried against, a millisecond each. */
const REQUESTS_TRIED_MAX = 64

/** Why a message came to nothing. */
export type DropReason =
  /** Not sealed for any request of ours, or not in form. */
  | "malformed"
  | "unsigned"
  /** A token that was never given out, or that let in another message. */
  | "token"
  /** It names something that belongs to another relationship. */
  | "repeated"
  /** Its share would lie on a relay that is not ours. */
  | "relay"
  /** There are {@link CUSTOMERS_MAX} relationships. */
  | "full"

/** None yet, by reason. */
export function noDrops(): Record<DropReason, number> {
  return { malformed: 0, unsigned: 0, token: 0, repeated: 0, relay: 0, full: 0 }
}

export type Reception =
  | { readonly outcome: "taken"; readonly customer: VendorCustomer }
  | { readonly outcome: "known" }
  | { readonly outcome: "dropped"; readonly reason: DropReason }

/** A request that was published, with the key that it names. */
export interface OwnRequest {
  readonly signed: SignedRequest
  readonly wrapKey: WrapKey
}

/** Binds a token to the message that used it. */
export interface TokenBinding {
  readonly note: string | undefined
  readonly ops: readonly VaultOp[]
  commit(): void
}

/** What the reception asks the office. */
export interface ReceptionOffice {
  /** The newest first. */
  readonly requests: readonly OwnRequest[]
  readonly settings: { readonly terms: readonly string[] }
  /** The relay of ours at this address, as we would dial it; `undefined`: none. */
  ownRelay(address: string): string | undefined
  /** `undefined`: this token does not let this message in. */
  bindToken(input: {
    readonly token: Uint8Array | undefined
    readonly message: Uint8Array
    readonly customer: Uint8Array
  }): TokenBinding | undefined
}

/** A relationship that is to be written. */
interface Accepted {
  readonly record: CustomerRecord
  readonly request: OwnRequest
  readonly binding: TokenBinding
}

export interface ReceptionOptions {
  readonly vault: Vault
  readonly key: SigningKey
  /** The front door's name. */
  readonly door: Uint8Array
  readonly hooks: VendorHooks
  readonly random: Random
  readonly clock: Clock
  readonly deflate: Deflate
  readonly office: ReceptionOffice
}

export class VendorReception {
  readonly #options: ReceptionOptions
  readonly #mutex = new Mutex()
  readonly #messages = new Set<string>()
  /** Keys, space tags and mailboxes: each belongs to one relationship. */
  readonly #taken = new Set<string>()
  /**
   * Relationships whose write failed, and may have landed all the same, by the message. A door
   * brings a message until it is taken and none after it, so there is one for each relay at most.
   */
  readonly #unsure = new Map<string, Accepted>()

  constructor(options: ReceptionOptions) {
    this.#options = options
  }

  /** Notes a relationship that is there. */
  note({ message, relationshipKey, spaceTag, mailbox }: CustomerRecord): void {
    this.#messages.add(bytesToHex(message))
    for (const one of [relationshipKey, spaceTag, mailbox]) this.#taken.add(bytesToHex(one))
  }

  receive(message: Uint8Array): Promise<Reception> {
    return this.#mutex.run(() => this.#receive(message))
  }

  async #receive(message: Uint8Array): Promise<Reception> {
    const hash = spanHash(message)
    const landed = await this.#landed(bytesToHex(hash))
    if (landed !== undefined) return { outcome: "taken", customer: landed }
    if (this.#messages.has(bytesToHex(hash))) return { outcome: "known" }
    if (this.#messages.size >= CUSTOMERS_MAX) return dropped("full")
    const opened = this.#openMessage(message)
    if (typeof opened === "string") return dropped(opened)
    const { body, request } = opened
    const { relationshipKey, spaceTag, mailbox } = body
    if (!isPublicKey(relationshipKey) || !isPublicKey(mailbox)) return dropped("malformed")
    if ([relationshipKey, spaceTag, mailbox].some((one) => this.#taken.has(bytesToHex(one)))) {
      return dropped("repeated")
    }
    const relay = this.#options.office.ownRelay(body.relays[0] ?? "")
    if (relay === undefined) return dropped("relay")
    const holder = signingKeyFromSeed(body.accessSeed).publicKey
    const place = { ...body, mailbox }
    if (!mayUsePlace(place, holder, this.#options.clock.now())) return dropped("malformed")
    const id = this.#options.random.bytes(16)
    const binding = this.#options.office.bindToken({
      token: body.token,
      message: hash,
      customer: id,
    })
    if (binding === undefined) return dropped("token")
    const record: CustomerRecord = {
      id,
      message: hash,
      request: request.signed.hash,
      since: dayAt(this.#options.clock.now()),
      note: binding.note,
      relationshipKey,
      spaceTag,
      chainKey: body.chainKey,
      mailbox,
      relay,
      accessSeed: body.accessSeed,
      appendCapability: body.appendCapability,
      readCapability: body.readCapability,
      recoveryHash: body.recoveryHash,
      agreement: body.agreement,
      signature: body.signature,
    }
    return this.#take({ record, request, keySpan: body.keySpan, binding })
  }

  #openMessage(
    message: Uint8Array,
  ): { readonly body: ConnectBody; readonly request: OwnRequest } | DropReason {
    const { door, office } = this.#options
    for (const request of office.requests.slice(0, REQUESTS_TRIED_MAX)) {
      try {
        const target = { door, requestHash: request.signed.hash }
        return { body: openConnect({ target, key: request.wrapKey, message }), request }
      } catch (error) {
        if (!(error instanceof RelationsError)) throw error
        if (error.code === "CONNECT_UNSIGNED") return "unsigned"
      }
    }
    return "malformed"
  }

  async #take(input: {
    readonly record: CustomerRecord
    readonly request: OwnRequest
    readonly keySpan: Uint8Array
    readonly binding: TokenBinding
  }): Promise<Reception> {
    const { record, request, keySpan, binding } = input
    const { vault, hooks, clock } = this.#options
    const answer = this.#answer(record, request)
    if (typeof answer === "string") return dropped(answer)
    if (!isKeySpan(keySpan)) return dropped("malformed")
    const gathering = new GatheringVault(vault)
    const customer = await VendorCustomer.open(this.#customerOptions(request, gathering), record)
    const [result] = await customer.admit([keySpan])
    if (result?.outcome !== "admitted") return dropped("malformed")
    const staged = customer.stageAnswer(answer)
    const event =
      answer.kind === "agreed"
        ? hooks.stage(
            record.id,
            webhookEvent({
              type: "relationship.agreed",
              relationship: record.id,
              writer: staged.entry.writer,
              sequence: staged.entry.sequence,
              agreement: customer.agreement.agreement,
              timestampMs: clock.now(),
              changes: [],
            }),
            undefined,
          )
        : undefined
    const messageKey = bytesToHex(record.message)
    this.#unsure.set(messageKey, { record, request, binding })
    await vault.write([
      ...gathering.gathered,
      ...staged.ops,
      ...binding.ops,
      ...(event?.ops ?? []),
      this.#customers.put(record.id, 0, encodeStored(customerSchema, record)),
    ])
    this.#unsure.delete(messageKey)
    gathering.release()
    staged.commit()
    binding.commit()
    event?.commit()
    this.note(record)
    return { outcome: "taken", customer }
  }

  /** What became of this message if the write that took it failed. */
  async #landed(messageKey: string): Promise<VendorCustomer | undefined> {
    const unsure = this.#unsure.get(messageKey)
    if (unsure === undefined) return undefined
    const { record, request, binding } = unsure
    const { vault, hooks } = this.#options
    const isThere = (await this.#customers.get(record.id)) !== undefined
    let customer: VendorCustomer | undefined
    if (isThere) {
      customer = await VendorCustomer.open(this.#customerOptions(request, vault), record)
      await hooks.reread(record.id)
      binding.commit()
      this.note(record)
    }
    this.#unsure.delete(messageKey)
    return customer
  }

  get #customers(): Table {
    return this.#options.vault.table("vendor.customers")
  }

  #customerOptions({ wrapKey }: OwnRequest, vault: Vault): CustomerOptions {
    const { key, hooks, random, clock, deflate } = this.#options
    return { key, hooks, random, clock, deflate, wrapKey, vault }
  }

  #answer(record: CustomerRecord, { signed }: OwnRequest): VendorItem | DropReason {
    const { key, clock, office } = this.#options
    const { agreement: bytes, signature: personSignature, relationshipKey: personKey } = record
    const vendorKey = key.publicKey
    let agreement: ReturnType<typeof checkAgreement>
    try {
      agreement = checkAgreement({ bytes, personKey, vendorKey, personSignature })
    } catch (error) {
      if (!(error instanceof RelationsError)) throw error
      return error.code === "AGREEMENT_UNSIGNED" ? "unsigned" : "malformed"
    }
    const today = dayAt(clock.now())
    const decision = decide({ request: signed, agreement, accepted: office.settings.terms, today })
    if (decision.outcome === "agreed") {
      return { kind: "agreed", value: { signature: signAgreement(key, bytes) } }
    }
    const { code, reason } = decision
    return { kind: "refused", value: { code, reason: reason.slice(0, 100) } }
  }
}

function isKeySpan(span: Uint8Array): boolean {
  try {
    return verifySpan(span).header.kind === SPAN_KEY
  } catch (error) {
    if (error instanceof LogError) return false
    throw error
  }
}

function dropped(reason: DropReason): Reception {
  return { outcome: "dropped", reason }
}
