/**
 * What removals make due, and what is said once it was done.
 *
 * For the record it is done once for each removal. For a relationship it is another matter: a company that
 * was met on one device while another, which did not know of it, removed a third has keys that the
 * third may have. Which relationships' keys were drawn, first or anew, by somebody who knew of a
 * removal is part of the record.
 *
 * Source: DESIGN, "Keys" (removing a device).
 *
 * @module
 */
import { bytesToHex, hexToBytes } from "@fulcrum/codec/bytes"
import type { EpochId } from "@fulcrum/log/ids"
import { RENEWED_EPOCHS_MAX, RENEWED_RELATIONSHIPS_MAX } from "../items/relationship-items.ts"
import type { Ledger } from "../ledger/ledger.ts"
import type { Step } from "../ledger/ledger-step.ts"
import type { EpochSecret } from "../membership/membership.ts"
import { removalEpochs } from "../membership/removal-keys.ts"

export interface Dues {
  /** Epochs of removals after which the record has not moved. */
  readonly record: readonly EpochId[]
  /** Those that some relationship's keys do not come after. */
  readonly removals: readonly EpochId[]
  /** Ids, in hex, of relationships whose keys a removed device may have. */
  readonly relationships: ReadonlySet<string>
}

/** @param pending - The epoch of a removal that is being made. */
export function duesOf({ state, membership }: Ledger, pending?: EpochSecret): Dues {
  const removals = removalEpochs({ membership, pending })
  const byRemoval = removals.map((epoch) => {
    const name = bytesToHex(epoch)
    const ids = [...state.relationships.keys()].filter((id) => !state.isRenewed(id, name))
    return { epoch, ids }
  })
  return {
    record: removals.filter((epoch) => !state.removalsDone.has(bytesToHex(epoch))),
    removals: byRemoval.flatMap(({ epoch, ids }) => (ids.length > 0 ? [epoch] : [])),
    relationships: new Set(byRemoval.flatMap(({ ids }) => ids)),
  }
}

export function isAnyDue({ record, removals }: Dues): boolean {
  return record.length + removals.length > 0
}

/** Says, as part of a step, that these keys were drawn by somebody who knew of these removals. */
export function sayRenewed(
  step: Step,
  { removals, relationships }: Pick<Dues, "removals" | "relationships">,
): void {
  const ids = [...relationships].toSorted().map(hexToBytes)
  for (let r = 0; r < removals.length; r += RENEWED_EPOCHS_MAX) {
    for (let i = 0; i < ids.length; i += RENEWED_RELATIONSHIPS_MAX) {
      step.add({
        kind: "renewed",
        value: {
          removals: removals.slice(r, r + RENEWED_EPOCHS_MAX),
          relationships: ids.slice(i, i + RENEWED_RELATIONSHIPS_MAX),
        },
      })
    }
  }
}
