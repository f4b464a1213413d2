/**
 * Mutations of values made of lists, maps and leaves: what CBOR and JSON are once they are read.
 *
 * Both forms use this one tree. A byte string that is itself CBOR is opened as one.
 *
 * @module
 */
import type { Dice } from "./dice.ts"
import { EDGES } from "./mutate-bytes.ts"

export type Tree =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly Tree[]
  | ReadonlyMap<number | string, Tree>

export interface ValueWorld {
  readonly dice: Dice
  /** A value to borrow parts of. */
  readonly other: Tree
  readonly texts: readonly string[]
  /** Changes the inside of a byte string. */
  readonly bytes: (bytes: Uint8Array) => Uint8Array
}

/** Deeper than any decoder allows. */
const NEST_MAX = 140
const REPEAT_MAX = 1200

/** The value with one thing in it changed. */
export function mutateValue(value: Tree, world: ValueWorld): Tree {
  const { dice } = world
  const inner = childCount(value)
  // The deeper the tree the more often its inside is changed, not its top.
  if (inner > 0 && !dice.once(4)) {
    const at = dice.below(inner)
    return withChild(value, at, (child) => mutateValue(child, world))
  }
  if (dice.once(10)) return subtree(world.other, dice)
  if (isList(value)) return mutateList(value, world)
  if (value instanceof Map) return mutateMap(value, world)
  return mutateLeaf(value, world)
}

function mutateLeaf(value: Tree, { dice, texts, bytes }: ValueWorld): Tree {
  if (dice.once(8)) return strange(dice)
  if (value instanceof Uint8Array) return bytes(value)
  if (typeof value === "string") return mutateText(value, dice, texts)
  if (typeof value === "boolean") return !value
  if (typeof value === "number") {
    if (dice.once(3)) return dice.pick(EDGES) ?? 0
    if (dice.once(8)) return -value
    if (dice.once(12)) return value + 0.5
    return value + dice.few(4) * (dice.once(2) ? 1 : -1)
  }
  return strange(dice)
}

export function mutateText(text: string, dice: Dice, texts: readonly string[]): string {
  const at = dice.below(text.length + 1)
  switch (dice.below(8)) {
    case 0:
      return dice.pick(texts) ?? ""
    case 1:
      return text.slice(0, at)
    case 2:
      return text.slice(0, at) + text.slice(at + dice.few(8))
    case 3:
      return text.slice(0, at) + (dice.pick(texts) ?? "") + text.slice(at)
    case 4:
      return text + text.slice(at).repeat(dice.few(REPEAT_MAX) % 64)
    case 5:
      return text.slice(0, at) + (dice.pick(ODD_CHARACTERS) ?? "") + text.slice(at + 1)
    case 6:
      return text.slice(0, at) + String.fromCharCode(dice.below(128)) + text.slice(at + 1)
    default:
      return (text[at] ?? "x").repeat(dice.few(REPEAT_MAX))
  }
}

const ODD_CHARACTERS = [
  "\0",
  "\n",
  "\r\n",
  "\t",
  "\u00a0",
  "\u2028",
  "\ufeff",
  "\u202e",
  "é",
  "e\u0301",
  "ß",
  "😀",
  "\ud800",
  "\udc00",
  "/",
  "~",
  "~0",
  "\\",
  '"',
  "%00",
  ";",
  ":",
  ",",
  "=",
]

function strange(dice: Dice): Tree {
  switch (dice.below(12)) {
    case 0:
      return null
    case 1:
      return dice.once(2)
    case 2:
      return dice.pick(EDGES) ?? 0
    case 3:
      return Number.MAX_SAFE_INTEGER
    case 4:
      return -1
    case 5:
      return dice.once(2) ? 2n ** 64n - 1n : -(2n ** 63n)
    case 6:
      return 1e300
    case 7:
      return ""
    case 8:
      return dice.bytes(dice.pick([0, 16, 32, 33, 64]) ?? 0)
    case 9:
      return []
    case 10:
      return new Map()
    default: {
      let nested: Tree = []
      for (let i = dice.few(NEST_MAX); i > 0; i--) nested = [nested]
      return nested
    }
  }
}

function mutateList(list: readonly Tree[], { dice, other }: ValueWorld): Tree {
  const at = dice.below(list.length)
  const item = list[at]
  switch (dice.below(7)) {
    case 0:
      return list.toSpliced(at, 1)
    case 1:
      return item === undefined ? [strange(dice)] : list.toSpliced(at, 0, item)
    case 2:
      return list.toSpliced(dice.below(list.length + 1), 0, subtree(other, dice))
    case 3:
      return list.toSpliced(dice.below(list.length + 1), 0, strange(dice))
    case 4:
      return list.toReversed()
    case 5: {
      // Items are counted against a most.
      const times =
        item === undefined ? 0 : Math.min(dice.few(REPEAT_MAX), REPEAT_MAX / weigh(item))
      return [...list, ...Array.from({ length: times }, () => item ?? null)]
    }
    default:
      return list.toSpliced(at, 1, subtree(other, dice))
  }
}

function mutateMap(map: ReadonlyMap<number | string, Tree>, world: ValueWorld): Tree {
  const { dice, texts } = world
  const copy = new Map(map)
  const key = dice.pick([...map.keys()])
  const value = key === undefined ? strange(dice) : (map.get(key) ?? null)
  switch (dice.below(4)) {
    case 0:
      if (key !== undefined) copy.delete(key)
      return copy
    case 1:
      if (key !== undefined) copy.delete(key)
      copy.set(typeof key === "number" ? dice.below(40) : mutateText(key ?? "", dice, texts), value)
      return copy
    case 2:
      copy.set(dice.pick(ODD_KEYS) ?? "", value)
      return copy
    default:
      copy.set(key ?? "x", subtree(world.other, dice))
      return copy
  }
}

const ODD_KEYS = ["__proto__", "constructor", "prototype", "", "toString", "length", "0", "a/b"]

/** Any part of a value, often a small one. */
function subtree(value: Tree, dice: Dice): Tree {
  let part = value
  for (;;) {
    const count = childCount(part)
    if (count === 0 || dice.once(3)) return part
    part = childAt(part, dice.below(count))
  }
}

function isList(value: Tree): value is readonly Tree[] {
  return Array.isArray(value)
}

function childCount(value: Tree): number {
  if (isList(value)) return value.length
  return value instanceof Map ? value.size : 0
}

function childAt(value: Tree, at: number): Tree {
  if (isList(value)) return value[at] ?? null
  return value instanceof Map ? ([...value.values()][at] ?? null) : null
}

function withChild(value: Tree, at: number, change: (child: Tree) => Tree): Tree {
  if (isList(value)) return value.with(at, change(value[at] ?? null))
  if (!(value instanceof Map)) return value
  const copy = new Map(value)
  const key = [...copy.keys()][at] ?? ""
  return copy.set(key, change(copy.get(key) ?? null))
}

function weigh(value: Tree): number {
  if (typeof value === "string" || value instanceof Uint8Array) return 1 + value.length / 16
  if (isList(value)) return value.reduce<number>((sum, item) => sum + weigh(item), 1)
  if (value instanceof Map) return [...value.values()].reduce<number>((sum, v) => sum + weigh(v), 1)
  return 1
}
