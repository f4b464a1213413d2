/**
 * What key entries that were made at the same time come to. The rules are in the header of `membership.ts`.
 *
 * @module
 */
import type { DeviceId } from "./device.ts"
import type { MembershipChange } from "./key-body.ts"
import type { KeyNode } from "./key-graph.ts"
import { KeyLineage, targetOf } from "./key-lineage.ts"
import { whatStands } from "./key-standing.ts"
import { type Author, applyChanges, type MemberState, NO_MEMBERS } from "./member-state.ts"

export interface Merge {
  readonly state: MemberState
  /** Keys of entitled nodes without effect. */
  readonly cut: ReadonlySet<string>
}

/**
 * Membership with all these nodes applied.
 *
 * @param nodes - Ancestors first, and closed: with each, what it followed.
 */
export function mergedHeads(nodes: readonly KeyNode[]): Merge {
  const settled = lastSettled(nodes)
  const open = settled === undefined ? nodes : nodes.slice(nodes.indexOf(settled) + 1)
  const standing = whatStands(new KeyLineage(nodes), open)
  const cut = new Set(settled?.cut)
  for (const { key } of standing.cut) cut.add(key)
  const hasEffect = (node: KeyNode, change: MembershipChange): boolean => {
    const target = targetOf(node, change)
    const isIt = (it: { readonly node: KeyNode; readonly target: string }) =>
      it.node === node && it.target === target
    return target === undefined || standing.removals.some(isIt)
  }
  return { state: replay(open, settled?.after ?? NO_MEMBERS, cut, hasEffect), cut }
}

/**
 * The last that nothing is concurrent with: it followed all before it, and all after it follow it. What came
 * to what until then is as its author saw it, and nothing that came after has a part in it.
 */
function lastSettled(nodes: readonly KeyNode[]): KeyNode | undefined {
  let before = nodes.reduce((bits, { bit }) => bits | bit, 0n)
  let followed = before
  for (const node of nodes.toReversed()) {
    before &= ~node.bit
    if ((followed & node.bit) !== 0n && node.ancestors === before) return node
    followed &= node.ancestors
  }
  return undefined
}

function replay(
  nodes: readonly KeyNode[],
  from: MemberState,
  cut: ReadonlySet<string>,
  hasEffect: (node: KeyNode, change: MembershipChange) => boolean,
): MemberState {
  let state = from
  for (const node of nodes) {
    const { author, entry, key } = node
    if (author === undefined || cut.has(key)) continue
    state = applyChanges(state, entry, nameOf(author), (change) => hasEffect(node, change))
  }
  return state
}

export function nameOf(author: Author): DeviceId | "recovery" {
  return author === "recovery" ? author : author.id
}
