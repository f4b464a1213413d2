/**
 * Who let whom into the record: what is asked of key entries before it is decided what they come to.
 *
 * @module
 */
import { equalBytes } from "@fulcrum/codec/bytes"
import { idKey } from "@fulcrum/log/ids"
import { CHANGES_MAX, type MembershipChange } from "./key-body.ts"
import type { KeyNode } from "./key-graph.ts"

/** A device that was removed, or words that were replaced: both are members no more. */
export interface Removed {
  readonly node: KeyNode
  /** As {@link authorKey} names them. */
  readonly target: string
}

export class KeyLineage {
  /** Every removal that was ever said, once for each entry that says it. */
  readonly said: readonly Removed[]
  /** Entries that let somebody in, by whom. */
  readonly #grants: ReadonlyMap<string, readonly KeyNode[]>
  readonly #removals: ReadonlyMap<string, readonly Removed[]>
  readonly #givers = new Map<KeyNode, readonly KeyNode[]>()
  readonly #order: ReadonlyMap<KeyNode, number>

  /** @param nodes - Ancestors first, and closed: with each, what it followed. */
  constructor(nodes: readonly KeyNode[]) {
    const entitled = nodes.filter(({ author }) => author !== undefined)
    this.#order = new Map(nodes.map((node, at) => [node, at]))
    this.said = entitled.flatMap((node) => targetsOf(node).map((target) => ({ node, target })))
    this.#removals = Map.groupBy(this.said, ({ target }) => target)
    this.#grants = grantsOf(entitled)
  }

  /**
   * The entries that let its author in, as its author saw it: of a device those that added it, of words those
   * that set them, but what had no effect, or came before a removal after which it was let in again. None: the
   * first entry's author.
   */
  giversOf(node: KeyNode): readonly KeyNode[] {
    const known = this.#givers.get(node) ?? this.#findGivers(node)
    this.#givers.set(node, known)
    return known
  }

  /**
   * The ranks of authors, the least first: of recovery words -1, of devices by when they joined. Words whose
   * setting may come to nothing have the rank of the device that set them.
   *
   * @param nodes - Ancestors first.
   * @param isSure - Whether an entry has effect whatever becomes of others.
   */
  ranks(
    nodes: readonly KeyNode[],
    isSure: (node: KeyNode) => boolean,
  ): ReadonlyMap<KeyNode, number> {
    const ranks = new Map<KeyNode, number>()
    for (const node of nodes) {
      const givers = this.giversOf(node)
      const sure = givers.filter(isSure)
      if (node.author !== "recovery") {
        const joined = (sure.length > 0 ? sure : givers).map((it) => this.#joinedIn(it, node))
        ranks.set(node, joined.length > 0 ? Math.min(...joined) : 0)
      } else if (givers.length === 0 || sure.length > 0) ranks.set(node, -1)
      else ranks.set(node, Math.max(...givers.map((it) => ranks.get(it) ?? 0)))
    }
    return ranks
  }

  /** When an entry let the author of another in: of several that it lets in, the first one first. */
  #joinedIn(giver: KeyNode, node: KeyNode): number {
    const key = authorKey(node)
    const at = giver.changes.findIndex((change) => grantedBy(change) === key)
    return (this.#order.get(giver) ?? 0) * CHANGES_MAX + at
  }

  /** What was written by whom somebody removed, or whom that one let in meanwhile: such a one cannot vouch. */
  owingTo({ node: removal, target }: Removed, nodes: readonly KeyNode[]): bigint {
    let owing = 0n
    const owes = (one: KeyNode): boolean => (owing & one.bit) !== 0n && areConcurrent(one, removal)
    for (const node of nodes) {
      // Whoever let somebody in wrote that before.
      const givers = this.giversOf(node)
      const isOwing = authorKey(node) === target || (givers.length > 0 && givers.every(owes))
      if (isOwing) owing |= node.bit
    }
    return owing
  }

  /** Words that set themselves once more give themselves nothing. */
  #findGivers(node: KeyNode): readonly KeyNode[] {
    const key = authorKey(node)
    if (key === undefined) return []
    const seen = (this.#grants.get(key) ?? []).filter(
      (one) => sees(node, one) && !isVoidFor(node, one) && authorKey(one) !== key,
    )
    const removals = (this.#removals.get(key) ?? []).filter(
      (one) => sees(node, one.node) && !isVoidFor(node, one.node),
    )
    const before = removals.reduce((bits, removal) => bits | removal.node.ancestors, 0n)
    const last = seen.filter(({ bit }) => (before & bit) === 0n)
    return last.length > 0 ? last : seen
  }
}

/** Whether an entry had no effect as the author of another saw it. */
export function isVoidFor(later: KeyNode, earlier: KeyNode): boolean {
  return later.cut.has(earlier.key)
}

export function areConcurrent(a: KeyNode, b: KeyNode): boolean {
  return a !== b && !sees(a, b) && !sees(b, a)
}

export function sees(later: KeyNode, earlier: KeyNode): boolean {
  return (later.ancestors & earlier.bit) !== 0n
}

/** Whom a change says that they are a member no more. */
export function targetOf({ replaced }: KeyNode, change: MembershipChange): string | undefined {
  if (change.kind === "remove") return idKey(change.value.device)
  const isOther =
    change.kind === "recovery" &&
    replaced !== undefined &&
    !equalBytes(replaced, change.value.certificate.writer)
  return isOther ? wordsKey(replaced) : undefined
}

/** Who wrote it, as {@link targetOf} names them; `undefined`: nobody entitled. */
export function authorKey({ author, entry }: KeyNode): string | undefined {
  if (author === undefined) return undefined
  return author === "recovery" ? wordsKey(entry.writer) : idKey(author.id)
}

/** However often an entry says it. */
function targetsOf(node: KeyNode): readonly string[] {
  return [...new Set(node.changes.flatMap((change) => targetOf(node, change) ?? []))]
}

function grantsOf(nodes: readonly KeyNode[]): ReadonlyMap<string, readonly KeyNode[]> {
  const grants = new Map<string, KeyNode[]>()
  for (const node of nodes) {
    const keys = new Set(node.changes.flatMap((change) => grantedBy(change) ?? []))
    for (const key of keys) {
      const there = grants.get(key)
      if (there === undefined) grants.set(key, [node])
      else there.push(node)
    }
  }
  return grants
}

function grantedBy(change: MembershipChange): string | undefined {
  if (change.kind === "add") return idKey(change.value.certificate.id)
  return change.kind === "recovery" ? wordsKey(change.value.certificate.writer) : undefined
}

function wordsKey(writer: Uint8Array): string {
  return `words ${idKey(writer)}`
}
