/**
 * How an open record stands, in one view.
 *
 * @module
 */
import { bytesToHex } from "@fulcrum/codec/bytes"
import { documentId } from "@fulcrum/record/documents"
import type { Ledger } from "../ledger/ledger.ts"
import type { RelayRow } from "./person.ts"
import type { DeviceRow, SingleCopies } from "./person-devices.ts"

export interface StatusView {
  readonly device: string
  /** This device was removed from the record. */
  readonly removed: boolean
  /** This device's folder was found to have been copied, or put back; since it was opened. */
  readonly copied: boolean
  readonly documents: number
  readonly entries: number
  readonly vector: string
  readonly relays: readonly RelayRow[]
  readonly devices: readonly DeviceRow[]
  readonly relationships: number
  /** Attachments of which there is one copy, or none, by where it is. */
  readonly singleCopies: readonly SingleCopies[]
  /** Companies that take no change, by name. */
  readonly frozen: readonly string[]
  /** What still waits to leave this device: one line each. */
  readonly held: readonly string[]
  readonly quarantined: number
  /** Entries of removed devices that wait to be taken or dropped. */
  readonly aside: number
  readonly forks: number
}

const DOCUMENTS = ["card", "identities", "payments", "things", "preferences"] as const

/** What the log says of it. */
type LogStatus = Pick<
  StatusView,
  "documents" | "entries" | "vector" | "relationships" | "quarantined" | "forks"
>

/** @param told - All that the log does not say. */
export async function personStatus(
  ledger: Ledger,
  told: Omit<StatusView, keyof LogStatus>,
): Promise<StatusView> {
  return { ...told, ...(await logStatus(ledger)) }
}

async function logStatus(ledger: Ledger): Promise<LogStatus> {
  const { record, quarantine, documents, state } = ledger
  const used = await ledger.still(async () => {
    const heads = await Promise.all(DOCUMENTS.map((name) => documents.heads(documentId(name))))
    return heads.filter(({ length }) => length > 0).length
  })
  const { vector, digest, forkCount } = record
  return {
    documents: used + state.relationships.size,
    entries: vector.reduce((sum, { sequence }) => sum + sequence, 0),
    vector: bytesToHex(digest).slice(0, 16),
    relationships: state.relationships.size,
    quarantined: quarantine.count - quarantine.stranded,
    forks: forkCount,
  }
}
