/**
 * What a person waits for when she changes her devices: pairing until a long record can be read, and
 * removing one where there are many devices and companies.
 *
 * @module
 */
import { type EngineRow, formatEngines, timeEngines } from "../first-sync-engines.ts"
import { inFolder } from "../in-folder.ts"
import type { RecordShape } from "../seeded-record.ts"
import { formatRemoval, type RemovalRow, type RemovalShape, timeRemoval } from "./removal.ts"

export const DEVICES = "devices"

export interface DevicesReport {
  readonly pairing: readonly EngineRow[]
  readonly removal: RemovalRow
}

export interface DevicesEffort {
  readonly progress: (what: string) => void
  readonly pairing?: readonly RecordShape[]
  readonly removal?: RemovalShape
  /** New devices, one after another; the first is cold. */
  readonly rounds?: number
}

const PAIRING: readonly RecordShape[] = [
  { edits: 10_000, documents: 1 },
  { edits: 10_000, documents: 100 },
]
const REMOVAL: RemovalShape = { devices: 20, relationships: 200, rounds: 6 }
const ROUNDS = 6

export async function runDevices({
  progress,
  pairing = PAIRING,
  removal = REMOVAL,
  rounds = ROUNDS,
}: DevicesEffort): Promise<DevicesReport> {
  const removed = await inFolder((folder) => timeRemoval({ shape: removal, folder, progress }))
  const rows: EngineRow[] = []
  for (const shape of pairing) {
    const { edits, documents } = shape
    progress(`pairing with ${edits.toLocaleString("en")} edits in ${documents} documents`)
    rows.push(await inFolder((folder) => timeEngines({ shape, rounds, folder })))
  }
  return { pairing: rows, removal: removed }
}

export function formatDevices({ pairing, removal }: DevicesReport): string {
  return [
    "From the typed code until the record reads right, in milliseconds",
    `${formatEngines(pairing)}\n`,
    formatRemoval(removal),
  ].join("\n")
}
