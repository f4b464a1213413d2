/**
 * How far two replicas of one space are apart, in entries.
 *
 * @module
 */
import type { IncarnationTree } from "@fulcrum/log/incarnation-tree"
import type { VectorRow, VersionVector } from "@fulcrum/log/vector"
import type { DeviceLag } from "../person/person-devices.ts"

/** @param has - What the other has told to have, with trails where it is ahead. */
export function lagOf(tree: IncarnationTree, has: VersionVector): DeviceLag {
  const covered = tree.coveredBy(has)
  let behind = 0
  for (const { key, first, sequence } of tree.nodes()) {
    const last = Math.min(sequence, covered.get(key) ?? first - 1)
    behind += sequence - last
  }
  const ahead = has.reduce((sum, row) => sum + Math.max(0, row.sequence - hereOf(tree, row)), 0)
  return { behind, ahead }
}

/** How far a row's line goes here. */
function hereOf(tree: IncarnationTree, { incarnation, trail = [] }: VectorRow): number {
  const here = tree.get(incarnation)?.sequence
  if (here !== undefined) return here
  const known = trail.map((step) =>
    Math.min(step.sequence, tree.get(step.incarnation)?.sequence ?? 0),
  )
  return Math.max(0, ...known)
}
