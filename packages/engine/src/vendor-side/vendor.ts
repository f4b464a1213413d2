/**
 * A vendor's books, opened: what `fulcrum-vendor` and other programs call.
 *
 * Everything that a person wrote comes through her share's log; everything that is answered goes
 * back through the vendor's own lane. What is shown here is plain data, ready for JSON.
 *
 * Source: DESIGN, "Vendor side".
 *
 * @module
 */
import type { JsonValue } from "@fulcrum/codec/json"
import type { RequestDraft } from "@fulcrum/relations/request-form"
import type { RequestFinding } from "@fulcrum/relations/request-lint"
import type { Hook, QueuedEvent } from "./vendor-hooks.ts"
import type { RelayStanding } from "./vendor-links.ts"
import type { DropReason } from "./vendor-reception.ts"

export interface RequestView {
  /** From 1; each edit that changes something makes the next. */
  readonly version: number
  /** Base64url; invitations and agreements name it so. */
  readonly hash: string
  readonly made: string
  /** What was written by hand, to be edited again. */
  readonly draft: RequestDraft
}

export interface InviteRequest {
  /** For anybody, who then must show some work. */
  readonly isPublic?: boolean
  /** Whom it is for, for the vendor's own use. */
  readonly note?: string | undefined
  /** How long to wait for the relays to know of it; nothing is waited for before `start`. */
  readonly waitMs?: number
}

export interface Invited {
  /** `fulcrum:1.…` */
  readonly invitation: string
  /** Whether anybody may use it, and how often they like. */
  readonly isPublic: boolean
  readonly note?: string | undefined
  /** Relays that do not know of it yet: there it works only once they do. */
  readonly pending: readonly string[]
}

export interface CustomerView {
  /** The match key for other systems: random, the vendor's own. */
  readonly id: string
  /** `did:key` of the relationship. */
  readonly did: string
  /**
   * `frozen`: two keys claim to speak for the person. What is held stays, and nothing is taken until
   * her recovery key has decided.
   */
  readonly state: "agreed" | "refused" | "frozen"
  /** Why it was refused. */
  readonly refusal?: { readonly code: string; readonly reason: string } | undefined
  readonly since: string
  /** What the vendor noted on the invitation. */
  readonly note?: string | undefined
  /** IRI of the terms, and the last day on which they hold. */
  readonly agreement: string
  readonly until: string
  /** Fields that are held now. */
  readonly held: number
  /** Changes that wait for their day. */
  readonly pending: number
  /** How the link to its mailbox stands; only while the vendor runs. */
  readonly link?: { readonly state: string; readonly code?: string | undefined } | undefined
}

export interface DisclosureView {
  readonly customer: string
  readonly path: string
  /**
   * - `held`: `value` is what the person says now.
   * - `cleared`: she says that it is empty, which is not the same as not disclosed.
   * - `awaited`: agreed on, and not said yet.
   */
  readonly state: "held" | "cleared" | "awaited"
  readonly value?: JsonValue | undefined
  readonly purpose: string
  readonly retention: string
  readonly until: string
  readonly follow: boolean
  /** What it will be, from a day on in the person's time zone. */
  readonly pending: readonly {
    readonly from: string
    readonly zone?: string | undefined
    readonly value?: JsonValue | undefined
  }[]
}

export interface AgreementView {
  readonly customer: string
  readonly did: string
  readonly state: "agreed" | "refused"
  readonly agreement: string
  readonly from: string
  readonly until: string
  /** Both signatures and the text, for an independent check; only once agreed. */
  readonly signed?: string | undefined
}

export interface VendorStatus {
  readonly did: string
  readonly name: string
  readonly domain?: string | undefined
  readonly isRunning: boolean
  readonly relays: readonly RelayStanding[]
  readonly customers: number
  readonly queued: number
  readonly deadLetters: number
  /** Messages at the front door that came to nothing, since the start. */
  readonly dropped: Readonly<Record<DropReason, number>>
}

export interface Vendor extends AsyncDisposable {
  readonly did: string
  readonly name: string
  readonly domain: string | undefined

  /**
   * Publishes what the vendor asks for. Name, domain and agreements may be left out: then they
   * are as before. The same request again changes nothing.
   *
   * @param json - A {@link RequestDraft}.
   * @throws {VendorError} `REQUEST_INVALID`, with the first finding.
   * @throws {RelationsError} `AGREEMENT_UNKNOWN`.
   */
  editRequest(json: unknown): Promise<RequestView>
  request(): RequestView | undefined
  /** What should be mended in a draft, or in the request that there is. */
  lintRequest(json?: unknown): readonly RequestFinding[]

  /** IRIs of the agreements that are accepted, the preferred one first. */
  terms(): readonly string[]
  /** @throws {RelationsError} `AGREEMENT_UNKNOWN`. */
  acceptTerms(ids: readonly string[]): Promise<readonly string[]>
  /** @throws {VendorError} `REQUEST_INVALID`: the request must name at least one. */
  dropTerms(ids: readonly string[]): Promise<readonly string[]>

  relays(): readonly string[]
  /** @throws {VendorError} `RELAY_ADDRESS_INVALID`. */
  setRelays(addresses: readonly string[]): Promise<void>

  /**
   * @throws {VendorError} `REQUEST_ABSENT`, `RELAY_ABSENT`, `INVITATION_LIMIT`.
   */
  invite(asked?: InviteRequest): Promise<Invited>

  /** @throws {VendorError} `HOOK_URL_INVALID`, `HOOK_LIMIT`. */
  addHook(url: string): Promise<{ readonly hook: Hook; readonly secret: string }>
  hooks(): readonly Hook[]
  queue(): readonly QueuedEvent[]
  deadLetters(): readonly QueuedEvent[]
  /** @throws {VendorError} `EVENT_UNKNOWN`, `HOOK_DISABLED`. */
  replay(id?: string): Promise<number>

  customers(): readonly CustomerView[]
  /** @throws {VendorError} `CUSTOMER_UNKNOWN`, `CUSTOMER_AMBIGUOUS`. */
  disclosures(customer?: string): readonly DisclosureView[]
  agreements(): readonly AgreementView[]
  /** All of it, in one document. */
  exportBooks(): JsonValue
  status(): VendorStatus

  /** Connects to the relays, posts webhooks, and deals with changes on their day. */
  start(): Promise<void>
  /** Told after anything that may change what is shown; returns what ends that. */
  onChange(listener: () => void): () => void
  close(): Promise<void>
}
