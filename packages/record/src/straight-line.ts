/**
 * A document whose changes each follow the one before, worked out without Automerge.
 *
 * Most of what a device takes is such: one person edits on one device at a time. A change extends the
 * line if it is, byte for byte, the change that Automerge makes when its edits are made there: it
 * depends on the line's end (and on its actor's own last change), goes by the next numbers, replaces what stands in each register and
 * counts one more. Such a change Automerge takes, saves and loads again, for it is its own; so nothing
 * has to be tried. What does not extend the line is Automerge's to judge.
 *
 * @module
 */
import { bytesToHex, equalBytes } from "@fulcrum/codec/bytes"
import type { JsonValue } from "@fulcrum/codec/json"
import type { Cell } from "./cell.ts"
import { type ParsedChange, parseChange } from "./change-format.ts"
import type { ChangeWriter } from "./change-writer.ts"
import { type Cells, pathOf } from "./document-cells.ts"
import { RecordError } from "./record-error.ts"
import { takeWritten } from "./written-lately.ts"

/** What a write replaces there: one value, or nothing. */
const PREDS_EACH = 1
/** Of a register beside its key and its value. */
const STANDING_BYTES = 200

/** One edit, by whom. */
export interface LineEdit {
  /** Hex. */
  readonly actor: string
  readonly message: string
  /** Each register once, in the order in which they are written; `undefined`: unset. */
  readonly writes: readonly (readonly [key: string, value: JsonValue | undefined])[]
}

/** What stands in a register, and the operation that wrote it. */
interface Standing {
  readonly op: string
  /** About what it takes in memory. */
  readonly bytes: number
  readonly cells: readonly [Cell]
}

/** The last change of an actor. */
interface OwnEnd {
  readonly seq: number
  /** Hex. */
  readonly hash: string
}

export class StraightLine {
  /** Hex hash of the last change; `undefined`: there is none. */
  readonly #head: string | undefined
  /** Operations there are. */
  readonly #ops: number
  /** By actor, in hex. */
  readonly #ends: ReadonlyMap<string, OwnEnd>
  readonly #registers: ReadonlyMap<string, Standing>
  readonly #bytes: number

  /** The line of a document to which nothing was written. */
  static readonly EMPTY: StraightLine = new StraightLine(undefined, 0, new Map(), new Map(), 0)

  private constructor(
    head: string | undefined,
    ops: number,
    ends: ReadonlyMap<string, OwnEnd>,
    registers: ReadonlyMap<string, Standing>,
    bytes: number,
  ) {
    this.#head = head
    this.#ops = ops
    this.#ends = ends
    this.#registers = registers
    this.#bytes = bytes
  }

  get heads(): readonly string[] {
    return this.#head === undefined ? [] : [this.#head]
  }

  get opCount(): number {
    return this.#ops
  }

  get registerCount(): number {
    return this.#registers.size
  }

  /** About what it takes in memory. */
  get bytes(): number {
    return this.#bytes
  }

  get cells(): Cells {
    const cells = new Map<string, readonly Cell[]>()
    for (const [key, standing] of this.#registers) cells.set(key, standing.cells)
    return cells
  }

  /** The change that Automerge makes of an edit at the end of the line, and the line with it. */
  edited(
    { actor, message, writes }: LineEdit,
    writer: ChangeWriter,
  ): { readonly line: StraightLine; readonly change: Uint8Array } {
    const change: ParsedChange = {
      actor,
      seq: 1 + (this.#ends.get(actor)?.seq ?? 0),
      startOp: 1 + this.#ops,
      deps: dependencies(this.#head, this.#ends.get(actor)),
      message,
      writes: writes.map(([key, value]) => {
        const before = this.#registers.get(key)
        const counter = 1 + (before?.cells[0].counter ?? 0)
        const preds = before === undefined ? [] : [before.op]
        return { key, path: pathOf(key), cell: { counter, value }, preds }
      }),
    }
    const ends = new Map(this.#ends)
    const registers = new Map(this.#registers)
    const made = writer.write(change)
    const head = bytesToHex(made.hash)
    const bytes = this.#bytes + note(change, registers)
    ends.set(actor, { seq: change.seq, hash: head })
    const line = new StraightLine(head, this.#ops + writes.length, ends, registers, bytes)
    return { line, change: made.bytes }
  }

  /**
   * The line with these after it, in order.
   *
   * @returns `undefined` if one of them does not extend it.
   */
  extended(changes: readonly Uint8Array[], writer: ChangeWriter): StraightLine | undefined {
    const ends = new Map(this.#ends)
    const registers = new Map(this.#registers)
    let head = this.#head
    let ops = this.#ops
    let size = this.#bytes
    for (const bytes of changes) {
      const change = parsed(bytes)
      if (change === undefined) return undefined
      const { actor, seq, startOp, deps, writes } = change
      const own = ends.get(actor)
      const isNext =
        deps.join() === dependencies(head, own).join() &&
        startOp === ops + 1 &&
        seq === (own?.seq ?? 0) + 1 &&
        writes.every(({ key, cell, preds }) => replaces(registers.get(key), cell, preds))
      if (!isNext) return undefined
      const hash = takeWritten(bytes) ?? hashOf(change, bytes, writer)
      if (hash === undefined) return undefined
      head = bytesToHex(hash)
      size += note(change, registers)
      ends.set(actor, { seq, hash: head })
      ops += writes.length
    }
    return new StraightLine(head, ops, ends, registers, size)
  }
}

/** What Automerge lets a change depend on: the line's end, and its actor's own last change. */
function dependencies(head: string | undefined, own: OwnEnd | undefined): readonly string[] {
  if (head === undefined) return []
  return own === undefined || own.hash === head ? [head] : [head, own.hash].toSorted()
}

/** @returns How many bytes more they take. */
function note({ actor, startOp, writes }: ParsedChange, registers: Map<string, Standing>): number {
  let more = 0
  for (const [at, { key, cell }] of writes.entries()) {
    const bytes = STANDING_BYTES + key.length + bytesOf(cell.value)
    more += bytes - (registers.get(key)?.bytes ?? 0)
    registers.set(key, { op: `${startOp + at}@${actor}`, bytes, cells: [cell] })
  }
  return more
}

/** About what a value takes, looked at no longer than it takes to copy it. */
function bytesOf(value: JsonValue | undefined): number {
  if (typeof value === "string") return value.length
  if (typeof value !== "object" || value === null) return 0
  return Object.entries(value).reduce((sum, [key, one]) => sum + key.length + bytesOf(one) + 16, 0)
}

function parsed(bytes: Uint8Array): ParsedChange | undefined {
  try {
    return parseChange(bytes, { predsEach: PREDS_EACH })
  } catch (error) {
    // Whoever judges it says what is wrong with it.
    if (error instanceof RecordError) return undefined
    throw error
  }
}

/** `undefined`: these bytes are not what is written of the change. */
function hashOf(
  change: ParsedChange,
  bytes: Uint8Array,
  writer: ChangeWriter,
): Uint8Array | undefined {
  const made = writer.write(change)
  return equalBytes(made.bytes, bytes) ? made.hash : undefined
}

function replaces(standing: Standing | undefined, cell: Cell, preds: readonly string[]): boolean {
  if (standing === undefined) return preds.length === 0 && cell.counter === 1
  const [before] = standing.cells
  return preds.length === 1 && preds[0] === standing.op && cell.counter === before.counter + 1
}
