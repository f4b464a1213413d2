/**
 * The graph of key entries: who was entitled to what. What concurrent entries come to is in `key-merge.ts`.
 *
 * @module
 */
import { type EpochId, idKey } from "@fulcrum/log/ids"
import type { MembershipChange } from "./key-body.ts"
import { type Merge, mergedHeads, nameOf } from "./key-merge.ts"
import {
  type Author,
  authorOf,
  effectOf,
  founderOf,
  type MemberState,
  type MembershipEntry,
} from "./member-state.ts"

export interface KeyNode {
  readonly entry: MembershipEntry
  /** The epoch's id, for maps. */
  readonly key: string
  /** Steps from the first epoch on the longest way. */
  readonly depth: number
  /** Its own bit in sets of nodes. */
  readonly bit: bigint
  /** All that it followed, directly or not. */
  readonly ancestors: bigint
  /** Who wrote it, as a member of what it followed; `undefined`: nobody entitled. */
  readonly author: Author | undefined
  /** What its entry does, as its author saw it. */
  readonly changes: readonly MembershipChange[]
  /** The key of the recovery words as its author knew them. */
  readonly replaced: Uint8Array | undefined
  /** Membership as its author saw it, and with it applied. */
  readonly before: MemberState
  readonly after: MemberState
  /** Keys of what it followed, directly or not, that had no effect as its author saw it. */
  readonly cut: ReadonlySet<string>
}

export interface KeyGraph {
  /** By depth, then epoch id: ancestors first, and the same on every device. */
  readonly nodes: readonly KeyNode[]
  /** Epochs of entries whose predecessors are not here. */
  readonly waiting: readonly EpochId[]
}

export function graphOf(entries: readonly MembershipEntry[], genesis: EpochId): KeyGraph {
  const entriesByKey = new Map(entries.map((entry) => [idKey(entry.epoch), entry]))
  const { depths, waiting } = depthsOf(entriesByKey, genesis)
  const order = [...depths].sort(([a, x], [b, y]) => x - y || (a < b ? -1 : 1))
  const nodesByKey = new Map<string, KeyNode>()
  for (const [i, [key, depth]] of order.entries()) {
    const entry = entriesByKey.get(key)
    if (entry === undefined) continue
    const follows = entry.follows.flatMap((id) => nodesByKey.get(idKey(id)) ?? [])
    const ancestors = follows.reduce((set, node) => set | node.ancestors | node.bit, 0n)
    const { state: before, cut } = mergedBefore(follows, ancestors, nodesByKey)
    const author = depth === 0 ? founderOf(entry) : authorOf(before, entry.writer)
    const nothing = { changes: [], after: before }
    const effect = author === undefined ? nothing : effectOf(before, entry, nameOf(author))
    const replaced = before.recovery?.writer
    const bit = 1n << BigInt(i)
    nodesByKey.set(key, {
      ...{ entry, key, depth, bit, ancestors, author, replaced, before, cut },
      ...effect,
    })
  }
  return { nodes: [...nodesByKey.values()], waiting }
}

function mergedBefore(
  follows: readonly KeyNode[],
  ancestors: bigint,
  nodesByKey: ReadonlyMap<string, KeyNode>,
): Merge {
  // What one entry saw whole is settled as its author saw it.
  const last = follows.find((node) => (node.ancestors | node.bit) === ancestors)
  if (last !== undefined) return { state: last.after, cut: last.cut }
  return mergedHeads([...nodesByKey.values()].filter(({ bit }) => (ancestors & bit) !== 0n))
}

/** Steps from the first epoch to every entry that is joined to it. */
function depthsOf(
  entriesByKey: ReadonlyMap<string, MembershipEntry>,
  genesis: EpochId,
): { readonly depths: ReadonlyMap<string, number>; readonly waiting: readonly EpochId[] } {
  const depths = new Map<string, number>()
  const followers = new Map<string, string[]>()
  const missing = new Map<string, number>()
  const ready: string[] = []
  for (const [key, { follows }] of entriesByKey) {
    missing.set(key, follows.length)
    if (follows.length === 0 && key === idKey(genesis)) ready.push(key)
    for (const id of follows) {
      const known = followers.get(idKey(id))
      if (known) known.push(key)
      else followers.set(idKey(id), [key])
    }
  }
  for (const key of ready) {
    const follows = entriesByKey.get(key)?.follows ?? []
    depths.set(key, Math.max(-1, ...follows.map((id) => depths.get(idKey(id)) ?? -1)) + 1)
    for (const follower of followers.get(key) ?? []) {
      const left = (missing.get(follower) ?? 0) - 1
      missing.set(follower, left)
      if (left === 0) ready.push(follower)
    }
  }
  const waiting = [...entriesByKey.values()].filter(({ epoch }) => !depths.has(idKey(epoch)))
  return { depths, waiting: waiting.map(({ epoch }) => epoch) }
}
