/**
 * The spaces that own devices keep in step with one another: the record, and each share.
 *
 * @module
 */
import { chainKeySchema, spaceTagSchema } from "@fulcrum/log/ids"
import type { Ledger } from "./ledger.ts"
import type { OpenRelationship, Relationships } from "./relationships.ts"
import type { PeerSpace } from "./sync-link.ts"

export class OwnSpaces {
  readonly record: PeerSpace
  readonly #relationships: Relationships
  readonly #taken: () => void
  readonly #shares = new Map<string, PeerSpace>()

  /** @param taken - Called after a share took something from another device. */
  constructor(ledger: Ledger, relationships: Relationships, taken: () => void) {
    const { membership, record } = ledger
    this.#relationships = relationships
    this.#taken = taken
    this.record = {
      tag: membership.tag,
      chainKey: membership.chainKey,
      log: record,
      admit: async (spans) => {
        await ledger.admit(spans)
      },
    }
  }

  get all(): readonly PeerSpace[] {
    return [this.record, ...this.#relationships.all.map((relationship) => this.of(relationship))]
  }

  /** The shares that were asked for until now. */
  get met(): readonly PeerSpace[] {
    return [...this.#shares.values()]
  }

  /** A share's space: the same one each time. */
  of(relationship: OpenRelationship): PeerSpace {
    const known = this.#shares.get(relationship.id)
    if (known !== undefined) return known
    const { item } = relationship.secrets
    const space: PeerSpace = {
      tag: spaceTagSchema.decode(item.spaceTag),
      chainKey: chainKeySchema.decode(item.chainKey),
      log: relationship.space.replica,
      admit: async (spans) => {
        await this.#relationships.admit(relationship, spans)
        this.#taken()
      },
    }
    this.#shares.set(relationship.id, space)
    return space
  }
}
