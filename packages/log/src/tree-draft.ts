/**
 * Changes to an incarnation tree that are not durable yet: seen by the batch that makes them,
 * by nobody else, until they are applied.
 *
 * @module
 */
import type { ChainHash } from "./ids.ts"
import { idKey } from "./ids.ts"
import type { IncarnationTree, NewIncarnation } from "./incarnation-tree.ts"

/** How far an incarnation goes. */
export interface Head {
  readonly writer: Uint8Array
  readonly first: number
  readonly sequence: number
  readonly chain: ChainHash
}

export class TreeDraft {
  readonly #tree: IncarnationTree
  readonly #heads = new Map<string, Head>()
  /** What was done, in order: a child begins where its parent had come to by then. */
  readonly #steps: (() => void)[] = []
  #begunCount = 0

  constructor(tree: IncarnationTree) {
    this.#tree = tree
  }

  /** Incarnations here, and how many of them this draft adds. */
  get size(): number {
    return this.#tree.size + this.#begunCount
  }

  get begunCount(): number {
    return this.#begunCount
  }

  head(key: string): Head | undefined {
    return this.#heads.get(key) ?? this.#tree.byKey(key)
  }

  begin(start: NewIncarnation): void {
    const key = idKey(start.incarnation)
    const first = (start.parent?.sequence ?? 0) + 1
    this.#begunCount++
    this.#steps.push(() => this.#tree.begin(start))
    this.#heads.set(key, { writer: start.writer, first, sequence: first, chain: start.chain })
  }

  advance(key: string, sequence: number, chain: ChainHash): void {
    const head = this.head(key)
    if (head === undefined) throw new RangeError("this incarnation has not begun")
    this.#heads.set(key, { ...head, sequence, chain })
    this.#steps.push(() => this.#tree.advance(key, sequence, chain))
  }

  apply(): void {
    for (const step of this.#steps) step()
  }
}
