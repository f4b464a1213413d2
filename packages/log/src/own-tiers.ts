/**
 * The tiers of the logs that this device wrote: which of their spans are due, and merging them. A log
 * goes on over the starts of the device.
 *
 * Only logs that the key signs which the device has now: in a share space each start has a key of
 * its own, and what an earlier one wrote stays as it is.
 *
 * @module
 */
import { equalBytes } from "@fulcrum/codec/bytes"
import type { SigningKey } from "@fulcrum/crypto/ed25519"
import { idKey } from "./ids.ts"
import type { IncarnationTree, TreeNode } from "./incarnation-tree.ts"
import { endOfLog, lastOfLog } from "./lines.ts"
import type { PlacedRecord } from "./log-records.ts"
import type { LogOp, LogVault } from "./log-vault.ts"
import { type MergedSpan, type MergingOptions, mergeSpans } from "./merging.ts"
import {
  dueMerge,
  LINE_SPANS_MAX,
  MERGED_BYTES_MAX,
  type MergeRule,
  type TieredSpan,
} from "./tiers.ts"

export interface OwnTiersOptions extends MergingOptions {
  readonly vault: LogVault
  readonly lastMerge: number
}

export class OwnTiers {
  readonly #options: OwnTiersOptions
  #lastMerge: number
  /** Incarnations of whose logs something may be due; `undefined`: all of them. */
  #toLookAt: Set<string> | undefined
  /**
   * The last spans of the log that grows, the oldest first, as they were read and have grown since,
   * by its newest incarnation.
   */
  #line: { readonly key: string; readonly records: PlacedRecord[] } | undefined
  /** Spans that would not merge with what comes after them: their entries are too large together. */
  readonly #full = new Set<string>()

  constructor(options: OwnTiersOptions) {
    this.#options = options
    this.#lastMerge = options.lastMerge
  }

  /** A log of this device goes further by these spans. */
  grew(key: string, records: readonly PlacedRecord[]): void {
    this.#toLookAt?.add(key)
    if (this.#line?.key !== key) return
    const line = this.#line.records
    line.push(...records)
    if (line.length > 2 * LINE_SPANS_MAX) line.splice(0, line.length - LINE_SPANS_MAX)
  }

  /** The spans of a log are others now. */
  changed(key: string): void {
    this.#toLookAt?.add(key)
    this.#line = undefined
  }

  /**
   * @param due - The rule to go by.
   * @returns What was merged; `undefined`: nothing is due.
   */
  async merge(
    tree: IncarnationTree,
    signer: SigningKey,
    due: MergeRule = dueMerge,
  ): Promise<MergedSpan | undefined> {
    this.#toLookAt ??= new Set(ownKeys(tree, signer))
    for (const key of [...this.#toLookAt]) {
      const node = tree.byKey(key)
      this.#toLookAt.delete(key)
      if (node === undefined || !equalBytes(node.writer, signer.publicKey)) continue
      let isDone = false
      try {
        const merged = await this.#mergeIn(tree, endOfLog(tree, node), { signer, rule: due })
        // By another rule there may be more to do.
        isDone = merged === undefined && due === dueMerge
        if (merged) return merged
      } finally {
        if (!isDone) this.#toLookAt.add(key)
      }
    }
    return undefined
  }

  /** @param node - The newest incarnation of a log. */
  async #mergeIn(
    tree: IncarnationTree,
    node: TreeNode,
    { signer, rule }: { readonly signer: SigningKey; readonly rule: MergeRule },
  ): Promise<MergedSpan | undefined> {
    const { key } = node
    for (;;) {
      const line = this.#line?.key === key ? this.#line.records : await this.#read(tree, node)
      const due = rule(line.map((record) => this.#asTiered(record)))
      if (due === undefined) return undefined
      const records = line.slice(due.from, due.to)
      // Read anew if this fails, or grows meanwhile.
      this.changed(key)
      const merged = await mergeSpans(this.#options, { signer, tree, records })
      if (merged === undefined) {
        const [first] = records
        if (first === undefined || this.#options.keyring.current === undefined) return undefined
        this.#full.add(placeOf(first))
        continue
      }
      // Taken before it is known whether the write landed: a number is never used twice.
      this.#lastMerge++
      const note = await this.#noteMerge(tree, merged.span)
      await this.#options.vault.write([...merged.ops, ...note])
      return merged.span
    }
  }

  #asTiered(record: PlacedRecord): TieredSpan {
    return this.#full.has(placeOf(record)) ? { ...record, size: MERGED_BYTES_MAX } : record
  }

  async #read(tree: IncarnationTree, node: TreeNode): Promise<readonly PlacedRecord[]> {
    const { key } = node
    this.#toLookAt?.delete(key)
    const records = [...(await lastOfLog(this.#options.tables, tree, node))]
    // Unless it has grown meanwhile.
    if (!this.#toLookAt?.has(key)) this.#line = { key, records }
    return records
  }

  async #noteMerge(tree: IncarnationTree, span: MergedSpan): Promise<readonly LogOp[]> {
    const { tables } = this.#options
    const ops: LogOp[] = [tables.putMerge(this.#lastMerge, span)]
    const line = tree.line(span.incarnation, span.start) ?? []
    const keys = new Set(line.map(({ key }) => key))
    for await (const { order, incarnation, start, end } of tables.merges()) {
      const isTakenIn = keys.has(idKey(incarnation)) && start >= span.start && end <= span.end
      if (isTakenIn) ops.push(tables.dropMerge(order))
    }
    return ops
  }
}

/** The newest incarnation of each log: what goes on is looked at with what goes on from it. */
function ownKeys(tree: IncarnationTree, signer: SigningKey): readonly string[] {
  return [...tree.nodes()].flatMap((node) =>
    equalBytes(node.writer, signer.publicKey) && tree.next(node) === undefined ? [node.key] : [],
  )
}

function placeOf({ incarnation, start, end }: PlacedRecord): string {
  return `${idKey(incarnation)} ${start} ${end}`
}
