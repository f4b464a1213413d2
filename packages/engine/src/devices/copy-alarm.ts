/**
 * That this device's folder was copied, or put back to what it was before: somebody else says that it is
 * this device, or its own line of entries has two ends. Until the next start; what parted stays in the log.
 *
 * Source: DESIGN, "How replication works" (incarnations).
 *
 * @module
 */
import { equalBytes } from "@fulcrum/codec/bytes"
import type { IncarnationTree } from "@fulcrum/log/incarnation-tree"

interface CopyAlarmOptions {
  readonly tree: () => IncarnationTree
  /** The device's key in the record space. */
  readonly writer: Uint8Array
  /** Called once it is raised. */
  raised(): void
}

export class CopyAlarm {
  readonly #options: CopyAlarmOptions
  readonly #before: number
  #isRaised = false

  constructor(options: CopyAlarmOptions) {
    this.#options = options
    this.#before = this.#ends
  }

  get isRaised(): boolean {
    return this.#isRaised
  }

  raise(): void {
    if (this.#isRaised) return
    this.#isRaised = true
    this.#options.raised()
  }

  /** After something came. */
  look(): void {
    if (!this.#isRaised && this.#ends > this.#before) this.raise()
  }

  /** Places where its own line parts. */
  get #ends(): number {
    const { tree, writer } = this.#options
    const all = tree()
    return all.branchings().filter(({ incarnation }) => {
      const node = all.get(incarnation)
      return node !== undefined && equalBytes(node.writer, writer)
    }).length
  }
}
