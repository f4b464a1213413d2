/**
 * Which removals stand, of those that were made at the same time as something else. The rules are in the
 * header of `membership.ts`.
 *
 * What stands cuts, and what is cut does not stand: so what stands is a fixed point. It is found from both
 * sides at once (the alternating fixed point of Van Gelder, Ross and Schlipf, "The Well-Founded Semantics
 * for General Logic Programs", JACM 38, 1991): what stands whatever else does, and what may stand. What lies
 * between, removals that cut one another in circles, is decided by rank.
 *
 * @module
 */
import type { KeyNode } from "./key-graph.ts"
import { areConcurrent, authorKey, type KeyLineage, type Removed } from "./key-lineage.ts"

/** A removal, with what it may do to others. Sets of nodes are bits, as in {@link KeyNode}. */
interface Removal extends Removed {
  /** What whom it removes wrote at the same time. */
  readonly hits: bigint
  /** Of those, what it may cut. */
  readonly cuts: readonly Cut[]
  /** What cannot vouch against it: see {@link KeyLineage.owingTo}. */
  readonly owing: bigint
}

interface Cut {
  readonly bit: bigint
  /** Entries that vouch against it, unless they are cut or their own authors are removed. */
  readonly witnesses: bigint
}

export interface Standing {
  readonly removals: readonly Removed[]
  /** Of the open nodes, those without effect. */
  readonly cut: readonly KeyNode[]
}

/**
 * @param open - Of the lineage's nodes, ancestors first, those that are not settled: no other can be cut.
 */
export function whatStands(lineage: KeyLineage, open: readonly KeyNode[]): Standing {
  const circles = new Circles(lineage, open)
  const removals = circles.resolve()
  const uncut = circles.uncut(removals)
  const cut = open.filter(({ author, bit }) => author !== undefined && (uncut & bit) === 0n)
  return { removals: [...removals], cut }
}

class Circles {
  readonly #lineage: KeyLineage
  readonly #nodes: readonly KeyNode[]
  readonly #open: bigint
  readonly #followers: ReadonlyMap<KeyNode, bigint>
  /** In the order of their rank. */
  readonly #removals: readonly Removal[]
  /** For each removal, those that it cannot stand beside: see rule 1. */
  readonly #against: ReadonlyMap<Removal, readonly Removal[]>
  /** By node, who let its author in, where those can be cut. */
  readonly #givers: ReadonlyMap<bigint, bigint>
  /** Those that yielded to one of a higher rank. */
  readonly #yielded = new Set<Removal>()

  constructor(lineage: KeyLineage, open: readonly KeyNode[]) {
    this.#lineage = lineage
    this.#nodes = open
    this.#open = open.reduce((bits, { bit }) => bits | bit, 0n)
    this.#followers = followersOf(open)
    const nodesBy = Map.groupBy(open, authorKey)
    this.#removals = this.#ranked().map((removed) => this.#removalOf(removed, nodesBy))
    this.#against = this.#findAgainst()
    this.#givers = this.#findGivers()
  }

  /**
   * Where what is left cut one another in circles, the earliest stands and what threatens it yields. First in
   * circles that hang on no other one.
   */
  resolve(): ReadonlySet<Removal> {
    for (;;) {
      const { stand, may } = this.#alternate()
      const undecided = [...may].filter((one) => !stand.has(one))
      const first = this.#firstOf(undecided, may)
      if (first === undefined) return stand
      const beside = new Set(stand).add(first)
      if (!this.#standing(beside).has(first)) {
        this.#yielded.add(first)
        continue
      }
      const rest = undecided.filter((one) => one !== first)
      this.#letYield(first, beside, rest)
    }
  }

  /** Those of the rest that one cannot stand beside, the earliest kept where there is a choice. */
  #letYield(first: Removal, beside: Set<Removal>, rest: readonly Removal[]): void {
    const all = new Set([...beside, ...rest])
    if (this.#standing(all).has(first)) {
      for (const one of rest) beside.add(one)
      return
    }
    const [one] = rest
    if (rest.length === 1 && one !== undefined) {
      this.#yielded.add(one)
      return
    }
    const half = Math.ceil(rest.length / 2)
    this.#letYield(first, beside, rest.slice(0, half))
    this.#letYield(first, beside, rest.slice(half))
  }

  /** The earliest that hangs on none but what hangs on it. */
  #firstOf(undecided: readonly Removal[], may: ReadonlySet<Removal>): Removal | undefined {
    if (undecided.length < 2) return undecided[0]
    const basis = this.#basesOf(undecided, may)
    return undecided.find((_, i) => {
      const own = basis[i] ?? 0n
      return basis.every((other, j) => !hasBit(own, j) || hasBit(other, i))
    })
  }

  /** For each, which of the others have a part in whether it stands, as bits by where they are in the list. */
  #basesOf(undecided: readonly Removal[], may: ReadonlySet<Removal>): readonly bigint[] {
    const leaning = new Map(this.#givers)
    for (const { cuts } of may) {
      for (const { bit, witnesses } of cuts) leaning.set(bit, (leaning.get(bit) ?? 0n) | witnesses)
    }
    const basis = undecided.map((one) => {
      const nodes = closed(one.node.bit, leaning)
      const against = new Set(this.#against.get(one))
      return undecided.reduce((bits, other, i) => {
        const hasPart = (other.hits & nodes) !== 0n || against.has(other)
        return hasPart ? bits | (1n << BigInt(i)) : bits
      }, 0n)
    })
    for (const [i, through] of basis.entries()) {
      for (const [j, bits] of basis.entries()) {
        if (hasBit(bits, i)) basis[j] = bits | (basis[i] ?? through)
      }
    }
    return basis
  }

  /** What has effect if just these removals stand: what can be said for it rests on nothing that is cut. */
  uncut(removals: Iterable<Removal>): bigint {
    let removed = 0n
    let cuts: Cut[] = []
    for (const removal of removals) {
      removed |= removal.hits
      for (const cut of removal.cuts) cuts.push(cut)
    }
    let uncut = 0n
    for (let before = -1n; before !== uncut; ) {
      before = uncut
      const vouching = uncut & ~removed
      cuts = cuts.filter(({ witnesses }) => (witnesses & vouching) === 0n)
      const cut = cuts.reduce((bits, { bit }) => bits | bit, 0n)
      for (const { bit } of this.#nodes) {
        const givers = this.#givers.get(bit)
        const isLetIn = givers === undefined || (givers & uncut) !== 0n
        if (isLetIn && (cut & bit) === 0n) uncut |= bit
      }
    }
    return uncut
  }

  /** What stands whatever becomes of the rest, and what may stand. */
  #alternate(): { readonly stand: ReadonlySet<Removal>; readonly may: ReadonlySet<Removal> } {
    let stand: ReadonlySet<Removal> = new Set()
    for (;;) {
      const may = this.#standing(stand)
      const more = this.#standing(may)
      if (more.size === stand.size) return { stand, may }
      stand = more
    }
  }

  /** Those that stand if just these others do; the more others, the fewer. */
  #standing(others: ReadonlySet<Removal>): Set<Removal> {
    const uncut = this.uncut(others)
    return new Set(
      this.#removals.filter(
        (one) =>
          !this.#yielded.has(one) &&
          (uncut & one.node.bit) !== 0n &&
          !this.#against.get(one)?.some((other) => others.has(other)),
      ),
    )
  }

  #ranked(): readonly Removed[] {
    return this.#lineage.said
      .filter(({ node }) => (node.bit & this.#open) !== 0n)
      .map((removed, at) => ({ removed, rank: this.#lineage.rankOf(removed.node), at }))
      .sort((a, b) => a.rank - b.rank || a.at - b.at)
      .map(({ removed }) => removed)
  }

  #removalOf(removed: Removed, nodesBy: NodesBy): Removal {
    const { node, target } = removed
    const hit = (nodesBy.get(target) ?? []).filter((one) => areConcurrent(one, node))
    // Who hits nothing is asked nothing.
    const owing = hit.length > 0 ? this.#lineage.owingTo(removed, this.#nodes) : 0n
    const unfit = owing | node.bit | this.#followersOf(node)
    return {
      ...removed,
      hits: hit.reduce((bits, { bit }) => bits | bit, 0n),
      // What words do by their rank, they have done: see rule 2.
      cuts: hit
        .filter((one) => !isRemovalByWords(one))
        .map((one) => ({ bit: one.bit, witnesses: this.#followersOf(one) & ~unfit })),
      owing,
    }
  }

  /** At the same time, by whom the other removes or who owes membership to that one, and of its author. */
  #findAgainst(): ReadonlyMap<Removal, readonly Removal[]> {
    const by = Map.groupBy(this.#removals, ({ node }) => authorKey(node))
    const found = new Map<Removal, Removal[]>()
    for (const one of this.#removals) {
      for (const other of by.get(one.target) ?? []) {
        const isAtOnce = areConcurrent(one.node, other.node)
        if (isAtOnce && (other.owing & one.node.bit) !== 0n) append(found, one, other)
      }
    }
    return found
  }

  #findGivers(): ReadonlyMap<bigint, bigint> {
    const found = new Map<bigint, bigint>()
    for (const node of this.#nodes) {
      const givers = this.#lineage.giversOf(node)
      const areOpen = givers.every(({ bit }) => (bit & this.#open) !== 0n)
      if (givers.length === 0 || !areOpen) continue
      found.set(
        node.bit,
        givers.reduce((bits, { bit }) => bits | bit, 0n),
      )
    }
    return found
  }

  #followersOf(node: KeyNode): bigint {
    return this.#followers.get(node) ?? 0n
  }
}

/** With all that these lean on, directly or not. */
function closed(nodes: bigint, leaning: ReadonlyMap<bigint, bigint>): bigint {
  let all = nodes
  for (let before = 0n; before !== all; ) {
    before = all
    for (const [bit, bits] of leaning) if ((all & bit) !== 0n) all |= bits
  }
  return all
}

type NodesBy = ReadonlyMap<string | undefined, readonly KeyNode[]>

/** Of those that somebody entitled wrote. */
function followersOf(nodes: readonly KeyNode[]): ReadonlyMap<KeyNode, bigint> {
  const followers = new Map<KeyNode, bigint>()
  for (const later of nodes) {
    if (later.author === undefined) continue
    for (const earlier of nodes) {
      if (earlier === later) break
      if ((later.ancestors & earlier.bit) === 0n) continue
      followers.set(earlier, (followers.get(earlier) ?? 0n) | later.bit)
    }
  }
  return followers
}

function hasBit(bits: bigint, at: number): boolean {
  return (bits & (1n << BigInt(at))) !== 0n
}

function isRemovalByWords({ author, entry }: KeyNode): boolean {
  return author === "recovery" && entry.changes.some(({ kind }) => kind === "remove")
}

function append<K, T>(lists: Map<K, T[]>, key: K, value: T): void {
  const list = lists.get(key)
  if (list === undefined) lists.set(key, [value])
  else list.push(value)
}
