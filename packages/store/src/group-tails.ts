/**
 * Which records surely are not there: remembers, for groups that grow at their end, the highest
 * order they have, so that appending needs no look at the disk for what it might overwrite.
 *
 * A group is looked up once it is put to a second time, past the first: one written once costs
 * nothing. A tail may be too high, after a record was deleted or its write failed, and never too
 * low: then a record is looked for that is not there, and nothing worse.
 *
 * @module
 */

/** Groups remembered, some 200 bytes each; then all are forgotten and learnt again. */
const GROUPS_MAX = 4096

interface Tail {
  /** The highest order put so far. */
  put: number
  /** No record of the group has a higher order; `undefined` until it was looked up. */
  known: number | undefined
}

export class GroupTails {
  readonly #tailsByGroup = new Map<string, Tail>()
  readonly #highestOf: (group: string) => Promise<number>

  /** @param highestOf - The highest order that a group has on the disk, -1 if none. */
  constructor(highestOf: (group: string) => Promise<number>) {
    this.#highestOf = highestOf
  }

  /** Whether no record can be at `order`, which is put or deleted now. Call it in the order put. */
  async isPastEnd(group: string, order: number): Promise<boolean> {
    const tail = this.#tailsByGroup.get(group)
    if (tail === undefined) {
      if (this.#tailsByGroup.size >= GROUPS_MAX) this.#tailsByGroup.clear()
      this.#tailsByGroup.set(group, { put: order, known: undefined })
      return false
    }
    const ascends = order > tail.put
    if (ascends && tail.known === undefined) {
      tail.known = Math.max(await this.#highestOf(group), tail.put)
    }
    tail.put = Math.max(tail.put, order)
    if (tail.known === undefined || order <= tail.known) return false
    tail.known = order
    return true
  }
}
