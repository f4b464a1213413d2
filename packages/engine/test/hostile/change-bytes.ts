/**
 * Changes of documents taken apart and put together again byte by byte, with the checksum that
 * Automerge would believe: what a device can say that runs a program of its own.
 *
 * The format is in the header of `packages/record/src/change-format.ts`. Nothing here checks
 * anything.
 *
 * @module
 */
import { createHash } from "node:crypto"
import { concatBytes, hexToBytes, utf8ToBytes } from "@fulcrum/codec/bytes"

export type Column = readonly [id: number, contents: Uint8Array]

export interface ChangeParts {
  /** Hex hashes. */
  readonly deps: readonly string[]
  readonly actor: Uint8Array
  readonly seq: number | bigint
  readonly startOp: number | bigint
  readonly time: number
  readonly message: Uint8Array
  readonly others: readonly Uint8Array[]
  readonly columns: readonly Column[]
}

/** Key, insert, action, value and its kind, predecessors. */
export const COLUMN = {
  object: 1,
  key: 21,
  insert: 52,
  action: 66,
  valueKind: 86,
  value: 87,
  predGroup: 112,
  predActor: 113,
  predCounter: 115,
} as const

/** A chunk of this type, with the right length and checksum. */
export function chunk(type: number, contents: Uint8Array): Uint8Array {
  const framed = concatBytes([Uint8Array.of(type), uleb(contents.length), contents])
  const checksum = createHash("sha256").update(framed).digest().subarray(0, 4)
  return concatBytes([Uint8Array.of(0x85, 0x6f, 0x4a, 0x83), checksum, framed])
}

/** What a chunk holds, after its length. */
export function contentsOf(bytes: Uint8Array): Uint8Array {
  let at = 9
  while ((bytes[at] ?? 0) >= 128) at++
  return bytes.slice(at + 1)
}

export function encodeChange(parts: ChangeParts): Uint8Array {
  const { deps, actor, seq, startOp, time, message, others, columns } = parts
  return chunk(
    1,
    concatBytes([
      uleb(deps.length),
      ...deps.map(hexToBytes),
      lengthFirst(actor),
      uleb(seq),
      uleb(startOp),
      sleb(time),
      lengthFirst(message),
      uleb(others.length),
      ...others.map(lengthFirst),
      uleb(columns.length),
      ...columns.flatMap(([id, contents]) => [uleb(id), uleb(contents.length)]),
      ...columns.map(([, contents]) => contents),
    ]),
  )
}

/** Takes an honest change apart. @throws {RangeError} If it no longer is one. */
export function decodeChange(bytes: Uint8Array): ChangeParts {
  const contents = contentsOf(bytes)
  let at = 0
  const uint = (): number => {
    let value = 0
    for (let scale = 1; ; scale *= 128) {
      const byte = contents[at++] ?? 0
      value += (byte & 127) * scale
      if (byte < 128) return value
    }
  }
  /** Of a change that was mutated already it may be anything. */
  const countOf = (): number => {
    const count = uint()
    if (count > contents.length) throw new RangeError("cannot be taken apart")
    return count
  }
  const take = (length: number): Uint8Array => {
    at += length
    return contents.slice(at - length, at)
  }
  const deps = Array.from({ length: countOf() }, () => Buffer.from(take(32)).toString("hex"))
  const actor = take(uint())
  const seq = uint()
  const startOp = uint()
  const time = uint()
  const message = take(uint())
  const others = Array.from({ length: countOf() }, () => take(uint()))
  const sizes = Array.from({ length: countOf() }, () => [uint(), uint()] as const)
  const columns = sizes.map(([id, length]): Column => [id, take(length)])
  return { deps, actor, seq, startOp, time, message, others, columns }
}

/** Unsigned LEB128. */
export function uleb(value: number | bigint): Uint8Array {
  const bytes: number[] = []
  let left = BigInt(value)
  do {
    const low = Number(left & 127n)
    left >>= 7n
    bytes.push(left > 0n ? low | 128 : low)
  } while (left > 0n)
  return Uint8Array.from(bytes)
}

/** Signed LEB128. */
export function sleb(value: number | bigint): Uint8Array {
  const bytes: number[] = []
  for (let left = BigInt(value); ; ) {
    const low = Number(left & 127n)
    left >>= 7n
    const isLast = (left === 0n && (low & 64) === 0) || (left === -1n && (low & 64) !== 0)
    bytes.push(isLast ? low : low | 128)
    if (isLast) return Uint8Array.from(bytes)
  }
}

export function lengthFirst(bytes: Uint8Array): Uint8Array {
  return concatBytes([uleb(bytes.length), bytes])
}

/** A run-length column in which one value stands `count` times. */
export function run(count: number | bigint, value: Uint8Array): Uint8Array {
  return concatBytes([sleb(count), value])
}

/** A run-length column of values that differ. */
export function literal(values: readonly Uint8Array[]): Uint8Array {
  return values.length === 0 ? new Uint8Array() : concatBytes([sleb(-values.length), ...values])
}

/** Keys, each with its length first. */
export function keys(...texts: readonly string[]): Uint8Array {
  return literal(texts.map((text) => lengthFirst(utf8ToBytes(text))))
}
