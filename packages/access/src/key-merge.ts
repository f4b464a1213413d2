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
  const first = firstUnsettled(nodes)
  const open = nodes.slice(first)
  const [one] = open
  if (one === undefined) return { state: NO_MEMBERS, cut: new Set() }
  const standing = whatStands(new KeyLineage(nodes), open)
  const cut = new Set(one.cut)
  for (const { key } of standing.cut) cut.add(key)
  const standingBy = Map.groupBy(standing.removals, ({ node }) => node)
  const hasEffect = (node: KeyNode, change: MembershipChange): boolean => {
    const target = targetOf(node, change)
    return target === undefined || standingBy.get(node)?.some((it) => it.target === target) === true
  }
  return { state: replay(open, one.before, cut, hasEffect), cut }
}

/**
 * Where what is settled ends: of the entries before that, all that come after it followed every one. What came
 * to what until then is as the first of those saw it, and nothing that came after has a part in it.
 */
function firstUnsettled(nodes: readonly KeyNode[]): number {
  let before = nodes.reduce((bits, { bit }) => bits | bit, 0n)
  let followed = before
  for (const [fromEnd, node] of nodes.toReversed().entries()) {
    before &= ~node.bit
    followed &= node.ancestors
    if ((before & ~followed) === 0n) return nodes.length - 1 - fromEnd
  }
  return 0
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
    if (author === undefined) continue
    const by = nameOf(author)
    // Of what is cut, what recovery words removed may stand.
    const left = cut.has(key) ? node.changes.filter(({ kind }) => kind === "remove") : node.changes
    const made = { ...entry, changes: left }
    state = applyChanges(state, made, by, (change) => hasEffect(node, change))
  }
  return state
}

export function nameOf(author: Author): DeviceId | "recovery" {
  return author === "recovery" ? author : author.id
}
