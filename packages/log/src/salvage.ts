/**
 * What can be had of a log that does not add up any more: its spans, each of which stands for itself,
 * since it is signed and sealed. A new log admits them as it does anybody's.
 *
 * @module
 */
import type { IncarnationId, SpaceTag } from "./ids.ts"
import { LogTables } from "./log-tables.ts"
import type { LogVault } from "./log-vault.ts"

/** The entries of an incarnation that were here, by the first's and the last's sequence. */
export interface LineEnd {
  readonly incarnation: IncarnationId
  readonly first: number
  readonly last: number
}

/** Every span of a space, in the order of arrival; those that waited and contradicted come last. */
export async function* salvageSpans(vault: LogVault, tag: SpaceTag): AsyncIterable<Uint8Array> {
  const tables = new LogTables(vault, tag)
  for await (const run of tables.runsByArrival(0)) if ("bytes" in run) yield run.bytes
  for await (const { value } of tables.waiting()) yield value
  for await (const { value } of tables.forks()) yield value
}

/** How far its incarnations went, as far as it can be told. */
export async function* salvageEnds(vault: LogVault, tag: SpaceTag): AsyncIterable<LineEnd> {
  const tables = new LogTables(vault, tag)
  for await (const { incarnation, parent } of tables.incarnations()) {
    const [end] = await tables.lastSpans(incarnation, 1)
    if (end === undefined) continue
    yield { incarnation, first: (parent?.sequence ?? 0) + 1, last: end.end }
  }
}
