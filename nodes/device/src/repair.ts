/**
 * `fulcrum doctor --repair`: makes a damaged folder anew from what can be read of it. The damaged files
 * are kept beside it.
 *
 * @module
 */
import type { Outcome } from "./command.ts"
import type { FolderContext } from "./folder-command.ts"
import { machineParts } from "./machine.ts"
import { repairDevice } from "./open-device.ts"
import type { RepairReport } from "./record-maker.ts"
import { lines } from "./text.ts"

export async function repair({ home, io, mdns }: FolderContext): Promise<Outcome> {
  io.progress("Opening every record")
  const repaired = await repairDevice(machineParts({ home, mdns, note: (text) => io.note(text) }))
  if (repaired === undefined) {
    return {
      document: { repaired: false },
      text: "Every record opens and none is missing: there is nothing to repair.",
    }
  }
  const { result, kept } = repaired
  const { entries, missing = null, damage, others } = result
  const tables = [...new Set(damage.flatMap(({ table }) => (table === undefined ? [] : [table])))]
  return {
    document: { repaired: true, entries, missing, others, tables, kept },
    text: lines(
      `The record was made anew from what could be read: ${count(entries)}.`,
      missingText(result),
      `The damaged files are kept in ${kept}; delete them when you miss nothing.`,
    ),
  }
}

function missingText({ missing, others }: RepairReport): string {
  // The last entries of a line leave no gap.
  if (missing === 0) {
    return others === 0
      ? "No gap was found. What was written last may be missing, and nobody else has it: look at your last changes."
      : "No gap was found. Run `fulcrum sync`: what was written last may be missing, and comes from there."
  }
  const what =
    missing === undefined ? "What is missing cannot be told." : `Missing: ${count(missing)}.`
  return others === 0
    ? `${what} No other device and no relay of yours is known that could have it.`
    : `${what} Run \`fulcrum sync\`: your other devices and relays may have it; ` +
        "`fulcrum doctor` counts what has not come back."
}

function count(entries: number): string {
  return entries === 1 ? "1 entry" : `${entries} entries`
}
