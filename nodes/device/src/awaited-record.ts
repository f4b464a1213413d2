/**
 * A device that has joined may be used before the record has come to it. Then what needs the record
 * waits for it first, as long as the command may take anyhow; what only reads a path also for
 * another device to show what is there.
 *
 * @module
 */
import { EngineError } from "@fulcrum/engine/engine-error"
import type { Person } from "@fulcrum/engine/person"
import type { CatalogCommand } from "./catalog-entry.ts"
import type { CommandContext } from "./command.ts"

/** @throws {EngineError} `RECORD_AWAITED`: it did not come in time. */
export async function awaitRecord(
  command: CatalogCommand,
  { person, args, io, settle }: CommandContext,
): Promise<void> {
  const path = command.isForShown ? args.optionalText("path") : undefined
  const isShown = () => path !== undefined && person.isShown(path)
  if (!person.isAwaited || command.isForAwaited || isShown()) return
  io.progress("Waiting for the record")
  await waitFor(person, isShown, settle)
  if (!person.isAwaited || isShown()) return
  throw new EngineError("RECORD_AWAITED", "the record has not come to this device yet")
}

/** Resolves when `settle` does, or before that when something is so. */
function waitFor(
  person: Person,
  isSo: () => boolean,
  settle: () => Promise<unknown>,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const stop = person.onChange(() => {
      if (isSo()) resolve(undefined)
    })
    settle().then(resolve, reject).finally(stop)
  })
}
