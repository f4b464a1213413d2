/**
 * What removed devices and replaced words tried, alone and in league: each history gave them something once.
 *
 * @module
 */
import { describe, expect, test } from "vitest"
import type { MembershipEntry } from "../src/member-state.ts"
import { type Membership, reduceMembership } from "../src/membership.ts"
import {
  add,
  entry,
  epoch,
  namesOf,
  recovery,
  remove,
  rename,
  rotate,
  start,
  words,
} from "./key-history.ts"

const reduce = (entries: readonly MembershipEntry[]) => reduceMembership(entries, epoch("a"))

const ALL_WORDS = ["words one", "words two", "words three", "words thief"]

/** `phone laptop | words one`, and what had no effect. */
function told(membership: Membership): string {
  const writer = membership.recovery?.writer.join()
  const current = ALL_WORDS.find((name) => recovery(name).writer.publicKey.join() === writer)
  return `${namesOf(membership).join(" ")} | ${current}`
}

function voidOf(membership: Membership, names: readonly string[]): readonly string[] {
  const out = new Set(membership.quarantined.map((id) => id.join()))
  return names.filter((name) => out.has(epoch(name).join()))
}

describe("[A37] whoever writes upon its own removal", () => {
  const two = [
    entry("a by phone", add("phone"), add("tablet"), add("watch"), words("words one")),
    entry("q < a by phone", remove("tablet")),
    entry("m < q by phone", remove("watch")),
    entry("n < a by watch", remove("phone")),
  ]

  test("gains nothing by another removed one's word that it was void", () => {
    const names = ["q", "m", "n", "k"]
    for (const change of [remove("phone"), add("spy")]) {
      const membership = reduce([...two, entry("k < n q by tablet", change)])
      expect(told(membership)).toBe("phone | words one")
      expect(voidOf(membership, names)).toEqual(["n", "k"])
    }
    const upon = [
      ...two,
      entry("o < m by words one", rotate),
      entry("k < n q by tablet", words("words thief"), add("spy")),
    ]
    expect(told(reduce(upon))).toBe("phone | words one")
  })

  test("nor by an honest removal that came to nothing", () => {
    const membership = reduce([
      entry("a by phone", add("phone"), add("laptop"), add("tablet"), words("words one")),
      entry("q < a by phone", remove("tablet")),
      entry("n < a by laptop", remove("phone")),
      entry("m < q by words one", remove("laptop")),
      entry("k < n q by tablet", add("spy")),
    ])
    expect(told(membership)).toBe("phone | words one")
  })

  test("nor do words that were replaced", () => {
    const membership = reduce([
      entry("a by phone", add("phone"), add("watch"), words("words one")),
      entry("q < a by phone", words("words two")),
      entry("m < q by phone", remove("watch")),
      entry("n < a by watch", remove("phone")),
      entry("k < n q by words one", add("spy")),
    ])
    expect(told(membership)).toBe("phone | words two")
  })
})

describe("[A38] words that were replaced", () => {
  test("do not come back by a removed device that sets them once more", () => {
    const entries = [
      entry("a by phone", add("phone"), add("tablet"), words("words one")),
      entry("n < a by phone", words("words two")),
      entry("d < n by phone", remove("tablet")),
      entry("x < n by tablet", words("words one")),
    ]
    for (const change of [remove("phone"), words("words thief"), add("spy")]) {
      const membership = reduce([...entries, entry("f < x by words one", change)])
      expect(told(membership)).toBe("phone | words two")
      expect(voidOf(membership, ["n", "d", "x", "f"])).toEqual(["x", "f"])
    }
  })

  test("are not held up by a removal beside what else an entry of theirs does", () => {
    const entries = [...start, entry("d < c by phone", words("words two"))]
    for (const { changes, left } of [
      { changes: [remove("nobody")], left: " laptop" },
      { changes: [remove("laptop")], left: "" },
      { changes: [], left: " laptop" },
    ]) {
      const e = entry("e < c by words one", ...changes, add("spy"), words("words thief"))
      const membership = reduce([...entries, e])
      // What they removed stays, and nothing else.
      expect(told(membership)).toBe(`phone${left} tablet | words two`)
      expect(voidOf(membership, ["e"])).toEqual(["e"])
    }
    const removing = reduce([...entries, entry("e < c by words one", remove("laptop"))])
    expect(told(removing)).toBe("phone tablet | words two")
  })
})

describe("[A39] words that count", () => {
  test("keep their rank, whatever was said to no effect of the device that set them", () => {
    const base = [
      entry("a by phone", add("phone"), add("laptop"), add("tablet"), words("words one")),
      entry("b < a by phone", words("words two")),
      entry("c < b by laptop", remove("tablet")),
      entry("f < c by words two", remove("phone")),
    ]
    const g = entry("g < b by phone", words("words thief"), add("spy"))
    const t = entry("t < a by tablet", remove("phone"))
    for (const more of [[], [g], [t], [g, t]]) {
      expect(told(reduce([...base, ...more]))).toBe("laptop | words two")
    }
  })

  test("and whatever is said of it by one of a higher rank, where somebody built upon them", () => {
    const entries = [
      entry("a by phone", add("phone"), add("laptop"), add("tablet"), words("words one")),
      entry("b < a by laptop", words("words two")),
      entry("c < b by tablet", rotate),
    ]
    const t = entry("t < a by phone", remove("laptop"))
    const f = entry("f < c by words two", remove("phone"))
    expect(told(reduce([...entries, f, t]))).toBe("laptop tablet | words two")
    const longer = reduce([
      ...entries,
      entry("d < c by laptop", rotate),
      entry("f < d by words two", remove("phone")),
      entry("g < c by phone", words("words thief"), add("spy")),
      t,
    ])
    expect(told(longer)).toBe("laptop tablet | words two")
  })
})

test("[A4] nobody vouches for what it took for void itself, and only followed", () => {
  const membership = reduce([
    ...start,
    entry("e < c by phone", add("desk")),
    entry("v < e by laptop", rotate),
    entry("d < e by phone", remove("tablet")),
    entry("p < c by words one", remove("phone")),
    entry("q < v by laptop", remove("tablet")),
    entry("x < c by tablet", add("spy")),
    entry("l < d x by desk", rotate),
  ])
  expect(told(membership)).toBe("laptop desk | words one")
})

test("[A3] who joined first is not changed by who is said to have been let in, to no effect", () => {
  const entries = [
    entry("a by phone", add("phone"), add("desk"), words("words one")),
    entry("b1 < a by phone", rotate),
    entry("b < b1 by phone", add("laptop")),
    entry("c < b by laptop", add("tablet")),
    entry("d < c by phone", remove("desk")),
    entry("x < d by tablet", remove("laptop")),
    entry("y < d by laptop", remove("tablet")),
  ]
  expect(told(reduce(entries))).toBe("phone laptop | words one")
  const more = reduce([...entries, entry("t < a by desk", add("tablet"))])
  expect(told(more)).toBe("phone laptop | words one")
  expect(voidOf(more, ["x", "y", "t"])).toEqual(["x", "t"])
})

test("[A3] a device does not fall with whoever let it in once more", () => {
  // Whichever comes first by its epoch's id.
  for (const name of ["x", "x1", "x2", "x3"]) {
    const entries = [
      entry("a by phone", add("phone"), add("tablet"), words("words one")),
      entry("y < a by phone", add("watch")),
      entry(`${name} < a by tablet`, add("watch")),
      entry(`z < y ${name} by watch`, words("words two")),
      entry("r < y by phone", remove("tablet")),
    ]
    expect(told(reduce(entries))).toBe("phone watch | words two")
    const later = reduce([...entries, entry("w < z by watch", rename("phone", "my phone"))])
    expect(told(later)).toBe("my phone watch | words two")
  }
})

test("[A6] whatever the shape of what somebody writes, it is judged quickly", () => {
  const many = <T>(count: number, of: (i: number) => readonly T[]): readonly T[] =>
    Array.from({ length: count }, (_, i) => of(i)).flat()
  const often = (name: string) => many(64, () => [remove(name)])
  const spies = (count: number) => many(count, (i) => [add(`spy ${i}`)])
  const upon = (i: number, ...names: readonly string[]) =>
    i === 0 ? "c2" : names.map((name) => `${name}${i - 1}`).join(" ")
  const shapes: Readonly<Record<string, readonly MembershipEntry[]>> = {
    "each other, many times an entry": many(80, (i) => [
      entry(`x${i} < c2 by tablet`, ...often("watch")),
      entry(`y${i} < c2 by watch`, ...often("tablet")),
    ]),
    "two lines that follow each other": many(195, (i) => [
      entry(`x${i} < ${upon(i, "x", "y")} by tablet`, remove("phone")),
      entry(`y${i} < ${upon(i, "x", "y")} by watch`, remove("laptop")),
    ]),
    "the same over and over": many(150, (i) => [
      entry(`x${i} < ${upon(i, "x")} by tablet`, ...often("laptop")),
      entry(`y${i} < c2 by laptop`, rotate),
    ]),
    "all of them all": [
      entry("x < c2 by laptop", ...spies(50)),
      ...many(50, (i) => [
        entry(`s${i} < x by spy ${i}`, ...many(50, (j) => [remove(`spy ${j}`)])),
      ]),
    ],
    "one another in pairs": [
      entry("x < c2 by laptop", ...spies(52)),
      ...many(52, (i) => [entry(`s${i} < x by spy ${i}`, remove(`spy ${i ^ 1}`))]),
    ],
    "one another in a ring": [
      entry("x < c2 by laptop", ...spies(52)),
      ...many(52, (i) => [entry(`s${i} < x by spy ${i}`, remove(`spy ${(i + 1) % 52}`))]),
    ],
  }
  const base = [
    ...start,
    entry("c2 < c by laptop", add("watch")),
    entry("d < c2 by phone", remove("tablet"), remove("watch")),
    entry("w < c2 by phone", rotate),
  ]
  for (const [name, shape] of Object.entries(shapes)) {
    const began = performance.now()
    expect(namesOf(reduce([...base, ...shape])), name).toContain("phone")
    expect(performance.now() - began, name).toBeLessThan(5_000)
    if (process.env.FULCRUM_DEBUG) console.log(name, Math.round(performance.now() - began))
  }
})
