/**
 * The tiers of the logs that this device wrote: which of their spans are due, and merging them.
 *
 * Only logs that the key signs which the device has now: in a share space each start has a key of
 * its own, and what an earlier one wrote stays as it is.
 *
 * @module
 */
import { equalBytes } from "@fulcrum/codec/bytes"
import type { SigningKey } from "@fulcrum/crypto/ed25519"
import type { IncarnationTree, TreeNode } from "./incarnation-tree.ts"
import type { PlacedRecord } from "./log-tables.ts"
import type { LogOp, LogVault } from "./log-vault.ts"
import { type MergedSpan, type MergingOptions, mergeSpans } from "./merging.ts"
import { dueMerge, LINE_SPANS_MAX } from "./tiers.ts"

export interface OwnTiersOptions extends MergingOptions {
  readonly vault: LogVault
  readonly lastMerge: number
}

export class OwnTiers {
  readonly #options: OwnTiersOptions
  #lastMerge: number
  /** Logs of which something may be due; `undefined`: any of them. */
  #toLookAt: Set<string> | undefined
  /** The last spans of logs that grow, the oldest first, as they were read and have grown since. */
  readonly #lines = new Map<string, PlacedRecord[]>()

  constructor(options: OwnTiersOptions) {
    this.#options = options
    this.#lastMerge = options.lastMerge
  }

  get lastMerge(): number {
    return this.#lastMerge
  }

  /** A log of this device goes further by these spans. */
  grew(key: string, records: readonly PlacedRecord[]): void {
    this.#toLookAt?.add(key)
    const line = this.#lines.get(key)
    line?.push(...records)
    if (line && line.length > 2 * LINE_SPANS_MAX) line.splice(0, line.length - LINE_SPANS_MAX)
  }

  /** The spans of a log are others now. */
  changed(key: string): void {
    this.#lines.delete(key)
  }

  /** @returns What was merged; `undefined`: nothing is due. */
  async merge(tree: IncarnationTree, signer: SigningKey): Promise<MergedSpan | undefined> {
    this.#toLookAt ??= new Set(ownKeys(tree, signer))
    for (const key of [...this.#toLookAt]) {
      const node = tree.byKey(key)
      this.#toLookAt.delete(key)
      if (node === undefined || !equalBytes(node.writer, signer.publicKey)) continue
      const merged = await this.#mergeIn(node, signer)
      if (merged === undefined) continue
      this.#toLookAt.add(key)
      return merged
    }
    return undefined
  }

  async #mergeIn(node: TreeNode, signer: SigningKey): Promise<MergedSpan | undefined> {
    const { incarnation } = node
    const line = this.#lines.get(node.key) ?? (await this.#read(node))
    const due = dueMerge(line)
    if (due === undefined) return undefined
    const records = line.slice(due.from, due.to)
    // Read anew if this fails, or grows meanwhile.
    this.#lines.delete(node.key)
    const merged = await mergeSpans(this.#options, { signer, incarnation, records })
    if (merged === undefined) return undefined
    await this.#options.vault.write([...merged.ops, ...(await this.#noteMerge(merged.span))])
    this.#lastMerge++
    return merged.span
  }

  /** As far as it is in the tree: what is being appended is not looked at. */
  async #read({ key, incarnation, sequence }: TreeNode): Promise<readonly PlacedRecord[]> {
    const { tables } = this.#options
    const line = (await tables.lastSpans(incarnation, LINE_SPANS_MAX, sequence + 1)).toReversed()
    // Unless it has grown meanwhile.
    if (!this.#toLookAt?.has(key)) this.#lines.set(key, line)
    return line
  }

  async #noteMerge(span: MergedSpan): Promise<readonly LogOp[]> {
    const { tables } = this.#options
    const ops: LogOp[] = [tables.putMerge(this.#lastMerge + 1, span)]
    for await (const { order, incarnation, start, end } of tables.merges()) {
      const isTakenIn =
        equalBytes(incarnation, span.incarnation) && start >= span.start && end <= span.end
      if (isTakenIn) ops.push(tables.dropMerge(order))
    }
    return ops
  }
}

function ownKeys(tree: IncarnationTree, signer: SigningKey): readonly string[] {
  const own = [...tree.nodes()].filter(({ writer }) => equalBytes(writer, signer.publicKey))
  return own.map(({ key }) => key)
}
