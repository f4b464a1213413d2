/**
 * Changes to an incarnation tree that are not durable yet: seen by the batch that makes them,
 * by nobody else, until they are applied.
 *
 * @module
 */
import type { ChainHash } from "./ids.ts"
import { idKey } from "./ids.ts"
import { type IncarnationTree, isLeaf, type NewIncarnation } from "./incarnation-tree.ts"
import type { VectorRow } from "./vector.ts"

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

  /** The rows that there would be once these went on or began, in this order. */
  leafCountWith(
    parts: readonly {
      readonly key: string
      readonly end: number
      readonly parent: VectorRow | undefined
    }[],
  ): number {
    const heads = new Map<string, Pick<Head, "sequence" | "continuedAt">>()
    const headOf = (key: string) => heads.get(key) ?? this.head(key)
    let count = this.#leafCount
    const set = (key: string, head: Pick<Head, "sequence" | "continuedAt">) => {
      const before = headOf(key)
      count += Number(isLeaf(head)) - Number(before !== undefined && isLeaf(before))
      heads.set(key, head)
    }
    for (const { key, end, parent } of parts) {
      const head = headOf(key)
      const parentKey = head || parent === undefined ? undefined : idKey(parent.incarnation)
      const before = parentKey === undefined ? undefined : headOf(parentKey)
      if (parent && parentKey !== undefined && before) {
        set(parentKey, { ...before, continuedAt: Math.max(before.continuedAt, parent.sequence) })
      }
      set(key, { sequence: end, continuedAt: head?.continuedAt ?? 0 })
    }
    return count
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
