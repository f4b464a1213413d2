/**
 * A log as its spans lie in it: over all the starts of the device that wrote it, as far as each goes
 * on where the one before ended.
 *
 * @module
 */
import type { IncarnationId } from "./ids.ts"
import type { IncarnationTree, TreeNode } from "./incarnation-tree.ts"
import type { PlacedRecord } from "./log-records.ts"
import type { LogTables } from "./log-tables.ts"
import { LINE_SPANS_MAX, MERGED_BYTES_MAX } from "./tiers.ts"

/** The newest incarnation of a log. */
export function endOfLog(tree: IncarnationTree, node: TreeNode): TreeNode
/** The same; `undefined` if one of those on the way was `passed` before. */
export function endOfLog(
  tree: IncarnationTree,
  node: TreeNode,
  passed: Set<string>,
): TreeNode | undefined
export function endOfLog(
  tree: IncarnationTree,
  node: TreeNode,
  passed?: Set<string>,
): TreeNode | undefined {
  for (let end = node; ; ) {
    if (passed?.has(end.key)) return undefined
    passed?.add(end.key)
    const next = tree.next(end)
    if (next === undefined) return end
    end = next
  }
}

/** The first incarnation of a log. */
export function startOfLog(tree: IncarnationTree, node: TreeNode): TreeNode {
  for (let start = node; ; ) {
    const previous = tree.previous(start)
    if (previous === undefined) return start
    start = previous
  }
}

/**
 * The last spans of a log, the oldest first, no more than are looked at.
 *
 * @param end - Its newest incarnation, as it is in the tree: what is being appended is not looked at.
 */
export async function lastOfLog(
  tables: LogTables,
  tree: IncarnationTree,
  end: TreeNode,
): Promise<readonly PlacedRecord[]> {
  const { first } = startOfLog(tree, end)
  const found: PlacedRecord[] = []
  let node: TreeNode | undefined = end
  let to = end.sequence + 1
  while (node && found.length < LINE_SPANS_MAX) {
    const limit = LINE_SPANS_MAX - found.length
    for (const record of await tables.lastSpans(node.incarnation, limit, to)) {
      found.push(isOfOneLog(record, first) ? record : { ...record, size: MERGED_BYTES_MAX })
      to = Math.min(to, record.start)
    }
    to = Math.min(to, node.first)
    // What lies between is in the span that was found last.
    while (node && node.first >= to) node = tree.previous(node)
  }
  return found.reverse()
}

/** Whether all of a span is in the log, so that it may be merged with what lies beside it. */
function isOfOneLog({ start, from }: PlacedRecord, first: number): boolean {
  return from > 0 && start >= first
}

/**
 * The records of the spans that have no entries but some from `start` on, up to `end`, as they follow
 * each other.
 *
 * @param place - `incarnation` has `end`.
 * @param limit - Records, at most.
 * @returns `undefined`: the entries are not all here, or not all by one writer.
 */
export async function recordsWithin(
  tables: LogTables,
  tree: IncarnationTree,
  {
    incarnation,
    start,
    end,
  }: {
    readonly incarnation: IncarnationId
    readonly start: number
    readonly end: number
  },
  limit?: number,
): Promise<readonly PlacedRecord[] | undefined> {
  const line = tree.line(incarnation, start)
  if (line === undefined) return undefined
  const records: PlacedRecord[] = []
  for (const [at, node] of line.entries()) {
    const next = line[at + 1]
    const to = next ? next.first - 1 : end
    const left = limit === undefined ? undefined : limit - records.length
    if (left === 0) break
    records.push(...(await tables.spansWithin(node.incarnation, start, to, left)))
  }
  // One that goes on beyond, or on another branch, is held there.
  const held = new Set(records.filter(({ from }) => from > 0).map(({ arrival }) => arrival))
  return records.filter(({ arrival }) => held.has(arrival))
}
