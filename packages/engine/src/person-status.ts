/**
 * How an open record stands, in one view.
 *
 * @module
 */
import { bytesToHex } from "@fulcrum/codec/bytes"
import { documentId } from "@fulcrum/record/documents"
import type { Ledger } from "./ledger.ts"
import type { StatusView } from "./person.ts"

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
