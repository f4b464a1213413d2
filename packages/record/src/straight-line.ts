/**
 * A document whose changes each follow the one before, worked out without Automerge.
 *
 * Most of what a device takes is such: one person edits on one device at a time. A change extends the
 * line if it is, byte for byte, the change that Automerge makes when its edits are made there: it
 * depends on the line's end alone, goes by the next numbers, replaces what stands in each register and
 * counts one more. Such a change Automerge takes, saves and loads again, for it is its own; so nothing
 * has to be tried. What does not extend the line is Automerge's to judge.
 *
 * @module
 */
import { bytesToHex, equalBytes } from "@fulcrum/codec/bytes"
import type { Cell } from "./cell.ts"
import { type ParsedChange, parseChange } from "./change-format.ts"
import type { ChangeWriter } from "./change-writer.ts"
import type { Cells } from "./document-cells.ts"
import { RecordError } from "./record-error.ts"

/** What stands in a register, and the operation that wrote it. */
interface Standing {
  readonly op: string
  readonly cells: readonly [Cell]
}

export class StraightLine {
  /** Hex hash of the last change; `undefined`: there is none. */
  readonly #head: string | undefined
  /** Operations there are. */
  readonly #ops: number
  /** How many changes there are of each actor, in hex. */
  readonly #seqs: ReadonlyMap<string, number>
  readonly #registers: ReadonlyMap<string, Standing>

  /** The line of a document to which nothing was written. */
  static readonly EMPTY: StraightLine = new StraightLine(undefined, 0, new Map(), new Map())

  private constructor(
    head: string | undefined,
    ops: number,
    seqs: ReadonlyMap<string, number>,
    registers: ReadonlyMap<string, Standing>,
  ) {
    this.#head = head
    this.#ops = ops
    this.#seqs = seqs
    this.#registers = registers
  }

  get heads(): readonly string[] {
    return this.#head === undefined ? [] : [this.#head]
  }

  get opCount(): number {
    return this.#ops
  }

  get cells(): Cells {
    const cells = new Map<string, readonly Cell[]>()
    for (const [key, standing] of this.#registers) cells.set(key, standing.cells)
    return cells
  }

  /**
   * The line with these after it, in order.
   *
   * @returns `undefined` if one of them does not extend it.
   */
  extended(changes: readonly Uint8Array[], writer: ChangeWriter): StraightLine | undefined {
    const seqs = new Map(this.#seqs)
    const registers = new Map(this.#registers)
    let head = this.#head
    let ops = this.#ops
    for (const bytes of changes) {
      const change = parsed(bytes)
      if (change === undefined) return undefined
      const { actor, seq, startOp, writes } = change
      const isNext =
        followsOnly(change, head) &&
        startOp === ops + 1 &&
        seq === (seqs.get(actor) ?? 0) + 1 &&
        writes.every(({ key, cell, preds }) => replaces(registers.get(key), cell, preds))
      if (!isNext) return undefined
      const made = writer.write(change)
      if (!equalBytes(made.bytes, bytes)) return undefined
      for (const [at, { key, cell }] of writes.entries()) {
        registers.set(key, { op: `${startOp + at}@${actor}`, cells: [cell] })
      }
      seqs.set(actor, seq)
      ops += writes.length
      head = bytesToHex(made.hash)
    }
    return new StraightLine(head, ops, seqs, registers)
  }
}

function parsed(bytes: Uint8Array): ParsedChange | undefined {
  try {
    return parseChange(bytes)
  } catch (error) {
    // Whoever judges it says what is wrong with it.
    if (error instanceof RecordError) return undefined
    throw error
  }
}

function followsOnly({ deps }: ParsedChange, head: string | undefined): boolean {
  return head === undefined ? deps.length === 0 : deps.length === 1 && deps[0] === head
}

function replaces(standing: Standing | undefined, cell: Cell, preds: readonly string[]): boolean {
  if (standing === undefined) return preds.length === 0 && cell.counter === 1
  const [before] = standing.cells
  return preds.length === 1 && preds[0] === standing.op && cell.counter === before.counter + 1
}
