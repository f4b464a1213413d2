/**
 * The graph of key entries: who was entitled to what, and what concurrent entries come to.
 * The rules are in the header of `membership.ts`.
 *
 * @module
 */
import { equalBytes } from "@fulcrum/codec/bytes"
import { type EpochId, idKey } from "@fulcrum/log/ids"
import type { DeviceId } from "./device.ts"
import type { RemoveChange } from "./key-body.ts"
import {
  type Author,
  applyChanges,
  authorOf,
  founderOf,
  type MemberState,
  type MembershipEntry,
  NO_MEMBERS,
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
  /** The key of the recovery words as its author knew them. */
  readonly replaced: Uint8Array | undefined
  /** Membership with it applied, as its author saw it. */
  readonly after: MemberState
}

export interface KeyGraph {
  /** By depth, then epoch id: ancestors first, and the same on every device. */
  readonly nodes: readonly KeyNode[]
  /** Epochs of entries whose predecessors are not here. */
  readonly waiting: readonly EpochId[]
}

interface Merge {
  readonly state: MemberState
  /** Keys of entitled nodes without effect. */
  readonly cut: ReadonlySet<string>
}

/** A device that was removed, or words that were replaced: both are members no more. */
interface Taken {
  readonly node: KeyNode
  readonly target: string
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
    const before = stateBefore(follows, ancestors, nodesByKey)
    const author = depth === 0 ? founderOf(entry) : authorOf(before, entry.writer)
    const after = author === undefined ? before : applyChanges(before, entry, nameOf(author))
    const replaced = before.recovery?.writer
    const bit = 1n << BigInt(i)
    nodesByKey.set(key, { entry, key, depth, bit, ancestors, author, replaced, after })
  }
  return { nodes: [...nodesByKey.values()], waiting }
}

/** Membership with all these nodes applied. `nodes` is closed: with each, what it followed. */
export function mergedHeads(nodes: readonly KeyNode[]): Merge {
  const removals = removalsWithEffect(nodes)
  const cut = new Set(nodes.filter((node) => isCut(node, removals, nodes)).map(({ key }) => key))
  return { state: replay(nodes, removals, cut), cut }
}

function stateBefore(
  follows: readonly KeyNode[],
  ancestors: bigint,
  nodesByKey: ReadonlyMap<string, KeyNode>,
): MemberState {
  // What one entry saw whole is settled as its author saw it.
  const last = follows.find((node) => (node.ancestors | node.bit) === ancestors)
  if (last !== undefined) return last.after
  return mergedHeads([...nodesByKey.values()].filter(({ bit }) => (ancestors & bit) !== 0n)).state
}

function replay(
  nodes: readonly KeyNode[],
  removals: readonly Taken[],
  cut: ReadonlySet<string>,
): MemberState {
  let state = NO_MEMBERS
  for (const node of nodes) {
    const { author } = node
    if (author === undefined) continue
    const hasEffect = ({ device }: RemoveChange) =>
      removals.some((taken) => taken.node === node && taken.target === idKey(device))
    if (!cut.has(node.key)) state = applyChanges(state, node.entry, nameOf(author), hasEffect)
  }
  return state
}

/** Rule 1: in the order of their authors' rank. */
function removalsWithEffect(nodes: readonly KeyNode[]): readonly Taken[] {
  const rankByDevice = ranksOf(nodes)
  const rankOf = (node: KeyNode): number => {
    const { author } = node
    if (author !== undefined && author !== "recovery")
      return rankByDevice.get(idKey(author.id)) ?? 0
    const setters = givenBy(node, nodes).filter((one) => one.depth > 0)
    // Whose words somebody says no member was to set, at the same time, speak with that one's rank.
    return areContested(setters, nodes) ? Math.max(...setters.map(rankOf)) : -1
  }
  const removals = nodes
    .filter(({ author }) => author !== undefined)
    .flatMap((node) => targetsOf(node).map((target) => ({ node, target })))
    .map((taken, at) => ({ taken, rank: rankOf(taken.node), at }))
    .sort((a, b) => a.rank - b.rank || a.at - b.at)
  const effective: Taken[] = []
  for (const { taken } of removals) {
    const isMutual = effective.some(
      ({ node, target }) =>
        target === authorKey(taken.node) &&
        authorKey(node) === taken.target &&
        areConcurrent(node, taken.node),
    )
    if (!isMutual && !isCut(taken.node, effective, nodes)) effective.push(taken)
  }
  return effective
}

/** Whom an entry says that they are members no more. */
function targetsOf({ entry, replaced }: KeyNode): readonly string[] {
  return entry.changes.flatMap((change) => {
    if (change.kind === "remove") return [idKey(change.value.device)]
    const isOther =
      change.kind === "recovery" &&
      replaced !== undefined &&
      !equalBytes(replaced, change.value.certificate.writer)
    return isOther ? [wordsKey(replaced)] : []
  })
}

/** When each device joined, counted; a device that was added twice joined the first time. */
function ranksOf(nodes: readonly KeyNode[]): ReadonlyMap<string, number> {
  const ranks = new Map<string, number>()
  for (const { author, entry } of nodes) {
    for (const change of author === undefined ? [] : entry.changes) {
      if (change.kind !== "add") continue
      const key = idKey(change.value.certificate.id)
      if (!ranks.has(key)) ranks.set(key, ranks.size)
    }
  }
  return ranks
}

/** Rule 2: its author, or who added its author, was removed at the same time. */
function isCut(node: KeyNode, removals: readonly Taken[], nodes: readonly KeyNode[]): boolean {
  const key = authorKey(node)
  const isRemoved = removals.some(
    (removal) =>
      removal.target === key &&
      areConcurrent(removal.node, node) &&
      // What words do by their rank, they have done: see rule 1.
      !(isByWords(node) && removes(node)) &&
      !isVouchedFor(node, removal, nodes),
  )
  if (isRemoved) return true
  const given = givenBy(node, nodes)
  return given.length > 0 && given.every((one) => one !== node && isCut(one, removals, nodes))
}

function isVouchedFor(node: KeyNode, removal: Taken, nodes: readonly KeyNode[]): boolean {
  return nodes.some(
    (witness) =>
      witness.author !== undefined &&
      sees(witness, node) &&
      !sees(witness, removal.node) &&
      !owesMembership(witness, removal, nodes) &&
      !nodes.some((other) => areConcurrent(other, witness) && removesAuthor(other, witness)),
  )
}

/** Whether it is by whom was removed, or whom that one added meanwhile: such a one cannot vouch. */
function owesMembership(node: KeyNode, removal: Taken, nodes: readonly KeyNode[]): boolean {
  if (authorKey(node) === removal.target) return true
  const given = givenBy(node, nodes)
  return (
    given.length > 0 &&
    given.every(
      (one) =>
        one.depth > 0 && areConcurrent(one, removal.node) && owesMembership(one, removal, nodes),
    )
  )
}

/** The entry that let in the device which wrote another; of recovery words, those that set them. */
function givenBy(node: KeyNode, nodes: readonly KeyNode[]): readonly KeyNode[] {
  const { author, entry } = node
  if (author === undefined) return []
  if (author !== "recovery") {
    return nodes.filter((one) => equalBytes(one.entry.epoch, author.addedIn))
  }
  return nodes.filter(
    (one) => one.author !== undefined && sees(node, one) && setsWords(one, entry.writer),
  )
}

/** Whether each of them was made by whom another entry, made at the same time, removes. */
function areContested(made: readonly KeyNode[], nodes: readonly KeyNode[]): boolean {
  return (
    made.length > 0 &&
    made.every((one) => {
      if (nodes.some((other) => areConcurrent(other, one) && removesAuthor(other, one))) return true
      return areContested(
        givenBy(one, nodes).filter((giver) => giver !== one && giver.depth > 0),
        nodes,
      )
    })
  )
}

function setsWords({ entry }: KeyNode, writer: Uint8Array): boolean {
  return entry.changes.some(
    (change) => change.kind === "recovery" && equalBytes(change.value.certificate.writer, writer),
  )
}

function removesAuthor(node: KeyNode, other: KeyNode): boolean {
  const key = authorKey(other)
  return node.author !== undefined && key !== undefined && targetsOf(node).includes(key)
}

function removes({ entry }: KeyNode): boolean {
  return entry.changes.some(({ kind }) => kind === "remove")
}

function isByWords({ author }: KeyNode): boolean {
  return author === "recovery"
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

function nameOf(author: Author): DeviceId | "recovery" {
  return author === "recovery" ? author : author.id
}

/** Who wrote it, as {@link targetsOf} names them. */
function authorKey({ author, entry }: KeyNode): string | undefined {
  if (author === undefined) return undefined
  return author === "recovery" ? wordsKey(entry.writer) : idKey(author.id)
}

function wordsKey(writer: Uint8Array): string {
  return `words ${idKey(writer)}`
}

export function areConcurrent(a: KeyNode, b: KeyNode): boolean {
  return a !== b && !sees(a, b) && !sees(b, a)
}

export function sees(later: KeyNode, earlier: KeyNode): boolean {
  return (later.ancestors & earlier.bit) !== 0n
}
