/**
 * A device that has joined may be used before the record has come to it. Then what needs the record
 * waits for it first, as long as the command may take anyhow.
 *
 * @module
 */
import { EngineError } from "@fulcrum/engine/engine-error"
import type { CatalogCommand } from "./catalog.ts"
import type { CommandContext } from "./command.ts"

/** @throws {EngineError} `RECORD_AWAITED`: it did not come in time. */
export async function awaitRecord(
  command: CatalogCommand,
  { person, io, settle }: CommandContext,
): Promise<void> {
  if (!person.isAwaited || command.isForAwaited) return
  io.progress("Waiting for the record")
  await settle()
  if (!person.isAwaited) return
  throw new EngineError("RECORD_AWAITED", "the record has not come to this device yet")
}
