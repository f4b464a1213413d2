/**
 * What a replica keeps in memory, as it is read from its tables when it is opened.
 *
 * @module
 */
import { idKey } from "./ids.ts"
import { IncarnationTree } from "./incarnation-tree.ts"
import { LogError } from "./log-error.ts"
import type { LogTables } from "./log-tables.ts"
import { spanHash } from "./span.ts"
import { WaitingRoom } from "./waiting-room.ts"

export interface LogState {
  readonly tree: IncarnationTree
  readonly waiting: WaitingRoom
  readonly forks: Set<string>
  readonly lastArrival: number
  /** Number of the last merge that was made here. */
  readonly lastMerge: number
  /** Where this device's own line has come to. */
  readonly ownKey: string | undefined
}

/** @throws {LogError} `LOG_CHAIN`: an incarnation lost its spans. @throws {VaultError} */
export async function loadState(tables: LogTables): Promise<LogState> {
  const tree = new IncarnationTree()
  for await (const record of tables.incarnations()) {
    const [last] = await tables.lastSpans(record.incarnation, 1)
    if (last === undefined) throw new LogError("LOG_CHAIN", "an incarnation without its first span")
    const { incarnation, writer, parent, arrival } = record
    tree.begin({ incarnation, writer, arrival, ...(parent && { parent }), chain: last.chainEnd })
    tree.advance(idKey(incarnation), last.end, last.chainEnd)
  }
  const waiting = new WaitingRoom()
  for await (const { order, value } of tables.waiting()) {
    waiting.add(value, { why: "writer" }, order)
  }
  const forks = new Set<string>()
  for await (const { value } of tables.forks()) forks.add(idKey(spanHash(value)))
  const writer = await tables.writer()
  const lastArrival = await tables.lastArrival()
  const lastMerge = await tables.lastMerge()
  const ownKey = writer && idKey(writer.incarnation)
  return { tree, waiting, forks, lastArrival, lastMerge, ownKey }
}
