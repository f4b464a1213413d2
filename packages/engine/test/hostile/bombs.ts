/**
 * Changes made to cost: small ones that unroll into very much, deep, endless or enormous ones, and
 * such as name what must not be named. Each is one entry for each change that it gives.
 *
 * @module
 */
import { hash } from "node:crypto"
import { deflateRawSync } from "node:zlib"
import { concatBytes, utf8ToBytes } from "@fulcrum/codec/bytes"
import {
  type ChangeParts,
  COLUMN,
  type Column,
  chunk,
  contentsOf,
  encodeChange,
  keys,
  lengthFirst,
  literal,
  run,
  sleb,
  uleb,
} from "./change-bytes.ts"

export interface BombGround {
  /** The hostile device's own, without a change yet. */
  readonly actor: Uint8Array
  /** The document as it is: its heads, and the number of its next operation. */
  readonly deps: readonly string[]
  readonly startOp: number
  /** Actor of another device. */
  readonly victim: Uint8Array
}

export interface Bomb {
  readonly name: string
  readonly changes: (ground: BombGround) => readonly Uint8Array[]
}

const TRUE = uleb(2)
const ONE = Uint8Array.of(0x7f, 1)
const one = literal([uleb(1)])

function parts(ground: BombGround, over: Partial<ChangeParts>): ChangeParts {
  const { actor, deps, startOp } = ground
  const none = new Uint8Array()
  return { deps, actor, seq: 1, startOp, time: 0, message: none, others: [], columns: [], ...over }
}

/** `/a` set to true, with some of its columns replaced; `undefined` leaves one out. */
function columns(over: Readonly<Record<number, Uint8Array | undefined>> = {}): readonly Column[] {
  const usual: Readonly<Record<number, Uint8Array | undefined>> = {
    [COLUMN.key]: keys("/a"),
    [COLUMN.insert]: Uint8Array.of(1),
    [COLUMN.action]: one,
    [COLUMN.valueKind]: literal([TRUE]),
    [COLUMN.predGroup]: literal([uleb(0)]),
  }
  return Object.entries({ ...usual, ...over })
    .flatMap(([id, contents]): Column[] => (contents === undefined ? [] : [[Number(id), contents]]))
    .toSorted(([a], [b]) => a - b)
}

function single(
  name: string,
  over: Readonly<Record<number, Uint8Array | undefined>>,
  more: Partial<ChangeParts> = {},
): Bomb {
  return {
    name,
    changes: (ground) => [encodeChange(parts(ground, { columns: columns(over), ...more }))],
  }
}

/** All rows alike but the keys. */
function rows(count: number, key: (at: number) => string): readonly Column[] {
  return [
    [COLUMN.key, keys(...Array.from({ length: count }, (_, at) => key(at)))],
    [COLUMN.insert, uleb(count)],
    [COLUMN.action, run(count, uleb(1))],
    [COLUMN.valueKind, run(count, TRUE)],
    [COLUMN.predGroup, run(count, uleb(0))],
  ]
}

function text(bytes: Uint8Array): Readonly<Record<number, Uint8Array>> {
  return { [COLUMN.valueKind]: literal([uleb(bytes.length * 16 + 6)]), [COLUMN.value]: bytes }
}

function json(source: string): Readonly<Record<number, Uint8Array>> {
  const bytes = utf8ToBytes(source)
  return { [COLUMN.valueKind]: literal([uleb(bytes.length * 16 + 7)]), [COLUMN.value]: bytes }
}

/** A deflated column that unrolls into 64 MiB. */
const inflating = new Uint8Array(deflateRawSync(new Uint8Array(64 << 20)))

const runs = [2 ** 20, 2 ** 31 - 1, 2n ** 40n, 2n ** 62n].flatMap((count): Bomb[] => [
  single(`a run of ${count} operations`, {
    [COLUMN.action]: run(count, uleb(1)),
    [COLUMN.insert]: uleb(count),
    [COLUMN.key]: run(count, lengthFirst(utf8ToBytes("/a"))),
    [COLUMN.valueKind]: run(count, TRUE),
    [COLUMN.predGroup]: run(count, uleb(0)),
  }),
  single(`a run of ${count} deletions`, { [COLUMN.action]: run(count, uleb(3)) }),
  single(`a run of ${count} objects`, { [COLUMN.action]: run(count, uleb(0)) }),
  single(`a run of ${count} keys`, { [COLUMN.key]: run(count, lengthFirst(utf8ToBytes("/a"))) }),
  single(`${count} nulls`, { [COLUMN.valueKind]: concatBytes([sleb(0), uleb(count)]) }),
  single(`${count} predecessors`, { [COLUMN.predGroup]: literal([uleb(count)]) }),
  single(`${count} predecessors in a run`, {
    [COLUMN.predGroup]: literal([uleb(count)]),
    [COLUMN.predActor]: run(count, uleb(0)),
    [COLUMN.predCounter]: run(count, sleb(1)),
  }),
  single(`${count} insertions`, { [COLUMN.insert]: concatBytes([uleb(0), uleb(count)]) }),
  single(`a text of ${count} bytes that are not there`, {
    [COLUMN.valueKind]: literal([uleb(BigInt(count) * 16n + 6n)]),
  }),
])

/** Eight changes of some 100 bytes, one after the other in one batch. */
const eight: Bomb = {
  name: "eight small changes that unroll",
  changes: (ground) =>
    Array.from({ length: 8 }, (_, at) =>
      encodeChange(
        parts(ground, {
          seq: at + 1,
          columns: [
            [COLUMN.object, run(10_000_000, uleb(0))],
            [2, run(10_000_000, uleb(1))],
            [COLUMN.key, run(10_000_000, lengthFirst(utf8ToBytes("/a")))],
            [COLUMN.insert, uleb(10_000_000)],
            [COLUMN.action, run(10_000_000, uleb(1))],
            [COLUMN.valueKind, run(10_000_000, TRUE)],
            [COLUMN.predGroup, run(10_000_000, uleb(0))],
          ],
        }),
      ),
    ),
}

const deep: readonly Bomb[] = [
  single("a path of 20,000 steps", { [COLUMN.key]: keys("/a".repeat(20_000)) }),
  single("an array 100,000 deep", json(`${"[".repeat(100_000)}${"]".repeat(100_000)}`)),
  single("an object 40,000 deep", json(`${'{"a":'.repeat(40_000)}1${"}".repeat(40_000)}`)),
  single("an array that does not end", json("[".repeat(200_000))),
  single("an array of 100,000 rows", json(`[${"1,".repeat(100_000)}1]`)),
  single("a number of 200,000 digits", json(`[1${"0".repeat(200_000)}]`)),
]

const forbidden: readonly Bomb[] = ["__proto__", "constructor", "prototype"].flatMap((word) => [
  single(`the key /${word}`, { [COLUMN.key]: keys(`/${word}`) }),
  single(`the key /a/b/${word}`, { [COLUMN.key]: keys(`/a/b/${word}`) }),
  single(`the key /${word}/polluted`, { [COLUMN.key]: keys(`/${word}/polluted`) }),
  single(`${word} in an object`, json(`{"${word}":{"polluted":true}}`)),
  single(`${word} deep in an array`, json(`[[[{"a":[{"${word}":{"polluted":true}}]}]]]`)),
  single(`${word} with an escape`, json(`{"\\u00${hexOf(word)}${word.slice(1)}":1}`)),
])

function hexOf(word: string): string {
  return word.charCodeAt(0).toString(16)
}

const large: readonly Bomb[] = [
  single("a text of a mebibyte", text(new Uint8Array(1 << 20).fill(0x61))),
  single("a text of 300 kB", text(new Uint8Array(300_000).fill(0x61))),
  single("a text that is no text", text(new Uint8Array(1000).fill(0xff))),
  single("a deflated column of 64 MiB", { [COLUMN.key | 8]: inflating, [COLUMN.key]: undefined }),
  {
    name: "a compressed change of 64 MiB",
    changes: () => [chunk(2, inflating)],
  },
  {
    name: "a saved form in place of a change",
    changes: () => [chunk(0, Uint8Array.of(0, 0, 0, 0))],
  },
  {
    name: "two changes in one",
    changes: (ground) => {
      const change = encodeChange(parts(ground, { columns: columns() }))
      return [concatBytes([change, change])]
    },
  },
  {
    name: "4096 actors",
    changes: (ground) => {
      const others = Array.from({ length: 4096 }, (_, at) => new Uint8Array(16).fill(at & 255))
      return [encodeChange(parts(ground, { others, columns: columns() }))]
    },
  },
  {
    name: "65,536 predecessors that are nowhere",
    changes: (ground) => [
      encodeChange(
        parts(ground, {
          others: [ground.victim],
          columns: columns({
            [COLUMN.predGroup]: literal([uleb(65_536)]),
            [COLUMN.predActor]: run(65_536, uleb(1)),
            [COLUMN.predCounter]: run(65_536, sleb(1)),
          }),
        }),
      ),
    ],
  },
  {
    name: "16,384 keys, the most that there may be",
    changes: (ground) => [
      encodeChange(parts(ground, { columns: rows(16_384, (at) => `/big/${at}`) })),
    ],
  },
  {
    name: "1,000 keys of a kilobyte",
    changes: (ground) => [
      encodeChange(parts(ground, { columns: rows(1000, (at) => `/${at}${"k".repeat(1000)}`) })),
    ],
  },
]

const kinds: readonly Bomb[] = [
  single("a counter", {
    [COLUMN.valueKind]: literal([uleb(0x18)]),
    [COLUMN.value]: Uint8Array.of(5),
  }),
  single("an increment", { [COLUMN.action]: literal([uleb(5)]) }),
  single("a mark", { [COLUMN.action]: literal([uleb(7)]) }),
  single("a value of an unknown kind", {
    [COLUMN.valueKind]: literal([uleb(0x1f)]),
    [COLUMN.value]: Uint8Array.of(5),
  }),
  single("the largest integer", {
    [COLUMN.valueKind]: literal([uleb(9 * 16 + 4)]),
    [COLUMN.value]: sleb(2n ** 62n),
  }),
  single("the largest unsigned integer", {
    [COLUMN.valueKind]: literal([uleb(10 * 16 + 3)]),
    [COLUMN.value]: uleb(2n ** 64n - 1n),
  }),
  single("a number that is none", {
    [COLUMN.valueKind]: literal([uleb(8 * 16 + 5)]),
    [COLUMN.value]: Uint8Array.of(0, 0, 0, 0, 0, 0, 0xf8, 0x7f),
  }),
]

const numbers: readonly Bomb[] = [
  single("sequence 0", {}, { seq: 0 }),
  single("sequence 2", {}, { seq: 2 }),
  single("sequence 2^53", {}, { seq: 2n ** 53n }),
  single("sequence 2^64 - 1", {}, { seq: 2n ** 64n - 1n }),
  single("an operation numbered 0", {}, { startOp: 0 }),
  single("an operation numbered 2^31 - 1", {}, { startOp: 2 ** 31 - 1 }),
  single("an operation numbered 2^63", {}, { startOp: 2n ** 63n }),
  single("no dependency at all", {}, { deps: [] }),
  single("a dependency that is nowhere", {}, { deps: ["ee".repeat(32)] }),
  {
    name: "a dependency twice",
    changes: (ground) => [
      encodeChange(parts(ground, { deps: [...ground.deps, ...ground.deps], columns: columns() })),
    ],
  },
  {
    name: "4,097 dependencies",
    changes: (ground) => [
      encodeChange(
        parts(ground, { deps: new Array<string>(4097).fill("ee".repeat(32)), columns: columns() }),
      ),
    ],
  },
  {
    name: "one sequence number twice",
    changes: (ground) =>
      ["/a", "/b"].map((key) =>
        encodeChange(parts(ground, { columns: columns({ [COLUMN.key]: keys(key) }) })),
      ),
  },
  {
    name: "a change and the one that it follows, the wrong way round",
    changes: (ground) => chain(ground, 2).toReversed(),
  },
  {
    name: "a chain of 300 changes, the wrong way round",
    changes: (ground) => chain(ground, 300).toReversed(),
  },
  {
    name: "a chain of 300 changes with a hole",
    changes: (ground) => chain(ground, 300).filter((_, at) => at !== 1),
  },
  {
    name: "300 changes that follow none of their own",
    changes: (ground) =>
      Array.from({ length: 300 }, (_, at) =>
        encodeChange(
          parts(ground, { seq: at + 1, columns: columns({ [COLUMN.key]: keys(`/c/${at}`) }) }),
        ),
      ),
  },
  single("the actor of another device", {}, { actor: new Uint8Array(16).fill(0x77) }),
  {
    name: "the actor of the honest device",
    changes: (ground) => [
      encodeChange({ ...parts(ground, { columns: columns() }), actor: ground.victim }),
    ],
  },
  single("an actor of no bytes", {}, { actor: new Uint8Array() }),
  single("a message of a mebibyte", {}, { message: new Uint8Array(1_000_000).fill(0x61) }),
  {
    name: "a length that is not so",
    changes: (ground) => {
      const bytes = encodeChange(parts(ground, { columns: columns() }))
      return [concatBytes([bytes, ONE]), bytes.subarray(0, -1), contentsOf(bytes)]
    },
  },
]

/** Changes that each follow the one before, as an honest device would write them. */
export function chain(ground: BombGround, count: number): readonly Uint8Array[] {
  const made: Uint8Array[] = []
  let { deps } = ground
  for (let at = 0; at < count; at++) {
    const change = encodeChange(
      parts(ground, {
        deps,
        seq: at + 1,
        startOp: ground.startOp + at,
        columns: [...columns({ [COLUMN.key]: keys(`/chain/${at}`) })],
      }),
    )
    made.push(change)
    deps = [hashOf(change)]
  }
  return made
}

/** A change with this many keys of its own, all true: `at` numbers it in its chain. */
export function wide(
  ground: BombGround,
  at: { readonly seq: number; readonly deps: readonly string[]; readonly startOp: number },
  count: number,
): Uint8Array {
  return encodeChange({
    ...parts(ground, { columns: rows(count, (row) => `/w/${at.seq}/${row}`) }),
    ...at,
  })
}

/** A change that sets one key to a text. */
export function heavy(
  ground: BombGround,
  at: { readonly seq: number; readonly deps: readonly string[]; readonly startOp: number },
  value: Uint8Array,
): Uint8Array {
  const over = { [COLUMN.key]: keys(`/h/${at.seq}`), ...text(value) }
  return encodeChange({ ...parts(ground, { columns: columns(over) }), ...at })
}

/** What Automerge calls a change: SHA-256 of its chunk from the type on. */
export function hashOf(change: Uint8Array): string {
  return hash("sha256", change.subarray(8), "hex")
}

export const BOMBS: readonly Bomb[] = [
  ...runs,
  eight,
  ...deep,
  ...forbidden,
  ...large,
  ...kinds,
  ...numbers,
]
