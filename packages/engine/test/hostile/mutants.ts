/**
 * Mutants of honest changes, drawn from a seed, each with its checksum repaired: bytes, numbers,
 * columns, rows and parts exchanged, doubled, dropped or made extreme.
 *
 * @module
 */
import { bytesToHex, concatBytes } from "@fulcrum/codec/bytes"
import { type Random, randomBelow } from "@fulcrum/crypto/random"
import {
  type ChangeParts,
  COLUMN,
  type Column,
  chunk,
  contentsOf,
  decodeChange,
  encodeChange,
  sleb,
  uleb,
} from "./change-bytes.ts"

export interface MutantSource {
  readonly random: Random
  /** An honest change that nobody has applied yet, of the hostile device's own actor. */
  readonly change: Uint8Array
  /** Honest changes of this document, to take parts of. */
  readonly others: readonly Uint8Array[]
}

type Mutation = (source: MutantSource, parts: ChangeParts) => Uint8Array

const EXTREMES: readonly bigint[] = [
  0n,
  1n,
  2n,
  127n,
  128n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 1n,
]

const COLUMN_IDS = [...Object.values(COLUMN), 0, 2, 17, 19, 34, 35, 58, 97, 98, 165, 8 + COLUMN.key]

const mutations: readonly Mutation[] = [
  flipBytes,
  flipBytes,
  flipBytes,
  flipInColumns,
  flipInColumns,
  flipInColumns,
  spliceBytes,
  numbersAtTheEdge,
  numbersAtTheEdge,
  columnOfAnother,
  columnOfAnother,
  columnRenamed,
  columnDropped,
  columnDoubled,
  columnsSwapped,
  rowAdded,
  dependenciesChanged,
  dependenciesChanged,
  actorsChanged,
  messageChanged,
]

/** One mutant; two or three mutations of it now and then. */
export function mutant(source: MutantSource): Uint8Array {
  let { change } = source
  const count = randomBelow(source.random, 4) === 0 ? 2 : 1
  for (let at = 0; at < count; at++) {
    const mutate = pick(source.random, mutations)
    try {
      change = mutate(source, decodeChange(change))
    } catch (error) {
      // What a first mutation left cannot always be taken apart for a second one.
      if (!(error instanceof RangeError) || at === 0) throw error
    }
  }
  return change
}

function pick<T>(random: Random, items: readonly T[]): T {
  const item = items[randomBelow(random, items.length)]
  if (item === undefined) throw new RangeError("nothing to draw from")
  return item
}

function flipBytes({ random, change }: MutantSource): Uint8Array {
  const contents = contentsOf(change)
  for (let left = 1 + randomBelow(random, 3); left > 0; left--) flipOne(random, contents)
  return chunk(1, contents)
}

function flipOne(random: Random, bytes: Uint8Array): void {
  if (bytes.length === 0) return
  const at = randomBelow(random, bytes.length)
  const before = bytes[at] ?? 0
  const kind = randomBelow(random, 4)
  if (kind === 0) bytes[at] = before ^ (1 << randomBelow(random, 8))
  else if (kind === 1) bytes[at] = before + 1
  else if (kind === 2) bytes[at] = before - 1
  else bytes[at] = randomBelow(random, 256)
}

function flipInColumns({ random }: MutantSource, parts: ChangeParts): Uint8Array {
  const columns = parts.columns.map(([id, contents]): Column => [id, contents.slice()])
  for (let left = 1 + randomBelow(random, 2); left > 0; left--) {
    if (columns.length > 0) flipOne(random, pick(random, columns)[1])
  }
  return encodeChange({ ...parts, columns })
}

function spliceBytes({ random, change, others }: MutantSource): Uint8Array {
  const contents = contentsOf(change)
  const other = contentsOf(others.length > 0 ? pick(random, others) : change)
  const at = randomBelow(random, contents.length)
  const from = randomBelow(random, other.length)
  const length = randomBelow(random, 24)
  const gap = randomBelow(random, 3) === 0 ? 0 : length
  const taken = other.subarray(from, from + length)
  return chunk(1, concatBytes([contents.subarray(0, at), taken, contents.subarray(at + gap)]))
}

function numbersAtTheEdge({ random }: MutantSource, parts: ChangeParts): Uint8Array {
  const extreme = pick(random, EXTREMES)
  const step = BigInt(randomBelow(random, 5) - 2)
  const near = (value: number | bigint): bigint => {
    const next = BigInt(value) + step
    return next < 0n ? 0n : next
  }
  const which = randomBelow(random, 6)
  if (which === 0) return encodeChange({ ...parts, seq: extreme })
  if (which === 1) return encodeChange({ ...parts, startOp: extreme })
  if (which === 2) return encodeChange({ ...parts, seq: near(parts.seq) })
  if (which === 3) return encodeChange({ ...parts, startOp: near(parts.startOp) })
  const number = which === 4 ? uleb(extreme) : sleb(-extreme)
  return withColumn(parts, random, (contents) => {
    const at = randomBelow(random, contents.length + 1)
    return concatBytes([contents.subarray(0, at), number, contents.subarray(at + 1)])
  })
}

function columnOfAnother({ random, change, others }: MutantSource, parts: ChangeParts): Uint8Array {
  const other = decodeChange(others.length > 0 ? pick(random, others) : change)
  const taken = other.columns.length > 0 ? pick(random, other.columns) : undefined
  if (taken === undefined) return encodeChange(parts)
  const columns = [...parts.columns.filter(([id]) => id !== taken[0]), taken]
  return encodeChange({ ...parts, columns: inOrder(columns) })
}

function columnRenamed({ random }: MutantSource, parts: ChangeParts): Uint8Array {
  const at = randomBelow(random, Math.max(1, parts.columns.length))
  const id = pick(random, COLUMN_IDS)
  const columns = parts.columns.map(
    (column, index): Column => (index === at ? [id, column[1]] : column),
  )
  return encodeChange({ ...parts, columns: randomBelow(random, 2) ? inOrder(columns) : columns })
}

function columnDropped({ random }: MutantSource, parts: ChangeParts): Uint8Array {
  const at = randomBelow(random, Math.max(1, parts.columns.length))
  return encodeChange({ ...parts, columns: parts.columns.filter((_, index) => index !== at) })
}

function columnDoubled({ random }: MutantSource, parts: ChangeParts): Uint8Array {
  if (parts.columns.length === 0) return encodeChange(parts)
  const doubled = pick(random, parts.columns)
  return randomBelow(random, 2) === 0
    ? encodeChange({ ...parts, columns: inOrder([...parts.columns, doubled]) })
    : withColumn(parts, random, (contents) => concatBytes([contents, contents]))
}

function columnsSwapped({ random }: MutantSource, parts: ChangeParts): Uint8Array {
  if (parts.columns.length < 2) return encodeChange(parts)
  const [a, b] = [pick(random, parts.columns), pick(random, parts.columns)]
  const columns = parts.columns.map((column): Column => {
    if (column === a) return [a[0], b[1]]
    return column === b ? [b[0], a[1]] : column
  })
  return encodeChange({ ...parts, columns })
}

/** One more row in some of the columns, or in all. */
function rowAdded({ random }: MutantSource, parts: ChangeParts): Uint8Array {
  const columns = parts.columns.map(([id, contents]): Column => {
    if (randomBelow(random, 3) === 0) return [id, contents]
    const kind = randomBelow(random, 3)
    const row = kind === 0 ? [0x7f, randomBelow(random, 128)] : kind === 1 ? [2, 1] : [0, 1]
    return [id, concatBytes([contents, Uint8Array.from(row)])]
  })
  return encodeChange({ ...parts, columns })
}

function dependenciesChanged({ random, others }: MutantSource, parts: ChangeParts): Uint8Array {
  const unknown = bytesToHex(random.bytes(32))
  const known = others.flatMap((change) => decodeChange(change).deps)
  const one = known.length > 0 ? pick(random, known) : unknown
  const choices: readonly (readonly string[])[] = [
    [],
    [unknown],
    [...parts.deps, unknown],
    [...parts.deps, ...parts.deps],
    [...parts.deps, one],
    [one],
    [...parts.deps].reverse(),
    parts.deps.slice(1),
  ]
  return encodeChange({ ...parts, deps: pick(random, choices) })
}

function actorsChanged({ random, others }: MutantSource, parts: ChangeParts): Uint8Array {
  const victim = others.length > 0 ? decodeChange(pick(random, others)).actor : parts.actor
  const long = random.bytes(randomBelow(random, 40))
  const choices: readonly Partial<ChangeParts>[] = [
    { actor: victim },
    { actor: long },
    { actor: random.bytes(16) },
    { others: [...parts.others, victim] },
    { others: [...parts.others, parts.actor] },
    { others: [...parts.others, ...parts.others] },
    { others: parts.others.toReversed() },
    { others: parts.others.slice(1) },
    { others: [long, ...parts.others] },
  ]
  return encodeChange({ ...parts, ...pick(random, choices) })
}

function messageChanged({ random }: MutantSource, parts: ChangeParts): Uint8Array {
  const message = random.bytes(randomBelow(random, 300))
  if (randomBelow(random, 2) === 0) message.fill(0x61)
  return encodeChange({ ...parts, message, time: randomBelow(random, 3) - 1 })
}

function withColumn(
  parts: ChangeParts,
  random: Random,
  change: (contents: Uint8Array) => Uint8Array,
): Uint8Array {
  const at = randomBelow(random, Math.max(1, parts.columns.length))
  const columns = parts.columns.map(
    ([id, contents], index): Column => (index === at ? [id, change(contents)] : [id, contents]),
  )
  return encodeChange({ ...parts, columns })
}

function inOrder(columns: readonly Column[]): readonly Column[] {
  return columns.toSorted(([a], [b]) => a - b)
}
