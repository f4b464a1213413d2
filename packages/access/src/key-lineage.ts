/**
 * Who let whom into the record, and how far somebody's word counts by that: what is asked of key entries
 * before it is decided what they come to.
 *
 * Whoever was removed can write as many entries as it likes that lean on one another, so whatever is asked
 * of an entry more than once is answered once.
 *
 * @module
 */
import { equalBytes } from "@fulcrum/codec/bytes"
import { idKey } from "@fulcrum/log/ids"
import type { MembershipChange } from "./key-body.ts"
import type { KeyNode } from "./key-graph.ts"

/** A device that was removed, or words that were replaced: both are members no more. */
export interface Removed {
  readonly node: KeyNode
  /** As {@link authorKey} names them. */
  readonly target: string
}

export class KeyLineage {
  readonly #nodes: readonly KeyNode[]
  /** Every removal that was ever said. */
  readonly said: readonly Removed[]
  readonly #ranks: ReadonlyMap<string, number>
  readonly #rank = new Map<KeyNode, number>()
  readonly #givers = new Map<KeyNode, readonly KeyNode[]>()
  readonly #contested = new Map<KeyNode, boolean>()

  /** @param nodes - Ancestors first, and closed: with each, what it followed. */
  constructor(nodes: readonly KeyNode[]) {
    this.#nodes = nodes
    this.#ranks = ranksOf(nodes)
    this.said = nodes
      .filter(({ author }) => author !== undefined)
      .flatMap((node) => targetsOf(node).map((target) => ({ node, target })))
  }

  /** The author's: -1 of recovery words, else when the device joined. The least comes first. */
  rankOf(node: KeyNode): number {
    return answered(this.#nodes, this.#rank, node, (one) => {
      const { author } = one
      if (author !== undefined && author !== "recovery")
        return this.#ranks.get(idKey(author.id)) ?? 0
      // Whose words somebody says no member was to set, at the same time, speak with that one's rank.
      const setters = this.giversOf(one)
      const areContested = setters.length > 0 && setters.every((it) => this.#isContested(it))
      return areContested ? Math.max(...setters.map((it) => this.rankOf(it))) : -1
    })
  }

  /** The entry that let in the device which wrote another; of recovery words, those that set them. */
  giversOf(node: KeyNode): readonly KeyNode[] {
    const known = this.#givers.get(node) ?? this.#findGivers(node)
    this.#givers.set(node, known)
    return known
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

  /** Whether it was made by whom another entry, made at the same time, removes. */
  #isContested(node: KeyNode): boolean {
    return answered(this.#nodes, this.#contested, node, (one) => {
      const key = authorKey(one)
      if (this.said.some((it) => it.target === key && areConcurrent(it.node, one))) return true
      const givers = this.giversOf(one)
      return givers.length > 0 && givers.every((it) => this.#isContested(it))
    })
  }

  /** Words that set themselves once more give themselves nothing. */
  #findGivers(node: KeyNode): readonly KeyNode[] {
    const { author, entry } = node
    if (author === undefined) return []
    return author === "recovery"
      ? this.#nodes.filter(
          (one) =>
            one.author !== undefined &&
            sees(node, one) &&
            authorKey(one) !== authorKey(node) &&
            setsWords(one, entry.writer),
        )
      : this.#nodes.filter((one) => one !== node && equalBytes(one.entry.epoch, author.addedIn))
  }
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

function targetsOf(node: KeyNode): readonly string[] {
  return node.entry.changes.flatMap((change) => targetOf(node, change) ?? [])
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

function setsWords({ entry }: KeyNode, writer: Uint8Array): boolean {
  return entry.changes.some(
    (change) => change.kind === "recovery" && equalBytes(change.value.certificate.writer, writer),
  )
}

function wordsKey(writer: Uint8Array): string {
  return `words ${idKey(writer)}`
}

/**
 * What is asked of a node, answered for all before it first: what is asked in turn is answered then, however
 * long the chain of those that lean on one another.
 */
function answered<T>(
  nodes: readonly KeyNode[],
  answers: Map<KeyNode, T>,
  node: KeyNode,
  answer: (one: KeyNode) => T,
): T {
  for (const one of nodes) {
    const known = answers.get(node)
    if (known !== undefined) return known
    if (!answers.has(one)) answers.set(one, answer(one))
  }
  return answers.get(node) ?? answer(node)
}
