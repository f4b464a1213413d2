/**
 * What a person sees of her relationships: rows, one in full, and who has what. Nothing is shown as
 * done that somebody else did not sign.
 *
 * @module
 */
import { canonicalJson, type JsonValue } from "@fulcrum/codec/json"
import { publicKeyToDidKey } from "@fulcrum/crypto/didkey"
import { formatPath, parsePath } from "@fulcrum/record/path"
import { RecordError } from "@fulcrum/record/record-error"
import { readAgreement } from "@fulcrum/relations/agreement"
import { agreementNamed } from "@fulcrum/relations/agreements"
import { LINE_STATES, type LineState } from "@fulcrum/relations/board"
import { levelOf } from "@fulcrum/relations/levels"
import { type Evidence, whoHas } from "@fulcrum/relations/who-has"
import type { RelationshipRow, RelationshipView, WhoHasRow } from "../person/person.ts"
import type { OpenRelationship, Relationships } from "../relationships/relationships.ts"
import type { ShareSpace } from "../relationships/share-space.ts"
import type { Editing } from "./editing.ts"
import type { Moves } from "./moves.ts"

type DisclosureState = RelationshipView["disclosures"][number]["state"]

/** The furthest last; whatever was rejected is said first. */
const STATES: readonly LineState[] = ["rejected", ...LINE_STATES]

export class RelationshipViews {
  readonly #relationships: Relationships
  readonly #moves: Moves
  readonly #record: Pick<Editing, "get">

  constructor(relationships: Relationships, moves: Moves, record: Pick<Editing, "get">) {
    this.#relationships = relationships
    this.#moves = moves
    this.#record = record
  }

  async rows(): Promise<readonly RelationshipRow[]> {
    const rows = await Promise.all(this.#relationships.all.map((one) => this.row(one)))
    return rows.toSorted((a, b) => (a.vendor < b.vendor ? -1 : 1))
  }

  async row(relationship: OpenRelationship): Promise<RelationshipRow> {
    const { id } = relationship
    const { name, domain, disclosures, terms } = await this.#relationships.document(id)
    const state = await this.#relationships.stateOf(relationship)
    const frozen = state === "agreed" ? this.#relationships.freezeOf(relationship) : undefined
    return {
      id,
      vendor: name,
      domain,
      state: frozen === undefined ? state : "frozen",
      frozen,
      refusedBy: this.#relationships.refusalOf(relationship)?.by,
      level: levelOf({ agreed: state === "agreed", disclosures }),
      terms: agreementNamed(terms)?.id ?? terms,
      fields: disclosures.map(({ path }) => path),
    }
  }

  /** Names of the companies that take no change. */
  async frozen(): Promise<readonly string[]> {
    const rows = await this.rows()
    return rows.filter(({ frozen }) => frozen !== undefined).map(({ vendor }) => vendor)
  }

  async view(relationship: OpenRelationship): Promise<RelationshipView> {
    const row = await this.row(relationship)
    const { disclosures } = await this.#relationships.document(relationship.id)
    const { secrets, key, space } = relationship
    const refusal = this.#relationships.refusalOf(relationship)
    const agreement = readAgreement(secrets.item.agreement)
    return {
      ...row,
      did: publicKeyToDidKey(key.publicKey),
      agreement: { ...agreement, fields: agreement.fields.map((field) => ({ ...field })) },
      disclosures: disclosures.map(({ path, purpose, retention, until, follows }) => ({
        path,
        purpose,
        retention,
        until,
        follows,
        value: space.share.valueAt(path),
        state: this.#stateAt(relationship, path),
      })),
      refusal: refusal && `${refusal.code}: ${refusal.reason}`,
      unclaimed: await this.#unclaimedIn(space),
      unknownTaken: space.unknownTaken,
      held: [],
    }
  }

  /** What the company holds yet of what no device of hers stands by, and the record does not say as well. */
  async #unclaimedIn(space: ShareSpace): Promise<RelationshipView["unclaimed"]> {
    const { registers } = space.share
    const unclaimed: RelationshipView["unclaimed"][number][] = []
    for (const item of space.disownedEntries.flatMap(({ items }) => items)) {
      if (item.kind !== "put") continue
      const { path, value, counter } = item.value
      const now = registers.get(path)
      const isOver = now !== undefined && now.counter > counter && space.hasTaken(now.by.chain)
      if (!isOver && !(await this.#says(path, value))) unclaimed.push({ path, value })
    }
    return unclaimed
  }

  async #says(path: string, value: JsonValue | undefined): Promise<boolean> {
    try {
      const said = await this.#record.get(path)
      if (said === undefined || value === undefined) return said === value
      return canonicalJson(said) === canonicalJson(value)
    } catch (error) {
      // The company asked for what has no place in a record.
      if (error instanceof RecordError) return false
      throw error
    }
  }

  async whoHas(path: string): Promise<readonly WhoHasRow[]> {
    const wanted = formatPath(parsePath(path))
    const known = await Promise.all(
      this.#relationships.all.map(async (relationship) => {
        const { name, disclosures } = await this.#relationships.document(relationship.id)
        const { share, personEntries } = relationship.space
        return {
          id: relationship.id,
          vendor: name,
          disclosures,
          share,
          told: personEntries.map(({ at: by, items }) => ({
            by,
            puts: items.flatMap((item) => (item.kind === "put" ? [item.value] : [])),
          })),
          evidence: (chain: Uint8Array) => evidenceOf(this.#reached(relationship, chain)),
        }
      }),
    )
    return whoHas(wanted, known).flatMap((row) => {
      const relationship = this.#relationships.get(row.relationship)
      return relationship ? [{ ...row, state: this.#stateAt(relationship, row.path) }] : []
    })
  }

  /** What was told with several entries is as far as the last of them. */
  #stateAt(relationship: OpenRelationship, path: string): DisclosureState {
    const states = relationship.space.share
      .at(path)
      .map(({ by }) => this.#reached(relationship, by.chain) ?? "planned")
    const least = STATES.find((state) => states.includes(state))
    return least === undefined || least === "planned" ? "held" : least
  }

  #reached(relationship: OpenRelationship, chain: Uint8Array): LineState | undefined {
    const entry = relationship.space.entryAt(chain)
    if (entry === undefined) return undefined
    const { incarnation, at } = entry
    return this.#moves.progress(relationship, { incarnation, sequence: at.sequence, chain }).state
  }
}

function evidenceOf(state: LineState | undefined): Evidence | undefined {
  return state === "applied" || state === "accepted" || state === "delivered" || state === "relayed"
    ? state
    : undefined
}
