import { equalBytes } from "@fulcrum/codec/bytes"
import { chainHashSchema } from "@fulcrum/log/ids"
import type { VersionVector } from "@fulcrum/log/vector"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { FOLLOWS_MAX } from "../src/key-body.ts"
import type { MembershipEntry } from "../src/member-state.ts"
import { isAdmitted, type Membership, reduceMembership } from "../src/membership.ts"
import {
  add,
  device,
  entry,
  epoch,
  incarnation,
  namesOf,
  recovery,
  remove,
  rename,
  rotate,
  start,
  words,
} from "./key-history.ts"

const genesis = epoch("a")
const reduce = (entries: readonly MembershipEntry[]) => reduceMembership(entries, genesis)
describe("along a line", () => {
  test("[A1] devices join in order, under names that may change", () => {
    const membership = reduce([...start, entry("d < c by tablet", rename("phone", "old phone"))])
    expect(namesOf(membership)).toEqual(["old phone", "laptop", "tablet"])
    expect(membership.heads).toEqual([epoch("d")])
    expect(membership.current).toEqual(epoch("d"))
    expect(membership.epochs).toEqual(["a", "b", "c", "d"].map(epoch))
    expect(membership.concurrent).toBe(false)
  })

  test("[A1] what a stranger or a removed device writes has no effect", () => {
    const entries = [
      ...start,
      entry("d < c by laptop", remove("tablet")),
      entry("e < d by tablet", add("spy")),
      entry("f < d by spy", add("spy")),
    ]
    const membership = reduce(entries)
    expect(namesOf(membership)).toEqual(["phone", "laptop"])
    expect(membership.quarantined).toHaveLength(2)
    expect(membership.current).toEqual(epoch("d"))
    // Somebody may have been given its key, and have written upon it.
    expect(membership.heads.map(String).toSorted()).toEqual(
      ["e", "f"].map((x) => String(epoch(x))).toSorted(),
    )
    expect(membership.removed.map(({ name }) => name)).toEqual(["tablet"])
  })

  test("[A1] another first epoch is no part of the record", () => {
    const foreign = entry("z by spy", add("spy"))
    const membership = reduce([...start, foreign, entry("y < z by spy", rotate)])
    expect(namesOf(membership)).toEqual(["phone", "laptop", "tablet"])
    expect(membership.waiting).toHaveLength(2)
  })

  test("[A1] an id or a key is never taken twice", () => {
    const again = [...start, entry("d < c by phone", remove("tablet"))]
    expect(namesOf(reduce([...again, entry("e < d by laptop", add("tablet"))]))).toEqual([
      "phone",
      "laptop",
    ])
  })

  test("[A6] the recovery words bring a removed device back", () => {
    const entries = [
      ...start,
      entry("d < c by phone", remove("tablet")),
      entry("e < d by words one", add("tablet"), remove("phone")),
    ]
    expect(namesOf(reduce(entries))).toEqual(["laptop", "tablet"])
    const replaced = [...start, entry("d < c by phone", words("words two"))]
    const late = entry("e < d by words one", remove("phone"))
    expect(namesOf(reduce([...replaced, late]))).toHaveLength(3)
  })

  test("[A5] who leaves by its own word has drawn the new key: the next writer rotates first", () => {
    const left = [...start, entry("d < c by tablet", remove("tablet"))]
    const membership = reduce(left)
    expect(namesOf(membership)).toEqual(["phone", "laptop"])
    expect(membership.heads).toEqual([epoch("d")])
    expect(membership.current).toBeUndefined()
    const after = reduce([...left, entry("e < d by phone", rotate)])
    expect(after.current).toEqual(epoch("e"))

    const replaced = [...start, entry("d < c by words one", words("words two"))]
    expect(reduce(replaced).current).toBeUndefined()
    const by = reduce([...start, entry("d < c by phone", words("words two"))])
    expect(by.current).toEqual(epoch("d"))
  })

  test("[A7] the least suite only rises", () => {
    const raise = (least: number) => ({ kind: "suite", value: { least } }) as const
    const entries = [entry("a by phone", add("phone"), raise(3)), entry("b < a by phone", raise(2))]
    expect(reduce(entries).leastSuite).toBe(3)
  })

  test("an entry whose predecessors are not here waits", () => {
    const membership = reduce([...start.slice(0, 1), ...start.slice(2)])
    expect(namesOf(membership)).toEqual(["phone"])
    expect(membership.waiting).toEqual([epoch("c")])
  })

  test("[A9] of more ends than one entry can follow, those with effect are followed first", () => {
    const strays = Array.from({ length: 100 }, (_, i) => entry(`s${i} < c by tablet`, rotate))
    const entries = [...start, entry("d < c by phone", remove("tablet")), ...strays]
    const membership = reduce(entries)
    expect(membership.heads).toHaveLength(FOLLOWS_MAX)
    expect(membership.heads.map(String)).toContain(String(epoch("d")))
    expect(membership.concurrent).toBe(true)
    const follow = (name: string, { heads }: Membership): MembershipEntry => ({
      ...entry(`${name} by phone`, rotate),
      follows: heads,
    })
    const first = follow("y", membership)
    const some = reduce([...entries, first])
    expect(some.heads).toHaveLength(1 + 101 - FOLLOWS_MAX)
    expect(some.concurrent).toBe(true)
    const all = reduce([...entries, first, follow("z", some)])
    expect(all.heads).toEqual([epoch("z")])
    expect(all.current).toEqual(epoch("z"))
    expect(all.concurrent).toBe(false)
  })

  test("a thousand rotations are reduced quickly", () => {
    const many = Array.from({ length: 1000 }, (_, i) =>
      entry(`r${i} < ${i === 0 ? "c" : `r${i - 1}`} by phone`, rotate),
    )
    const membership = reduce([...start, ...many])
    expect(membership.heads).toEqual([epoch("r999")])
  })
})

describe("at the same time", () => {
  test("[A3] of two that remove each other the one that joined earlier stays", () => {
    const entries = [
      ...start,
      entry("d < c by laptop", remove("phone")),
      entry("e < c by phone", remove("laptop")),
    ]
    const membership = reduce(entries)
    expect(namesOf(membership)).toEqual(["phone", "tablet"])
    expect(membership.quarantined).toEqual([epoch("d")])
    expect(membership.current).toEqual(epoch("e"))
    expect(membership.concurrent).toBe(true)
    // Whoever stays was given no key of the void one: the next key entry carries it.
    expect(membership.heads.map((id) => id.join())).toContain(epoch("d").join())
    const hasty = reduce([...entries, entry("f < e by phone", rotate)])
    expect(hasty.concurrent).toBe(true)
    const after = reduce([...entries, entry("f < d e by phone", rotate)])
    expect(after.concurrent).toBe(false)
    expect(after.current).toEqual(epoch("f"))
    expect(after.heads).toEqual([epoch("f")])
    expect(namesOf(after)).toEqual(["phone", "tablet"])
  })

  test("[A3] two removals of others both hold, and the next writer rotates first", () => {
    const entries = [
      ...start,
      entry("d < c by phone", add("watch")),
      entry("e < d by phone", remove("tablet")),
      entry("f < d by laptop", remove("watch")),
    ]
    const membership = reduce(entries)
    expect(namesOf(membership)).toEqual(["phone", "laptop"])
    expect(membership.current).toBeUndefined()
    expect(membership.concurrent).toBe(true)
    expect(membership.heads).toHaveLength(2)
    const after = reduce([...entries, entry("g < e f by laptop", rotate)])
    expect(after.current).toEqual(epoch("g"))
    expect(after.concurrent).toBe(false)
  })

  test("[A3] what a removed device did meanwhile is void, with all that came of it", () => {
    const entries = [
      ...start,
      entry("d < c by phone", remove("tablet")),
      entry("e < c by tablet", add("spy")),
      entry("f < e by spy", remove("phone"), add("other spy")),
    ]
    const membership = reduce(entries)
    expect(namesOf(membership)).toEqual(["phone", "laptop"])
    expect(membership.quarantined).toHaveLength(2)
    expect(membership.current).toEqual(epoch("d"))
  })

  test("[A4] it holds if a member followed it who did not know of the removal", () => {
    const entries = [
      ...start,
      entry("d < c by phone", remove("tablet")),
      entry("e < c by tablet", add("watch")),
      entry("f < e by laptop", rotate),
    ]
    expect(namesOf(reduce(entries))).toEqual(["phone", "laptop", "watch"])
  })

  test("[A6] the recovery words rank above every device", () => {
    const entries = [
      ...start,
      entry("d < c by phone", words("words two"), remove("laptop")),
      entry("e < c by words one", remove("phone")),
    ]
    const membership = reduce(entries)
    expect(namesOf(membership)).toEqual(["laptop", "tablet"])
    expect(membership.current).toEqual(epoch("e"))
  })

  test("[A6] what words did that were replaced meanwhile is void, with all that came of it", () => {
    const entries = [
      ...start,
      entry("d < c by phone", words("words two")),
      entry("e < c by words one", add("spy")),
      entry("f < e by spy", add("other spy"), words("words three")),
    ]
    const membership = reduce(entries)
    expect(namesOf(membership)).toEqual(["phone", "laptop", "tablet"])
    expect(membership.recovery?.writer).toEqual(recovery("words two").writer.publicKey)
    expect(membership.quarantined).toHaveLength(2)
    const lapsed = reduce([...entries, entry("g < d e by words one", add("late spy"))])
    expect(namesOf(lapsed)).toEqual(["phone", "laptop", "tablet"])
    // A member who did not know better stands by it.
    const trusted = reduce([...entries.slice(0, -1), entry("g < e by laptop", rotate)])
    expect(namesOf(trusted)).toContain("spy")
  })

  test("[A6] words that a removed device set meanwhile are nobody's, whatever they do", () => {
    const entries = [
      ...start,
      entry("d < c by phone", remove("tablet")),
      entry("e < c by tablet", words("words two")),
      entry("f < e by words two", remove("phone")),
      entry("g < f by words two", rotate),
    ]
    const membership = reduce(entries)
    expect(namesOf(membership)).toEqual(["phone", "laptop"])
    expect(membership.recovery?.writer).toEqual(recovery("words one").writer.publicKey)
    expect(membership.current).toEqual(epoch("d"))
    // Nor do they let anybody in who could vouch for them.
    const more = reduce([
      ...entries,
      entry("h < g by words two", add("spy")),
      entry("i < h by spy", rotate),
    ])
    expect(namesOf(more)).toEqual(["phone", "laptop"])
  })

  test("[A6] words count that a removed device set, if somebody built upon them who did not know", () => {
    const membership = reduce([
      ...start,
      entry("d < c by phone", remove("tablet")),
      entry("e < c by tablet", words("words two")),
      entry("f < e by laptop", rotate),
      entry("g < f by words two", rotate),
    ])
    expect(namesOf(membership)).toEqual(["phone", "laptop"])
    expect(membership.recovery?.writer).toEqual(recovery("words two").writer.publicKey)
  })

  test("[A6] a removed device does not replace the words that removed it, whoever built upon what it wrote", () => {
    const entries = [
      ...start,
      entry("d < c by words one", remove("tablet")),
      entry("e < c by tablet", words("words two"), rename("phone", "mine")),
      entry("f < e by laptop", rotate),
    ]
    const membership = reduce(entries)
    expect(namesOf(membership)).toEqual(["mine", "laptop"])
    expect(membership.recovery?.writer).toEqual(recovery("words one").writer.publicKey)
    expect(membership.quarantined).toEqual([])
  })

  test("[A6] a removal without effect does not keep the device that it names from vouching", () => {
    const entries = [
      ...start,
      entry("d < c by phone", remove("tablet")),
      entry("e < c by tablet", add("watch")),
      entry("f < e by laptop", rotate),
    ]
    expect(namesOf(reduce(entries))).toEqual(["phone", "laptop", "watch"])
    const spited = reduce([...entries, entry("g < e by tablet", remove("laptop"))])
    expect(namesOf(spited)).toEqual(["phone", "laptop", "watch"])
    expect(spited.quarantined).toEqual([epoch("g")])
    // Nor from vouching for a removal.
    const third = [
      ...start,
      entry("d < c by phone", add("watch")),
      entry("e < d by phone", remove("tablet")),
      entry("f < d by tablet", remove("watch")),
      entry("g < f by laptop", rotate),
    ]
    expect(namesOf(reduce(third))).toEqual(["phone", "laptop"])
    const again = reduce([...third, entry("h < f by tablet", remove("laptop"))])
    expect(namesOf(again)).toEqual(["phone", "laptop"])
  })

  test("[A6] what a removed device said to no effect takes nothing back that others did", () => {
    const wordsOf = (membership: Membership) => membership.recovery?.writer
    const entries = [
      ...start,
      entry("d < c by tablet", remove("laptop")),
      entry("e < d by words one", words("words three"), add("watch")),
      entry("f < c by laptop", words("words two")),
    ]
    const membership = reduce(entries)
    expect(namesOf(membership)).toEqual(["phone", "tablet", "watch"])
    expect(wordsOf(membership)).toEqual(recovery("words three").writer.publicKey)
    expect(membership.quarantined).toEqual([epoch("f")])

    const devicesAlone = reduce([
      ...start,
      entry("d < c by laptop", remove("phone")),
      entry("e < c by tablet", words("words two")),
      entry("f < c by phone", remove("tablet")),
    ])
    expect(namesOf(devicesAlone)).toEqual(["laptop", "tablet"])
    expect(wordsOf(devicesAlone)).toEqual(recovery("words two").writer.publicKey)
  })

  test("[A3] of three that remove one another in a circle the one that joined first stays, and what it did", () => {
    const membership = reduce([
      ...start,
      entry("d < c by tablet", remove("phone")),
      entry("e < c by laptop", remove("tablet")),
      entry("f < c by phone", remove("laptop")),
    ])
    expect(namesOf(membership)).toEqual(["phone", "tablet"])
    expect(membership.quarantined).toEqual([epoch("e")])
  })

  test("[A6] what words removed stays, however those whom they removed vouch for one another", () => {
    // Each of the two removals holds only as long as the other does not.
    const membership = reduce([
      ...start,
      entry("d < c by phone", add("watch")),
      entry("e < d by words one", remove("tablet")),
      entry("f < e by words one", remove("phone")),
      entry("g < e by phone", remove("watch")),
      entry("h < g by laptop", rotate),
      entry("i < d by tablet", remove("laptop")),
      entry("j < i by watch", words("words two")),
    ])
    expect(namesOf(membership)).toEqual(["laptop"])
    expect(membership.recovery?.writer).toEqual(recovery("words one").writer.publicKey)
    expect(membership.quarantined.map((id) => id.join()).toSorted()).toEqual(
      ["i", "j"].map((name) => epoch(name).join()).toSorted(),
    )
  })

  test("[A4] nobody vouches by an entry that has no effect itself", () => {
    const entries = [
      ...start,
      entry("d < c by phone", remove("tablet")),
      entry("e < c by tablet", add("watch")),
      entry("f < e by laptop", add("desk")),
      entry("g < f by desk", rotate),
    ]
    expect(namesOf(reduce(entries))).toEqual(["phone", "laptop", "watch", "desk"])
    const gone = reduce([...entries, entry("h < d by phone", remove("laptop"))])
    expect(namesOf(gone)).toEqual(["phone"])
  })

  test("[A3] a circle is decided by what it hangs on, not by what hangs on it", () => {
    // The words, whose rank is the highest, hang on whether the phone or the tablet stays.
    const membership = reduce([
      ...start,
      entry("d < c by phone", remove("tablet")),
      entry("e < c by tablet", remove("phone")),
      entry("f < c by phone", words("words two")),
      entry("g < c by words one", words("words three")),
    ])
    expect(namesOf(membership)).toEqual(["phone", "laptop"])
    expect(membership.recovery?.writer).toEqual(recovery("words two").writer.publicKey)
    expect(membership.quarantined.map((id) => id.join()).toSorted()).toEqual(
      ["e", "g"].map((name) => epoch(name).join()).toSorted(),
    )
  })

  test("[A6] nor does whom a removed device let in meanwhile replace the words, or remove who removed it", () => {
    const entries = [
      ...start,
      entry("d < c by words one", remove("tablet")),
      entry("e < c by tablet", add("spy")),
      entry("f < e by laptop", rotate),
      entry("g < f by spy", words("words two")),
    ]
    expect(namesOf(reduce(entries))).toEqual(["phone", "laptop", "spy"])
    const membership = reduce([...entries, entry("h < d g by words one", remove("spy"))])
    expect(namesOf(membership)).toEqual(["phone", "laptop"])
    expect(membership.recovery?.writer).toEqual(recovery("words one").writer.publicKey)
    const removing = reduce([
      ...start,
      entry("d < c by phone", remove("tablet")),
      entry("e < c by tablet", add("spy")),
      entry("f < e by laptop", rotate),
      entry("g < f by spy", remove("phone")),
    ])
    expect(namesOf(removing)).toEqual(["phone", "laptop", "spy"])
  })

  test("[A6] words that a removed device set once more are what they were", () => {
    const membership = reduce([
      ...start,
      entry("d < c by phone", remove("tablet")),
      entry("e < c by tablet", words("words one")),
      entry("f < e by words one", add("watch")),
    ])
    expect(namesOf(membership)).toEqual(["phone", "laptop", "watch"])
    // Nor do they fall to the rank of that device.
    const ranked = reduce([
      ...start,
      entry("d < c by phone", remove("tablet")),
      entry("e < c by tablet", words("words one")),
      entry("f < e by words one", remove("laptop")),
      entry("g < e by laptop", words("words two")),
    ])
    expect(namesOf(ranked)).toEqual(["phone"])
    expect(ranked.recovery?.writer).toEqual(recovery("words one").writer.publicKey)
  })

  test("[A6] however many a removed device writes that lean on one another, it is judged quickly", () => {
    const kept = entry("d < c by phone", remove("tablet"))
    const ladder = (rungs: number, rungOf: (i: number) => readonly MembershipEntry[]) =>
      Array.from({ length: rungs }, (_, i) => rungOf(i)).flat()
    const shapes = {
      merged: ladder(133, (i) => [
        entry(`x${i} < ${i === 0 ? "c" : `z${i - 1}`} by tablet`, remove("watch")),
        entry(`y${i} < ${i === 0 ? "c" : `z${i - 1}`} by tablet`, remove("laptop")),
        entry(`z${i} < x${i} y${i} by tablet`, rotate),
      ]),
      // Something is always concurrent.
      beside: [
        ...ladder(100, (i) => [
          entry(`s${i} < ${i === 0 ? "c" : `s${i - 1}`} by tablet`, remove("watch")),
        ]),
        ...ladder(100, (i) => [
          entry(`m${i} < ${i === 0 ? "c" : `m${i - 1}`} s${i} by tablet`, remove("laptop")),
        ]),
      ],
    }
    for (const shape of Object.values(shapes)) {
      const began = performance.now()
      const membership = reduce([...start, entry("w < c by phone", rotate), kept, ...shape])
      expect(performance.now() - began).toBeLessThan(5_000)
      expect(namesOf(membership)).toEqual(["phone", "laptop"])
    }
  })

  test("[A6] whoever removes the device that set the words, and joined after it, does not get rid of them", () => {
    const entries = [
      ...start,
      entry("d < c by phone", words("words two")),
      entry("e < c by tablet", remove("phone")),
      entry("f < d by words two", remove("tablet")),
    ]
    const membership = reduce(entries)
    expect(namesOf(membership)).toEqual(["phone", "laptop"])
    expect(membership.recovery?.writer).toEqual(recovery("words two").writer.publicKey)
    // Said again to no effect they are no less what they were.
    const again = reduce([...entries, entry("0 < c by tablet", words("words two"))])
    expect(again.recovery?.writer).toEqual(recovery("words two").writer.publicKey)
    expect(namesOf(again)).toEqual(["phone", "laptop"])
  })

  test("[A6] however long a chain of words a removed device makes, it is judged quickly", () => {
    const chained = (next: (i: number) => readonly [by: string, set: string]) =>
      Array.from({ length: 400 }, (_, i) => {
        const [by, set] = next(i)
        return entry(`n${i + 1} < n${i} by ${by}`, words(set), remove("laptop"))
      })
    const begun = entry("n0 < c by tablet", words("words two"))
    const kept = entry("d < c by phone", remove("tablet"))
    for (const chain of [
      chained(() => ["words two", "words two"]),
      chained((i) => (i % 2 === 0 ? ["words two", "words three"] : ["words three", "words two"])),
    ]) {
      const began = performance.now()
      const membership = reduce([...start, kept, begun, ...chain])
      expect(performance.now() - began).toBeLessThan(5_000)
      expect(namesOf(membership)).toEqual(["phone", "laptop"])
      expect(membership.recovery?.writer).toEqual(recovery("words one").writer.publicKey)
    }
  })

  test("[A5] a device that was let in meanwhile has no wrap in the other: the next writer rotates", () => {
    const entries = [
      ...start,
      entry("d < c by phone", add("watch")),
      entry("e < c by laptop", rename("phone", "old phone")),
    ]
    const membership = reduce(entries)
    expect(membership.concurrent).toBe(true)
    expect(membership.current).toEqual(epoch("d"))
    const both = reduce([...entries, entry("f < c by tablet", add("desk"))])
    expect(both.current).toBeUndefined()
    const after = reduce([...entries, entry("g < d e by tablet", rotate)])
    expect(after.concurrent).toBe(false)
    expect(after.current).toEqual(epoch("g"))
  })

  test("two rotations without a removal ask for nothing", () => {
    const entries = [...start, entry("d < c by phone", rotate), entry("e < c by laptop", rotate)]
    const membership = reduce(entries)
    expect(membership.concurrent).toBe(false)
    expect(membership.heads).toHaveLength(2)
    expect(membership.current).toBeDefined()
  })
})

describe("names that are given at once", () => {
  const renames = [
    entry("d < c by phone", rename("tablet", "reader")),
    entry("e < c by laptop", rename("tablet", "slate"), rename("phone", "reader")),
  ]

  test("[A2] the one of the later epoch holds, whatever came first, until one follows both", () => {
    const orders = [renames, renames.toReversed()].map((two) => reduce([...start, ...two]))
    for (const membership of orders) {
      expect(namesOf(membership)).toEqual(["reader", "laptop", "slate"])
      expect(membership.concurrent).toBe(false)
    }
    const settled = entry("f < d e by tablet", rename("tablet", "reader 2"))
    expect(namesOf(reduce([settled, ...renames, ...start]))).toEqual([
      "reader",
      "laptop",
      "reader 2",
    ])
  })
})

/** Any history at all: each entry follows some earlier ones, by anybody, with any change. */
const names = ["phone", "laptop", "tablet", "watch", "desk"]
const anyChange = fc.oneof(
  fc.constantFrom(...names).map(add),
  fc.constantFrom(...names).map(remove),
  fc.constantFrom(...names).map((name) => rename(name, `${name}'s new name`)),
  fc.constantFrom("words one", "words two", "words three").map(words),
  fc.constant(rotate),
)
/** Of devices and words that remove, replace and bring back one another. */
const anyQuarrel = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...names).map(remove) },
  { weight: 3, arbitrary: fc.constantFrom(...names).map(add) },
  { weight: 2, arbitrary: fc.constantFrom("words one", "words two", "words three").map(words) },
)
const historyOf = (anyOne: typeof anyChange) =>
  fc
    .array(
      fc.record({
        follows: fc.array(fc.nat({ max: 30 }), { minLength: 1, maxLength: 3 }),
        by: fc.constantFrom(...names, "words one", "words two", "words three"),
        changes: fc.array(anyOne, { maxLength: 2 }),
      }),
      { maxLength: 12 },
    )
    .map((steps) => {
      const entries = [entry("a by phone", add("phone"), add("laptop"), words("words one"))]
      for (const [i, { follows, by, changes }] of steps.entries()) {
        const ids = [
          ...new Set(follows.map((at) => (at % (i + 1) === 0 ? "a" : `n${at % (i + 1)}`))),
        ]
        entries.push(entry(`n${i + 1} < ${ids.join(" ")} by ${by}`, ...changes))
      }
      return entries
    })

const anyHistory = historyOf(anyChange)
const anyWar = historyOf(anyQuarrel)

describe("any history", () => {
  const told = ({ devices, removed, recovery, leastSuite, epochs }: Membership) => ({
    ...{ devices, removed, leastSuite, epochs, words: recovery?.writer },
  })

  test("[A2] gives the same membership in any order, however often entries came", () => {
    const any = anyHistory.chain((entries) =>
      fc.tuple(
        fc.constant(entries),
        fc.shuffledSubarray([...entries, ...entries], { minLength: 2 * entries.length }),
      ),
    )
    fc.assert(
      fc.property(any, ([entries, arrived]) => {
        const { waiting, ...membership } = reduce(entries)
        const { waiting: late, ...other } = reduce(arrived)
        expect(other).toEqual(membership)
        expect(late).toHaveLength(waiting.length)
      }),
      { numRuns: 150 },
    )
  })

  test("[A1] [A2] is what it was, whatever a stranger adds, and upon however little", () => {
    fc.assert(
      fc.property(fc.oneof(anyHistory, anyWar), (entries) => {
        const more = [...entries, entry("y < a by stranger", add("spy"), words("words nine"))]
        expect(told(reduce(more))).toEqual(told(reduce(entries)))
      }),
      { numRuns: 400 },
    )
  })

  test("[A1] [A2] an entry is judged as its author saw it, though others are open beside it", () => {
    const beside = (...entries: readonly MembershipEntry[]) => {
      const open = reduce([...entries, entry("y < a by stranger", add("spy"))])
      expect(told(open)).toEqual(told(reduce(entries)))
    }
    const all = entry("a by phone", add("phone"), add("laptop"), add("tablet"), words("words one"))
    // It removes whom it does not know of, and who is let in at the same time.
    beside(
      all,
      entry("b < a by laptop", remove("desk")),
      entry("c < a by phone", add("desk")),
      entry("d < b c by desk", words("words three")),
    )
    // Words are set anew by somebody who did not know of a second change of them.
    beside(
      all,
      entry("b < a by tablet", words("words three")),
      entry("c < a by tablet", words("words two")),
      entry("d < b by phone", rotate),
      entry("e < d by phone", words("words one")),
      entry("f < c e by words one", add("desk")),
    )
    // They are taken back in the entry that replaces them; a device is let in in the one that removes it.
    beside(
      all,
      entry(
        "b < a by words one",
        words("words two"),
        words("words one"),
        remove("watch"),
        add("watch"),
      ),
      entry("c < b by words one", add("desk")),
      entry("d < b by watch", rename("phone", "my phone")),
    )
  })

  test("[A6] whom the first words removed of the first devices is a member no more, unless words bring it back", () => {
    const isBy = (name: string) => {
      const { publicKey } = recovery(name).writer
      return ({ writer }: MembershipEntry) => equalBytes(writer, publicKey)
    }
    fc.assert(
      fc.property(anyHistory, (entries) => {
        const { devices, epochs } = reduce(entries)
        const effective = new Set(epochs.map((id) => id.join()))
        const counting = entries.filter(({ epoch: id }) => effective.has(id.join()))
        for (const { id } of ["phone", "laptop"].map(device)) {
          const removes = ({ changes }: MembershipEntry) =>
            changes.some((it) => it.kind === "remove" && equalBytes(it.value.device, id))
          const adds = ({ changes }: MembershipEntry) =>
            changes.some((it) => it.kind === "add" && equalBytes(it.value.certificate.id, id))
          if (!counting.filter(isBy("words one")).some(removes)) continue
          const isBack = ["words one", "words two", "words three"].some((words) =>
            entries.filter(isBy(words)).some(adds),
          )
          const isMember = devices.some((member) => equalBytes(member.id, id))
          expect(isMember && !isBack).toBe(false)
        }
      }),
      { numRuns: 400 },
    )
  })

  test("[A5] an epoch to write under is known to all members, and to members only", () => {
    fc.assert(
      fc.property(anyHistory, (entries) => {
        const membership = reduce(entries)
        const { current } = membership
        if (current === undefined) return
        // Whoever was a member when that epoch was made got its key.
        const follows = new Map(entries.map((it) => [it.epoch.join(), it]))
        const seen: MembershipEntry[] = []
        const queue = [follows.get(current.join())]
        for (const it of queue) {
          if (it === undefined || seen.includes(it)) continue
          seen.push(it)
          queue.push(...it.follows.map((id) => follows.get(id.join())))
        }
        const given = reduce(seen).devices.map(({ id }) => id.join())
        const members = membership.devices.map(({ id }) => id.join())
        expect(given.toSorted()).toEqual(members.toSorted())
        const { recovery, devices } = membership
        const writers = [recovery, ...devices].map((member) => member?.writer.join())
        expect(writers).toContain(follows.get(current.join())?.writer.join())
      }),
      { numRuns: 150 },
    )
  })
})

describe("what a removed device wrote", () => {
  const on = (...rows: readonly (readonly [string, number])[]): VersionVector =>
    rows.map(([name, sequence]) => ({
      incarnation: incarnation(name),
      sequence,
      chain: chainHashSchema.decode(new Uint8Array(32)),
    }))
  const covers = (vector: VersionVector, id: Uint8Array, sequence: number) =>
    vector.some((row) => equalBytes(row.incarnation, id) && row.sequence >= sequence)

  test("[A4] is admitted by what the logs say alone", () => {
    const removal = entry("d < c by phone", remove("tablet"))
    const [change] = removal.changes
    if (change?.kind !== "remove") throw new TypeError("no removal")
    const removing: MembershipEntry = {
      ...removal,
      changes: [{ kind: "remove", value: { ...change.value, on: on(["tablet", 10]) } }],
    }
    const membership = reduce([...start, removing])
    const written = (sequence: number) => ({
      writer: device("tablet").writer.publicKey,
      incarnation: incarnation("tablet"),
      sequence,
    })
    const seenAt = () => undefined
    const none = { covers, written: [], seenAt }
    expect(isAdmitted(membership, written(10), none)).toBe("admitted")
    expect(isAdmitted(membership, written(11), none)).toBe("quarantined")
    const laptop = device("laptop").writer.publicKey
    const unknowing = { writer: laptop, on: on(["tablet", 12]) }
    const knowing = { writer: laptop, on: on(["tablet", 12], ["phone", removal.sequence]) }
    const removed = { writer: device("tablet").writer.publicKey, on: on(["tablet", 12]) }
    expect(isAdmitted(membership, written(11), { covers, written: [unknowing], seenAt })).toBe(
      "admitted",
    )
    expect(isAdmitted(membership, written(11), { covers, written: [knowing], seenAt })).toBe(
      "quarantined",
    )
    expect(isAdmitted(membership, written(11), { covers, written: [removed], seenAt })).toBe(
      "quarantined",
    )
    const stranger = { ...written(1), writer: device("spy").writer.publicKey }
    expect(isAdmitted(membership, stranger, none)).toBe("unknown")
  })

  test("[A4] counts no further than whoever removed it can have seen", () => {
    const leaving = entry("d < c by tablet", remove("tablet"))
    const [change] = leaving.changes
    if (change?.kind !== "remove") throw new TypeError("no removal")
    // It names what it has not written yet.
    const value = { ...change.value, on: on(["tablet", 1000]) }
    const membership = reduce([...start, { ...leaving, changes: [{ kind: "remove", value }] }])
    const evidence = { covers, written: [], seenAt: () => on(["tablet", leaving.sequence]) }
    const written = (sequence: number) => ({
      writer: device("tablet").writer.publicKey,
      incarnation: incarnation("tablet"),
      sequence,
    })
    expect(isAdmitted(membership, written(leaving.sequence), evidence)).toBe("admitted")
    expect(isAdmitted(membership, written(leaving.sequence + 1), evidence)).toBe("quarantined")
  })
})
