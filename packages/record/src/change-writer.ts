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

/** Magic and checksum. */
const HEAD_BYTES = 8
const MAGIC: Uint8Array = hexToBytes(CHANGE_MAGIC)

export class ChangeWriter {
  readonly #sha256: Sha256
  readonly #actors = new Map<string, Uint8Array>()
  readonly #body = new ByteWriter()
  readonly #columns = new ByteWriter()

  constructor(sha256: Sha256) {
    this.#sha256 = sha256
  }

  write(change: ParsedChange): WrittenChange {
    const { actor, seq, startOp, deps, message } = change
    const others = otherActors(change)
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
    const lengths = this.#writeColumns(change, others)
    body.uint(lengths.length)
    for (const { column, length } of lengths) {
      body.uint(column)
      body.uint(length)
    }
    body.bytes(this.#columns.written())
    return this.#frame(body.written())
  }

  #frame(body: Uint8Array): WrittenChange {
    const length = new ByteWriter(8)
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

  /** @returns What was written of each column, in order; those that are empty are left out. */
  #writeColumns(
    { actor, writes }: ParsedChange,
    others: readonly string[],
  ): readonly { readonly column: number; readonly length: number }[] {
    const to = this.#columns
    to.clear()
    const lengths: { column: number; length: number }[] = []
    const column = (number: number, write: () => void) => {
      const before = to.length
      write()
      if (to.length > before) lengths.push({ column: number, length: to.length - before })
    }
    const values = writes.map(({ cell }) => utf8ToBytes(encodeCell(cell)))
    const preds = writes.flatMap((write) => write.preds.map(splitPred))
    const numbers = new Map([actor, ...others].map((name, number) => [name, number]))
    const actorNumber = (name: string) => numbers.get(name) ?? 0
    const uints = (rows: readonly number[]) => writeRuns(to, rows, (_, row) => to.uint(row))
    column(CHANGE_COLUMNS.KEY, () => writeRuns(to, keysOf(writes), (_, key) => to.text(key)))
    column(CHANGE_COLUMNS.INSERT, () => to.uint(writes.length))
    column(CHANGE_COLUMNS.ACTION, () => uints(writes.map(() => SET)))
    column(CHANGE_COLUMNS.VALUE_META, () => uints(values.map(({ length }) => length * 16 + TEXT)))
    column(CHANGE_COLUMNS.VALUE, () => {
      for (const value of values) to.bytes(value)
    })
    column(CHANGE_COLUMNS.PRED_GROUP, () => uints(writes.map((write) => write.preds.length)))
    column(CHANGE_COLUMNS.PRED_ACTOR, () => uints(preds.map((pred) => actorNumber(pred.actor))))
    column(CHANGE_COLUMNS.PRED_COUNTER, () => {
      writeDeltas(
        to,
        preds.map(({ counter }) => counter),
      )
    })
    return lengths
  }
}

function keysOf(writes: ParsedChange["writes"]): readonly string[] {
  return writes.map(({ key }) => key)
}

/** Those that predecessors are by, in order. */
function otherActors({ actor, writes }: ParsedChange): readonly string[] {
  const others = new Set<string>()
  for (const { preds } of writes) for (const pred of preds) others.add(splitPred(pred).actor)
  others.delete(actor)
  return [...others].sort()
}

function splitPred(pred: string): { readonly counter: number; readonly actor: string } {
  const at = pred.indexOf("@")
  return { counter: Number(pred.slice(0, at)), actor: pred.slice(at + 1) }
}
