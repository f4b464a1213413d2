/**
 * What `doctor` finds of an open record: what is out of step, and where.
 *
 * @module
 */
import type { Vault } from "@fulcrum/store/vault"
import type { Ledger } from "./ledger.ts"
import { countContradictions } from "./relay-contradictions.ts"

export interface Check {
  readonly check: string
  readonly ok: boolean
  readonly detail: string
}

export interface PersonParts {
  readonly ledger: Ledger
  readonly vault: Vault
  readonly isRemoved: boolean
  /** What peers said of this device. */
  readonly alarms: ReadonlySet<string>
}

export async function checkPerson(parts: PersonParts): Promise<readonly Check[]> {
  const { ledger, vault, isRemoved, alarms } = parts
  const { record, quarantined, shown } = ledger
  const copies = record.tree.branchings().length
  return [
    { check: "store", ok: true, detail: "every record was counted when it was opened" },
    {
      check: "membership",
      ok: !isRemoved,
      detail: isRemoved ? "this device was removed from the record" : "this device belongs",
    },
    {
      check: "copies",
      ok: copies === 0 && !alarms.has("copied"),
      detail: `${copies} places where a folder was copied`,
    },
    none("forks", record.forkCount, "forks kept as proof"),
    none(
      "relays",
      await countContradictions(vault),
      "times a relay contradicted what it had signed",
    ),
    none("snapshots", shown.wrong, "documents were shown otherwise than their history gave"),
    none("quarantine", quarantined, "entries not applied"),
    none("waiting", record.waitingCount, "spans wait"),
  ]
}

/** There should be none. */
function none(check: string, count: number, what: string): Check {
  return { check, ok: count === 0, detail: `${count} ${what}` }
}
