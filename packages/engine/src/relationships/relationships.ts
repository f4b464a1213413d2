/**
 * A person's relationships on one device: projecting, and what the shares hold.
 *
 * Whatever writes to a share is part of a step of the ledger, so that the record's entry and the
 * share's are one atomic batch, and is projected by the one rule of `relations/projection`.
 *
 * Source: DESIGN, "Keys" (relationships), "Record and shares" and "Relations".
 *
 * @module
 */
import { equalBytes, hexToBytes } from "@fulcrum/codec/bytes"
import type { Clock } from "@fulcrum/crypto/clock"
import { type SigningKey, signingKeyFromSeed } from "@fulcrum/crypto/ed25519"
import type { Random } from "@fulcrum/crypto/random"
import type { Deflate } from "@fulcrum/log/deflate"
import type { AdmitResult } from "@fulcrum/log/replica"
import { documentId } from "@fulcrum/record/documents"
import { parsePath } from "@fulcrum/record/path"
import { editDocument } from "@fulcrum/record/record"
import { checkAgreement } from "@fulcrum/relations/agreement"
import { RelationsError } from "@fulcrum/relations/relations-error"
import {
  type RelationshipDocument,
  readRelationshipDocument,
  type RelationshipState as StoredState,
  stateEdits,
} from "@fulcrum/relations/relationship-document"
import { readSuccessor } from "@fulcrum/relations/successor"
import type { Vault } from "@fulcrum/store/vault"
import { EngineError } from "../failures/engine-error.ts"
import type { RelationshipSecrets } from "../items/record-state.ts"
import type { RelationshipItem, SuccessorItem } from "../items/relationship-items.ts"
import type { Ledger } from "../ledger/ledger.ts"
import type { Step } from "../ledger/ledger-step.ts"
import type { Freeze, Reach } from "../person/person.ts"
import { Mutex } from "../waiting/mutex.ts"
import { rememberingRegisters } from "./disclosed-registers.ts"
import {
  type ProjectedShare,
  projectShare,
  rememberingOffsets,
  type ToldMove,
} from "./share-projection.ts"
import { ShareSpace } from "./share-space.ts"
import type { OwnSuccessor } from "./share-writers.ts"

export interface RelationshipsOptions {
  readonly ledger: Ledger
  readonly vault: Vault
  readonly random: Random
  readonly clock: Clock
  readonly deflate: Deflate
  /** Whether this device may write to companies: not while one may have a key that a removed device has. */
  readonly mayTell: () => boolean
}

/** One relationship as this device has it. */
export interface OpenRelationship {
  readonly id: string
  readonly secrets: RelationshipSecrets
  /** The relationship's first key, whose `did:key` the agreement names. */
  readonly key: SigningKey
  readonly space: ShareSpace
  /** What is added to a register's counters. */
  readonly offsetOf: (path: string) => number
  /** Notes a successor that is being made here: its statement is not verified once it is written. */
  readonly expect: (statement: Uint8Array, made: OwnSuccessor) => void
}

/** Why there is no agreement. */
export interface Refusal {
  readonly by: "company" | "relay"
  readonly code: string
  readonly reason: string
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
  /** Relationships of which something came that was not followed up. */
  readonly #owing = new Set<string>()

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
   * Finds one by id, a unique prefix of it, or the vendor's name. One that was refused or left does
   * not stand in the way of another of the same name.
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
    const living = await this.#living(found)
    const [only, another] = living.length > 0 ? living : found
    if (only === undefined) {
      throw new EngineError("VENDOR_UNKNOWN", "no relationship of that name")
    }
    if (another !== undefined) {
      throw new EngineError("VENDOR_AMBIGUOUS", "several relationships fit")
    }
    return only
  }

  /**
   * Brings every share up to the record, as part of a step: what the step changed, what was
   * agreed since, and what another device did not tell. Nothing disclosed changed: nothing is added.
   *
   * @param edited - Paths that the step set; empty when something arrived.
   * @param told - Of a move: its day, and the items that go with the puts of a relationship.
   * @param among - Only these; absent: all.
   */
  async project(
    step: Step,
    edited: readonly string[],
    told?: ToldMove,
    among: readonly OpenRelationship[] = this.all,
  ): Promise<readonly ProjectedReach[]> {
    const reached: ProjectedReach[] = []
    const registersAt = rememberingRegisters(step.documents)
    for (const relationship of among) {
      if (!this.isAgreed(relationship)) continue
      const { disclosures: all, state, name } = await this.document(relationship.id)
      if (state === "left") continue
      const projected = await projectShare(step, {
        ...{ relationship, name, edited, told, registersAt },
        // What is here of a document that is shown early is older than what any company was told.
        disclosures: this.standing(all).filter(
          ({ path }) => !step.isEarly(parsePath(path).document),
        ),
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

  /** The vendor's word counts as soon as it is here, also before the document shows it. */
  async stateOf(relationship: OpenRelationship): Promise<StoredState> {
    const { state } = await this.document(relationship.id)
    if (state === "left") return "left"
    if (this.isAgreed(relationship)) return "agreed"
    return this.refusalOf(relationship) === undefined ? "proffered" : "refused"
  }

  /** Whether its company takes no change, by its own word, and why. */
  freezeOf({ space }: OpenRelationship): Freeze | undefined {
    const { newestKeys, personKeys } = space
    if (newestKeys === undefined || newestKeys.keys.length === 1) return undefined
    const { keys } = newestKeys
    return keys.length > 0 && keys.every((key) => personKeys.knows(key)) ? "own" : "other"
  }

  /** Who refused, and why. The company's word, either way, is more than the relay's. */
  refusalOf(relationship: OpenRelationship): Refusal | undefined {
    if (this.isAgreed(relationship)) return undefined
    const { refused } = relationship.space
    if (refused !== undefined) return { by: "company", ...refused }
    const code = relationship.secrets.connectRefused
    if (code === undefined) return undefined
    return { by: "relay", code, reason: "the invitation was used already" }
  }

  /** Keeps for every own device that a relay refused the connect message for good. */
  async keepConnectRefused(relationship: OpenRelationship, code: string): Promise<void> {
    await this.#options.ledger.transact(async (step) => {
      const { secrets } = relationship
      if (secrets.connectRefused !== undefined) return
      step.add({ kind: "connectRefused", value: { relationship: secrets.item.id, code } })
      await this.#keepState(step, relationship, "refused")
    })
  }

  async #living(found: readonly OpenRelationship[]): Promise<readonly OpenRelationship[]> {
    const states = await Promise.all(found.map((one) => this.stateOf(one)))
    return found.filter((_, i) => states[i] === "proffered" || states[i] === "agreed")
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
    if (results.some(({ outcome }) => outcome === "admitted")) this.#owing.add(relationship.id)
    await this.#catchUp([...this.#owing].flatMap((id) => this.#open.get(id) ?? []))
    return results
  }

  /**
   * What is due after something arrived: first disclosures, what another device did not tell, and
   * the state that each relationship's document shows. Writes nothing if nothing is due, or if
   * this device was removed: then it speaks for her no more.
   */
  catchUp(): Promise<readonly ProjectedReach[]> {
    return this.#catchUp(this.all)
  }

  async #catchUp(which: readonly OpenRelationship[]): Promise<readonly ProjectedReach[]> {
    if (which.length === 0 || !this.#options.mayTell()) return []
    return this.#options.ledger
      .transact(async (step) => {
        for (const { id } of which) this.#owing.delete(id)
        for (const relationship of which) await this.#showState(step, relationship)
        return this.project(step, [], undefined, which)
      })
      .catch((error: unknown) => {
        for (const { id } of which) this.#owing.add(id)
        throw error
      })
  }

  async #showState(step: Step, relationship: OpenRelationship): Promise<void> {
    const { state } = await this.document(relationship.id)
    const now = await this.stateOf(relationship)
    // What another device has shown may not be here yet: nothing is taken back, but for a refusal
    // by a relay that the company did not know of.
    const isDue = state === "proffered" || (state === "refused" && now === "agreed")
    if (isDue && now !== state) await this.#keepState(step, relationship, now)
  }

  async #keepState(step: Step, relationship: OpenRelationship, now: StoredState): Promise<void> {
    const document = documentId(`relationships/${relationship.id}`)
    const { documents, actor } = step
    step.keep(await editDocument(documents, { document, edits: stateEdits(now), actor }))
  }

  async #openOne(secrets: RelationshipSecrets): Promise<OpenRelationship> {
    const { item } = secrets
    const { vault, random, deflate, ledger } = this.#options
    const key = signingKeyFromSeed(item.signingSeed)
    const latest = () => ledger.state.relationships.get(secrets.id) ?? secrets
    const { successors, expect } = rememberingSuccessors(item.spaceTag, latest)
    const space = await ShareSpace.open({
      vault,
      spaceTag: item.spaceTag,
      chainKey: item.chainKey,
      epochKey: (id) => latest().epochKeys.get(id),
      currentEpoch: () => newestEpoch(latest()),
      keys: { person: key.publicKey, vendor: item.vendor },
      own: { lane: "person", key, successors },
      isAgreement: (signature) => isAgreement(item, key, signature),
      random,
      deflate,
    })
    return {
      id: secrets.id,
      key,
      space,
      offsetOf: rememberingOffsets(item.signingSeed),
      expect,
      get secrets() {
        return latest()
      },
    }
  }
}

/** What the record has of successors, each of them read once; one that is not right is passed over. */
function rememberingSuccessors(
  spaceTag: Uint8Array,
  latest: () => RelationshipSecrets,
): {
  readonly successors: () => readonly OwnSuccessor[]
  readonly expect: OpenRelationship["expect"]
} {
  let read = 0
  let known: readonly OwnSuccessor[] = []
  /** The last that was made here; whether it was written is not known. */
  let made: { readonly encoded: Uint8Array; readonly successor: OwnSuccessor } | undefined
  const readOne = ({ signingSeed, statement }: SuccessorItem): readonly OwnSuccessor[] => {
    if (made !== undefined && equalBytes(made.encoded, statement)) return [made.successor]
    const verified = readSuccessor(statement, { spaceTag })
    const key = signingKeyFromSeed(signingSeed)
    const isRight = verified !== undefined && equalBytes(verified.key, key.publicKey)
    return isRight ? [{ key, statement: verified }] : []
  }
  return {
    successors() {
      const { successors } = latest()
      if (successors.length > read) {
        known = [...known, ...successors.slice(read).flatMap(readOne)]
        read = successors.length
      }
      return known
    },
    expect(encoded, successor) {
      made = { encoded, successor }
    },
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
