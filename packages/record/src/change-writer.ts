/**
 * Writes a change as Automerge does, byte for byte, from what `change-format.ts` reads of it. Whoever
 * uses it compares: a change of any other making is kept as it is.
 *
 * @module
 */
import { hexToBytes, utf8ToBytes } from "@fulcrum/codec/bytes"
import { encodeCell } from "./cell.ts"
import {
  CHANGE_COLUMNS,
  CHANGE_MAGIC,
  CHUNK_CHANGE,
  type ChangeWrite,
  type ParsedChange,
  SET,
  TEXT,
} from "./change-format.ts"
import { ByteWriter, writeDeltas, writeRuns } from "./columns.ts"

export type Sha256 = (bytes: Uint8Array) => Uint8Array

export interface WrittenChange {
  readonly bytes: Uint8Array
  /** 32 bytes: what later changes name as a dependency. */
  readonly hash: Uint8Array
}

/** Bytes of a column that is not empty. */
interface Column {
  readonly column: number
  readonly length: number
}

/** A predecessor: an operation's number, and its actor in hex. */
interface Pred {
  readonly counter: number
  readonly actor: string
}

/** Before the row of a list that has one: -1 as a signed LEB128. */
const LIST_OF_ONE = 0x7f
/** Magic and checksum. */
const HEAD_BYTES = 8
const MAGIC: Uint8Array = hexToBytes(CHANGE_MAGIC)

export class ChangeWriter {
  readonly #sha256: Sha256
  readonly #actors = new Map<string, Uint8Array>()
  readonly #body = new ByteWriter()
  readonly #columns = new ByteWriter()
  readonly #length = new ByteWriter()

  constructor(sha256: Sha256) {
    this.#sha256 = sha256
  }

  write(change: ParsedChange): WrittenChange {
    const { actor, seq, startOp, deps, message } = change
    const preds = change.writes.map((write) => write.preds.map(splitPred))
    const others = otherActors(actor, preds)
    const body = this.#body
    body.clear()
    body.uint(deps.length)
    for (const dep of deps) body.bytes(hexToBytes(dep))
    body.sized(this.#bytesOf(actor))
    body.uint(seq)
    body.uint(startOp)
    body.int(0)
    body.text(message)
    body.uint(others.length)
    for (const other of others) body.sized(this.#bytesOf(other))
    const lengths = this.#writeColumns(change, preds, [actor, ...others])
    body.uint(lengths.length)
    for (const { column, length } of lengths) {
      body.uint(column)
      body.uint(length)
    }
    body.bytes(this.#columns.written())
    return this.#frame(body.written())
  }

  #frame(body: Uint8Array): WrittenChange {
    const length = this.#length
    length.clear()
    length.byte(CHUNK_CHANGE)
    length.uint(body.length)
    const bytes = new Uint8Array(HEAD_BYTES + length.length + body.length)
    bytes.set(MAGIC)
    bytes.set(length.written(), HEAD_BYTES)
    bytes.set(body, HEAD_BYTES + length.length)
    const hash = this.#sha256(bytes.subarray(HEAD_BYTES))
    bytes.set(hash.subarray(0, HEAD_BYTES - MAGIC.length), MAGIC.length)
    return { bytes, hash }
  }

  #bytesOf(actor: string): Uint8Array {
    const known = this.#actors.get(actor)
    if (known) return known
    const bytes = hexToBytes(actor)
    this.#actors.set(actor, bytes)
    return bytes
  }

  /**
   * @param preds - Of each write.
   * @param actors - By number.
   * @returns What was written of each column, in order; those that are empty are left out.
   */
  #writeColumns(
    { writes }: ParsedChange,
    preds: readonly (readonly Pred[])[],
    actors: readonly string[],
  ): readonly Column[] {
    const to = this.#columns
    to.clear()
    const [only] = writes
    const [pred, ...others] = preds[0] ?? []
    if (only !== undefined && writes.length === 1 && others.length === 0) {
      return writeOne(to, only, pred && { number: actors.indexOf(pred.actor), ...pred })
    }
    const lengths: Column[] = []
    const column = (number: number, write: () => void) => {
      const before = to.length
      write()
      if (to.length > before) lengths.push({ column: number, length: to.length - before })
    }
    const all = preds.flat()
    const values = writes.map(({ cell }) => utf8ToBytes(encodeCell(cell)))
    const numbers = new Map(actors.map((name, number) => [name, number]))
    const actorNumber = (name: string) => numbers.get(name) ?? 0
    const uints = (rows: readonly number[]) => writeRuns(to, rows, (_, row) => to.uint(row))
    column(CHANGE_COLUMNS.KEY, () => writeRuns(to, keysOf(writes), (_, key) => to.text(key)))
    column(CHANGE_COLUMNS.INSERT, () => to.uint(writes.length))
    column(CHANGE_COLUMNS.ACTION, () => uints(writes.map(() => SET)))
    column(CHANGE_COLUMNS.VALUE_META, () => uints(values.map(({ length }) => length * 16 + TEXT)))
    column(CHANGE_COLUMNS.VALUE, () => {
      for (const value of values) to.bytes(value)
    })
    column(CHANGE_COLUMNS.PRED_GROUP, () => uints(preds.map(({ length }) => length)))
    column(CHANGE_COLUMNS.PRED_ACTOR, () => uints(all.map((pred) => actorNumber(pred.actor))))
    column(CHANGE_COLUMNS.PRED_COUNTER, () => {
      writeDeltas(
        to,
        all.map(({ counter }) => counter),
      )
    })
    return lengths
  }
}

/**
 * The columns of a change that writes once and replaces at most one value, as most do: each is a list
 * of one row.
 *
 * @param pred - What it replaces; `number` is its actor's.
 */
function writeOne(
  to: ByteWriter,
  { key, cell }: ChangeWrite,
  pred: { readonly counter: number; readonly number: number } | undefined,
): readonly Column[] {
  const value = utf8ToBytes(encodeCell(cell))
  const lengths: Column[] = []
  let before = 0
  const ended = (column: number) => {
    lengths.push({ column, length: to.length - before })
    before = to.length
  }
  to.byte(LIST_OF_ONE)
  to.text(key)
  ended(CHANGE_COLUMNS.KEY)
  to.byte(1)
  ended(CHANGE_COLUMNS.INSERT)
  to.byte(LIST_OF_ONE)
  to.byte(SET)
  ended(CHANGE_COLUMNS.ACTION)
  to.byte(LIST_OF_ONE)
  to.uint(value.length * 16 + TEXT)
  ended(CHANGE_COLUMNS.VALUE_META)
  to.bytes(value)
  ended(CHANGE_COLUMNS.VALUE)
  to.byte(LIST_OF_ONE)
  to.byte(pred === undefined ? 0 : 1)
  ended(CHANGE_COLUMNS.PRED_GROUP)
  if (pred === undefined) return lengths
  to.byte(LIST_OF_ONE)
  to.uint(pred.number)
  ended(CHANGE_COLUMNS.PRED_ACTOR)
  to.byte(LIST_OF_ONE)
  to.int(pred.counter)
  ended(CHANGE_COLUMNS.PRED_COUNTER)
  return lengths
}

function keysOf(writes: ParsedChange["writes"]): readonly string[] {
  return writes.map(({ key }) => key)
}

/** Those that predecessors are by, but for the change's own, in order. */
function otherActors(own: string, preds: readonly (readonly Pred[])[]): readonly string[] {
  let others: Set<string> | undefined
  for (const some of preds) {
    for (const { actor } of some) {
      if (actor === own) continue
      others ??= new Set()
      others.add(actor)
    }
  }
  return others === undefined ? [] : [...others].sort()
}

function splitPred(pred: string): Pred {
  const at = pred.indexOf("@")
  return { counter: Number(pred.slice(0, at)), actor: pred.slice(at + 1) }
}
