/**
 * The spaces that own devices keep in step with one another: the record, and each share.
 *
 * @module
 */
import type { PublicKey } from "@fulcrum/crypto/ed25519"
import { chainKeySchema, spaceTagSchema } from "@fulcrum/log/ids"
import { LogError } from "@fulcrum/log/log-error"
import { readSpanHeader, SPAN_SNAPSHOT } from "@fulcrum/log/span"
import type { Ledger } from "../ledger/ledger.ts"
import type { OpenRelationship, Relationships } from "../relationships/relationships.ts"
import type { PeerSpace } from "./sync-link.ts"

/** What is no span at all is the log's to refuse. */
function isSnapshot(span: Uint8Array): boolean {
  try {
    return readSpanHeader(span).kind === SPAN_SNAPSHOT
  } catch (error) {
    if (error instanceof LogError) return false
    throw error
  }
}

export class OwnSpaces {
  readonly record: PeerSpace
  readonly #relationships: Relationships
  readonly #taken: (relationship: OpenRelationship) => void
  readonly #shares = new Map<string, PeerSpace>()

  constructor(options: {
    readonly ledger: Ledger
    readonly relationships: Relationships
    /** Whether a device belongs whose key this is: also before the record says so. */
    readonly belongs: (writer: PublicKey) => boolean
    /** Called after a share took something from another device. */
    readonly taken: (relationship: OpenRelationship) => void
  }) {
    const { ledger, relationships, belongs, taken } = options
    const { membership, record } = ledger
    this.#relationships = relationships
    this.#taken = taken
    this.record = {
      tag: membership.tag,
      chainKey: membership.chainKey,
      log: record,
      admit: async (spans) => {
        const snapshots = spans.filter(isSnapshot)
        if (snapshots.length > 0) await ledger.shown.show(snapshots, belongs)
        const others = spans.filter((span) => !snapshots.includes(span))
        if (others.length > 0) await ledger.admit(others)
      },
      snapshotsFor: (after) => ledger.shown.snapshotsFor(after),
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
        this.#taken(relationship)
      },
    }
    this.#shares.set(relationship.id, space)
    return space
  }
}
