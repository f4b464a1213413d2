/**
 * Many changes in columns: of each only what cannot be told from those before it.
 *
 * A writer's changes follow from each other: the next sequence and operation number, the last
 * change's hash as the one dependency, the last operation on a register as the one that is replaced,
 * a counter one greater. What is as expected takes a bit; the rest is written out. The hashes, a
 * third of every change and incompressible, are made again from the changes that they are of.
 *
 * | stream | holds                                                                                |
 * | ------ | ------------------------------------------------------------------------------------ |
 * | flags  | a byte for each change: which of `FLAG` are not as expected                           |
 * | fields | those that are not, LEB128: document, actor, sequence, operation, dependencies, message, how many writes |
 * | writes | a byte for each write: which of `WRITE` are not as expected                           |
 * | keys   | register, by its number in this pack; a new one is written out                        |
 * | refs   | counter and predecessors that are not as expected                                     |
 * | values | length of each value                                                                  |
 * | texts  | the values, in UTF-8: text as it is, the rest as canonical JSON (RFC 8785)            |
 *
 * Documents, actors and registers are numbered as they first come. A change that Automerge would not
 * have written so byte for byte is not taken: whoever packs keeps it whole.
 *
 * @module
 */
import { bytesToHex, bytesToUtf8, equalBytes, hexToBytes, utf8ToBytes } from "@fulcrum/codec/bytes"
import { canonicalJson, type JsonValue, parseJson } from "@fulcrum/codec/json"
import { CELL_BYTES_MAX } from "./cell.ts"
import { ACTOR_BYTES, type ChangeWrite, type ParsedChange, parseChange } from "./change-format.ts"
import { ChangeWriter, type Sha256 } from "./change-writer.ts"
import { ByteReader, ByteWriter } from "./columns.ts"
import { CHANGE_BYTES_MAX, CHANGE_OPS_MAX, CHANGE_PREDS_MAX } from "./documents.ts"
import { RecordError } from "./record-error.ts"
import { keyToPath, REGISTER_LIMITS } from "./registers.ts"
import { noteWritten, takeWritten } from "./written-lately.ts"

const FLAG = {
  DOCUMENT: 1,
  ACTOR: 2,
  SEQ: 4,
  START: 8,
  DEPS: 16,
  MESSAGE: 32,
  WRITES: 64,
} as const

const WRITE = {
  NEW_KEY: 1,
  COUNTER: 2,
  PREDS: 4,
  UNSET: 8,
  JSON: 16,
} as const

const STREAMS = ["flags", "fields", "writes", "keys", "refs", "values", "texts"] as const
type Streams<T> = Readonly<Record<(typeof STREAMS)[number], T>>

const NAME_BYTES_MAX = 512
const DEPS_MAX = 4096
/** In one pack: as many as one change may refer to. */
const ACTORS_MAX = 4096

/** What one document has come to in this pack. */
interface DocumentState {
  readonly name: string
  head: string | undefined
  nextOp: number
  /** Next sequence, by actor. */
  readonly seqs: Map<string, number>
  readonly registers: Map<string, { readonly op: string; readonly counter: number }>
}

/** What both sides know of the changes until now. */
class Known {
  readonly documents: DocumentState[] = []
  readonly actors: string[] = []
  readonly keys: string[] = []
  readonly keyNumbers = new Map<string, number>()
  document: DocumentState | undefined
  actor: string | undefined

  addDocument(name: string): DocumentState {
    const state = { name, head: undefined, nextOp: 1, seqs: new Map(), registers: new Map() }
    this.documents.push(state)
    return state
  }

  addKey(key: string): void {
    this.keyNumbers.set(key, this.keys.length)
    this.keys.push(key)
  }

  /** A change is made: what the next one is expected to be goes by it. */
  note(document: DocumentState, change: ParsedChange, hash: Uint8Array): void {
    const { actor, seq, startOp, writes } = change
    this.document = document
    this.actor = actor
    document.head = bytesToHex(hash)
    document.nextOp = startOp + writes.length
    document.seqs.set(actor, seq + 1)
    for (const [at, { key, cell }] of writes.entries()) {
      document.registers.set(key, { op: `${startOp + at}@${actor}`, counter: cell.counter })
    }
  }
}

export class ChangeColumnsWriter {
  readonly #known = new Known()
  readonly #writer: ChangeWriter
  readonly #streams: Streams<ByteWriter> = streams(() => new ByteWriter())

  constructor(sha256: Sha256) {
    this.#writer = new ChangeWriter(sha256)
  }

  /** @returns What `add` takes; `undefined`: it would not come out the same. */
  read(
    bytes: Uint8Array,
  ): { readonly change: ParsedChange; readonly hash: Uint8Array } | undefined {
    try {
      const known = takeWritten(bytes)
      const change = known?.change ?? parseChange(bytes)
      if (known !== undefined) return { change, hash: known.hash }
      const written = this.#writer.write(change)
      return equalBytes(written.bytes, bytes) ? { change, hash: written.hash } : undefined
    } catch (error) {
      if (error instanceof RecordError) return undefined
      throw error
    }
  }

  add(name: string, { change, hash }: { change: ParsedChange; hash: Uint8Array }): void {
    const known = this.#known
    const { flags, fields } = this.#streams
    const { actor, seq, startOp, deps, message, writes } = change
    const number = known.documents.findIndex((one) => one.name === name)
    const document = known.documents[number] ?? known.addDocument(name)
    let flag = 0
    if (known.document !== document) {
      flag |= FLAG.DOCUMENT
      fields.uint(number < 0 ? 0 : number + 1)
      if (number < 0) fields.text(name)
    }
    if (known.actor !== actor) {
      flag |= FLAG.ACTOR
      this.#writeActor(fields, actor)
    }
    if (seq !== (document.seqs.get(actor) ?? 1)) {
      flag |= FLAG.SEQ
      fields.uint(seq)
    }
    if (startOp !== document.nextOp) {
      flag |= FLAG.START
      fields.uint(startOp)
    }
    if (deps.length !== 1 || deps[0] !== document.head) {
      flag |= FLAG.DEPS
      fields.uint(deps.length)
      for (const dep of deps) fields.bytes(hexToBytes(dep))
    }
    if (message !== "") {
      flag |= FLAG.MESSAGE
      fields.text(message)
    }
    if (writes.length !== 1) {
      flag |= FLAG.WRITES
      fields.uint(writes.length)
    }
    flags.byte(flag)
    for (const write of writes) this.#addWrite(document, write)
    known.note(document, change, hash)
  }

  /** All streams, each after its length. */
  packed(): Uint8Array {
    const writer = new ByteWriter()
    for (const name of STREAMS) writer.sized(this.#streams[name].written())
    return writer.written()
  }

  #addWrite(document: DocumentState, { key, cell, preds }: ChangeWrite): void {
    const known = this.#known
    const { writes, keys, refs, values, texts } = this.#streams
    const { counter, value } = cell
    const before = document.registers.get(key)
    const number = known.keyNumbers.get(key)
    let flag = 0
    if (number === undefined) {
      flag |= WRITE.NEW_KEY
      known.addKey(key)
      keys.text(key)
    } else keys.uint(number)
    if (counter !== (before?.counter ?? 0) + 1) {
      flag |= WRITE.COUNTER
      refs.uint(counter)
    }
    if (preds.length !== (before ? 1 : 0) || preds[0] !== before?.op) {
      flag |= WRITE.PREDS
      refs.uint(preds.length)
      for (const pred of preds) this.#writePred(refs, pred)
    }
    if (value === undefined) flag |= WRITE.UNSET
    else {
      if (typeof value !== "string") flag |= WRITE.JSON
      const text = utf8ToBytes(typeof value === "string" ? value : canonicalJson(value))
      values.uint(text.length)
      texts.bytes(text)
    }
    writes.byte(flag)
  }

  #writePred(to: ByteWriter, pred: string): void {
    const at = pred.indexOf("@")
    to.uint(Number(pred.slice(0, at)))
    this.#writeActor(to, pred.slice(at + 1))
  }

  /** Whether there is room for the actors of one more change. */
  get isFull(): boolean {
    return this.#known.actors.length > ACTORS_MAX / 2
  }

  /** Its number and one, or 0 and its bytes if it is new. */
  #writeActor(to: ByteWriter, actor: string): void {
    const { actors } = this.#known
    const number = actors.indexOf(actor)
    to.uint(number + 1)
    if (number >= 0) return
    actors.push(actor)
    to.bytes(hexToBytes(actor))
  }
}

export class ChangeColumnsReader {
  readonly #known = new Known()
  readonly #writer: ChangeWriter
  readonly #streams: Streams<ByteReader>

  /** @throws {RangeError} Not what a writer packs. */
  constructor(packed: Uint8Array, sha256: Sha256) {
    this.#writer = new ChangeWriter(sha256)
    const reader = new ByteReader(packed)
    this.#streams = streams(() => new ByteReader(reader.take(reader.uint())))
    reader.end()
  }

  /** The next change. @throws {RangeError} Not what a writer packs. */
  next(): { readonly document: string; readonly change: Uint8Array } {
    const known = this.#known
    const { flags, fields } = this.#streams
    const flag = flags.byte()
    const document = flag & FLAG.DOCUMENT ? this.#readDocument() : known.document
    const actor = flag & FLAG.ACTOR ? this.#readActor(fields) : known.actor
    if (document === undefined || actor === undefined) throw new RangeError("of nobody")
    const seq = flag & FLAG.SEQ ? fields.uint() : (document.seqs.get(actor) ?? 1)
    const startOp = flag & FLAG.START ? fields.uint() : document.nextOp
    const deps = flag & FLAG.DEPS ? this.#readDeps() : [expected(document.head)]
    const message = flag & FLAG.MESSAGE ? fields.text() : ""
    const count = flag & FLAG.WRITES ? fields.uint(CHANGE_OPS_MAX) : 1
    const writes = this.#readWrites(document, count)
    const change = { actor, seq, startOp, deps, message, writes }
    const written = this.#writer.write(change)
    noteWritten(written, change)
    known.note(document, change, written.hash)
    return { document: document.name, change: written.bytes }
  }

  /** Nothing is left. @throws {RangeError} */
  end(): void {
    for (const name of STREAMS) this.#streams[name].end()
  }

  #readDocument(): DocumentState {
    const { fields } = this.#streams
    const number = fields.uint()
    if (number > 0) return expected(this.#known.documents[number - 1])
    return this.#known.addDocument(bytesToUtf8(fields.take(fields.uint(NAME_BYTES_MAX))))
  }

  #readActor(from: ByteReader): string {
    const { actors } = this.#known
    const number = from.uint()
    if (number > 0) return expected(actors[number - 1])
    if (actors.length >= ACTORS_MAX) throw new RangeError("more actors than a document has")
    const actor = bytesToHex(from.take(ACTOR_BYTES))
    actors.push(actor)
    return actor
  }

  #readDeps(): readonly string[] {
    const { fields } = this.#streams
    return times(fields.uint(DEPS_MAX), () => bytesToHex(fields.take(32)))
  }

  /** Within the bounds that a change has by itself, so that a few bytes cannot become many. */
  #readWrites(document: DocumentState, count: number): readonly ChangeWrite[] {
    const writes: ChangeWrite[] = []
    const keys = new Set<string>()
    let preds = 0
    const textsBefore = this.#streams.texts.left
    for (let at = 0; at < count; at++) {
      const write = this.#readWrite(document, CHANGE_PREDS_MAX - preds)
      preds += write.preds.length
      if (keys.has(write.key)) throw new RangeError("a register twice in one change")
      keys.add(write.key)
      if (textsBefore - this.#streams.texts.left > CHANGE_BYTES_MAX) {
        throw new RangeError("more than a change may hold")
      }
      writes.push(write)
    }
    if (count === 0) throw new RangeError("a change without a write")
    return writes
  }

  #readWrite(document: DocumentState, predsMax: number): ChangeWrite {
    const known = this.#known
    const { writes, keys, refs } = this.#streams
    const flag = writes.byte()
    if (flag & WRITE.NEW_KEY) known.addKey(keys.text())
    const key = expected(known.keys[flag & WRITE.NEW_KEY ? known.keys.length - 1 : keys.uint()])
    const before = document.registers.get(key)
    const counter = flag & WRITE.COUNTER ? refs.uint() : (before?.counter ?? 0) + 1
    const expectedPreds = before ? [before.op] : []
    const preds = flag & WRITE.PREDS ? this.#readPreds(predsMax) : expectedPreds
    const cell = { counter, value: flag & WRITE.UNSET ? undefined : this.#readValue(flag) }
    return { key, path: expected(keyToPath(key)), cell, preds }
  }

  #readPreds(most: number): readonly string[] {
    const { refs } = this.#streams
    return times(refs.uint(most), () => {
      const counter = refs.uint()
      return `${counter}@${this.#readActor(refs)}`
    })
  }

  #readValue(flag: number): JsonValue {
    const { values, texts } = this.#streams
    const text = bytesToUtf8(texts.take(values.uint(CELL_BYTES_MAX)))
    if ((flag & WRITE.JSON) === 0) return text
    return parseJson(text, REGISTER_LIMITS)
  }
}

function streams<T>(make: () => T): Streams<T> {
  return {
    flags: make(),
    fields: make(),
    writes: make(),
    keys: make(),
    refs: make(),
    values: make(),
    texts: make(),
  }
}

function times<T>(count: number, one: () => T): readonly T[] {
  const items: T[] = []
  for (let at = 0; at < count; at++) items.push(one())
  return items
}

function expected<T>(value: T | undefined): T {
  if (value === undefined) throw new RangeError("what is named was not there")
  return value
}
