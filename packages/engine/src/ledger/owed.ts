/**
 * What entries came to that are in the log already, and are shown: it waits to be kept beside the
 * log for a quiet moment, so that nothing waits for it. What comes in or is edited meanwhile waits
 * with it, since what is kept says how far it goes. Bounded.
 *
 * It may be written a part at a time: whoever dies in between reads all of it from the log again,
 * and writes the same records once more.
 *
 * @module
 */
import type { DocumentId } from "@fulcrum/record/documents"
import type { VaultOp } from "@fulcrum/store/vault"

/** Operations that wait, and the bytes of their values: memory, and a write. */
const OPS_MAX = 8192
const BYTES_MAX: number = 8 * 1024 * 1024

/** Operations that are taken while some always wait: after these all is written at once. */
const TAKEN_MAX: number = 2 * OPS_MAX

/** Of what is written at once, unless one operation has more. */
const PART_BYTES_MAX: number = 512 * 1024

export interface Owing {
  readonly ops: readonly VaultOp[]
  /** The changes among them, by document, in order. */
  readonly changes: ReadonlyMap<DocumentId, readonly Uint8Array[]>
  /** The actors among them, and who announced them. */
  readonly actors: ReadonlyMap<string, Uint8Array>
}

export class Owed {
  #ops: VaultOp[] = []
  #bytes = 0
  /** Operations since nothing waited: the changes of all of them are still here. */
  #taken = 0
  readonly #changes = new Map<DocumentId, Uint8Array[]>()
  readonly #actors = new Map<string, Uint8Array>()

  get ops(): readonly VaultOp[] {
    return this.#ops
  }

  /** All of it until the last part is written: to read something twice is harmless. */
  get changes(): ReadonlyMap<DocumentId, readonly Uint8Array[]> {
    return this.#changes
  }

  get actors(): ReadonlyMap<string, Uint8Array> {
    return this.#actors
  }

  hasRoomFor(ops: readonly VaultOp[]): boolean {
    if (this.#taken + ops.length > TAKEN_MAX) return false
    return this.#ops.length + ops.length <= OPS_MAX && this.#bytes + bytesOf(ops) <= BYTES_MAX
  }

  add({ ops, changes, actors }: Owing): void {
    for (const op of ops) this.#ops.push(op)
    this.#taken += ops.length
    this.#bytes += bytesOf(ops)
    for (const [document, some] of changes) {
      const all = this.#changes.get(document)
      if (all === undefined) this.#changes.set(document, [...some])
      else all.push(...some)
    }
    for (const [actor, writer] of actors) this.#actors.set(actor, writer)
  }

  /** What is written next: at least one operation, if there is one, and at most `opsMax`. */
  part(opsMax: number): readonly VaultOp[] {
    let bytes = 0
    const end = this.#ops.findIndex((op, at) => {
      bytes += bytesOf([op])
      return at > 0 && (at >= opsMax || bytes > PART_BYTES_MAX)
    })
    return end < 0 ? [...this.#ops] : this.#ops.slice(0, end)
  }

  /** This part was written. */
  paid(part: readonly VaultOp[]): void {
    this.#ops = this.#ops.slice(part.length)
    this.#bytes -= bytesOf(part)
    if (this.#ops.length === 0) this.clear()
  }

  /** All of it was written, or is read from the log again. */
  clear(): void {
    this.#ops = []
    this.#bytes = 0
    this.#taken = 0
    this.#changes.clear()
    this.#actors.clear()
  }
}

function bytesOf(ops: readonly VaultOp[]): number {
  return ops.reduce((sum, op) => sum + (op.type === "put" ? op.value.length : 0), 0)
}
