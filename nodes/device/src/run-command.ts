/**
 * Runs a command on an open record, in the command line's own process or in the daemon.
 *
 * @module
 */
import { awaitRecord } from "./awaited-record.ts"
import type { CatalogCommand } from "./catalog-entry.ts"
import type { Command, CommandContext, Outcome } from "./command.ts"

/** What a device says that was removed, beside what it answers. */
const REMOVED_NOTE =
  "This device was removed from the record: what it has is as it was then, and what is written here goes nowhere. See `fulcrum devices`."

/** @param work - What the command does; `undefined`: nothing yet. */
export async function runCommand(
  command: CatalogCommand,
  work: Command | undefined,
  context: CommandContext,
): Promise<Outcome | undefined> {
  await awaitRecord(command, context)
  const outcome = await work?.(context)
  // It may have learned of it just now.
  if (context.person.isRemoved && !command.saysRemoved) context.io.note(REMOVED_NOTE)
  return outcome
}
