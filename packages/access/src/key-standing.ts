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
import {
  areConcurrent,
  authorKey,
  isVoidFor,
  type KeyLineage,
  type Removed,
  sees,
  targetOf,
} from "./key-lineage.ts"

/** How many of a circle are tried: people make none of more than a few. */
const TRIED_MAX = 16

/** A removal, with what it may do to others. Sets of nodes are bits, as in {@link KeyNode}. */
interface Removal extends Removed {
  /**
   * What must not be cut for it to stand: its node, or, of a removal by recovery words, a bit of its own: what
   * words do by their rank stays done though they are replaced at the same time.
   */
  readonly seat: bigint
  /** What whom it removes wrote at the same time, or since. */
  readonly hits: bigint
  /** Of those, what it may cut. */
  readonly cuts: readonly Cut[]
  /** What cannot vouch against it: see {@link KeyLineage.owingTo}. */
  readonly owing: bigint
}

interface Cut {
  /** What is cut: a node, and perhaps its seat. */
  readonly bit: bigint
  /** Entries that vouch against it, unless they are cut or their own authors are removed. */
  readonly witnesses: bigint
  /** Entries that let its author in which the removal does not know of: unless they are cut it is not. */
  readonly anew: bigint
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
  /** Of entries in which recovery words remove somebody: what stands for that. */
  readonly #seats: ReadonlyMap<KeyNode, bigint>
  /** All that may be cut. */
  readonly #bits: readonly bigint[]
  readonly #removals: readonly Removal[]
  /** For each removal, those that it cannot stand beside: see rule 1. */
  readonly #against: ReadonlyMap<Removal, readonly Removal[]>
  /** By node, who let its author in, where those can be cut. */
  readonly #givers: ReadonlyMap<bigint, bigint>
  /** Those that stand by their rank, and those that yielded to one. */
  readonly #chosen = new Set<Removal>()
  readonly #yielded = new Set<Removal>()

  constructor(lineage: KeyLineage, open: readonly KeyNode[]) {
    this.#lineage = lineage
    this.#nodes = open
    this.#open = open.reduce((bits, { bit }) => bits | bit, 0n)
    this.#followers = followersOf(open)
    this.#seats = this.#findSeats()
    this.#bits = [...open.map(({ bit }) => bit), ...this.#seats.values()]
    const nodesBy = Map.groupBy(open, authorKey)
    this.#removals = lineage.said
      .filter(({ node }) => this.#isOpen(node))
      .map((removed) => this.#removalOf(removed, nodesBy))
    this.#against = this.#findAgainst()
    this.#givers = this.#findGivers()
  }

  /**
   * Where what is left cut one another in circles, the earliest that can stands: for which there is a way to
   * decide the rest such that nothing comes to nothing but by what stands. In a circle of an odd number that
   * none can: there the earliest does, and what threatens it yields. First come those that hang on no other.
   */
  resolve(): ReadonlySet<Removal> {
    for (;;) {
      const { stand, may } = this.#alternate(this.#chosen)
      const undecided = [...may].filter((one) => !stand.has(one))
      if (undecided.length === 0) return stand
      for (const circle of this.#circlesOf(this.#ranked(undecided, may), may)) {
        this.#decide(circle, stand)
      }
    }
  }

  /** @param circle - The earliest first. */
  #decide(circle: readonly Removal[], stand: ReadonlySet<Removal>): void {
    const chosen = circle.slice(0, TRIED_MAX).find((one) => this.#canStand(one))
    if (chosen !== undefined) {
      this.#chosen.add(chosen)
      return
    }
    const [first, ...rest] = circle
    if (first === undefined) return
    const beside = new Set(stand).add(first)
    const yielded = this.#yielded.size
    if (this.#standing(beside).has(first)) this.#letYield(first, beside, rest)
    else this.#yielded.add(first)
    // Whatever nothing threatens stands.
    if (this.#yielded.size === yielded) this.#chosen.add(first)
  }

  /** Whether it does with all that follows from it. */
  #canStand(one: Removal): boolean {
    const chosen = new Set(this.#chosen).add(one)
    const standing = this.#standing(this.#alternate(chosen).stand)
    return [...chosen].every((it) => standing.has(it))
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

  /** Rule 1. */
  #ranked(removals: readonly Removal[], may: ReadonlySet<Removal>): readonly Removal[] {
    const sure = this.uncut(may)
    const isSure = (node: KeyNode): boolean => !this.#isOpen(node) || (sure & node.bit) !== 0n
    const ranks = this.#lineage.ranks(this.#nodes, isSure)
    return removals
      .map((removal, at) => ({ removal, rank: ranks.get(removal.node) ?? 0, at }))
      .sort((a, b) => a.rank - b.rank || a.at - b.at)
      .map(({ removal }) => removal)
  }

  /** The circles that hang on nothing that is undecided but what hangs on them. */
  #circlesOf(
    undecided: readonly Removal[],
    may: ReadonlySet<Removal>,
  ): readonly (readonly Removal[])[] {
    const byNode = [...Map.groupBy(undecided, ({ node }) => node).values()]
    const bases = this.#basesOf(byNode, may)
    const circles = new Map<bigint, Removal[]>()
    for (const [i, basis] of bases.entries()) {
      const isFirst = bases.every((other, j) => !hasBit(basis, j) || hasBit(other, i))
      if (!isFirst) continue
      const circle = circles.get(basis) ?? []
      circles.set(basis, circle)
      circle.push(...(byNode[i] ?? []))
    }
    const order = new Map(undecided.map((one, at) => [one, at]))
    const placeOf = (one: Removal): number => order.get(one) ?? 0
    return [...circles.values()].map((one) => one.toSorted((a, b) => placeOf(a) - placeOf(b)))
  }

  /**
   * For each of some entries with undecided removals, which of these entries have a part in whether those
   * stand, as bits by where they are in the list.
   */
  #basesOf(entries: readonly (readonly Removal[])[], may: ReadonlySet<Removal>): readonly bigint[] {
    const leaning = new Map(this.#givers)
    for (const { cuts } of may) {
      for (const { bit, witnesses, anew } of cuts) {
        leaning.set(bit, (leaning.get(bit) ?? 0n) | witnesses | anew)
      }
    }
    const hits = entries.map((removals) => removals.reduce((bits, it) => bits | it.hits, 0n))
    const bases = entries.map((removals, i) => {
      const [one] = removals
      const nodes = one === undefined ? 0n : closed(one.node.bit | one.seat, leaning)
      const against = new Set(removals.flatMap((it) => this.#against.get(it) ?? []))
      return entries.reduce((bits, others, j) => {
        const hasPart = ((hits[j] ?? 0n) & nodes) !== 0n || others.some((it) => against.has(it))
        return hasPart ? bits | (1n << BigInt(j)) : bits
      }, 1n << BigInt(i))
    })
    for (const i of bases.keys()) {
      for (const [j, bits] of bases.entries())
        if (hasBit(bits, i)) bases[j] = bits | (bases[i] ?? 0n)
    }
    return bases
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
      const now = uncut
      cuts = cuts.filter((it) => ((it.witnesses & vouching) | (it.anew & now)) === 0n)
      const cut = cuts.reduce((bits, { bit }) => bits | bit, 0n)
      for (const bit of this.#bits) {
        const givers = this.#givers.get(bit)
        const isLetIn = givers === undefined || (givers & uncut) !== 0n
        if (isLetIn && (cut & bit) === 0n) uncut |= bit
      }
    }
    return uncut
  }

  /** What stands, beside what was chosen, whatever becomes of the rest, and what may stand. */
  #alternate(chosen: ReadonlySet<Removal>): {
    readonly stand: ReadonlySet<Removal>
    readonly may: ReadonlySet<Removal>
  } {
    let stand = chosen
    for (;;) {
      const may = this.#standing(stand)
      const more = new Set([...chosen, ...this.#standing(may)])
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
          (uncut & one.seat) !== 0n &&
          !this.#against.get(one)?.some((other) => others.has(other)),
      ),
    )
  }

  #removalOf(removed: Removed, nodesBy: NodesBy): Removal {
    const { node, target } = removed
    const hit = (nodesBy.get(target) ?? []).filter((one) => one !== node && !sees(node, one))
    // Who hits nothing is asked nothing.
    const owing = hit.length > 0 ? this.#lineage.owingTo(removed, this.#nodes) : 0n
    const unfit = owing | node.bit | this.#followersOf(node)
    const cuts = hit.flatMap((one) => this.#cutOf(one, node, unfit) ?? [])
    const anew = cuts.reduce((bits, cut) => (cut.anew === 0n ? bits : bits | cut.bit), 0n)
    return {
      ...removed,
      seat: this.#seatOf(removed),
      hits: hit.reduce((bits, { bit }) => bits | bit, 0n) & ~anew,
      cuts,
      owing,
    }
  }

  /**
   * What a removal may cut of what its target wrote: at the same time, or upon the removal, though that was void
   * for it, unless it was let in anew.
   *
   * @param unfit - Who cannot vouch against the removal.
   */
  #cutOf(node: KeyNode, removal: KeyNode, unfit: bigint): Cut | undefined {
    const seat = this.#seats.get(node) ?? 0n
    if (!sees(node, removal)) {
      // What words do by their rank, they have done: see rule 2.
      const isDone = doesNothingButRemove(node)
      const witnesses = this.#witnessesOf(node) & ~unfit
      return isDone ? undefined : { bit: node.bit, witnesses, anew: 0n }
    }
    const others = this.#lineage.giversOf(node).filter((giver) => !sees(removal, giver))
    const anew = others.reduce((bits, giver) => bits | giver.bit, 0n)
    if (others.some((giver) => !this.#isOpen(giver))) return undefined
    return { bit: node.bit | seat, witnesses: 0n, anew }
  }

  #seatOf({ node, target }: Removed): bigint {
    const isDevice = node.changes.some(
      (change) => change.kind === "remove" && targetOf(node, change) === target,
    )
    return (isDevice ? this.#seats.get(node) : undefined) ?? node.bit
  }

  /** Bits beyond those of the nodes, for what recovery words remove. */
  #findSeats(): ReadonlyMap<KeyNode, bigint> {
    const seats = new Map<KeyNode, bigint>()
    const last = this.#nodes.at(-1)
    if (last === undefined) return seats
    for (const node of this.#nodes) {
      if (node.author !== "recovery" || !node.changes.some(({ kind }) => kind === "remove"))
        continue
      seats.set(node, last.bit << BigInt(seats.size + 1))
    }
    return seats
  }

  /** Who followed an entry, and did not do so only because it was an end without effect. */
  #witnessesOf(node: KeyNode): bigint {
    let bits = this.#followersOf(node)
    if (bits === 0n) return bits
    for (const one of this.#nodes) if (isVoidFor(one, node)) bits &= ~one.bit
    return bits
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
      if (givers.length === 0 || !givers.every((giver) => this.#isOpen(giver))) continue
      const bits = givers.reduce((all, { bit }) => all | bit, 0n)
      found.set(node.bit, bits)
      const seat = this.#seats.get(node)
      if (seat !== undefined) found.set(seat, bits)
    }
    return found
  }

  #isOpen({ bit }: KeyNode): boolean {
    return (this.#open & bit) !== 0n
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

/** An entry of recovery words that stays as it is though they are replaced at the same time. */
function doesNothingButRemove({ author, changes }: KeyNode): boolean {
  return (
    author === "recovery" && changes.length > 0 && changes.every(({ kind }) => kind === "remove")
  )
}

function append<K, T>(lists: Map<K, T[]>, key: K, value: T): void {
  const list = lists.get(key)
  if (list === undefined) lists.set(key, [value])
  else list.push(value)
}
