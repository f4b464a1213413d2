/**
 * Mutations that know nothing but bytes.
 *
 * @module
 */
import { concatBytes } from "@fulcrum/codec/bytes"
import type { Dice } from "./dice.ts"

export interface Around {
  readonly dice: Dice
  /** Another input that was worth keeping. */
  readonly other: Uint8Array
  readonly tokens: readonly Uint8Array[]
}

type Mutation = (bytes: Uint8Array, around: Around) => Uint8Array

/** Numbers at which lengths and counts go wrong. */
export const EDGES: readonly number[] = [
  0, 1, 2, 15, 16, 17, 23, 24, 31, 32, 33, 63, 64, 65, 127, 128, 255, 256, 257, 1023, 1024, 1025,
  4095, 4096, 8192, 32_767, 32_768, 65_535, 65_536, 131_072, 0x7f_ffff, 0x7fff_ffff, 0x8000_0000,
  0xffff_ffff,
]

const LENGTHEN_MAX = 64

const flipBit: Mutation = (bytes, { dice }) => {
  const at = dice.below(bytes.length)
  const copy = bytes.slice()
  copy[at] = (copy[at] ?? 0) ^ (1 << dice.below(8))
  return copy
}

const setByte: Mutation = (bytes, { dice }) => {
  const copy = bytes.slice()
  copy[dice.below(copy.length)] = dice.uint32() >>> 7
  return copy
}

const addToByte: Mutation = (bytes, { dice }) => {
  const at = dice.below(bytes.length)
  const copy = bytes.slice()
  copy[at] = (copy[at] ?? 0) + dice.few(16) * (dice.once(2) ? 1 : -1)
  return copy
}

/** An edge, as one, two or four bytes of either order, where a length may be. */
const setEdge: Mutation = (bytes, { dice }) => {
  const copy = bytes.slice()
  const width = [1, 2, 4][dice.below(3)] ?? 1
  if (copy.length < width) return copy
  const view = new DataView(copy.buffer)
  const at = dice.below(copy.length - width + 1)
  const isLittle = dice.once(4)
  const edge = dice.pick(EDGES) ?? 0
  if (width === 1) view.setUint8(at, edge & 0xff)
  else if (width === 2) view.setUint16(at, edge & 0xffff, isLittle)
  else view.setUint32(at, edge, isLittle)
  return copy
}

const truncate: Mutation = (bytes, { dice }) => bytes.slice(0, dice.below(bytes.length))

const remove: Mutation = (bytes, { dice }) => {
  const at = dice.below(bytes.length)
  return splice(bytes, at, dice.few(bytes.length - at), new Uint8Array())
}

const repeat: Mutation = (bytes, { dice }) => {
  const at = dice.below(bytes.length)
  const part = bytes.subarray(at, at + dice.few(bytes.length - at))
  return splice(bytes, dice.below(bytes.length + 1), 0, part)
}

const insertNoise: Mutation = (bytes, { dice }) => {
  const length = dice.few(LENGTHEN_MAX)
  const noise = dice.once(2) ? dice.bytes(length) : new Uint8Array(length).fill(dice.uint32())
  return splice(bytes, dice.below(bytes.length + 1), dice.once(2) ? 0 : length, noise)
}

const insertToken: Mutation = (bytes, { dice, tokens }) => {
  const token = dice.pick(tokens)
  if (token === undefined) return flipBit(bytes, { dice, tokens, other: bytes })
  const over = dice.once(2) ? token.length : 0
  return splice(bytes, dice.below(bytes.length + 1), over, token)
}

const crossOver: Mutation = (bytes, { dice, other }) =>
  concatBytes([
    bytes.subarray(0, dice.below(bytes.length + 1)),
    other.subarray(dice.below(other.length + 1)),
  ])

const borrow: Mutation = (bytes, { dice, other }) => {
  const from = dice.below(other.length)
  const part = other.subarray(from, from + dice.few(other.length - from))
  return splice(bytes, dice.below(bytes.length + 1), dice.once(2) ? 0 : part.length, part)
}

const MUTATIONS: readonly Mutation[] = [
  flipBit,
  flipBit,
  setByte,
  setByte,
  addToByte,
  setEdge,
  truncate,
  remove,
  repeat,
  insertNoise,
  insertToken,
  crossOver,
  borrow,
]

export function mutateBytes(bytes: Uint8Array, around: Around): Uint8Array {
  if (bytes.length === 0) return insertNoise(bytes, around)
  return (around.dice.pick(MUTATIONS) ?? flipBit)(bytes, around)
}

function splice(bytes: Uint8Array, at: number, drop: number, put: Uint8Array): Uint8Array {
  return concatBytes([bytes.subarray(0, at), put, bytes.subarray(at + drop)])
}
