/**
 * What key entries that were made at the same time come to. The rules are in the header of `membership.ts`.
 *
 * Whoever was removed can write as many entries as it likes that lean on one another, so whatever is asked
 * of an entry more than once is answered once.
 *
 * @module
 */
import { equalBytes } from "@fulcrum/codec/bytes"
import { idKey } from "@fulcrum/log/ids"
import type { DeviceId } from "./device.ts"
import type { MembershipChange } from "./key-body.ts"
import type { KeyNode } from "./key-graph.ts"
import { type Author, applyChanges, type MemberState, NO_MEMBERS } from "./member-state.ts"

export interface Merge {
  readonly state: MemberState
  /** Keys of entitled nodes without effect. */
  readonly cut: ReadonlySet<string>
}

/** A device that was removed, or words that were replaced: both are members no more. */
interface Taken {
  readonly node: KeyNode
  readonly target: string
}

/** Rounds in which removals that came to nothing are looked at again; three do for what people do. */
const ROUNDS_MAX = 8

/**
 * Membership with all these nodes applied.
 *
 * @param nodes - Ancestors first, and closed: with each, what it followed.
 */
export function mergedHeads(nodes: readonly KeyNode[]): Merge {
  const settled = lastSettled(nodes)
  const open = settled === undefined ? nodes : nodes.slice(nodes.indexOf(settled) + 1)
  const merging = new Merging(nodes, open)
  merging.decide()
  const cut = new Set(settled?.cut)
  for (const node of open) if (merging.isCut(node)) cut.add(node.key)
  const { removals } = merging
  return { state: replay(open, settled?.after ?? NO_MEMBERS, { removals, cut }), cut }
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

export function areConcurrent(a: KeyNode, b: KeyNode): boolean {
  return a !== b && !sees(a, b) && !sees(b, a)
}

export function sees(later: KeyNode, earlier: KeyNode): boolean {
  return (later.ancestors & earlier.bit) !== 0n
}

function replay(
  nodes: readonly KeyNode[],
  from: MemberState,
  { removals, cut }: { readonly removals: readonly Taken[]; readonly cut: ReadonlySet<string> },
): MemberState {
  let state = from
  for (const node of nodes) {
    const { author } = node
    if (author === undefined) continue
    const hasEffect = (change: MembershipChange) => {
      const target = targetOf(node, change)
      return target === undefined || removals.some((it) => it.node === node && it.target === target)
    }
    if (!cut.has(node.key)) state = applyChanges(state, node.entry, nameOf(author), hasEffect)
  }
  return state
}

class Merging {
  /** Those with effect, in the order in which they were taken. */
  removals: readonly Taken[] = []
  /** The same, by whom they remove, and by who wrote them. */
  readonly #against = new Map<string, Taken[]>()
  readonly #by = new Map<string, Taken[]>()
  /** Those that may have, as far as is known. */
  #possible: readonly Taken[]
  /** All that were said, as they are taken. */
  readonly #found: readonly Taken[]
  /** Those that come to nothing. */
  #void: ReadonlySet<Taken> = new Set()
  readonly #all: readonly KeyNode[]
  /** Every removal that was ever said. */
  readonly #said: readonly Taken[]
  /** What is decided here. */
  readonly #nodes: readonly KeyNode[]
  readonly #open: bigint
  readonly #nodesBy: ReadonlyMap<string | undefined, readonly KeyNode[]>
  readonly #ranks: ReadonlyMap<string, number>
  readonly #rank = new Map<KeyNode, number>()
  readonly #given = new Map<KeyNode, readonly KeyNode[]>()
  readonly #contested = new Map<KeyNode, boolean>()
  readonly #denied = new Map<KeyNode, boolean>()
  readonly #owing = new Map<Taken, Map<KeyNode, boolean>>()
  /** By the removals that were taken so far. */
  readonly #cut = new Map<KeyNode, boolean>()

  /** @param open - Of them, those after the last that is settled: no other can be cut any more. */
  constructor(all: readonly KeyNode[], open: readonly KeyNode[]) {
    this.#all = all
    this.#nodes = open
    this.#open = open.reduce((bits, { bit }) => bits | bit, 0n)
    this.#nodesBy = Map.groupBy(open, authorKey)
    this.#ranks = ranksOf(all)
    this.#said = all
      .filter(({ author }) => author !== undefined)
      .flatMap((node) => targetsOf(node).map((target) => ({ node, target })))
    this.#possible = this.#said.filter(({ node }) => this.#isOpen(node))
    this.#found = this.#possible
      .map((taken, at) => ({ taken, rank: this.#rankOf(taken.node), at }))
      .sort((a, b) => a.rank - b.rank || a.at - b.at)
      .map(({ taken }) => taken)
  }

  /**
   * Decides which removals have effect. Twice at first, for it is not known in advance which come to nothing
   * and so keep nobody from vouching. Then those are left out that another one, taken after them, has cut:
   * they cut nothing themselves. Unless that other one stands only by what they did: then theirs is the
   * higher rank, and it yields.
   */
  decide(): void {
    this.#take()
    this.#take()
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const fallen = this.removals.filter(({ node }) => this.isCut(node))
      if (fallen.length === 0) return
      const before = this.removals
      this.#takeWithout([...this.#void, ...fallen])
      const risen = fallen.filter(({ node }) => !this.isCut(node))
      if (risen.length === 0) continue
      const yielding = before.filter((one) => !fallen.includes(one) && risen.some(isCutBy(one)))
      const lost = [...this.#void].filter((one) => !risen.includes(one))
      this.#takeWithout([...lost, ...yielding])
    }
  }

  #takeWithout(removals: readonly Taken[]): void {
    this.#void = new Set(removals)
    this.#settle(this.#possible.filter((one) => !this.#void.has(one)))
    this.#take()
  }

  /** Rule 1: in the order of their authors' rank. */
  #take(): void {
    const removals: Taken[] = []
    this.removals = removals
    this.#against.clear()
    this.#by.clear()
    for (const taken of this.#found) {
      const { node, target } = taken
      const byTarget = this.#by.get(target) ?? []
      const isVoid = this.#void.has(taken) || byTarget.some((one) => this.#isAgainst(taken, one))
      if (isVoid || this.isCut(node)) continue
      removals.push(taken)
      append(this.#against, target, taken)
      append(this.#by, authorKey(node) ?? "", taken)
      const ofTarget = this.#nodesBy.get(target) ?? []
      if (ofTarget.some((one) => areConcurrent(one, node))) this.#cut.clear()
    }
    this.#settle(removals)
  }

  #settle(possible: readonly Taken[]): void {
    this.#possible = possible
    this.#denied.clear()
    this.#cut.clear()
  }

  /** Whether it is, at the same time, by whom the other removed, or by who owes membership to that one. */
  #isAgainst({ node }: Taken, removal: Taken): boolean {
    return areConcurrent(removal.node, node) && this.#owesMembership(node, removal)
  }

  /** Rule 2: its author, or who let its author in, was removed at the same time. */
  isCut(node: KeyNode): boolean {
    return this.#isOpen(node) && answered(this.#nodes, this.#cut, node, (one) => this.#isCut(one))
  }

  #isOpen({ bit }: KeyNode): boolean {
    return (this.#open & bit) !== 0n
  }

  #isCut(node: KeyNode): boolean {
    const against = this.#against.get(authorKey(node) ?? "") ?? []
    const isRemoved = against.some(
      (removal) =>
        areConcurrent(removal.node, node) &&
        // What words do by their rank, they have done: see rule 1.
        !(isByWords(node) && removes(node)) &&
        !this.#isVouchedFor(node, removal),
    )
    const given = this.#givenBy(node)
    return isRemoved || (given.length > 0 && given.every((one) => this.isCut(one)))
  }

  #rankOf(node: KeyNode): number {
    return answered(this.#all, this.#rank, node, (one) => {
      const { author } = one
      if (author !== undefined && author !== "recovery")
        return this.#ranks.get(idKey(author.id)) ?? 0
      // Whose words somebody says no member was to set, at the same time, speak with that one's rank.
      const setters = this.#givenBy(one)
      const areContested = setters.length > 0 && setters.every((it) => this.#isContested(it))
      return areContested ? Math.max(...setters.map((it) => this.#rankOf(it))) : -1
    })
  }

  #isVouchedFor(node: KeyNode, removal: Taken): boolean {
    return this.#nodes.some(
      (witness) =>
        witness.author !== undefined &&
        sees(witness, node) &&
        !sees(witness, removal.node) &&
        !this.#owesMembership(witness, removal) &&
        !this.#isDenied(witness),
    )
  }

  /** Whether somebody may say, at the same time, that its author is no member. */
  #isDenied(node: KeyNode): boolean {
    const known = this.#denied.get(node) ?? isDeniedBy(this.#possible, node)
    this.#denied.set(node, known)
    return known
  }

  /** Whether it is by whom was removed, or whom that one added meanwhile: such a one cannot vouch. */
  #owesMembership(node: KeyNode, removal: Taken): boolean {
    const known = this.#owing.get(removal) ?? new Map<KeyNode, boolean>()
    this.#owing.set(removal, known)
    return answered(this.#nodes, known, node, (one) => {
      if (authorKey(one) === removal.target) return true
      const given = this.#givenBy(one)
      return (
        given.length > 0 &&
        given.every((it) => areConcurrent(it, removal.node) && this.#owesMembership(it, removal))
      )
    })
  }

  /** Whether it was made by whom another entry, made at the same time, removes. */
  #isContested(node: KeyNode): boolean {
    return answered(this.#all, this.#contested, node, (one) => {
      if (isDeniedBy(this.#said, one)) return true
      const givers = this.#givenBy(one)
      return givers.length > 0 && givers.every((it) => this.#isContested(it))
    })
  }

  /** The entry that let in the device which wrote another; of recovery words, those that set them. */
  #givenBy(node: KeyNode): readonly KeyNode[] {
    const known = this.#given.get(node) ?? this.#giversOf(node)
    this.#given.set(node, known)
    return known
  }

  /** Words that set themselves once more give themselves nothing. */
  #giversOf(node: KeyNode): readonly KeyNode[] {
    const { author, entry } = node
    if (author === undefined) return []
    return author === "recovery"
      ? this.#all.filter(
          (one) =>
            one.author !== undefined &&
            sees(node, one) &&
            authorKey(one) !== authorKey(node) &&
            setsWords(one, entry.writer),
        )
      : this.#all.filter((one) => one !== node && equalBytes(one.entry.epoch, author.addedIn))
  }
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

function append<T>(lists: Map<string, T[]>, key: string, value: T): void {
  const list = lists.get(key)
  if (list === undefined) lists.set(key, [value])
  else list.push(value)
}

function isDeniedBy(removals: readonly Taken[], node: KeyNode): boolean {
  const key = authorKey(node)
  return removals.some((it) => it.target === key && areConcurrent(it.node, node))
}

/** Whether a removal takes, at the same time, the author of another one. */
function isCutBy({ node, target }: Taken): (removal: Taken) => boolean {
  return (removal) => authorKey(removal.node) === target && areConcurrent(node, removal.node)
}

/** Whom an entry says that they are members no more. */
function targetsOf(node: KeyNode): readonly string[] {
  return node.entry.changes.flatMap((change) => targetOf(node, change) ?? [])
}

function targetOf({ replaced }: KeyNode, change: MembershipChange): string | undefined {
  if (change.kind === "remove") return idKey(change.value.device)
  const isOther =
    change.kind === "recovery" &&
    replaced !== undefined &&
    !equalBytes(replaced, change.value.certificate.writer)
  return isOther ? wordsKey(replaced) : undefined
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

function removes({ entry }: KeyNode): boolean {
  return entry.changes.some(({ kind }) => kind === "remove")
}

function isByWords({ author }: KeyNode): boolean {
  return author === "recovery"
}

export function nameOf(author: Author): DeviceId | "recovery" {
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
