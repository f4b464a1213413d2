/**
 * What the record carries of shares, for a device that has not fetched it, is taken in: also what
 * came before a crash.
 *
 * @module
 */
import type { Ledger } from "../ledger/ledger.ts"
import type { Relationships } from "./relationships.ts"

export class CarriedShares {
  readonly #ledger: Ledger
  readonly #relationships: Relationships
  /** How many of the carried spans' rows were taken in, by relationship. */
  readonly #taken = new Map<string, number>()

  constructor(ledger: Ledger, relationships: Relationships) {
    this.#ledger = ledger
    this.#relationships = relationships
  }

  async take(): Promise<void> {
    for (const relationship of this.#relationships.all) {
      const { id, space } = relationship
      const rows = this.#ledger.state.carried(id)
      const isHere = rows.every(
        ({ incarnation, sequence }) =>
          (space.replica.tree.get(incarnation)?.sequence ?? 0) >= sequence,
      )
      if (!isHere && rows.length > (this.#taken.get(id) ?? 0)) {
        for await (const spans of this.#ledger.carried(relationship.secrets.item.id)) {
          await this.#relationships.admit(relationship, spans)
        }
      }
      this.#taken.set(id, rows.length)
    }
  }
}
