/**
 * A person's relationships on one device: connecting, projecting, and what the shares hold.
 *
 * Whatever writes to a share is part of a step of the ledger, so that the record's entry and the
 * share's are one atomic batch, and is projected by the one rule of `relations/projection`.
 *
 * Source: DESIGN, "Keys" (relationships), "Record and shares" and "Relations".
 *
 * @module
 */
import { bytesToHex, equalBytes, hexToBytes } from "@fulcrum/codec/bytes"
import type { JsonValue } from "@fulcrum/codec/json"
import type { Clock } from "@fulcrum/crypto/clock"
import {
  generateSigningKey,
  type PublicKey,
  type SigningKey,
  signingKeyFromSeed,
} from "@fulcrum/crypto/ed25519"
import type { Random } from "@fulcrum/crypto/random"
import type { Deflate } from "@fulcrum/log/deflate"
import type { AdmitResult } from "@fulcrum/log/replica"
import { documentId } from "@fulcrum/record/documents"
import { editDocument, getPath } from "@fulcrum/record/record"
import {
  checkAgreement,
  proposeAgreement,
  readAgreement,
  signAgreement,
} from "@fulcrum/relations/agreement"
import { agreementNamed } from "@fulcrum/relations/agreements"
import { type DisclosureChoice, parseDisclosures } from "@fulcrum/relations/disclosure"
import { isWithin } from "@fulcrum/relations/field-path"
import { decodeInvitation, type Invitation } from "@fulcrum/relations/invitation"
import { RelationsError } from "@fulcrum/relations/relations-error"
import {
  type RelationshipDocument,
  readRelationshipDocument,
  relationshipEdits,
  stateEdits,
} from "@fulcrum/relations/relationship-document"
import { readRequest, type SignedRequest } from "@fulcrum/relations/request"
import type { Vault } from "@fulcrum/store/vault"
import { rememberingRegisters } from "./disclosed-registers.ts"
import { EngineError } from "./engine-error.ts"
import type { Ledger } from "./ledger.ts"
import type { Step } from "./ledger-step.ts"
import { Mutex } from "./mutex.ts"
import { newRelationship } from "./new-relationship.ts"
import type { ConnectPreview, ConnectRequest, Reach } from "./person.ts"
import type { RelationshipItem } from "./record-items.ts"
import type { RelationshipSecrets } from "./record-state.ts"
import {
  type ProjectedShare,
  projectShare,
  rememberingOffsets,
  type ToldMove,
} from "./share-projection.ts"
import { ShareSpace } from "./share-space.ts"

/** Fetches what a door pins, from any of the relays; `undefined`: no relay knows the door. */
export type FetchPinned = (
  relays: readonly string[],
  door: Uint8Array,
) => Promise<Uint8Array | undefined>

export interface RelationshipsOptions {
  readonly ledger: Ledger
  readonly vault: Vault
  readonly random: Random
  readonly clock: Clock
  readonly deflate: Deflate
  readonly fetchPinned: FetchPinned
  /** The recovery words' public key, to which each relationship's recovery key is wrapped. */
  readonly recoveryKey: () => Uint8Array
  /** Whether this device may write for her. */
  readonly isMember: () => boolean
}

/** One relationship as this device has it. */
export interface OpenRelationship {
  readonly id: string
  readonly secrets: RelationshipSecrets
  readonly key: SigningKey
  readonly space: ShareSpace
  /** What is added to a register's counters. */
  readonly offsetOf: (path: string) => number
}

/** A step's puts to one relationship. */
export interface ProjectedReach extends ProjectedShare {
  readonly relationship: OpenRelationship
}

export class Relationships {
  readonly #options: RelationshipsOptions
  readonly #open = new Map<string, OpenRelationship>()
  /** Two logs of one share in one process would each pass over what the other writes. */
  readonly #opening = new Mutex()
  readonly #connecting = new Mutex()
  /** Something arrived, and what is due after it was not written yet. */
  #owesCatchUp = false

  private constructor(options: RelationshipsOptions) {
    this.#options = options
  }

  static async open(options: RelationshipsOptions): Promise<Relationships> {
    const relationships = new Relationships(options)
    options.ledger.onMend(async () => {
      // A share's log, too, may hold what a failed write left; and a relationship may be new.
      for (const { space } of relationships.#open.values()) await space.admit([])
      await relationships.openNew()
    })
    await relationships.openNew()
    return relationships
  }

  get all(): readonly OpenRelationship[] {
    return [...this.#open.values()]
  }

  get(id: string): OpenRelationship | undefined {
    return this.#open.get(id)
  }

  /** Opens the shares of relationships that the record has come to know; each of them once. */
  openNew(): Promise<void> {
    return this.#opening.run(async () => {
      for (const [id, secrets] of this.#options.ledger.state.relationships) {
        if (!this.#open.has(id)) this.#open.set(id, await this.#openOne(secrets))
      }
    })
  }

  /** The relationship's document, which any own device may have edited. */
  async document(id: string): Promise<RelationshipDocument> {
    const { documents } = this.#options.ledger
    const document = documentId(`relationships/${id}`)
    return readRelationshipDocument(await documents.registers(document, []))
  }

  /**
   * Finds one by id, a unique prefix of it, or the vendor's name.
   *
   * @throws {EngineError} `VENDOR_UNKNOWN`, `VENDOR_AMBIGUOUS`.
   */
  async find(wanted: string): Promise<OpenRelationship> {
    const exact = this.#open.get(wanted)
    if (exact !== undefined) return exact
    const found: OpenRelationship[] = []
    for (const relationship of this.#open.values()) {
      const { name, domain } = await this.document(relationship.id)
      const isNamed = [name, domain].some((one) => one?.toLowerCase() === wanted.toLowerCase())
      const isPrefix = wanted.length >= 4 && relationship.id.startsWith(wanted.toLowerCase())
      if (isNamed || isPrefix) found.push(relationship)
    }
    const [only, another] = found
    if (only === undefined) {
      throw new EngineError("VENDOR_UNKNOWN", "no relationship of that name")
    }
    if (another !== undefined) {
      throw new EngineError("VENDOR_AMBIGUOUS", "several relationships fit")
    }
    return only
  }

  async previewConnect(asked: ConnectRequest): Promise<ConnectPreview> {
    const invitation = decodeInvitation(asked.invitation)
    const resumed = this.#resumed(invitation)
    const request = await this.#request(invitation, resumed)
    const choices = parseDisclosures(asked.disclose)
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
      })),
    )
    const { name, domain, fields } = request.request
    return {
      vendor: { name, domain, checked: "not checked" },
      did: request.request.key,
      terms: agreementNamed(agreement.agreement)?.id ?? agreement.agreement,
      requested: fields,
      disclosed,
      missing: fields
        .filter((f) => f.required && !choices.some(({ path }) => isWithin(path, f.path)))
        .map(({ path }) => path),
      personal: invitation.token !== undefined,
      relays: invitation.relays,
      resumes: resumed?.id,
    }
  }

  /**
   * Draws the relationship's keys and stores the sealed connect message, in one atomic write.
   * Nothing is sent here. The same invitation again gives the same relationship.
   *
   * @throws {EngineError} `CONNECT_FIELD_REQUIRED`, `CONNECT_FIELD_EMPTY`, and what fetching throws.
   */
  connect(asked: ConnectRequest): Promise<OpenRelationship> {
    return this.#connecting.run(() => this.#connect(asked))
  }

  async #connect(asked: ConnectRequest): Promise<OpenRelationship> {
    const invitation = decodeInvitation(asked.invitation)
    // An attempt whose outcome was not known may have left the relationship.
    await this.#options.ledger.mend()
    const resumed = this.#resumed(invitation)
    if (resumed !== undefined) return resumed
    const request = await this.#request(invitation, undefined)
    const choices = parseDisclosures(asked.disclose)
    await this.#requireFields(request, choices)
    const { random, vault, deflate, ledger, clock } = this.#options
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
      step.after(() => made.space.absorb(made.keySpan.entries))
    })
    await this.openNew()
    const opened = this.#open.get(bytesToHex(made.item.id))
    if (opened === undefined) throw new TypeError("a relationship that was just written is missing")
    return opened
  }

  /**
   * Brings every share up to the record, as part of a step: what the step changed, what was
   * agreed since, and what another device did not tell. Nothing disclosed changed: nothing is added.
   *
   * @param edited - Paths that the step set; empty when something arrived.
   * @param told - Of a move: its day, and the items that go with the puts of a relationship.
   */
  async project(
    step: Step,
    edited: readonly string[],
    told?: ToldMove,
  ): Promise<readonly ProjectedReach[]> {
    const reached: ProjectedReach[] = []
    const registersAt = rememberingRegisters(step.documents)
    for (const relationship of this.#open.values()) {
      if (!this.isAgreed(relationship)) continue
      const { disclosures: all, state, name } = await this.document(relationship.id)
      if (state === "left") continue
      const projected = await projectShare(step, {
        ...{ relationship, name, edited, told, registersAt },
        disclosures: this.standing(all),
      })
      if (projected !== undefined) reached.push({ relationship, ...projected })
    }
    return reached
  }

  /** Of what was disclosed, what still holds today. */
  standing<T extends { readonly until: string }>(disclosures: readonly T[]): readonly T[] {
    const today = new Date(this.#options.clock.now()).toISOString().slice(0, 10)
    return disclosures.filter(({ until }) => until >= today)
  }

  /** Whether both signatures over the agreement verify. Only then is any field projected. */
  isAgreed({ space }: OpenRelationship): boolean {
    return space.agreedSignature !== undefined
  }

  /** Takes spans of a share, and follows up on what the vendor said. */
  async admit(
    relationship: OpenRelationship,
    spans: readonly Uint8Array[],
  ): Promise<readonly AdmitResult[]> {
    const results = await relationship.space.admit(spans)
    if (results.some(({ outcome }) => outcome === "admitted")) this.#owesCatchUp = true
    if (this.#owesCatchUp) await this.catchUp()
    return results
  }

  /**
   * What is due after something arrived: first disclosures, what another device did not tell, and
   * the state that each relationship's document shows. Writes nothing if nothing is due, or if
   * this device was removed: then it speaks for her no more.
   */
  async catchUp(): Promise<readonly ProjectedReach[]> {
    if (!this.#options.isMember()) return []
    const reached = await this.#options.ledger
      .transact(async (step) => {
        this.#owesCatchUp = false
        for (const relationship of this.#open.values()) await this.#showState(step, relationship)
        return this.project(step, [])
      })
      .catch((error: unknown) => {
        this.#owesCatchUp = true
        throw error
      })
    return reached
  }

  async #showState(step: Step, relationship: OpenRelationship): Promise<void> {
    const { state } = await this.document(relationship.id)
    if (state !== "proffered") return
    const isRefused = relationship.space.refused !== undefined
    const now = this.isAgreed(relationship) ? "agreed" : isRefused ? "refused" : "proffered"
    if (now === state) return
    const document = documentId(`relationships/${relationship.id}`)
    const { documents, actor } = step
    step.keep(await editDocument(documents, { document, edits: stateEdits(now), actor }))
  }

  async #openOne(secrets: RelationshipSecrets): Promise<OpenRelationship> {
    const { item } = secrets
    const { vault, random, deflate, ledger } = this.#options
    const key = signingKeyFromSeed(item.signingSeed)
    const latest = () => ledger.state.relationships.get(secrets.id) ?? secrets
    const space = await ShareSpace.open({
      vault,
      spaceTag: item.spaceTag,
      chainKey: item.chainKey,
      epochKey: (id) => latest().epochKeys.get(id),
      currentEpoch: () => newestEpoch(latest()),
      keys: { person: key.publicKey, vendor: item.vendor },
      own: { lane: "person", key },
      isAgreement: (signature) => isAgreement(item, key, signature),
      random,
      deflate,
    })
    return {
      id: secrets.id,
      key,
      space,
      offsetOf: rememberingOffsets(item.signingSeed),
      get secrets() {
        return latest()
      },
    }
  }

  #resumed(invitation: Invitation): OpenRelationship | undefined {
    const isSame = ({ secrets: { item } }: OpenRelationship) =>
      equalBytes(item.door, invitation.door) &&
      equalBytes(item.vendor, invitation.vendor) &&
      (invitation.token === undefined
        ? item.token === undefined
        : item.token !== undefined && equalBytes(item.token, invitation.token))
    return this.all.find(isSame)
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
    return getPath(this.#options.ledger.documents, path)
  }
}

/** Whether a signature of the vendor's makes the proffered agreement one that both signed. */
function isAgreement(
  { agreement: bytes, signature: personSignature, vendor: vendorKey }: RelationshipItem,
  { publicKey: personKey }: SigningKey,
  vendorSignature: Uint8Array,
): boolean {
  try {
    checkAgreement({ bytes, personKey, vendorKey, personSignature, vendorSignature })
    return true
  } catch (error) {
    if (error instanceof RelationsError) return false
    throw error
  }
}

/** Whom a step reached, as an edit tells it. */
export async function reachesOf(
  relationships: Relationships,
  projected: readonly ProjectedReach[],
): Promise<readonly Reach[]> {
  const reaches: Reach[] = []
  for (const { relationship, paths } of projected) {
    const { name } = await relationships.document(relationship.id)
    for (const path of paths) reaches.push({ relationship: relationship.id, vendor: name, path })
  }
  return reaches
}

/** The epoch that was added last: own devices add them in causal order. */
function newestEpoch({ epochKeys, item }: RelationshipSecrets): Uint8Array {
  const newest = [...epochKeys.keys()].at(-1)
  return newest === undefined ? item.epoch : hexToBytes(newest)
}
