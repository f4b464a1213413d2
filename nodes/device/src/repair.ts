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
  const { entries, missing, damage } = result
  const tables = [...new Set(damage.flatMap(({ table }) => (table === undefined ? [] : [table])))]
  return {
    document: { repaired: true, entries, missing, tables, kept },
    text: lines(
      `The record was made anew from what could be read: ${count(entries)}.`,
      missing === 0
        ? "Nothing is missing, as far as can be told. Run `fulcrum sync` to be sure."
        : `Missing: ${count(missing)}. Run \`fulcrum sync\`: your other devices and relays have them. ` +
            "`fulcrum doctor` says whether they have come back.",
      `The damaged files are kept in ${kept}; delete them when you miss nothing.`,
    ),
  }
}

function count(entries: number): string {
  return entries === 1 ? "1 entry" : `${entries} entries`
}
