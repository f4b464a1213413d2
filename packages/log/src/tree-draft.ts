/**
 * Changes to an incarnation tree that are not durable yet: seen by the batch that makes them,
 * by nobody else, until they are applied.
 *
 * @module
 */
import type { ChainHash } from "./ids.ts"
import { idKey } from "./ids.ts"
import { type IncarnationTree, isLeaf, type NewIncarnation } from "./incarnation-tree.ts"

/** How far an incarnation goes. */
export interface Head {
  readonly writer: Uint8Array
  readonly first: number
  readonly sequence: number
  readonly chain: ChainHash
  /** The furthest of its entries that another continues from; 0: none does. */
  readonly continuedAt: number
}

export class TreeDraft {
  readonly #tree: IncarnationTree
  readonly #heads = new Map<string, Head>()
  /** What was done, in order: a child begins where its parent had come to by then. */
  readonly #steps: (() => void)[] = []
  #begunCount = 0
  #leafCount: number

  constructor(tree: IncarnationTree) {
    this.#tree = tree
    this.#leafCount = tree.leafCount
  }

  /** Incarnations here, with those that this draft adds. */
  get size(): number {
    return this.#tree.size + this.#begunCount
  }

  /** Rows that the version vector will have. */
  get leafCount(): number {
    return this.#leafCount
  }

  head(key: string): Head | undefined {
    return this.#heads.get(key) ?? this.#tree.byKey(key)
  }

  begin(start: NewIncarnation): void {
    const { writer, chain, parent } = start
    const first = (parent?.sequence ?? 0) + 1
    this.#begunCount++
    this.#steps.push(() => this.#tree.begin(start))
    const parentKey = parent && idKey(parent.incarnation)
    const head = parentKey === undefined ? undefined : this.head(parentKey)
    if (parent && parentKey !== undefined && head) {
      this.#set(parentKey, { ...head, continuedAt: Math.max(head.continuedAt, parent.sequence) })
    }
    this.#set(idKey(start.incarnation), { writer, first, sequence: first, chain, continuedAt: 0 })
  }

  advance(key: string, sequence: number, chain: ChainHash): void {
    const head = this.head(key)
    if (head === undefined) throw new RangeError("this incarnation has not begun")
    this.#set(key, { ...head, sequence, chain })
    this.#steps.push(() => this.#tree.advance(key, sequence, chain))
  }

  apply(): void {
    for (const step of this.#steps) step()
  }

  #set(key: string, head: Head): void {
    const before = this.head(key)
    this.#leafCount += Number(isLeaf(head)) - Number(before !== undefined && isLeaf(before))
    this.#heads.set(key, head)
  }
}
