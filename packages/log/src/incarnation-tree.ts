/**
 * The incarnation tree of one space: who continues whom, and how far each one goes.
 *
 * An incarnation continues its parent at a sequence; what the parent wrote after that belongs to
 * a branch of its own (a folder was copied, or a write's outcome was never known). In memory it
 * takes one node for each incarnation, however many entries there are.
 *
 * @module
 */
import { equalBytes } from "@fulcrum/codec/bytes"
import type { PublicKey } from "@fulcrum/crypto/ed25519"
import { type ChainHash, type IncarnationId, idKey } from "./ids.ts"
import {
  sortVector,
  TRAIL_WAYPOINTS_MAX,
  type VectorRow,
  type VersionVector,
  type Waypoint,
} from "./vector.ts"

/** One incarnation. */
export interface TreeNode {
  readonly key: string
  readonly incarnation: IncarnationId
  readonly writer: PublicKey
  readonly parent?: VectorRow
  /** Sequence of the entry that began it. */
  readonly first: number
  /** Where that entry stands in the order of arrival. */
  readonly arrival: number
  /** How far it goes. */
  readonly sequence: number
  readonly chain: ChainHash
  /** The furthest of its entries that a child continues from; 0 without children. */
  readonly continuedAt: number
  /** Those that continue it, by their keys. */
  readonly children: readonly string[]
}

/** An incarnation that was continued in more than one way. */
export interface Branching {
  readonly incarnation: IncarnationId
  readonly children: readonly IncarnationId[]
}

export interface NewIncarnation {
  readonly incarnation: IncarnationId
  readonly writer: PublicKey
  readonly parent?: VectorRow
  readonly arrival: number
  /** Of its first entry. */
  readonly chain: ChainHash
}

const NONE: readonly string[] = []

/** Whether nothing continues its newest entry. */
export function isLeaf({
  continuedAt,
  sequence,
}: Pick<TreeNode, "continuedAt" | "sequence">): boolean {
  return continuedAt < sequence
}

export class IncarnationTree {
  readonly #nodes = new Map<string, TreeNode>()
  readonly #leaves = new Map<string, VectorRow>()
  #vector: VersionVector | undefined

  get size(): number {
    return this.#nodes.size
  }

  get leafCount(): number {
    return this.#leaves.size
  }

  /** What is here, in a row for each leaf. A new array whenever it changes. */
  get vector(): VersionVector {
    this.#vector ??= sortVector([...this.#leaves.values()])
    return this.#vector
  }

  nodes(): IterableIterator<TreeNode> {
    return this.#nodes.values()
  }

  get(incarnation: IncarnationId): TreeNode | undefined {
    return this.#nodes.get(idKey(incarnation))
  }

  byKey(key: string): TreeNode | undefined {
    return this.#nodes.get(key)
  }

  /** Adds an incarnation with the one entry that begins it. Its parent must be here. */
  begin(start: NewIncarnation): void {
    const key = idKey(start.incarnation)
    if (this.#nodes.has(key)) throw new RangeError("this incarnation has begun already")
    const { parent } = start
    const first = (parent?.sequence ?? 0) + 1
    if (parent !== undefined) {
      const node = this.#nodes.get(idKey(parent.incarnation))
      if (node === undefined || node.sequence < parent.sequence) {
        throw new RangeError("an incarnation's parent must come first")
      }
      const continuedAt = Math.max(node.continuedAt, parent.sequence)
      this.#put({ ...node, continuedAt, children: [...node.children, key] })
    }
    this.#put({ ...start, key, first, sequence: first, continuedAt: 0, children: NONE })
  }

  advance(key: string, sequence: number, chain: ChainHash): void {
    const node = this.#nodes.get(key)
    if (node === undefined || sequence < node.sequence) {
      throw new RangeError("an incarnation only goes on")
    }
    this.#put({ ...node, sequence, chain })
  }

  /** The one incarnation that goes on where this one ended, by the same writer: they are one log. */
  next(node: TreeNode): TreeNode | undefined {
    const [child, ...others] = node.children
    if (child === undefined || others.length > 0 || node.continuedAt < node.sequence)
      return undefined
    const next = this.#nodes.get(child)
    return next && equalBytes(next.writer, node.writer) ? next : undefined
  }

  /** The one of which this one is the `next`. */
  previous({ key, parent }: TreeNode): TreeNode | undefined {
    const node = parent && this.#nodes.get(idKey(parent.incarnation))
    return node && this.next(node)?.key === key ? node : undefined
  }

  /**
   * The incarnations that have the entries from a sequence on up to this incarnation's, the earliest
   * first.
   *
   * @returns `undefined`: not all are here, or they are not all by one writer.
   */
  line(incarnation: IncarnationId, start: number): readonly TreeNode[] | undefined {
    const line: TreeNode[] = []
    let node = this.get(incarnation)
    for (; node; node = node.parent && this.get(node.parent.incarnation)) {
      if (line[0] && !equalBytes(line[0].writer, node.writer)) return undefined
      line.push(node)
      if (node.first <= start) return line.reverse()
    }
    return undefined
  }

  /** Whether `vector` says that its owner has this entry. Rows unknown here count by their trails. */
  covers(vector: VersionVector, incarnation: IncarnationId, sequence: number): boolean {
    return (this.coveredBy(vector).get(idKey(incarnation)) ?? 0) >= sequence
  }

  /** For each incarnation here, by its key, how far `vector` covers it; absent: not at all. */
  coveredBy(vector: VersionVector): ReadonlyMap<string, number> {
    const covered = new Map<string, number>()
    for (const row of vector) {
      const key = idKey(row.incarnation)
      if (this.#nodes.has(key)) this.#cover(covered, key, row.sequence)
      else
        for (const step of row.trail ?? [])
          this.#cover(covered, idKey(step.incarnation), step.sequence)
    }
    return covered
  }

  /**
   * One vector for what either covers, as far as this tree knows their rows. Where they differ at
   * one sequence, which is a fork, it has the row of `b`.
   */
  merge(a: VersionVector, b: VersionVector): VersionVector {
    const rows = new Map<string, VectorRow>()
    for (const row of [...a, ...b]) {
      const key = idKey(row.incarnation)
      const other = rows.get(key)
      if (other !== undefined && other.sequence > row.sequence) continue
      // A trail is for those who do not know the row's incarnation; whoever does needs none.
      const { incarnation, sequence, chain } = row
      rows.set(key, this.#nodes.has(key) ? { incarnation, sequence, chain } : row)
    }
    const byOthers = new Map<string, number>()
    for (const key of rows.keys()) {
      const parent = this.#nodes.get(key)?.parent
      if (parent) this.#cover(byOthers, idKey(parent.incarnation), parent.sequence)
    }
    return sortVector(
      [...rows].flatMap(([key, row]) => ((byOthers.get(key) ?? 0) >= row.sequence ? [] : [row])),
    )
  }

  /** The vector with trails, for a peer that may not know its rows. */
  trailed(vector: VersionVector = this.vector): VersionVector {
    return vector.map((row) => ({ ...row, trail: this.#trail(row) }))
  }

  /** Where lines part: a folder was copied or restored, or a write's outcome was not known. */
  branchings(): readonly Branching[] {
    const children = new Map<string, TreeNode[]>()
    for (const node of this.#nodes.values()) {
      if (node.parent === undefined) continue
      const key = idKey(node.parent.incarnation)
      const siblings = children.get(key)
      if (siblings) siblings.push(node)
      else children.set(key, [node])
    }
    const found: Branching[] = []
    for (const [key, nodes] of children) {
      const parent = this.#nodes.get(key)
      if (parent === undefined || (nodes.length === 1 && parent.continuedAt === parent.sequence)) {
        continue
      }
      found.push({
        incarnation: parent.incarnation,
        children: nodes.map((node) => node.incarnation),
      })
    }
    return found
  }

  /** Rows of ours that `vector` has at the same sequence with another chain hash: forks. */
  contradictions(vector: VersionVector): readonly VectorRow[] {
    return vector.filter((row) => {
      const node = this.#nodes.get(idKey(row.incarnation))
      return node?.sequence === row.sequence && !equalBytes(node.chain, row.chain)
    })
  }

  #put(node: TreeNode): void {
    this.#nodes.set(node.key, node)
    this.#vector = undefined
    if (!isLeaf(node)) this.#leaves.delete(node.key)
    else {
      const { incarnation, sequence, chain } = node
      this.#leaves.set(node.key, { incarnation, sequence, chain })
    }
  }

  #cover(covered: Map<string, number>, key: string, sequence: number): void {
    for (;;) {
      const node = this.#nodes.get(key)
      if (node === undefined) return
      let upTo = sequence
      if (sequence >= node.first) {
        // What covers an incarnation has covered its ancestors already.
        if ((covered.get(key) ?? 0) >= sequence) return
        covered.set(key, sequence)
        upTo = node.first - 1
      }
      if (node.parent === undefined) return
      key = idKey(node.parent.incarnation)
      sequence = Math.min(upTo, node.parent.sequence)
    }
  }

  #trail(row: VectorRow): readonly Waypoint[] {
    const trail: Waypoint[] = []
    let parent = this.#nodes.get(idKey(row.incarnation))?.parent
    for (let distance = 1, next = 1; parent && trail.length < TRAIL_WAYPOINTS_MAX; distance++) {
      const before = this.#nodes.get(idKey(parent.incarnation))?.parent
      if (distance === next || before === undefined) {
        trail.push({ incarnation: parent.incarnation, sequence: parent.sequence })
        next = distance + Math.max(1, Math.floor(distance / 4))
      }
      parent = before
    }
    return trail
  }
}
