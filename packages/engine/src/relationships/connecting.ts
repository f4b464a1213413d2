/**
 * Connecting to a vendor: what an invitation asks for, and the relationship that is proffered.
 *
 * Source: DESIGN, "Relations" (connecting, in order: 1 to 4).
 *
 * @module
 */
import { bytesToHex, equalBytes } from "@fulcrum/codec/bytes"
import type { JsonValue } from "@fulcrum/codec/json"
import type { Clock } from "@fulcrum/crypto/clock"
import { publicKeyToDidKey } from "@fulcrum/crypto/didkey"
import { generateSigningKey, type PublicKey } from "@fulcrum/crypto/ed25519"
import type { Random } from "@fulcrum/crypto/random"
import type { Deflate } from "@fulcrum/log/deflate"
import { documentId } from "@fulcrum/record/documents"
import { editDocument, getPath } from "@fulcrum/record/record"
import {
  type Agreement,
  proposeAgreement,
  readAgreement,
  signAgreement,
} from "@fulcrum/relations/agreement"
import { agreementNamed } from "@fulcrum/relations/agreements"
import { type DisclosureChoice, parseDisclosures } from "@fulcrum/relations/disclosure"
import { isWithin } from "@fulcrum/relations/field-path"
import { decodeInvitation, type Invitation } from "@fulcrum/relations/invitation"
import { relationshipEdits } from "@fulcrum/relations/relationship-document"
import { readRequest, type SignedRequest } from "@fulcrum/relations/request"
import type { Vault } from "@fulcrum/store/vault"
import { EngineError, invitationUsed } from "../failures/engine-error.ts"
import type { Ledger } from "../ledger/ledger.ts"
import { removalEpochs } from "../membership/removal-keys.ts"
import type { ConnectPreview, ConnectRequest } from "../person/person.ts"
import { Mutex } from "../waiting/mutex.ts"
import { newRelationship } from "./new-relationship.ts"
import type { OpenRelationship, Relationships } from "./relationships.ts"
import { sayRenewed } from "./removal-dues.ts"

/** Fetches what a door pins, from any of the relays; `undefined`: no relay knows the door. */
export type FetchPinned = (
  relays: readonly string[],
  door: Uint8Array,
) => Promise<Uint8Array | undefined>

export interface ConnectingOptions {
  readonly relationships: Relationships
  readonly ledger: Ledger
  readonly vault: Vault
  readonly random: Random
  readonly clock: Clock
  readonly deflate: Deflate
  readonly fetchPinned: FetchPinned
  /** The recovery words' public key, to which each relationship's recovery key is wrapped. */
  readonly recoveryKey: () => Uint8Array
}

export class Connecting {
  readonly #options: ConnectingOptions
  /** The same invitation twice at once is one relationship. */
  readonly #mutex = new Mutex()

  constructor(options: ConnectingOptions) {
    this.#options = options
  }

  async preview(asked: ConnectRequest): Promise<ConnectPreview> {
    const invitation = decodeInvitation(asked.invitation)
    const resumed = this.#resumed(invitation)
    const request = await this.#request(invitation, resumed)
    const choices = parseDisclosures(asked.disclose)
    const about = aboutRequest(invitation, request)
    this.#requireUnused(resumed)
    if (resumed !== undefined) return { ...about, ...(await this.#proffered(resumed)) }
    const { agreement } = this.#propose(
      request,
      generateSigningKey(this.#options.random).publicKey,
      {
        choices,
        terms: asked.terms,
      },
    )
    const disclosed = await Promise.all(
      choices.map(async ({ path, follows }) => ({
        path,
        follows,
        value: await this.#valueOf(path),
        given: false,
      })),
    )
    return {
      ...about,
      terms: termsOf(agreement),
      disclosed,
      missing: about.requested
        .filter((f) => f.required && !choices.some(({ path }) => isWithin(path, f.path)))
        .map(({ path }) => path),
      ...{ resumes: undefined, state: undefined, ownDid: undefined },
    }
  }

  /** What was proffered when the invitation was followed before, and what the company has of it. */
  async #proffered(
    resumed: OpenRelationship,
  ): Promise<Omit<ConnectPreview, keyof ReturnType<typeof aboutRequest>>> {
    const { id, key, space, secrets } = resumed
    const agreement = readAgreement(secrets.item.agreement)
    const disclosed = await Promise.all(
      agreement.fields.map(async ({ path, follow: follows }) => {
        const value = space.share.valueAt(path)
        const given = value !== undefined
        return { path, follows, value: given ? value : await this.#valueOf(path), given }
      }),
    )
    const state = await this.#options.relationships.stateOf(resumed)
    const ownDid = publicKeyToDidKey(key.publicKey)
    return { terms: termsOf(agreement), disclosed, missing: [], resumes: id, state, ownDid }
  }

  /**
   * Draws the relationship's keys and stores the sealed connect message, in one atomic write.
   * Nothing is sent here. The same invitation again gives the same relationship.
   *
   * @throws {EngineError} `CONNECT_INVITATION_USED`, `CONNECT_FIELD_REQUIRED`,
   * `CONNECT_FIELD_EMPTY`, and what fetching throws.
   */
  connect(asked: ConnectRequest): Promise<OpenRelationship> {
    return this.#mutex.run(() => this.#connect(asked))
  }

  async #connect(asked: ConnectRequest): Promise<OpenRelationship> {
    const invitation = decodeInvitation(asked.invitation)
    // An attempt whose outcome was not known may have left the relationship.
    await this.#options.ledger.mend()
    const resumed = this.#resumed(invitation)
    this.#requireUnused(resumed)
    if (resumed !== undefined) return resumed
    const request = await this.#request(invitation, undefined)
    const choices = parseDisclosures(asked.disclose)
    await this.#requireFields(request, choices)
    const { relationships, random, vault, deflate, ledger, clock } = this.#options
    const key = generateSigningKey(random)
    const { bytes: agreement } = this.#propose(request, key.publicKey, {
      choices,
      terms: asked.terms,
    })
    const made = await newRelationship({
      invitation,
      request,
      key,
      agreement,
      signature: signAgreement(key, agreement),
      recoveryKey: this.#options.recoveryKey(),
      nowMs: clock.now(),
      vault,
      random,
      deflate,
    })
    const { name, domain } = request.request
    const edits = relationshipEdits({ name, domain, agreement: readAgreement(agreement) })
    await ledger.transact(async (step) => {
      const document = documentId(`relationships/${bytesToHex(made.item.id)}`)
      step.join(made.space.replica, made.keySpan)
      step.add({ kind: "relationship", value: made.item })
      step.add({
        kind: "connect",
        value: { relationship: made.item.id, message: made.message },
      })
      step.keep(await editDocument(step.documents, { document, edits, actor: step.actor }))
      const relationships = new Set([bytesToHex(made.item.id)])
      sayRenewed(step, { removals: removalEpochs(ledger), relationships })
      step.after(() => made.space.absorb(made.keySpan.entries))
    })
    await relationships.openNew()
    const opened = relationships.get(bytesToHex(made.item.id))
    if (opened === undefined) throw new TypeError("a relationship that was just written is missing")
    return opened
  }

  #requireUnused(resumed: OpenRelationship | undefined): void {
    const refusal = resumed && this.#options.relationships.refusalOf(resumed)
    if (refusal?.by === "relay") throw invitationUsed()
  }

  #resumed(invitation: Invitation): OpenRelationship | undefined {
    const isSame = ({ secrets: { item } }: OpenRelationship) =>
      equalBytes(item.door, invitation.door) &&
      equalBytes(item.vendor, invitation.vendor) &&
      (invitation.token === undefined
        ? item.token === undefined
        : item.token !== undefined && equalBytes(item.token, invitation.token))
    return this.#options.relationships.all.find(isSame)
  }

  async #request(
    invitation: Invitation,
    resumed: OpenRelationship | undefined,
  ): Promise<SignedRequest> {
    const expected = { vendor: invitation.vendor, requestHash: invitation.requestHash }
    if (resumed !== undefined) return readRequest(resumed.secrets.item.request, expected)
    const pinned = await this.#options.fetchPinned(invitation.relays, invitation.door)
    if (pinned === undefined) {
      throw new EngineError(
        "CONNECT_UNREACHABLE",
        "the invitation's relay does not know this vendor (any more)",
      )
    }
    return readRequest(pinned, expected)
  }

  #propose(
    request: SignedRequest,
    person: PublicKey,
    choice: { readonly choices: readonly DisclosureChoice[]; readonly terms: string | undefined },
  ): ReturnType<typeof proposeAgreement> {
    const { random, clock } = this.#options
    const from = new Date(clock.now()).toISOString().slice(0, 10)
    const { choices: disclosures, terms } = choice
    return proposeAgreement({ request, person, disclosures, terms, from, random })
  }

  async #requireFields(
    request: SignedRequest,
    choices: readonly DisclosureChoice[],
  ): Promise<void> {
    for (const { path, required } of request.request.fields) {
      if (required && !choices.some((choice) => isWithin(choice.path, path))) {
        throw new EngineError(
          "CONNECT_FIELD_REQUIRED",
          `this vendor does not agree without ${path}`,
        )
      }
    }
    for (const { path } of choices) {
      if ((await this.#valueOf(path)) === undefined) {
        throw new EngineError("CONNECT_FIELD_EMPTY", `${path} is empty`)
      }
    }
  }

  #valueOf(path: string): Promise<JsonValue | undefined> {
    return getPath(this.#options.ledger.shown, path)
  }
}

/** What a preview says of who asks, and for what. */
function aboutRequest(
  { token, relays }: Invitation,
  { request }: SignedRequest,
): Pick<ConnectPreview, "vendor" | "did" | "requested" | "personal" | "relays"> {
  const { name, domain, key: did, fields: requested } = request
  const vendor = { name, domain, checked: "not checked" }
  return { vendor, did, requested, personal: token !== undefined, relays }
}

function termsOf({ agreement }: Agreement): string {
  return agreementNamed(agreement)?.id ?? agreement
}
