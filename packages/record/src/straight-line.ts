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
import { noteWritten, takeWritten } from "./written-lately.ts"

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

/** The operation that wrote what stands in a register. */
interface Standing {
  readonly op: string
  /** About what the register takes in memory. */
  readonly bytes: number
  readonly cells: readonly [Cell]
}

/** The last change of an actor. */
interface OwnEnd {
  readonly seq: number
  /** Hex. */
  readonly hash: string
}

/** A line with more at its end, until it is taken: then the line that it was is used no more. */
export interface LongerLine {
  readonly opCount: number
  /** About what it takes in memory. */
  readonly bytes: number
  take(): StraightLine
}

interface LineState {
  /** Hex hash of the last change; `undefined`: there is none. */
  readonly head: string | undefined
  readonly opCount: number
  /** By actor, in hex. */
  readonly ends: Map<string, OwnEnd>
  readonly cells: Map<string, readonly [Cell]>
  readonly standings: Map<string, Standing>
  readonly bytes: number
}

export class StraightLine {
  /** Its maps are handed on to the line that it becomes: a copy would take longer than a change. */
  readonly #state: LineState

  /** The line of a document to which nothing was written. */
  static empty(): StraightLine {
    const [ends, cells, standings] = [new Map(), new Map(), new Map()]
    return new StraightLine({ head: undefined, opCount: 0, bytes: 0, ends, cells, standings })
  }

  private constructor(state: LineState) {
    this.#state = state
  }

  get heads(): readonly string[] {
    const { head } = this.#state
    return head === undefined ? [] : [head]
  }

  get opCount(): number {
    return this.#state.opCount
  }

  /** About what it takes in memory. */
  get bytes(): number {
    return this.#state.bytes
  }

  /** As they are now. */
  get cells(): Cells {
    return this.#state.cells
  }

  /** The change that Automerge makes of an edit at the end of the line, and the line with it. */
  edited(
    { actor, message, writes }: LineEdit,
    writer: ChangeWriter,
  ): { readonly longer: LongerLine; readonly change: Uint8Array } {
    const { head, opCount, ends, standings } = this.#state
    const own = ends.get(actor)
    const change: ParsedChange = {
      actor,
      seq: 1 + (own?.seq ?? 0),
      startOp: 1 + opCount,
      deps: dependencies(head, own),
      message,
      writes: writes.map(([key, value]) => {
        const before = standings.get(key)
        const counter = 1 + (before?.cells[0].counter ?? 0)
        const preds = before === undefined ? [] : [before.op]
        return { key, path: pathOf(key), cell: { counter, value }, preds }
      }),
    }
    const end = new LineEnd(this.#state)
    const made = writer.write(change)
    // Its log will be merged soon.
    noteWritten(made, change)
    end.add(change, bytesToHex(made.hash))
    return { longer: this.#longer(end), change: made.bytes }
  }

  /**
   * The line with these after it, in order.
   *
   * @returns `undefined` if one of them does not extend it.
   */
  extended(changes: readonly Uint8Array[], writer: ChangeWriter): LongerLine | undefined {
    const end = new LineEnd(this.#state)
    for (const bytes of changes) {
      const known = takeWritten(bytes)
      const change = known?.change ?? parsed(bytes)
      if (change === undefined || !end.isNext(change)) return undefined
      const hash = known?.hash ?? hashOf(change, bytes, writer)
      if (hash === undefined) return undefined
      end.add(change, bytesToHex(hash))
    }
    return this.#longer(end)
  }

  #longer(end: LineEnd): LongerLine {
    const { opCount, bytes } = end
    return { opCount, bytes, take: () => new StraightLine(end.enter()) }
  }
}

/** What comes after the end of a line, beside the line. */
class LineEnd {
  readonly #line: LineState
  readonly #ends = new Map<string, OwnEnd>()
  readonly #standings = new Map<string, Standing>()
  #head: string | undefined
  bytes: number
  opCount: number

  constructor(line: LineState) {
    this.#line = line
    this.#head = line.head
    this.bytes = line.bytes
    this.opCount = line.opCount
  }

  /** Whether it is a change that Automerge makes there. */
  isNext({ actor, seq, startOp, deps, writes }: ParsedChange): boolean {
    const own = this.#ends.get(actor) ?? this.#line.ends.get(actor)
    return (
      deps.join() === dependencies(this.#head, own).join() &&
      startOp === this.opCount + 1 &&
      seq === (own?.seq ?? 0) + 1 &&
      writes.every(({ key, cell, preds }) => replaces(this.#at(key), cell, preds))
    )
  }

  add({ actor, seq, startOp, writes }: ParsedChange, hash: string): void {
    for (const [at, { key, cell }] of writes.entries()) {
      const before = this.#at(key)
      const bytes = STANDING_BYTES + key.length + bytesOf(cell.value)
      this.bytes += bytes - (before?.bytes ?? 0)
      this.#standings.set(key, { op: `${startOp + at}@${actor}`, bytes, cells: [cell] })
    }
    this.#ends.set(actor, { seq, hash })
    this.#head = hash
    this.opCount += writes.length
  }

  /** Makes it part of the line. */
  enter(): LineState {
    const { ends, cells, standings } = this.#line
    for (const [actor, end] of this.#ends) ends.set(actor, end)
    for (const [key, standing] of this.#standings) {
      standings.set(key, standing)
      cells.set(key, standing.cells)
    }
    const { opCount, bytes } = this
    return { head: this.#head, opCount, bytes, ends, cells, standings }
  }

  #at(key: string): Standing | undefined {
    return this.#standings.get(key) ?? this.#line.standings.get(key)
  }
}

/** What Automerge lets a change depend on: the line's end, and its actor's own last change. */
function dependencies(head: string | undefined, own: OwnEnd | undefined): readonly string[] {
  if (head === undefined) return []
  return own === undefined || own.hash === head ? [head] : [head, own.hash].toSorted()
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
